/*
 * review: what is there, compared with a configuration that has changed under it. Requests of clients that are gone,
 * and what their owners may not ask for any more, end with status 7; every other one is planned anew, and what does
 * not change by that sends nothing. A few in each turn, so that a hundred thousand do not hold up those who ask now.
 */

#include <stdlib.h>
#include <string.h>

#include "aggregation/leaving.h"
#include "aggregation/relay_state.h"

#define REQUESTS_A_TURN 64
#define BINDINGS_A_TURN 1024
#define TARGETS_MARKED 64 /* bits of a mask */

static void refuse_waiting(struct relay *relay, struct mitigation *mitigation, const char *why)
{
    for (size_t i = 0; i < mitigation->exchange_count; i++)
        answer_text(relay, mitigation->exchanges[i], 403, -1, "mid %u: %s", mitigation->mid, why);
    mitigation->exchange_count = 0;
    mitigation->wait = WAIT_NONE;
}

static void end_of_client(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    refuse_waiting(relay, mitigation, "this client is not configured here any more");
    mitigation_end(relay, now, mitigation, WIRE_STATUS_WITHDRAWN, now + RELAY_LINGER_MS);
}

static void end_of_right(struct relay *relay, int64_t now, struct mitigation *mitigation, const char *event,
                         const char *why)
{
    relay->effects->alert(relay->arg, event, mitigation->owner->public.client);
    refuse_waiting(relay, mitigation, why);
    feedback_refuse(relay, now, mitigation);
}

/* With fan-out serial it is found by what upstreams see; it is taken up again when it is planned. */
static void leave_component(struct relay *relay, struct mitigation *mitigation)
{
    bool denied = mitigation->denied;

    if (!relay->serial)
        return;
    mitigation->denied = true;
    serial_update(relay, mitigation);
    mitigation->denied = denied;
}

/* What upstreams see of it, by the mappings of now. False: it cannot be shown to them. */
static bool translate(struct relay *relay, struct mitigation *mitigation, char reason[SCOPE_REASON_MAX])
{
    struct scope *outside, *before = mitigation->outside;

    if (plan_outside(relay, &mitigation->scope->target, &outside, reason, SCOPE_REASON_MAX) != 0)
        return reason[0] == '\0'; /* out of memory: it stays as it was */
    if (!outside)
        outside = scope_ref(mitigation->scope);
    if (before && scope_equal(&before->target, &outside->target)) {
        scope_unref(outside);
        return true;
    }
    leave_component(relay, mitigation);
    mitigation->outside = outside;
    scope_unref(before);
    return true;
}

/* It asks for something else there than before. Under mids of ours the new one joins before the old one leaves, so
 * that there is no moment without either; the client's own mid must be free first. */
static void replace_demand(struct relay *relay, struct demand *old, struct scope *scope)
{
    struct mitigation *mitigation = old->mitigation;
    size_t target = old->bundle->cuid->public.target;
    bool trigger = old->bundle->trigger;

    if (old->bundle->cuid->merges) {
        if (demand_add(relay, mitigation, target, trigger, scope) == 0)
            demand_remove(relay, old);
        return;
    }
    demand_remove(relay, old);
    demand_add(relay, mitigation, target, trigger, scope);
}

static void renew_demand(struct relay *relay, struct demand *old)
{
    const struct mitigation *mitigation = old->mitigation;
    size_t target = old->bundle->cuid->public.target;
    struct scope *scope;

    if (relay->policy->targets[target].disabled || plan_scope(relay, mitigation, target, &scope) != 0)
        return;
    if (!scope)
        demand_remove(relay, old);
    else if (!scope_equal(&scope->target, &old->scope->target))
        replace_demand(relay, old, scope);
    scope_unref(scope);
}

static void plan_anew(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    bool changed;

    for (size_t target = 0; target < relay->policy->target_count; target++) {
        for (int trigger = 0; trigger < 2; trigger++) {
            struct demand *have = demand_find(mitigation, target, trigger);

            if (have)
                renew_demand(relay, have);
        }
    }
    if (reconcile_demands(relay, mitigation) != 0)
        relay->effects->alert(relay->arg, "out-of-memory", mitigation->owner->public.client);
    changed = relay->dirty_bundles != NULL;
    settle_bundles(relay, now);
    recursion_review(relay, now, mitigation);
    if (!changed)
        return;
    if (mitigation->wait != WAIT_NONE)
        verdict_check(relay, now, mitigation, false);
    else
        feedback(relay, now, mitigation);
}

/* Every address must belong to somebody who is asked (fan-out by-prefix). */
static bool unowned(const struct relay *relay, const struct mitigation *mitigation, char reason[SCOPE_REASON_MAX])
{
    int code = relay->fan_out && mitigation->outside
                   ? fan_out_refuses(relay->fan_out, &mitigation->outside->target, reason, SCOPE_REASON_MAX)
                   : 0;

    return code != 0 && code != 503;
}

static void review_live(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    const struct relay_reviewer *reviewer = &relay->reviewer;
    char reason[SCOPE_REASON_MAX] = "";

    if (reviewer->allowed && !reviewer->allowed(reviewer->arg, &mitigation->owner->public, &mitigation->scope->target))
        end_of_right(relay, now, mitigation, "scope-withdrawn", "outside the scopes that this client has now");
    else if (!translate(relay, mitigation, reason))
        end_of_right(relay, now, mitigation, "nat-unmapped", reason);
    else if (unowned(relay, mitigation, reason))
        end_of_right(relay, now, mitigation, "not-owned", reason);
    else
        plan_anew(relay, now, mitigation);
}

/* What another upstream has said that was at the same place before. */
static void forget_targets(const struct relay *relay, struct mitigation *mitigation)
{
    struct component *component = mitigation->component;

    mitigation->looped &= ~relay->renamed;
    if (!component)
        return;
    component->refused &= ~relay->renamed;
    component->exceeded &= ~relay->renamed;
    component->busy &= ~relay->renamed;
}

static void review(struct relay *relay, int64_t now, struct mitigation *mitigation, bool known)
{
    if (mitigation->gone.queued)
        return;
    forget_targets(relay, mitigation);
    if (mitigation->state == MITIGATION_ENDED) {
        if (!known && mitigation->state_until_ms > now + RELAY_LINGER_MS)
            mitigation->state_until_ms = now + RELAY_LINGER_MS;
        mitigation_schedule(relay, mitigation);
        return;
    }
    if (relay->index && mitigation->indexed && !mitigation->indexed_all)
        mitigation->indexed_all = overlap_index_add(relay->index, mitigation->scope, mitigation) == 0;
    if (!known)
        end_of_client(relay, now, mitigation);
    else if (mitigation->state == MITIGATION_LIVE)
        review_live(relay, now, mitigation);
    else
        plan_anew(relay, now, mitigation);
}

static bool known(const struct relay *relay, const char *client)
{
    return !relay->reviewer.known || relay->reviewer.known(relay->reviewer.arg, client);
}

static size_t review_requester(struct relay *relay, int64_t now, struct requester_state *requester)
{
    struct mitigation *mitigation, *next;
    size_t count = 1;

    requester->forgotten = !known(relay, requester->public.client);
    requester->reach.away &= ~relay->renamed;
    requester->reach.silent &= ~relay->renamed;
    requester->held++; /* it may lose its last request */
    DL_FOREACH_SAFE(requester->ordered, mitigation, next)
    {
        review(relay, now, mitigation, !requester->forgotten);
        count++;
    }
    requester->held--;
    requester_release(relay, requester);
    return count;
}

static void review_bindings(struct relay *relay)
{
    for (int i = 0; i < BINDINGS_A_TURN && relay->review_binding; i++) {
        struct binding *binding = relay->review_binding;
        const char *client = binding_client(binding);

        relay->review_binding = binding->hh.next;
        /* One that still has requests keeps its cuid until they are gone. */
        if (client && !known(relay, client) && !requester_look(relay, "", binding->cuid))
            binding_release(relay, binding);
    }
    relay->reviewing = relay->review_binding != NULL;
}

void review_some(struct relay *relay, int64_t now)
{
    size_t count = 0;

    if (!relay->review_next) {
        review_bindings(relay);
        return;
    }
    while (relay->review_next && count < REQUESTS_A_TURN) {
        struct requester_state *requester = relay->review_next;

        relay->review_next = requester->hh.next;
        count += review_requester(relay, now, requester);
    }
    if (!relay->review_next)
        relay->review_binding = relay->bindings;
}

/* Bits by target: those that were somebody else until now. */
static uint64_t renamed(const struct relay_policy *before, const struct relay_policy *after)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < after->target_count && i < TARGETS_MARKED; i++) {
        if (i >= before->target_count || strcmp(before->targets[i].name, after->targets[i].name) != 0 ||
            before->targets[i].disabled)
            bits |= (uint64_t)1 << i;
    }
    return bits;
}

void relay_review(struct relay *relay, const struct relay_reviewer *reviewer)
{
    relay->reviewer = *reviewer;
    relay->review_next = relay->requesters;
    relay->review_binding = NULL;
    if (!relay->review_next)
        relay->review_binding = relay->bindings;
    relay->reviewing = true;
}

bool relay_reviewing(const struct relay *relay)
{
    return relay->reviewing;
}

int relay_reconfigure(struct relay *relay, int64_t now, const struct relay_policy *policy,
                      const struct relay_reviewer *reviewer)
{
    uint64_t bits = renamed(relay->policy, policy);

    relay->now = now;
    if (relay_adopt(relay, policy) != 0)
        return -1;
    /* One that is still under way has not forgotten all of its own. */
    relay->renamed = relay->reviewing ? relay->renamed | bits : bits;
    if (relay->serial) {
        relay->serial->shared.away &= ~bits;
        relay->serial->shared.silent &= ~bits;
    }
    /* As at the start: a cuid that is ours alone is looked after whether something is asked for or not. */
    for (size_t target = 0; target < policy->target_count; target++) {
        const struct relay_target *at = &policy->targets[target];

        if (at->kind == RELAY_UPSTREAM && !at->disabled && !at->identity_client && !at->per_client)
            upstream_cuid_get(relay, target, NULL);
    }
    relay_review(relay, reviewer);
    effects_flush(relay);
    return 0;
}

/* ---- Targets that go ---- */

static void forget_installs(struct relay *relay, struct upstream_cuid_state *cuid)
{
    struct install *install, *next;

    DL_FOREACH_SAFE2(cuid->installs, install, next, cuid_next)
    {
        install_remove(relay, install);
    }
}

static void free_shared(struct relay *relay, struct upstream_cuid_state *cuid)
{
    relay->effects->upstream_cuid_gone(relay->arg, &cuid->public);
    HASH_DEL(relay->cuids, cuid);
    leaving_free(cuid);
    overlap_index_free(cuid->index[0]);
    overlap_index_free(cuid->index[1]);
    free(cuid);
}

bool relay_target_left(struct relay *relay, size_t target, bool give_up)
{
    struct upstream_cuid_state *cuid, *shared = NULL;
    bool left = !relay->reviewing && relay->policy->targets[target].disabled;

    if (!left)
        return false;
    for (cuid = relay->cuids; cuid; cuid = cuid->hh.next) {
        if (cuid->public.target != target)
            continue;
        if (!cuid->installs && !cuid->bundle_count && !cuid->requester) {
            shared = cuid; /* there is one at most */
            continue;
        }
        left = false;
        if (give_up)
            forget_installs(relay, cuid);
    }
    if (shared)
        free_shared(relay, shared);
    effects_flush(relay);
    return left;
}
