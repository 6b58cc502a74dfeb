/* plan: what a mitigation asks of a target. */

#include <string.h>

#include "aggregation/relay_state.h"

static void plan_any(const struct relay *relay, const struct mitigation *mitigation, size_t target, struct plan *out)
{
    const struct relay_target *at = &relay->policy->targets[target];
    bool job = at->kind == RELAY_MITIGATOR, helps = !job && relay->recurses;

    memset(out, 0, sizeof(*out));
    /* A mitigator goes on while the mitigation terminates (RFC 9132 section 4.4.4); an upstream is told
     * at once, and has a period of its own. */
    if (at->disabled || mitigation->state == MITIGATION_ENDED ||
        (mitigation->state == MITIGATION_TERMINATING && !job) || (job && !mitigation->active))
        return;
    if (!job && hop_looped(mitigation, target))
        return;
    /* An upstream that only helps our mitigators is asked when they need it, and not for standing by. */
    if (helps && !mitigation->recursed_until_ms)
        return;
    out->immediate = job || mitigation->trigger || mitigation->activated;
    /* Made immediate, it stays preconfigured as well: others in its bundle are not touched. Under a
     * client's own cuid its mid can only be one of them. */
    out->preconfigured = !job && !helps && !mitigation->trigger && (!at->identity_client || !mitigation->activated);
}

void plan_target(const struct relay *relay, const struct mitigation *mitigation, size_t target, struct plan *out)
{
    bool job = relay->policy->targets[target].kind == RELAY_MITIGATOR;

    if (job || !relay->serial || serial_holds(mitigation, target))
        plan_any(relay, mitigation, target, out);
    else
        *out = (struct plan){.immediate = false};
}

bool plan_wants_upstream(const struct relay *relay, const struct mitigation *mitigation)
{
    struct plan plan;

    for (size_t i = 0; mitigation->outside && !mitigation->denied && i < relay->policy->target_count; i++) {
        plan_any(relay, mitigation, i, &plan);
        if (relay->policy->targets[i].kind == RELAY_UPSTREAM && (plan.immediate || plan.preconfigured))
            return true;
    }
    return false;
}

int plan_scope(const struct relay *relay, const struct mitigation *mitigation, size_t target, struct scope **scope)
{
    bool job = relay->policy->targets[target].kind == RELAY_MITIGATOR;
    struct scope *whole = job ? mitigation->scope : mitigation->outside;

    *scope = NULL;
    if (whole && relay->fan_out)
        return fan_out_part(relay->fan_out, target, whole, scope);
    if (whole)
        *scope = scope_ref(whole);
    return 0;
}

int plan_outside(const struct relay *relay, const struct wire_target *target, struct scope **outside, char *reason,
                 size_t size)
{
    *outside = NULL;
    if (!relay->has_upstream || relay->policy->nat_count == 0)
        return 0;
    *outside = nat_translate(relay->policy->nat, relay->policy->nat_count, target, reason, size);
    return *outside ? 0 : -1;
}
