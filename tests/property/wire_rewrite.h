/* Rewrites a CBOR item into one that says the same in another way: longer heads, indefinite lengths, texts
 * in chunks, members in another order, comprehension-optional parameters that nobody knows. */
#pragma once

#include <assert.h>

#include "tests/property/wire_random.h"

struct rewrite {
    struct random *random;
    const uint8_t *in;
    uint8_t *out;
    size_t at, length, size;
};

static inline void rewrite_put(struct rewrite *rewrite, uint8_t octet)
{
    assert(rewrite->length < rewrite->size);
    rewrite->out[rewrite->length++] = octet;
}

/* A head with its argument in any width that holds it. */
static inline void rewrite_head(struct rewrite *rewrite, uint8_t major, uint64_t argument)
{
    unsigned least = argument < 24 ? 0 : argument < 0x100 ? 1 : argument < 0x10000 ? 2 : argument < 0x100000000 ? 3 : 4;
    unsigned width = least + random_below(rewrite->random, 5 - least);

    if (width == 0) {
        rewrite_put(rewrite, (uint8_t)(major << 5 | argument));
        return;
    }
    rewrite_put(rewrite, (uint8_t)(major << 5 | (23 + width)));
    for (unsigned shift = 8u << (width - 1); shift > 0; shift -= 8)
        rewrite_put(rewrite, (uint8_t)(argument >> (shift - 8)));
}

/* In the input all heads are the shortest and all lengths definite. */
static inline uint64_t rewrite_take_head(struct rewrite *rewrite, uint8_t *major)
{
    uint8_t first = rewrite->in[rewrite->at++];
    uint64_t argument = 0;

    *major = first >> 5;
    if ((first & 31) < 24)
        return first & 31;
    for (unsigned i = 0; i < 1u << ((first & 31) - 24); i++)
        argument = argument << 8 | rewrite->in[rewrite->at++];
    return argument;
}

static inline void rewrite_text(struct rewrite *rewrite, size_t length)
{
    const uint8_t *text = rewrite->in + rewrite->at;
    bool chunks = one_in(rewrite->random, 3);
    size_t start = 0;

    rewrite->at += length;
    if (chunks)
        rewrite_put(rewrite, 0x7f);
    while (start < length || (chunks && one_in(rewrite->random, 4))) {
        size_t end = chunks ? start + random_below(rewrite->random, (uint32_t)(length - start + 1)) : length;

        while (end < length && (text[end] & 0xc0) == 0x80)
            end++; /* not within a character */
        rewrite_head(rewrite, 3, end - start);
        while (start < end)
            rewrite_put(rewrite, text[start++]);
    }
    if (chunks)
        rewrite_put(rewrite, 0xff);
}

static inline void rewrite_unknown(struct rewrite *rewrite)
{
    static const uint8_t values[][8] = {{1, 0xf6},
                                        {4, 0x82, 0x20, 0x61, 0xff},
                                        {3, 0x9f, 0xa0, 0xff},
                                        {6, 0xbf, 0x5f, 0x40, 0xff, 0x80, 0xff},
                                        {3, 0xf9, 0x7e, 0x00},
                                        {4, 0xd9, 0xd9, 0xf7, 0xf4}};
    const uint8_t *value = values[random_below(rewrite->random, 6)];

    rewrite_head(rewrite, 0,
                 one_in(rewrite->random, 2) ? 128 + random_below(rewrite->random, 128)
                                            : 16384 + random_below(rewrite->random, 49152));
    for (uint8_t i = 1; i <= value[0]; i++)
        rewrite_put(rewrite, value[i]);
}

static inline void rewrite_item(struct rewrite *rewrite);

/* Members in another order: the input is skipped to each; rewriting to nowhere is skipping. */
static inline void rewrite_map(struct rewrite *rewrite, uint64_t count)
{
    bool indefinite = one_in(rewrite->random, 3), unknown = one_in(rewrite->random, 4);
    size_t starts[64], end, first;

    assert(count <= 64);
    if (indefinite)
        rewrite_put(rewrite, 0xbf);
    else
        rewrite_head(rewrite, 5, count + unknown);
    for (size_t i = 0; i < count; i++) {
        size_t length = rewrite->length;

        starts[i] = rewrite->at;
        rewrite_item(rewrite);
        rewrite_item(rewrite);
        rewrite->length = length;
    }
    end = rewrite->at;
    first = count ? random_below(rewrite->random, (uint32_t)count) : 0;
    for (size_t i = 0; i < count; i++) {
        rewrite->at = starts[(first + i) % count];
        rewrite_item(rewrite);
        rewrite_item(rewrite);
    }
    if (unknown)
        rewrite_unknown(rewrite);
    if (indefinite)
        rewrite_put(rewrite, 0xff);
    rewrite->at = end;
}

static inline void rewrite_item(struct rewrite *rewrite)
{
    uint8_t major;
    uint64_t argument = rewrite_take_head(rewrite, &major);
    bool indefinite = one_in(rewrite->random, 3);

    if (major == 3) {
        rewrite_text(rewrite, (size_t)argument);
    } else if (major == 5) {
        rewrite_map(rewrite, argument);
    } else if (major == 4) {
        if (indefinite)
            rewrite_put(rewrite, 0x9f);
        else
            rewrite_head(rewrite, 4, argument);
        while (argument-- > 0)
            rewrite_item(rewrite);
        if (indefinite)
            rewrite_put(rewrite, 0xff);
    } else if (major == 7) {
        rewrite_put(rewrite, (uint8_t)(major << 5 | argument));
    } else {
        rewrite_head(rewrite, major, argument);
        if (major == 6)
            rewrite_item(rewrite);
    }
}

static inline size_t rewrite_cbor(struct random *random, const uint8_t *in, uint8_t *out, size_t size)
{
    struct rewrite rewrite = {.random = random, .in = in, .out = out, .size = size};

    if (one_in(random, 4))
        rewrite_head(&rewrite, 6, 271);
    rewrite_item(&rewrite);
    return rewrite.length;
}
