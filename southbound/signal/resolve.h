/*
 * resolve: addresses of FQDN and URI targets, off the loop, so that they can be held against the
 * same checks as prefixes (RFC 9132 section 4.4.1.1).
 *
 * Words: a *lookup* is one name on its way through the system's resolver; a *waiter* is told when
 * it is done. Results are kept for a minute. Few lookups run at once, because the threads that run
 * them also serve others; more queue up, up to a bound, and beyond that the answer is "not known":
 * DNS may be what is under attack, and a request must not fail for that.
 */
#pragma once

#include <uv.h>

#include "gateway/wire/wire.h"

#define SOUTH_RESOLVE_RUNNING 2
#define SOUTH_RESOLVE_IN_FLIGHT 64
#define SOUTH_RESOLVE_CACHE 4096
#define SOUTH_RESOLVE_KEEP_MS 60000
#define SOUTH_RESOLVE_KEEP_FAILURE_MS 10000
#define SOUTH_ADDRESSES_MAX 64 /* of one name; the rest is not looked at */

struct south_resolver;
struct south_lookup;

/* Full-length prefixes; count 0: the name could not be resolved. */
struct south_addresses {
    const struct wire_prefix *at;
    size_t count;
};

struct south_waiter {
    void (*done)(void *arg, const struct south_addresses *addresses);
    void *arg;
    struct south_lookup *lookup; /* NULL: waits for nothing */
    struct south_waiter *prev, *next;
};

/* NULL: out of memory. */
struct south_resolver *south_resolver_new(uv_loop_t *loop);
/* Waiters are forgotten, untold. What still runs ends by itself. */
void south_resolver_free(struct south_resolver *resolver);

enum south_resolve { SOUTH_RESOLVED, SOUTH_RESOLVING, SOUTH_UNRESOLVED };

/*
 * RESOLVED: *addresses is set, valid until the loop turns. RESOLVING: done is called later, once.
 * UNRESOLVED: too much in flight, out of memory, or it lately failed.
 */
enum south_resolve south_resolve(struct south_resolver *resolver, const char *name, struct south_waiter *waiter,
                                 struct south_addresses *addresses);
void south_resolve_cancel(struct south_waiter *waiter); /* nothing happens when it does not wait */
