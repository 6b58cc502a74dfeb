/*
 * scope_names: FQDNs and URIs as the text they are compared by. Private to aggregation/.
 *
 * An FQDN compares without case and without its trailing dot; a URI without case in scheme and host
 * (RFC 3986 section 6.2.2.1), exactly in the rest. Both orders are total: 0 means the same target.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

int scope_fqdn_compare(const char *a, const char *b);
int scope_uri_compare(const char *a, const char *b);

/* A domain name other than the root, and without a number at the end: resolvers take "127.1" or "0x7f.1"
 * for an address. */
bool scope_fqdn_valid(const char *name);

/* Is the text of outer, compared as above, the beginning of that of inner? */
bool scope_uri_begins(const char *outer, const char *inner);

/* The same, and inner is equal or continues with a '/', '?' or '#' and no dot segment, which could lead
 * out again (RFC 3986 section 5.2.4). */
bool scope_uri_within(const char *outer, const char *inner);

/* Text for a sentence that is sent and logged: its first bytes, those that do not print replaced by '?'.
 * buffer: at least SCOPE_SHOWN bytes. */
#define SCOPE_SHOWN_MAX 80
#define SCOPE_SHOWN (SCOPE_SHOWN_MAX + sizeof "...")
const char *scope_show(const char *text, char *buffer);
