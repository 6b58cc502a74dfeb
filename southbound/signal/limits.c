/* limits: token buckets, one by one or by source address. */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "southbound/signal/limits.h"

#define BURST_SECONDS 2
#define BURST_MS INT64_C(2000)
#define WAYS 4 /* places of one source in the table */

struct source {
    uint64_t address; /* IPv4 address, or upper half of an IPv6 one */
    bool used, ipv6;
    struct south_bucket bucket;
};

struct south_sources {
    uint64_t seed;
    uint32_t sets; /* a power of two */
    struct source table[];
};

bool south_bucket_take(struct south_bucket *bucket, uint32_t rate, int64_t now)
{
    uint64_t capacity = (uint64_t)rate * 1000 * BURST_SECONDS;
    int64_t elapsed = now - bucket->filled_ms;

    if (bucket->filled_ms == 0 || elapsed >= BURST_MS) {
        bucket->tokens = capacity;
    } else if (elapsed > 0) {
        bucket->tokens += (uint64_t)elapsed * rate;
        if (bucket->tokens > capacity)
            bucket->tokens = capacity;
    }
    bucket->filled_ms = now;
    if (bucket->tokens < 1000)
        return false;
    bucket->tokens -= 1000;
    return true;
}

struct south_sources *south_sources_new(uint32_t slots, uint64_t seed)
{
    struct south_sources *sources = calloc(1, sizeof(*sources) + slots * sizeof(struct source));

    if (!sources)
        return NULL;
    sources->seed = seed;
    sources->sets = slots / WAYS;
    return sources;
}

void south_sources_free(struct south_sources *sources)
{
    free(sources);
}

static bool address_of(const struct sockaddr *peer, uint64_t *address, bool *ipv6)
{
    uint8_t bytes[16];

    *address = 0;
    if (peer->sa_family == AF_INET) {
        *ipv6 = false;
        memcpy(address, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
        return true;
    }
    if (peer->sa_family != AF_INET6)
        return false;
    memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
    *ipv6 = !IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr);
    if (*ipv6)
        memcpy(address, bytes, 8);
    else
        memcpy(address, bytes + 12, 4);
    return true;
}

/* The finalizer of SplitMix64 over a secret: enough that nobody can choose addresses of one set. */
static uint64_t mix(uint64_t value)
{
    value ^= value >> 30;
    value *= 0xbf58476d1ce4e5b9u;
    value ^= value >> 27;
    value *= 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

bool south_sources_take(struct south_sources *sources, const struct sockaddr *peer, uint32_t rate, int64_t now)
{
    struct source *set, *oldest;
    uint64_t address;
    bool ipv6;

    if (!address_of(peer, &address, &ipv6))
        return true;
    set = &sources->table[(mix(mix(address + ipv6) ^ sources->seed) & (sources->sets - 1)) * WAYS];
    oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used && set[i].address == address && set[i].ipv6 == ipv6)
            return south_bucket_take(&set[i].bucket, rate, now);
        if (set[i].bucket.filled_ms < oldest->bucket.filled_ms)
            oldest = &set[i];
    }
    memset(oldest, 0, sizeof(*oldest));
    oldest->address = address;
    oldest->ipv6 = ipv6;
    oldest->used = true;
    return south_bucket_take(&oldest->bucket, rate, now);
}
