/*
 * yang: the schema of the DOTS data channel (RFC 8783), and JSON that is checked by it (RFC 7951). libyang lives here
 * and nowhere else; versions 2 and 3 both do.
 *
 * Words: a *node* is one of the schema; a *document* is JSON text of the whole tree,
 * {"ietf-dots-data-channel:dots-data":
 * {...}}; a *fault* is why a document is refused, in the terms of RFC 8040. The modules are the project's own and are
 * compiled into the program. Called by southbound/data. It knows no HTTP, no client and no policy.
 *
 * A document is hostile: bound its size and depth before it comes here (libyang recurses). Once open, everything may be
 * called from any thread at the same time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct yang;

/* Loads the modules. NULL with a sentence. */
struct yang *yang_open(char *error, size_t error_size);
void yang_close(struct yang *yang); /* NULL is fine */

enum yang_kind { YANG_CONTAINER, YANG_LIST, YANG_LEAF_LIST, YANG_LEAF };

struct yang_node {
    enum yang_kind kind;
    bool config;          /* false: state, nobody writes it */
    bool ordered_by_user; /* YANG_LIST */
    const char *name;     /* lives as long as the schema */
    const char *key;      /* YANG_LIST: its only key; NULL else */
    const void *of_libyang;
};

/* A child of a node, of the tree itself when parent is NULL; choices and cases are passed through. Name without
 * module. 0; -1: there is none. */
int yang_child(const struct yang *yang, const struct yang_node *parent, const char *name, struct yang_node *out);

struct yang_fault {
    const char
        *tag; /* error-tag: malformed-message, unknown-element, missing-attribute, invalid-value, operation-failed */
    char message[384]; /* a sentence */
    char path[512];    /* error-path, an instance-identifier; "": none */
};

/* Checks a document of configuration. Its canonical form, without white space and without what is there by default;
 * freed with free. NULL with *fault. */
char *yang_validate(const struct yang *yang, const char *json, struct yang_fault *fault);

/* The same for what a plain patch makes of a base that is valid (RFC 8040 section 4.6.1). */
char *yang_merge(const struct yang *yang, const char *base, const char *patch, struct yang_fault *fault);

/* "libyang 2.29.2": for -V. */
const char *yang_version(void);
