/* CBOR tokens off a source's bytes. Nothing is allocated and no count is believed. */
#include <cbor.h>
#include <inttypes.h>

#include "gateway/wire/cursor.h"
#include "gateway/wire/error.h"

/* Lengths in libcbor's callbacks are size_t up to 0.8 and uint64_t from 0.9 on. */
#if CBOR_MAJOR_VERSION == 0 && CBOR_MINOR_VERSION < 9
typedef size_t cbor_length;
#else
typedef uint64_t cbor_length;
#endif

static void set(void *token, enum wire_token_kind kind, uint64_t value)
{
    *(struct wire_token *)token = (struct wire_token){.kind = kind, .value = value};
}

static void set_slice(void *token, enum wire_token_kind kind, cbor_data bytes, cbor_length length)
{
    /* length lies within the input: the decoder has looked */
    *(struct wire_token *)token = (struct wire_token){.kind = kind, .bytes = bytes, .length = (size_t)length};
}

static void set_indefinite(void *token, enum wire_token_kind kind)
{
    *(struct wire_token *)token = (struct wire_token){.kind = kind, .indefinite = true};
}

static void on_uint8(void *token, uint8_t value)
{
    set(token, WIRE_TOKEN_UNSIGNED, value);
}

static void on_uint16(void *token, uint16_t value)
{
    set(token, WIRE_TOKEN_UNSIGNED, value);
}

static void on_uint32(void *token, uint32_t value)
{
    set(token, WIRE_TOKEN_UNSIGNED, value);
}

static void on_uint64(void *token, uint64_t value)
{
    set(token, WIRE_TOKEN_UNSIGNED, value);
}

static void on_negint8(void *token, uint8_t value)
{
    set(token, WIRE_TOKEN_NEGATIVE, value);
}

static void on_negint16(void *token, uint16_t value)
{
    set(token, WIRE_TOKEN_NEGATIVE, value);
}

static void on_negint32(void *token, uint32_t value)
{
    set(token, WIRE_TOKEN_NEGATIVE, value);
}

static void on_negint64(void *token, uint64_t value)
{
    set(token, WIRE_TOKEN_NEGATIVE, value);
}

static void on_bytes(void *token, cbor_data bytes, cbor_length length)
{
    set_slice(token, WIRE_TOKEN_BYTES, bytes, length);
}

static void on_bytes_start(void *token)
{
    set_indefinite(token, WIRE_TOKEN_BYTES);
}

static void on_text(void *token, cbor_data bytes, cbor_length length)
{
    set_slice(token, WIRE_TOKEN_TEXT, bytes, length);
}

static void on_text_start(void *token)
{
    set_indefinite(token, WIRE_TOKEN_TEXT);
}

static void on_array(void *token, cbor_length count)
{
    set(token, WIRE_TOKEN_ARRAY, count);
}

static void on_array_start(void *token)
{
    set_indefinite(token, WIRE_TOKEN_ARRAY);
}

static void on_map(void *token, cbor_length count)
{
    set(token, WIRE_TOKEN_MAP, count);
}

static void on_map_start(void *token)
{
    set_indefinite(token, WIRE_TOKEN_MAP);
}

static void on_tag(void *token, uint64_t tag)
{
    set(token, WIRE_TOKEN_TAG, tag);
}

static void on_float(void *token, float value)
{
    (void)value;
    set(token, WIRE_TOKEN_SIMPLE, 0);
}

static void on_double(void *token, double value)
{
    (void)value;
    set(token, WIRE_TOKEN_SIMPLE, 0);
}

static void on_simple(void *token)
{
    set(token, WIRE_TOKEN_SIMPLE, 0);
}

static void on_boolean(void *token, bool value)
{
    set(token, WIRE_TOKEN_BOOL, value);
}

static void on_break(void *token)
{
    set(token, WIRE_TOKEN_BREAK, 0);
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_negint8,
    .negint16 = on_negint16,
    .negint32 = on_negint32,
    .negint64 = on_negint64,
    .byte_string = on_bytes,
    .byte_string_start = on_bytes_start,
    .string = on_text,
    .string_start = on_text_start,
    .array_start = on_array,
    .indef_array_start = on_array_start,
    .map_start = on_map,
    .indef_map_start = on_map_start,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .undefined = on_simple,
    .null = on_simple,
    .boolean = on_boolean,
    .indef_break = on_break,
};

/* Well-formed heads that libcbor before 0.11 refuses: tags 6 to 20, and simple values without a
 * meaning yet. A comprehension-optional parameter of the future may use them (RFC 8949 section 3.4). */
static size_t take_unassigned(const uint8_t *at, size_t remaining, struct wire_token *token)
{
    if (at[0] >= 0xc6 && at[0] <= 0xd4) {
        set(token, WIRE_TOKEN_TAG, at[0] - 0xc0u);
        return 1;
    }
    set(token, WIRE_TOKEN_SIMPLE, 0);
    if (at[0] >= 0xe0 && at[0] <= 0xf3)
        return 1;
    return at[0] == 0xf8 && remaining > 1 && at[1] >= 32 ? 2 : 0;
}

int wire_cursor_next(struct wire_cbor_source *source, const char *name, struct wire_token *token)
{
    size_t remaining = source->length - source->at, taken;
    struct cbor_decoder_result result;
    const uint8_t *at;

    if (remaining == 0)
        return wire_fail(source->base.error, name, ": the message ends too early");
    at = source->data + source->at;
    taken = take_unassigned(at, remaining, token);
    if (taken == 0) {
        result = cbor_stream_decode(at, remaining, &callbacks, token);
        if (result.status == CBOR_DECODER_NEDATA)
            return wire_fail(source->base.error, name, ": the message ends too early");
        if (result.status != CBOR_DECODER_FINISHED)
            return wire_fail(source->base.error, name, ": octet 0x%02x at %zu is not CBOR", at[0], source->at);
        taken = result.read;
    }
    source->at += taken;
    return 0;
}

bool wire_cursor_at_break(const struct wire_cbor_source *source)
{
    return source->at < source->length && source->data[source->at] == 0xff;
}

/* An item being skipped that others lie in. */
struct level {
    enum wire_token_kind kind;
    bool indefinite, odd; /* odd: a map's key has come and its value has not */
    uint64_t left;
};

struct skip {
    struct level levels[WIRE_DEPTH_MAX];
    size_t depth;
};

/* One item is complete; so may be those around it. */
static void complete(struct skip *skip)
{
    while (skip->depth > 0) {
        struct level *top = &skip->levels[skip->depth - 1];

        top->odd = !top->odd;
        if (top->indefinite || --top->left > 0)
            return;
        skip->depth--;
    }
}

static int open_level(struct wire_cbor_source *source, const char *name, struct skip *skip,
                      const struct wire_token *token)
{
    uint64_t items = token->value;

    if (skip->depth == WIRE_DEPTH_MAX)
        return wire_fail(source->base.error, name, ": nested more than %u deep", WIRE_DEPTH_MAX);
    if (items > source->length - source->at)
        return wire_fail(source->base.error, name, ": claims %" PRIu64 " items where the message ends", items);
    if (token->kind == WIRE_TOKEN_MAP)
        items *= 2;
    if (items == 0 && !token->indefinite) {
        complete(skip);
        return 0;
    }
    skip->levels[skip->depth++] = (struct level){.kind = token->kind, .indefinite = token->indefinite, .left = items};
    return 0;
}

static int skip_token(struct wire_cbor_source *source, const char *name, struct skip *skip,
                      const struct wire_token *token, bool tagged)
{
    const struct level *top = skip->depth ? &skip->levels[skip->depth - 1] : NULL;
    bool container = token->kind == WIRE_TOKEN_ARRAY || token->kind == WIRE_TOKEN_MAP;

    if (token->kind == WIRE_TOKEN_BREAK) {
        if (!top || !top->indefinite || tagged || (top->kind == WIRE_TOKEN_MAP && top->odd))
            return wire_fail(source->base.error, name, ": a break at %zu closes nothing", source->at - 1);
        skip->depth--;
        complete(skip);
        return 0;
    }
    /* The chunks of a string are definite strings of its kind (RFC 8949 section 3.2.3). */
    if (top && (top->kind == WIRE_TOKEN_TEXT || top->kind == WIRE_TOKEN_BYTES) &&
        (token->kind != top->kind || token->indefinite || tagged))
        return wire_fail(source->base.error, name, ": a string has a chunk that is none");
    if (container || token->indefinite)
        return open_level(source, name, skip, token);
    complete(skip);
    return 0;
}

int wire_cursor_skip(struct wire_cbor_source *source, const char *name)
{
    struct skip skip = {.depth = 0};
    struct wire_token token;

    do {
        bool tagged = false;

        for (;;) {
            if (wire_cursor_next(source, name, &token))
                return -1;
            if (token.kind != WIRE_TOKEN_TAG)
                break;
            tagged = true;
        }
        if (skip_token(source, name, &skip, &token, tagged))
            return -1;
    } while (skip.depth > 0);
    return 0;
}
