/* http1: what the receiving and the sending half of HTTP/1.1 share. */
#pragma once

#include "gateway/http/head.h"
#include "gateway/http/private.h"

enum http1_state {
    HTTP1_HEAD,    /* between requests, or in a head */
    HTTP1_BODY,    /* of known length */
    HTTP1_CHUNKED, /* or in chunks */
    HTTP1_ANSWER,  /* the request is complete or refused, the response is not out */
    HTTP1_OVER,    /* nothing more is taken */
};

struct http1 {
    enum http1_state state;
    struct buffer in; /* not yet parsed */
    struct head_scan scan;
    struct chunked chunked;
    uint64_t left;    /* bytes of the body */
    unsigned skipped; /* empty lines before the request line */
    struct http_exchange *exchange;
    bool close;     /* after this response */
    bool announced; /* the head of the response is out */
    bool in_chunks; /* the response is */
    uint64_t since; /* uv_now: start of the state, or of the first byte of a head */
};

/* http1_send.c */
int http1_produce(struct connection *connection, struct buffer *to);
/* http1.c */
void http1_next(struct connection *connection); /* the response is out */
