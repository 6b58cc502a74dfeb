/*
 * union: what several scopes ask for together, and that cut into requests that fit.
 *
 * Words: to *unite* is to say in one target what several say: prefixes reduced without loss (never
 * widened), names once, ports and protocols united, "any" if any says any; a target *covers* another
 * when everything the other asks for is in it; to *split* is to cut a target by its prefixes and names
 * into disjoint ones that each fit a message (RFC 9132 section 7.3). The result of each is canonical:
 * sorted, so that the same demand is the same bytes. Pure: no I/O, no clock, no global state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "aggregation/scope.h"

/* NULL: out of memory. O(n log n) in the number of clauses. */
struct scope *scope_unite(const struct wire_target *const *targets, size_t count);

/* outer must be canonical. Aliases compare exactly. */
bool scope_covers(const struct wire_target *outer, const struct wire_target *inner);

/* Bytes of a mitigation request for this target, with lifetime: its CBOR body. 0: more than a body can be. */
size_t scope_size(const struct wire_target *target);

/*
 * Hands each part, a canonical scope with one reference, to part; one part when the whole fits. Where a
 * cut lies depends on what is near it only, so that one more prefix changes few parts. What cannot be cut
 * further (one name, or ports that alone are too large) is handed over as it is. -1: out of memory, or part
 * returned non-zero; parts handed over before that are the caller's.
 */
int scope_split(const struct scope *whole, size_t body_max, int (*part)(void *arg, struct scope *part), void *arg);

/* scope_overlap and scope_equal for canonical targets: parts of one bundle, of which most are disjoint, and seen
 * to be so at their ends. */
bool scope_parts_overlap(const struct wire_target *a, const struct wire_target *b);
bool scope_parts_equal(const struct wire_target *a, const struct wire_target *b);
