/*
 * connect: which scopes hang together by overlap.
 *
 * Words: scopes that overlap, and those that overlap with them in turn, are one *connected component*.
 * Bundles are made of it, and the components that serial fan-out keeps together. Pure.
 */
#pragma once

#include <stddef.h>

#include "aggregation/scope.h"

/*
 * component[i] is the place of one member of the component that scopes[i] belongs to, the same for all of its
 * members. O(n log n) in the number of clauses. 0, or -1 out of memory.
 */
int scope_connect(const struct scope *const *scopes, size_t count, size_t *component);
