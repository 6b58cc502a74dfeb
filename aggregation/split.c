/*
 * split: a target cut into requests that fit a datagram (RFC 9132 section 7.3).
 *
 * Prefixes are cut where a radix trie branches: by family, then by one bit after the other; names by
 * the bits of a hash of each. So the part that a clause lands in depends on the clauses that share its
 * beginning, and one more of them cuts one part in two at most.
 */

#include <stdlib.h>
#include <string.h>

#include "aggregation/union.h"

#define PREFIX_LEAST 5u /* bytes of the shortest: "::/0" and its head */

struct cut {
    const struct wire_target *whole; /* for ports and protocols, which go into every part */
    size_t body_max;
    int (*part)(void *arg, struct scope *part);
    void *arg;
};

size_t scope_size(const struct wire_target *target)
{
    struct wire_scope scope = {.target = *target, .has_lifetime = true, .lifetime = 86400, .trigger = true};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    uint8_t buffer[WIRE_BODY_MAX];

    return wire_encode_cbor(&message, buffer, sizeof(buffer));
}

static bool fits(const struct cut *cut, const struct wire_target *target)
{
    size_t size;

    if (target->prefix_count > cut->body_max / PREFIX_LEAST)
        return false; /* the many need not be written out to see it */
    size = scope_size(target);
    return size > 0 && size <= cut->body_max;
}

static struct wire_target like(const struct cut *cut)
{
    struct wire_target target = *cut->whole;

    target.prefix_count = target.fqdns.count = target.uris.count = target.aliases.count = 0;
    return target;
}

static int emit(const struct cut *cut, const struct wire_target *target)
{
    struct scope *scope = scope_new(target);

    return scope ? cut->part(cut->arg, scope) : -1;
}

/* ---- Prefixes ---- */

static bool bit_set(const struct wire_prefix *prefix, unsigned bit)
{
    return prefix->addr[bit / 8] & (0x80u >> (bit % 8));
}

/* Sorted and disjoint: those with a clear bit come before those with a set one. A prefix that ends above
 * the bit is alone in its half. */
static size_t first_set(const struct wire_prefix *prefixes, size_t count, unsigned bit)
{
    size_t i = 0;

    while (i < count && !bit_set(&prefixes[i], bit))
        i++;
    return i;
}

static int cut_prefixes(const struct cut *cut, const struct wire_prefix *prefixes, size_t count, unsigned bit)
{
    struct wire_target target = like(cut);

    while (count > 0) {
        unsigned bits = prefixes[0].family == 4 ? 32 : 128;
        size_t half;

        target.prefixes = (struct wire_prefix *)prefixes;
        target.prefix_count = count;
        if (count == 1 || fits(cut, &target))
            return emit(cut, &target);
        half = bit < bits ? first_set(prefixes, count, bit++) : 1;
        if (half == 0 || half == count)
            continue;
        if (cut_prefixes(cut, prefixes, half, bit) != 0)
            return -1;
        prefixes += half;
        count -= half;
    }
    return 0;
}

static int cut_families(const struct cut *cut)
{
    const struct wire_target *whole = cut->whole;
    size_t fours = 0;

    while (fours < whole->prefix_count && whole->prefixes[fours].family == 4)
        fours++;
    if (cut_prefixes(cut, whole->prefixes, fours, 0) != 0)
        return -1;
    return cut_prefixes(cut, whole->prefixes + fours, whole->prefix_count - fours, 0);
}

/* ---- Names ---- */

enum kind { KIND_FQDN, KIND_URI, KIND_ALIAS };

static void set_names(struct wire_target *target, enum kind kind, const char **at, size_t count)
{
    struct wire_strings names = {at, count};

    if (kind == KIND_FQDN)
        target->fqdns = names;
    else if (kind == KIND_URI)
        target->uris = names;
    else
        target->aliases = names;
}

/* FNV-1a, of lower case: names that compare equal fall into the same part. */
static uint32_t hash(const char *name)
{
    uint32_t value = 2166136261u;

    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;

        value = (value ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 16777619u;
    }
    return value;
}

static int cut_names(const struct cut *cut, enum kind kind, const char **names, size_t count, unsigned bit)
{
    struct wire_target target = like(cut);
    const char **halves;
    size_t clear = 0, set = 0;
    int status;

    if (count == 0)
        return 0;
    set_names(&target, kind, names, count);
    if (count == 1 || bit >= 32 || fits(cut, &target))
        return emit(cut, &target);
    halves = calloc(2 * count, sizeof(*halves));
    if (!halves)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (hash(names[i]) >> bit & 1)
            halves[count + set++] = names[i];
        else
            halves[clear++] = names[i];
    }
    status = cut_names(cut, kind, halves, clear, bit + 1);
    if (status == 0)
        status = cut_names(cut, kind, halves + count, set, bit + 1);
    free(halves);
    return status;
}

int scope_split(const struct scope *whole, size_t body_max, int (*part)(void *arg, struct scope *part), void *arg)
{
    const struct wire_target *target = &whole->target;
    struct cut cut = {.whole = target, .body_max = body_max, .part = part, .arg = arg};

    if (fits(&cut, target))
        return emit(&cut, target);
    if (cut_families(&cut) != 0 || cut_names(&cut, KIND_FQDN, target->fqdns.at, target->fqdns.count, 0) != 0 ||
        cut_names(&cut, KIND_URI, target->uris.at, target->uris.count, 0) != 0)
        return -1;
    return cut_names(&cut, KIND_ALIAS, target->aliases.at, target->aliases.count, 0);
}
