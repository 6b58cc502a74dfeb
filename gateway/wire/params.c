/* The parameter table: RFC 9132 section 6 (table 5), RFC 9133 section 3.2.1 (table 1). */
#include <string.h>
#include <threads.h>

#include "gateway/wire/params.h"

#define FIELD(type, field) .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)
#define ENTRIES(type, field, number) \
    .offset = offsetof(type, field), .size = sizeof(((type *)0)->field[0]), .count = offsetof(type, number)
#define FLAG(type, field) .presence = WIRE_BY_FLAG, .flag = offsetof(type, field)
#define PART(place_, from_) .place = WIRE_IN_##place_, .from = WIRE_FROM_##from_
#define OPENS(place_) .inner = WIRE_IN_##place_

/* A target clause: in a scope of both directions, and in a conflict-scope of the server's. */
#define TARGET(field, number)                                                                           \
    {                                                                                                   \
        {PART(SCOPE, BOTH), ENTRIES(struct wire_scope, target.field, target.number)},                   \
            {PART(CONFLICT_SCOPE, SERVER), ENTRIES(struct wire_conflict, target.field, target.number)}, \
    }
#define MESSAGE(type_, place_, from_, field)                                                               \
    {                                                                                                      \
        {                                                                                                  \
            PART(BODY, from_), OPENS(place_), FIELD(struct wire_message, field), .presence = WIRE_BY_TYPE, \
                                                                                 .flag = (type_)           \
        }                                                                                                  \
    }
#define CONFIG_SET(field, flag_)                                                                                     \
    {                                                                                                                \
        {                                                                                                            \
            PART(CONFIG, BOTH), OPENS(CONFIG_SET), FIELD(struct wire_config, field), FLAG(struct wire_config, flag_) \
        }                                                                                                            \
    }
#define CONFIG_PARAMETER(index, place_)                                                                  \
    {                                                                                                    \
        {                                                                                                \
            PART(CONFIG_SET, BOTH), OPENS(place_), .presence = WIRE_BY_MEMBER,                           \
                                                   .offset = (index) * sizeof(struct wire_config_value), \
                                                   .size = sizeof(struct wire_config_value)              \
        }                                                                                                \
    }
#define CONFIG_VALUE(place_, from_, field, flag_)                                                              \
    {                                                                                                          \
        {                                                                                                      \
            PART(place_, from_), FIELD(struct wire_config_value, field), FLAG(struct wire_config_value, flag_) \
        }                                                                                                      \
    }
#define COUNTER(field, flag_)                                                                    \
    {                                                                                            \
        {                                                                                        \
            PART(SCOPE, SERVER), FIELD(struct wire_scope, field), FLAG(struct wire_scope, flag_) \
        }                                                                                        \
    }

#define NAMES(array)                                \
    &(const struct wire_names)                      \
    {                                               \
        (array), sizeof(array) / sizeof((array)[0]) \
    }

/* Sections 10.6.2 to 10.6.5; RFC 8783 section 4.3 for activation-type. Values count from 1. */
static const char *const status_names[] = {
    "attack-mitigation-in-progress", "attack-successfully-mitigated",    "attack-stopped",
    "attack-exceeded-capability",    "dots-client-withdrawn-mitigation", "attack-mitigation-terminated",
    "attack-mitigation-withdrawn",   "attack-mitigation-signal-loss",
};
static const char *const conflict_status_names[] = {
    "request-inactive-other-active",
    "request-active",
    "all-requests-inactive",
};
static const char *const conflict_cause_names[] = {
    "overlapping-targets",
    "conflict-with-acceptlist",
    "cuid-collision",
};
static const char *const attack_status_names[] = {"under-attack", "attack-successfully-mitigated"};
static const char *const activation_names[] = {"activate-when-mitigating", "immediate", "deactivate"};

/* clang-format off */
const struct wire_kind_trait wire_kind_traits[WIRE_KINDS] = {
    [WIRE_KIND_MAP] =      {0,          "container",         "5 map",                  "Object"},
    [WIRE_KIND_UINT8] =    {UINT8_MAX,  "uint8",             "0 unsigned",             "Number"},
    [WIRE_KIND_UINT16] =   {UINT16_MAX, "uint16",            "0 unsigned",             "Number"},
    [WIRE_KIND_UINT32] =   {UINT32_MAX, "uint32",            "0 unsigned",             "Number"},
    [WIRE_KIND_TIMER] =    {UINT32_MAX, "uint32",            "0 unsigned",             "String"},
    [WIRE_KIND_UINT64] =   {UINT64_MAX, "uint64",            "0 unsigned",             "String"},
    [WIRE_KIND_LIFETIME] = {UINT32_MAX, "union",             "0 unsigned, 1 negative", "Number"},
    [WIRE_KIND_DECIMAL] =  {UINT32_MAX, "decimal64",         "6 tag 4 [-2, integer]",  "String"},
    [WIRE_KIND_ENUM] =     {0,          "enumeration",       "0 unsigned",             "String"},
    [WIRE_KIND_BOOL] =     {0,          "boolean",           "7 bits 20, 7 bits 21",   "False, True"},
    [WIRE_KIND_STRING] =   {0,          "string",            "3 text string",          "String"},
    [WIRE_KIND_PREFIX] =   {0,          "inet:ip-prefix",    "3 text string",          "String"},
    [WIRE_KIND_DOMAIN] =   {0,          "inet:domain-name",  "3 text string",          "String"},
    [WIRE_KIND_URI] =      {0,          "inet:uri",          "3 text string",          "String"},
    [WIRE_KIND_ADDRESS] =  {0,          "inet:ip-address",   "3 text string",          "String"},
};

#define MODULE "ietf-dots-signal-channel:"
#define CONTROL "ietf-dots-signal-control:"

/* Every key here is comprehension-required by its range (table 8). */
const struct wire_row wire_rows[] = {
    {MODULE "mitigation-scope", 1, WIRE_KIND_MAP, false, NULL,
        /* 'scope' lies in the message itself */
        {{PART(BODY, BOTH), OPENS(MITIGATION), .presence = WIRE_BY_TYPE, .flag = WIRE_MITIGATION}}},
    {"scope", 2, WIRE_KIND_MAP, true, NULL,
        {{PART(MITIGATION, BOTH), OPENS(SCOPE), ENTRIES(struct wire_message, scopes, scope_count),
          .presence = WIRE_ALWAYS}}},
    /* 'cdid', 'cuid' and 'sid' are Uri-Path parameters only (sections 4.4.1.1, 4.4.1.3, 4.5.2). */
    {"cdid", 3, WIRE_KIND_STRING, false, NULL, {{0}}},
    {"cuid", 4, WIRE_KIND_STRING, false, NULL, {{0}}},
    {"mid", 5, WIRE_KIND_UINT32, false, NULL,
        {{PART(SCOPE, SERVER), FIELD(struct wire_scope, mid), FLAG(struct wire_scope, has_mid)},
         {PART(CONFLICT_SCOPE, SERVER), FIELD(struct wire_conflict, mid), FLAG(struct wire_conflict, has_mid)}}},
    {"target-prefix", 6, WIRE_KIND_PREFIX, true, NULL, TARGET(prefixes, prefix_count)},
    {"target-port-range", 7, WIRE_KIND_MAP, true, NULL,
        {{PART(SCOPE, BOTH), OPENS(PORT_RANGE),
          ENTRIES(struct wire_scope, target.port_ranges, target.port_range_count)},
         {PART(CONFLICT_SCOPE, SERVER), OPENS(PORT_RANGE),
          ENTRIES(struct wire_conflict, target.port_ranges, target.port_range_count)}}},
    {"lower-port", 8, WIRE_KIND_UINT16, false, NULL,
        {{PART(PORT_RANGE, BOTH), FIELD(struct wire_port_range, lower), .presence = WIRE_ALWAYS}}},
    {"upper-port", 9, WIRE_KIND_UINT16, false, NULL,
        {{PART(PORT_RANGE, BOTH), FIELD(struct wire_port_range, upper), .presence = WIRE_BY_UPPER}}},
    {"target-protocol", 10, WIRE_KIND_UINT8, true, NULL, TARGET(protocols, protocol_count)},
    {"target-fqdn", 11, WIRE_KIND_DOMAIN, true, NULL, TARGET(fqdns.at, fqdns.count)},
    {"target-uri", 12, WIRE_KIND_URI, true, NULL, TARGET(uris.at, uris.count)},
    {"alias-name", 13, WIRE_KIND_STRING, true, NULL, TARGET(aliases.at, aliases.count)},
    {"lifetime", 14, WIRE_KIND_LIFETIME, false, NULL,
        {{PART(SCOPE, BOTH), FIELD(struct wire_scope, lifetime), FLAG(struct wire_scope, has_lifetime)}}},
    {"mitigation-start", 15, WIRE_KIND_UINT64, false, NULL, COUNTER(start, has_start)},
    {"status", 16, WIRE_KIND_ENUM, false, NAMES(status_names),
        {{PART(SCOPE, SERVER), FIELD(struct wire_scope, status)}}},
    {"conflict-information", 17, WIRE_KIND_MAP, false, NULL,
        {{PART(SCOPE, SERVER), OPENS(CONFLICT), .pointer = true, .offset = offsetof(struct wire_scope, conflict),
          .size = sizeof(struct wire_conflict)}}},
    {"conflict-status", 18, WIRE_KIND_ENUM, false, NAMES(conflict_status_names),
        {{PART(CONFLICT, SERVER), FIELD(struct wire_conflict, status)}}},
    {"conflict-cause", 19, WIRE_KIND_ENUM, false, NAMES(conflict_cause_names),
        {{PART(CONFLICT, SERVER), FIELD(struct wire_conflict, cause)}}},
    {"retry-timer", 20, WIRE_KIND_TIMER, false, NULL,
        {{PART(CONFLICT, SERVER), FIELD(struct wire_conflict, retry_timer),
          FLAG(struct wire_conflict, has_retry_timer)}}},
    {"conflict-scope", 21, WIRE_KIND_MAP, false, NULL,
        /* its fields lie in struct wire_conflict itself */
        {{PART(CONFLICT, SERVER), OPENS(CONFLICT_SCOPE), .presence = WIRE_BY_MEMBER}}},
    {"acl-list", 22, WIRE_KIND_MAP, true, NULL,
        {{PART(CONFLICT_SCOPE, SERVER), OPENS(CONFLICT_ACL), ENTRIES(struct wire_conflict, acls, acl_count)}}},
    {"acl-name", 23, WIRE_KIND_STRING, false, NULL,
        {{PART(CONFLICT_ACL, SERVER), FIELD(struct wire_acl, name), .presence = WIRE_ALWAYS},
         {PART(CONTROL_ACL, BOTH), FIELD(struct wire_acl, name), .presence = WIRE_ALWAYS}}},
    {"acl-type", 24, WIRE_KIND_STRING, false, NULL, {{PART(CONFLICT_ACL, SERVER), FIELD(struct wire_acl, type)}}},
    {"bytes-dropped", 25, WIRE_KIND_UINT64, false, NULL, COUNTER(bytes_dropped, has_bytes)},
    {"bps-dropped", 26, WIRE_KIND_UINT64, false, NULL, COUNTER(bps_dropped, has_bps)},
    {"pkts-dropped", 27, WIRE_KIND_UINT64, false, NULL, COUNTER(pkts_dropped, has_pkts)},
    {"pps-dropped", 28, WIRE_KIND_UINT64, false, NULL, COUNTER(pps_dropped, has_pps)},
    {"attack-status", 29, WIRE_KIND_ENUM, false, NAMES(attack_status_names),
        {{PART(SCOPE, CLIENT), FIELD(struct wire_scope, attack_status)}}},
    {MODULE "signal-config", 30, WIRE_KIND_MAP, false, NULL, MESSAGE(WIRE_SIGNAL_CONFIG, CONFIG, BOTH, config)},
    {"sid", 31, WIRE_KIND_UINT32, false, NULL, {{0}}},
    {"mitigating-config", 32, WIRE_KIND_MAP, false, NULL, CONFIG_SET(mitigating, has_mitigating)},
    {"heartbeat-interval", 33, WIRE_KIND_MAP, false, NULL,
        CONFIG_PARAMETER(WIRE_HEARTBEAT_INTERVAL, CONFIG_INTEGER)},
    {"max-value", 34, WIRE_KIND_UINT16, false, NULL, CONFIG_VALUE(CONFIG_INTEGER, SERVER, max, has_max)},
    {"min-value", 35, WIRE_KIND_UINT16, false, NULL, CONFIG_VALUE(CONFIG_INTEGER, SERVER, min, has_min)},
    {"current-value", 36, WIRE_KIND_UINT16, false, NULL, CONFIG_VALUE(CONFIG_INTEGER, BOTH, current, has_current)},
    {"missing-hb-allowed", 37, WIRE_KIND_MAP, false, NULL,
        CONFIG_PARAMETER(WIRE_MISSING_HB_ALLOWED, CONFIG_INTEGER)},
    {"max-retransmit", 38, WIRE_KIND_MAP, false, NULL, CONFIG_PARAMETER(WIRE_MAX_RETRANSMIT, CONFIG_INTEGER)},
    {"ack-timeout", 39, WIRE_KIND_MAP, false, NULL, CONFIG_PARAMETER(WIRE_ACK_TIMEOUT, CONFIG_DECIMAL)},
    {"ack-random-factor", 40, WIRE_KIND_MAP, false, NULL, CONFIG_PARAMETER(WIRE_ACK_RANDOM_FACTOR, CONFIG_DECIMAL)},
    {"max-value-decimal", 41, WIRE_KIND_DECIMAL, false, NULL, CONFIG_VALUE(CONFIG_DECIMAL, SERVER, max, has_max)},
    {"min-value-decimal", 42, WIRE_KIND_DECIMAL, false, NULL, CONFIG_VALUE(CONFIG_DECIMAL, SERVER, min, has_min)},
    {"current-value-decimal", 43, WIRE_KIND_DECIMAL, false, NULL,
        CONFIG_VALUE(CONFIG_DECIMAL, BOTH, current, has_current)},
    {"idle-config", 44, WIRE_KIND_MAP, false, NULL, CONFIG_SET(idle, has_idle)},
    {"trigger-mitigation", 45, WIRE_KIND_BOOL, false, NULL,
        {{PART(SCOPE, BOTH), FIELD(struct wire_scope, trigger), FLAG(struct wire_scope, has_trigger)}}},
    {MODULE "redirected-signal", 46, WIRE_KIND_MAP, false, NULL, MESSAGE(WIRE_REDIRECT, REDIRECT, SERVER, redirect)},
    {"alt-server", 47, WIRE_KIND_DOMAIN, false, NULL,
        {{PART(REDIRECT, SERVER), FIELD(struct wire_redirect, alt_server), .presence = WIRE_ALWAYS}}},
    {"alt-server-record", 48, WIRE_KIND_ADDRESS, true, NULL,
        {{PART(REDIRECT, SERVER), ENTRIES(struct wire_redirect, records.at, records.count)}}},
    {MODULE "heartbeat", 49, WIRE_KIND_MAP, false, NULL, MESSAGE(WIRE_HEARTBEAT, HEARTBEAT, BOTH, heartbeat)},
    {"probing-rate", 50, WIRE_KIND_MAP, false, NULL, CONFIG_PARAMETER(WIRE_PROBING_RATE, CONFIG_INTEGER)},
    {"peer-hb-status", 51, WIRE_KIND_BOOL, false, NULL,
        {{PART(HEARTBEAT, BOTH), FIELD(struct wire_heartbeat, peer_hb_status), .presence = WIRE_ALWAYS}}},
    {"activation-type", 52, WIRE_KIND_ENUM, false, NAMES(activation_names),
        {{PART(CONTROL_ACL, BOTH), FIELD(struct wire_acl, activation)}}},
    {CONTROL "acl-list", 53, WIRE_KIND_MAP, true, NULL,
        {{PART(SCOPE, BOTH), OPENS(CONTROL_ACL), ENTRIES(struct wire_scope, acls, acl_count)}}},
};
/* clang-format on */

#define ROWS (sizeof(wire_rows) / sizeof(wire_rows[0]))
_Static_assert(ROWS <= WIRE_ROWS_MAX, "the set of parameters seen has a bit for each row");

const size_t wire_row_count = ROWS;

const struct wire_row *wire_row_by_key(uint64_t key)
{
    size_t low = 0, high = ROWS;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (wire_rows[middle].key == key)
            return &wire_rows[middle];
        if (wire_rows[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct wire_row *wire_row_by_name(const char *name)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(wire_rows[i].name, name) == 0)
            return &wire_rows[i];
    }
    return NULL;
}

const struct wire_slot *wire_slot_in(const struct wire_row *row, enum wire_place place)
{
    if (row->slot[0].place == place)
        return &row->slot[0];
    return row->slot[1].place == place ? &row->slot[1] : NULL;
}

static struct wire_members members[WIRE_PLACES];
static once_flag members_once = ONCE_FLAG_INIT;

static void index_members(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t s = 0; s < 2; s++) {
            const struct wire_slot *slot = &wire_rows[i].slot[s];
            struct wire_members *place = &members[slot->place];

            if (slot->place == WIRE_NOWHERE)
                continue;
            place->at[place->count].row = &wire_rows[i];
            place->at[place->count].slot = slot;
            place->count++;
        }
    }
}

const struct wire_members *wire_members_of(enum wire_place place)
{
    call_once(&members_once, index_members);
    return &members[place];
}

bool wire_key_required(uint64_t key)
{
    return key < 128 || (key >= 256 && key < 16384);
}

const char *wire_status_name(enum wire_status status)
{
    if (status < 1 || status > sizeof(status_names) / sizeof(status_names[0]))
        return "unknown";
    return status_names[status - 1];
}

const char *wire_config_parameter_name(enum wire_config_parameter parameter)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct wire_slot *slot = wire_slot_in(&wire_rows[i], WIRE_IN_CONFIG_SET);

        if (slot && slot->offset == parameter * sizeof(struct wire_config_value))
            return wire_rows[i].name;
    }
    return "unknown";
}

size_t wire_parameter_count(void)
{
    return ROWS;
}

bool wire_parameter_at(size_t index, struct wire_parameter *out)
{
    const struct wire_row *row;
    unsigned from;

    if (index >= ROWS)
        return false;
    row = &wire_rows[index];
    from = row->slot[0].from | row->slot[1].from;
    *out = (struct wire_parameter){
        .name = row->name,
        .key = row->key,
        .list = row->list,
        .comprehension_required = wire_key_required(row->key),
        .to_server = (from & WIRE_FROM_CLIENT) != 0,
        .to_client = (from & WIRE_FROM_SERVER) != 0,
        .yang_type = wire_kind_traits[row->kind].yang,
        .cbor_type = wire_kind_traits[row->kind].cbor,
        .json_type = wire_kind_traits[row->kind].json,
    };
    return true;
}
