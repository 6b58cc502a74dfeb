/*
 * transfer: HTTPS requests to one server, by libcurl on the loop.
 *
 * Words: a *channel* is what is kept with one server: its connections, which are reused, and its credentials; a
 * *transfer* is one request and its response. HTTP/2 where the server has it, else HTTP/1.1. Redirects are not
 * followed, proxies of the environment not used, names are resolved in a thread of libcurl's. It knows no RESTCONF.
 * All on the loop thread; callbacks never come from inside a function of this header.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/config/config.h"

struct transfer_channel;
struct transfer;
struct credentials;

#define TRANSFER_UNDER_WAY_MAX 1024u /* on one channel */

/* NULL with a sentence in error. config must stay. Blocks: it reads the files of credentials. */
struct transfer_channel *transfer_open(uv_loop_t *loop, const struct config_upstream *config, char *error,
                                       size_t error_size);
/* The same server by another configuration; credentials count for new connections, those of before are left there. */
void transfer_renew(struct transfer_channel *channel, const struct config_upstream *config,
                    struct credentials **credentials);
/* Transfers under way are dropped without their callback. on_closed when the loop has let go. */
void transfer_close(struct transfer_channel *channel, void (*on_closed)(void *arg), void *arg);

struct transfer_request {
    const char *method;                      /* constant */
    const char *path;                        /* with a query, if any, as it goes on the wire */
    const char *accept, *content_type, *via; /* NULL: not sent */
    const char *body;                        /* NULL: none */
    size_t body_length;
    size_t answer_max;   /* bytes of the response's body; more breaks it off */
    unsigned timeout_ms; /* for all of it */
};

struct transfer_response {
    int status;        /* 0: there was none */
    char failure[256]; /* why, then */
    const char *body;  /* not NULL; a NUL follows it */
    size_t length;
    unsigned retry_after; /* s; 0: not said, or as a date */
    bool http2;
};
typedef void transfer_h(void *arg, const struct transfer_response *response);

/* Everything is copied. NULL: out of memory, or too many under way. */
struct transfer *transfer_start(struct transfer_channel *channel, const struct transfer_request *request,
                                transfer_h *done, void *arg);
/* done is not called any more. */
void transfer_cancel(struct transfer *transfer);

/* "libcurl 7.88.1 OpenSSL/3.0.11 nghttp2/1.52.0" */
const char *transfer_versions(void);
