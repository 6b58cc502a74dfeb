/* who: which detector is at the other end, by its token or its certificate. */
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

#include "gateway/coap/coap.h"
#include "gateway/detectors/state.h"

#define TOKEN_MAX 512u

/* RFC 6750 section 2.1. NULL: there is none. */
static const char *token_of(const struct http_request *request)
{
    const char *value = http_header_find(request, "authorization");

    if (!value || strncasecmp(value, "Bearer ", 7) != 0)
        return NULL;
    value += 7;
    return value + strspn(value, " ");
}

/* Every token is compared, and to its end: time tells nothing of them. */
static const struct config_detector *by_token(const struct config *config, const char *token)
{
    const struct config_detector *found = NULL;
    size_t length = strlen(token);
    uint8_t hash[32];

    if (length == 0 || length > TOKEN_MAX)
        return NULL;
    SHA256((const unsigned char *)token, length, hash);
    for (size_t i = 0; i < config->detector_count; i++) {
        const struct config_detector *detector = &config->detectors[i];

        for (unsigned j = 0; j < detector->token_count; j++) {
            if (CRYPTO_memcmp(detector->tokens[j], hash, sizeof(hash)) == 0)
                found = detector;
        }
    }
    return found;
}

/* As names of clients: addresses by their bytes, URIs exactly, DNS names without case and final dot. */
static bool same_name(const char *configured, const char *shown)
{
    unsigned char left[16] = {0}, right[16] = {0};
    size_t length = strlen(shown);

    for (int i = 0; i < 2; i++) {
        int family = i ? AF_INET6 : AF_INET;

        if (inet_pton(family, configured, left) == 1)
            return inet_pton(family, shown, right) == 1 && memcmp(left, right, sizeof(left)) == 0;
    }
    if (strchr(configured, ':'))
        return strcmp(configured, shown) == 0;
    if (length > 1 && shown[length - 1] == '.')
        length--;
    return strlen(configured) == length && strncasecmp(configured, shown, length) == 0;
}

/* The hash of the key counts before names, as with clients. */
static const struct config_detector *by_identity(const struct config *config, const struct dots_identity *identity)
{
    for (size_t i = 0; i < config->detector_count; i++) {
        if (config->detectors[i].has_spki && memcmp(config->detectors[i].spki, identity->spki_sha256, 32) == 0)
            return &config->detectors[i];
    }
    for (size_t i = 0; i < identity->san_count; i++) {
        for (size_t j = 0; j < config->detector_count; j++) {
            if (config->detectors[j].san && same_name(config->detectors[j].san, identity->sans[i]))
                return &config->detectors[j];
        }
    }
    return NULL;
}

const struct config_detector *who_asks(const struct config *config, const struct http_request *request)
{
    const char *token = token_of(request);
    const struct config_detector *found;
    struct dots_identity *identity;

    if (token) /* a wrong one is not made good by a certificate */
        return by_token(config, token);
    identity = request->peer->certificate ? dots_identity_of_certificate(request->peer->certificate) : NULL;
    found = identity ? by_identity(config, identity) : NULL;
    dots_identity_free(identity);
    return found;
}
