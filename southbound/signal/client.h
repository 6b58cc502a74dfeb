/*
 * client: which configured client a peer is, by what it proved in the handshake.
 *
 * Words: an *identity* of a client is the hash of a key (SPKI), a name in a certificate (SAN), or a
 * PSK identity (docs/behaviour.md). Tables are sorted once at start and at each reload: a look-up is
 * a binary search among 100,000 clients and takes nothing from the peer but bytes to compare. A client
 * that is in the old table and in the new one stays the same object, whatever has changed of it; one
 * that is gone stays for as long as somebody refers to it. No I/O, no clock.
 */
#pragma once

#include "aggregation/relay.h"
#include "gateway/coap/coap.h"
#include "gateway/config/config.h"
#include "gateway/log/log.h"
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
    size_t at;                    /* in its table */
    size_t references;            /* of its table, of sessions and peers */
    bool gone;                    /* not configured any more */
    struct log_repeat came, went; /* lines about its sessions */
    bool redirected;              /* operators send it elsewhere */
    struct config_client *last;   /* then: what is left of its configuration */
};

struct south_clients;

/* config is borrowed. NULL: out of memory. */
struct south_clients *south_clients_new(const struct config *config);
void south_clients_free(struct south_clients *clients);

/*
 * A reload in two steps. south_clients_meet compares a new table with the one in force, and changes nothing of that: it
 * runs on any thread, while the loop goes on. south_clients_adopt then takes a moment only: who is in both keeps the
 * old object, and what is to be freed is left in the old table; that may be freed on any thread. 0, or -1 out of
 * memory.
 */
int south_clients_meet(struct south_clients *clients, const struct south_clients *old);
void south_clients_adopt(struct south_clients *clients, struct south_clients *old);
/* A key of somebody who was there before is another now, as far as south_clients_meet saw. */
bool south_clients_keys_changed(const struct south_clients *clients);

struct south_client *south_client_ref(struct south_client *client);
void south_client_unref(struct south_client *client); /* NULL is fine */

/* The client that this identity belongs to, NULL when there is none. The hash of the key counts
 * before the names of the certificate, those in the order of the certificate. */
struct south_client *south_clients_match(const struct south_clients *clients, const struct dots_identity *identity);
struct south_client *south_clients_named(const struct south_clients *clients, const char *name);

/* Key of a PSK identity, borrowed from the configuration; NULL when nobody has it. */
const uint8_t *south_clients_psk(const struct south_clients *clients, const char *identity, size_t length,
                                 size_t *key_length);
