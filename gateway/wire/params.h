/*
 * params: the parameter table of the DOTS signal channel, RFC 9132 table 5 and RFC 9133 table 1.
 *
 * Words: a *row* describes one parameter: name, key, kind, and its *places*; a *place* is a kind of
 * map that parameters stand in (a scope, a port range); a *slot* says for one place who may send the
 * parameter there and which C field holds it. The decode and encode walks know no parameter by name:
 * they follow the rows, so an extension (a new RFC) is new rows and new fields.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/wire/wire.h"

enum wire_place {
    WIRE_NOWHERE,
    WIRE_IN_BODY,           /* struct wire_message */
    WIRE_IN_MITIGATION,     /* struct wire_message */
    WIRE_IN_SCOPE,          /* struct wire_scope */
    WIRE_IN_CONFLICT,       /* struct wire_conflict */
    WIRE_IN_CONFLICT_SCOPE, /* struct wire_conflict */
    WIRE_IN_PORT_RANGE,     /* struct wire_port_range */
    WIRE_IN_CONFLICT_ACL,   /* struct wire_acl */
    WIRE_IN_CONTROL_ACL,    /* struct wire_acl */
    WIRE_IN_CONFIG,         /* struct wire_config */
    WIRE_IN_CONFIG_SET,     /* struct wire_config_value[WIRE_CONFIG_PARAMETERS] */
    WIRE_IN_CONFIG_INTEGER, /* struct wire_config_value */
    WIRE_IN_CONFIG_DECIMAL, /* struct wire_config_value */
    WIRE_IN_REDIRECT,       /* struct wire_redirect */
    WIRE_IN_HEARTBEAT,      /* struct wire_heartbeat */
    WIRE_PLACES,
};

/* What a value is; of a list: what each entry is. */
enum wire_kind {
    WIRE_KIND_MAP,
    WIRE_KIND_UINT8,
    WIRE_KIND_UINT16,
    WIRE_KIND_UINT32,
    WIRE_KIND_TIMER,    /* uint32 that table 5 makes a string in JSON */
    WIRE_KIND_UINT64,   /* a string in JSON */
    WIRE_KIND_LIFETIME, /* uint32, or -1 */
    WIRE_KIND_DECIMAL,  /* in hundredths; tag 4 [-2, integer], "2.00" in JSON */
    WIRE_KIND_ENUM,     /* its name in JSON */
    WIRE_KIND_BOOL,
    WIRE_KIND_STRING, /* the kinds of text from here on */
    WIRE_KIND_PREFIX,
    WIRE_KIND_DOMAIN,
    WIRE_KIND_URI,
    WIRE_KIND_ADDRESS,
    WIRE_KINDS,
};

/* When a field counts as present, so that it is encoded; an ALWAYS one is mandatory in its map. */
enum wire_presence {
    WIRE_BY_VALUE,  /* not 0, not NULL, not an empty list */
    WIRE_BY_FLAG,   /* the bool at 'flag' */
    WIRE_BY_TYPE,   /* the message's type is 'flag' */
    WIRE_BY_MEMBER, /* a member of the map is present */
    WIRE_BY_UPPER,  /* an upper port other than the lower one */
    WIRE_ALWAYS,
};

#define WIRE_FROM_CLIENT (1u << WIRE_TO_SERVER)
#define WIRE_FROM_SERVER (1u << WIRE_TO_CLIENT)
#define WIRE_FROM_BOTH (WIRE_FROM_CLIENT | WIRE_FROM_SERVER)

struct wire_slot {
    uint8_t place;    /* enum wire_place; WIRE_NOWHERE: slot not used */
    uint8_t from;     /* WIRE_FROM_... */
    uint8_t presence; /* enum wire_presence */
    uint8_t inner;    /* of a map: the place it opens */
    bool pointer;     /* of a map: the field points to a structure that is allocated */
    uint16_t offset;  /* of the field, or of the pointer to a list's entries */
    uint16_t size;    /* of the field, of one entry, or of the structure pointed to */
    uint16_t count;   /* of a list: offset of its size_t count */
    uint16_t flag;
};

/* Names of the values 1..count of an enumeration. */
struct wire_names {
    const char *const *at;
    size_t count;
};

struct wire_row {
    const char *name; /* as in JSON */
    uint16_t key;
    uint8_t kind; /* enum wire_kind */
    bool list;
    const struct wire_names *names; /* of WIRE_KIND_ENUM */
    struct wire_slot slot[2];
};

/* What all parameters of a kind share. */
struct wire_kind_trait {
    uint64_t max; /* of a number */
    const char *yang, *cbor, *json;
};

extern const struct wire_row wire_rows[]; /* ascending keys */
extern const size_t wire_row_count;
extern const struct wire_kind_trait wire_kind_traits[WIRE_KINDS];

#define WIRE_ROWS_MAX 192u /* bits of the walk's set of parameters seen; RFC 9244 would fit */

const struct wire_row *wire_row_by_key(uint64_t key); /* NULL: not known */
const struct wire_row *wire_row_by_name(const char *name);

/* NULL when the parameter may not stand there. */
const struct wire_slot *wire_slot_in(const struct wire_row *row, enum wire_place place);

/* The parameters that may stand in a place, ascending keys. */
struct wire_members {
    size_t count;
    struct {
        const struct wire_row *row;
        const struct wire_slot *slot;
    } at[WIRE_ROWS_MAX];
};
const struct wire_members *wire_members_of(enum wire_place place);

/* Section 10.6.1.1, table 8; key is in 1..65535. */
bool wire_key_required(uint64_t key);
