/*
 * client: which configured client a peer is, by what it proved in the handshake.
 *
 * Words: an *identity* of a client is the hash of a key (SPKI), a name in a certificate (SAN), or a
 * PSK identity (docs/behaviour.md). Tables are sorted once at start: a look-up is a binary search
 * among 100,000 clients and takes nothing from the peer but bytes to compare. No I/O, no clock.
 */
#pragma once

#include "aggregation/relay.h"
#include "gateway/coap/coap.h"
#include "gateway/config/config.h"
#include "southbound/signal/limits.h"

struct south_peer;

/* A configured client and what is known about it while the process runs. */
struct south_client {
    const struct config_client *config;
    struct scope_grant_prepared *grant;
    struct relay_limits limits;
    struct south_bucket requests;
    struct south_peer *stored; /* its identities that have a session configuration on disk, oldest first */
    size_t stored_count;
};

struct south_clients;

/* config is borrowed. NULL: out of memory. */
struct south_clients *south_clients_new(const struct config *config);
void south_clients_free(struct south_clients *clients);

/* The client that this identity belongs to, NULL when there is none. The hash of the key counts
 * before the names of the certificate, those in the order of the certificate. */
struct south_client *south_clients_match(const struct south_clients *clients, const struct dots_identity *identity);
struct south_client *south_clients_named(const struct south_clients *clients, const char *name);

/* Key of a PSK identity, borrowed from the configuration; NULL when nobody has it. */
const uint8_t *south_clients_psk(const struct south_clients *clients, const char *identity, size_t length,
                                 size_t *key_length);
