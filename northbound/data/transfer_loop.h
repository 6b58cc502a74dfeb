/* transfer_loop: libcurl's sockets and timer on libuv. Private to transfer.c and transfer_loop.c. */
#pragma once

#include <curl/curl.h>
#include <utlist.h>

#include "northbound/data/credentials.h"
#include "northbound/data/transfer.h"

#define TRANSFER_URL_MAX 8192u

struct transfer_socket {
    uv_poll_t poll;
    struct transfer_channel *channel;
    curl_socket_t descriptor;
};

struct transfer_channel {
    uv_loop_t *loop;
    const struct config_upstream *config;
    struct credentials *credentials;
    struct curl_slist *addresses; /* "host:port:address,address": no DNS is needed */
    CURLM *multi;
    uv_timer_t timer;
    struct transfer *transfers;
    size_t under_way;
    size_t handles; /* that the loop has not let go */
    bool closing;
    void (*on_closed)(void *arg);
    void *arg;
};

/* transfer.c */
void transfer_ended(CURL *easy, CURLcode code);
void transfer_cancel_all(struct transfer_channel *channel);
