/* plan: what should be installed at a target, one to one. Bundles of overlapping requests take this place. */

#include <string.h>

#include "aggregation/relay_state.h"

void plan_target(const struct relay *relay, const struct mitigation *mitigation, size_t target, struct plan_entry *out)
{
    bool job = relay->policy->targets[target].kind == RELAY_MITIGATOR;

    memset(out, 0, sizeof(*out));
    if (relay->policy->targets[target].disabled)
        return;
    /* A mitigator goes on while the mitigation terminates (RFC 9132 section 4.4.4); an upstream is told
     * at once, and has a period of its own. */
    if (mitigation->state == MITIGATION_ENDED || (mitigation->state == MITIGATION_TERMINATING && !job))
        return;
    if (job && !mitigation->active)
        return;
    out->scope = mitigation->scope;
    out->trigger = mitigation->trigger || mitigation->activated;
    out->expires_ms = mitigation->expires_ms;
    out->hop_limit = mitigation->hop_limit;
}
