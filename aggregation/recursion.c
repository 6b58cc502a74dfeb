/*
 * recursion: is an upstream asked to help our mitigators with a mitigation (draft-ietf-dots-architecture,
 * recursive signaling). A mitigation is *recursed* from the moment that it is, until it ends, is withdrawn,
 * or the hold-down is over: a mitigator that says 4 and something else in turn changes nothing.
 */

#include <stdio.h>

#include "aggregation/relay_state.h"

/* Of all our mitigators together: 4 if any says 4, 0 if none has said anything. */
static enum wire_status of_mitigators(const struct mitigation *mitigation)
{
    enum wire_status combined = 0;
    const struct demand *demand;

    DL_FOREACH(mitigation->demands, demand)
    {
        enum wire_status status = demand->bundle->cuid->job ? bundle_status(demand->bundle) : 0;

        if (status && combined != WIRE_STATUS_EXCEEDED)
            combined = status;
    }
    return combined;
}

static void tell_operators(const struct relay *relay, const struct mitigation *mitigation, const char *what)
{
    const struct requester *owner = &mitigation->owner->public;
    char text[2 * RELAY_CUID_MAX + 80];

    snprintf(text, sizeof(text), "mid %u of %s, client %s: %s", mitigation->mid, owner->cuid, owner->client, what);
    relay->effects->alert(relay->arg, "recursion", text);
}

static void begin(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    mitigation->recursed_until_ms = RELAY_FOREVER;
    record_mitigation(relay, mitigation);
    tell_operators(relay, mitigation, "upstreams are asked to help");
    reconcile(relay, now, mitigation, RECONCILE_CHANGE);
}

static void end(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    mitigation_keep_counters(mitigation);
    mitigation->recursed_until_ms = 0;
    record_mitigation(relay, mitigation);
    tell_operators(relay, mitigation, "upstreams need not help any more");
    reconcile(relay, now, mitigation, RECONCILE_CHANGE);
    feedback(relay, now, mitigation);
}

void recursion_review(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    enum wire_status status;

    if (!relay->recurses || relay->policy->recursion != RELAY_RECURSION_ON_EXCEEDED || !mitigation->active ||
        mitigation->state != MITIGATION_LIVE)
        return;
    status = of_mitigators(mitigation);
    if (status == WIRE_STATUS_EXCEEDED && !mitigation->recursed_until_ms) {
        begin(relay, now, mitigation);
    } else if (status == WIRE_STATUS_EXCEEDED && mitigation->recursed_until_ms != RELAY_FOREVER) {
        mitigation->recursed_until_ms = RELAY_FOREVER;
        record_mitigation(relay, mitigation);
    } else if (status && status != WIRE_STATUS_EXCEEDED && mitigation->recursed_until_ms == RELAY_FOREVER) {
        mitigation->recursed_until_ms = now + relay->policy->recursion_hold_ms;
        record_mitigation(relay, mitigation);
    }
    mitigation_schedule(relay, mitigation);
}

void recursion_due(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    if (mitigation->state == MITIGATION_LIVE && mitigation->recursed_until_ms && mitigation->recursed_until_ms <= now)
        end(relay, now, mitigation);
}

int relay_recurse(struct relay *relay, int64_t now, const struct relay_requester *requester, uint32_t mid, bool on)
{
    struct requester_state *owner = requester_look(relay, requester->cdid, requester->cuid);
    struct mitigation *mitigation = owner ? mitigation_look(owner, mid) : NULL;

    relay->now = now;
    if (!relay->recurses || relay->policy->recursion != RELAY_RECURSION_MANUAL || !mitigation || !mitigation->active ||
        mitigation->state != MITIGATION_LIVE)
        return -1;
    if (on && !mitigation->recursed_until_ms)
        begin(relay, now, mitigation);
    else if (!on && mitigation->recursed_until_ms)
        end(relay, now, mitigation);
    effects_flush(relay);
    return 0;
}
