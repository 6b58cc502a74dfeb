/*
 * edit: from the body of a write to what the entries of a client become. Runs in a worker thread, on copies: a body of
 * a megabyte does not hold up the loop. Bounded first (size, depth, duplicate members), then put in its place in the
 * whole tree, then validated by the schema, and only then looked at.
 */
#pragma once

#include "southbound/data/entry.h"
#include "southbound/data/inside.h"

#define DATA_JSON_DEPTH 32

struct data_edit {
    /* in; borrowed but for base */
    const struct yang *yang;
    enum data_method method;
    const struct data_target *target;
    const struct data_query *query;
    const char *body;
    size_t body_length;
    char *base; /* malloc'd; PATCH, INSIDE: the client as a JSON object with what is edited; NULL: not needed */

    /* out */
    struct data_fault fault; /* status 0: none */
    char *cuid, *cdid;       /* of the client in the body; NULL: none was there. PATCH of a target without client: only
                                the cuid; again with it in the target, and with a base */
    struct data_item *items; /* what these entries are to be */
    size_t item_count;
    bool created;                   /* INSIDE */
    char child[64];                 /* POST INSIDE: the name of what was created, */
    char key[CATALOG_NAME_MAX + 1]; /* and its key, "" without */
};

void data_edit_run(struct data_edit *edit);
void data_edit_free(struct data_edit *edit);
