/* serial_choice: how good an upstream is for a component, and which one is the best. */

#include "aggregation/relay_state.h"

/* How good an upstream is for a component: the lower the better. */
enum rank { RANK_GOOD, RANK_EXCEEDED, RANK_BUSY, RANK_AWAY, RANK_REFUSED };

static bool candidate(const struct relay *relay, size_t target)
{
    return relay->policy->targets[target].kind == RELAY_UPSTREAM && !relay->policy->targets[target].disabled;
}

/* Places are those of the relay, over reloads; the order of preference is that of the configuration. */
static bool preferred(const struct relay *relay, size_t target, size_t other)
{
    const struct relay_target *targets = relay->policy->targets;

    if (target >= relay->policy->target_count || other >= relay->policy->target_count)
        return target < other;
    return targets[target].preference != targets[other].preference
               ? targets[target].preference < targets[other].preference
               : target < other;
}

/* A running one is not taken away from an upstream that only does not answer something else. */
static bool stands_at(const struct component *component, size_t target)
{
    const struct mitigation *member;
    const struct install *install;
    const struct demand *demand;

    if (component->active != target || component->scattered)
        return false;
    DL_FOREACH2(component->members, member, component_next)
    {
        DL_FOREACH(member->demands, demand)
        {
            DL_FOREACH(demand->bundle->installs, install)
            {
                if (demand->bundle->cuid->public.target == target && install->state == INSTALL_LIVE)
                    return true;
            }
        }
    }
    return false;
}

/* Of a session for each requester, every member's counts: it moves as a whole. */
static bool lost(const struct relay *relay, const struct component *component, size_t target)
{
    bool standing = stands_at(component, target);
    const struct mitigation *member;

    if (!relay->policy->targets[target].per_client)
        return ((relay->serial->shared.away | (standing ? 0 : relay->serial->shared.silent)) & serial_bit(target)) != 0;
    DL_FOREACH2(component->members, member, component_next)
    {
        const struct reach *reach = &member->owner->reach;

        if ((reach->away | (standing ? 0 : reach->silent)) & serial_bit(target))
            return true;
    }
    return false;
}

static enum rank rank(const struct relay *relay, const struct component *component, size_t target)
{
    if (component->refused & serial_bit(target))
        return RANK_REFUSED;
    if (lost(relay, component, target))
        return RANK_AWAY;
    if ((component->busy & serial_bit(target)) && relay->now < component->busy_until_ms)
        return RANK_BUSY;
    return component->exceeded & serial_bit(target) ? RANK_EXCEEDED : RANK_GOOD;
}

static bool running(const struct component *component)
{
    const struct mitigation *member;

    DL_FOREACH2(component->members, member, component_next)
    {
        if (member->active)
            return true;
    }
    return false;
}

size_t serial_choose(const struct relay *relay, const struct component *component)
{
    enum rank best_rank = RANK_REFUSED + 1;
    size_t best = SERIAL_NOWHERE, kept = SERIAL_NOWHERE;

    if (component->active != SERIAL_NOWHERE && candidate(relay, component->active)) {
        enum rank now = rank(relay, component, component->active);

        if (now >= RANK_AWAY || running(component)) {
            best = kept = component->active;
            best_rank = now;
        }
    }
    for (size_t target = 0; target < relay->policy->target_count; target++) {
        enum rank one = candidate(relay, target) ? rank(relay, component, target) : RANK_REFUSED + 1;

        if (one < best_rank || (one == best_rank && best != kept && preferred(relay, target, best))) {
            best_rank = one;
            best = target;
        }
    }
    return best;
}

bool serial_hopes(const struct relay *relay, const struct component *component)
{
    for (size_t target = 0; target < relay->policy->target_count; target++)
        if (target != component->active && candidate(relay, target) && rank(relay, component, target) < RANK_REFUSED &&
            !(component->busy & serial_bit(target)))
            return true;
    return false;
}

size_t serial_winner(const struct relay *relay, const struct component *a, const struct component *b)
{
    enum rank rank_a = rank(relay, a, a->active), rank_b = rank(relay, a, b->active);
    bool running_a = running(a), running_b = running(b);

    if (rank_a != rank_b)
        return rank_a < rank_b ? a->active : b->active;
    if (running_a != running_b)
        return running_a ? a->active : b->active;
    if (a->active == SERIAL_NOWHERE || b->active == SERIAL_NOWHERE)
        return a->active < b->active ? a->active : b->active;
    return preferred(relay, b->active, a->active) ? b->active : a->active;
}
