/*
 * fan_out: which upstream is asked for what (RFC 9284, provider-aggregatable addresses).
 *
 * Words: an upstream *owns* the prefixes that its configuration lists; the *part* of an upstream is what
 * it is asked for of a scope: the prefixes inside what it owns, wider ones cut into the pieces that it
 * owns, and all names, because who owns the address of a name is not known before it is resolved.
 * Prepared once, then asked in O(log n) a prefix. Pure: no I/O, no clock, no global state.
 */
#pragma once

#include "aggregation/relay.h"

struct fan_out;

/* What is owned, sorted and reduced; copies it. NULL: out of memory. */
struct fan_out *fan_out_new(const struct relay_policy *policy);
void fan_out_free(struct fan_out *fan_out); /* NULL is fine */

/*
 * The part of one target, a new reference: the scope itself when the whole is its part, NULL when there
 * is nothing for it. 0, or -1 out of memory.
 */
int fan_out_part(const struct fan_out *fan_out, size_t target, struct scope *scope, struct scope **part);

/*
 * 0, or the code to refuse a request with, its reason in buffer (SCOPE_REASON_MAX bytes): 403 when a prefix
 * is owned by nobody, or not wholly; 413 when what a client's own mid asks of an upstream is cut into more
 * than fits a message there; 503 out of memory.
 */
int fan_out_refuses(const struct fan_out *fan_out, const struct wire_target *target, char *buffer, size_t size);
