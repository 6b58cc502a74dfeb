/* connect: connected components of overlap, by sorting what can touch side by side. */

#include "aggregation/connect.h"

#include <stdlib.h>
#include <string.h>

#include "aggregation/scope_lists.h"
#include "aggregation/scope_names.h"

struct clause {
    const struct wire_prefix *prefix;
    const char *name;
    size_t scope;
};

static size_t root_of(size_t *parent, size_t at)
{
    while (parent[at] != at) {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    return at;
}

static void connect(size_t *parent, size_t a, size_t b)
{
    parent[root_of(parent, a)] = root_of(parent, b);
}

static int by_prefix(const void *a, const void *b)
{
    return scope_prefix_compare(((const struct clause *)a)->prefix, ((const struct clause *)b)->prefix);
}

static int by_fqdn(const void *a, const void *b)
{
    return scope_fqdn_compare(((const struct clause *)a)->name, ((const struct clause *)b)->name);
}

static int by_uri(const void *a, const void *b)
{
    return scope_uri_compare(((const struct clause *)a)->name, ((const struct clause *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct clause *)a)->name, ((const struct clause *)b)->name);
}

/* Sorted, a prefix comes right before those that it contains: all of them hang together with it. */
static void connect_prefixes(size_t *parent, struct clause *clauses, size_t count)
{
    size_t outer = 0;

    qsort(clauses, count, sizeof(*clauses), by_prefix);
    for (size_t i = 1; i < count; i++) {
        if (scope_prefix_contains(clauses[outer].prefix, clauses[i].prefix))
            connect(parent, clauses[outer].scope, clauses[i].scope);
        else
            outer = i;
    }
}

static void connect_names(size_t *parent, struct clause *clauses, size_t count,
                          int (*compare)(const void *a, const void *b))
{
    qsort(clauses, count, sizeof(*clauses), compare);
    for (size_t i = 1; i < count; i++)
        if (compare(&clauses[i - 1], &clauses[i]) == 0)
            connect(parent, clauses[i - 1].scope, clauses[i].scope);
}

static size_t gather_names(struct clause *clauses, const struct scope *const *scopes, size_t count, size_t offset)
{
    size_t gathered = 0;

    for (size_t i = 0; i < count; i++) {
        const struct wire_strings *names =
            (const struct wire_strings *)(const void *)((const char *)&scopes[i]->target + offset);

        for (size_t k = 0; k < names->count; k++)
            clauses[gathered++] = (struct clause){.name = names->at[k], .scope = i};
    }
    return gathered;
}

static size_t gather_prefixes(struct clause *clauses, const struct scope *const *scopes, size_t count)
{
    size_t gathered = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < scopes[i]->target.prefix_count; k++)
            clauses[gathered++] = (struct clause){.prefix = &scopes[i]->target.prefixes[k], .scope = i};
    return gathered;
}

static size_t most_clauses(const struct scope *const *scopes, size_t count)
{
    size_t prefixes = 0, names = 0;

    for (size_t i = 0; i < count; i++) {
        const struct wire_target *target = &scopes[i]->target;

        prefixes += target->prefix_count;
        names += target->fqdns.count + target->uris.count + target->aliases.count;
    }
    return prefixes > names ? prefixes : names;
}

int scope_connect(const struct scope *const *scopes, size_t count, size_t *component)
{
    size_t most = most_clauses(scopes, count);
    struct clause *clauses = calloc(most ? most : 1, sizeof(*clauses));

    if (!clauses)
        return -1;
    for (size_t i = 0; i < count; i++)
        component[i] = i;
    connect_prefixes(component, clauses, gather_prefixes(clauses, scopes, count));
    connect_names(component, clauses, gather_names(clauses, scopes, count, offsetof(struct wire_target, fqdns)),
                  by_fqdn);
    connect_names(component, clauses, gather_names(clauses, scopes, count, offsetof(struct wire_target, uris)), by_uri);
    connect_names(component, clauses, gather_names(clauses, scopes, count, offsetof(struct wire_target, aliases)),
                  by_text);
    for (size_t i = 0; i < count; i++)
        component[i] = root_of(component, i);
    free(clauses);
    return 0;
}
