/*
 * material: credentials, read from their files ahead of use, on whatever thread may wait for a disk.
 *
 * An SSL_CTX of its own holds them: OpenSSL's own readers check them there, and what it holds is shared by reference.
 * A certificate with another kind of key would lie beside the old one in libcoap's contexts, and OpenSSL might go on
 * showing that: so after a change each handshake is given the one of now (tls_show).
 */
#include "gateway/coap/private.h"
#include "gateway/tls/tls.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dots_material {
    SSL_CTX *loaded;
    char *psk_identity;
    uint8_t *psk_key;
    size_t psk_key_length;
    struct tls_tickets tickets; /* count 0: none were given */
    uint8_t digest[32];         /* of all but tickets */
    uint8_t anchors[32];        /* of the trust anchors alone */
};

/* ---- What it is, in 32 bytes ---- */

static bool mix(EVP_MD_CTX *digest, const void *bytes, size_t length)
{
    uint64_t size = length;
    return EVP_DigestUpdate(digest, &size, sizeof size) == 1 && EVP_DigestUpdate(digest, bytes, length) == 1;
}

static bool mix_certificate(EVP_MD_CTX *digest, X509 *certificate)
{
    unsigned char *der = NULL;
    int length = certificate != NULL ? i2d_X509(certificate, &der) : 0;
    bool mixed = length >= 0 && mix(digest, der, (size_t)length);
    OPENSSL_free(der);
    return mixed;
}

static bool mix_all(EVP_MD_CTX *digest, const struct dots_material *material)
{
    STACK_OF(X509) *chain = NULL;
    if (EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1 ||
        !mix_certificate(digest, SSL_CTX_get0_certificate(material->loaded)) ||
        !mix(digest, material->anchors, sizeof material->anchors))
        return false;
    SSL_CTX_get0_chain_certs(material->loaded, &chain);
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (!mix_certificate(digest, sk_X509_value(chain, i)))
            return false;
    return material->psk_identity == NULL || (mix(digest, material->psk_identity, strlen(material->psk_identity)) &&
                                              mix(digest, material->psk_key, material->psk_key_length));
}

static int set_digest(struct dots_material *material)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done = digest != NULL && mix_all(digest, material) && EVP_DigestFinal_ex(digest, material->digest, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return done ? 0 : -1;
}

/* ---- Reading ---- */

static int copy_psk(struct dots_material *material, const struct dots_credentials *credentials)
{
    if (credentials->psk_identity == NULL)
        return 0;
    material->psk_identity = strdup(credentials->psk_identity);
    material->psk_key = malloc(credentials->psk_key_length > 0 ? credentials->psk_key_length : 1);
    if (material->psk_identity == NULL || material->psk_key == NULL)
        return -1;
    material->psk_key_length = credentials->psk_key_length;
    memcpy(material->psk_key, credentials->psk_key, credentials->psk_key_length);
    return 0;
}

static int load(struct dots_material *material, const struct dots_credentials *credentials, char *error,
                size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    ERR_clear_error();
    material->loaded = SSL_CTX_new(TLS_method());
    if (material->loaded == NULL || copy_psk(material, credentials) != 0)
        return -1;
    if (credentials->certificate != NULL && tls_load_certificate(material->loaded, credentials->certificate,
                                                                 credentials->private_key, error, error_size) != 0)
        return -1;
    if (credentials->trust_anchors != NULL &&
        tls_load_anchors(material->loaded, credentials->trust_anchors, error, error_size) != 0)
        return -1;
    if (credentials->ticket_keys_length > 0)
        tls_tickets_give(&material->tickets, credentials->ticket_keys, credentials->ticket_keys_length);
    return tls_anchors_digest(material->loaded, material->anchors) == 0 ? set_digest(material) : -1;
}

struct dots_material *dots_material_load(const struct dots_credentials *credentials, char *error, size_t error_size)
{
    struct dots_material *material = calloc(1, sizeof *material);
    if (material == NULL)
        snprintf(error, error_size, "out of memory");
    else if (load(material, credentials, error, error_size) == 0)
        return material;
    dots_material_free(material);
    return NULL;
}

void dots_material_free(struct dots_material *material)
{
    if (material == NULL)
        return;
    if (material->psk_key != NULL)
        OPENSSL_cleanse(material->psk_key, material->psk_key_length);
    free(material->psk_key);
    free(material->psk_identity);
    SSL_CTX_free(material->loaded);
    tls_tickets_wipe(&material->tickets);
    free(material);
}

/* ---- Use ---- */

int material_apply(SSL_CTX *context, const struct dots_material *material)
{
    X509 *certificate = SSL_CTX_get0_certificate(material->loaded);
    STACK_OF(X509) *chain = NULL;
    const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(material->loaded);
    STACK_OF(X509_NAME) *copy = names != NULL ? SSL_dup_CA_list(names) : NULL;
    if (names != NULL && copy == NULL)
        return -1;
    SSL_CTX_set_client_CA_list(context, copy); /* takes it */
    SSL_CTX_set1_cert_store(context, SSL_CTX_get_cert_store(material->loaded));
    SSL_CTX_get0_chain_certs(material->loaded, &chain);
    if (certificate != NULL &&
        SSL_CTX_use_cert_and_key(context, certificate, SSL_CTX_get0_privatekey(material->loaded), chain, 1) != 1)
        return -1;
    return 0;
}

int material_psk(struct dots_endpoint *endpoint, const struct dots_material *material)
{
    char *identity = material->psk_identity != NULL ? strdup(material->psk_identity) : NULL;
    uint8_t *key = malloc(material->psk_key_length > 0 ? material->psk_key_length : 1);
    if (key == NULL || (material->psk_identity != NULL && identity == NULL)) {
        free(identity);
        free(key);
        return -1;
    }
    if (material->psk_key_length > 0)
        memcpy(key, material->psk_key, material->psk_key_length);
    if (endpoint->psk_key != NULL)
        OPENSSL_cleanse(endpoint->psk_key, endpoint->psk_key_length);
    free(endpoint->psk_key);
    free(endpoint->psk_identity);
    endpoint->psk_identity = identity;
    endpoint->psk_key = key;
    endpoint->psk_key_length = material->psk_key_length;
    memcpy(endpoint->material, material->digest, sizeof endpoint->material);
    memcpy(endpoint->anchors, material->anchors, sizeof endpoint->anchors);
    return 0;
}

void material_tickets(struct dots_endpoint *endpoint, const struct dots_material *material)
{
    tickets_renew(endpoint, &material->tickets);
}

bool dots_endpoint_renew(struct dots_endpoint *endpoint, const struct dots_material *material)
{
    material_tickets(endpoint, material);
    if (CRYPTO_memcmp(endpoint->material, material->digest, sizeof endpoint->material) == 0)
        return false;
    for (size_t i = 0; i < 2; i++)
        if (material_apply(endpoint->contexts[i], material) != 0)
            ERR_clear_error(); /* tls_show decides */
    material_psk(endpoint, material);
    SSL_CTX_free(endpoint->shown);
    endpoint->shown = SSL_CTX_up_ref(material->loaded) == 1 ? material->loaded : NULL;
    dots_endpoint_forget_tickets(endpoint);
    return true;
}

void tls_show(SSL *ssl, const struct dots_endpoint *endpoint)
{
    STACK_OF(X509) *chain = NULL;
    X509 *certificate = endpoint->shown != NULL ? SSL_CTX_get0_certificate(endpoint->shown) : NULL;
    if (endpoint->shown == NULL)
        return;
    SSL_certs_clear(ssl);
    SSL_CTX_get0_chain_certs(endpoint->shown, &chain);
    if (certificate != NULL)
        SSL_use_cert_and_key(ssl, certificate, SSL_CTX_get0_privatekey(endpoint->shown), chain, 1);
}
