/* Whether two messages say the same, field by field: the judge of round trips. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "gateway/wire/wire.h"

#define SAME(field) (a->field == b->field)

static inline bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool same_strings(const struct wire_strings *a, const struct wire_strings *b)
{
    for (size_t i = 0; SAME(count) && i < a->count; i++) {
        if (!same_text(a->at[i], b->at[i]))
            return false;
    }
    return SAME(count);
}

static inline bool same_target(const struct wire_target *a, const struct wire_target *b)
{
    if (!SAME(prefix_count) || !SAME(port_range_count) || !SAME(protocol_count))
        return false;
    for (size_t i = 0; i < a->prefix_count; i++) {
        if (!SAME(prefixes[i].family) || !SAME(prefixes[i].length) ||
            memcmp(a->prefixes[i].addr, b->prefixes[i].addr, sizeof(a->prefixes[i].addr)) != 0)
            return false;
    }
    for (size_t i = 0; i < a->port_range_count; i++) {
        if (!SAME(port_ranges[i].lower) || !SAME(port_ranges[i].upper))
            return false;
    }
    for (size_t i = 0; i < a->protocol_count; i++) {
        if (!SAME(protocols[i]))
            return false;
    }
    return same_strings(&a->fqdns, &b->fqdns) && same_strings(&a->uris, &b->uris) &&
           same_strings(&a->aliases, &b->aliases);
}

static inline bool same_acls(const struct wire_acl *a, const struct wire_acl *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!same_text(a[i].name, b[i].name) || !same_text(a[i].type, b[i].type) || a[i].activation != b[i].activation)
            return false;
    }
    return true;
}

static inline bool same_conflict(const struct wire_conflict *a, const struct wire_conflict *b)
{
    if (!a || !b)
        return a == b;
    return SAME(status) && SAME(cause) && SAME(has_retry_timer) && SAME(retry_timer) && SAME(has_mid) && SAME(mid) &&
           SAME(acl_count) && same_acls(a->acls, b->acls, a->acl_count) && same_target(&a->target, &b->target);
}

static inline bool same_scope(const struct wire_scope *a, const struct wire_scope *b)
{
    return same_target(&a->target, &b->target) && SAME(has_lifetime) && SAME(lifetime) && SAME(has_trigger) &&
           SAME(trigger) && SAME(has_mid) && SAME(mid) && SAME(has_start) && SAME(start) && SAME(status) &&
           SAME(attack_status) && same_conflict(a->conflict, b->conflict) && SAME(has_bytes) && SAME(bytes_dropped) &&
           SAME(has_bps) && SAME(bps_dropped) && SAME(has_pkts) && SAME(pkts_dropped) && SAME(has_pps) &&
           SAME(pps_dropped) && SAME(acl_count) && same_acls(a->acls, b->acls, a->acl_count);
}

static inline bool same_values(const struct wire_config_value *a, const struct wire_config_value *b)
{
    for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++, a++, b++) {
        if (!SAME(has_max) || !SAME(max) || !SAME(has_min) || !SAME(min) || !SAME(has_current) || !SAME(current))
            return false;
    }
    return true;
}

static inline bool same_message(const struct wire_message *a, const struct wire_message *b)
{
    if (!SAME(type) || !SAME(scope_count))
        return false;
    for (size_t i = 0; i < a->scope_count; i++) {
        if (!same_scope(&a->scopes[i], &b->scopes[i]))
            return false;
    }
    return SAME(config.has_mitigating) && SAME(config.has_idle) &&
           same_values(a->config.mitigating, b->config.mitigating) && same_values(a->config.idle, b->config.idle) &&
           same_text(a->redirect.alt_server, b->redirect.alt_server) &&
           same_strings(&a->redirect.records, &b->redirect.records) && SAME(heartbeat.peer_hb_status);
}
