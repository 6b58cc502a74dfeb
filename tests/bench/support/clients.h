/*
 * clients: thousands of DTLS or TLS clients in this process, on bare OpenSSL and one epoll, each with at most one
 * request under way. They cost less than a server: no CoAP library, record buffers only while used.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/support/pki.h"

struct clients;

#define CLIENTS_REQUEST_MAX 512

struct clients_settings {
    uint16_t port;   /* on 127.0.0.1 */
    uint32_t source; /* an address of theirs, in host's order; 0: any */
    bool tcp;
    size_t count;
    size_t together;       /* handshakes under way at once */
    const struct pki *pki; /* NULL: PSK */
    SSL_SESSION *resume;   /* of all; NULL: full handshakes, unless */
    /* each resumes what the client of its number has here, which has been answered once; NULL: none */
    const struct clients *former;
    /* Code, options and payload (RFC 7252 section 3) of the numberth request of a client; returns their length.
     * NULL: GET /x. */
    size_t (*request)(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX]);
    const void *arg;
    double loss; /* of datagrams that carry requests or answers, each way */
};

/* All are up when it returns; ends the program when that takes too long. */
struct clients *clients_connect(const struct clients_settings *settings);

/* Asks so often, with so many requests under way, each from the next client. Returns how many were repeated. */
size_t clients_ask(struct clients *clients, size_t requests, size_t window);

/* Asks one at a time, of the first client; how long each took, in us. */
void clients_ask_slowly(struct clients *clients, size_t requests, double *took);

/* Each client asks once, at its time within so many seconds, and again each 3 s until it is answered. */
struct storm {
    double last, median; /* s; from the first request, and from the first try of each */
    size_t tries;
};
void clients_storm(struct clients *clients, double seconds, struct storm *storm);

/* A session of the first client to resume, or NULL. */
SSL_SESSION *clients_session(struct clients *clients);

/* How many handshakes were resumed ones. */
size_t clients_resumed(const struct clients *clients);

void clients_close(struct clients *clients);

/* A context as clients have it. */
SSL_CTX *clients_context(bool tcp, const struct pki *pki);
