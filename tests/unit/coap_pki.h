/* coap_pki: certificates of the coap tests, made anew for each run in a folder of their own. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/log/log.h"

#define UNUSED __attribute__((unused))
#define SERVER_NAME "dots.example"

struct certificate {
    char certificate[160], key[160]; /* files */
    X509 *x509;
    EVP_PKEY *pkey;
};

static char pki_folder[64];
static struct certificate pki_ca, pki_server, pki_client, pki_expired, pki_other_ca, pki_stranger, pki_intermediate,
    pki_below;
static char pki_chain[160]; /* pki_below and pki_intermediate */

static UNUSED void add_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

static UNUSED void write_pem(struct certificate *to, const char *name)
{
    snprintf(to->certificate, sizeof to->certificate, "%s/%s.pem", pki_folder, name);
    snprintf(to->key, sizeof to->key, "%s/%s.key", pki_folder, name);
    FILE *file = fopen(to->certificate, "w");
    assert_non_null(file);
    PEM_write_X509(file, to->x509);
    fclose(file);
    file = fopen(to->key, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, to->pkey, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

/* issuer NULL: self-signed CA. sans NULL: a CA below the issuer. days: of validity from yesterday on. */
static UNUSED void make_certificate(struct certificate *to, const char *name, const struct certificate *issuer,
                                    const char *sans, int days)
{
    static long serial = 1;
    to->pkey = EVP_EC_gen("P-256");
    to->x509 = X509_new();
    assert_true(to->pkey != NULL && to->x509 != NULL);
    X509_set_version(to->x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(to->x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(to->x509), -86400 * 10L);
    X509_gmtime_adj(X509_getm_notAfter(to->x509), 86400L * days);
    X509_set_pubkey(to->x509, to->pkey);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(to->x509), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                               0);
    X509_set_issuer_name(to->x509, X509_get_subject_name(issuer != NULL ? issuer->x509 : to->x509));
    add_extension(to->x509, NID_basic_constraints, sans == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (sans != NULL)
        add_extension(to->x509, NID_subject_alt_name, sans);
    assert_true(X509_sign(to->x509, issuer != NULL ? issuer->pkey : to->pkey, EVP_sha256()) > 0);
    write_pem(to, name);
}

static UNUSED void append_file(FILE *to, const char *name)
{
    char text[4096];
    FILE *from = fopen(name, "r");
    assert_non_null(from);
    size_t length = fread(text, 1, sizeof text, from);
    fwrite(text, 1, length, to);
    fclose(from);
}

static UNUSED int make_pki(void **state)
{
    (void)state;
    log_configure(getenv("COAP_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    signal(SIGPIPE, SIG_IGN);
    snprintf(pki_folder, sizeof pki_folder, "/tmp/dotsgw-coap-XXXXXX");
    if (mkdtemp(pki_folder) == NULL)
        return -1;
    make_certificate(&pki_ca, "ca", NULL, NULL, 30);
    make_certificate(&pki_server, "server", &pki_ca, "DNS:" SERVER_NAME ",IP:127.0.0.1", 30);
    make_certificate(&pki_client, "client", &pki_ca, "DNS:www1.example,IP:192.0.2.1,IP:2001:db8::1,URI:dots:client",
                     30);
    make_certificate(&pki_expired, "expired", &pki_ca, "DNS:old.example", -1);
    make_certificate(&pki_other_ca, "other-ca", NULL, NULL, 30);
    make_certificate(&pki_stranger, "stranger", &pki_other_ca, "DNS:www1.example", 30);
    make_certificate(&pki_intermediate, "intermediate", &pki_ca, NULL, 30);
    make_certificate(&pki_below, "below", &pki_intermediate, "DNS:" SERVER_NAME, 30);
    snprintf(pki_chain, sizeof pki_chain, "%s/chain.pem", pki_folder);
    FILE *chain = fopen(pki_chain, "w");
    append_file(chain, pki_below.certificate);
    append_file(chain, pki_intermediate.certificate);
    fclose(chain);
    return 0;
}

static UNUSED void forget_certificate(struct certificate *certificate)
{
    unlink(certificate->certificate);
    unlink(certificate->key);
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->pkey);
}

static UNUSED int remove_pki(void **state)
{
    (void)state;
    struct certificate *all[] = {&pki_ca,       &pki_server,   &pki_client,       &pki_expired,
                                 &pki_other_ca, &pki_stranger, &pki_intermediate, &pki_below};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        forget_certificate(all[i]);
    unlink(pki_chain);
    return rmdir(pki_folder);
}
