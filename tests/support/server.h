/*
 * server: a model of upstream DOTS servers and what they have (RFC 9132 section 4.4.1.3): a put deletes
 * overlapped requests of its cuid and trigger type with a lower mid, and is refused below a higher one. A
 * request ends with its lifetime.
 */
#pragma once

#include <stddef.h>

#include "aggregation/relay.h"
#include "tests/support/blocks.h"

struct server_request {
    size_t target; /* which upstream */
    char cuid[RELAY_CUID_MAX + 1];
    uint32_t mid;
    bool trigger;
    struct blocks blocks;
    int64_t expires; /* ms */
    bool late;       /* a copy that the network kept: the gateway need not know of it */
    bool refused;    /* not there: what is on record is only that it was refused for good */
};

/* Planted faults, to see that histories find one and are shrunk. */
enum server_fault {
    SERVER_SOUND,
    SERVER_KEEPS_DELETED,   /* a delete does nothing when there are three or more requests of that cuid */
    SERVER_LOSES_NEIGHBOUR, /* a delete of one also deletes the oldest one, if it is of that cuid */
};

struct server {
    struct server_request *requests;
    size_t count, size;
    enum server_fault fault;
};

void server_free(struct server *server);
/* 201, 204, or 409. */
int server_put(struct server *server, const struct server_request *request);
void server_delete(struct server *server, size_t target, const char *cuid, uint32_t mid);
void server_refuse(struct server *server, const struct server_request *request); /* for good; what is there stays */
void server_expire(struct server *server, int64_t now);
void server_forget(struct server *server, size_t target); /* it restarts empty; what it refused stays on record */
/* NULL: not there. */
const struct server_request *server_find(const struct server *server, size_t target, const char *cuid, uint32_t mid,
                                         bool refused);
