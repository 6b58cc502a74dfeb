/* scope_lists: sorts clause lists and merges them; small ones are compared pair by pair without memory. */
#include "aggregation/scope_lists.h"

#include <stdlib.h>
#include <string.h>

#include "aggregation/scope_names.h"

#define DIRECT_PAIRS 256 /* up to so many pairs are compared directly: cheaper than to sort */

int scope_prefix_compare(const struct wire_prefix *a, const struct wire_prefix *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    int difference = memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16);
    return difference != 0 ? difference : a->length - b->length;
}

static int compare_prefixes(const void *a, const void *b)
{
    return scope_prefix_compare(a, b);
}

static int compare_ports(const void *a, const void *b)
{
    const struct wire_port_range *left = a, *right = b;
    return left->lower != right->lower ? left->lower - right->lower : left->upper - right->upper;
}

static int compare_fqdns(const void *a, const void *b)
{
    return scope_fqdn_compare(*(const char *const *)a, *(const char *const *)b);
}

static int compare_uris(const void *a, const void *b)
{
    return scope_uri_compare(*(const char *const *)a, *(const char *const *)b);
}

/* A list key in RFC 8783 section 6.1: exact. */
static int compare_aliases(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void scope_protocols(const struct wire_target *target, bool listed[256])
{
    memset(listed, 0, 256 * sizeof *listed);
    for (size_t i = 0; i < target->protocol_count; i++)
        listed[target->protocols[i]] = true;
}

struct scope_list scope_list_prefixes(const struct wire_target *target)
{
    return (struct scope_list){target->prefixes, target->prefix_count, sizeof *target->prefixes, compare_prefixes};
}

struct scope_list scope_list_ports(const struct wire_target *target)
{
    return (struct scope_list){target->port_ranges, target->port_range_count, sizeof *target->port_ranges,
                               compare_ports};
}

struct scope_list scope_list_fqdns(const struct wire_target *target)
{
    return (struct scope_list){target->fqdns.at, target->fqdns.count, sizeof *target->fqdns.at, compare_fqdns};
}

struct scope_list scope_list_uris(const struct wire_target *target)
{
    return (struct scope_list){target->uris.at, target->uris.count, sizeof *target->uris.at, compare_uris};
}

struct scope_list scope_list_aliases(const struct wire_target *target)
{
    return (struct scope_list){target->aliases.at, target->aliases.count, sizeof *target->aliases.at, compare_aliases};
}

static const void *element(const struct scope_list *list, size_t i)
{
    return (const char *)list->base + i * list->size;
}

static int compare_pointed(const void *a, const void *b, void *arg)
{
    const struct scope_list *list = arg;
    return list->compare(*(const void *const *)a, *(const void *const *)b);
}

static void sort_into(const struct scope_list *list, const void **sorted)
{
    struct scope_list by = *list;
    for (size_t i = 0; i < list->count; i++)
        sorted[i] = element(list, i);
    if (list->count > 1)
        qsort_r(sorted, list->count, sizeof *sorted, compare_pointed, &by);
}

const void **scope_list_sort(const struct scope_list *a, const struct scope_list *b)
{
    size_t count, bytes;
    if (__builtin_add_overflow(a->count, b->count, &count) ||
        __builtin_mul_overflow(count > 0 ? count : 1, sizeof(const void *), &bytes))
        return NULL;
    const void **sorted = malloc(bytes);
    if (!sorted)
        return NULL;
    sort_into(a, sorted);
    sort_into(b, sorted + a->count);
    return sorted;
}

static bool few_pairs(const struct scope_list *a, const struct scope_list *b)
{
    return a->count <= DIRECT_PAIRS && b->count <= DIRECT_PAIRS && a->count * b->count <= DIRECT_PAIRS;
}

/* NULL: compare pair by pair, because there are few or no memory to sort. */
static const void **sort_many(const struct scope_list *a, const struct scope_list *b)
{
    return few_pairs(a, b) ? NULL : scope_list_sort(a, b);
}

static bool each_is_in(const struct scope_list *a, const struct scope_list *b)
{
    for (size_t i = 0; i < a->count; i++) {
        size_t j = 0;
        while (j < b->count && a->compare(element(a, i), element(b, j)) != 0)
            j++;
        if (j == b->count)
            return false;
    }
    return true;
}

static size_t skip_equal(const struct scope_list *list, const void **sorted, size_t count, size_t i)
{
    const void *value = sorted[i];
    while (i < count && list->compare(sorted[i], value) == 0)
        i++;
    return i;
}

bool scope_list_equal(const struct scope_list *a, const struct scope_list *b)
{
    if (a->count == 0 || b->count == 0)
        return a->count == b->count;
    const void **sorted = sort_many(a, b);
    if (!sorted)
        return each_is_in(a, b) && each_is_in(b, a);
    const void **sorted_b = sorted + a->count;
    size_t i = 0, j = 0;
    while (i < a->count && j < b->count && a->compare(sorted[i], sorted_b[j]) == 0) {
        i = skip_equal(a, sorted, a->count, i);
        j = skip_equal(b, sorted_b, b->count, j);
    }
    bool equal = i == a->count && j == b->count;
    free(sorted);
    return equal;
}

static bool meet_directly(const struct scope_list *a, const struct scope_list *b,
                          int (*relation)(const void *a, const void *b))
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            if (relation(element(a, i), element(b, j)) == 0)
                return true;
        }
    }
    return false;
}

bool scope_list_meet(const struct scope_list *a, const struct scope_list *b,
                     int (*relation)(const void *a, const void *b))
{
    if (a->count == 0 || b->count == 0)
        return false;
    const void **sorted = sort_many(a, b);
    if (!sorted)
        return meet_directly(a, b, relation);
    const void **sorted_b = sorted + a->count;
    bool met = false;
    for (size_t i = 0, j = 0; !met && i < a->count && j < b->count;) {
        int order = relation(sorted[i], sorted_b[j]);
        met = order == 0;
        if (order < 0)
            i++;
        else
            j++;
    }
    free(sorted);
    return met;
}
