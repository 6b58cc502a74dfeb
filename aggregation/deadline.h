/*
 * deadline: who is due next among very many, in O(log n) a change.
 *
 * Words: a *deadline* is an entry that lies inside the caller's own struct; the heap holds pointers to
 * entries and tells each its position. Times are ms on whatever clock the caller keeps. Entries of the
 * same time come out in no particular order. Pure: no I/O, no clock, no global state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Begin with {0}: in no heap. Written by the functions below only. */
struct deadline {
    int64_t at_ms;
    size_t position; /* in the heap, from 1; 0: in none */
};

struct deadline_heap;

struct deadline_heap *deadline_heap_new(void);       /* NULL: out of memory */
void deadline_heap_free(struct deadline_heap *heap); /* NULL is fine; entries are not touched */

/* Puts entry into the heap, or moves it when it is there (that never fails). at_ms below 0 counts as 0.
 * 0, or -1 out of memory: then entry is unchanged. */
int deadline_set(struct deadline_heap *heap, struct deadline *entry, int64_t at_ms);

/* Takes entry out; nothing happens when it is not there. */
void deadline_cancel(struct deadline_heap *heap, struct deadline *entry);

/* When the first one is due; -1 when there is none. */
int64_t deadline_next(const struct deadline_heap *heap);

/* Takes out the first one that is due at now_ms; NULL when there is none. */
struct deadline *deadline_pop_due(struct deadline_heap *heap, int64_t now_ms);
