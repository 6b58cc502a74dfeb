/*
 * tickets: the keys of stateless session tickets (RFC 5077 section 4, RFC 8446 section 4.6.1) of the servers of both
 * channels.
 *
 * Keys are *made* here, at random, for this process alone, and then change by themselves; or they are *given*, the same
 * to several processes, each of which then opens what another has sealed. Whoever opens a ticket has to judge what it
 * stands for: with given keys it may be another gateway's, or its own of before a reload.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_TICKET_KEYS_MAX 16u
#define TLS_TICKET_ROTATION (12ULL * 3600 * 1000) /* ms; a made key is good for two of them: a day */

struct tls_ticket_key {
    unsigned char name[16], cipher[32], mac[32]; /* AES-256-CBC, HMAC-SHA-256 */
};

struct tls_tickets {
    struct tls_ticket_key keys[TLS_TICKET_KEYS_MAX]; /* the first seals */
    unsigned count;
    bool given;
    uint64_t made; /* ms, when the first was; 0: not used yet */
};

/* 0, or -1 with nothing changed: no random bytes are to be had. */
int tls_tickets_make(struct tls_tickets *tickets);
/* keys: whole struct tls_ticket_key one behind the other, at least one; those over TLS_TICKET_KEYS_MAX do not count. */
void tls_tickets_give(struct tls_tickets *tickets, const uint8_t *keys, size_t length);
void tls_tickets_wipe(struct tls_tickets *tickets);

/* What SSL_CTX_set_tlsext_ticket_key_evp_cb asks for: 1 go on, 2 go on and renew, 0 unknown key, -1 error.
 * now: ms of a steady clock. */
int tls_tickets_key(struct tls_tickets *tickets, uint64_t now, unsigned char *name, unsigned char *iv,
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt);

/* Of the trust anchors of a context, in whatever order: equal where the same peers verify. 0, or -1: out of memory. */
int tls_anchors_digest(SSL_CTX *context, uint8_t digest[32]);
