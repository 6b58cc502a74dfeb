/*
 * entry: an alias or an ACL, taken apart: JSON that the schema has passed becomes what is authorized, compared and
 * kept. Pure.
 */
#pragma once

#include <jansson.h>

#include "aggregation/catalog.h"
#include "southbound/data/fault.h"

/* Everything lies in memory of its own; data_item_free. */
struct data_item {
    enum catalog_kind kind;
    char *name;
    char *json; /* compact */
    size_t json_length;
    struct wire_target target;       /* of an alias; of an ACL: its destination networks */
    enum wire_activation activation; /* of an ACL */
    bool everywhere;                 /* of an ACL: an entry names no destination and could */
    struct catalog_rule *rules;      /* of an ACL that is not deactivated */
    size_t rule_count;
    /* of southbound/data while it writes */
    struct catalog_entry *entry;
};

/* What the schema lets pass and RFC 8783 does not, too: 0, or -1 with a fault; data_item_free in both cases. */
int data_item_take(enum catalog_kind kind, json_t *value, struct data_item *out, struct data_fault *fault);
void data_item_free(struct data_item *item);

/* What the catalog wants to know of it. Borrows from the item. */
struct catalog_entry_values data_item_values(const struct data_item *item, int64_t expires_ms);

/* RFC 8783 writes identities of RFC 8519 without their module ("drop"), RFC 7951 section 6.8 wants it. Adds it where it
 * is missing below 'acl', and says whether that was so anywhere; and takes it away again. */
bool data_identities_qualify(json_t *acls);
void data_identities_strip(json_t *acls);
