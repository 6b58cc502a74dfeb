/* A source of CBOR bytes: RFC 8949 for the encoding, RFC 9132 section 6 for what stands for what. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/wire/cursor.h"
#include "gateway/wire/error.h"
#include "gateway/wire/text.h"

#define TAG_DECIMAL 4u /* RFC 8949 section 3.4.4 */
#define TAG_DOTS 271u  /* RFC 9132 section 10.5 */

static const char *name_of(const struct wire_row *row)
{
    return row ? row->name : WIRE_BODY;
}

static struct wire_cbor_source *cbor(struct wire_source *source)
{
    return (struct wire_cbor_source *)source;
}

/* unit: the least that one entry or member takes. */
static int open_nest(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest,
                     enum wire_token_kind kind, size_t unit)
{
    struct wire_token token;
    size_t remaining;

    if (wire_cursor_next(cbor(source), name_of(row), &token))
        return -1;
    if (token.kind != kind)
        return wire_fail(source->error, name_of(row), ": must be %s", kind == WIRE_TOKEN_MAP ? "a map" : "an array");
    remaining = cbor(source)->length - cbor(source)->at;
    if (token.value > remaining / unit)
        return wire_fail(source->error, name_of(row), ": claims %" PRIu64 " entries where the message ends",
                         token.value);
    nest->left = (size_t)token.value;
    nest->indefinite = token.indefinite;
    nest->unknown_count = 0;
    return 0;
}

static int open_map(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest)
{
    return open_nest(source, row, nest, WIRE_TOKEN_MAP, 2);
}

static int open_list(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest)
{
    return open_nest(source, row, nest, WIRE_TOKEN_ARRAY, 1);
}

/* 1: another follows; 0: the nest ends. */
static int advance(struct wire_source *source, const char *name, struct wire_nest *nest)
{
    if (nest->indefinite) {
        if (cbor(source)->at == cbor(source)->length)
            return wire_fail(source->error, name, ": the message ends too early");
        if (!wire_cursor_at_break(cbor(source)))
            return 1;
        cbor(source)->at++;
        return 0;
    }
    if (nest->left == 0)
        return 0;
    nest->left--;
    return 1;
}

static int next_entry(struct wire_source *source, const struct wire_row *row, struct wire_nest *nest)
{
    return advance(source, name_of(row), nest);
}

/* Section 10.6.1.1: keys are integers from 1 to 65535. Anything else is no parameter and refused. */
static int read_key(struct wire_source *source, uint64_t *key)
{
    struct wire_token token;
    char name[32];

    if (wire_cursor_next(cbor(source), WIRE_BODY, &token))
        return -1;
    *key = token.value;
    if (token.kind == WIRE_TOKEN_UNSIGNED && token.value >= 1 && token.value <= UINT16_MAX)
        return 0;
    if (token.kind == WIRE_TOKEN_UNSIGNED)
        snprintf(name, sizeof(name), "key %" PRIu64, token.value);
    else if (token.kind == WIRE_TOKEN_NEGATIVE && token.value < UINT64_MAX)
        snprintf(name, sizeof(name), "key -%" PRIu64, token.value + 1);
    else
        snprintf(name, sizeof(name), "key");
    return wire_fail(source->error, name, ": the key of a parameter is an integer from 1 to 65535");
}

/* Section 6: comprehension-required keys that are not known fail the message, optional ones are
 * passed over with all that lies in them. */
static int pass_unknown(struct wire_source *source, struct wire_nest *nest, uint64_t key)
{
    char name[32];

    snprintf(name, sizeof(name), "key %" PRIu64, key);
    if (wire_key_required(key))
        return wire_fail(source->error, name, " is comprehension-required and not known");
    for (size_t i = 0; i < nest->unknown_count; i++) {
        if (nest->unknown[i] == key)
            return wire_fail(source->error, name, ": appears more than once");
    }
    if (nest->unknown_count == WIRE_UNKNOWN_MAX)
        return wire_fail(source->error, name, ": more than %u parameters of one map are not known", WIRE_UNKNOWN_MAX);
    nest->unknown[nest->unknown_count++] = (uint16_t)key;
    return wire_cursor_skip(cbor(source), name);
}

static int next_member(struct wire_source *source, struct wire_nest *nest, const struct wire_row **member)
{
    uint64_t key;
    int more;

    while ((more = advance(source, WIRE_BODY, nest)) > 0) {
        if (read_key(source, &key))
            return -1;
        *member = wire_row_by_key(key);
        if (*member)
            return 1;
        if (pass_unknown(source, nest, key))
            return -1;
    }
    return more;
}

/* The chunks of a text of indefinite length; each is UTF-8 by itself (RFC 8949 section 3.2.3). */
static int join_chunks(struct wire_cbor_source *source, const char *name, struct wire_scalar *out)
{
    struct wire_token token;

    out->text = source->joined;
    out->length = 0;
    for (;;) {
        if (wire_cursor_next(source, name, &token))
            return -1;
        if (token.kind == WIRE_TOKEN_BREAK)
            return 0;
        if (token.kind != WIRE_TOKEN_TEXT || token.indefinite)
            return wire_fail(source->base.error, name, ": a text string has a chunk that is none");
        if (token.length > sizeof(source->joined) - out->length)
            return wire_fail(source->base.error, name, ": longer than %u octets", WIRE_STRING_MAX);
        if (!wire_text_is_string((const char *)token.bytes, token.length))
            return wire_fail(source->base.error, name, ": must be UTF-8 without control characters");
        memcpy(source->joined + out->length, token.bytes, token.length);
        out->length += token.length;
    }
}

static int read_text(struct wire_cbor_source *source, const char *name, const struct wire_token *token,
                     struct wire_scalar *out)
{
    if (token->kind != WIRE_TOKEN_TEXT)
        return wire_fail(source->base.error, name, ": must be a text string");
    if (token->indefinite)
        return join_chunks(source, name, out);
    out->text = (const char *)token->bytes;
    out->length = token->length;
    return 0;
}

static int read_integer(struct wire_cbor_source *source, const char *name, const struct wire_token *token,
                        struct wire_scalar *out)
{
    if (token->kind != WIRE_TOKEN_UNSIGNED && token->kind != WIRE_TOKEN_NEGATIVE)
        return wire_fail(source->base.error, name, ": must be an integer");
    out->negative = token->kind == WIRE_TOKEN_NEGATIVE;
    out->number = token->value;
    return 0;
}

/* Table 5: tag 4 [-2, integer], and no other exponent. */
static int read_decimal(struct wire_cbor_source *source, const char *name, const struct wire_token *tag,
                        struct wire_scalar *out)
{
    struct wire_token array, exponent = {0}, mantissa = {0};

    if (tag->kind != WIRE_TOKEN_TAG || tag->value != TAG_DECIMAL)
        return wire_fail(source->base.error, name, ": must be a decimal fraction, tag 4 [-2, integer]");
    if (wire_cursor_next(source, name, &array))
        return -1;
    if (array.kind == WIRE_TOKEN_ARRAY && (array.indefinite || array.value == 2)) {
        if (wire_cursor_next(source, name, &exponent) || wire_cursor_next(source, name, &mantissa))
            return -1;
    }
    if (exponent.kind != WIRE_TOKEN_NEGATIVE || exponent.value != 1)
        return wire_fail(source->base.error, name, ": must be a decimal fraction, tag 4 [-2, integer]");
    if (array.indefinite) {
        if (!wire_cursor_at_break(source))
            return wire_fail(source->base.error, name, ": must be a decimal fraction, tag 4 [-2, integer]");
        source->at++;
    }
    return read_integer(source, name, &mantissa, out);
}

static int scalar(struct wire_source *source, const struct wire_row *row, struct wire_scalar *out)
{
    struct wire_token token;

    if (wire_cursor_next(cbor(source), row->name, &token))
        return -1;
    if (row->kind >= WIRE_KIND_STRING)
        return read_text(cbor(source), row->name, &token, out);
    if (row->kind == WIRE_KIND_DECIMAL)
        return read_decimal(cbor(source), row->name, &token, out);
    if (row->kind != WIRE_KIND_BOOL)
        return read_integer(cbor(source), row->name, &token, out);
    if (token.kind != WIRE_TOKEN_BOOL)
        return wire_fail(source->error, row->name, ": must be true or false");
    out->truth = token.value != 0;
    return 0;
}

static const struct wire_source_ops ops = {
    .open_map = open_map,
    .open_list = open_list,
    .next_member = next_member,
    .next_entry = next_entry,
    .scalar = scalar,
};

int wire_cbor_source_begin(struct wire_cbor_source *source, const uint8_t *data, size_t length,
                           struct wire_error *error)
{
    struct wire_token token;

    source->base = (struct wire_source){.ops = &ops, .error = error};
    source->data = data;
    source->length = length;
    source->at = 0;
    if (wire_cursor_next(source, WIRE_BODY, &token))
        return -1;
    if (token.kind == WIRE_TOKEN_TAG && token.value == TAG_DOTS)
        return 0;
    source->at = 0;
    return 0;
}

int wire_cbor_source_end(struct wire_cbor_source *source)
{
    if (source->at == source->length)
        return 0;
    return wire_fail(source->base.error, WIRE_BODY, ": %zu octets follow the message", source->length - source->at);
}
