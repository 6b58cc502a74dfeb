/*
 * limits: how many requests a client, and a source address, may make (RFC 9132 section 11).
 *
 * Words: a *bucket* fills at a rate and holds two seconds of it; a *source* is an IPv4 address or
 * the /64 of an IPv6 one. Time is an argument (ms). Sources are kept in a table of fixed size: when
 * it is full, the one that asked least lately is forgotten, which can only be too lenient.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* All zero: full. */
struct south_bucket {
    int64_t filled_ms;
    uint64_t tokens; /* thousandths */
};

/* Takes one token of a bucket that fills with rate tokens a second. False: none is left. */
bool south_bucket_take(struct south_bucket *bucket, uint32_t rate, int64_t now);

struct south_sources;

/* slots: how many sources are remembered, a power of two; seed: of the hash. NULL: out of memory. */
struct south_sources *south_sources_new(uint32_t slots, uint64_t seed);
void south_sources_free(struct south_sources *sources);
bool south_sources_take(struct south_sources *sources, const struct sockaddr *peer, uint32_t rate, int64_t now);
