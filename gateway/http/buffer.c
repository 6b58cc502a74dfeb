/* buffer: see buffer.h. */
#include "gateway/http/buffer.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 256

uint8_t *buffer_room(struct buffer *buffer, size_t size)
{
    size_t length = buffer_length(buffer);
    if (buffer->data != NULL && buffer->capacity - buffer->end >= size)
        return buffer->data + buffer->end;
    if (size > SIZE_MAX / 4 || length > SIZE_MAX / 4)
        return NULL;
    if (buffer->data != NULL && buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, length);
        buffer->start = 0;
        buffer->end = length;
    }
    if (buffer->data == NULL || buffer->capacity - length < size) {
        size_t capacity = buffer->capacity > CAPACITY_MIN ? buffer->capacity : CAPACITY_MIN;
        while (capacity - length < size)
            capacity *= 2;
        uint8_t *grown = realloc(buffer->data, capacity);
        if (grown == NULL)
            return NULL;
        buffer->data = grown;
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->end;
}

void buffer_added(struct buffer *buffer, size_t size)
{
    buffer->end += size;
}

int buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t *to = buffer_room(buffer, size);
    if (to == NULL)
        return -1;
    memcpy(to, data, size);
    buffer->end += size;
    return 0;
}

int buffer_append_text(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    buffer->start += size;
    if (buffer->start == buffer->end)
        buffer_free(buffer);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
