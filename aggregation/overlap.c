/* overlap: entries attach to the places of their clauses; a query visits places. */
#include "aggregation/overlap.h"

#include <assert.h>
#include <search.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "aggregation/overlap_names.h"
#include "aggregation/overlap_trie.h"

struct overlap_entry {
    void *owner;
    const struct scope *scope;
    uint64_t turn; /* the query that reported it last */
    size_t attached;
    struct attachment attachments[]; /* one a clause, in the order of place_of */
};

struct overlap_index {
    struct trie_node *v4, *v6;
    void *names;
    void *entries; /* tree of struct overlap_entry by owner */
    size_t size;
    uint64_t turn;
};

struct overlap_index *overlap_index_new(void)
{
    return calloc(1, sizeof(struct overlap_index));
}

void overlap_index_free(struct overlap_index *index)
{
    if (!index)
        return;
    overlap_trie_free(index->v4);
    overlap_trie_free(index->v6);
    overlap_names_free(index->names);
    tdestroy(index->entries, free);
    free(index);
}

static int compare_owners(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const struct overlap_entry *)a)->owner;
    uintptr_t right = (uintptr_t)((const struct overlap_entry *)b)->owner;
    return (left > right) - (left < right);
}

static struct trie_node **trie_of(struct overlap_index *index, const struct wire_prefix *prefix)
{
    return prefix->family == 4 ? &index->v4 : &index->v6;
}

/* Clauses are counted through: prefixes, then FQDNs, URIs, aliases. */
static bool clause_count(const struct wire_target *target, size_t *count)
{
    return !__builtin_add_overflow(target->prefix_count, target->fqdns.count, count) &&
           !__builtin_add_overflow(*count, target->uris.count, count) &&
           !__builtin_add_overflow(*count, target->aliases.count, count);
}

static const char *name_of(const struct wire_target *target, size_t clause, enum overlap_name_kind *kind)
{
    size_t i = clause - target->prefix_count;
    if (i < target->fqdns.count) {
        *kind = OVERLAP_FQDN;
        return target->fqdns.at[i];
    }
    i -= target->fqdns.count;
    if (i < target->uris.count) {
        *kind = OVERLAP_URI;
        return target->uris.at[i];
    }
    *kind = OVERLAP_ALIAS;
    return target->aliases.at[i - target->uris.count];
}

static struct overlap_place *place_of(struct overlap_index *index, const struct wire_target *target, size_t clause)
{
    if (clause < target->prefix_count)
        return overlap_trie_place(trie_of(index, &target->prefixes[clause]), &target->prefixes[clause]);
    enum overlap_name_kind kind;
    const char *name = name_of(target, clause, &kind);
    return overlap_names_place(&index->names, kind, name);
}

static void detach_all(struct overlap_index *index, struct overlap_entry *entry)
{
    const struct wire_target *target = &entry->scope->target;
    while (entry->attached > 0) {
        size_t clause = --entry->attached;
        struct overlap_place *place = entry->attachments[clause].place;
        overlap_detach(&entry->attachments[clause]);
        if (clause < target->prefix_count)
            overlap_trie_prune(trie_of(index, &target->prefixes[clause]), place);
        else
            overlap_names_prune(&index->names, place);
    }
}

static int attach_all(struct overlap_index *index, struct overlap_entry *entry, size_t clauses)
{
    for (; entry->attached < clauses; entry->attached++) {
        struct overlap_place *place = place_of(index, &entry->scope->target, entry->attached);
        if (!place) {
            detach_all(index, entry);
            return -1;
        }
        overlap_attach(place, &entry->attachments[entry->attached], entry);
    }
    return 0;
}

static struct overlap_entry *new_entry(const struct scope *scope, void *owner, size_t clauses)
{
    size_t bytes;
    if (__builtin_mul_overflow(clauses, sizeof(struct attachment), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct overlap_entry), &bytes))
        return NULL;
    struct overlap_entry *entry = malloc(bytes);
    if (entry)
        *entry = (struct overlap_entry){.owner = owner, .scope = scope};
    return entry;
}

int overlap_index_add(struct overlap_index *index, const struct scope *scope, void *owner)
{
    size_t clauses;
    if (!clause_count(&scope->target, &clauses))
        return -1;
    struct overlap_entry *entry = new_entry(scope, owner, clauses);
    if (!entry)
        return -1;
    struct overlap_entry **found = tsearch(entry, &index->entries, compare_owners);
    if (!found || *found != entry) {
        free(entry);
        return -1;
    }
    if (attach_all(index, entry, clauses) != 0) {
        tdelete(entry, &index->entries, compare_owners);
        free(entry);
        return -1;
    }
    index->size++;
    return 0;
}

void overlap_index_remove(struct overlap_index *index, const struct scope *scope, void *owner)
{
    struct overlap_entry key = {.owner = owner};
    struct overlap_entry **found = tfind(&key, &index->entries, compare_owners);
    if (!found)
        return;
    struct overlap_entry *entry = *found;
    assert(entry->scope == scope);
    (void)scope;
    tdelete(entry, &index->entries, compare_owners);
    detach_all(index, entry);
    free(entry);
    index->size--;
}

struct query {
    struct overlap_visit visit; /* first */
    int (*hit)(void *arg, void *owner);
    void *arg;
};

static int report(struct overlap_visit *visit, struct attachment *attachment)
{
    struct query *query = (struct query *)visit;
    struct overlap_entry *entry = attachment->entry;
    if (entry->turn == visit->turn)
        return 0;
    entry->turn = visit->turn;
    return query->hit(query->arg, entry->owner);
}

int overlap_index_query(struct overlap_index *index, const struct wire_target *target,
                        int (*hit)(void *arg, void *owner), void *arg)
{
    struct query query = {{++index->turn, report}, hit, arg};
    int result = 0;
    for (size_t i = 0; result == 0 && i < target->prefix_count; i++)
        result = overlap_trie_visit(*trie_of(index, &target->prefixes[i]), &target->prefixes[i], &query.visit);
    for (size_t i = 0; result == 0 && i < target->fqdns.count; i++)
        result = overlap_names_visit(&index->names, OVERLAP_FQDN, target->fqdns.at[i], &query.visit);
    for (size_t i = 0; result == 0 && i < target->uris.count; i++)
        result = overlap_names_visit(&index->names, OVERLAP_URI, target->uris.at[i], &query.visit);
    for (size_t i = 0; result == 0 && i < target->aliases.count; i++)
        result = overlap_names_visit(&index->names, OVERLAP_ALIAS, target->aliases.at[i], &query.visit);
    return result;
}

size_t overlap_index_size(const struct overlap_index *index)
{
    return index->size;
}
