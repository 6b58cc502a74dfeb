/*
 * source: what the decode walk reads from, CBOR bytes or a JSON tree, as one interface.
 *
 * Words: a *nest* is one open map or list; a *scalar* is a single value in a form that both
 * encodings share: enumerations and 64-bit numbers that JSON has as strings are numbers here.
 * A source knows how values are written; which are allowed where, and their syntax, is the walk's.
 * All functions return -1 with the error set when the input is not what is expected.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/wire/params.h"

/* Unknown comprehension-optional keys that one map may have; each is kept to find it twice. */
#define WIRE_UNKNOWN_MAX 32u

struct wire_scalar {
    uint64_t number;  /* an integer, the value of an enumeration, hundredths of a decimal */
    bool negative;    /* the number is -1 - number, as in CBOR */
    bool truth;       /* a boolean */
    const char *text; /* borrowed until the next call; not terminated */
    size_t length;
};

struct wire_nest {
    size_t left;     /* members or entries to come; 0 when not known beforehand */
    bool indefinite; /* CBOR: until a break */
    json_t *json;    /* JSON: the object or array */
    void *iterator;  /* JSON: of an object */
    uint8_t unknown_count;
    uint16_t unknown[WIRE_UNKNOWN_MAX];
};

struct wire_source;

struct wire_source_ops {
    /* row is the parameter whose value the map or list is; NULL for the body itself. */
    int (*open_map)(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest);
    int (*open_list)(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest);
    /* 1: *member is the next parameter and its value comes next; 0: the map ends. Unknown ones are refused or skipped.
     */
    int (*next_member)(struct wire_source *source, struct wire_nest *nest, const struct wire_row **member);
    /* 1: the value of an entry comes next; 0: the list ends. */
    int (*next_entry)(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest);
    /* The next value, of row's kind. */
    int (*scalar)(struct wire_source *source, const struct wire_row *row, struct wire_scalar *out);
};

struct wire_source {
    const struct wire_source_ops *ops;
    struct wire_error *error;
};

/* CBOR bytes. */
struct wire_cbor_source {
    struct wire_source base;
    const uint8_t *data;
    size_t length, at;
    char joined[WIRE_STRING_MAX]; /* a text of chunks, put together */
};

/* Takes an optional tag 271. */
int wire_cbor_source_begin(struct wire_cbor_source *source, const uint8_t *data, size_t length,
                           struct wire_error *error);
int wire_cbor_source_end(struct wire_cbor_source *source); /* nothing may follow the message */

/* RFC 7951 JSON text, parsed. */
struct wire_json_source {
    struct wire_source base;
    json_t *root, *value; /* value: the one that comes next */
};

/* 0, -1, or -2 when out of memory; after 0 only, wire_json_source_end gives the tree back. */
int wire_json_source_begin(struct wire_json_source *source, const char *text, size_t length, struct wire_error *error);
void wire_json_source_end(struct wire_json_source *source);
