/*
 * alias: names that a client made on the data channel (RFC 8783 section 6), in its mitigation requests (RFC 9132
 * section 4.4.1.1, 'alias-name').
 */
#pragma once

#include "aggregation/catalog.h"
#include "southbound/signal/path.h"

/* A change of the activation of ACLs that is under way (RFC 9133); it lies in what waits for it. */
struct south_control {
    void (*done)(void *arg, bool kept); /* once, perhaps before the change was begun in full */
    void *arg;
    void *under_way;  /* of who does it; NULL: nothing is */
    uint64_t request; /* number of the request that asks for it, for the log */
};

/* catalog NULL: there is no data channel, and no alias is known. */
struct south_aliases {
    struct catalog *catalog;
    void (*used)(void *arg, struct catalog_entry *entry);
    /* All of them, or none; acls are copied, and are known to be there. cancel: done is not called any more. */
    void (*control)(void *arg, const char *client, const char *cuid, const struct wire_acl *acls, size_t count,
                    struct south_control *control);
    void (*cancel)(void *arg, struct south_control *control);
    void *arg;
};

/* Filter control that a request asks for: 0, 4.00 or 4.04 with a reason. active: a mitigation of the client is, or this
 * request begins one; known_mid: the request names one that is there (RFC 9133 section 3.2.1). */
uint8_t south_control_check(const struct south_aliases *aliases, const char *client, const struct south_path *path,
                            const struct wire_scope *scope, bool active, bool known_mid, char reason[SOUTH_REASON_MAX]);

/*
 * Puts what the aliases of a target stand for in place of their names: upstreams, mitigators and other clients need
 * not know them, and an alias that changes later changes no request that was granted. Ports and protocols are united;
 * any when one of the aliases has none. On 0 the target points into *expanded, which the caller releases; else 4.00,
 * or 5.03 out of memory, with a reason.
 */
uint8_t south_alias_expand(const struct south_aliases *aliases, const char *client, const struct south_path *path,
                           struct wire_target *target, struct scope **expanded, char reason[SOUTH_REASON_MAX]);
