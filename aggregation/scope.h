/*
 * scope: what a mitigation request asks to protect, as a set that can be compared.
 *
 * Words: a *target* is one clause (a prefix, an FQDN, a URI, an alias); a *scope* is the targets of
 * one request with its port ranges and protocols; two scopes *overlap* when they share an address,
 * one prefix contains another, or an FQDN, a URI or an alias is equal; ports and protocols do not
 * matter (RFC 9132 section 4.4.1.3). FQDNs compare without case and trailing dot, URIs without case
 * in scheme and host, aliases exactly (list keys of RFC 8783 section 6.1).
 * Nothing here is quadratic in the number of clauses: n against m take O((n+m) log(n+m)).
 * Called by the relay and by southbound's authorization. Pure: no I/O, no clock, no global state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/wire/wire.h"

/* An immutable scope: owned memory of its own, sender's order kept for GET (section 4.4.2). */
struct scope {
    struct wire_target target;
    unsigned references;
};

#define SCOPE_REASON_MAX 192 /* bytes: every sentence below is whole in a buffer of this size */
#define SCOPE_HOST_MAX 256   /* bytes: every host of a valid URI fits */

/* Deep copy, one reference; NULL on out of memory. */
struct scope *scope_new(const struct wire_target *target);
struct scope *scope_ref(struct scope *scope);
void scope_unref(struct scope *scope); /* NULL is fine */

/* Why a target can never be asked for (RFC 9132 section 4.4.1.1: loopback, multicast, broadcast, and
 * ours: the unspecified, link-local and IPv4-mapped addresses, a prefix that covers one of those wholly
 * like /0 is left to authorization). An address in a URI is checked the same. Names must be host names,
 * not numbers that a resolver takes for an address. NULL when fine, else a sentence that begins with the
 * parameter's name; buffer holds it. Also refuses a scope without any of target-prefix, -fqdn, -uri,
 * alias-name. */
const char *scope_invalid(const struct wire_target *target, char *buffer, size_t size);

/* The same clauses with the same values; order and duplicates do not matter. Cannot fail: out of memory
 * only costs time, here and in scope_overlap. Used for "MUST repeat
 * all the other parameters" of a refresh (section 4.4.1.3). */
bool scope_equal(const struct wire_target *a, const struct wire_target *b);

bool scope_overlap(const struct wire_target *a, const struct wire_target *b);

/*
 * What two scopes have in common, for conflict-scope: the smaller prefix of each overlapping pair (one
 * that lies inside another is left out), equal names, and, when there is any of those, the port ranges
 * and protocols in common; those that both leave open are left open. At most SCOPE_COMMON_MAX of each
 * kind, the lowest ones, because it goes into a datagram.
 * Memory of *out is one block, freed with free(out->block). 0, or -1 out of memory (nothing to free).
 */
#define SCOPE_COMMON_MAX 64
struct scope_common {
    struct wire_target target;
    void *block;
};
int scope_intersect(const struct wire_target *a, const struct wire_target *b, struct scope_common *out);

/* What a client may ask for: its configured scopes. Arrays are borrowed. */
struct scope_grant {
    const struct wire_prefix *prefixes;
    size_t prefix_count;
    const char *const *fqdns; /* "www.example.com"; "*.example.com" for everything below */
    size_t fqdn_count;
    const char *const *uris; /* a URI that asked-for ones must equal or continue at a '/', '?' or '#' */
    size_t uri_count;
};

/*
 * Every target inside the grant? A prefix passes when the granted ones together cover it wholly; a URI
 * passes by the uris or when its host (name or address literal) is granted. Aliases are resolved before
 * this is asked; one left over is refused.
 * NULL when authorized, else a sentence for the diagnostic payload of 4.03, in buffer, that names
 * the target: "target-prefix: 198.51.100.0/24 is outside the scopes of this client". Also a sentence
 * when it runs out of memory.
 */
const char *scope_unauthorized(const struct wire_target *target, const struct scope_grant *grant, char *buffer,
                               size_t size);

/* A grant that is asked often: sorted once, then asked in O(log n) a target without memory. It borrows
 * the strings of the grant, which must outlive it. NULL: out of memory. */
struct scope_grant_prepared;
struct scope_grant_prepared *scope_grant_prepare(const struct scope_grant *grant);
void scope_grant_release(struct scope_grant_prepared *prepared); /* NULL is fine */
const char *scope_unauthorized_by(const struct wire_target *target, const struct scope_grant_prepared *grant,
                                  char *buffer, size_t size);

bool scope_prefix_contains(const struct wire_prefix *outer, const struct wire_prefix *inner);

/* Host part of a URI: "www.example.com" or an address literal without brackets; 0, or -1 when there is
 * none, when it is neither a host name nor an address (percent-encoding, "127.1", zone identifiers), when
 * userinfo or port are malformed, or when it does not fit in size. */
int scope_uri_host(const char *uri, char *host, size_t size);
