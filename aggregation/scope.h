/*
 * scope: what a mitigation request asks to protect, as a set that can be compared.
 *
 * Words: a *target* is one clause (a prefix, an FQDN, a URI, an alias); a *scope* is the targets of
 * one request with its port ranges and protocols; two scopes *overlap* when they share an address,
 * one prefix contains another, or an FQDN, a URI or an alias is equal; ports and protocols do not
 * matter (RFC 9132 section 4.4.1.3). Names compare without case.
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

/* Deep copy, one reference; NULL on out of memory. */
struct scope *scope_new(const struct wire_target *target);
struct scope *scope_ref(struct scope *scope);
void scope_unref(struct scope *scope); /* NULL is fine */

/* Why a target can never be asked for (RFC 9132 section 4.4.1.1: loopback, multicast, broadcast, and
 * ours: the unspecified and link-local addresses, a prefix that covers one of those wholly like /0 is
 * left to authorization). NULL when fine, else a sentence that begins with the parameter's name;
 * buffer holds it. Also refuses a scope without any of target-prefix, -fqdn, -uri, alias-name. */
const char *scope_invalid(const struct wire_target *target, char *buffer, size_t size);

/* The same clauses with the same values; order and duplicates do not matter. Used for "MUST repeat
 * all the other parameters" of a refresh (section 4.4.1.3). */
bool scope_equal(const struct wire_target *a, const struct wire_target *b);

bool scope_overlap(const struct wire_target *a, const struct wire_target *b);

/*
 * What two scopes have in common, for conflict-scope: the smaller prefix of each overlapping pair,
 * equal names, and, when there is any of those, the port ranges and protocols in common.
 * Memory of *out is one block, freed with free(out->block).
 */
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
 * Every target inside the grant? A URI passes by the uris or when its host (name or address literal)
 * is granted. Aliases are resolved before this is asked; one left over is refused.
 * NULL when authorized, else a sentence for the diagnostic payload of 4.03, in buffer, that names
 * the target: "target-prefix: 198.51.100.0/24 is outside the scopes of this client".
 */
const char *scope_unauthorized(const struct wire_target *target, const struct scope_grant *grant, char *buffer,
                               size_t size);

bool scope_prefix_contains(const struct wire_prefix *outer, const struct wire_prefix *inner);

/* Host part of a URI: "www.example.com" or an address literal without brackets; 0, or -1. */
int scope_uri_host(const char *uri, char *host, size_t size);
