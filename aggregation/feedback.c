/* feedback: what the targets say, as the client sees it (RFC 9132 section 4.4.2). */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"
#include "aggregation/status.h"

#define REFUSED_SHOWN_MS 3600000 /* a refusal is shown until the lifetime ends, at most this long */

static bool same_counters(const struct relay_counters *a, const struct relay_counters *b)
{
    return a->has_bytes == b->has_bytes && a->has_bps == b->has_bps && a->has_pkts == b->has_pkts &&
           a->has_pps == b->has_pps && a->bytes == b->bytes && a->bps == b->bps && a->pkts == b->pkts &&
           a->pps == b->pps;
}

/* A mid of ours upstream means something to the client only if the request there is its own. */
static bool own_mid(const struct install *install, const struct mitigation *mitigation, uint32_t upstream_mid,
                    uint32_t *mid)
{
    const struct install *other;
    const struct demand *demand;

    DL_FOREACH2(install->cuid->installs, other, cuid_next)
    {
        if (other->mid != upstream_mid || !other->bundle)
            continue;
        DL_FOREACH2(other->bundle->demands, demand, bundle_next)
        {
            if (demand->mitigation->owner == mitigation->owner) {
                *mid = demand->mitigation->mid;
                return true;
            }
        }
    }
    return false;
}

static bool empty(const struct wire_target *target)
{
    return target->prefix_count + target->fqdns.count + target->uris.count + target->aliases.count == 0;
}

/* Of what an upstream says, the part that this client asked for, as it asked for it. 0, or -1 out of memory. */
static int own_part(const struct relay *relay, const struct wire_target *there, const struct mitigation *mitigation,
                    struct scope_common *out)
{
    const struct relay_policy *policy = relay->policy;
    struct scope_common outside;
    struct scope *inside;
    int status = -1;

    if (policy->nat_count == 0)
        return scope_intersect(there, &mitigation->scope->target, out);
    /* Outside first, where it gets short: an upstream's list can be long. */
    if (!mitigation->outside || scope_intersect(there, &mitigation->outside->target, &outside) != 0)
        return -1;
    /* Which client it concerns may be in the ports: they count here, though not for what overlaps. */
    outside.target.port_ranges = there->port_ranges;
    outside.target.port_range_count = there->port_range_count;
    inside = nat_reverse(policy->nat, policy->nat_count, &outside.target, &mitigation->scope->target);
    if (inside)
        status = scope_intersect(&inside->target, &mitigation->scope->target, out);
    scope_unref(inside);
    free(outside.block);
    return status;
}

struct wire_conflict *feedback_conflict(const struct relay *relay, const struct install *install,
                                        const struct mitigation *mitigation)
{
    bool merges = install->cuid->merges;
    struct wire_conflict conflict, *copy = NULL;
    struct scope_common common = {.block = NULL};

    if (!install->conflict)
        return NULL;
    if (!merges && relay->policy->nat_count == 0)
        return conflict_copy(install->conflict);
    conflict = *install->conflict;
    if (merges)
        conflict.has_mid = conflict.has_mid && own_mid(install, mitigation, install->conflict->mid, &conflict.mid);
    /* Only what is the client's own of it: the rest of the request is other clients', or outside of the NAT. */
    if (!empty(&conflict.target)) {
        if (own_part(relay, &conflict.target, mitigation, &common) != 0 || (merges && empty(&common.target)))
            goto out;
        conflict.target = common.target;
    }
    copy = conflict_copy(&conflict);
out:
    free(common.block);
    return copy;
}

/* Conflicts that an upstream reports; those among our own clients are conflict.c's. */
static void take_conflict(struct relay *relay, struct mitigation *mitigation)
{
    const struct install *install;
    const struct demand *demand;

    struct wire_conflict *before = mitigation->conflict;

    if (!relay->has_upstream)
        return;
    mitigation->conflict = NULL;
    DL_FOREACH(mitigation->demands, demand)
    {
        DL_FOREACH(demand->bundle->installs, install)
        {
            if (!mitigation->conflict)
                mitigation->conflict = feedback_conflict(relay, install, mitigation);
        }
    }
    if (!before != !mitigation->conflict || (before && before->status != mitigation->conflict->status))
        mitigation_changed(relay, mitigation);
    free(before);
}

void feedback_refuse(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    int64_t until = now + REFUSED_SHOWN_MS;

    mitigation_end(relay, now, mitigation, WIRE_STATUS_WITHDRAWN,
                   mitigation->expires_ms < until ? mitigation->expires_ms : until);
}

static void show(struct relay *relay, int64_t now, struct mitigation *mitigation, const struct status_report *report)
{
    bool counted = !same_counters(&mitigation->counters, &report->counters);
    enum wire_status status = report->status;

    /* An upstream that lost our signal has triggered it there (section 4.7): mitigators of ours join in, as they would
     * after a restart. */
    if (!mitigation->trigger && !mitigation->active && status >= WIRE_STATUS_IN_PROGRESS &&
        status <= WIRE_STATUS_EXCEEDED) {
        mitigation_set_active(mitigation, true, now);
        reconcile(relay, now, mitigation, RECONCILE_CHANGE);
    }
    mitigation->counters = report->counters;
    if (!mitigation->trigger && status == WIRE_STATUS_SIGNAL_LOSS) {
        if (!mitigation->activated && mitigation->active && !mitigation->repeats)
            mitigation_stand_by(relay, now, mitigation);
        return;
    }
    if (mitigation->repeats && status == mitigation->status)
        return; /* its four transmissions are under way */
    if (status == mitigation->status) {
        if (counted)
            mitigation_changed(relay, mitigation);
        return;
    }
    mitigation_show(relay, mitigation, status);
    mitigation->state_until_ms = mitigation->repeats ? now + RELAY_REPEAT_MS : RELAY_FOREVER;
    mitigation_schedule(relay, mitigation);
}

/* Nothing that is there serves it, and what should was refused; 5.03 is "not now". */
static bool refuses(const struct demand *demand)
{
    const struct install *install;
    bool refused = false;

    DL_FOREACH(demand->bundle->installs, install)
    {
        /* After 5.03 it is tried again: no refusal of those who were accepted before. */
        if (!install->superseded &&
            (install->state == INSTALL_PUT || (install->state == INSTALL_REFUSED && install->refusal == 503)))
            return false;
        refused = refused || (!install->superseded && install->state == INSTALL_REFUSED && install->refusal != 503);
    }
    return refused && !demand_covered(demand);
}

static struct status_report report_of(const struct install *install)
{
    struct status_report report = {.status = install->status, .counters = install->counters};

    report.counters.bytes += install->bytes_before;
    report.counters.pkts += install->pkts_before;
    return report;
}

/* What is there of its bundle; before the new parts are, what they replace. */
static size_t report(const struct demand *demand, struct status_report *reports)
{
    const struct install *install;
    bool any = false;
    size_t count = 0;

    DL_FOREACH(demand->bundle->installs, install)
    {
        any = any || (!install->superseded && install->state != INSTALL_REFUSED && install->status != 0);
    }
    DL_FOREACH(demand->bundle->installs, install)
    {
        if (install->state != INSTALL_REFUSED && install->superseded == !any &&
            !(install->superseded && install_over(install)))
            reports[count++] = report_of(install);
    }
    if (count == 0)
        reports[count++] = (struct status_report){.status = 0};
    return count;
}

struct gathered {
    struct status_report *reports;
    bool *own; /* of a mitigator */
    size_t count, refused;
};

static void release(struct gathered *gathered)
{
    free(gathered->reports);
    free(gathered->own);
}

/* A bundle that is split has many parts, and each is counted. */
static int reserve(const struct mitigation *mitigation, struct gathered *out)
{
    const struct demand *demand;
    const struct install *install;
    size_t most = 0;

    DL_FOREACH(mitigation->demands, demand)
    {
        most++;
        DL_FOREACH(demand->bundle->installs, install)
        {
            most++;
        }
    }
    *out = (struct gathered){.reports = calloc(most ? most : 1, sizeof(*out->reports)),
                             .own = calloc(most ? most : 1, sizeof(*out->own))};
    if (out->reports && out->own)
        return 0;
    release(out);
    return -1;
}

static void gather(const struct mitigation *mitigation, struct gathered *out)
{
    const struct demand *demand;

    DL_FOREACH(mitigation->demands, demand)
    {
        size_t from = out->count;

        if (mitigation->activated && !demand->bundle->trigger)
            continue; /* what counts is what was made immediate */
        if (refuses(demand))
            out->refused++;
        else
            out->count += report(demand, out->reports + from);
        while (from < out->count)
            out->own[from++] = demand->bundle->cuid->job;
    }
}

/* That a mitigator of ours is exceeded is why upstreams were asked: when one of them mitigates, the attack is. */
static void excuse(struct gathered *gathered)
{
    bool mitigated = false;

    for (size_t i = 0; i < gathered->count; i++)
        mitigated = mitigated || (!gathered->own[i] && gathered->reports[i].status == WIRE_STATUS_MITIGATED);
    for (size_t i = 0; mitigated && i < gathered->count; i++)
        if (gathered->own[i] && gathered->reports[i].status == WIRE_STATUS_EXCEEDED)
            gathered->reports[i].status = WIRE_STATUS_MITIGATED;
}

static struct status_report combine(const struct mitigation *mitigation, const struct gathered *gathered)
{
    struct status_report combined = status_combine(gathered->reports, gathered->count);

    combined.counters.bytes += mitigation->bytes_before;
    combined.counters.pkts += mitigation->pkts_before;
    combined.counters.has_bytes = combined.counters.has_bytes || mitigation->bytes_before;
    combined.counters.has_pkts = combined.counters.has_pkts || mitigation->pkts_before;
    return combined;
}

static bool heard_of(const struct gathered *gathered)
{
    bool heard = false;

    for (size_t i = 0; i < gathered->count; i++)
        heard = heard || gathered->reports[i].status != 0;
    return heard;
}

static void tell(struct relay *relay, int64_t now, struct mitigation *mitigation, const struct gathered *gathered)
{
    struct status_report combined;

    if (gathered->count == 0 && gathered->refused) {
        /* Refused after the client was told that we try: it must hear of it (docs/behaviour.md). */
        feedback_refuse(relay, now, mitigation);
        return;
    }
    combined = combine(mitigation, gathered);
    if (combined.status == 0)
        return;
    if (combined.status >= WIRE_STATUS_CLIENT_WITHDRAWN && combined.status <= WIRE_STATUS_WITHDRAWN) {
        mitigation->counters = combined.counters;
        if (mitigation->trigger)
            feedback_refuse(relay, now, mitigation);
        else
            show(relay, now, mitigation, &(struct status_report){.status = WIRE_STATUS_WITHDRAWN});
        return;
    }
    if (!mitigation->trigger && !mitigation->active && combined.status == WIRE_STATUS_IN_PROGRESS &&
        !heard_of(gathered))
        return; /* a preconfigured one of which nobody has said anything stands by */
    show(relay, now, mitigation, &combined);
}

void feedback(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    struct gathered gathered;

    if (mitigation->state != MITIGATION_LIVE || mitigation->wait == WAIT_CREATED || reserve(mitigation, &gathered) != 0)
        return;
    gather(mitigation, &gathered);
    if (mitigation->recursed_until_ms)
        excuse(&gathered);
    take_conflict(relay, mitigation);
    tell(relay, now, mitigation, &gathered);
    release(&gathered);
}
