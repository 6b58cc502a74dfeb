/* A directory with the files that configurations name: certificates and keys made for the occasion,
 * PSK keys, programs; all of it is removed at the end. And the log in memory: included once by each
 * program, it defines log_write in place of the log module's. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/config/load.h"
#include "gateway/log/log.h"

static char fixture_directory[] = "/tmp/dotsgw-config-XXXXXX";

static char log_text[4096]; /* events and messages since the last fixture_load */

bool log_enabled(enum log_level level)
{
    return level < LOG_LEVEL_DEBUG;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    size_t used = strlen(log_text);
    va_list arguments;

    (void)level;
    used += (size_t)snprintf(log_text + used, sizeof(log_text) - used, "%s: ", event);
    assert_true(used < sizeof(log_text));
    va_start(arguments, format);
    vsnprintf(log_text + used, sizeof(log_text) - used, format, arguments);
    va_end(arguments);
}

static inline const char *fixture_path(const char *name)
{
    static char path[sizeof(fixture_directory) + 256];

    snprintf(path, sizeof(path), "%s/%s", fixture_directory, name);
    return path;
}

static inline void fixture_write(const char *name, const char *text, size_t length, mode_t mode)
{
    FILE *file = fopen(fixture_path(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(fixture_path(name), mode), 0);
}

static inline void fixture_text(const char *name, const char *text)
{
    fixture_write(name, text, strlen(text), 0600);
}

/* A self-signed certificate for a fresh P-256 key, in NAME.pem and NAME.key; valid from now + begin. */
static inline void fixture_certificate(const char *name, long begin, long end)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_NAME_new();
    char file[64];
    FILE *out;

    assert_true(key && certificate && subject);
    assert_true(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0));
    assert_true(X509_set_version(certificate, 2) && ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
    assert_true(X509_set_subject_name(certificate, subject) && X509_set_issuer_name(certificate, subject));
    assert_true(X509_gmtime_adj(X509_getm_notBefore(certificate), begin) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), end));
    assert_true(X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()) > 0);
    snprintf(file, sizeof(file), "%s.pem", name);
    out = fopen(fixture_path(file), "w");
    assert_true(out && PEM_write_X509(out, certificate) && fclose(out) == 0);
    snprintf(file, sizeof(file), "%s.key", name);
    fixture_text(file, "");
    out = fopen(fixture_path(file), "w");
    assert_true(out && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) && fclose(out) == 0);
    snprintf(file, sizeof(file), "%s-encrypted.key", name);
    out = fopen(fixture_path(file), "w");
    assert_true(out && PEM_write_PKCS8PrivateKey(out, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL) &&
                fclose(out) == 0);
    X509_NAME_free(subject);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline int fixture_make(void **state)
{
    (void)state;
    if (!mkdtemp(fixture_directory))
        return -1;
    fixture_certificate("gw", -60, 86400);
    fixture_certificate("ca", -60, 86400);
    fixture_text("web1.psk", "00112233445566778899aabbccddeeff\n");
    fixture_text("text.psk", "text:correct horse battery staple\n");
    fixture_text("tickets", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v"
                            "MDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk8=\n");
    fixture_write("page.sh", "#!/bin/sh\n", 10, 0755);
    return 0;
}

static inline int fixture_remove(void **state)
{
    DIR *directory = opendir(fixture_directory);
    const struct dirent *entry;

    (void)state;
    while (directory && (entry = readdir(directory)))
        if (entry->d_name[0] != '.')
            (void)unlink(fixture_path(entry->d_name));
    if (directory)
        closedir(directory);
    return rmdir(fixture_directory);
}

/* Loads text as if it lay in the directory. */
static inline struct config *fixture_load(const char *text, struct config_error *error)
{
    log_text[0] = 0;
    return config_load_text("dotsgw.yaml", text, strlen(text), fixture_directory, true, error);
}

/* The same, when it must be accepted. */
static inline struct config *fixture_accept(const char *text)
{
    struct config_error error;
    struct config *config = fixture_load(text, &error);

    if (!config) {
        fail_msg("line %d, column %d: %s", error.line, error.column, error.text);
        abort(); /* for tools that do not know that fail_msg() never returns */
    }
    return config;
}
