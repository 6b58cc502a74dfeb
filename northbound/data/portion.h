/*
 * portion: what an upstream is told of an alias or ACL: under the name it has there, with external addresses
 * (nat.h), and of several upstreams that own different prefixes (fan-out: by-prefix) only its own part.
 *
 * An alias is cut by its prefixes, and goes to all upstreams with its names (fan_out.h); an ACL is cut by its ACEs:
 * one whose destination network is another upstream's is left out, a wider one is narrowed to what this upstream
 * owns, one without goes to all. Pure: jansson without I/O.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "aggregation/catalog.h"
#include "aggregation/nat.h"

struct portion_terms {
    const char *name; /* of the entry at the upstream */
    const struct nat_mapping *nat;
    size_t nat_count;
    bool by_prefix;
    const struct wire_prefix *owns; /* with by_prefix */
    size_t owns_count;
};

enum portion_result {
    PORTION_MADE,
    PORTION_NOTHING, /* all of it is other upstreams' */
    PORTION_REFUSED, /* reason says why: what may be asked is not what was asked */
    PORTION_FAILED,  /* out of memory, or json is none of the catalog's */
};

#define PORTION_REASON_MAX SCOPE_REASON_MAX

/* json: as catalog_entry.json. *entry: the list entry as it goes into a body; json_decref. */
enum portion_result portion_make(enum catalog_kind kind, const char *json, size_t length,
                                 const struct portion_terms *terms, json_t **entry, char reason[PORTION_REASON_MAX]);

/* The body of a PUT (as the figures of RFC 8783 have it, inside of its container). malloc'ed; NULL: out of memory. */
char *portion_body(enum catalog_kind kind, const json_t *entry);
