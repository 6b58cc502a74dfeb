/* relay: life of the spine, and time. */

#include <stdlib.h>
#include <string.h>

#include "aggregation/leaving.h"
#include "aggregation/relay_state.h"
#include "aggregation/record.h"
#include "aggregation/walk.h"

/* Who is asked, and what for. */
struct derived {
    bool has_upstream, recurses;
    struct fan_out *fan_out;
    struct serial *serial; /* NULL: none, or the one that there is */
    struct overlap_index *index;
    size_t *target_active;
};

static int derive(const struct relay_policy *policy, bool has_serial, struct derived *out)
{
    bool has_mitigator = false;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < policy->target_count; i++) {
        const struct relay_target *target = &policy->targets[i];

        if (target->disabled)
            continue;
        if (target->kind == RELAY_MITIGATOR)
            has_mitigator = true;
        else
            out->has_upstream = true;
    }
    out->recurses = out->has_upstream && has_mitigator && policy->recursion != RELAY_RECURSION_ALWAYS;
    if (out->recurses && policy->recursion == RELAY_RECURSION_NEVER)
        out->has_upstream = false;
    if (policy->fan_out == RELAY_FAN_OUT_BY_PREFIX && out->has_upstream) {
        out->fan_out = fan_out_new(policy);
        if (!out->fan_out)
            return -1;
    }
    if (policy->fan_out == RELAY_FAN_OUT_SERIAL && out->has_upstream && !has_serial) {
        out->serial = serial_new();
        if (!out->serial)
            return -1;
    }
    if (policy->reject_conflicts || !out->has_upstream) {
        out->index = overlap_index_new();
        if (!out->index)
            return -1;
    }
    out->target_active = calloc(policy->target_count ? policy->target_count : 1, sizeof(*out->target_active));
    return out->target_active ? 0 : -1;
}

int relay_adopt(struct relay *relay, const struct relay_policy *policy)
{
    size_t count = relay->policy ? relay->policy->target_count : 0;
    struct derived derived;

    if (derive(policy, relay->serial != NULL, &derived) != 0) {
        fan_out_free(derived.fan_out);
        serial_free(derived.serial);
        overlap_index_free(derived.index);
        return -1;
    }
    fan_out_free(relay->fan_out);
    relay->fan_out = derived.fan_out;
    if (derived.serial) {
        derived.serial->starting = !relay->policy;
        relay->serial = derived.serial;
    }
    if (relay->index)
        overlap_index_free(derived.index); /* it stays, with what is in it */
    else
        relay->index = derived.index;
    if (relay->target_active)
        memcpy(derived.target_active, relay->target_active,
               (count < policy->target_count ? count : policy->target_count) * sizeof(*derived.target_active));
    free(relay->target_active);
    relay->target_active = derived.target_active;
    relay->has_upstream = derived.has_upstream;
    relay->recurses = derived.recurses;
    relay->policy = policy;
    return 0;
}

struct relay *relay_new(const struct relay_policy *policy, const struct relay_effects *effects, void *arg)
{
    struct relay *relay = calloc(1, sizeof(*relay));

    if (!relay)
        return NULL;
    relay->effects = effects;
    relay->arg = arg;
    relay->first_mid = 1;
    if (relay_adopt(relay, policy) != 0)
        goto out_of_memory;
    relay->timers = deadline_heap_new();
    relay->record = malloc(RECORD_MAX);
    relay->install_ids = counter_get(relay, "install");
    if (!relay->timers || !relay->record || !relay->install_ids)
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

    if (relay->reviewing)
        return 0; /* with every turn */
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
    if (relay->reviewing)
        review_some(relay, now);
    effects_flush(relay);
}
