/*
 * inside: resources inside an alias or an ACL: an entry of an ACL, its actions, a single leaf. Works on the JSON of the
 * whole alias or ACL; whether what results is valid is for the schema to say. Pure.
 */
#pragma once

#include "southbound/data/target.h"

enum data_method { DATA_GET, DATA_POST, DATA_PUT, DATA_PATCH, DATA_DELETE };

/* What is there; borrowed. NULL with a fault (404). */
json_t *data_inside_get(const struct yang *yang, json_t *entry, const struct data_target *target,
                        struct data_fault *fault);

/*
 * PUT, POST and DELETE. name, value: the member of the body (a list entry still in its array), NULL with DELETE.
 * *created: something is there that was not; key: what POST created, room for CATALOG_NAME_MAX + 1, "" without a key.
 */
struct data_inside_change {
    enum data_method method;
    const char *name;
    json_t *value;
    const struct data_query *query;
    bool created;
    char key[CATALOG_NAME_MAX + 1];
};
int data_inside_edit(const struct yang *yang, json_t *entry, const struct data_target *target,
                     struct data_inside_change *change, struct data_fault *fault);

/* For PATCH: value at the place of the target in an entry that is otherwise empty. NULL: out of memory. */
json_t *data_inside_wrap(const struct yang *yang, const struct data_target *target, json_t *value);
