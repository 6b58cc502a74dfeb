/* bundle: demands that overlap are one; kept incrementally, right under removal too. */

#include <stdlib.h>

#include "aggregation/connect.h"
#include "aggregation/relay_state.h"
#include "aggregation/status.h"
#include "aggregation/union.h"

const struct relay_target *bundle_target(const struct relay *relay, const struct bundle *bundle)
{
    return &relay->policy->targets[bundle->cuid->public.target];
}

struct demand *demand_find(const struct mitigation *mitigation, size_t target, bool trigger)
{
    for (struct demand *demand = mitigation->demands; demand; demand = demand->next)
        if (demand->bundle->cuid->public.target == target && demand->bundle->trigger == trigger)
            return demand;
    return NULL;
}

void bundle_soil(struct relay *relay, struct bundle *bundle)
{
    if (bundle->dirty)
        return;
    bundle->dirty = true;
    bundle->next_dirty = NULL;
    if (relay->last_dirty_bundle)
        relay->last_dirty_bundle->next_dirty = bundle;
    else
        relay->dirty_bundles = bundle;
    relay->last_dirty_bundle = bundle;
}

static struct bundle *bundle_new(struct upstream_cuid_state *cuid, bool trigger)
{
    struct bundle *bundle = calloc(1, sizeof(*bundle));

    if (bundle) {
        bundle->cuid = cuid;
        bundle->trigger = trigger;
        cuid->bundle_count++;
    }
    return bundle;
}

static void join(struct bundle *bundle, struct demand *demand)
{
    demand->bundle = bundle;
    DL_APPEND2(bundle->demands, demand, bundle_prev, bundle_next);
    bundle->demand_count++;
}

static void leave(struct demand *demand)
{
    DL_DELETE2(demand->bundle->demands, demand, bundle_prev, bundle_next);
    demand->bundle->demand_count--;
}

/* ---- Joining ---- */

/* Everything of the smaller one goes into the larger; an empty bundle is freed when it is settled. */
static struct bundle *merge(struct relay *relay, struct bundle *a, struct bundle *b)
{
    struct bundle *into = a->demand_count >= b->demand_count ? a : b, *from = into == a ? b : a;

    for (struct demand *demand = from->demands; demand; demand = demand->bundle_next)
        demand->bundle = into;
    DL_CONCAT2(into->demands, from->demands, bundle_prev, bundle_next);
    into->demand_count += from->demand_count;
    from->demands = NULL;
    from->demand_count = 0;
    while (from->installs)
        install_move(from->installs, into);
    bundle_soil(relay, from);
    return into;
}

struct touching {
    struct relay *relay;
    struct bundle *bundle;
};

static int touch(void *arg, void *owner)
{
    struct touching *touching = arg;
    struct bundle *other = ((struct demand *)owner)->bundle;

    if (!touching->bundle)
        touching->bundle = other;
    else if (touching->bundle != other)
        touching->bundle = merge(touching->relay, touching->bundle, other);
    return 0;
}

static int join_overlapping(struct relay *relay, struct demand *demand, struct upstream_cuid_state *cuid, bool trigger)
{
    struct touching touching = {.relay = relay};

    if (cuid->merges)
        overlap_index_query(cuid->index[trigger], &demand->scope->target, touch, &touching);
    if (!touching.bundle)
        touching.bundle = bundle_new(cuid, trigger);
    if (!touching.bundle)
        return -1;
    join(touching.bundle, demand);
    if (cuid->merges && overlap_index_add(cuid->index[trigger], demand->scope, demand) != 0) {
        leave(demand);
        bundle_soil(relay, touching.bundle);
        return -1;
    }
    bundle_soil(relay, touching.bundle);
    return 0;
}

int demand_add(struct relay *relay, struct mitigation *mitigation, size_t target, bool trigger, struct scope *scope)
{
    struct upstream_cuid_state *cuid = upstream_cuid_get(relay, target, mitigation->owner);
    struct demand *demand = cuid ? calloc(1, sizeof(*demand)) : NULL;

    if (!demand)
        goto out_of_memory;
    demand->mitigation = mitigation;
    demand->scope = scope_ref(scope);
    if (join_overlapping(relay, demand, cuid, trigger) != 0)
        goto out_of_memory;
    DL_APPEND(mitigation->demands, demand);
    if (trigger) {
        cuid->active_count++;
        relay->target_active[target]++;
    }
    return 0;

out_of_memory:
    if (demand)
        scope_unref(demand->scope);
    free(demand);
    if (cuid)
        upstream_cuid_release(relay, cuid);
    return -1;
}

/* ---- Leaving: what remains may fall apart ---- */

/* Every demand that does not hang together with the first one leaves, with those that hang together with it. */
static void part(struct relay *relay, struct bundle *bundle)
{
    struct demand *first = bundle->demands->root, *demand, *next;
    struct bundle *other = NULL;

    DL_FOREACH_SAFE2(bundle->demands, demand, next, bundle_next)
    {
        if (demand->root == first)
            continue;
        if (!other)
            other = bundle_new(bundle->cuid, bundle->trigger);
        if (other && !other->status_before)
            other->status_before = bundle_status(bundle);
        if (!other)
            return; /* wider than need be until the next change */
        leave(demand);
        join(other, demand);
    }
    if (!other)
        return;
    bundle_soil(relay, other);
    part(relay, other);
}

static void fall_apart(struct relay *relay, struct bundle *bundle)
{
    struct demand **demands = calloc(bundle->demand_count, sizeof(*demands)), *demand;
    const struct scope **scopes = calloc(bundle->demand_count, sizeof(*scopes));
    size_t *component = calloc(bundle->demand_count, sizeof(*component)), count = 0;

    if (demands && scopes && component) {
        DL_FOREACH2(bundle->demands, demand, bundle_next)
        {
            demands[count] = demand;
            scopes[count++] = demand->scope;
        }
        /* Out of memory it stays one: wider connected than need be, never narrower. */
        if (scope_connect(scopes, count, component) == 0) {
            for (size_t i = 0; i < count; i++)
                demands[i]->root = demands[component[i]];
            part(relay, bundle);
        }
    }
    free(demands);
    free(scopes);
    free(component);
}

void demand_remove(struct relay *relay, struct demand *demand)
{
    struct bundle *bundle = demand->bundle;
    struct upstream_cuid_state *cuid = bundle->cuid;

    if (cuid->merges)
        overlap_index_remove(cuid->index[bundle->trigger], demand->scope, demand);
    if (bundle->trigger) {
        cuid->active_count--;
        relay->target_active[cuid->public.target]--;
    }
    leave(demand);
    DL_DELETE(demand->mitigation->demands, demand);
    scope_unref(demand->scope);
    free(demand);
    bundle_soil(relay, bundle);
    if (bundle->demand_count > 1)
        fall_apart(relay, bundle);
}

void demand_drop(struct relay *relay, struct demand *demand)
{
    struct bundle *bundle = demand->bundle;
    struct upstream_cuid_state *cuid = bundle->cuid;

    leave(demand);
    DL_DELETE(demand->mitigation->demands, demand);
    scope_unref(demand->scope);
    free(demand);
    if (bundle->demand_count > 0)
        return;
    free(bundle);
    cuid->bundle_count--;
    upstream_cuid_release(relay, cuid);
}

/* ---- What a bundle is ---- */

enum wire_status bundle_status(const struct bundle *bundle)
{
    struct status_report reports[16];
    const struct install *install;
    size_t count = 0;

    DL_FOREACH(bundle->installs, install)
    {
        if (install->status && !install_over(install) && count < sizeof(reports) / sizeof(reports[0]))
            reports[count++] = (struct status_report){.status = install->status};
    }
    return count ? status_combine(reports, count).status : bundle->status_before;
}

int64_t bundle_expires(const struct bundle *bundle)
{
    const struct demand *demand;
    int64_t latest = 0;

    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        if (demand->mitigation->expires_ms > latest)
            latest = demand->mitigation->expires_ms;
    }
    return latest;
}

/* There, as far as we were told, and nothing that was sent since is still unanswered. */
static bool stands(const struct install *install)
{
    return install->state == INSTALL_LIVE && !install->awaited && !install->refusal;
}

static bool touched(const struct bundle *bundle, const struct wire_prefix *prefix)
{
    const struct wire_target one = {.prefixes = (struct wire_prefix *)prefix, .prefix_count = 1};
    const struct install *install;

    DL_FOREACH(bundle->installs, install)
    {
        if (stands(install) && install->scope && scope_parts_overlap(&install->scope->target, &one))
            return true;
    }
    return false;
}

/* A part of what the demand asks for is on its way, with addresses that nothing there has: so it is not covered,
 * and to see that costs little. */
static bool on_its_way(const struct demand *demand)
{
    const struct install *install;

    DL_FOREACH(demand->bundle->installs, install)
    {
        if (!install->superseded && install->scope && !stands(install) && install->state != INSTALL_REFUSED &&
            scope_overlap(&install->scope->target, &demand->scope->target))
            break;
    }
    for (size_t i = 0; install && i < install->scope->target.prefix_count; i++)
        if (!touched(demand->bundle, &install->scope->target.prefixes[i]))
            return true;
    return false;
}

/* Several parts together; without memory: not, and the answer comes with response-wait. */
static bool covered_together(const struct demand *demand, size_t count)
{
    const struct wire_target **targets = calloc(count, sizeof(*targets));
    const struct install *install;
    struct scope *united = NULL;
    bool covered;

    if (!targets)
        return false;
    count = 0;
    DL_FOREACH(demand->bundle->installs, install)
    {
        if (stands(install) && install->scope)
            targets[count++] = &install->scope->target;
    }
    united = scope_unite(targets, count);
    covered = united && scope_covers(&united->target, &demand->scope->target);
    scope_unref(united);
    free(targets);
    return covered;
}

bool demand_covered(const struct demand *demand)
{
    const struct install *install;
    size_t count = 0;

    DL_FOREACH(demand->bundle->installs, install)
    {
        if (!stands(install) || !install->scope)
            continue;
        if (!demand->bundle->cuid->merges || scope_covers(&install->scope->target, &demand->scope->target))
            return true;
        count++;
    }
    return count > 1 && !on_its_way(demand) && covered_together(demand, count);
}
