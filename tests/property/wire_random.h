/* Random valid messages, by a seed: built field by field from the structures, not from the parameter table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gateway/wire/wire.h"

struct random {
    uint64_t state;
    uint8_t pool[64 * 1024]; /* memory of the message */
    size_t used;
};

static inline void random_begin(struct random *random, uint64_t seed)
{
    random->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    random->used = 0;
}

static inline uint64_t random_bits(struct random *random)
{
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state;
}

static inline uint32_t random_below(struct random *random, uint32_t bound)
{
    return bound ? (uint32_t)(random_bits(random) >> 32) % bound : 0;
}

static inline bool one_in(struct random *random, uint32_t n)
{
    return random_below(random, n) == 0;
}

/* Small, near a power of two, or anything: where encodings change their length. */
static inline uint64_t random_number(struct random *random, uint64_t max)
{
    uint64_t number = random_bits(random) >> random_below(random, 64);

    if (one_in(random, 4))
        number = (UINT64_C(1) << random_below(random, 64)) - random_below(random, 2);
    if (number <= max)
        return number;
    return one_in(random, 2) ? max : number % max;
}

static inline void *random_take(struct random *random, size_t size)
{
    void *taken = random->pool + random->used;

    random->used += (size + 15) & ~(size_t)15;
    if (random->used > sizeof(random->pool))
        return NULL; /* the counts below do not add up to that much */
    return memset(taken, 0, size);
}

static inline const char *random_alias(struct random *random)
{
    static const char *const characters[] = {
        "a", "Z", "0", " ", "\"", "\\", "/", "\t", "\n", "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    size_t length = 1 + random_below(random, one_in(random, 8) ? 300 : 12);
    size_t size = 4 * length + 1, at = 0;
    char *text = random_take(random, size);

    while (length-- > 0)
        at += (size_t)snprintf(text + at, size - at, "%s", characters[random_below(random, 13)]);
    return text;
}

static inline const char *random_domain(struct random *random)
{
    static const char inner[] = "abcxyzABC019-_";
    char *text = random_take(random, 254);
    size_t labels = 1 + random_below(random, 3), at = 0;

    while (labels-- > 0) {
        size_t length = 1 + random_below(random, one_in(random, 8) ? 63 : 8);

        for (size_t i = 0; i < length; i++)
            text[at++] = inner[random_below(random, i == 0 || i == length - 1 ? 12 : 14)];
        text[at++] = '.';
    }
    if (one_in(random, 2))
        text[at - 1] = '\0'; /* without the dot at the end */
    return text;
}

static inline const char *random_uri(struct random *random)
{
    static const char *const schemes[] = {"https", "coaps+tcp", "x-1.2"};
    static const char *const hosts[] = {"[2001:db8::1]", "192.0.2.1", "u:p@www.example.com", ""};
    static const char *const ends[] = {"", "/", "/a%20b/c;d?e=/f#g", "?q", "#"};
    char *text = random_take(random, 400);

    snprintf(text, 400, "%s://%s%s%s", schemes[random_below(random, 3)], hosts[random_below(random, 4)],
             one_in(random, 2) ? ":8443" : "", ends[random_below(random, 5)]);
    return text;
}

static inline struct wire_strings random_strings(struct random *random, const char *(*make)(struct random *))
{
    struct wire_strings strings = {NULL, random_below(random, 4)};

    if (strings.count == 0 || one_in(random, 2))
        return (struct wire_strings){NULL, 0};
    strings.at = random_take(random, strings.count * sizeof(strings.at[0]));
    for (size_t i = 0; i < strings.count; i++)
        strings.at[i] = make(random);
    return strings;
}

static inline struct wire_prefix random_prefix(struct random *random)
{
    struct wire_prefix prefix = {.family = one_in(random, 2) ? 4 : 6};
    unsigned bits = prefix.family == 4 ? 32 : 128;

    prefix.length = (uint8_t)random_below(random, bits + 1);
    for (unsigned i = 0; i < prefix.length; i++) {
        if (!one_in(random, 3))
            continue;
        prefix.addr[i / 8] |= (uint8_t)(0x80u >> (i % 8));
    }
    return prefix;
}

static inline void random_target(struct random *random, struct wire_target *target)
{
    if (one_in(random, 2))
        target->prefix_count = random_below(random, 5);
    if (one_in(random, 2))
        target->port_range_count = random_below(random, 4);
    if (one_in(random, 2))
        target->protocol_count = random_below(random, 4);
    target->prefixes = random_take(random, target->prefix_count * sizeof(target->prefixes[0]));
    for (size_t i = 0; i < target->prefix_count; i++)
        target->prefixes[i] = random_prefix(random);
    target->port_ranges = random_take(random, target->port_range_count * sizeof(target->port_ranges[0]));
    for (size_t i = 0; i < target->port_range_count; i++) {
        uint16_t a = (uint16_t)random_number(random, UINT16_MAX), b = (uint16_t)random_number(random, UINT16_MAX);

        target->port_ranges[i].lower = a < b ? a : b;
        target->port_ranges[i].upper = a < b ? b : a;
    }
    target->protocols = random_take(random, target->protocol_count);
    for (size_t i = 0; i < target->protocol_count; i++)
        target->protocols[i] = (uint8_t)random_number(random, UINT8_MAX);
    target->fqdns = random_strings(random, random_domain);
    target->uris = random_strings(random, random_uri);
    target->aliases = random_strings(random, random_alias);
}

static inline struct wire_acl *random_acls(struct random *random, bool conflict, size_t *count)
{
    struct wire_acl *acls;

    *count = one_in(random, 2) ? random_below(random, 3) : 0;
    acls = random_take(random, *count * sizeof(*acls));
    for (size_t i = 0; i < *count; i++) {
        acls[i].name = random_alias(random);
        if (conflict && one_in(random, 2))
            acls[i].type = random_alias(random);
        if (!conflict)
            acls[i].activation = (enum wire_activation)random_below(random, 4);
    }
    return acls;
}

static inline struct wire_conflict *random_conflict(struct random *random)
{
    struct wire_conflict *conflict = random_take(random, sizeof(*conflict));

    conflict->status = (enum wire_conflict_status)random_below(random, 4);
    conflict->cause = (enum wire_conflict_cause)random_below(random, 4);
    conflict->has_retry_timer = one_in(random, 2);
    conflict->retry_timer = conflict->has_retry_timer ? (uint32_t)random_number(random, UINT32_MAX) : 0;
    conflict->has_mid = one_in(random, 2);
    conflict->mid = conflict->has_mid ? (uint32_t)random_number(random, UINT32_MAX) : 0;
    random_target(random, &conflict->target);
    conflict->acls = random_acls(random, true, &conflict->acl_count);
    return conflict;
}

static inline void random_counter(struct random *random, bool *has, uint64_t *counter)
{
    *has = one_in(random, 2);
    *counter = *has ? random_number(random, UINT64_MAX) : 0;
}

static inline void random_scope(struct random *random, enum wire_direction direction, struct wire_scope *scope)
{
    random_target(random, &scope->target);
    scope->has_lifetime = direction == WIRE_TO_SERVER || one_in(random, 2); /* a request must not be empty */
    if (scope->has_lifetime)
        scope->lifetime = one_in(random, 8) ? WIRE_LIFETIME_INDEFINITE : (int64_t)random_number(random, UINT32_MAX);
    if (direction == WIRE_TO_SERVER && scope->lifetime == 0)
        scope->lifetime = 3600;
    scope->has_trigger = one_in(random, 2);
    scope->trigger = !scope->has_trigger || one_in(random, 2);
    scope->acls = random_acls(random, false, &scope->acl_count);
    if (direction == WIRE_TO_SERVER) {
        scope->attack_status = (enum wire_attack_status)random_below(random, 3);
        return;
    }
    scope->has_mid = one_in(random, 2);
    scope->mid = scope->has_mid ? (uint32_t)random_number(random, UINT32_MAX) : 0;
    random_counter(random, &scope->has_start, &scope->start);
    scope->status = (enum wire_status)random_below(random, 9);
    random_counter(random, &scope->has_bytes, &scope->bytes_dropped);
    random_counter(random, &scope->has_bps, &scope->bps_dropped);
    random_counter(random, &scope->has_pkts, &scope->pkts_dropped);
    random_counter(random, &scope->has_pps, &scope->pps_dropped);
    if (one_in(random, 3))
        scope->conflict = random_conflict(random);
}

static inline void random_config_set(struct random *random, enum wire_direction direction,
                                     struct wire_config_value *values)
{
    for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++) {
        uint64_t max = i == WIRE_ACK_TIMEOUT || i == WIRE_ACK_RANDOM_FACTOR ? UINT32_MAX : UINT16_MAX;

        values[i].has_current = one_in(random, 2) || (direction == WIRE_TO_SERVER && i == 0);
        values[i].current = values[i].has_current ? (uint32_t)random_number(random, max) : 0;
        if (direction == WIRE_TO_SERVER)
            continue;
        values[i].has_max = one_in(random, 2);
        values[i].max = values[i].has_max ? (uint32_t)random_number(random, max) : 0;
        values[i].has_min = one_in(random, 2);
        values[i].min = values[i].has_min ? (uint32_t)random_number(random, max) : 0;
    }
}

static inline void random_message(struct random *random, enum wire_direction direction, struct wire_message *message)
{
    static const char *const addresses[] = {"192.0.2.1", "2001:db8::1", "::"};

    *message = (struct wire_message){.type = WIRE_MITIGATION};
    if (one_in(random, 3))
        message->type = (enum wire_type)(1 + random_below(random, 4));
    if (direction == WIRE_TO_SERVER && message->type == WIRE_REDIRECT)
        message->type = WIRE_HEARTBEAT;
    if (message->type == WIRE_MITIGATION) {
        message->scope_count = direction == WIRE_TO_SERVER ? 1 : random_below(random, 4);
        message->scopes = random_take(random, message->scope_count * sizeof(message->scopes[0]));
        for (size_t i = 0; i < message->scope_count; i++)
            random_scope(random, direction, &message->scopes[i]);
    } else if (message->type == WIRE_SIGNAL_CONFIG) {
        message->config.has_mitigating = one_in(random, 2);
        message->config.has_idle = !message->config.has_mitigating || one_in(random, 2);
        if (message->config.has_mitigating)
            random_config_set(random, direction, message->config.mitigating);
        if (message->config.has_idle)
            random_config_set(random, direction, message->config.idle);
    } else if (message->type == WIRE_REDIRECT) {
        message->redirect.alt_server = random_domain(random);
        message->redirect.records.count = random_below(random, 4);
        message->redirect.records.at = random_take(random, 4 * sizeof(char *));
        for (size_t i = 0; i < message->redirect.records.count; i++)
            message->redirect.records.at[i] = addresses[random_below(random, 3)];
    } else {
        message->heartbeat.peer_hb_status = one_in(random, 2);
    }
}
