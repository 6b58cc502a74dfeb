/* deadline: a binary min-heap of pointers to entries; an entry at i has its children at 2i and 2i + 1. */
#include "aggregation/deadline.h"

#include <stdlib.h>

#define CAPACITY_FIRST 64

struct deadline_heap {
    struct deadline **entries; /* from 1; 0 is not used */
    size_t count, capacity;
};

struct deadline_heap *deadline_heap_new(void)
{
    return calloc(1, sizeof(struct deadline_heap));
}

void deadline_heap_free(struct deadline_heap *heap)
{
    if (!heap)
        return;
    free(heap->entries);
    free(heap);
}

static void place(struct deadline_heap *heap, struct deadline *entry, size_t position)
{
    heap->entries[position] = entry;
    entry->position = position;
}

static void sift_up(struct deadline_heap *heap, struct deadline *entry, size_t position)
{
    while (position > 1 && heap->entries[position / 2]->at_ms > entry->at_ms) {
        place(heap, heap->entries[position / 2], position);
        position /= 2;
    }
    place(heap, entry, position);
}

static void sift_down(struct deadline_heap *heap, struct deadline *entry, size_t position)
{
    while (position <= heap->count / 2) {
        size_t child = 2 * position;
        if (child < heap->count && heap->entries[child + 1]->at_ms < heap->entries[child]->at_ms)
            child++;
        if (heap->entries[child]->at_ms >= entry->at_ms)
            break;
        place(heap, heap->entries[child], position);
        position = child;
    }
    place(heap, entry, position);
}

/* Puts entry where it belongs, given that position is free and the rest is in order. */
static void settle(struct deadline_heap *heap, struct deadline *entry, size_t position)
{
    if (position > 1 && heap->entries[position / 2]->at_ms > entry->at_ms)
        sift_up(heap, entry, position);
    else
        sift_down(heap, entry, position);
}

static int grow(struct deadline_heap *heap)
{
    size_t capacity, bytes;
    if (heap->capacity == 0)
        capacity = CAPACITY_FIRST;
    else if (__builtin_mul_overflow(heap->capacity, (size_t)2, &capacity))
        return -1;
    if (__builtin_mul_overflow(capacity, sizeof(struct deadline *), &bytes))
        return -1;
    struct deadline **entries = realloc(heap->entries, bytes);
    if (!entries)
        return -1;
    heap->entries = entries;
    heap->capacity = capacity;
    return 0;
}

int deadline_set(struct deadline_heap *heap, struct deadline *entry, int64_t at_ms)
{
    if (entry->position == 0) {
        if (heap->count + 1 >= heap->capacity && grow(heap) != 0)
            return -1;
        entry->position = ++heap->count;
    }
    entry->at_ms = at_ms > 0 ? at_ms : 0;
    settle(heap, entry, entry->position);
    return 0;
}

void deadline_cancel(struct deadline_heap *heap, struct deadline *entry)
{
    size_t position = entry->position;
    if (position == 0)
        return;
    struct deadline *last = heap->entries[heap->count--];
    entry->position = 0;
    if (last != entry)
        settle(heap, last, position);
}

int64_t deadline_next(const struct deadline_heap *heap)
{
    return heap->count > 0 ? heap->entries[1]->at_ms : -1;
}

struct deadline *deadline_pop_due(struct deadline_heap *heap, int64_t now_ms)
{
    struct deadline *first = heap->count > 0 ? heap->entries[1] : NULL;
    if (!first || first->at_ms > now_ms)
        return NULL;
    deadline_cancel(heap, first);
    return first;
}
