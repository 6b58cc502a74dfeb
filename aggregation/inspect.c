/* inspect: views of mitigations and installs. */

#include "aggregation/inspect.h"

#include "aggregation/relay_state.h"

void mitigation_view(const struct mitigation *mitigation, struct mitigation_view *out)
{
    static const char *const states[] = {
        [MITIGATION_LIVE] = "live", [MITIGATION_TERMINATING] = "terminating", [MITIGATION_ENDED] = "ended"};
    const struct demand *demand;

    *out = (struct mitigation_view){
        .state = states[mitigation->state],
        .active = mitigation->active,
        .activated = mitigation->activated,
        .recursed = mitigation->recursed_until_ms != 0,
        .waits = mitigation->wait != WAIT_NONE,
    };
    DL_FOREACH(mitigation->demands, demand)
    out->demands++;
}

void install_view(const struct relay *relay, const struct install *install, struct install_view *out)
{
    static const char *const states[] = {[INSTALL_PUT] = "asked",
                                         [INSTALL_LIVE] = "accepted",
                                         [INSTALL_REFUSED] = "refused",
                                         [INSTALL_WITHDRAW] = "withdrawing",
                                         [INSTALL_GONE] = "withdrawing"};
    const struct upstream_cuid_state *cuid = install->cuid;
    const struct relay_target *target = &relay->policy->targets[cuid->public.target];
    const struct install *part;

    *out = (struct install_view){
        .id = install->id,
        .target = target->name,
        .kind = target->kind,
        .cdid = cuid->public.cdid,
        .cuid = cuid->public.cuid,
        .mid = cuid->job ? 0 : install->mid,
        .trigger = install->trigger,
        .state = states[install->state],
        .superseded = install->superseded,
        .merges = cuid->merges,
        .at = install->scope ? &install->scope->target : NULL,
        .status = install->status,
        .counters = install->counters,
        .refusal = install->refusal,
        .diagnostic = install->diagnostic,
        .members = install->bundle ? install->bundle->demand_count : 0,
    };
    for (part = install->bundle ? install->bundle->installs : NULL; part; part = part->next)
        out->parts += !part->superseded;
}

int install_member_each(const struct install *install, int (*each)(void *arg, const struct mitigation *mitigation),
                        void *arg)
{
    const struct demand *demand = install->bundle ? install->bundle->demands : NULL;

    for (; demand; demand = demand->bundle_next) {
        int stop = each(arg, demand->mitigation);

        if (stop)
            return stop;
    }
    return 0;
}

const struct install *relay_install_find(const struct relay *relay, uint64_t id)
{
    struct install *install;

    HASH_FIND(hh, relay->installs, &id, sizeof(id), install);
    return install;
}

void relay_totals(const struct relay *relay, struct relay_totals *out)
{
    *out = (struct relay_totals){
        .requesters = HASH_COUNT(relay->requesters),
        .mitigations = relay->mitigation_count,
        .installs = HASH_COUNT(relay->installs),
        .upstream_cuids = HASH_COUNT(relay->cuids),
        .recurses_by_hand = relay->recurses && relay->policy->recursion == RELAY_RECURSION_MANUAL,
    };
}

size_t relay_target_active(const struct relay *relay, size_t target)
{
    return target < relay->policy->target_count ? relay->target_active[target] : 0;
}
