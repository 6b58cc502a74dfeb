/*
 * scope_lists: the clause lists of a target under one total order each, so that two lists of
 * thousands meet in O((n+m) log(n+m)). Private to aggregation/.
 *
 * Prefixes sort by family, address, length: one that contains others comes right before them, as in
 * a walk of a radix trie. Precondition everywhere: bits beyond the length are zero (wire.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "aggregation/scope.h"

/* compare takes pointers to elements; 0: the same target (or port range). */
struct scope_list {
    const void *base;
    size_t count, size;
    int (*compare)(const void *a, const void *b);
};

int scope_prefix_compare(const struct wire_prefix *a, const struct wire_prefix *b);

/* Marks the protocols that are listed. */
void scope_protocols(const struct wire_target *target, bool listed[256]);

/* Deep copy into one block, freed with free(), that begins with head bytes for the caller (a multiple of
 * the alignment of a pointer). NULL: out of memory. */
void *scope_target_copy(const struct wire_target *from, size_t head, struct wire_target *to);

struct scope_list scope_list_prefixes(const struct wire_target *target);
struct scope_list scope_list_ports(const struct wire_target *target);
struct scope_list scope_list_fqdns(const struct wire_target *target);
struct scope_list scope_list_uris(const struct wire_target *target);
struct scope_list scope_list_aliases(const struct wire_target *target);

/* Pointers to the elements of a in order, then to those of b in order; freed with free(). NULL: out of memory. */
const void **scope_list_sort(const struct scope_list *a, const struct scope_list *b);

/* The same elements, order and duplicates apart. Out of memory only costs time. */
bool scope_list_equal(const struct scope_list *a, const struct scope_list *b);

/*
 * Is there a pair that meets? relation is 0 for a pair that does; else its sign says which of the two
 * lies before everything of the other list that is still to come, in the order of compare.
 */
bool scope_list_meet(const struct scope_list *a, const struct scope_list *b,
                     int (*relation)(const void *a, const void *b));
