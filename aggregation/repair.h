/*
 * repair: what must be done at an upstream so that the aliases and ACLs there are those that are wanted.
 *
 * Words: an *entry* is an alias or an ACL; *content* is its canonical text, so that equal entries are equal
 * bytes; a *group* is the entries of one client: ACLs of one client are ordered among themselves
 * (RFC 8783 section 4.1), how those of different clients lie to each other does not matter; a *step* is one
 * PUT or DELETE. Steps come in an order in which they can be done: deletions first, then puts in the order
 * that is wanted. Fewest steps: what is equal, in order and not about to expire gets none, and as few ACLs as
 * possible move. Pure: no I/O, no clock, no global state. O(n log n) in the number of entries.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum repair_kind { REPAIR_ALIAS, REPAIR_ACL };

struct repair_entry {
    enum repair_kind kind;
    const char *name, *content; /* borrowed; name as the upstream knows it */
    size_t group;               /* wanted ones only */
    int64_t pending_minutes;    /* installed ones only */
};

enum repair_place {
    REPAIR_ANYWHERE, /* an alias, or an ACL that is last of its group or stays where it is */
    REPAIR_BEFORE,   /* neighbour */
    REPAIR_AFTER,
};

struct repair_step {
    bool put; /* else a deletion */
    enum repair_kind kind;
    size_t index; /* puts: of the wanted entry; deletions: of the installed one */
    enum repair_place place;
    size_t neighbour; /* index of the wanted entry that it goes before or after */
};

/*
 * Installed entries that are equal but expire within refresh_minutes are put again (RFC 8783 sections 6.1, 7.2).
 * Of two installed entries with one name the first counts and the other is left alone. steps is freed by the
 * caller with free(). 0, or -1: out of memory.
 */
int repair_plan(const struct repair_entry *wanted, size_t wanted_count, const struct repair_entry *installed,
                size_t installed_count, int64_t refresh_minutes, struct repair_step **steps, size_t *step_count);
