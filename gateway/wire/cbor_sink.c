/* A sink of CBOR bytes: definite lengths, shortest heads. */
#include <cbor.h>
#include <string.h>

#include "gateway/wire/sink.h"

#define TAG_DECIMAL 4u

static struct wire_cbor_sink *cbor(struct wire_sink *sink)
{
    return (struct wire_cbor_sink *)sink;
}

static uint8_t *at(struct wire_sink *sink)
{
    return cbor(sink)->buffer + cbor(sink)->at;
}

static size_t room(struct wire_sink *sink)
{
    return cbor(sink)->size - cbor(sink)->at;
}

/* written: what a cbor_encode_ function returned; 0 means that it did not fit. */
static int advance(struct wire_sink *sink, size_t written)
{
    cbor(sink)->at += written;
    return written > 0 ? 0 : -1;
}

static int open_map(struct wire_sink *sink, size_t count)
{
    return advance(sink, cbor_encode_map_start(count, at(sink), room(sink)));
}

static int open_list(struct wire_sink *sink, size_t count)
{
    return advance(sink, cbor_encode_array_start(count, at(sink), room(sink)));
}

static int close_nest(struct wire_sink *sink)
{
    (void)sink;
    return 0;
}

static int member(struct wire_sink *sink, const struct wire_row *row)
{
    return advance(sink, cbor_encode_uint(row->key, at(sink), room(sink)));
}

static int put_integer(struct wire_sink *sink, const struct wire_scalar *value)
{
    if (value->negative)
        return advance(sink, cbor_encode_negint(value->number, at(sink), room(sink)));
    return advance(sink, cbor_encode_uint(value->number, at(sink), room(sink)));
}

static int put_text(struct wire_sink *sink, const struct wire_scalar *value)
{
    if (advance(sink, cbor_encode_string_start(value->length, at(sink), room(sink))) || room(sink) < value->length)
        return -1;
    memcpy(at(sink), value->text, value->length);
    cbor(sink)->at += value->length;
    return 0;
}

/* Table 5: tag 4 [-2, integer] */
static int put_decimal(struct wire_sink *sink, const struct wire_scalar *value)
{
    if (advance(sink, cbor_encode_tag(TAG_DECIMAL, at(sink), room(sink))) || open_list(sink, 2) ||
        advance(sink, cbor_encode_negint(1, at(sink), room(sink))))
        return -1;
    return put_integer(sink, value);
}

static int scalar(struct wire_sink *sink, const struct wire_row *row, const struct wire_scalar *value)
{
    if (row->kind >= WIRE_KIND_STRING)
        return put_text(sink, value);
    if (row->kind == WIRE_KIND_DECIMAL)
        return put_decimal(sink, value);
    if (row->kind == WIRE_KIND_BOOL)
        return advance(sink, cbor_encode_bool(value->truth, at(sink), room(sink)));
    return put_integer(sink, value);
}

static const struct wire_sink_ops ops = {
    .open_map = open_map,
    .open_list = open_list,
    .close = close_nest,
    .member = member,
    .scalar = scalar,
};

void wire_cbor_sink_begin(struct wire_cbor_sink *sink, uint8_t *buffer, size_t size)
{
    *sink = (struct wire_cbor_sink){.base = {.ops = &ops}, .buffer = buffer, .size = size};
}
