/* union: prefixes reduced, ports merged, names once. */

#include "aggregation/union.h"

#include <stdlib.h>
#include <string.h>

#include "aggregation/scope_lists.h"
#include "aggregation/scope_names.h"

/* All clauses of several targets in one, in arrays of their own that are freed by drop(). */
struct gathered {
    struct wire_target all;
    bool any_port, any_protocol;
};

static void drop(struct gathered *gathered)
{
    free(gathered->all.prefixes);
    free(gathered->all.port_ranges);
    free(gathered->all.protocols);
    free(gathered->all.fqdns.at);
    free(gathered->all.uris.at);
    free(gathered->all.aliases.at);
}

static int reserve(struct gathered *gathered, const struct wire_target *const *targets, size_t count)
{
    struct wire_target *all = &gathered->all;
    size_t prefixes = 1, ports = 1, protocols = 1, fqdns = 1, uris = 1, aliases = 1;

    for (size_t i = 0; i < count; i++) {
        prefixes += targets[i]->prefix_count;
        ports += targets[i]->port_range_count;
        protocols += targets[i]->protocol_count;
        fqdns += targets[i]->fqdns.count;
        uris += targets[i]->uris.count;
        aliases += targets[i]->aliases.count;
    }
    all->prefixes = calloc(prefixes, sizeof(*all->prefixes));
    all->port_ranges = calloc(ports, sizeof(*all->port_ranges));
    all->protocols = calloc(protocols, sizeof(*all->protocols));
    all->fqdns.at = calloc(fqdns, sizeof(*all->fqdns.at));
    all->uris.at = calloc(uris, sizeof(*all->uris.at));
    all->aliases.at = calloc(aliases, sizeof(*all->aliases.at));
    return all->prefixes && all->port_ranges && all->protocols && all->fqdns.at && all->uris.at && all->aliases.at ? 0
                                                                                                                   : -1;
}

static void append(void *to, size_t *count, const void *from, size_t more, size_t size)
{
    if (more)
        memcpy((char *)to + *count * size, from, more * size);
    *count += more;
}

static void gather(struct gathered *gathered, const struct wire_target *one)
{
    struct wire_target *all = &gathered->all;

    append(all->prefixes, &all->prefix_count, one->prefixes, one->prefix_count, sizeof(*one->prefixes));
    append(all->port_ranges, &all->port_range_count, one->port_ranges, one->port_range_count,
           sizeof(*one->port_ranges));
    append(all->protocols, &all->protocol_count, one->protocols, one->protocol_count, sizeof(*one->protocols));
    append(all->fqdns.at, &all->fqdns.count, one->fqdns.at, one->fqdns.count, sizeof(*one->fqdns.at));
    append(all->uris.at, &all->uris.count, one->uris.at, one->uris.count, sizeof(*one->uris.at));
    append(all->aliases.at, &all->aliases.count, one->aliases.at, one->aliases.count, sizeof(*one->aliases.at));
    gathered->any_port = gathered->any_port || one->port_range_count == 0;
    gathered->any_protocol = gathered->any_protocol || one->protocol_count == 0;
}

/* ---- Prefixes ---- */

static int by_prefix(const void *a, const void *b)
{
    return scope_prefix_compare(a, b);
}

/* Two halves of one network: the same but for their last bit. */
static bool siblings(const struct wire_prefix *a, const struct wire_prefix *b)
{
    struct wire_prefix other = *b;

    if (a->family != b->family || a->length != b->length || a->length == 0)
        return false;
    other.addr[(other.length - 1) / 8] ^= (uint8_t)(0x80u >> ((other.length - 1) % 8));
    return memcmp(a->addr, other.addr, sizeof(a->addr)) == 0;
}

static void widen(struct wire_prefix *prefix)
{
    prefix->length--;
    prefix->addr[prefix->length / 8] &= (uint8_t) ~(0x80u >> (prefix->length % 8));
}

/* Sorted, containing ones come first: what the last one contains goes, halves join. */
static void reduce(struct wire_target *target)
{
    struct wire_prefix *prefixes = target->prefixes;
    size_t kept = 0;

    qsort(prefixes, target->prefix_count, sizeof(*prefixes), by_prefix);
    for (size_t i = 0; i < target->prefix_count; i++) {
        if (kept > 0 && scope_prefix_contains(&prefixes[kept - 1], &prefixes[i]))
            continue;
        prefixes[kept++] = prefixes[i];
        while (kept > 1 && siblings(&prefixes[kept - 2], &prefixes[kept - 1])) {
            kept--;
            widen(&prefixes[kept - 1]);
        }
    }
    target->prefix_count = kept;
}

/* ---- Ports, protocols, names ---- */

static int by_lower(const void *a, const void *b)
{
    const struct wire_port_range *left = a, *right = b;

    return (left->lower > right->lower) - (left->lower < right->lower);
}

static void merge_ports(struct wire_target *target)
{
    struct wire_port_range *ranges = target->port_ranges;
    size_t kept = 0;

    qsort(ranges, target->port_range_count, sizeof(*ranges), by_lower);
    for (size_t i = 0; i < target->port_range_count; i++) {
        if (kept > 0 && ranges[i].lower <= (uint32_t)ranges[kept - 1].upper + 1) {
            if (ranges[i].upper > ranges[kept - 1].upper)
                ranges[kept - 1].upper = ranges[i].upper;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    target->port_range_count = kept;
}

static void merge_protocols(struct wire_target *target)
{
    bool listed[256];
    size_t kept = 0;

    scope_protocols(target, listed);
    for (unsigned i = 0; target->protocol_count && i < 256; i++)
        if (listed[i])
            target->protocols[kept++] = (uint8_t)i;
    target->protocol_count = kept;
}

static int by_fqdn(const void *a, const void *b)
{
    return scope_fqdn_compare(*(const char *const *)a, *(const char *const *)b);
}

static int by_uri(const void *a, const void *b)
{
    return scope_uri_compare(*(const char *const *)a, *(const char *const *)b);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void once(struct wire_strings *names, int (*compare)(const void *a, const void *b))
{
    size_t kept = 0;

    qsort(names->at, names->count, sizeof(*names->at), compare);
    for (size_t i = 0; i < names->count; i++)
        if (kept == 0 || compare(&names->at[kept - 1], &names->at[i]) != 0)
            names->at[kept++] = names->at[i];
    names->count = kept;
}

struct scope *scope_unite(const struct wire_target *const *targets, size_t count)
{
    struct gathered gathered = {.any_port = count == 0};
    struct scope *united = NULL;

    if (reserve(&gathered, targets, count) == 0) {
        for (size_t i = 0; i < count; i++)
            gather(&gathered, targets[i]);
        if (gathered.any_port)
            gathered.all.port_range_count = 0;
        if (gathered.any_protocol)
            gathered.all.protocol_count = 0;
        reduce(&gathered.all);
        merge_ports(&gathered.all);
        merge_protocols(&gathered.all);
        once(&gathered.all.fqdns, by_fqdn);
        once(&gathered.all.uris, by_uri);
        once(&gathered.all.aliases, by_text);
        united = scope_new(&gathered.all);
    }
    drop(&gathered);
    return united;
}

/* ---- Covering ---- */

/* The last canonical prefix that sorts before or at this one is the only one that can contain it. */
static bool prefix_covered(const struct wire_target *outer, const struct wire_prefix *prefix)
{
    size_t low = 0, high = outer->prefix_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (scope_prefix_compare(&outer->prefixes[middle], prefix) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && scope_prefix_contains(&outer->prefixes[low - 1], prefix);
}

static bool names_covered(const struct wire_strings *outer, const struct wire_strings *inner,
                          int (*compare)(const void *a, const void *b))
{
    for (size_t i = 0; i < inner->count; i++)
        if (outer->count == 0 || !bsearch(&inner->at[i], outer->at, outer->count, sizeof(*outer->at), compare))
            return false;
    return true;
}

static bool ports_covered(const struct wire_target *outer, const struct wire_target *inner)
{
    if (outer->port_range_count == 0)
        return true;
    for (size_t i = 0; i < inner->port_range_count; i++) {
        bool found = false;

        for (size_t k = 0; k < outer->port_range_count && !found; k++)
            found = outer->port_ranges[k].lower <= inner->port_ranges[i].lower &&
                    outer->port_ranges[k].upper >= inner->port_ranges[i].upper;
        if (!found)
            return false;
    }
    return inner->port_range_count > 0;
}

static bool protocols_covered(const struct wire_target *outer, const struct wire_target *inner)
{
    bool listed[256];

    if (outer->protocol_count == 0)
        return true;
    scope_protocols(outer, listed);
    for (size_t i = 0; i < inner->protocol_count; i++)
        if (!listed[inner->protocols[i]])
            return false;
    return inner->protocol_count > 0;
}

bool scope_covers(const struct wire_target *outer, const struct wire_target *inner)
{
    for (size_t i = 0; i < inner->prefix_count; i++)
        if (!prefix_covered(outer, &inner->prefixes[i]))
            return false;
    return names_covered(&outer->fqdns, &inner->fqdns, by_fqdn) && names_covered(&outer->uris, &inner->uris, by_uri) &&
           names_covered(&outer->aliases, &inner->aliases, by_text) && ports_covered(outer, inner) &&
           protocols_covered(outer, inner);
}

/* ---- Parts ---- */

static bool prefix_before(const struct wire_prefix *a, const struct wire_prefix *b)
{
    return scope_prefix_compare(a, b) < 0 && !scope_prefix_contains(a, b);
}

/* Sorted and disjoint, so the last one of the first ends before the other begins: mostly there is no more to see. */
static bool ends_before(const struct wire_target *a, const struct wire_target *b)
{
    return a->prefix_count == 0 || b->prefix_count == 0 ||
           prefix_before(&a->prefixes[a->prefix_count - 1], b->prefixes);
}

static bool named(const struct wire_target *target)
{
    return target->fqdns.count + target->uris.count + target->aliases.count > 0;
}

bool scope_parts_overlap(const struct wire_target *a, const struct wire_target *b)
{
    if ((ends_before(a, b) || ends_before(b, a)) && !(named(a) && named(b)))
        return false;
    return scope_overlap(a, b);
}

bool scope_parts_equal(const struct wire_target *a, const struct wire_target *b)
{
    return a->prefix_count == b->prefix_count && a->fqdns.count == b->fqdns.count && a->uris.count == b->uris.count &&
           (a->prefix_count == 0 || scope_prefix_compare(a->prefixes, b->prefixes) == 0) && scope_equal(a, b);
}
