/* source_limit: how many handshakes one address may start, in a table of fixed size. */
#include "gateway/coap/private.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define SETS 1024
#define WAYS 4
#define MILLI 1000

struct bucket {
    uint64_t prefix[2]; /* an IPv4 address, or the /64 of an IPv6 one */
    uint64_t time;      /* of the last look, ms */
    uint64_t tokens;    /* thousandths */
};

struct source_limit {
    uint64_t secret[2]; /* nobody outside can aim at one set */
    unsigned per_second;
    struct bucket buckets[SETS][WAYS];
};

struct source_limit *source_limit_new(unsigned per_second)
{
    struct source_limit *limit = calloc(1, sizeof *limit);
    if (limit == NULL || RAND_bytes((unsigned char *)limit->secret, sizeof limit->secret) != 1) {
        free(limit);
        return NULL;
    }
    limit->per_second = per_second;
    return limit;
}

void source_limit_free(struct source_limit *limit)
{
    free(limit);
}

static void prefix_of(const struct sockaddr *source, uint64_t prefix[2])
{
    prefix[0] = prefix[1] = 0;
    if (source->sa_family == AF_INET) {
        memcpy(&prefix[0], &((const struct sockaddr_in *)source)->sin_addr, 4);
        prefix[1] = 4;
        return;
    }
    const struct in6_addr *address = &((const struct sockaddr_in6 *)source)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        memcpy(&prefix[0], address->s6_addr + 12, 4);
        prefix[1] = 4;
    } else {
        memcpy(&prefix[0], address->s6_addr, 8);
        prefix[1] = 6;
    }
}

/* The finalizer of MurmurHash3, keyed before and after. */
static size_t set_of(const struct source_limit *limit, const uint64_t prefix[2])
{
    uint64_t h = prefix[0] ^ (prefix[1] << 56) ^ limit->secret[0];
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33) ^ limit->secret[1]) * 0xc4ceb9fe1a85ec53ULL;
    return (size_t)((h ^ (h >> 33)) % SETS);
}

/* The bucket of this prefix; a full set gives up the one that was quiet for longest. */
static struct bucket *find(struct source_limit *limit, const uint64_t prefix[2], uint64_t now)
{
    struct bucket *set = limit->buckets[set_of(limit, prefix)];
    struct bucket *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (memcmp(set[i].prefix, prefix, sizeof set[i].prefix) == 0)
            return &set[i];
        if (set[i].time < oldest->time)
            oldest = &set[i];
    }
    memcpy(oldest->prefix, prefix, sizeof oldest->prefix);
    oldest->time = now;
    oldest->tokens = (uint64_t)limit->per_second * MILLI;
    return oldest;
}

bool source_limit_allows(struct source_limit *limit, const struct sockaddr *source, uint64_t now)
{
    if (limit == NULL)
        return true;
    uint64_t prefix[2];
    prefix_of(source, prefix);
    struct bucket *bucket = find(limit, prefix, now);
    uint64_t full = (uint64_t)limit->per_second * MILLI;
    uint64_t elapsed = now > bucket->time ? now - bucket->time : 0;
    if (elapsed >= MILLI || bucket->tokens + elapsed * limit->per_second > full)
        bucket->tokens = full;
    else
        bucket->tokens += elapsed * limit->per_second;
    bucket->time = now;
    if (bucket->tokens < MILLI)
        return false;
    bucket->tokens -= MILLI;
    return true;
}
