/* resolve: a bounded queue in front of getaddrinfo, and a cache behind it. */

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "southbound/signal/resolve.h"

enum lookup_state { LOOKUP_QUEUED, LOOKUP_RUNNING, LOOKUP_DONE };

struct south_lookup {
    uv_getaddrinfo_t request;
    struct south_resolver *resolver;
    enum lookup_state state;
    uint64_t expires_ms; /* loop time */
    struct wire_prefix *addresses;
    size_t count;
    struct south_waiter *waiters;
    struct south_lookup *prev, *next; /* queue */
    UT_hash_handle hh;
    char name[]; /* lower case */
};

struct south_resolver {
    uv_loop_t *loop;
    struct south_lookup *lookups; /* oldest first */
    struct south_lookup *queue;
    size_t running, queued;
    bool freed;
};

static void lookup_free(struct south_lookup *lookup)
{
    free(lookup->addresses);
    free(lookup);
}

static void lookup_delete(struct south_resolver *resolver, struct south_lookup *lookup)
{
    HASH_DEL(resolver->lookups, lookup);
    lookup_free(lookup);
}

struct south_resolver *south_resolver_new(uv_loop_t *loop)
{
    struct south_resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver)
        resolver->loop = loop;
    return resolver;
}

void south_resolver_free(struct south_resolver *resolver)
{
    struct south_lookup *lookup, *next;

    if (!resolver)
        return;
    HASH_ITER(hh, resolver->lookups, lookup, next)
    {
        while (lookup->waiters)
            south_resolve_cancel(lookup->waiters);
        if (lookup->state != LOOKUP_RUNNING)
            lookup_delete(resolver, lookup);
        else
            uv_cancel((uv_req_t *)&lookup->request);
    }
    resolver->queue = NULL;
    resolver->freed = true;
    if (resolver->running == 0)
        free(resolver);
}

static int prefix_of(const struct sockaddr *address, struct wire_prefix *out)
{
    memset(out, 0, sizeof(*out));
    if (address->sa_family == AF_INET) {
        memcpy(out->addr, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        out->family = 4;
        out->length = 32;
        return 0;
    }
    if (address->sa_family == AF_INET6) {
        memcpy(out->addr, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        out->family = 6;
        out->length = 128;
        return 0;
    }
    return -1;
}

static void take_addresses(struct south_lookup *lookup, const struct addrinfo *result)
{
    lookup->addresses = calloc(SOUTH_ADDRESSES_MAX, sizeof(*lookup->addresses));
    if (!lookup->addresses)
        return;
    for (; result && lookup->count < SOUTH_ADDRESSES_MAX; result = result->ai_next) {
        if (prefix_of(result->ai_addr, &lookup->addresses[lookup->count]) == 0)
            lookup->count++;
    }
}

static void lookup_done(struct south_lookup *lookup)
{
    lookup->state = LOOKUP_DONE;
    lookup->expires_ms =
        uv_now(lookup->resolver->loop) + (lookup->count ? SOUTH_RESOLVE_KEEP_MS : SOUTH_RESOLVE_KEEP_FAILURE_MS);
}

static void run_next(struct south_resolver *resolver);

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
    struct south_lookup *lookup = request->data;
    struct south_resolver *resolver = lookup->resolver;
    struct south_addresses addresses;

    resolver->running--;
    if (resolver->freed) {
        uv_freeaddrinfo(result);
        lookup_delete(resolver, lookup);
        if (resolver->running == 0)
            free(resolver);
        return;
    }
    if (status == 0)
        take_addresses(lookup, result);
    uv_freeaddrinfo(result);
    addresses = (struct south_addresses){.at = lookup->addresses, .count = lookup->count};
    while (lookup->waiters) { /* not yet done: who asks again while told is told here too */
        struct south_waiter *waiter = lookup->waiters;

        south_resolve_cancel(waiter);
        waiter->done(waiter->arg, &addresses);
    }
    lookup_done(lookup);
    run_next(resolver);
}

static void run_next(struct south_resolver *resolver)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

    while (resolver->queue && resolver->running < SOUTH_RESOLVE_RUNNING) {
        struct south_lookup *lookup = resolver->queue;

        DL_DELETE(resolver->queue, lookup);
        resolver->queued--;
        lookup->request.data = lookup;
        if (uv_getaddrinfo(resolver->loop, &lookup->request, on_resolved, lookup->name, NULL, &hints) == 0) {
            lookup->state = LOOKUP_RUNNING;
            resolver->running++;
        } else {
            lookup_done(lookup); /* as a name that is not there; its waiters have a deadline */
        }
    }
}

/* Room for one more: the oldest that nobody waits for goes. */
static bool make_room(struct south_resolver *resolver)
{
    struct south_lookup *lookup, *next;
    size_t looked_at = 0;

    if (HASH_COUNT(resolver->lookups) < SOUTH_RESOLVE_CACHE)
        return true;
    HASH_ITER(hh, resolver->lookups, lookup, next)
    {
        if (lookup->state == LOOKUP_DONE && !lookup->waiters) {
            lookup_delete(resolver, lookup);
            return true;
        }
        if (++looked_at > SOUTH_RESOLVE_IN_FLIGHT + SOUTH_RESOLVE_RUNNING)
            break;
    }
    return false;
}

static struct south_lookup *lookup_new(struct south_resolver *resolver, const char *name, size_t length)
{
    struct south_lookup *lookup;

    if (resolver->queued + resolver->running >= SOUTH_RESOLVE_IN_FLIGHT || !make_room(resolver))
        return NULL;
    lookup = calloc(1, sizeof(*lookup) + length + 1);
    if (!lookup)
        return NULL;
    memcpy(lookup->name, name, length + 1);
    lookup->resolver = resolver;
    HASH_ADD_KEYPTR(hh, resolver->lookups, lookup->name, length, lookup);
    if (!lookup->hh.tbl) {
        free(lookup);
        return NULL;
    }
    DL_APPEND(resolver->queue, lookup);
    resolver->queued++;
    return lookup;
}

static size_t lower_case(const char *name, char *out, size_t size)
{
    size_t length = strlen(name);

    if (length == 0 || length >= size)
        return 0;
    for (size_t i = 0; i <= length; i++)
        out[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    return length;
}

enum south_resolve south_resolve(struct south_resolver *resolver, const char *name, struct south_waiter *waiter,
                                 struct south_addresses *addresses)
{
    char lower[256];
    size_t length = lower_case(name, lower, sizeof(lower));
    struct south_lookup *lookup = NULL;

    if (length == 0)
        return SOUTH_UNRESOLVED;
    HASH_FIND(hh, resolver->lookups, lower, length, lookup);
    if (lookup && lookup->state == LOOKUP_DONE && !lookup->waiters && lookup->expires_ms <= uv_now(resolver->loop)) {
        lookup_delete(resolver, lookup);
        lookup = NULL;
    }
    if (lookup && lookup->state == LOOKUP_DONE) {
        *addresses = (struct south_addresses){.at = lookup->addresses, .count = lookup->count};
        return lookup->count ? SOUTH_RESOLVED : SOUTH_UNRESOLVED;
    }
    if (!lookup)
        lookup = lookup_new(resolver, lower, length);
    if (!lookup)
        return SOUTH_UNRESOLVED;
    waiter->lookup = lookup;
    DL_APPEND(lookup->waiters, waiter);
    run_next(resolver);
    return SOUTH_RESOLVING;
}

void south_resolve_cancel(struct south_waiter *waiter)
{
    if (!waiter->lookup)
        return;
    DL_DELETE(waiter->lookup->waiters, waiter);
    waiter->lookup = NULL;
}
