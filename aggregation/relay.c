/* relay: life of the spine, and time. */

#include <stdlib.h>
#include <string.h>

#include "aggregation/leaving.h"
#include "aggregation/relay_state.h"
#include "aggregation/record.h"
#include "aggregation/walk.h"

struct relay *relay_new(const struct relay_policy *policy, const struct relay_effects *effects, void *arg)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    bool has_mitigator = false;

    if (!relay)
        return NULL;
    relay->policy = policy;
    relay->effects = effects;
    relay->arg = arg;
    relay->first_mid = 1;
    for (size_t i = 0; i < policy->target_count; i++) {
        const struct relay_target *target = &policy->targets[i];

        if (target->kind == RELAY_MITIGATOR)
            has_mitigator = true;
        else if (!target->disabled)
            relay->has_upstream = true;
    }
    relay->recurses = relay->has_upstream && has_mitigator && policy->recursion != RELAY_RECURSION_ALWAYS;
    if (relay->recurses && policy->recursion == RELAY_RECURSION_NEVER)
        relay->has_upstream = false;
    if (policy->fan_out == RELAY_FAN_OUT_BY_PREFIX && relay->has_upstream) {
        relay->fan_out = fan_out_new(policy);
        if (!relay->fan_out)
            goto out_of_memory;
    }
    if (policy->fan_out == RELAY_FAN_OUT_SERIAL && relay->has_upstream) {
        relay->serial = serial_new();
        if (!relay->serial)
            goto out_of_memory;
    }
    if (policy->reject_conflicts || !relay->has_upstream) {
        relay->index = overlap_index_new();
        if (!relay->index)
            goto out_of_memory;
    }
    relay->timers = deadline_heap_new();
    relay->target_active = calloc(policy->target_count ? policy->target_count : 1, sizeof(*relay->target_active));
    relay->record = malloc(RECORD_MAX);
    relay->install_ids = counter_get(relay, "install");
    if (!relay->timers || !relay->target_active || !relay->record || !relay->install_ids)
        goto out_of_memory;
    return relay;

out_of_memory:
    relay_free(relay);
    return NULL;
}

static void free_mitigations(struct relay *relay, struct requester_state *requester)
{
    requester->held++; /* kept until its last mitigation is gone */
    while (requester->ordered) {
        struct mitigation *mitigation = requester->ordered;

        for (size_t i = 0; i < mitigation->exchange_count; i++)
            relay->effects->ignore(relay->arg, mitigation->exchanges[i]);
        while (mitigation->demands)
            demand_drop(relay, mitigation->demands);
        mitigation_free(relay, mitigation);
    }
    requester->held--;
}

/* Tables of plain entries: the table goes first, then what was in it, along its order. */
#define FREE_TABLE(type, head)                       \
    do {                                             \
        struct type *entry = (head);                 \
        HASH_CLEAR(hh, head);                        \
        while (entry) {                              \
            struct type *following = entry->hh.next; \
            free(entry);                             \
            entry = following;                       \
        }                                            \
    } while (0)

void relay_free(struct relay *relay)
{
    struct requester_state *requester, *next;
    struct upstream_cuid_state *cuid;

    if (!relay)
        return;
    walk_relay_gone(relay);
    effects_drop(relay);
    while (relay->installs) {
        if (relay->installs->bundle)
            relay->installs->bundle->installs = NULL; /* none of them is looked at again */
        install_free(relay, relay->installs);
    }
    for (requester = relay->requesters; requester; requester = next) {
        next = requester->hh.next;
        free_mitigations(relay, requester);
        requester_release(relay, requester);
    }
    for (cuid = relay->cuids; cuid; cuid = cuid->hh.next) {
        relay->effects->upstream_cuid_gone(relay->arg, &cuid->public);
        leaving_free(cuid);
        overlap_index_free(cuid->index[0]);
        overlap_index_free(cuid->index[1]);
    }
    FREE_TABLE(upstream_cuid_state, relay->cuids);
    FREE_TABLE(binding, relay->bindings);
    FREE_TABLE(binding_count, relay->binding_counts);
    FREE_TABLE(counter, relay->counters);
    overlap_index_free(relay->index);
    fan_out_free(relay->fan_out);
    serial_free(relay->serial);
    deadline_heap_free(relay->timers);
    free(relay->target_active);
    free(relay->record);
    free(relay);
}

void relay_committed(struct relay *relay, int64_t now, uint64_t sequence)
{
    relay->now = now;
    if (sequence > relay->committed)
        relay->committed = sequence;
    effects_flush(relay);
}

int64_t relay_next(const struct relay *relay)
{
    int64_t at = deadline_next(relay->timers);

    return at < 0 ? RELAY_FOREVER : at;
}

void relay_tick(struct relay *relay, int64_t now)
{
    relay->now = now;
    for (int i = 0; i < RELAY_TIMERS_A_TICK; i++) {
        struct timer *timer = (struct timer *)deadline_pop_due(relay->timers, now);

        if (!timer)
            break;
        if (timer->kind == TIMER_MITIGATION)
            mitigation_due(relay, now, timer->subject);
        else
            reconcile_due(relay, now, timer->subject);
    }
    effects_flush(relay);
}
