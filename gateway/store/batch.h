/*
 * batch: changes that belong together, gathered in one piece of memory on the loop thread and
 * handed to the writer as it is. A batch is written by one thread at a time and needs no lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/store/store.h"

struct batch {
    struct batch *next; /* in the writer's queue */
    uint64_t sequence;
    size_t length, capacity; /* of changes, bytes */
    uint8_t *changes;
};

enum change_kind { CHANGE_DELETE, CHANGE_PUT, CHANGE_DELETE_RANGE };

struct change {
    enum change_kind kind;
    enum store_table table;
    const char *key;
    size_t key_length;
    const uint8_t *value; /* of a range: the key that it ends before */
    size_t value_length;
};

/* NULL: out of memory. */
struct batch *batch_new(void);
void batch_free(struct batch *batch);

/* Copies the change to the end. 0, or -ENOMEM: then the batch is as it was. Lengths are within
 * STORE_KEY_MAX and STORE_VALUE_MAX. */
int batch_add(struct batch *batch, const struct change *change);

/* Reads the change at *offset (0 at first) and moves *offset behind it; false at the end. What it
 * points to lives as long as the batch. */
bool batch_next(const struct batch *batch, size_t *offset, struct change *change);

/* What the batch costs in memory, bytes. */
size_t batch_size(const struct batch *batch);
