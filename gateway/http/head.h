/*
 * head: the framing of an HTTP/1.1 message, byte by byte and strictly: lines of a head or of trailers, and chunks.
 *
 * The parsers are lenient where RFC 9112 allows it (bare LF, folded lines, white space before the colon), and differ
 * between releases; what another hop could read differently is refused here before they see it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum head_result { HEAD_MORE, HEAD_DONE, HEAD_BAD };

struct head_scan {
    uint8_t state;
    size_t position;     /* bytes looked at */
    size_t lines;        /* complete ones, the request line included */
    unsigned spaces;     /* in the request line */
    size_t request_line; /* its length without CRLF */
};

/* For trailers: no request line. */
void head_scan_trailers(struct head_scan *scan);
/* Looks at text[scan->position] to text[length - 1]; DONE: scan->position is behind the empty line. */
enum head_result head_scan(struct head_scan *scan, const char *text, size_t length);

struct chunked {
    uint8_t state;
    unsigned digits;
    size_t extension; /* bytes of it in this chunk */
    uint64_t left;    /* bytes of this chunk */
    struct head_scan trailers;
};

/* Decodes from text[*used] on. DATA: *data, *size is a piece of the body, in place. */
enum chunked_result { CHUNKED_MORE, CHUNKED_DATA, CHUNKED_DONE, CHUNKED_BAD };
enum chunked_result chunked_next(struct chunked *chunked, const uint8_t *text, size_t length, size_t *used,
                                 const uint8_t **data, size_t *size);
