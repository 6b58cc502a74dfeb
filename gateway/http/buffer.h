/* buffer: bytes that are appended at one end and consumed at the other; holds no memory while empty. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t start, end, capacity;
};

static inline size_t buffer_length(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline const uint8_t *buffer_bytes(const struct buffer *buffer)
{
    return buffer->data + buffer->start;
}

/* Where size more bytes may be written, to be confirmed with buffer_added; NULL: out of memory. */
uint8_t *buffer_room(struct buffer *buffer, size_t size);
void buffer_added(struct buffer *buffer, size_t size);
/* 0, or -1 when out of memory. */
int buffer_append(struct buffer *buffer, const void *data, size_t size);
int buffer_append_text(struct buffer *buffer, const char *text);
void buffer_consume(struct buffer *buffer, size_t size);
void buffer_free(struct buffer *buffer);
