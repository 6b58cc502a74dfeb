/* files: what an SSL_CTX needs, from PEM. */
#include "gateway/tls/tls.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

const char *tls_reason(void)
{
    unsigned long code = ERR_peek_error(); /* the first is the cause, later ones say where it led */
    const char *reason = ERR_reason_error_string(code);
    if (ERR_SYSTEM_ERROR(code))
        reason = strerror(ERR_GET_REASON(code));
    return reason != NULL ? reason : "not usable";
}

static int load_failed(const char *what, const char *file, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: %s: %s", file, what, tls_reason());
    ERR_clear_error();
    return -1;
}

int tls_load_certificate(SSL_CTX *context, const char *certificate, const char *private_key, char *error,
                         size_t error_size)
{
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return load_failed("no certificate chain in PEM", certificate, error, error_size);
    if (private_key == NULL) {
        snprintf(error, error_size, "%s: a certificate needs its private key", certificate);
        return -1;
    }
    if (SSL_CTX_use_PrivateKey_file(context, private_key, SSL_FILETYPE_PEM) != 1)
        return load_failed("no private key in PEM that fits the certificate", private_key, error, error_size);
    return 0;
}

int tls_load_anchors(SSL_CTX *context, const char *file, char *error, size_t error_size)
{
    if (SSL_CTX_load_verify_file(context, file) != 1)
        return load_failed("no trust anchors in PEM", file, error, error_size);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (names == NULL)
        return load_failed("no trust anchors in PEM", file, error, error_size);
    SSL_CTX_set_client_CA_list(context, names); /* takes them */
    return 0;
}
