/* credentials: PEM files into OpenSSL's objects, and these into a context. */
#include "northbound/data/credentials.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

/* RFC 9325 section 4.2, for TLS 1.2. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct credentials {
    X509 *certificate;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    X509_STORE *trusted;
};

/* Never asks anybody: config has refused encrypted keys. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return 0;
}

/* Each certificate of the file; the callback takes it over when it returns 0. */
static int each_certificate(const char *file, int (*each)(struct credentials *credentials, X509 *certificate),
                            struct credentials *credentials)
{
    FILE *stream = fopen(file, "re");
    X509 *certificate;
    int result = stream ? 0 : -1;

    while (result == 0 && (certificate = PEM_read_X509(stream, NULL, no_password, NULL)) != NULL)
        if (each(credentials, certificate) != 0) {
            X509_free(certificate);
            result = -1;
        }
    ERR_clear_error(); /* the end of the file is one */
    if (stream)
        fclose(stream);
    return result;
}

static int take_own(struct credentials *credentials, X509 *certificate)
{
    if (credentials->certificate)
        return sk_X509_push(credentials->chain, certificate) > 0 ? 0 : -1;
    credentials->certificate = certificate;
    return 0;
}

static int take_trusted(struct credentials *credentials, X509 *certificate)
{
    if (X509_STORE_add_cert(credentials->trusted, certificate) != 1)
        return -1;
    X509_free(certificate); /* the store has a reference */
    return 0;
}

static int read_files(struct credentials *credentials, const struct config_credentials *config, char *error,
                      size_t error_size)
{
    const char *wrong = NULL;
    FILE *stream;

    if (each_certificate(config->certificate, take_own, credentials) != 0 || !credentials->certificate)
        wrong = config->certificate;
    else if (each_certificate(config->trust_anchors, take_trusted, credentials) != 0)
        wrong = config->trust_anchors;
    stream = fopen(config->private_key, "re");
    if (stream) {
        credentials->key = PEM_read_PrivateKey(stream, NULL, no_password, NULL);
        fclose(stream);
    }
    if (!wrong && !credentials->key)
        wrong = config->private_key;
    ERR_clear_error();
    if (wrong)
        snprintf(error, error_size, "%s: cannot be read as PEM", wrong);
    return wrong ? -1 : 0;
}

struct credentials *credentials_read(const struct config_credentials *config, char *error, size_t error_size)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));

    if (credentials) {
        credentials->chain = sk_X509_new_null();
        credentials->trusted = X509_STORE_new();
    }
    if (!credentials || !credentials->chain || !credentials->trusted)
        snprintf(error, error_size, "out of memory");
    else if (read_files(credentials, config, error, error_size) == 0)
        return credentials;
    credentials_free(credentials);
    return NULL;
}

void credentials_free(struct credentials *credentials)
{
    if (!credentials)
        return;
    X509_free(credentials->certificate);
    sk_X509_pop_free(credentials->chain, X509_free);
    EVP_PKEY_free(credentials->key);
    X509_STORE_free(credentials->trusted);
    free(credentials);
}

int credentials_use(const struct credentials *credentials, SSL_CTX *context, const char *host)
{
    X509_VERIFY_PARAM *checked = SSL_CTX_get0_param(context);

    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_hostflags(checked,
                                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(context, CIPHERS) != 1 ||
        X509_VERIFY_PARAM_set1_host(checked, host, 0) != 1 ||
        SSL_CTX_use_certificate(context, credentials->certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, credentials->key) != 1)
        return -1;
    for (int i = 0; i < sk_X509_num(credentials->chain); i++)
        if (SSL_CTX_add1_chain_cert(context, sk_X509_value(credentials->chain, i)) != 1)
            return -1;
    SSL_CTX_set1_cert_store(context, credentials->trusted); /* in place of whatever the system trusts */
    return 0;
}
