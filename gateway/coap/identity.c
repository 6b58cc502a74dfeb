/* identity: what the peer proved in the handshake, and our own in the same terms. */
#include "gateway/coap/private.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define SANS_MAX 64
#define SAN_LENGTH_MAX 1024

/* RFC 9132 section 4.4.1.1: SHA-256 cut to 16 bytes, base64url without the padding. */
static void shorten(const uint8_t digest[32], char hash[23])
{
    unsigned char text[25];
    EVP_EncodeBlock(text, digest, 16);
    memcpy(hash, text, 22);
    for (size_t i = 0; i < 22; i++)
        if (hash[i] == '+' || hash[i] == '/')
            hash[i] = hash[i] == '+' ? '-' : '_';
    hash[22] = '\0';
}

static int hash_spki(X509 *certificate, uint8_t digest[32])
{
    unsigned char *der = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (length <= 0)
        return -1;
    int done = EVP_Digest(der, (size_t)length, digest, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return done == 1 ? 0 : -1;
}

static int hash_text(const char *text, uint8_t digest[32])
{
    return EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -1;
}

/* NULL for other kinds, and for names with a NUL inside, which are forgeries. */
static char *name_text(const GENERAL_NAME *name)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    if (type != GEN_DNS && type != GEN_URI && type != GEN_IPADD)
        return NULL;
    const unsigned char *bytes = ASN1_STRING_get0_data(value);
    int length = ASN1_STRING_length(value);
    if (type == GEN_IPADD) {
        char text[INET6_ADDRSTRLEN];
        int family = length == 4 ? AF_INET : length == 16 ? AF_INET6 : AF_UNSPEC;
        return family != AF_UNSPEC && inet_ntop(family, bytes, text, sizeof text) != NULL ? strdup(text) : NULL;
    }
    if (length <= 0 || length > SAN_LENGTH_MAX || memchr(bytes, '\0', (size_t)length) != NULL)
        return NULL;
    return strndup((const char *)bytes, (size_t)length);
}

static int read_sans(struct dots_identity *identity, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
    if (count > SANS_MAX)
        count = SANS_MAX;
    const char **sans = count > 0 ? calloc((size_t)count, sizeof *sans) : NULL;
    if (count > 0 && sans == NULL) {
        GENERAL_NAMES_free(names);
        return -1;
    }
    for (int i = 0; i < count; i++) {
        char *text = name_text(sk_GENERAL_NAME_value(names, i));
        if (text != NULL)
            sans[identity->san_count++] = text;
    }
    identity->sans = sans;
    GENERAL_NAMES_free(names);
    return 0;
}

static int take_certificate(struct dots_identity *identity, X509 *certificate)
{
    int done = hash_spki(certificate, identity->spki_sha256) == 0 ? read_sans(identity, certificate) : -1;
    shorten(identity->spki_sha256, identity->hash);
    return done;
}

static int read_certificate(struct dots_identity *identity, SSL *ssl)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    if (certificate == NULL || SSL_get_verify_result(ssl) != X509_V_OK) {
        X509_free(certificate);
        return -1;
    }
    int done = take_certificate(identity, certificate);
    X509_free(certificate);
    return done;
}

static int read_psk(struct dots_identity *identity, const char *name)
{
    uint8_t digest[32];
    identity->psk = true;
    identity->psk_identity = strdup(name);
    if (identity->psk_identity == NULL || hash_text(name, digest) != 0)
        return -1;
    shorten(digest, identity->hash);
    return 0;
}

/* NULL when nothing was proved, which a correct profile does not let happen, or out of memory. */
struct dots_identity *identity_new(SSL *ssl, const struct handshake *handshake)
{
    struct dots_identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL)
        return NULL;
    const char *psk = handshake->server ? handshake->psk_identity : handshake->endpoint->psk_identity;
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    int done = certificate != NULL ? read_certificate(identity, ssl) : psk != NULL ? read_psk(identity, psk) : -1;
    identity->resumed = handshake->resumed;
    if (done != 0) {
        identity_free(identity);
        return NULL;
    }
    return identity;
}

void identity_free(struct dots_identity *identity)
{
    if (identity == NULL)
        return;
    for (size_t i = 0; i < identity->san_count; i++)
        free((char *)identity->sans[i]);
    free((void *)identity->sans);
    free((char *)identity->psk_identity);
    free(identity);
}

struct dots_identity *dots_identity_of_certificate(struct x509_st *certificate)
{
    struct dots_identity *identity = calloc(1, sizeof *identity);
    if (identity != NULL && take_certificate(identity, certificate) != 0) {
        identity_free(identity);
        return NULL;
    }
    return identity;
}

void dots_identity_free(struct dots_identity *identity)
{
    identity_free(identity);
}

int dots_credentials_hash(const struct dots_credentials *credentials, char hash[23])
{
    uint8_t digest[32];
    int done = -1;
    if (credentials->psk_identity != NULL) {
        done = hash_text(credentials->psk_identity, digest);
    } else if (credentials->certificate != NULL) {
        BIO *file = BIO_new_file(credentials->certificate, "r");
        X509 *certificate = file != NULL ? PEM_read_bio_X509_AUX(file, NULL, NULL, NULL) : NULL;
        if (certificate != NULL)
            done = hash_spki(certificate, digest);
        X509_free(certificate);
        BIO_free(file);
        ERR_clear_error();
    }
    if (done == 0)
        shorten(digest, hash);
    return done;
}
