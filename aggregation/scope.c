/* scope: copies of targets, each in one block of memory, and whether two are the same. */
#include "aggregation/scope.h"

#include <stdlib.h>
#include <string.h>

#include "aggregation/scope_lists.h"

struct sizes {
    size_t total;
    bool overflow;
};

static void need(struct sizes *sizes, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(sizes->total, bytes, &sizes->total))
        sizes->overflow = true;
}

static void need_strings(struct sizes *sizes, const struct wire_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        need(sizes, strlen(strings->at[i]) + 1, 1);
}

/* An empty list is copied as NULL. */
static void *take(char **at, const void *from, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *copy = memcpy(*at, from, count * size);
    *at += count * size;
    return copy;
}

static void take_strings(char **at, struct wire_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        strings->at[i] = take(at, strings->at[i], strlen(strings->at[i]) + 1, 1);
}

void *scope_target_copy(const struct wire_target *from, size_t head, struct wire_target *to)
{
    struct sizes sizes = {.total = head > 0 ? head : 1};
    need(&sizes, from->fqdns.count, sizeof *from->fqdns.at);
    need(&sizes, from->uris.count, sizeof *from->uris.at);
    need(&sizes, from->aliases.count, sizeof *from->aliases.at);
    need(&sizes, from->port_range_count, sizeof *from->port_ranges);
    need(&sizes, from->prefix_count, sizeof *from->prefixes);
    need(&sizes, from->protocol_count, sizeof *from->protocols);
    need_strings(&sizes, &from->fqdns);
    need_strings(&sizes, &from->uris);
    need_strings(&sizes, &from->aliases);
    void *block = sizes.overflow ? NULL : malloc(sizes.total);
    if (!block)
        return NULL;
    /* In order of falling alignment, so that no padding is needed. */
    char *at = (char *)block + head;
    *to = *from;
    to->fqdns.at = take(&at, from->fqdns.at, from->fqdns.count, sizeof *from->fqdns.at);
    to->uris.at = take(&at, from->uris.at, from->uris.count, sizeof *from->uris.at);
    to->aliases.at = take(&at, from->aliases.at, from->aliases.count, sizeof *from->aliases.at);
    to->port_ranges = take(&at, from->port_ranges, from->port_range_count, sizeof *from->port_ranges);
    to->prefixes = take(&at, from->prefixes, from->prefix_count, sizeof *from->prefixes);
    to->protocols = take(&at, from->protocols, from->protocol_count, sizeof *from->protocols);
    take_strings(&at, &to->fqdns);
    take_strings(&at, &to->uris);
    take_strings(&at, &to->aliases);
    return block;
}

struct scope *scope_new(const struct wire_target *target)
{
    struct wire_target copy;
    struct scope *scope = scope_target_copy(target, sizeof *scope, &copy);
    if (!scope)
        return NULL;
    scope->target = copy;
    scope->references = 1;
    return scope;
}

struct scope *scope_ref(struct scope *scope)
{
    scope->references++;
    return scope;
}

void scope_unref(struct scope *scope)
{
    if (scope && --scope->references == 0)
        free(scope);
}

static bool same_protocols(const struct wire_target *a, const struct wire_target *b)
{
    bool in_a[256], in_b[256];
    scope_protocols(a, in_a);
    scope_protocols(b, in_b);
    return memcmp(in_a, in_b, sizeof in_a) == 0;
}

bool scope_equal(const struct wire_target *a, const struct wire_target *b)
{
    static struct scope_list (*const lists[])(const struct wire_target *) = {
        scope_list_prefixes, scope_list_ports, scope_list_fqdns, scope_list_uris, scope_list_aliases};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct scope_list of_a = lists[i](a), of_b = lists[i](b);
        if (!scope_list_equal(&of_a, &of_b))
            return false;
    }
    return same_protocols(a, b);
}
