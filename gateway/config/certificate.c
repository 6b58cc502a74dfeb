/* certificate: parsing PEM files with OpenSSL. */
#include "gateway/config/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "gateway/config/file.h"

#define PEM_FILE_MAX ((size_t)4 << 20) /* all anchors of a system are a quarter of a MiB */

static const char *why(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "unknown format";
}

/* The content of a file as a BIO over *content; NULL after a fault at node. */
static BIO *pem_open(struct loader *loader, const struct node *node, const char *path, struct config_bytes *content)
{
    char reason[160];
    BIO *bio;

    ERR_clear_error();
    if (config_file_read(path, PEM_FILE_MAX, content, reason, sizeof(reason)) != 0) {
        config_fault(loader, node, "%s %s", path, reason);
        return NULL;
    }
    bio = BIO_new_mem_buf(content->at, (int)content->length);
    if (!bio)
        config_fault(loader, node, "%s cannot be read: out of memory", path);
    return bio;
}

static void pem_close(BIO *bio, struct config_bytes *content)
{
    BIO_free(bio);
    config_bytes_free(content);
    ERR_clear_error();
}

/* All certificates of a file must parse, and there must be one. Returns the first, or NULL after a fault. */
static X509 *certificates(struct loader *loader, const struct node *node, const char *path)
{
    struct config_bytes content = {0};
    BIO *bio = pem_open(loader, node, path, &content);
    X509 *first = NULL, *more = NULL;

    if (!bio)
        return NULL;
    first = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (!first && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        config_fault(loader, node, "%s holds no certificate in PEM (-----BEGIN CERTIFICATE-----)", path);
    else if (!first)
        config_fault(loader, node, "%s holds a certificate that does not parse: %s", path, why());
    while (first && (more = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        X509_free(more);
    if (first && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        config_fault(loader, node, "%s holds a further certificate that does not parse: %s", path, why());
        X509_free(first);
        first = NULL;
    }
    pem_close(bio, &content);
    return first;
}

static int passphrase(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

static EVP_PKEY *private_key(struct loader *loader, const struct node *node, const char *path)
{
    struct config_bytes content = {0};
    BIO *bio = pem_open(loader, node, path, &content);
    EVP_PKEY *key = NULL;
    bool asked = false;

    if (!bio)
        return NULL;
    key = PEM_read_bio_PrivateKey(bio, NULL, passphrase, &asked);
    if (asked)
        config_fault(
            loader, node,
            "%s is encrypted and nobody is there to ask for its passphrase; write it without one: openssl pkey -in %s -out KEY",
            path, path);
    else if (!key && !strstr((const char *)content.at, "PRIVATE KEY-----"))
        config_fault(loader, node, "%s holds no private key in PEM (-----BEGIN PRIVATE KEY-----)", path);
    else if (!key)
        config_fault(loader, node, "%s holds a private key that does not parse: %s", path, why());
    else
        config_warn_open(loader, path);
    pem_close(bio, &content);
    return key;
}

static void warn_validity(const X509 *certificate, const char *path)
{
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        log_warning("config-certificate-expired", "%s has expired: peers will refuse it; renew it", path);
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        log_warning("config-certificate-early", "%s is not valid yet: peers will refuse it; check the clock", path);
}

/* Certificate and key: each fine, and of one pair. */
static int pair_check(struct loader *loader, const struct node *map, const struct config_credentials *credentials)
{
    const struct node *key_node = config_node_find(map, "private-key");
    X509 *certificate = certificates(loader, config_node_find(map, "certificate"), credentials->certificate);
    EVP_PKEY *key = NULL;
    int result = -1;

    if (certificate)
        key = private_key(loader, key_node, credentials->private_key);
    if (key && X509_check_private_key(certificate, key) == 1)
        result = 0;
    else if (key)
        config_fault(loader, key_node, "%s is not the key of the certificate in %s; give the two of one pair",
                     credentials->private_key, credentials->certificate);
    if (result == 0)
        warn_validity(certificate, credentials->certificate);
    ERR_clear_error();
    EVP_PKEY_free(key);
    X509_free(certificate);
    return result;
}

int config_certificate_check(struct loader *loader, const struct node *map,
                             const struct config_credentials *credentials)
{
    X509 *anchor;

    if (!loader->read_files)
        return 0;
    if (credentials->certificate && pair_check(loader, map, credentials) != 0)
        return -1;
    if (!credentials->trust_anchors)
        return 0;
    anchor = certificates(loader, config_node_find(map, "trust-anchors"), credentials->trust_anchors);
    X509_free(anchor);
    return anchor ? 0 : -1;
}
