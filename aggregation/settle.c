/* settle: what a bundle wants, cut into requests that fit, against what is installed for it. */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"
#include "aggregation/union.h"

#define IDS_A_BLOCK 1024
#define MIDS_A_BLOCK 64
/* RFC 9132 section 4.4.1.1: a mid at 3/4 of 2^32 - 1 starts again from 0 when no attack is on. */
#define MID_ROLLOVER 3221225471u

static uint32_t next_mid(struct relay *relay, const struct bundle *bundle)
{
    struct upstream_cuid_state *cuid = bundle->cuid;

    if (!cuid->counter)
        return bundle->demands->mitigation->mid;
    return (uint32_t)counter_take(relay, cuid->counter, MIDS_A_BLOCK);
}

static void create(struct relay *relay, struct bundle *bundle, struct scope *scope)
{
    struct install *install = loose_claim(relay, bundle, scope);
    bool claimed = install != NULL;
    int64_t not_before = serial_not_before(relay, bundle);

    if (!claimed) {
        install = install_new(relay, bundle->cuid, counter_take(relay, relay->install_ids, IDS_A_BLOCK));
        if (!install)
            return; /* the bundle stays unserved; its mitigations wait, and are tried again with the next change */
        install->scope = scope_ref(scope);
        install->trigger = bundle->trigger;
        install->payer = relay->payer;
        if (relay->payer)
            relay->payer->install_count++;
        install->mid = next_mid(relay, bundle);
        /* A job is there as soon as it is handed over; what it reports comes later. */
        install->state = bundle->cuid->job ? INSTALL_LIVE : INSTALL_PUT;
        install->status = bundle_status(bundle);
        install->awaited = !bundle->cuid->job;
        if (serial_track(relay, install) != 0) {
            install_remove(relay, install);
            return;
        }
        install_block(install);
    }
    install->hop_limit = hop_fewest(bundle);
    install->kept = true;
    install_attach(relay, install, bundle);
    if (claimed)
        return; /* sent when the upstream is up, if it was not answered */
    record_install(relay, install);
    if (not_before <= relay->now) {
        install_send(relay, install);
        return;
    }
    install->retry_ms = not_before;
    install_schedule(relay, install);
}

static void keep(struct relay *relay, int64_t now, struct install *install)
{
    install->kept = true;
    if (install->superseded) {
        install->superseded = false;
        record_install(relay, install);
    }
    if (install->state == INSTALL_LIVE) { /* somebody may want it for longer now */
        install_plan_refresh(install, now);
        install_schedule(relay, install);
    }
    hop_follow(relay, install);
}

/* A later request that overlaps it may be there: then the upstream has deleted this one (section 4.4.1.3). */
static bool overtaken(const struct install *install)
{
    const struct install *other;

    DL_FOREACH(install->bundle->installs, other)
    {
        if (other->mid > install->mid && other->sent && other->scope &&
            (other->state == INSTALL_PUT || other->state == INSTALL_LIVE) &&
            scope_parts_overlap(&other->scope->target, &install->scope->target))
            return true;
    }
    return false;
}

struct settling {
    struct relay *relay;
    int64_t now;
    struct bundle *bundle;
};

static int settle_part(void *arg, struct scope *part)
{
    struct settling *settling = arg;
    struct install *install;

    DL_FOREACH(settling->bundle->installs, install)
    {
        if (!install->kept && install->scope && scope_parts_equal(&install->scope->target, &part->target) &&
            !overtaken(install)) {
            keep(settling->relay, settling->now, install);
            scope_unref(part);
            return 0;
        }
    }
    create(settling->relay, settling->bundle, part);
    scope_unref(part);
    return 0;
}

static void settle_parts(struct relay *relay, int64_t now, struct bundle *bundle)
{
    const struct wire_target **targets = calloc(bundle->demand_count, sizeof(*targets));
    struct settling settling = {relay, now, bundle};
    size_t body_max = bundle_target(relay, bundle)->body_max, count = 0;
    struct scope *whole = NULL;
    struct demand *demand;

    if (targets) {
        DL_FOREACH2(bundle->demands, demand, bundle_next)
        {
            targets[count++] = &demand->scope->target;
        }
        whole = scope_unite(targets, count);
    }
    if (whole)
        scope_split(whole, body_max ? body_max : SIZE_MAX, settle_part, &settling);
    scope_unref(whole);
    free(targets);
}

/* Is everything that is wanted there, so that what it replaces can go? */
static bool complete(const struct bundle *bundle)
{
    const struct install *install;

    DL_FOREACH(bundle->installs, install)
    {
        if (!install->superseded && install->state != INSTALL_LIVE)
            return false;
    }
    return true;
}

/* What was dropped so far stays counted: totals do not fall because a request was put anew. */
static void bequeath(struct install *old, struct install *heir)
{
    heir->bytes_before += old->bytes_before + old->counters.bytes;
    heir->pkts_before += old->pkts_before + old->counters.pkts;
    heir->counters.has_bytes = heir->counters.has_bytes || old->counters.has_bytes;
    heir->counters.has_pkts = heir->counters.has_pkts || old->counters.has_pkts;
    old->bytes_before = old->pkts_before = 0;
    memset(&old->counters, 0, sizeof(old->counters));
}

void settle_inherit(struct bundle *bundle)
{
    struct install *heir, *install;

    DL_FOREACH(bundle->installs, heir)
    {
        if (!heir->superseded)
            break;
    }
    if (!heir || !complete(bundle))
        return;
    DL_FOREACH(bundle->installs, install)
    {
        if (install->superseded)
            bequeath(install, heir);
    }
}

void settle_answered(struct relay *relay, struct bundle *bundle)
{
    struct install *install, *next;

    if (!complete(bundle))
        return;
    settle_inherit(bundle);
    DL_FOREACH_SAFE(bundle->installs, install, next)
    {
        if (install->superseded)
            install_withdraw(relay, install);
    }
}

static void settle(struct relay *relay, int64_t now, struct bundle *bundle)
{
    struct install *install, *next;

    DL_FOREACH(bundle->installs, install)
    {
        install->kept = false;
    }
    if (bundle->cuid->merges) {
        settle_parts(relay, now, bundle);
    } else if (bundle->installs) {
        bundle->installs->kept = true;
        hop_follow(relay, bundle->installs);
    } else {
        create(relay, bundle, bundle->demands->scope);
    }
    DL_FOREACH_SAFE(bundle->installs, install, next)
    {
        if (install->kept)
            continue;
        if (!install->superseded) {
            install->superseded = true;
            record_install(relay, install);
        }
        if (install->state == INSTALL_REFUSED || (install->state == INSTALL_PUT && !install->sent))
            install_withdraw(relay, install);
    }
    settle_answered(relay, bundle);
}

static void dissolve(struct relay *relay, struct bundle *bundle)
{
    struct upstream_cuid_state *cuid = bundle->cuid;

    while (bundle->installs)
        install_withdraw(relay, bundle->installs);
    free(bundle);
    cuid->bundle_count--;
    upstream_cuid_release(relay, cuid);
}

/* What is installed is put anew with mids from 0 on, each after its predecessor is deleted. */
static void roll_over(struct relay *relay, struct upstream_cuid_state *cuid)
{
    struct install *install, *next;

    if (!cuid->counter || cuid->counter->next < MID_ROLLOVER || cuid->active_count > 0)
        return;
    cuid->counter->next = cuid->counter->reserved = 0;
    DL_FOREACH_SAFE2(cuid->installs, install, next, cuid_next)
    {
        if (!install->bundle)
            continue;
        bundle_soil(relay, install->bundle);
        install_withdraw(relay, install);
    }
}

void settle_bundles(struct relay *relay, int64_t now)
{
    while (relay->dirty_bundles) {
        struct bundle *bundle = relay->dirty_bundles;

        relay->dirty_bundles = bundle->next_dirty;
        if (!relay->dirty_bundles)
            relay->last_dirty_bundle = NULL;
        roll_over(relay, bundle->cuid);
        bundle->dirty = false;
        if (bundle->demand_count == 0)
            dissolve(relay, bundle);
        else
            settle(relay, now, bundle);
    }
}
