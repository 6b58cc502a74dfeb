/*
 * tickets: what session tickets of the server (RFC 5077, RFC 8446 section 4.6.1) stand for, DTLS and TLS alike.
 *
 * A ticket carries the session with the peer's certificate, and as application data its *grounds*: the trust anchors
 * that this was verified by, or the PSK identity with a proof of its key. Who may no longer connect afresh, here and
 * now, may not come back with a ticket either, whichever gateway with our keys it is from.
 */
#include "gateway/coap/private.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define PROOF "dotsgw ticket psk " /* what is authenticated with the key of a PSK, and its identity */

struct grounds {
    uint8_t anchors[32];
    uint8_t psk[32];    /* zero: no PSK */
    uint8_t identity[]; /* without a NUL */
};

void dots_endpoint_forget_tickets(struct dots_endpoint *endpoint)
{
    if (!endpoint->tickets.given)
        tls_tickets_make(&endpoint->tickets);
}

void tickets_renew(struct dots_endpoint *endpoint, const struct tls_tickets *given)
{
    if (given->count > 0)
        endpoint->tickets = *given;
    else if (endpoint->tickets.given)
        tls_tickets_make(&endpoint->tickets);
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb */
static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                         int encrypt)
{
    struct dots_endpoint *endpoint = tls_endpoint(ssl);
    return tls_tickets_key(&endpoint->tickets, uv_now(endpoint->loop), name, iv, cipher, mac, encrypt);
}

int tickets_psk_proof(const char *identity, const uint8_t *key, size_t key_length, uint8_t proof[32])
{
    uint8_t text[sizeof PROOF - 1 + COAP_PSK_IDENTITY_MAX];
    size_t length = strlen(identity);
    if (length > COAP_PSK_IDENTITY_MAX || key_length > INT_MAX)
        return -1;
    memcpy(text, PROOF, sizeof PROOF - 1);
    for (size_t i = 0; i < length; i++)
        text[sizeof PROOF - 1 + i] = (uint8_t)identity[i];
    return HMAC(EVP_sha256(), key, (int)key_length, text, sizeof PROOF - 1 + length, proof, NULL) != NULL ? 0 : -1;
}

/* SSL_CTX_generate_session_ticket_fn */
static int on_generate(SSL *ssl, void *arg)
{
    (void)arg;
    const struct handshake *handshake = handshake_of(ssl);
    if (handshake == NULL)
        return 1; /* without grounds it will not count */
    const uint8_t *identity = (const uint8_t *)handshake->psk_identity;
    size_t length = identity != NULL ? strlen(handshake->psk_identity) : 0;
    struct grounds *grounds = malloc(sizeof *grounds + length);
    if (grounds == NULL)
        return 1;
    memcpy(grounds->anchors, handshake->anchors, sizeof grounds->anchors);
    memcpy(grounds->psk, handshake->psk_proof, sizeof grounds->psk);
    if (length > 0)
        memcpy(grounds->identity, identity, length);
    int done = SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), grounds, sizeof *grounds + length);
    free(grounds);
    return done;
}

/* With the key that it had. */
static bool psk_still_known(struct handshake *handshake, const struct grounds *grounds, size_t length)
{
    const struct dots_endpoint *endpoint = handshake->endpoint;
    size_t key_length = 0;
    if (endpoint->psk_lookup == NULL || length == 0 || length > COAP_PSK_IDENTITY_MAX)
        return false;
    char *copy = strndup((const char *)grounds->identity, length);
    const uint8_t *key = copy != NULL ? endpoint->psk_lookup(endpoint->arg, copy, length, &key_length) : NULL;
    uint8_t proof[32];
    if (key == NULL || tickets_psk_proof(copy, key, key_length, proof) != 0 ||
        CRYPTO_memcmp(proof, grounds->psk, sizeof proof) != 0) {
        free(copy);
        return false;
    }
    memcpy(handshake->psk_proof, proof, sizeof proof);
    free(handshake->psk_identity);
    handshake->psk_identity = copy;
    return true;
}

static bool still_valid(struct handshake *handshake, SSL_SESSION *session)
{
    const X509 *certificate = SSL_SESSION_get0_peer(session);
    void *data = NULL;
    size_t length = 0;
    if (SSL_SESSION_get0_ticket_appdata(session, &data, &length) != 1 || length < sizeof(struct grounds))
        return false;
    const struct grounds *grounds = data;
    if (certificate == NULL)
        return psk_still_known(handshake, grounds, length - sizeof *grounds);
    return CRYPTO_memcmp(grounds->anchors, handshake->endpoint->anchors, sizeof grounds->anchors) == 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/* SSL_CTX_decrypt_session_ticket_fn: anything doubtful gets a full handshake and a new ticket. */
static SSL_TICKET_RETURN on_decrypted(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_length,
                                      SSL_TICKET_STATUS status, void *arg)
{
    (void)name, (void)name_length, (void)arg;
    struct handshake *handshake = handshake_of(ssl);
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (handshake == NULL || !still_valid(handshake, session))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    /* RFC 8446 appendix C.4: a ticket of TLS 1.3 is for one use, so there is always a next one. */
    bool last = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
    return last ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

int tickets_install(SSL_CTX *context)
{
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key) == 1 &&
                   SSL_CTX_set_session_ticket_cb(context, on_generate, on_decrypted, NULL) == 1
               ? 0
               : -1;
}
