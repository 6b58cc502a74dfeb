/* reconcile: what a mitigation asks of each target, and what follows for what is installed there. */

#include <string.h>

#include "aggregation/relay_state.h"

#define WITHDRAW_RETRY_MS 30000

static bool wanted(const struct plan *plan, bool trigger)
{
    return trigger ? plan->immediate : plan->preconfigured;
}

static void leave_target(struct relay *relay, struct mitigation *mitigation, size_t target, const struct plan *plan)
{
    for (int trigger = 0; trigger < 2; trigger++) {
        struct demand *have = demand_find(mitigation, target, trigger);

        if (have && !wanted(plan, trigger))
            demand_remove(relay, have);
    }
}

static int join_target(struct relay *relay, struct mitigation *mitigation, size_t target, const struct plan *plan)
{
    bool joins[2];
    struct scope *scope;
    int result = 0;

    for (int trigger = 0; trigger < 2; trigger++)
        joins[trigger] = wanted(plan, trigger) && !demand_find(mitigation, target, trigger);
    if (!joins[0] && !joins[1])
        return 0;
    if (plan_scope(relay, mitigation, target, &scope) != 0)
        return -1;
    for (int trigger = 0; scope && trigger < 2; trigger++)
        if (joins[trigger] && demand_add(relay, mitigation, target, trigger, scope) != 0)
            result = -1;
    scope_unref(scope);
    return result;
}

int demands_place(struct relay *relay, struct mitigation *mitigation)
{
    int result = 0;

    for (size_t target = 0; target < relay->policy->target_count; target++) {
        bool same_mid = relay->policy->targets[target].identity_client;
        struct plan plan;

        plan_target(relay, mitigation, target, &plan);
        /* With mids of our own what joins comes before what leaves: no moment without any. The client's own
         * mid must be deleted before it can be put as something else. */
        if (same_mid)
            leave_target(relay, mitigation, target, &plan);
        if (join_target(relay, mitigation, target, &plan) != 0)
            result = -1;
        if (!same_mid)
            leave_target(relay, mitigation, target, &plan);
    }
    return result;
}

int reconcile_demands(struct relay *relay, struct mitigation *mitigation)
{
    if (relay->serial && serial_update(relay, mitigation) != 0)
        return -1;
    return demands_place(relay, mitigation);
}

/* The client repeated its request: so do we where it stands alone; a bundle is refreshed in its own time. */
static void again(struct relay *relay, int64_t now, struct install *install, enum reconcile_cause cause)
{
    bool efficacy = cause == RECONCILE_EFFICACY && install->state == INSTALL_LIVE;

    if (install->superseded || now < install->hold_until_ms)
        return;
    if (install->bundle->cuid->merges && !efficacy) {
        if (install->state == INSTALL_LIVE) {
            install_plan_refresh(install, now);
            install_schedule(relay, install);
        }
        return;
    }
    install->efficacy = efficacy;
    install->awaited = !install->bundle->cuid->job;
    install->refusal = 0;
    if (install->state == INSTALL_REFUSED)
        install->state = INSTALL_PUT;
    install_send(relay, install);
}

int reconcile(struct relay *relay, int64_t now, struct mitigation *mitigation, enum reconcile_cause cause)
{
    int result = reconcile_demands(relay, mitigation);
    struct demand *demand;

    if (cause != RECONCILE_CHANGE) {
        DL_FOREACH(mitigation->demands, demand)
        {
            struct install *install;

            if (!demand->bundle->cuid->merges)
                for (install = demand->bundle->installs; install; install = install->next)
                    install->hop_limit = mitigation->hop_limit;
            DL_FOREACH(demand->bundle->installs, install)
            {
                again(relay, now, install, cause);
            }
        }
    }
    settle_bundles(relay, now);
    return result;
}

void reconcile_due(struct relay *relay, int64_t now, struct install *install)
{
    if (install->state == INSTALL_WITHDRAW && install->lasts_until_ms <= now) {
        install_remove(relay, install);
        return;
    }
    if (install->silent_ms <= now)
        serial_silent(relay, install);
    if (install->state == INSTALL_GONE)
        return;
    if (install->retry_ms <= now) {
        install->retry_ms = install->state == INSTALL_WITHDRAW ? now + WITHDRAW_RETRY_MS : RELAY_FOREVER;
        if (install->state == INSTALL_REFUSED)
            install->state = INSTALL_PUT;
        install->refusal = 0;
        install_send(relay, install);
    }
    install_schedule(relay, install);
}
