/*
 * clients: thousands of DTLS or TLS clients in this process, on bare OpenSSL and one epoll, each with at most one
 * request under way. They cost less than a server: no CoAP library, no timers, record buffers only while used.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/support/pki.h"

struct clients;

struct clients_settings {
    uint16_t port; /* on 127.0.0.1 */
    bool tcp;
    size_t count;
    size_t together;       /* handshakes under way at once */
    const struct pki *pki; /* NULL: PSK */
    SSL_SESSION *resume;   /* NULL: full handshakes */
};

/* All are up when it returns; ends the program when that takes too long. */
struct clients *clients_connect(const struct clients_settings *settings);

/* Asks so often, with so many requests under way, each from the next client. Returns how many were repeated. */
size_t clients_ask(struct clients *clients, size_t requests, size_t window);

/* A session of the first client to resume, or NULL. */
SSL_SESSION *clients_session(struct clients *clients);

void clients_close(struct clients *clients);

/* A context as clients have it. */
SSL_CTX *clients_context(bool tcp, const struct pki *pki);
