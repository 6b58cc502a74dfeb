/*
 * canonical: the text of an alias or an ACL in one form, so that what a server shows can be compared with what
 * it was given (RFC 7951 leaves a writer several forms for one value).
 *
 * Left out: names of modules in front of members and identities, state (config false), defaults of the RFC,
 * empty containers, the name of the entry itself. Sorted: members, and all lists but the ACEs, which are
 * ordered by the user. Rewritten: prefixes, domain names, decimals. Pure: jansson without I/O.
 */
#pragma once

#include <jansson.h>

/* malloc'ed. NULL: out of memory, or nested deeper than any entry of the RFC's. */
char *canonical_text(const json_t *entry);

/* The member of an object, with or without the name of the module in front; NULL. */
const json_t *canonical_member(const json_t *object, const char *name);
