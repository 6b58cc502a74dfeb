/*
 * overlap: an index that answers "which of these scopes overlap that one" without a walk of all.
 *
 * Words: an *entry* is one scope with the owner's pointer; the index is a binary radix trie over
 * prefixes (one for IPv4, one for IPv6) and a tree of names. Cost of add, remove and query grows with
 * the number of the scope's own targets, the prefix length, the number of hits and of their targets,
 * and the logarithm of the number of entries. Pure: no I/O, no clock, no global state. Bundles are built on it.
 */
#pragma once

#include <stddef.h>

#include "aggregation/scope.h"

struct overlap_index;

struct overlap_index *overlap_index_new(void);
void overlap_index_free(struct overlap_index *index); /* entries are not the owner's memory: nothing else is freed */

/* Adds scope (borrowed, must outlive the entry) for owner; an owner is added once.
 * 0, or -1 out of memory (or owner is there already): then nothing was added. */
int overlap_index_add(struct overlap_index *index, const struct scope *scope, void *owner);

/* scope: the one that was added for owner. Nothing happens when owner is not there. */
void overlap_index_remove(struct overlap_index *index, const struct scope *scope, void *owner);

/* Calls hit once for every owner whose scope overlaps target, in no order, until it returns
 * non-zero, which is returned; 0 at the end. Takes no memory and cannot fail. The index marks whom it has
 * reported: meanwhile it must not be changed, nor asked again. */
int overlap_index_query(struct overlap_index *index, const struct wire_target *target,
                        int (*hit)(void *arg, void *owner), void *arg);

size_t overlap_index_size(const struct overlap_index *index); /* owners */
