/*
 * target: what a path means in the schema of RFC 8783: a client, its aliases or ACLs, one of those, or something
 * inside one. Whether it exists is another question. Pure.
 */
#pragma once

#include <jansson.h>

#include "gateway/yang/yang.h"
#include "southbound/data/path.h"

#define DATA_MODULE "ietf-dots-data-channel"

enum data_level {
    DATA_LEVEL_STORE,  /* the datastore */
    DATA_LEVEL_DATA,   /* dots-data */
    DATA_LEVEL_CLIENT, /* dots-client=CUID */
    DATA_LEVEL_SET,    /* aliases, acls */
    DATA_LEVEL_ENTRY,  /* alias=NAME, acl=NAME */
    DATA_LEVEL_INSIDE, /* of a client or an entry */
    DATA_LEVEL_STATE,  /* what nobody writes: capabilities, the YANG library, ... */
};

/* Borrows from the path. */
struct data_target {
    enum data_level level;
    const struct data_step *steps; /* all */
    size_t step_count;
    const char *cuid;       /* from CLIENT on */
    bool of_client;         /* INSIDE: of a client itself (its cuid, its cdid) */
    enum catalog_kind kind; /* from SET on */
    const char *name;       /* from ENTRY on */
    size_t inside;          /* of steps: the first one inside an entry */
    struct yang_node node;  /* of the last step, if it is of our module */
};

/* 0, or -1 with a fault. Below other modules than ours everything is STATE. */
int data_target_find(const struct yang *yang, const struct data_path *path, struct data_target *out,
                     struct data_fault *fault);

const char *data_set_name(enum catalog_kind kind);  /* "aliases", "acls" */
const char *data_list_name(enum catalog_kind kind); /* "alias", "acl" */

/* Place in a list of the entry (or in a leaf-list, key NULL, of the value) whose key is written so; its length: none.
 */
size_t data_list_find(const json_t *list, const char *key, const char *value);
