/* name: names, addresses, prefixes and what identifies a client. */
#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/schema.h"

void config_text_release(const struct config_key *key, void *field)
{
    (void)key;
    free(*(char **)field);
    *(char **)field = NULL;
}

static bool printable(const char *text, size_t most)
{
    size_t length = strlen(text);

    for (const char *at = text; *at; at++)
        if (*at < 0x21 || *at > 0x7e)
            return false;
    return length > 0 && length <= most;
}

/* UTF-8 of up to 128 bytes without control characters: RFC 4279 section 5.1 and 5.3. */
static bool is_identity(const char *text, const struct config_key *key)
{
    size_t length = strlen(text);

    (void)key;
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    return length > 0 && length <= 128;
}

static bool is_name(const char *text, const struct config_key *key)
{
    return printable(text, key->max);
}

/* Letters, digits and hyphens in labels of 1 to 63, as RFC 1123 has it; not an address. */
static bool is_host(const char *text, const struct config_key *key)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    const char *label = text;

    (void)key;
    if (strlen(text) > 253)
        return false;
    for (;;) {
        size_t length = strspn(label, allowed);

        if (length == 0 || length > 63 || label[0] == '-' || label[length - 1] == '-')
            return false;
        if (!label[length])
            return strspn(label, "0123456789") != length; /* 192.0.2.1 is no name */
        if (label[length] != '.')
            return false;
        label += length + 1;
    }
}

static bool is_fqdn(const char *text, const struct config_key *key)
{
    return is_host(strncmp(text, "*.", 2) == 0 ? text + 2 : text, key);
}

static bool is_address(const char *text, const struct config_key *key)
{
    unsigned char address[16];

    (void)key;
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* A scheme and something after it (RFC 3986 section 3.1). */
static bool is_uri(const char *text, const struct config_key *key)
{
    const char *colon = strchr(text, ':');

    (void)key;
    if (!colon || !colon[1] || !printable(text, 2048) || strspn(text, "0123456789+-.") > 0)
        return false;
    for (const char *at = text; at < colon; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.", *at))
            return false;
    return true;
}

static bool is_san(const char *text, const struct config_key *key)
{
    return is_host(text, key) || is_address(text, key) || is_uri(text, key);
}

/* "127.0.0.1:9646" or "[::1]:9646". */
static bool is_endpoint(const char *text, const struct config_key *key)
{
    const char *colon = strrchr(text, ':');
    const size_t brackets = text[0] == '[';
    const char *digits = colon ? colon + 1 : text;
    char host[INET6_ADDRSTRLEN];
    uint64_t port;
    size_t length;

    if (!colon || colon < text + 2 * brackets || (brackets && colon[-1] != ']') || config_digits(&digits, &port) != 0)
        return false;
    length = (size_t)(colon - text) - 2 * brackets;
    if (length >= sizeof(host) || *digits || port < 1 || port > 65535)
        return false;
    memcpy(host, text + brackets, length);
    host[length] = 0;
    return is_address(host, key) && (strchr(host, ':') != NULL) == (brackets == 1);
}

static int text_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field,
                       bool (*is)(const char *text, const struct config_key *key))
{
    const char *text = config_scalar(loader, key, node);

    if (!text)
        return -1;
    if (!is(text, key))
        return config_expected(loader, key, node);
    free(*(char **)field); /* san and psk of one identity share the field until the rule refuses them */
    *(char **)field = strdup(text);
    return *(char **)field ? 0 : config_fault(loader, node, "%s: out of memory", key->name);
}

/* A type of text: its test is is_NAME, its description one of words alone. */
#define TEXT_TYPE(NAME, DESCRIPTION)                                                                       \
    static int NAME##_decode(struct loader *loader, const struct config_key *key, const struct node *node, \
                             void *field)                                                                  \
    {                                                                                                      \
        return text_decode(loader, key, node, field, is_##NAME);                                           \
    }                                                                                                      \
    static void NAME##_describe(const struct config_key *key, char *buffer, size_t size)                   \
    {                                                                                                      \
        (void)key;                                                                                         \
        snprintf(buffer, size, "%s", DESCRIPTION);                                                         \
    }                                                                                                      \
    const struct config_type config_type_##NAME = {                                                        \
        .decode = NAME##_decode, .release = config_text_release, .describe = NAME##_describe};

TEXT_TYPE(host, "DNS name")
TEXT_TYPE(fqdn, "DNS name such as www.example.com or *.example.com")
TEXT_TYPE(address, "numeric IPv4 or IPv6 address")
TEXT_TYPE(endpoint, "address and port such as \"127.0.0.1:9646\" or \"[::1]:9646\"")
TEXT_TYPE(san, "DNS name, IP address or URI")
TEXT_TYPE(identity, "text of 1 to 128 bytes without control characters")
TEXT_TYPE(uri, "URI such as https://www.example.com/shop")

static int name_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    return text_decode(loader, key, node, field, is_name);
}

static void name_describe(const struct config_key *key, char *buffer, size_t size)
{
    snprintf(buffer, size, "name of 1 to %u ASCII characters without spaces", key->max);
}

const struct config_type config_type_name = {
    .decode = name_decode, .release = config_text_release, .describe = name_describe};

/* Address and length; bits beyond the length stay, for the caller to look at. */
static int prefix_parse(const char *text, struct config_prefix *prefix)
{
    const char *slash = strchr(text, '/');
    char address[INET6_ADDRSTRLEN];
    uint64_t length;

    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return -1;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    if (inet_pton(AF_INET, address, prefix->addr) == 1)
        prefix->family = 4;
    else if (inet_pton(AF_INET6, address, prefix->addr) == 1)
        prefix->family = 6;
    else
        return -1;
    slash++;
    if (config_digits(&slash, &length) != 0 || *slash || length > (prefix->family == 4 ? 32 : 128))
        return -1;
    prefix->length = (uint8_t)length;
    return 0;
}

/* Clears the bits beyond the length; true when there were any. */
static bool prefix_mask(struct config_prefix *prefix)
{
    bool found = false;

    for (unsigned i = 0; i < (prefix->family == 4 ? 4u : 16u); i++) {
        unsigned kept = prefix->length > 8 * i ? prefix->length - 8 * i : 0;
        uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00u >> kept);

        found = found || (prefix->addr[i] & (uint8_t)~mask);
        prefix->addr[i] &= mask;
    }
    return found;
}

static int prefix_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    struct config_prefix *prefix = field;
    const char *text = config_scalar(loader, key, node);
    char network[INET6_ADDRSTRLEN];

    if (!text)
        return -1;
    if (is_address(text, key))
        return config_fault(loader, node, "%s: expected a prefix, found an address; write \"%s/%d\"", key->name, text,
                            strchr(text, ':') ? 128 : 32);
    if (prefix_parse(text, prefix) != 0)
        return config_expected(loader, key, node);
    if (!prefix_mask(prefix))
        return 0;
    inet_ntop(prefix->family == 4 ? AF_INET : AF_INET6, prefix->addr, network, sizeof(network));
    return config_fault(loader, node, "%s: \"%s\" has bits set beyond its length; write \"%s/%u\" for the network",
                        key->name, text, network, prefix->length);
}

static void prefix_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "prefix such as 203.0.113.0/24 or \"2001:db8:6401::/48\"");
}

const struct config_type config_type_prefix = {.decode = prefix_decode, .describe = prefix_describe};

/* 32 bytes are 43 digits and one '='. */
static int hash_base64(const char *text, uint8_t hash[32])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[33];

    if (strspn(text, digits) != 43 || text[43] != '=' ||
        EVP_DecodeBlock(bytes, (const unsigned char *)text, 44) != (int)sizeof(bytes))
        return -1;
    memcpy(hash, bytes, 32);
    return 0;
}

static int hash_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    const char *text = config_scalar(loader, key, node);

    if (!text)
        return -1;
    if ((node->count == 64 && OPENSSL_hexstr2buf_ex(field, 32, NULL, text, 0) == 1) ||
        (node->count == 44 && hash_base64(text, field) == 0))
        return 0;
    return config_expected(loader, key, node);
}

static void hash_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "SHA-256 as 64 hexadecimal digits or in base64");
}

const struct config_type config_type_hash = {.decode = hash_decode, .describe = hash_describe};
