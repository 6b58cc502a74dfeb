/*
 * sink: what the encode walk writes to, CBOR bytes or a JSON tree, as one interface; the mirror of
 * source. All functions return 0, or -1 when there is no room, no memory, or no such value.
 */
#pragma once

#include "gateway/wire/source.h"

struct wire_sink;

struct wire_sink_ops {
    /* A map or list of count members or entries begins, in the place of the next value. */
    int (*open_map)(struct wire_sink *sink, size_t count);
    int (*open_list)(struct wire_sink *sink, size_t count);
    int (*close)(struct wire_sink *sink);
    int (*member)(struct wire_sink *sink, const struct wire_row *row); /* its value comes next */
    int (*scalar)(struct wire_sink *sink, const struct wire_row *row, const struct wire_scalar *value);
};

struct wire_sink {
    const struct wire_sink_ops *ops;
};

struct wire_cbor_sink {
    struct wire_sink base;
    uint8_t *buffer;
    size_t size, at;
};

void wire_cbor_sink_begin(struct wire_cbor_sink *sink, uint8_t *buffer, size_t size);

struct wire_json_sink {
    struct wire_sink base;
    json_t *open[WIRE_DEPTH_MAX]; /* open objects and arrays, outermost first; it owns the others */
    size_t depth;
    const char *name; /* of the member whose value comes next */
};

void wire_json_sink_begin(struct wire_json_sink *sink);
json_t *wire_json_sink_end(struct wire_json_sink *sink); /* the tree, the caller's; NULL when there is none */
