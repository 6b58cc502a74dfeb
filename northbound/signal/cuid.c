/* cuid: the gateway's own client identifiers at an upstream (RFC 9132 section 4.4.1.1), stable and opaque. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "northbound/signal/northbound_state.h"

#define LABEL "dotsgw: cuid of a requester at an upstream"

/* Never asks anybody: config has refused encrypted keys. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return 0;
}

static unsigned char *private_key(const char *file, int *length)
{
    FILE *stream = fopen(file, "re");
    EVP_PKEY *key = stream ? PEM_read_PrivateKey(stream, NULL, no_password, NULL) : NULL;
    unsigned char *der = NULL;

    *length = key ? i2d_PrivateKey(key, &der) : -1;
    EVP_PKEY_free(key);
    if (stream)
        fclose(stream);
    return *length > 0 ? der : NULL;
}

/* Derived from the key, so that it needs no record and nobody else can tell which client a cuid is. */
static int digest(const void *key, size_t length, uint8_t secret[32])
{
    unsigned int size = 32;

    return HMAC(EVP_sha256(), LABEL, sizeof(LABEL) - 1, key, length, secret, &size) ? 0 : -1;
}

int cuid_secret(const struct config_credentials *credentials, uint8_t secret[32], char *error, size_t error_size)
{
    unsigned char *der;
    int length, result;

    if (credentials->psk_identity) {
        result = digest(credentials->psk_key.at, credentials->psk_key.length, secret);
    } else {
        der = credentials->private_key ? private_key(credentials->private_key, &length) : NULL;
        result = der ? digest(der, (size_t)length, secret) : -1;
        OPENSSL_clear_free(der, der ? (size_t)length : 0);
    }
    if (result != 0)
        snprintf(error, error_size, "%s: cannot be read as a private key",
                 credentials->private_key ? credentials->private_key : "credentials");
    return result;
}

static bool append(uint8_t *buffer, size_t size, size_t *at, const char *text)
{
    size_t length = strlen(text) + 1; /* with its NUL: two texts cannot run into each other */

    if (length > size - *at)
        return false;
    memcpy(buffer + *at, text, length);
    *at += length;
    return true;
}

/* base64url without padding: 16 bytes are 22 characters. */
static void encode(const uint8_t bytes[16], char cuid[23])
{
    unsigned char text[25];

    EVP_EncodeBlock(text, bytes, 16);
    for (int i = 0; i < 22; i++)
        cuid[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    cuid[22] = '\0';
}

int cuid_derive(const uint8_t secret[32], const char *upstream, const struct requester *owner, uint32_t attempt,
                char cuid[23])
{
    uint8_t input[1024], output[32];
    unsigned int size = sizeof(output);
    char number[16];
    size_t at = 0;

    snprintf(number, sizeof(number), "%u", (unsigned)attempt);
    if (!append(input, sizeof(input), &at, upstream) || !append(input, sizeof(input), &at, number) ||
        (owner && (!append(input, sizeof(input), &at, owner->client) ||
                   !append(input, sizeof(input), &at, owner->cdid) || !append(input, sizeof(input), &at, owner->cuid))))
        return -1;
    if (!HMAC(EVP_sha256(), secret, 32, input, at, output, &size))
        return -1;
    encode(output, cuid);
    return 0;
}
