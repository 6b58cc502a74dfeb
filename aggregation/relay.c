/* relay: life of the spine, and time. */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"
#include "aggregation/record.h"

struct relay *relay_new(const struct relay_policy *policy, const struct relay_effects *effects, void *arg)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    bool shared_by_clients = false;

    if (!relay)
        return NULL;
    relay->policy = policy;
    relay->effects = effects;
    relay->arg = arg;
    for (size_t i = 0; i < policy->target_count; i++) {
        const struct relay_target *target = &policy->targets[i];

        if (target->kind != RELAY_UPSTREAM || target->disabled)
            continue;
        relay->has_upstream = true;
        shared_by_clients = shared_by_clients || (!target->identity_client && !target->per_client);
    }
    relay->disjoint = shared_by_clients;
    if (relay->disjoint || policy->reject_conflicts || !relay->has_upstream) {
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

static void free_mitigations(struct relay *relay)
{
    struct requester_state *requester, *next;
    struct mitigation *mitigation, *after;

    HASH_ITER(hh, relay->requesters, requester, next)
    {
        requester->held++; /* kept until its last mitigation is gone */
        HASH_ITER(hh, requester->mitigations, mitigation, after)
        {
            for (size_t i = 0; i < mitigation->exchange_count; i++)
                relay->effects->ignore(relay->arg, mitigation->exchanges[i]);
            mitigation_free(relay, mitigation);
        }
        requester->held--;
        requester_release(relay, requester);
    }
}

void relay_free(struct relay *relay)
{
    struct install *install, *next_install;
    struct upstream_cuid_state *cuid, *next_cuid;
    struct binding *binding, *next_binding;
    struct binding_count *count, *next_count;
    struct counter *counter, *next_counter;

    if (!relay)
        return;
    effects_drop(relay);
    HASH_ITER(hh, relay->installs, install, next_install)
    {
        install->member = NULL;
        install_free(relay, install);
    }
    free_mitigations(relay);
    HASH_ITER(hh, relay->cuids, cuid, next_cuid)
    {
        relay->effects->upstream_cuid_gone(relay->arg, &cuid->public);
        HASH_DEL(relay->cuids, cuid);
        free(cuid);
    }
    HASH_ITER(hh, relay->bindings, binding, next_binding)
    {
        HASH_DEL(relay->bindings, binding);
        free(binding);
    }
    HASH_ITER(hh, relay->binding_counts, count, next_count)
    {
        HASH_DEL(relay->binding_counts, count);
        free(count);
    }
    HASH_ITER(hh, relay->counters, counter, next_counter)
    {
        HASH_DEL(relay->counters, counter);
        free(counter);
    }
    overlap_index_free(relay->index);
    deadline_heap_free(relay->timers);
    free(relay->target_active);
    free(relay->record);
    free(relay);
}

void relay_committed(struct relay *relay, int64_t now, uint64_t sequence)
{
    (void)now;
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
