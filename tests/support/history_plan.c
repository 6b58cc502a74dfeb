/* history: after every step, what the gateway wants upstream is the plan from scratch. */

#include "tests/support/history_plan.h"

#include <stdlib.h>
#include <string.h>

/* ---- From scratch ---- */

static bool helps(const struct history *history, bool job)
{
    return !job && history->setup->mitigator && history->setup->recursion != RELAY_RECURSION_ALWAYS;
}

static bool wants(const struct history *history, const struct mitigation *mitigation, bool job, bool trigger)
{
    if (job)
        return trigger && mitigation->state != MITIGATION_ENDED && mitigation->active;
    if (mitigation->state != MITIGATION_LIVE)
        return false;
    if (helps(history, job) &&
        (history->setup->recursion == RELAY_RECURSION_NEVER || !mitigation->recursed_until_ms || !trigger))
        return false;
    if (trigger)
        return mitigation->trigger || mitigation->activated;
    return !mitigation->trigger && (!history->setup->identity_client || !mitigation->activated);
}

static const struct demand *demand_of(const struct mitigation *mitigation, size_t target, bool trigger)
{
    const struct demand *demand;

    for (demand = mitigation->demands; demand; demand = demand->next)
        if (demand->bundle->cuid->public.target == target && demand->bundle->trigger == trigger)
            return demand;
    return NULL;
}

static void consider(struct history *history, struct wanted_list *list, const struct mitigation *mitigation,
                     size_t target, bool trigger)
{
    bool job = target == history->setup->upstreams;
    const struct demand *demand = demand_of(mitigation, target, trigger);
    struct wanted wanted = {mitigation, target, demand, trigger, job, {{0}}, list->count};

    if (wants(history, mitigation, job, trigger)) {
        blocks_of(&mitigation->scope->target, BLOCKS_INTERNAL, &wanted.blocks);
        if (!job)
            blocks_cut(&wanted.blocks, &history->owned[target]);
    }
    if (!blocks_empty(&wanted.blocks))
        list->at[list->count++] = wanted;
    if (blocks_empty(&wanted.blocks) != !demand)
        history_fail(history, "%s/%u (%s) at %s: %s", mitigation->owner->public.cuid, mitigation->mid,
                     trigger ? "immediate" : "preconfigured", history->world.targets[target].name,
                     demand ? "there is a demand that nobody makes" : "what it asks for is in no bundle");
}

static size_t root_of(const struct wanted_list *list, size_t index)
{
    while (list->at[index].root != index)
        index = list->at[index].root;
    return index;
}

/* Under which cuid? Two wants with the same answer may have to be one request. */
static bool together(const struct history *history, const struct wanted *a, const struct wanted *b)
{
    if (a->job || history->setup->identity_client || a->target != b->target || a->trigger != b->trigger)
        return false;
    if (history->setup->per_client && a->mitigation->owner != b->mitigation->owner)
        return false;
    return blocks_common(&a->blocks, &b->blocks);
}

struct wanted_list wanted_all(struct history *history)
{
    const struct relay *relay = history->world.relay;
    size_t targets = history->world.policy.target_count;
    struct wanted_list list = {calloc(2 * targets * (relay->mitigation_count + 1), sizeof(*list.at)), 0};
    const struct requester_state *requester;
    const struct mitigation *mitigation;

    for (requester = relay->requesters; requester; requester = requester->hh.next)
        for (mitigation = requester->ordered; mitigation; mitigation = mitigation->next)
            for (size_t i = 0; i < 2 * targets; i++)
                consider(history, &list, mitigation, i / 2, i % 2);
    for (size_t i = 0; i < list.count; i++)
        for (size_t k = 0; k < i; k++)
            if (together(history, &list.at[k], &list.at[i]))
                list.at[root_of(&list, k)].root = root_of(&list, i);
    for (size_t i = 0; i < list.count; i++)
        list.at[i].root = root_of(&list, i);
    return list;
}

/* ---- Against what the relay made of it ---- */

static void check_one(struct history *history, const struct wanted *wanted)
{
    const struct install *install = wanted->demand ? wanted->demand->bundle->installs : NULL;

    if (!wanted->demand)
        return; /* told already */
    if (wanted->demand->bundle->demand_count != 1 || !install || install->next || install->superseded ||
        (!wanted->job && install->mid != wanted->mitigation->mid))
        history_fail(history, "%s/%u at %s stands alone, and is not exactly one request", "client",
                     wanted->mitigation->mid, history->world.targets[wanted->target].name);
}

/* The requests of a bundle ask for what its component asks for, each address and name once. */
static void check_bundle(struct history *history, const struct bundle *bundle, const struct blocks *all)
{
    uint32_t base = history->setup->nat ? BLOCKS_EXTERNAL : BLOCKS_INTERNAL;
    const struct install *install;
    struct blocks seen = {{0}}, part;

    for (install = bundle->installs; install; install = install->next) {
        if (install->superseded)
            continue;
        if (!blocks_of(&install->scope->target, base, &part))
            history_fail(history, "mid %u asks for an address that upstreams must not see", install->mid);
        if (blocks_common(&seen, &part))
            history_fail(history, "mid %u asks for what another request of its bundle asks for", install->mid);
        if (!blocks_within(&part, all))
            history_fail(history, "mid %u asks for more than all clients together", install->mid);
        blocks_add(&seen, &part);
    }
    if (!blocks_equal(&seen, all))
        history_fail(history, "what a bundle is to ask for is not what its clients ask for");
}

static void check_component(struct history *history, const struct wanted_list *list, size_t root)
{
    const struct bundle *bundle = list->at[root].demand ? list->at[root].demand->bundle : NULL;
    struct blocks all = {{0}};
    size_t count = 0;

    for (size_t i = 0; bundle && i < list->count; i++) {
        if (list->at[i].root != root || !list->at[i].demand)
            continue;
        count++;
        blocks_add(&all, &list->at[i].blocks);
        if (list->at[i].demand->bundle != bundle)
            history_fail(history, "mid %u of %s overlaps mid %u of %s, and they are in different bundles",
                         list->at[i].mitigation->mid, list->at[i].mitigation->owner->public.cuid,
                         list->at[root].mitigation->mid, list->at[root].mitigation->owner->public.cuid);
    }
    if (!bundle)
        return; /* told already */
    if (bundle->demand_count != count)
        history_fail(history, "a bundle of %zu has members that do not hang together, they are %zu",
                     bundle->demand_count, count);
    check_bundle(history, bundle, &all);
}

void history_check_plan(struct history *history)
{
    struct wanted_list list = wanted_all(history);

    for (size_t i = 0; i < list.count && !history->failure[0]; i++) {
        if (list.at[i].job || history->setup->identity_client)
            check_one(history, &list.at[i]);
        else if (list.at[i].root == i)
            check_component(history, &list, i);
    }
    free(list.at);
}
