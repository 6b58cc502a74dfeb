#include "tests/bench/support/pki.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

static void write_files(X509 *certificate, EVP_PKEY *key, const char *certificate_file, const char *key_file)
{
    FILE *file = fopen(certificate_file, "w");

    if (!file || PEM_write_X509(file, certificate) != 1)
        fail("cannot write a certificate");
    fclose(file);
    if (!key_file)
        return;
    file = fopen(key_file, "w");
    if (!file || PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1)
        fail("cannot write a key");
    fclose(file);
}

static void add(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *names)
{
    static long serial;
    X509 *certificate = X509_new();

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer ? issuer : certificate));
    add(certificate, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (names)
        add(certificate, NID_subject_alt_name, names);
    if (X509_sign(certificate, issuer_key, EVP_sha256()) <= 0)
        fail("cannot sign a certificate");
    return certificate;
}

static void make_below(const char *name, const char *names, X509 *ca, EVP_PKEY *ca_key, const char *file,
                       const char *key_file)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make(name, key, ca, ca_key, names);

    write_files(certificate, key, file, key_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void pki_make(struct pki *pki)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = make("ca", key, NULL, key, NULL);

    snprintf(pki->folder, sizeof(pki->folder), "/tmp/dotsgw-bench-XXXXXX");
    if (!mkdtemp(pki->folder))
        fail("cannot make a folder in /tmp");
    snprintf(pki->ca, sizeof(pki->ca), "%s/ca.pem", pki->folder);
    snprintf(pki->server, sizeof(pki->server), "%s/server.pem", pki->folder);
    snprintf(pki->server_key, sizeof(pki->server_key), "%s/server.key", pki->folder);
    snprintf(pki->client, sizeof(pki->client), "%s/client.pem", pki->folder);
    snprintf(pki->client_key, sizeof(pki->client_key), "%s/client.key", pki->folder);
    write_files(ca, key, pki->ca, NULL);
    make_below("server", "DNS:" PKI_SERVER_NAME ",IP:127.0.0.1", ca, key, pki->server, pki->server_key);
    make_below("client", "DNS:" PKI_CLIENT_NAME, ca, key, pki->client, pki->client_key);
    X509_free(ca);
    EVP_PKEY_free(key);
}

void pki_remove(const struct pki *pki)
{
    unlink(pki->ca);
    unlink(pki->server);
    unlink(pki->server_key);
    unlink(pki->client);
    unlink(pki->client_key);
    rmdir(pki->folder);
}
