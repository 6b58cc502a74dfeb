/*
 * alias: names that a client made on the data channel (RFC 8783 section 6), in its mitigation requests (RFC 9132
 * section 4.4.1.1, 'alias-name').
 */
#pragma once

#include "aggregation/catalog.h"
#include "southbound/signal/path.h"

/* catalog NULL: there is no data channel, and no alias is known. */
struct south_aliases {
    struct catalog *catalog;
    void (*used)(void *arg, struct catalog_entry *entry);
    void *arg;
};

/*
 * Puts what the aliases of a target stand for in place of their names: upstreams, mitigators and other clients need
 * not know them, and an alias that changes later changes no request that was granted. Ports and protocols are united;
 * any when one of the aliases has none. On 0 the target points into *expanded, which the caller releases; else 4.00,
 * or 5.03 out of memory, with a reason.
 */
uint8_t south_alias_expand(const struct south_aliases *aliases, const char *client, const struct south_path *path,
                           struct wire_target *target, struct scope **expanded, char reason[SOUTH_REASON_MAX]);
