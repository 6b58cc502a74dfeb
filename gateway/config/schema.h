/*
 * schema: keys as tables, and the walk that brings values from a tree into structures by them.
 *
 * Words: a *table* is the keys of one mapping, ended by a row without a name; a *type* says how a
 * value is read, checked, released and described. Private to gateway/config. Defaults are YAML text
 * that goes the same way as the text of the file, so that what is listed is what happens.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/loader.h"

struct config_key;

struct config_type {
    /* Reads the node into the field; 0, or -1 after config_fault. */
    int (*decode)(struct loader *loader, const struct config_key *key, const struct node *node, void *field);
    /* Gives back what decode took; fine on a zeroed field. NULL: it takes nothing. */
    void (*release)(const struct config_key *key, void *field);
    /* "integer from 1 to 255": what is expected, in messages and in the reference. */
    void (*describe)(const struct config_key *key, char *buffer, size_t size);
    bool layered; /* the default is read first, the given value over it */
};

struct config_key {
    const char *name;
    const struct config_type *type;
    size_t offset, size;          /* of the field; size of one entry of a list */
    size_t count_offset;          /* lists: of the number of entries */
    const struct config_type *of; /* lists: type of the entries, that get this row */
    uint32_t min, max;            /* integers, durations: range; lists, text: number of entries, bytes */
    uint32_t guard;               /* session parameters: only an explicit min goes below it */
    const char *const *choices;   /* ended by NULL; the index is the value */
    const char *fallback;         /* the default, as YAML; NULL: none */
    const char *shown;            /* the default in words, where it is not one value */
    bool required;
    const struct config_key *keys;                                           /* mappings and lists of mappings */
    void (*start)(void *base);                                               /* before the row is read, given or not */
    int (*check)(struct loader *loader, const struct node *map, void *base); /* after a given mapping is read */
    const char *text;                                                        /* one line for the reference */
};

#define FIELD(type, member) .offset = offsetof(struct type, member), .size = sizeof(((struct type *)0)->member)
#define ENTRIES(type, array, number)                                                       \
    .offset = offsetof(struct type, array), .count_offset = offsetof(struct type, number), \
    .size = sizeof(*((struct type *)0)->array)

/* A row of a table. PARENT in place of FIELD or ENTRIES: a mapping whose keys belong to the structure
 * around it. */
#define KEY(NAME, TYPE, PLACE, TEXT, ...)                                               \
    {                                                                                   \
        .name = (NAME), .type = &config_type_##TYPE, PLACE, .text = (TEXT), __VA_ARGS__ \
    }
#define PARENT .offset = 0

/* Structure (schema.c). */
extern const struct config_type config_type_map, config_type_list;
/* Numbers and words (scalar.c). */
extern const struct config_type config_type_integer, config_type_decimal, config_type_boolean, config_type_seconds,
    config_type_milliseconds, config_type_choice, config_type_transports;
/* Rates and numbers of many digits (quantity.c); uint64_t. */
extern const struct config_type config_type_quantity;
/* Names and addresses (name.c); all but prefix and hash are char *. */
extern const struct config_type config_type_name, config_type_host, config_type_fqdn, config_type_address,
    config_type_endpoint, config_type_san, config_type_identity, config_type_uri, config_type_prefix, config_type_hash;
/* Files (file.c, tickets.c); char * but secret and tickets, which are struct config_bytes. */
extern const struct config_type config_type_path, config_type_file, config_type_program, config_type_secret,
    config_type_tickets;
/* Session parameters (session.c). */
extern const struct config_type config_type_range, config_type_decimal_range;

extern const struct config_key config_keys_root[];                                /* keys.c; base struct config */
extern const struct config_key config_keys_session[];                             /* session.c; base struct config */
extern const struct config_key config_keys_detector[], config_keys_attack_rule[]; /* keys_detectors.c */

/* Reads a mapping by its table into base. map NULL: the defaults alone, for a mapping left out;
 * where is the place for messages. */
int config_decode(struct loader *loader, const struct config_key *keys, const struct node *map,
                  const struct node *where, void *base);
void config_release(const struct config_key *keys, void *base);

/* The text of a scalar, or NULL after a fault "KEY: expected TYPE, found ...". */
const char *config_scalar(struct loader *loader, const struct config_key *key, const struct node *node);
/* That fault. Returns -1. */
int config_expected(struct loader *loader, const struct config_key *key, const struct node *node);
/* An integer of one to ten digits, without leading zeros, at *text, which moves behind it. 0, or -1. */
int config_digits(const char **text, uint64_t *value);
/* The absolute path that stands at a node, to be freed; NULL after a fault. */
char *config_path(struct loader *loader, const struct config_key *key, const struct node *node);
/* What config_psk_parse and config_tickets_parse are. */
typedef int (*config_secret_parse_h)(const char *text, size_t length, struct config_bytes *field, char *reason,
                                     size_t size);
/* Reads the file whose path stands at a node, at most max bytes, and wipes what it read. 0, or -1 after a fault. */
int config_secret_read(struct loader *loader, const struct config_key *key, const struct node *node, size_t max,
                       config_secret_parse_h parse, struct config_bytes *field);
/* The release of every type whose field is struct config_bytes. */
void config_bytes_release(const struct config_key *key, void *field);
/* The release of every type whose field is char *. */
void config_text_release(const struct config_key *key, void *field);

/* One row of the reference: path ("clients[].limits.mitigations"), type, default and one line of text. */
typedef void config_row_h(const char *path, const char *type, const char *fallback, const char *text, void *arg);
/* All keys that the parser knows, in the order of the tables (list.c). */
void config_keys(config_row_h *row, void *arg);
