/* chunked: decodes chunked bodies (RFC 9112 section 7.1), strictly; extensions and trailers are read and dropped. */
#include "gateway/http/head.h"

#define DIGITS_MAX 8
#define EXTENSION_MAX 256
#define TRAILERS_MAX 4096

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILERS };

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The state after one byte of the framing, or -1. */
static int step(struct chunked *chunked, uint8_t c)
{
    int value;
    switch (chunked->state) {
    case SIZE:
        value = digit(c);
        if (value >= 0) {
            chunked->left = chunked->left * 16 + (uint64_t)value;
            return ++chunked->digits <= DIGITS_MAX ? SIZE : -1;
        }
        if (chunked->digits == 0)
            return -1;
        return c == '\r' ? SIZE_LF : c == ';' ? EXTENSION : -1;
    case EXTENSION:
        if (c == '\r')
            return SIZE_LF;
        return (c >= 0x20 || c == '\t') && c != 0x7f && ++chunked->extension <= EXTENSION_MAX ? EXTENSION : -1;
    case SIZE_LF:
        if (c != '\n')
            return -1;
        chunked->digits = 0;
        chunked->extension = 0;
        head_scan_trailers(&chunked->trailers);
        return chunked->left > 0 ? DATA : TRAILERS;
    case DATA_CR:
        return c == '\r' ? DATA_LF : -1;
    default: /* DATA_LF */
        return c == '\n' ? SIZE : -1;
    }
}

/* Scans what is there; the scanner's text begins anew with each call, its state does not. */
static enum chunked_result trailers(struct chunked *chunked, const uint8_t *text, size_t length, size_t *used)
{
    struct head_scan scan = chunked->trailers;
    scan.position = 0;
    enum head_result result = head_scan(&scan, (const char *)text + *used, length - *used);
    *used += scan.position;
    scan.position += chunked->trailers.position;
    chunked->trailers = scan;
    if (result == HEAD_BAD || scan.position > TRAILERS_MAX)
        return CHUNKED_BAD;
    return result == HEAD_DONE ? CHUNKED_DONE : CHUNKED_MORE;
}

enum chunked_result chunked_next(struct chunked *chunked, const uint8_t *text, size_t length, size_t *used,
                                 const uint8_t **data, size_t *size)
{
    while (*used < length) {
        if (chunked->state == TRAILERS)
            return trailers(chunked, text, length, used);
        if (chunked->state == DATA) {
            size_t there = length - *used;
            *data = text + *used;
            *size = chunked->left < there ? (size_t)chunked->left : there;
            *used += *size;
            chunked->left -= *size;
            if (chunked->left == 0)
                chunked->state = DATA_CR;
            return CHUNKED_DATA;
        }
        int state = step(chunked, text[(*used)++]);
        if (state < 0)
            return CHUNKED_BAD;
        chunked->state = (uint8_t)state;
    }
    return CHUNKED_MORE;
}
