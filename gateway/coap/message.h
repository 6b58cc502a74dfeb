/*
 * message: requests and responses of the signal channel, free of libcoap's types.
 *
 * Words: an *exchange* is an incoming request that waits for its response; a *token* ties an
 * outgoing request to its response and, with Observe, to its notifications.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOTS_CONTENT_FORMAT 271 /* application/dots+cbor, RFC 9132 section 10.4 */
#define DOTS_TEXT_FORMAT 0      /* text/plain; a diagnostic payload has no format at all: -1 */

enum dots_method {
    DOTS_GET = 1,
    DOTS_POST = 2,
    DOTS_PUT = 3,
    DOTS_DELETE = 4,
    DOTS_FETCH = 5,
    DOTS_PATCH = 6,
    DOTS_IPATCH = 7
};

/* CoAP codes as class and detail: DOTS_CODE(4, 9) is 4.09. */
#define DOTS_CODE(class, detail) ((uint8_t)((class) << 5 | (detail)))
#define DOTS_CODE_CLASS(code) ((code) >> 5)
#define DOTS_CODE_DETAIL(code) ((code)&0x1f)

#define DOTS_PATH_MAX 16 /* Uri-Path options of a request; more: 4.00 by the coap module */
#define DOTS_QUERY_MAX 8
#define DOTS_NO_MAX_AGE (-1)

struct dots_token {
    uint8_t length;
    uint8_t bytes[8];
};

/* Bytes of an option: not NUL-terminated, any value, may be empty. Borrowed. */
struct dots_option {
    const char *at;
    size_t length;
};

struct dots_block {
    bool present, more;
    uint32_t number;
    uint8_t szx; /* block size is 2^(szx + 4); 0..6 */
};

struct dots_etag {
    uint8_t length; /* 0: absent */
    uint8_t bytes[8];
};

struct dots_exchange;

/* Incoming: everything borrowed for the time of the callback. Outgoing: the caller's memory. */
struct dots_request {
    enum dots_method method;
    bool confirmable;
    struct dots_option path[DOTS_PATH_MAX];
    size_t path_count;
    struct dots_option query[DOTS_QUERY_MAX];
    size_t query_count;
    int32_t observe; /* -1: absent; 0 register, 1 deregister */
    bool if_match, if_match_empty;
    int32_t content_format; /* -1: absent */
    int32_t accept;         /* -1: absent */
    int32_t hop_limit;      /* -1: absent. Incoming: already one less than received, the value to
                               forward (libcoap has answered 1, 0 and > 255 itself) */
    struct dots_block block2;
    struct dots_etag etag;
    const uint8_t *body; /* whole, reassembled from Block1 */
    size_t body_length;
    struct dots_exchange *exchange; /* incoming only */
};

struct dots_response {
    uint8_t code;
    int32_t content_format; /* -1: absent (a diagnostic payload) */
    int64_t max_age;        /* s, or DOTS_NO_MAX_AGE */
    int32_t observe;        /* 24-bit sequence, -1: absent */
    struct dots_etag etag;
    const uint8_t *body; /* sent block by block when larger than a datagram holds */
    size_t body_length;
};
