/* batch: an append-only run of records, each a header, the key and the value. */
#include "gateway/store/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 512u

struct header {
    uint32_t table, kind, key_length, value_length;
};

struct batch *batch_new(void)
{
    return calloc(1, sizeof(struct batch));
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    free(batch->changes);
    free(batch);
}

static int reserve(struct batch *batch, size_t more)
{
    if (more <= batch->capacity - batch->length)
        return 0;
    size_t capacity = batch->capacity ? batch->capacity : FIRST_CAPACITY;
    while (capacity - batch->length < more) {
        if (capacity > SIZE_MAX / 2)
            return -ENOMEM;
        capacity *= 2;
    }
    uint8_t *changes = realloc(batch->changes, capacity);
    if (!changes)
        return -ENOMEM;
    batch->changes = changes;
    batch->capacity = capacity;
    return 0;
}

static void append(struct batch *batch, const void *bytes, size_t length)
{
    if (length)
        memcpy(batch->changes + batch->length, bytes, length);
    batch->length += length;
}

int batch_add(struct batch *batch, const struct change *change)
{
    struct header header = {(uint32_t)change->table, (uint32_t)change->kind, (uint32_t)change->key_length,
                            (uint32_t)change->value_length};
    if (reserve(batch, sizeof header + change->key_length + change->value_length) != 0)
        return -ENOMEM;
    append(batch, &header, sizeof header);
    append(batch, change->key, change->key_length);
    append(batch, change->value, change->value_length);
    return 0;
}

bool batch_next(const struct batch *batch, size_t *offset, struct change *change)
{
    if (*offset >= batch->length)
        return false;
    struct header header;
    const uint8_t *at = batch->changes + *offset;
    memcpy(&header, at, sizeof header);
    at += sizeof header;
    *change = (struct change){
        .kind = (enum change_kind)header.kind,
        .table = (enum store_table)header.table,
        .key = (const char *)at,
        .key_length = header.key_length,
        .value = at + header.key_length,
        .value_length = header.value_length,
    };
    *offset += sizeof header + header.key_length + header.value_length;
    return true;
}

size_t batch_size(const struct batch *batch)
{
    return sizeof *batch + batch->capacity;
}
