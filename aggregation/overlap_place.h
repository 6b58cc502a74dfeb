/*
 * overlap_place: where entries of the index meet. Private to overlap.
 *
 * Words: a *place* is one prefix or one name; it holds a list of *attachments*, each of which is one
 * clause of one entry. A query carries a number, its *turn*: what is marked with it has been reported,
 * so that a place is walked once, however many clauses of the query lead to it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct overlap_entry;

struct attachment {
    struct overlap_entry *entry;
    struct overlap_place *place;     /* NULL: not attached */
    struct attachment *next, **link; /* link: what points here */
};

struct overlap_place {
    struct attachment *first;
    uint64_t turn; /* the query that reported it last */
};

/* A query under way: attachment is called for every one found; non-zero ends the query. */
struct overlap_visit {
    uint64_t turn;
    int (*attachment)(struct overlap_visit *visit, struct attachment *attachment);
};

void overlap_attach(struct overlap_place *place, struct attachment *attachment, struct overlap_entry *entry);
void overlap_detach(struct attachment *attachment);

/* Every attachment of place, unless this query has been there. What the call returned when not 0. */
int overlap_visit_place(struct overlap_place *place, struct overlap_visit *visit);
