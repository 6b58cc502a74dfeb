/* bundle: demands that overlap are one; kept incrementally, right under removal too. */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"
#include "aggregation/scope_lists.h"
#include "aggregation/scope_names.h"
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

static struct demand *root_of(struct demand *demand)
{
    while (demand->root != demand) {
        demand->root = demand->root->root;
        demand = demand->root;
    }
    return demand;
}

static void connect(struct demand *a, struct demand *b)
{
    root_of(a)->root = root_of(b);
}

struct clause {
    const struct wire_prefix *prefix;
    const char *name;
    struct demand *demand;
};

static int by_prefix(const void *a, const void *b)
{
    return scope_prefix_compare(((const struct clause *)a)->prefix, ((const struct clause *)b)->prefix);
}

static int by_fqdn(const void *a, const void *b)
{
    return scope_fqdn_compare(((const struct clause *)a)->name, ((const struct clause *)b)->name);
}

static int by_uri(const void *a, const void *b)
{
    return scope_uri_compare(((const struct clause *)a)->name, ((const struct clause *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct clause *)a)->name, ((const struct clause *)b)->name);
}

/* Sorted, a prefix comes right before those that it contains: all of them hang together with it. */
static void connect_prefixes(struct clause *clauses, size_t count)
{
    size_t outer = 0;

    qsort(clauses, count, sizeof(*clauses), by_prefix);
    for (size_t i = 1; i < count; i++) {
        if (scope_prefix_contains(clauses[outer].prefix, clauses[i].prefix))
            connect(clauses[outer].demand, clauses[i].demand);
        else
            outer = i;
    }
}

static void connect_names(struct clause *clauses, size_t count, int (*compare)(const void *a, const void *b))
{
    qsort(clauses, count, sizeof(*clauses), compare);
    for (size_t i = 1; i < count; i++)
        if (compare(&clauses[i - 1], &clauses[i]) == 0)
            connect(clauses[i - 1].demand, clauses[i].demand);
}

static size_t gather_names(struct clause *clauses, const struct bundle *bundle, size_t offset)
{
    struct demand *demand;
    size_t count = 0;

    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        const struct wire_strings *names =
            (const struct wire_strings *)(const void *)((const char *)&demand->scope->target + offset);

        for (size_t i = 0; i < names->count; i++)
            clauses[count++] = (struct clause){.name = names->at[i], .demand = demand};
    }
    return count;
}

static size_t gather_prefixes(struct clause *clauses, const struct bundle *bundle)
{
    struct demand *demand;
    size_t count = 0;

    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        for (size_t i = 0; i < demand->scope->target.prefix_count; i++)
            clauses[count++] = (struct clause){.prefix = &demand->scope->target.prefixes[i], .demand = demand};
    }
    return count;
}

static size_t largest(const struct bundle *bundle)
{
    const struct demand *demand;
    size_t prefixes = 0, names = 0;

    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        const struct wire_target *target = &demand->scope->target;

        prefixes += target->prefix_count;
        names += target->fqdns.count + target->uris.count + target->aliases.count;
    }
    return prefixes > names ? prefixes : names;
}

/* Every demand that does not hang together with the first one leaves, with those that hang together with it. */
static void part(struct relay *relay, struct bundle *bundle)
{
    struct demand *first = root_of(bundle->demands), *demand, *next;
    struct bundle *other = NULL;

    DL_FOREACH_SAFE2(bundle->demands, demand, next, bundle_next)
    {
        if (root_of(demand) == first)
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
    size_t most = largest(bundle);
    struct clause *clauses = calloc(most ? most : 1, sizeof(*clauses));
    struct demand *demand;

    if (!clauses)
        return; /* stays one: wider connected than need be, never narrower */
    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        demand->root = demand;
    }
    connect_prefixes(clauses, gather_prefixes(clauses, bundle));
    connect_names(clauses, gather_names(clauses, bundle, offsetof(struct wire_target, fqdns)), by_fqdn);
    connect_names(clauses, gather_names(clauses, bundle, offsetof(struct wire_target, uris)), by_uri);
    connect_names(clauses, gather_names(clauses, bundle, offsetof(struct wire_target, aliases)), by_text);
    free(clauses);
    part(relay, bundle);
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

bool demand_covered(const struct demand *demand)
{
    const struct wire_target *targets[64];
    const struct install *install;
    struct scope *united;
    size_t count = 0;
    bool covered;

    DL_FOREACH(demand->bundle->installs, install)
    {
        if (!stands(install) || !install->scope)
            continue;
        if (!demand->bundle->cuid->merges || scope_covers(&install->scope->target, &demand->scope->target))
            return true;
        if (count < sizeof(targets) / sizeof(targets[0]))
            targets[count++] = &install->scope->target;
    }
    if (count < 2)
        return false;
    united = scope_unite(targets, count);
    covered = united && scope_covers(&united->target, &demand->scope->target);
    scope_unref(united);
    return covered;
}
