/*
 * tickets: stateless session tickets of the server (RFC 5077, RFC 8446 section 4.6.1), DTLS and TLS alike.
 *
 * A ticket carries the session with the peer's certificate; a PSK identity is added as application data.
 * Who may no longer connect afresh may not come back with a ticket either.
 */
#include "gateway/coap/private.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define ROTATION (12ULL * 3600 * 1000) /* ms; a key is good for two of them: a day */

struct ticket_key {
    unsigned char name[16], cipher[32], mac[32];
};

struct ticket_keys {
    struct ticket_key current, previous;
    uint64_t made; /* uv_now */
};

struct ticket_keys *tickets_new(uint64_t now)
{
    struct ticket_keys *keys = calloc(1, sizeof *keys);
    if (keys != NULL && (RAND_bytes((unsigned char *)&keys->current, sizeof keys->current) != 1 ||
                         RAND_bytes((unsigned char *)&keys->previous, sizeof keys->previous) != 1)) {
        free(keys);
        return NULL;
    }
    if (keys != NULL)
        keys->made = now;
    return keys;
}

void tickets_free(struct ticket_keys *keys)
{
    if (keys == NULL)
        return;
    OPENSSL_cleanse(keys, sizeof *keys);
    free(keys);
}

void dots_endpoint_forget_tickets(struct dots_endpoint *endpoint)
{
    struct ticket_keys *fresh = tickets_new(uv_now(endpoint->loop));
    if (fresh == NULL)
        return;
    tickets_free(endpoint->ticket_keys);
    endpoint->ticket_keys = fresh;
}

static void rotate(struct ticket_keys *keys, uint64_t now)
{
    struct ticket_key fresh;
    if (now - keys->made < ROTATION || RAND_bytes((unsigned char *)&fresh, sizeof fresh) != 1)
        return;
    keys->previous = keys->current;
    keys->current = fresh;
    keys->made = now;
    OPENSSL_cleanse(&fresh, sizeof fresh);
}

static int set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters);
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb: 1 go on, 2 go on and renew, 0 unknown key, -1 error. */
static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                         int encrypt)
{
    const struct dots_endpoint *endpoint = tls_endpoint(ssl);
    struct ticket_keys *keys = endpoint->ticket_keys;
    rotate(keys, uv_now(endpoint->loop));
    if (encrypt) {
        struct ticket_key *key = &keys->current;
        memcpy(name, key->name, sizeof key->name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
            EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 || set_mac(mac, key) != 1)
            return -1;
        return 1;
    }
    bool fresh = memcmp(name, keys->current.name, sizeof keys->current.name) == 0;
    struct ticket_key *key = fresh ? &keys->current : &keys->previous;
    if (!fresh && memcmp(name, key->name, sizeof key->name) != 0)
        return 0;
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 || set_mac(mac, key) != 1)
        return -1;
    return fresh ? 1 : 2;
}

/* SSL_CTX_generate_session_ticket_fn */
static int on_generate(SSL *ssl, void *arg)
{
    (void)arg;
    const struct handshake *handshake = handshake_of(ssl);
    if (handshake == NULL || handshake->psk_identity == NULL)
        return 1;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), handshake->psk_identity,
                                           strlen(handshake->psk_identity));
}

static bool psk_still_known(struct handshake *handshake, const char *identity, size_t length)
{
    const struct dots_endpoint *endpoint = handshake->endpoint;
    size_t key_length = 0;
    if (endpoint->psk_lookup == NULL || length > COAP_PSK_IDENTITY_MAX)
        return false;
    char *copy = strndup(identity, length);
    if (copy == NULL || endpoint->psk_lookup(endpoint->arg, copy, length, &key_length) == NULL) {
        free(copy);
        return false;
    }
    free(handshake->psk_identity);
    handshake->psk_identity = copy;
    return true;
}

static bool still_valid(struct handshake *handshake, SSL_SESSION *session)
{
    void *identity = NULL;
    size_t length = 0;
    if (SSL_SESSION_get0_ticket_appdata(session, &identity, &length) == 1 && length > 0)
        return psk_still_known(handshake, identity, length);
    X509 *certificate = SSL_SESSION_get0_peer(session);
    return certificate != NULL && X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
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
