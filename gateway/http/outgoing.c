/* outgoing: the body of a response, read piece by piece while it is sent. */
#include "gateway/http/private.h"

#include <string.h>

static ssize_t read_memory(struct outgoing *outgoing, uint8_t *to, size_t size)
{
    size_t left = outgoing->length - outgoing->offset;
    size = size < left ? size : left;
    if (size > 0)
        memcpy(to, outgoing->data + outgoing->offset, size);
    outgoing->offset += size;
    return (ssize_t)size;
}

static ssize_t read_source(struct outgoing *outgoing, uint8_t *to, size_t size)
{
    if (outgoing->ended)
        return 0;
    ssize_t got = outgoing->source.read(outgoing->source.arg, to, size);
    if (got < 0 || (size_t)got > size)
        outgoing->failed = true;
    else if (got == 0)
        outgoing->ended = true;
    return outgoing->failed ? OUTGOING_FAILED : got;
}

static ssize_t read_stream(struct outgoing *outgoing, uint8_t *to, size_t size)
{
    size_t there = buffer_length(&outgoing->queue);
    if (there == 0)
        return outgoing->ended ? 0 : OUTGOING_WAIT;
    size = size < there ? size : there;
    memcpy(to, buffer_bytes(&outgoing->queue), size);
    buffer_consume(&outgoing->queue, size);
    return (ssize_t)size;
}

ssize_t outgoing_read(struct outgoing *outgoing, uint8_t *to, size_t size)
{
    if (outgoing->failed)
        return OUTGOING_FAILED;
    switch (outgoing->kind) {
    case OUTGOING_MEMORY:
        return read_memory(outgoing, to, size);
    case OUTGOING_SOURCE:
        return read_source(outgoing, to, size);
    case OUTGOING_STREAM:
        return read_stream(outgoing, to, size);
    default:
        return 0;
    }
}

bool outgoing_has_length(const struct outgoing *outgoing)
{
    return outgoing->kind == OUTGOING_MEMORY || outgoing->kind == OUTGOING_NONE;
}

bool outgoing_is_done(const struct outgoing *outgoing)
{
    return outgoing->kind == OUTGOING_NONE ||
           (outgoing->kind == OUTGOING_MEMORY && outgoing->offset == outgoing->length) ||
           (outgoing->kind == OUTGOING_STREAM && outgoing->ended && buffer_length(&outgoing->queue) == 0);
}

void outgoing_release(struct outgoing *outgoing)
{
    if (outgoing->kind == OUTGOING_MEMORY && outgoing->release != NULL)
        outgoing->release(outgoing->owner);
    if (outgoing->kind == OUTGOING_SOURCE && outgoing->source.release != NULL)
        outgoing->source.release(outgoing->source.arg);
    buffer_free(&outgoing->queue);
    *outgoing = (struct outgoing){0};
}
