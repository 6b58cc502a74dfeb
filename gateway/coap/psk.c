/* psk: pre-shared keys in the handshake, either side. */
#include "gateway/coap/private.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* A ticket is random bytes. */
static bool is_name(const char *identity)
{
    while (*identity >= ' ' && *identity != 0x7f)
        identity++;
    return *identity == '\0';
}

/* SSL_set_psk_server_callback. In TLS 1.3 OpenSSL asks here about tickets, too, which nobody knows. */
unsigned psk_for_client(SSL *ssl, const char *identity, unsigned char *key, unsigned size)
{
    struct handshake *handshake = handshake_of(ssl);
    if (handshake == NULL || identity == NULL)
        return 0;
    size_t length = strlen(identity);
    if (length == 0 || length > COAP_PSK_IDENTITY_MAX)
        return 0;
    const struct dots_endpoint *endpoint = handshake->endpoint;
    size_t key_length = 0;
    const uint8_t *known = endpoint->psk_lookup(endpoint->arg, identity, length, &key_length);
    if (known == NULL)
        handshake->psk_unknown = handshake->psk_unknown || is_name(identity);
    if (known == NULL || key_length == 0 || key_length > size)
        return 0;
    char *copy = strdup(identity);
    if (copy == NULL || tickets_psk_proof(identity, known, key_length, handshake->psk_proof) != 0) {
        free(copy);
        return 0;
    }
    free(handshake->psk_identity);
    handshake->psk_identity = copy;
    handshake->psk = true;
    memcpy(key, known, key_length);
    return (unsigned)key_length;
}

/* SSL_set_psk_client_callback. */
unsigned psk_for_server(SSL *ssl, const char *hint, char *identity, unsigned identity_size, unsigned char *key,
                        unsigned size)
{
    (void)hint;
    struct handshake *handshake = handshake_of(ssl);
    if (handshake == NULL)
        return 0;
    const struct dots_endpoint *endpoint = handshake->endpoint;
    size_t length = strlen(endpoint->psk_identity);
    if (length >= identity_size || endpoint->psk_key_length > size)
        return 0;
    memcpy(identity, endpoint->psk_identity, length + 1);
    memcpy(key, endpoint->psk_key, endpoint->psk_key_length);
    handshake->psk = true;
    return (unsigned)endpoint->psk_key_length;
}
