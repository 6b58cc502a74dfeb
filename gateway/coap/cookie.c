/*
 * cookie: the stateless cookie exchange of DTLS 1.2 (RFC 6347 section 4.2.1), on datagrams.
 *
 * A ClientHello is taken apart just far enough to find its cookie; anything odd is left to nobody.
 */
#include "gateway/coap/private.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#define LIFETIME 30000 /* ms of a secret; a cookie is good under it and the next one */
#define RECORD_HEADER 13
#define MESSAGE_HEADER 12
#define VERSION_AND_RANDOM 34
#define CONTENT_HANDSHAKE 22
#define CLIENT_HELLO 1
#define HELLO_VERIFY_REQUEST 3

static size_t read16(const uint8_t *at)
{
    return (size_t)at[0] << 8 | at[1];
}

static size_t read24(const uint8_t *at)
{
    return (size_t)at[0] << 16 | read16(at + 1);
}

/* The one record of the datagram is a whole ClientHello of epoch 0: its cookie, which may be empty. NULL: it is not. */
static const uint8_t *find_cookie(const uint8_t *datagram, size_t size, size_t *length)
{
    const uint8_t *message = datagram + RECORD_HEADER;
    if (size < RECORD_HEADER + MESSAGE_HEADER + VERSION_AND_RANDOM + 2 || datagram[0] != CONTENT_HANDSHAKE ||
        datagram[1] != 254 || read16(datagram + 3) != 0 || message[0] != CLIENT_HELLO)
        return NULL;
    size_t record = read16(datagram + 11), body = read24(message + 1);
    if (record > size - RECORD_HEADER || body + MESSAGE_HEADER > record || read24(message + 6) != 0 ||
        read24(message + 9) != body) /* in fragments, which a server need not take here: section 4.2.1 */
        return NULL;
    const uint8_t *at = message + MESSAGE_HEADER + VERSION_AND_RANDOM;
    const uint8_t *end = message + MESSAGE_HEADER + body;
    if (at >= end || (size_t)(end - at) < 1U + at[0] + 1U)
        return NULL;
    at += 1 + at[0]; /* session id */
    *length = at[0];
    at++;
    return (size_t)(end - at) >= *length ? at : NULL;
}

static bool make(const uint8_t secret[32], const struct sockaddr_in6 *peer, uint8_t cookie[COOKIE_SIZE])
{
    uint8_t digest[32];
    unsigned length = sizeof digest;
    if (HMAC(EVP_sha256(), secret, 32, (const uint8_t *)peer, sizeof *peer, digest, &length) == NULL)
        return false;
    memcpy(cookie, digest, COOKIE_SIZE);
    return true;
}

static void renew(struct cookie_secrets *secrets, uint64_t now)
{
    uint8_t fresh[32];
    if (secrets->known && now - secrets->made < LIFETIME)
        return;
    if (RAND_bytes(fresh, sizeof fresh) != 1)
        return;
    memcpy(secrets->previous, secrets->known ? secrets->current : fresh, sizeof fresh);
    memcpy(secrets->current, fresh, sizeof fresh);
    secrets->made = now;
    secrets->known = true;
}

/* peer: as session_copy_peer writes it, so that no byte of it is undefined. */
enum hello cookie_judge(struct cookie_secrets *secrets, const struct sockaddr_in6 *peer, const uint8_t *datagram,
                        size_t size, uint64_t now)
{
    uint8_t expected[COOKIE_SIZE];
    size_t length;
    const uint8_t *cookie = find_cookie(datagram, size, &length);
    if (cookie == NULL)
        return HELLO_NONE;
    renew(secrets, now);
    if (length != COOKIE_SIZE || !secrets->known)
        return HELLO_UNPROVEN;
    bool good = make(secrets->current, peer, expected) && CRYPTO_memcmp(expected, cookie, COOKIE_SIZE) == 0;
    good = good || (make(secrets->previous, peer, expected) && CRYPTO_memcmp(expected, cookie, COOKIE_SIZE) == 0);
    return good ? HELLO_PROVEN : HELLO_UNPROVEN;
}

/* The HelloVerifyRequest for a ClientHello that was judged; its size, or 0. */
size_t cookie_request(const struct cookie_secrets *secrets, const struct sockaddr_in6 *peer, const uint8_t *hello,
                      uint8_t request[COOKIE_REQUEST_SIZE])
{
    static const uint8_t start[] = {
        CONTENT_HANDSHAKE,
        254,
        255,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        MESSAGE_HEADER + 3 + COOKIE_SIZE, /* record */
        HELLO_VERIFY_REQUEST,
        0,
        0,
        3 + COOKIE_SIZE,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        3 + COOKIE_SIZE, /* message */
        254,
        255,
        COOKIE_SIZE, /* the version says DTLS 1.0 whatever is spoken later: section 4.2.1 */
    };
    _Static_assert(sizeof start + COOKIE_SIZE == COOKIE_REQUEST_SIZE, "header and cookie");
    memcpy(request, start, sizeof start);
    memcpy(request + 5, hello + 5, 6); /* the record sequence number of the ClientHello */
    return secrets->known && make(secrets->current, peer, request + sizeof start) ? COOKIE_REQUEST_SIZE : 0;
}
