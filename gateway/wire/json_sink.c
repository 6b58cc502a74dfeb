/* A sink of JSON (RFC 7951, with the types of RFC 9132 table 5), built as a jansson tree. */
#include <inttypes.h>
#include <stdio.h>

#include "gateway/wire/sink.h"

static struct wire_json_sink *json(struct wire_sink *sink)
{
    return (struct wire_json_sink *)sink;
}

/* Puts value, which may be NULL, into the innermost object or array, which takes it over. */
static int put(struct wire_json_sink *sink, json_t *value)
{
    json_t *parent = sink->open[sink->depth - 1];

    if (json_is_object(parent))
        return json_object_set_new(parent, sink->name, value);
    return json_array_append_new(parent, value);
}

static int open_nest(struct wire_json_sink *sink, json_t *nest)
{
    if (!nest)
        return -1;
    if (sink->depth == WIRE_DEPTH_MAX) {
        json_decref(nest);
        return -1;
    }
    if (sink->depth > 0 && put(sink, nest))
        return -1;
    sink->open[sink->depth++] = nest;
    return 0;
}

static int open_map(struct wire_sink *sink, size_t count)
{
    (void)count;
    return open_nest(json(sink), json_object());
}

static int open_list(struct wire_sink *sink, size_t count)
{
    (void)count;
    return open_nest(json(sink), json_array());
}

/* The outermost one stays: it is the tree. */
static int close_nest(struct wire_sink *sink)
{
    if (json(sink)->depth > 1)
        json(sink)->depth--;
    return 0;
}

static int member(struct wire_sink *sink, const struct wire_row *row)
{
    json(sink)->name = row->name;
    return 0;
}

static json_t *decimal(uint64_t hundredths)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64 ".%02" PRIu64, hundredths / 100, hundredths % 100);
    return json_string(text);
}

static json_t *digits(uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    return json_string(text);
}

static int scalar(struct wire_sink *sink, const struct wire_row *row, const struct wire_scalar *value)
{
    if (row->kind >= WIRE_KIND_STRING)
        return put(json(sink), json_stringn(value->text, value->length));
    switch (row->kind) {
    case WIRE_KIND_BOOL:
        return put(json(sink), json_boolean(value->truth));
    case WIRE_KIND_ENUM:
        return put(json(sink), json_string(row->names->at[value->number - 1]));
    case WIRE_KIND_DECIMAL:
        return put(json(sink), decimal(value->number));
    case WIRE_KIND_TIMER:
    case WIRE_KIND_UINT64:
        return put(json(sink), digits(value->number));
    default: /* at most 2^32-1, or the -1 of a lifetime */
        return put(json(sink), json_integer(value->negative ? -1 : (json_int_t)value->number));
    }
}

static const struct wire_sink_ops ops = {
    .open_map = open_map,
    .open_list = open_list,
    .close = close_nest,
    .member = member,
    .scalar = scalar,
};

void wire_json_sink_begin(struct wire_json_sink *sink)
{
    *sink = (struct wire_json_sink){.base = {.ops = &ops}};
}

json_t *wire_json_sink_end(struct wire_json_sink *sink)
{
    return sink->open[0];
}
