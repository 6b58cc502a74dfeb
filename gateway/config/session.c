/* session: session-config, the parameters that clients may negotiate (RFC 9132 section 4.5). */
#include <stdio.h>

#include "gateway/config/schema.h"

/* A bare number is the current value. What is not given stays: the default, or what the set inherits;
 * min and max make room for a current value outside, but never below guard. */
static int range_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field,
                        const struct config_type *number)
{
    const struct config_key keys[] = {
        {.name = "min", .type = number, FIELD(config_range, min), .min = key->min, .max = key->max},
        {.name = "max", .type = number, FIELD(config_range, max), .min = key->min, .max = key->max},
        {.name = "current", .type = number, FIELD(config_range, current), .min = key->min, .max = key->max},
        {0},
    };
    const bool map = node->kind == NODE_MAP;
    struct config_key bare = *key;
    struct config_range *range = field;

    bare.size = sizeof(range->current);
    if (node->kind == NODE_LIST || config_node_empty(node))
        return config_expected(loader, key, node);
    if (map ? config_decode(loader, keys, node, node, range) != 0
            : number->decode(loader, &bare, node, &range->current) != 0)
        return -1;
    if (range->current < range->min && !(map && config_node_find(node, "min"))) {
        if (range->current < key->guard)
            return config_fault(
                loader, node,
                "%s: values below %u are outside what RFC 9132 recommends; to allow it write { min: %u, current: %u }",
                key->name, key->guard, range->current, range->current);
        range->min = range->current;
    }
    if (range->current > range->max && !(map && config_node_find(node, "max")))
        range->max = range->current;
    if (range->min > range->current || range->current > range->max)
        return config_fault(loader, node, "%s: expected min <= current <= max%s", key->name,
                            map && !config_node_find(node, "current") ? "; give current as well" : "");
    return 0;
}

static int integer_range_decode(struct loader *loader, const struct config_key *key, const struct node *node,
                                void *field)
{
    return range_decode(loader, key, node, field, &config_type_integer);
}

static int decimal_range_decode(struct loader *loader, const struct config_key *key, const struct node *node,
                                void *field)
{
    return range_decode(loader, key, node, field, &config_type_decimal);
}

static void describe(const struct config_key *key, char *buffer, size_t size, const struct config_type *number)
{
    char of[96];

    number->describe(key, of, sizeof(of));
    snprintf(buffer, size, "%s, or { min, max, current } of such", of);
}

static void integer_range_describe(const struct config_key *key, char *buffer, size_t size)
{
    describe(key, buffer, size, &config_type_integer);
}

static void decimal_range_describe(const struct config_key *key, char *buffer, size_t size)
{
    describe(key, buffer, size, &config_type_decimal);
}

const struct config_type config_type_range = {
    .decode = integer_range_decode, .describe = integer_range_describe, .layered = true};
const struct config_type config_type_decimal_range = {
    .decode = decimal_range_decode, .describe = decimal_range_describe, .layered = true};

/* Parameters given directly hold for both sets. */
static void idle_start(void *base)
{
    struct config *config = base;

    config->idle = config->mitigating;
}

/* The six parameters of one set. DEFAULT gives a row the default of RFC 9132 appendix C directly under
 * session-config, and none in the sets, which start from there. Ranges are those of RFC 9132 section 5.3
 * (16 bits) and RFC 7252 section 4.8.1 (ack-random-factor not below 1). */
#define PARAMETERS(STRUCT, SET, DEFAULT)                                                                             \
    KEY("heartbeat-interval", range, FIELD(STRUCT, SET heartbeat_interval), "seconds between heartbeats; 0: none",   \
        .max = 3600, .guard = 15, DEFAULT("{ min: 15, max: 240, current: 30 }")),                                    \
        KEY("missing-hb-allowed", range, FIELD(STRUCT, SET missing_hb_allowed),                                      \
            "heartbeats in a row without an answer before a session counts as lost", .min = 1, .max = 65535,         \
            DEFAULT("{ min: 3, max: 20, current: 15 }")),                                                            \
        KEY("probing-rate", range, FIELD(STRUCT, SET probing_rate),                                                  \
            "bytes per second sent to a peer that does not answer", .min = 1, .max = 65535,                          \
            DEFAULT("{ min: 5, max: 20, current: 5 }")),                                                             \
        KEY("max-retransmit", range, FIELD(STRUCT, SET max_retransmit),                                              \
            "retransmissions of a Confirmable message over UDP", .max = 65535,                                       \
            DEFAULT("{ min: 2, max: 15, current: 3 }")),                                                             \
        KEY("ack-timeout", decimal_range, FIELD(STRUCT, SET ack_timeout), "seconds before the first retransmission", \
            .min = 10, .max = 30000, DEFAULT("{ min: 1.00, max: 30.00, current: 2.00 }")),                           \
        KEY("ack-random-factor", decimal_range, FIELD(STRUCT, SET ack_random_factor),                                \
            "spread of the first retransmission", .min = 100, .max = 1000,                                           \
            DEFAULT("{ min: 1.10, max: 4.00, current: 1.50 }"))

#define GIVEN(value) .fallback = (value)
#define INHERITED(value) .shown = "as above"

static const struct config_key keys_set[] = {PARAMETERS(config_session, , INHERITED), {0}};

const struct config_key config_keys_session[] = {
    KEY("max-age", seconds, FIELD(config, session_config_max_age),
        "how long a negotiated configuration holds unless refreshed (RFC 9132 section 4.5.3)", .min = 1,
        .max = UINT32_MAX, .fallback = "24h"),
    PARAMETERS(config, mitigating., GIVEN),
    KEY("idle", map, FIELD(config, idle), "what differs while no mitigation is active", .keys = keys_set,
        .start = idle_start),
    KEY("mitigating", map, FIELD(config, mitigating), "what differs while a mitigation is active", .keys = keys_set),
    {0},
};
