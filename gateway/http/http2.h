/* http2: what the files of HTTP/2 share. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "gateway/http/private.h"

struct http2 {
    nghttp2_session *session;
    uint64_t since;    /* uv_now: since when no stream is open */
    uint64_t refilled; /* uv_now of flood's last look */
    unsigned tokens;   /* frames that ask for work and bring none, still borne */
    unsigned complete; /* streams that ended with their response, whose reset is free */
    unsigned updates;  /* WINDOW_UPDATE received */
    uint64_t sent;     /* bytes of responses */
    bool calmed;       /* GOAWAY for a flood */
    bool terminated;   /* GOAWAY is the last */
    int32_t head;      /* stream whose head is being received; 0: none */
};

/* http2_receive.c */
void http2_set_receivers(nghttp2_session_callbacks *callbacks);
/* http2_send.c */
void http2_set_senders(nghttp2_session_callbacks *callbacks);
int http2_produce(struct connection *connection, struct buffer *to);
/* flood.c: counts what comes; a GOAWAY is on its way once it was too much. */
void flood_open(struct http2 *http2, uint64_t now);
void flood_count(struct connection *connection, const nghttp2_frame_hd *frame);
void flood_complete(struct connection *connection); /* a stream ended with its response */
void flood_calm(struct connection *connection, const char *why);
