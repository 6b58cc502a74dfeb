/* requests: what DOTS clients of a benchmark ask, as CoAP without its header (see clients.h), and what they are told.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tests/bench/support/clients.h"

/* What is asked for is below this, and no two clients ask for the same. */
#define REQUESTS_PREFIX "2001:db8::/32"

/* `arg` of these is a struct requests, or NULL: all zero. */
struct requests {
    size_t first;         /* number of the first client */
    unsigned mitigations; /* that each client keeps: its numberth request is about the (number modulo this)th; 0: 1 */
    unsigned lifetime;    /* s; 0: 3600 */
    uint16_t proxied_to;  /* port of 127.0.0.1 that a proxy shall ask over DTLS; 0: no proxy */
};

/* A new mitigation request: a higher mid each time, which replaces the one that it overlaps. */
size_t requests_put(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX]);
/* An efficacy update of the request that the first call makes (RFC 9132 section 4.4.3). */
size_t requests_efficacy(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX]);
/* The same path and body each time. */
size_t requests_same(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX]);
/* GET of what it has asked for. */
size_t requests_get(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX]);

/* Body of an answer to a PUT, or with the status, to a GET. */
size_t requests_status(uint32_t mid, bool status, uint8_t to[CLIENTS_REQUEST_MAX]);
