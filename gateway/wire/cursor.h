/* cursor: CBOR tokens (RFC 8949 section 3) off a source's bytes, by libcbor's streaming decoder. */
#pragma once

#include "gateway/wire/source.h"

enum wire_token_kind {
    WIRE_TOKEN_UNSIGNED,
    WIRE_TOKEN_NEGATIVE,
    WIRE_TOKEN_BYTES,
    WIRE_TOKEN_TEXT,
    WIRE_TOKEN_ARRAY,
    WIRE_TOKEN_MAP,
    WIRE_TOKEN_TAG,
    WIRE_TOKEN_BOOL,
    WIRE_TOKEN_SIMPLE, /* null, undefined, other simple values, floating point */
    WIRE_TOKEN_BREAK,
};

struct wire_token {
    enum wire_token_kind kind;
    bool indefinite;      /* bytes, text, array, map: chunks or items follow until a break */
    uint64_t value;       /* integer (a negative one is -1 - value), tag, boolean, count of items or pairs */
    const uint8_t *bytes; /* in the input */
    size_t length;
};

/* name: what is reported when the bytes end too early or are no CBOR. -1 and the source's error set. */
int wire_cursor_next(struct wire_cbor_source *source, const char *name, struct wire_token *token);

bool wire_cursor_at_break(const struct wire_cbor_source *source);

/* Passes over one whole data item; nested at most WIRE_DEPTH_MAX deep. */
int wire_cursor_skip(struct wire_cbor_source *source, const char *name);
