#include "tests/bench/support/requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/wire.h"

#define URI_HOST 3 /* RFC 7252 section 12.2 */
#define IF_MATCH 1
#define URI_PORT 7
#define URI_PATH 11
#define CONTENT_FORMAT 12
#define PROXY_SCHEME 39
#define PAYLOAD 0xff
#define LIFETIME 3600
#define START 1700000000

struct writer {
    uint8_t *to;
    size_t length;
    unsigned option; /* the last */
};

static void add(struct writer *writer, unsigned option, const void *value, size_t length)
{
    unsigned delta = option - writer->option;
    uint8_t *at = writer->to + writer->length;

    *at++ = (uint8_t)((delta < 13 ? delta : 13) << 4 | (length < 13 ? length : 13));
    if (delta >= 13)
        *at++ = (uint8_t)(delta - 13);
    if (length >= 13)
        *at++ = (uint8_t)(length - 13);
    memcpy(at, value, length);
    writer->length = (size_t)(at - writer->to) + length;
    writer->option = option;
}

static void add_path(struct writer *writer, size_t client, const unsigned *mid)
{
    char text[24];

    add(writer, URI_PATH, ".well-known", 11);
    add(writer, URI_PATH, "dots", 4);
    add(writer, URI_PATH, "mitigate", 8);
    snprintf(text, sizeof(text), "cuid=c%zu", client);
    add(writer, URI_PATH, text, strlen(text));
    if (!mid)
        return;
    snprintf(text, sizeof(text), "mid=%u", *mid);
    add(writer, URI_PATH, text, strlen(text));
}

static void set_address(struct wire_prefix *prefix, size_t client, unsigned which)
{
    static const uint8_t first[] = {0x20, 0x01, 0x0d, 0xb8};

    memset(prefix, 0, sizeof(*prefix));
    memcpy(prefix->addr, first, sizeof(first));
    for (size_t i = 0; i < 4; i++) {
        prefix->addr[4 + i] = (uint8_t)(client >> (24 - 8 * i));
        prefix->addr[12 + i] = (uint8_t)(which >> (24 - 8 * i));
    }
    prefix->family = 6;
    prefix->length = 128;
}

static size_t put(const struct requests *requests, size_t client, unsigned mid, unsigned which,
                  enum wire_attack_status attack, uint8_t *to)
{
    static const uint8_t format[] = {271 >> 8, 271 & 0xff};
    struct writer writer = {.to = to, .length = 1};
    struct wire_prefix prefix;
    struct wire_scope scope = {.target = {.prefixes = &prefix, .prefix_count = 1},
                               .has_lifetime = true,
                               .lifetime = requests->lifetime ? requests->lifetime : LIFETIME,
                               .attack_status = attack};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    size_t length;

    client += requests->first;
    set_address(&prefix, client, which);
    to[0] = 0x03;
    if (attack)
        add(&writer, IF_MATCH, "", 0);
    if (requests->proxied_to) {
        const uint8_t port[] = {(uint8_t)(requests->proxied_to >> 8), (uint8_t)requests->proxied_to};
        add(&writer, URI_HOST, "127.0.0.1", 9);
        add(&writer, URI_PORT, port, sizeof(port));
    }
    add_path(&writer, client, &mid);
    add(&writer, CONTENT_FORMAT, format, sizeof(format));
    if (requests->proxied_to)
        add(&writer, PROXY_SCHEME, "coaps", 5);
    to[writer.length++] = PAYLOAD;
    length = wire_encode_cbor(&message, to + writer.length, CLIENTS_REQUEST_MAX - writer.length);
    if (length == 0)
        abort();
    return writer.length + length;
}

static const struct requests *settings_of(const void *arg)
{
    static const struct requests none;

    return arg ? arg : &none;
}

size_t requests_put(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX])
{
    const struct requests *requests = settings_of(arg);

    return put(requests, client, number, requests->mitigations ? number % requests->mitigations : 0, 0, to);
}

size_t requests_efficacy(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX])
{
    enum wire_attack_status attack = number % 2 ? WIRE_UNDER_ATTACK : WIRE_ATTACK_MITIGATED;

    return put(settings_of(arg), client, 1, 0, number == 1 ? 0 : attack, to);
}

size_t requests_same(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX])
{
    (void)number;
    return put(settings_of(arg), client, 1, 0, 0, to);
}

size_t requests_get(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX])
{
    struct writer writer = {.to = to, .length = 1};

    (void)number;
    to[0] = 0x01;
    add_path(&writer, settings_of(arg)->first + client, NULL);
    return writer.length;
}

size_t requests_status(uint32_t mid, bool status, uint8_t to[CLIENTS_REQUEST_MAX])
{
    struct wire_scope scope = {.has_mid = true, .mid = mid, .has_lifetime = true, .lifetime = LIFETIME};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};

    if (status) {
        scope.has_start = true;
        scope.start = START;
        scope.status = WIRE_STATUS_MITIGATED;
    }
    return wire_encode_cbor(&message, to, CLIENTS_REQUEST_MAX);
}
