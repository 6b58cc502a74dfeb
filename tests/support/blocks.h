/*
 * blocks: a scope as a set of bits, to compare scopes by brute force: one bit for each /24 of the two /16 that
 * random histories ask for, one for each name. No trie, no sorting: nothing of what is tested.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/wire/wire.h"

#define BLOCKS_ADDRESSES 512u /* /24 */
#define BLOCKS_NAMES 8u
#define BLOCKS_WORDS 9

struct blocks {
    uint64_t word[BLOCKS_WORDS];
};

/* base: the first address of the two /16, in host order. */
#define BLOCKS_INTERNAL 0x0a000000u /* 10.0.0.0/15 */
#define BLOCKS_EXTERNAL 0xc6120000u /* 198.18.0.0/15 */

/* Names are "n0.test" to "n7.test". False: something of it is outside of base, or is no such name. */
bool blocks_of(const struct wire_target *target, uint32_t base, struct blocks *out);

/* The /24 blocks [from, from + count) of base as a prefix; count is a power of 2 and from a multiple of it. */
struct wire_prefix blocks_prefix(uint32_t base, unsigned from, unsigned count);
void blocks_fill(struct blocks *blocks, unsigned from, unsigned count);

bool blocks_common(const struct blocks *a, const struct blocks *b);
bool blocks_within(const struct blocks *inner, const struct blocks *outer);
bool blocks_equal(const struct blocks *a, const struct blocks *b);
bool blocks_empty(const struct blocks *blocks);
void blocks_add(struct blocks *to, const struct blocks *what);
/* Of the addresses only those of mask; names stay. */
void blocks_cut(struct blocks *blocks, const struct blocks *mask);
