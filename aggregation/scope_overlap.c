/* scope_overlap: do two scopes overlap (RFC 9132 section 4.4.1.3), and in what. */
#include <stdlib.h>
#include <string.h>

#include "aggregation/scope.h"
#include "aggregation/scope_lists.h"

bool scope_prefix_contains(const struct wire_prefix *outer, const struct wire_prefix *inner)
{
    if (outer->family != inner->family || outer->length > inner->length)
        return false;
    size_t bytes = outer->length / 8u;
    unsigned rest = outer->length % 8u;
    if (memcmp(outer->addr, inner->addr, bytes) != 0)
        return false;
    return rest == 0 || (outer->addr[bytes] ^ inner->addr[bytes]) >> (8 - rest) == 0;
}

/* Two prefixes share an address only when one contains the other. */
static int prefix_relation(const void *a, const void *b)
{
    const struct wire_prefix *left = a, *right = b;
    if (scope_prefix_contains(left, right) || scope_prefix_contains(right, left))
        return 0;
    return scope_prefix_compare(left, right);
}

bool scope_overlap(const struct wire_target *a, const struct wire_target *b)
{
    struct scope_list prefixes_a = scope_list_prefixes(a), prefixes_b = scope_list_prefixes(b);
    if (scope_list_meet(&prefixes_a, &prefixes_b, prefix_relation))
        return true;
    static struct scope_list (*const names[])(const struct wire_target *) = {scope_list_fqdns, scope_list_uris,
                                                                             scope_list_aliases};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct scope_list of_a = names[i](a), of_b = names[i](b);
        if (scope_list_meet(&of_a, &of_b, of_a.compare))
            return true;
    }
    return false;
}

/* What is in common, gathered before it is copied into one block. */
struct gathered {
    struct wire_prefix prefixes[SCOPE_COMMON_MAX];
    struct wire_port_range port_ranges[SCOPE_COMMON_MAX];
    uint8_t protocols[SCOPE_COMMON_MAX];
    const char *fqdns[SCOPE_COMMON_MAX], *uris[SCOPE_COMMON_MAX], *aliases[SCOPE_COMMON_MAX];
};

/* Sorted as they are, prefixes that lie inside the last one kept add nothing. */
static void keep_prefix(struct wire_target *out, const struct wire_prefix *prefix)
{
    if (out->prefix_count == SCOPE_COMMON_MAX)
        return;
    if (out->prefix_count > 0 && scope_prefix_contains(&out->prefixes[out->prefix_count - 1], prefix))
        return;
    out->prefixes[out->prefix_count++] = *prefix;
}

/* Walks both lists as one, in order. Whatever contains a prefix comes before it, so it is enough to
 * know the outermost prefix of each side that the walk is in. */
static int gather_prefixes(const struct wire_target *a, const struct wire_target *b, struct wire_target *out)
{
    struct scope_list lists[2] = {scope_list_prefixes(a), scope_list_prefixes(b)};
    const void **sorted = scope_list_sort(&lists[0], &lists[1]);
    if (!sorted)
        return -1;
    const void **sides[2] = {sorted, sorted + lists[0].count};
    size_t at[2] = {0, 0};
    const struct wire_prefix *outermost[2] = {NULL, NULL};
    while (at[0] < lists[0].count || at[1] < lists[1].count) {
        int side = at[0] == lists[0].count ||
                   (at[1] < lists[1].count && scope_prefix_compare(sides[0][at[0]], sides[1][at[1]]) > 0);
        const struct wire_prefix *prefix = sides[side][at[side]++];
        if (outermost[!side] && scope_prefix_contains(outermost[!side], prefix))
            keep_prefix(out, prefix);
        if (!outermost[side] || !scope_prefix_contains(outermost[side], prefix))
            outermost[side] = prefix;
    }
    free(sorted);
    return 0;
}

static int gather_names(const struct scope_list *a, const struct scope_list *b, struct wire_strings *out)
{
    const void **sorted = scope_list_sort(a, b);
    if (!sorted)
        return -1;
    const void **sorted_b = sorted + a->count;
    for (size_t i = 0, j = 0; i < a->count && j < b->count && out->count < SCOPE_COMMON_MAX;) {
        int order = a->compare(sorted[i], sorted_b[j]);
        const char *name = *(const char *const *)sorted[i];
        if (order == 0 && (out->count == 0 || a->compare(&out->at[out->count - 1], &name) != 0))
            out->at[out->count++] = name;
        if (order <= 0)
            i++;
        else
            j++;
    }
    free(sorted);
    return 0;
}

/* Reads sorted port ranges as disjoint ones. */
struct port_reader {
    const void **sorted;
    size_t count, at;
    struct wire_port_range range;
};

static bool next_ports(struct port_reader *reader)
{
    if (reader->at == reader->count)
        return false;
    reader->range = *(const struct wire_port_range *)reader->sorted[reader->at++];
    while (reader->at < reader->count) {
        const struct wire_port_range *next = reader->sorted[reader->at];
        if (next->lower > (uint32_t)reader->range.upper + 1)
            break;
        if (next->upper > reader->range.upper)
            reader->range.upper = next->upper;
        reader->at++;
    }
    return true;
}

static void intersect_ports(struct port_reader *a, struct port_reader *b, struct wire_target *out)
{
    bool more = next_ports(a) && next_ports(b);
    while (more && out->port_range_count < SCOPE_COMMON_MAX) {
        uint16_t lower = a->range.lower > b->range.lower ? a->range.lower : b->range.lower;
        uint16_t upper = a->range.upper < b->range.upper ? a->range.upper : b->range.upper;
        if (lower <= upper)
            out->port_ranges[out->port_range_count++] = (struct wire_port_range){lower, upper};
        more = next_ports(a->range.upper < b->range.upper ? a : b);
    }
}

static int gather_ports(const struct wire_target *a, const struct wire_target *b, struct wire_target *out)
{
    struct wire_port_range every = {0, UINT16_MAX};
    struct wire_target any = {.port_ranges = &every, .port_range_count = 1};
    if (a->port_range_count == 0 && b->port_range_count == 0)
        return 0;
    struct scope_list of_a = scope_list_ports(a->port_range_count > 0 ? a : &any);
    struct scope_list of_b = scope_list_ports(b->port_range_count > 0 ? b : &any);
    const void **sorted = scope_list_sort(&of_a, &of_b);
    if (!sorted)
        return -1;
    intersect_ports(&(struct port_reader){.sorted = sorted, .count = of_a.count},
                    &(struct port_reader){.sorted = sorted + of_a.count, .count = of_b.count}, out);
    free(sorted);
    return 0;
}

static void gather_protocols(const struct wire_target *a, const struct wire_target *b, struct wire_target *out)
{
    if (a->protocol_count == 0 && b->protocol_count == 0)
        return;
    bool in_a[256], in_b[256];
    scope_protocols(a, in_a);
    scope_protocols(b, in_b);
    for (unsigned i = 0; i < 256 && out->protocol_count < SCOPE_COMMON_MAX; i++) {
        if ((in_a[i] || a->protocol_count == 0) && (in_b[i] || b->protocol_count == 0))
            out->protocols[out->protocol_count++] = (uint8_t)i;
    }
}

int scope_intersect(const struct wire_target *a, const struct wire_target *b, struct scope_common *out)
{
    *out = (struct scope_common){0};
    struct scope_list fqdns[2] = {scope_list_fqdns(a), scope_list_fqdns(b)};
    struct scope_list uris[2] = {scope_list_uris(a), scope_list_uris(b)};
    struct scope_list aliases[2] = {scope_list_aliases(a), scope_list_aliases(b)};
    struct gathered gathered;
    struct wire_target common = {
        .prefixes = gathered.prefixes,
        .port_ranges = gathered.port_ranges,
        .protocols = gathered.protocols,
        .fqdns = {.at = gathered.fqdns},
        .uris = {.at = gathered.uris},
        .aliases = {.at = gathered.aliases},
    };
    if (gather_prefixes(a, b, &common) != 0 || gather_names(&fqdns[0], &fqdns[1], &common.fqdns) != 0 ||
        gather_names(&uris[0], &uris[1], &common.uris) != 0 ||
        gather_names(&aliases[0], &aliases[1], &common.aliases) != 0)
        return -1;
    /* Ports belong to a common address or name: without one they say nothing (section 4.4.1.3). */
    if (common.prefix_count + common.fqdns.count + common.uris.count + common.aliases.count > 0) {
        if (gather_ports(a, b, &common) != 0)
            return -1;
        gather_protocols(a, b, &common);
    }
    out->block = scope_target_copy(&common, 0, &out->target);
    return out->block ? 0 : -1;
}
