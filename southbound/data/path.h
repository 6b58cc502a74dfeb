/*
 * path: which resource a request is about (RFC 8040 sections 3.1, 3.5.3), and its query (section 4.8).
 *
 * Words: the *root* is what the path begins with; a *step* is one segment after it, an identifier and perhaps *keys*,
 * percent-decoded. Everything is bounded and nothing is looked up: whether such a resource exists is decided later.
 * Pure. Called for every request, before anything else is looked at.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "aggregation/catalog.h"
#include "southbound/data/fault.h"

#define DATA_API_ROOT "/restconf"
#define DATA_PATH_MAX 4096u
#define DATA_STEPS_MAX 16u
#define DATA_KEYS_MAX 4u
#define DATA_FIELDS_MAX 64u

enum data_root {
    DATA_ROOT_HOST_META,  /* /.well-known/host-meta */
    DATA_ROOT_API,        /* /restconf */
    DATA_ROOT_DATASTORE,  /* /restconf/data, with steps */
    DATA_ROOT_OPERATIONS, /* /restconf/operations, with steps */
    DATA_ROOT_LIBRARY_VERSION,
};

struct data_step {
    const char *module; /* NULL: as the step before */
    const char *name;
    const char *keys[DATA_KEYS_MAX];
    size_t key_count;
};

struct data_path {
    enum data_root root;
    struct data_step steps[DATA_STEPS_MAX];
    size_t step_count;
    char text[DATA_PATH_MAX + 1]; /* what steps point into */
};

/* path as it stands in the request line, without query. 0, or -1 with a fault (404, 400). */
int data_path_parse(const char *path, struct data_path *out, struct data_fault *fault);

enum data_content { DATA_CONTENT_ALL, DATA_CONTENT_CONFIG, DATA_CONTENT_NONCONFIG };

/* One name of 'fields': its children are wanted, or all of it when there are none. Numbers are places in the array, 0
 * is the target itself. */
struct data_field {
    const char *name;
    unsigned char child, sibling; /* 0: none */
};

struct data_query {
    enum data_content content;
    unsigned depth; /* 0: unbounded */
    bool has_fields;
    struct data_field fields[DATA_FIELDS_MAX];
    size_t field_count;
    bool has_content, has_depth, has_insert, has_point, has_defaults;
    enum catalog_insert insert; /* KEEP: absent */
    struct data_path point;     /* with BEFORE and AFTER */
    char text[DATA_PATH_MAX + 1];
};

/* query without "?"; NULL: none. 0, or -1 with a fault. */
int data_query_parse(const char *query, struct data_query *out, struct data_fault *fault);

/* Percent-decodes in place. -1: a bad escape, a NUL, or what results is no text. */
int data_decode(char *text);
/* RFC 7950 section 6.2. */
bool data_is_identifier(const char *text);
