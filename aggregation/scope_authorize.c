/* scope_authorize: is every target inside what a client was granted? */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/scope.h"
#include "aggregation/scope_names.h"

#define NONE SIZE_MAX

/* Addresses of one family, both ends included; IPv4 in the first four bytes. */
struct address_range {
    uint8_t family;
    uint8_t first[16], last[16];
};

struct scope_grant_prepared {
    struct address_range *ranges; /* sorted, disjoint, not adjacent: a union is covered by exactly one of them */
    size_t range_count;
    const char **fqdns; /* sorted */
    size_t fqdn_count;
    const char **wildcards; /* sorted, without their "*." */
    size_t wildcard_count;
    const char **uris;   /* sorted */
    size_t *uri_parents; /* index of the longest other one that is a beginning of it, or NONE */
    size_t uri_count;
};

static struct address_range prefix_range(const struct wire_prefix *prefix)
{
    struct address_range range = {.family = prefix->family};
    for (unsigned i = 0; i < (prefix->family == 4 ? 4u : 16u); i++) {
        unsigned fixed = prefix->length > 8 * i ? prefix->length - 8 * i : 0;
        uint8_t host = fixed >= 8 ? 0 : (uint8_t)(0xff >> fixed);
        range.first[i] = prefix->addr[i] & (uint8_t)~host;
        range.last[i] = prefix->addr[i] | host;
    }
    return range;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct address_range *left = a, *right = b;
    if (left->family != right->family)
        return left->family < right->family ? -1 : 1;
    return memcmp(left->first, right->first, sizeof left->first);
}

/* The address after this one; false at the end of the family. */
static bool next_address(const struct address_range *range, uint8_t next[16])
{
    memcpy(next, range->last, 16);
    for (unsigned i = range->family == 4 ? 4 : 16; i-- > 0;) {
        if (++next[i] != 0)
            return true;
    }
    return false;
}

/* right begins inside left or directly behind it; left->first <= right->first. */
static bool joins(const struct address_range *left, const struct address_range *right)
{
    uint8_t next[16];
    return left->family == right->family && (!next_address(left, next) || memcmp(right->first, next, 16) <= 0);
}

static size_t unite_ranges(struct address_range *ranges, size_t count)
{
    size_t kept = 0;
    qsort(ranges, count, sizeof *ranges, compare_ranges);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !joins(&ranges[kept - 1], &ranges[i]))
            ranges[kept++] = ranges[i];
        else if (memcmp(ranges[i].last, ranges[kept - 1].last, 16) > 0)
            memcpy(ranges[kept - 1].last, ranges[i].last, 16);
    }
    return kept;
}

static int compare_fqdns(const void *a, const void *b)
{
    return scope_fqdn_compare(*(const char *const *)a, *(const char *const *)b);
}

static int compare_uris(const void *a, const void *b)
{
    return scope_uri_compare(*(const char *const *)a, *(const char *const *)b);
}

static int prepare_prefixes(struct scope_grant_prepared *prepared, const struct scope_grant *grant)
{
    if (grant->prefix_count == 0)
        return 0;
    prepared->ranges = calloc(grant->prefix_count, sizeof *prepared->ranges);
    if (!prepared->ranges)
        return -1;
    for (size_t i = 0; i < grant->prefix_count; i++)
        prepared->ranges[i] = prefix_range(&grant->prefixes[i]);
    prepared->range_count = unite_ranges(prepared->ranges, grant->prefix_count);
    return 0;
}

static int prepare_fqdns(struct scope_grant_prepared *prepared, const struct scope_grant *grant)
{
    if (grant->fqdn_count == 0)
        return 0;
    prepared->fqdns = calloc(grant->fqdn_count, sizeof *prepared->fqdns);
    prepared->wildcards = calloc(grant->fqdn_count, sizeof *prepared->wildcards);
    if (!prepared->fqdns || !prepared->wildcards)
        return -1;
    for (size_t i = 0; i < grant->fqdn_count; i++) {
        if (strncmp(grant->fqdns[i], "*.", 2) == 0)
            prepared->wildcards[prepared->wildcard_count++] = grant->fqdns[i] + 2;
        else
            prepared->fqdns[prepared->fqdn_count++] = grant->fqdns[i];
    }
    qsort(prepared->fqdns, prepared->fqdn_count, sizeof *prepared->fqdns, compare_fqdns);
    qsort(prepared->wildcards, prepared->wildcard_count, sizeof *prepared->wildcards, compare_fqdns);
    return 0;
}

static int prepare_uris(struct scope_grant_prepared *prepared, const struct scope_grant *grant)
{
    if (grant->uri_count == 0)
        return 0;
    prepared->uris = calloc(grant->uri_count, sizeof *prepared->uris);
    prepared->uri_parents = calloc(grant->uri_count, sizeof *prepared->uri_parents);
    if (!prepared->uris || !prepared->uri_parents)
        return -1;
    memcpy(prepared->uris, grant->uris, grant->uri_count * sizeof *prepared->uris);
    prepared->uri_count = grant->uri_count;
    qsort(prepared->uris, prepared->uri_count, sizeof *prepared->uris, compare_uris);
    for (size_t i = 0; i < prepared->uri_count; i++) {
        size_t parent = i == 0 ? NONE : i - 1;
        while (parent != NONE && !scope_uri_begins(prepared->uris[parent], prepared->uris[i]))
            parent = prepared->uri_parents[parent];
        prepared->uri_parents[i] = parent;
    }
    return 0;
}

struct scope_grant_prepared *scope_grant_prepare(const struct scope_grant *grant)
{
    struct scope_grant_prepared *prepared = calloc(1, sizeof *prepared);
    if (!prepared)
        return NULL;
    if (prepare_prefixes(prepared, grant) != 0 || prepare_fqdns(prepared, grant) != 0 ||
        prepare_uris(prepared, grant) != 0) {
        scope_grant_release(prepared);
        return NULL;
    }
    return prepared;
}

void scope_grant_release(struct scope_grant_prepared *prepared)
{
    if (!prepared)
        return;
    free(prepared->ranges);
    free(prepared->fqdns);
    free(prepared->wildcards);
    free(prepared->uris);
    free(prepared->uri_parents);
    free(prepared);
}

static bool prefix_granted(const struct scope_grant_prepared *grant, const struct wire_prefix *prefix)
{
    struct address_range wanted = prefix_range(prefix);
    size_t low = 0, high = grant->range_count; /* the last range that begins at or before it is low - 1 */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_ranges(&grant->ranges[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && grant->ranges[low - 1].family == wanted.family &&
           memcmp(grant->ranges[low - 1].last, wanted.last, sizeof wanted.last) >= 0;
}

static bool has_fqdn(const char **sorted, size_t count, const char *fqdn)
{
    return count > 0 && bsearch(&fqdn, sorted, count, sizeof *sorted, compare_fqdns) != NULL;
}

static bool fqdn_granted(const struct scope_grant_prepared *grant, const char *fqdn)
{
    if (has_fqdn(grant->fqdns, grant->fqdn_count, fqdn))
        return true;
    if (grant->wildcard_count == 0 || !scope_fqdn_valid(fqdn))
        return false;
    for (const char *dot = strchr(fqdn, '.'); dot && dot[1] != '\0'; dot = strchr(dot + 1, '.')) {
        if (has_fqdn(grant->wildcards, grant->wildcard_count, dot + 1))
            return true;
    }
    return false;
}

/* What begins a URI also begins the last granted one that is not greater: its chain of parents has them all. */
static bool uri_within_one(const struct scope_grant_prepared *grant, const char *uri)
{
    size_t low = 0, high = grant->uri_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (scope_uri_compare(grant->uris[middle], uri) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t at = low > 0 ? low - 1 : NONE;
    while (at != NONE && !scope_uri_within(grant->uris[at], uri))
        at = grant->uri_parents[at];
    return at != NONE;
}

static bool uri_granted(const struct scope_grant_prepared *grant, const char *uri)
{
    char host[SCOPE_HOST_MAX];
    struct wire_prefix address;
    if (scope_uri_host(uri, host, sizeof host) != 0)
        return false;
    bool literal = wire_prefix_parse(host, true, &address) == 0;
    return (literal ? prefix_granted(grant, &address) : fqdn_granted(grant, host)) || uri_within_one(grant, uri);
}

static const char *outside(const char *parameter, const char *value, char *buffer, size_t size)
{
    char shown[SCOPE_SHOWN];
    snprintf(buffer, size, "%s: %s is outside the scopes of this client", parameter, scope_show(value, shown));
    return buffer;
}

const char *scope_unauthorized_by(const struct wire_target *target, const struct scope_grant_prepared *grant,
                                  char *buffer, size_t size)
{
    char text[WIRE_PREFIX_TEXT];
    for (size_t i = 0; i < target->prefix_count; i++) {
        if (!prefix_granted(grant, &target->prefixes[i]))
            return outside("target-prefix", wire_prefix_format(&target->prefixes[i], text), buffer, size);
    }
    for (size_t i = 0; i < target->fqdns.count; i++) {
        if (!fqdn_granted(grant, target->fqdns.at[i]))
            return outside("target-fqdn", target->fqdns.at[i], buffer, size);
    }
    for (size_t i = 0; i < target->uris.count; i++) {
        if (!uri_granted(grant, target->uris.at[i]))
            return outside("target-uri", target->uris.at[i], buffer, size);
    }
    if (target->aliases.count > 0)
        return outside("alias-name", target->aliases.at[0], buffer, size);
    return NULL;
}

const char *scope_unauthorized(const struct wire_target *target, const struct scope_grant *grant, char *buffer,
                               size_t size)
{
    struct scope_grant_prepared *prepared = scope_grant_prepare(grant);
    if (!prepared) {
        snprintf(buffer, size, "out of memory: the scopes of this client could not be checked");
        return buffer;
    }
    const char *reason = scope_unauthorized_by(target, prepared, buffer, size);
    scope_grant_release(prepared);
    return reason;
}
