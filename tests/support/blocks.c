/* blocks: scopes as sets of bits. */

#include "tests/support/blocks.h"

#include <stdio.h>
#include <string.h>

#define NAMES_WORD (BLOCKS_ADDRESSES / 64)

static uint32_t address_of(const struct wire_prefix *prefix)
{
    return (uint32_t)prefix->addr[0] << 24 | (uint32_t)prefix->addr[1] << 16 | (uint32_t)prefix->addr[2] << 8 |
           prefix->addr[3];
}

void blocks_fill(struct blocks *blocks, unsigned from, unsigned count)
{
    for (unsigned bit = from; bit < from + count; bit++)
        blocks->word[bit / 64] |= UINT64_C(1) << bit % 64;
}

bool blocks_of(const struct wire_target *target, uint32_t base, struct blocks *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < target->prefix_count; i++) {
        const struct wire_prefix *prefix = &target->prefixes[i];
        uint32_t offset = address_of(prefix) - base;

        if (prefix->family != 4 || prefix->length < 15 || prefix->length > 24 ||
            (offset >> 8) + (1u << (24 - prefix->length)) > BLOCKS_ADDRESSES)
            return false;
        blocks_fill(out, offset >> 8, 1u << (24 - prefix->length));
    }
    for (size_t i = 0; i < target->fqdns.count; i++) {
        const char *name = target->fqdns.at[i];

        if (strlen(name) != strlen("n0.test") || name[0] != 'n' || name[1] < '0' || name[1] >= '0' + (int)BLOCKS_NAMES)
            return false;
        out->word[NAMES_WORD] |= UINT64_C(1) << (name[1] - '0');
    }
    return target->uris.count + target->aliases.count == 0;
}

struct wire_prefix blocks_prefix(uint32_t base, unsigned from, unsigned count)
{
    uint32_t address = base + (from << 8);
    struct wire_prefix prefix = {.family = 4, .length = 24};

    for (; count > 1; count /= 2)
        prefix.length--;
    for (int i = 0; i < 4; i++)
        prefix.addr[i] = (uint8_t)(address >> (24 - 8 * i));
    return prefix;
}

bool blocks_common(const struct blocks *a, const struct blocks *b)
{
    uint64_t both = 0;

    for (int i = 0; i < BLOCKS_WORDS; i++)
        both |= a->word[i] & b->word[i];
    return both != 0;
}

bool blocks_within(const struct blocks *inner, const struct blocks *outer)
{
    uint64_t more = 0;

    for (int i = 0; i < BLOCKS_WORDS; i++)
        more |= inner->word[i] & ~outer->word[i];
    return more == 0;
}

bool blocks_equal(const struct blocks *a, const struct blocks *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

bool blocks_empty(const struct blocks *blocks)
{
    static const struct blocks none;

    return blocks_equal(blocks, &none);
}

void blocks_add(struct blocks *to, const struct blocks *what)
{
    for (int i = 0; i < BLOCKS_WORDS; i++)
        to->word[i] |= what->word[i];
}

void blocks_cut(struct blocks *blocks, const struct blocks *mask)
{
    for (int i = 0; i < (int)NAMES_WORD; i++)
        blocks->word[i] &= mask->word[i];
}
