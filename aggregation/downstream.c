/* downstream: what southbound hands in, as changes of the desired state (RFC 9132 sections 4.4.1, 4.4.3, 4.4.4). */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"

#define RETRY_FULL_S 60 /* Max-Age when there is no room: sessions and requests end at about this pace */

static int64_t granted(const struct relay_put *put)
{
    int64_t asked = put->scope->lifetime;

    if (asked == WIRE_LIFETIME_INDEFINITE && put->limits.indefinite_lifetime)
        return asked;
    if (asked == WIRE_LIFETIME_INDEFINITE || asked > put->limits.max_lifetime)
        return put->limits.max_lifetime;
    return asked;
}

static void set_lifetime(struct mitigation *mitigation, int64_t lifetime, int64_t now)
{
    mitigation->lifetime = lifetime;
    mitigation->expires_ms = lifetime == WIRE_LIFETIME_INDEFINITE ? RELAY_FOREVER : now + lifetime * 1000;
}

/* The next active-but-terminating period (section 4.4.4). */
static uint32_t doubled(const struct relay *relay, uint32_t period_ms)
{
    uint32_t most = relay->policy->terminating_max_ms;

    return period_ms > most / 2 ? most : period_ms * 2;
}

/* ---- A mid that is known ---- */

static void refresh(struct relay *relay, int64_t now, const struct relay_put *put, struct mitigation *mitigation)
{
    enum reconcile_cause cause = put->if_match ? RECONCILE_EFFICACY : RECONCILE_REFRESH;

    if (!scope_equal(&put->scope->target, &mitigation->scope->target) || put->scope->trigger != mitigation->trigger) {
        answer_text(relay, put->exchange, 400, -1,
                    "mid %u: a refresh must repeat all parameters but lifetime; use a new mid for another scope",
                    put->mid);
        return;
    }
    if (mitigation->wait == WAIT_CREATED) { /* the same put again, its verdict is under way */
        verdict_wait(relay, now, mitigation, WAIT_CREATED, put->exchange);
        if (put->hop_limit < mitigation->hop_limit)
            hop_take(relay, mitigation, put->hop_limit);
        settle_bundles(relay, now);
        return;
    }
    mitigation->previous_expires_ms = mitigation->expires_ms;
    set_lifetime(mitigation, put->scope->has_lifetime ? granted(put) : mitigation->lifetime, now);
    mitigation->attack_status = put->scope->attack_status;
    hop_take(relay, mitigation, put->hop_limit);
    if (record_mitigation(relay, mitigation) != 0) {
        mitigation->expires_ms = mitigation->previous_expires_ms;
        answer_text(relay, put->exchange, 503, RETRY_FULL_S, "mid %u: the gateway is out of memory", put->mid);
        return;
    }
    verdict_wait(relay, now, mitigation, WAIT_CHANGED, put->exchange);
    reconcile(relay, now, mitigation, cause);
    verdict_check(relay, now, mitigation, false);
}

/* ---- A new one ---- */

struct own_search {
    const struct mitigation *mine;
    const struct mitigation *higher; /* same trigger type, higher mid: it stays */
    bool lower;                      /* same trigger type, lower mid: to be overridden */
    uint32_t longest_ms;             /* of the periods of those that terminate there */
    struct mitigation *active;       /* a preconfigured one that an immediate one deactivates */
};

static int own_hit(void *arg, void *owner)
{
    struct own_search *search = arg;
    struct mitigation *other = owner;

    if (other == search->mine || other->gone.queued)
        return 0;
    if (other->state == MITIGATION_TERMINATING) {
        if (other->terminating_ms > search->longest_ms)
            search->longest_ms = other->terminating_ms;
    } else if (other->trigger != search->mine->trigger) {
        if (!other->trigger && other->active)
            search->active = other;
    } else if (other->mid > search->mine->mid) {
        search->higher = other;
    } else {
        search->lower = true;
    }
    return search->higher != NULL;
}

static void deactivate(struct relay *relay, int64_t now, struct mitigation *preconfigured)
{
    preconfigured->activated = false;
    mitigation_set_active(preconfigured, false, now);
    mitigation_show(relay, preconfigured, WIRE_STATUS_WITHDRAWN);
    preconfigured->state_until_ms = now + RELAY_REPEAT_MS;
    mitigation_schedule(relay, preconfigured);
    reconcile(relay, now, preconfigured, RECONCILE_CHANGE);
}

/* Overlaps among a requester's own requests: 0, or -1 when the request was answered. */
static int settle_own(struct relay *relay, int64_t now, const struct relay_put *put, struct mitigation *mitigation)
{
    struct own_search search = {.mine = mitigation};

    overlap_index_query(mitigation->owner->index, &mitigation->scope->target, own_hit, &search);
    if (search.higher) {
        struct wire_conflict conflict;
        struct scope_common common;

        conflict_describe(mitigation, search.higher, true, 0, now, &conflict, &common);
        answer_conflict(relay, put->exchange, &conflict);
        free(common.block);
        return -1;
    }
    mitigation->overrides = search.lower || search.longest_ms;
    if (search.longest_ms)
        mitigation->terminating_ms = doubled(relay, search.longest_ms);
    while (mitigation->trigger && search.active) {
        deactivate(relay, now, search.active);
        search.active = NULL;
        overlap_index_query(mitigation->owner->index, &mitigation->scope->target, own_hit, &search);
    }
    return 0;
}

/* 0, or -1 when the request was answered. */
static int settle_others(struct relay *relay, int64_t now, const struct relay_put *put, struct mitigation *mitigation)
{
    const struct mitigation *other;
    struct wire_conflict conflict;
    struct scope_common common;

    if (!relay->policy->reject_conflicts)
        return 0;
    other = conflict_with_others(relay, mitigation);
    if (!other)
        return 0;
    conflict_describe(mitigation, other, false, WIRE_CONFLICT_INACTIVE, now, &conflict, &common);
    answer_conflict(relay, put->exchange, &conflict);
    free(common.block);
    relay->effects->alert(relay->arg, "conflict", other->owner->public.client);
    return -1;
}

static bool room(struct relay *relay, const struct relay_put *put)
{
    const struct binding_count *identity = requester_identity(relay, &put->requester);

    if (identity && identity->live_count >= put->limits.mitigations) {
        answer_text(relay, put->exchange, 503, RETRY_FULL_S, "this client has %u mitigations, its limit; withdraw one",
                    put->limits.mitigations);
        return false;
    }
    /* While an upstream is silent, what was put and withdrawn stays until it has heard of it. */
    if (identity && identity->install_count / RELAY_INSTALLS_A_MITIGATION / relay->policy->target_count >=
                        put->limits.mitigations) {
        answer_text(relay, put->exchange, 503, RETRY_FULL_S,
                    "too much that this client has withdrawn is not yet withdrawn upstream");
        return false;
    }
    if (relay->mitigation_count >= relay->policy->mitigations_max) {
        answer_text(relay, put->exchange, 503, RETRY_FULL_S, "the gateway is near capacity");
        return false;
    }
    return true;
}

/* Has everything that is asked for an upstream? */
static bool owned(struct relay *relay, const struct relay_put *put, const struct scope *outside)
{
    const struct wire_target *target = outside ? &outside->target : &put->scope->target;
    char reason[SCOPE_REASON_MAX];
    int code = relay->fan_out ? fan_out_refuses(relay->fan_out, target, reason, sizeof(reason)) : 0;

    if (code)
        answer_text(relay, put->exchange, code, code == 503 ? RETRY_FULL_S : -1, "%s", reason);
    return code == 0;
}

/* What terminates does not count against the limit, but it must not pile up either. */
static void bound_terminating(struct relay *relay, int64_t now, struct requester_state *requester, uint32_t most)
{
    struct mitigation *mitigation, *next;

    DL_FOREACH_SAFE(requester->ordered, mitigation, next)
    {
        if (requester->terminating_count <= most)
            return;
        if (mitigation->state == MITIGATION_TERMINATING)
            mitigation_end(relay, now, mitigation, WIRE_STATUS_TERMINATED, now + RELAY_LINGER_MS);
    }
}

/* No internal address may leave (section 3): 0 and what upstreams are to see, or -1 when the request was answered. */
static int translate(struct relay *relay, const struct relay_put *put, struct scope **outside)
{
    char reason[SCOPE_REASON_MAX];

    if (plan_outside(relay, &put->scope->target, outside, reason, sizeof(reason)) == 0)
        return 0;
    if (reason[0])
        answer_text(relay, put->exchange, 403, -1, "%s", reason);
    else
        answer_text(relay, put->exchange, 503, RETRY_FULL_S, "mid %u: the gateway is out of memory", put->mid);
    return -1;
}

static void create(struct relay *relay, int64_t now, const struct relay_put *put, uint32_t terminating_ms)
{
    struct requester_state *requester;
    struct mitigation *mitigation = NULL;
    struct scope *outside;

    if (translate(relay, put, &outside) != 0)
        return;
    if (!owned(relay, put, outside) || !room(relay, put)) {
        scope_unref(outside);
        return;
    }
    if (requester_bind(relay, &put->requester, put->limits.cuids) != 0) {
        answer_text(relay, put->exchange, 503, RETRY_FULL_S, "cuid: this client uses %u already, its limit",
                    put->limits.cuids);
        scope_unref(outside);
        return;
    }
    requester = requester_get(relay, &put->requester);
    if (requester)
        relay->payer = requester->identity;
    if (requester)
        mitigation = mitigation_new(relay, requester, put->mid, &put->scope->target, outside);
    scope_unref(outside);
    if (!mitigation)
        goto out_of_memory;
    mitigation->trigger = put->scope->trigger;
    mitigation->request = put->requester.request;
    mitigation->hop_limit = put->hop_limit ? put->hop_limit : relay->policy->hop_limit;
    if (terminating_ms)
        mitigation->terminating_ms = terminating_ms;
    set_lifetime(mitigation, granted(put), now);
    if (settle_others(relay, now, put, mitigation) != 0 || settle_own(relay, now, put, mitigation) != 0) {
        mitigation_free(relay, mitigation);
        return;
    }
    mitigation_set_state(mitigation, MITIGATION_LIVE);
    mitigation_set_active(mitigation, mitigation->trigger, now);
    mitigation->status = mitigation->trigger ? WIRE_STATUS_IN_PROGRESS : WIRE_STATUS_SIGNAL_LOSS;
    if (mitigation_index(relay, mitigation) != 0 || record_mitigation(relay, mitigation) != 0)
        goto undo;
    if (!relay->has_upstream && !relay->policy->reject_conflicts)
        conflict_mark(relay, now, mitigation);
    verdict_wait(relay, now, mitigation, WAIT_CREATED, put->exchange);
    if (reconcile(relay, now, mitigation, RECONCILE_CHANGE) != 0) {
        mitigation->exchange_count = 0;
        mitigation->wait = WAIT_NONE;
        goto undo;
    }
    bound_terminating(relay, now, requester, put->limits.mitigations);
    mitigation_changed(relay, mitigation);
    verdict_check(relay, now, mitigation, false);
    return;

undo:
    mitigation_remove(relay, now, mitigation);
    requester = NULL;
out_of_memory:
    if (requester && !mitigation)
        requester_release(relay, requester);
    answer_text(relay, put->exchange, 503, RETRY_FULL_S, "mid %u: the gateway is out of memory", put->mid);
}

/* Asked for again while terminating: what still runs goes on, and the next period is longer. */
static bool resume(struct relay *relay, int64_t now, const struct relay_put *put, struct mitigation *mitigation)
{
    uint32_t next_ms = doubled(relay, mitigation->terminating_ms);

    if (mitigation->state != MITIGATION_TERMINATING || !mitigation->outside ||
        put->scope->trigger != mitigation->trigger || !scope_equal(&put->scope->target, &mitigation->scope->target))
        return false;
    if (settle_own(relay, now, put, mitigation) != 0) /* others may have been asked for meanwhile */
        return true;
    if (mitigation->terminating_ms < next_ms)
        mitigation->terminating_ms = next_ms;
    mitigation->state_until_ms = RELAY_FOREVER;
    mitigation->denied = false;
    mitigation->attack_status = put->scope->attack_status;
    mitigation->hop_limit = put->hop_limit ? put->hop_limit : relay->policy->hop_limit;
    set_lifetime(mitigation, granted(put), now);
    mitigation_set_state(mitigation, MITIGATION_LIVE);
    if (!mitigation->trigger)
        mitigation_set_active(mitigation, false, now);
    mitigation_show(relay, mitigation, mitigation->trigger ? WIRE_STATUS_IN_PROGRESS : WIRE_STATUS_SIGNAL_LOSS);
    record_mitigation(relay, mitigation);
    verdict_wait(relay, now, mitigation, WAIT_CREATED, put->exchange);
    reconcile(relay, now, mitigation, RECONCILE_CHANGE);
    recursion_review(relay, now, mitigation); /* what a mitigator that went on has said meanwhile */
    verdict_check(relay, now, mitigation, false);
    return true;
}

void relay_put(struct relay *relay, int64_t now, const struct relay_put *put)
{
    struct requester_state *requester = requester_look(relay, put->requester.cdid, put->requester.cuid);
    struct mitigation *mitigation = requester ? mitigation_look(requester, put->mid) : NULL;
    bool live = mitigation && mitigation->state == MITIGATION_LIVE;
    uint32_t terminating_ms = 0;

    relay->now = now;
    relay->request = put->requester.request;
    if (put->if_match && !live) {
        relay->request = 0;
        relay->effects->ignore(relay->arg, put->exchange); /* section 4.4.3: silently */
        return;
    }
    relay->payer = requester ? requester->identity : NULL;
    relay->arrived = put->arrived;
    if (mitigation)
        mitigation->request = put->requester.request;
    if (live) {
        refresh(relay, now, put, mitigation);
    } else if (!mitigation || !resume(relay, now, put, mitigation)) {
        if (mitigation && mitigation->state == MITIGATION_TERMINATING)
            terminating_ms = doubled(relay, mitigation->terminating_ms);
        if (mitigation)
            mitigation_remove(relay, now, mitigation);
        create(relay, now, put, terminating_ms);
    }
    relay->payer = NULL;
    relay->arrived = 0;
    relay->request = 0;
    effects_flush(relay);
}

/* The active-but-terminating period (section 4.4.4). */
static void terminate(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    mitigation_set_state(mitigation, MITIGATION_TERMINATING);
    mitigation->activated = false;
    mitigation->recursed_until_ms = 0;
    mitigation->state_until_ms = now + mitigation->terminating_ms;
    mitigation_show(relay, mitigation, WIRE_STATUS_CLIENT_WITHDRAWN);
    record_mitigation(relay, mitigation);
    reconcile(relay, now, mitigation, RECONCILE_CHANGE);
    mitigation_schedule(relay, mitigation);
}

void relay_delete(struct relay *relay, int64_t now, const struct relay_requester *from, uint32_t mid, void *exchange)
{
    struct requester_state *requester = requester_look(relay, from->cdid, from->cuid);
    struct mitigation *mitigation = requester ? mitigation_look(requester, mid) : NULL;

    relay->now = now;
    relay->request = from->request;
    relay->payer = requester ? requester->identity : NULL;
    if (mitigation && mitigation->state == MITIGATION_LIVE) {
        for (size_t i = 0; i < mitigation->exchange_count; i++)
            answer_text(relay, mitigation->exchanges[i], 503, -1, "mid %u was withdrawn meanwhile", mid);
        mitigation->exchange_count = 0;
        mitigation->wait = WAIT_NONE;
        if (mitigation->active)
            terminate(relay, now, mitigation);
        else
            mitigation_remove(relay, now, mitigation);
    } else if (mitigation && mitigation->state == MITIGATION_ENDED) {
        mitigation_remove(relay, now, mitigation);
    }
    relay->payer = NULL;
    relay->request = 0;
    answer_empty(relay, exchange, 202);
    effects_flush(relay);
}

static void activate(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    mitigation->activated = true;
    mitigation->repeats = 0;
    mitigation->state_until_ms = RELAY_FOREVER;
    mitigation_set_active(mitigation, true, now);
    mitigation_show(relay, mitigation, WIRE_STATUS_IN_PROGRESS);
    record_mitigation(relay, mitigation);
    reconcile(relay, now, mitigation, RECONCILE_CHANGE);
    mitigation_schedule(relay, mitigation);
}

static int overlaps_lost(void *arg, void *owner)
{
    struct mitigation *other = owner;

    /* Active ones give way to the preconfigured ones, without a terminating period (section 4.4.1.3). */
    if (other->state == MITIGATION_LIVE && other->trigger && !other->gone.queued)
        *(struct mitigation **)arg = other;
    return *(struct mitigation **)arg != NULL;
}

static void activate_alone(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    struct mitigation *other = NULL;

    activate(relay, now, mitigation);
    while (overlap_index_query(mitigation->owner->index, &mitigation->scope->target, overlaps_lost, &other) > 0) {
        mitigation_end(relay, now, other, WIRE_STATUS_WITHDRAWN, other->expires_ms);
        other = NULL;
    }
}

int relay_activate(struct relay *relay, int64_t now, const struct relay_requester *requester, uint32_t mid)
{
    struct requester_state *owner = requester_look(relay, requester->cdid, requester->cuid);
    struct mitigation *mitigation = owner ? mitigation_look(owner, mid) : NULL;

    relay->now = now;
    if (!mitigation || mitigation->trigger || mitigation->state != MITIGATION_LIVE)
        return -1;
    if (!mitigation->activated)
        activate_alone(relay, now, mitigation);
    effects_flush(relay);
    return 0;
}

void relay_signal_lost(struct relay *relay, int64_t now, struct requester *requester)
{
    struct requester_state *owner = (struct requester_state *)requester;
    struct mitigation *mitigation, *next;

    relay->now = now;
    DL_FOREACH_SAFE(owner->ordered, mitigation, next)
    {
        if (!mitigation->trigger && mitigation->state == MITIGATION_LIVE && !mitigation->activated)
            activate_alone(relay, now, mitigation);
    }
    effects_flush(relay);
}
