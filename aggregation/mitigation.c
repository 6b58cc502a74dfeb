/* mitigation: one downstream request, its states and what a client sees of it (RFC 9132 section 4.4). */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"
#include "aggregation/walk.h"

struct requester *mitigation_requester(const struct mitigation *mitigation)
{
    return &mitigation->owner->public;
}

uint32_t mitigation_mid(const struct mitigation *mitigation)
{
    return mitigation->mid;
}

bool mitigation_trigger(const struct mitigation *mitigation)
{
    return mitigation->trigger;
}

bool mitigation_is_live(const struct mitigation *mitigation)
{
    return mitigation->state == MITIGATION_LIVE;
}

struct mitigation *mitigation_look(const struct requester_state *owner, uint32_t mid)
{
    struct mitigation *mitigation;

    HASH_FIND(hh, owner->mitigations, &mid, sizeof(mid), mitigation);
    return mitigation;
}

const struct mitigation *relay_mitigation_find(const struct requester *requester, uint32_t mid)
{
    return mitigation_look((const struct requester_state *)requester, mid);
}

int relay_mitigation_each(const struct requester *requester,
                          int (*each)(void *arg, const struct mitigation *mitigation), void *arg)
{
    const struct requester_state *owner = (const struct requester_state *)requester;
    const struct mitigation *mitigation;

    DL_FOREACH(owner->ordered, mitigation)
    {
        int stop = each(arg, mitigation);

        if (stop)
            return stop;
    }
    return 0;
}

/* mids rise, so the place is nearly always the end. */
static void order(struct requester_state *owner, struct mitigation *mitigation)
{
    struct mitigation *after = owner->ordered ? owner->ordered->prev : NULL;

    while (after && after->mid > mitigation->mid)
        after = after == owner->ordered ? NULL : after->prev;
    if (after)
        DL_APPEND_ELEM(owner->ordered, after, mitigation);
    else
        DL_PREPEND(owner->ordered, mitigation);
}

struct mitigation *mitigation_new(struct relay *relay, struct requester_state *owner, uint32_t mid,
                                  const struct wire_target *target, struct scope *outside)
{
    struct mitigation *mitigation = calloc(1, sizeof(*mitigation));

    if (!mitigation)
        return NULL;
    mitigation->owner = owner;
    mitigation->mid = mid;
    mitigation->state = MITIGATION_ENDED; /* counted nowhere yet */
    mitigation->timer.kind = TIMER_MITIGATION;
    mitigation->timer.subject = mitigation;
    mitigation->expires_ms = mitigation->state_until_ms = mitigation->wait_until_ms = RELAY_FOREVER;
    mitigation->terminating_ms = relay->policy->terminating_initial_ms;
    mitigation->scope = scope_new(target);
    /* In the heap from the start: moving its deadline later cannot fail. */
    if (mitigation->scope)
        mitigation->outside = scope_ref(outside ? outside : mitigation->scope);
    if (!mitigation->scope || deadline_set(relay->timers, &mitigation->timer.deadline, RELAY_FOREVER) != 0)
        goto out_of_memory;
    HASH_ADD(hh, owner->mitigations, mid, sizeof(mitigation->mid), mitigation);
    if (!mitigation->hh.tbl)
        goto out_of_memory;
    order(owner, mitigation);
    owner->public.mitigation_count++;
    owner->held++;
    relay->mitigation_count++;
    return mitigation;

out_of_memory:
    deadline_cancel(relay->timers, &mitigation->timer.deadline);
    scope_unref(mitigation->outside);
    scope_unref(mitigation->scope);
    free(mitigation);
    return NULL;
}

void mitigation_free(struct relay *relay, struct mitigation *mitigation)
{
    struct requester_state *owner = mitigation->owner;
    struct mitigation *current = mitigation_look(owner, mitigation->mid);

    mitigation_unindex(relay, mitigation);
    deadline_cancel(relay->timers, &mitigation->timer.deadline);
    if (current == mitigation) {
        walk_pass_mitigation(relay, mitigation);
        HASH_DEL(owner->mitigations, mitigation);
        DL_DELETE(owner->ordered, mitigation);
        owner->public.mitigation_count--;
    }
    relay->mitigation_count--;
    scope_unref(mitigation->outside);
    scope_unref(mitigation->scope);
    free(mitigation->conflict);
    free(mitigation);
    owner->held--;
    requester_release(relay, owner);
}

int mitigation_index(struct relay *relay, struct mitigation *mitigation)
{
    if (mitigation->indexed)
        return 0;
    if (overlap_index_add(mitigation->owner->index, mitigation->scope, mitigation) != 0)
        return -1;
    if (relay->index && overlap_index_add(relay->index, mitigation->scope, mitigation) != 0) {
        overlap_index_remove(mitigation->owner->index, mitigation->scope, mitigation);
        return -1;
    }
    mitigation->indexed_all = relay->index != NULL;
    mitigation->indexed = true;
    return 0;
}

void mitigation_unindex(struct relay *relay, struct mitigation *mitigation)
{
    if (!mitigation->indexed)
        return;
    overlap_index_remove(mitigation->owner->index, mitigation->scope, mitigation);
    if (mitigation->indexed_all)
        overlap_index_remove(relay->index, mitigation->scope, mitigation);
    mitigation->indexed = mitigation->indexed_all = false;
}

void mitigation_set_state(struct mitigation *mitigation, enum mitigation_state state)
{
    struct requester_state *owner = mitigation->owner;

    if (owner->identity)
        owner->identity->live_count += (size_t)(state == MITIGATION_LIVE) - (mitigation->state == MITIGATION_LIVE);
    owner->terminating_count -= mitigation->state == MITIGATION_TERMINATING;
    mitigation->state = state;
    owner->terminating_count += state == MITIGATION_TERMINATING;
}

void mitigation_set_active(struct mitigation *mitigation, bool active, int64_t now)
{
    if (mitigation->active == active)
        return;
    mitigation->active = active;
    mitigation->owner->public.active_count += active ? 1 : (size_t)-1;
    mitigation->start_s = active ? now / 1000 : 0;
    if (active)
        return;
    memset(&mitigation->counters, 0, sizeof(mitigation->counters));
    mitigation->bytes_before = mitigation->pkts_before = 0;
    mitigation->recursed_until_ms = 0;
}

void mitigation_schedule(struct relay *relay, struct mitigation *mitigation)
{
    int64_t at = mitigation->state_until_ms;

    if (mitigation->state == MITIGATION_LIVE && mitigation->expires_ms < at)
        at = mitigation->expires_ms;
    if (mitigation->state == MITIGATION_LIVE && mitigation->recursed_until_ms && mitigation->recursed_until_ms < at)
        at = mitigation->recursed_until_ms;
    if (mitigation->wait != WAIT_NONE && mitigation->wait_until_ms < at)
        at = mitigation->wait_until_ms;
    deadline_set(relay->timers, &mitigation->timer.deadline, at);
}

void mitigation_changed(struct relay *relay, struct mitigation *mitigation)
{
    if (!mitigation->gone.queued)
        effect_push(relay, &mitigation->changed, EFFECT_CHANGED, mitigation);
}

void mitigation_show(struct relay *relay, struct mitigation *mitigation, enum wire_status status)
{
    bool other = mitigation->status != status;

    mitigation->status = status;
    /* A repeat of 3 or 7 is due when the preconfigured one has four of them to send (table 3). */
    if (other && !mitigation->trigger && mitigation->state == MITIGATION_LIVE &&
        (status == WIRE_STATUS_STOPPED || status == WIRE_STATUS_WITHDRAWN))
        mitigation->repeats = RELAY_REPEATS;
    else if (other)
        mitigation->repeats = 0;
    if (other)
        record_mitigation(relay, mitigation);
    mitigation_changed(relay, mitigation);
}

void mitigation_end(struct relay *relay, int64_t now, struct mitigation *mitigation, enum wire_status status,
                    int64_t until_ms)
{
    mitigation_set_active(mitigation, false, now);
    mitigation_set_state(mitigation, MITIGATION_ENDED);
    mitigation_unindex(relay, mitigation);
    mitigation->state_until_ms = until_ms;
    mitigation_show(relay, mitigation, status);
    record_mitigation(relay, mitigation);
    reconcile(relay, now, mitigation, RECONCILE_CHANGE);
    conflict_clear(relay, now, mitigation);
    mitigation_schedule(relay, mitigation);
}

void mitigation_remove(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    struct requester_state *owner = mitigation->owner;

    if (mitigation->gone.queued)
        return;
    if (mitigation->state != MITIGATION_ENDED) {
        mitigation_set_active(mitigation, false, now);
        mitigation_set_state(mitigation, MITIGATION_ENDED);
        mitigation_unindex(relay, mitigation);
        reconcile(relay, now, mitigation, RECONCILE_CHANGE);
        conflict_clear(relay, now, mitigation);
    }
    for (size_t i = 0; i < mitigation->exchange_count; i++)
        answer_text(relay, mitigation->exchanges[i], 503, -1, "mid %u was withdrawn or replaced meanwhile",
                    mitigation->mid);
    mitigation->exchange_count = 0;
    mitigation->wait = WAIT_NONE;
    record_forget_mitigation(relay, mitigation);
    deadline_cancel(relay->timers, &mitigation->timer.deadline);
    /* From here on its mid is free again, although observers still hear of it once. */
    walk_pass_mitigation(relay, mitigation);
    HASH_DEL(owner->mitigations, mitigation);
    DL_DELETE(owner->ordered, mitigation);
    owner->public.mitigation_count--;
    effect_push(relay, &mitigation->gone, EFFECT_FREE_MITIGATION, mitigation);
}

void mitigation_keep_counters(struct mitigation *mitigation)
{
    const struct install *install;
    const struct demand *demand;

    DL_FOREACH(mitigation->demands, demand)
    {
        for (install = demand->bundle->cuid->job ? NULL : demand->bundle->installs; install; install = install->next) {
            if (install->superseded)
                continue;
            mitigation->bytes_before += install->counters.bytes + install->bytes_before;
            mitigation->pkts_before += install->counters.pkts + install->pkts_before;
        }
    }
}

void mitigation_stand_by(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    mitigation->state_until_ms = RELAY_FOREVER;
    mitigation->activated = false;
    mitigation_set_active(mitigation, false, now);
    mitigation_show(relay, mitigation, WIRE_STATUS_SIGNAL_LOSS);
    reconcile(relay, now, mitigation, RECONCILE_CHANGE);
}

/* One of the four transmissions of status 3 or 7 is over; after the last the request stands by again. */
static void repeat(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    if (mitigation->repeats > 1) {
        mitigation->repeats--;
        mitigation->state_until_ms = now + RELAY_REPEAT_MS;
        mitigation_changed(relay, mitigation);
        return;
    }
    mitigation->repeats = 0;
    mitigation_stand_by(relay, now, mitigation);
}

void mitigation_due(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    if (mitigation->wait != WAIT_NONE && mitigation->wait_until_ms <= now)
        verdict_check(relay, now, mitigation, true);
    recursion_due(relay, now, mitigation);
    if (mitigation->state == MITIGATION_LIVE && mitigation->expires_ms <= now) {
        mitigation_end(relay, now, mitigation, WIRE_STATUS_TERMINATED, now + RELAY_LINGER_MS);
    } else if (mitigation->state_until_ms <= now) {
        if (mitigation->state == MITIGATION_LIVE)
            repeat(relay, now, mitigation);
        else if (mitigation->state == MITIGATION_TERMINATING)
            mitigation_end(relay, now, mitigation, WIRE_STATUS_TERMINATED, now + RELAY_LINGER_MS);
        else
            mitigation_remove(relay, now, mitigation);
    }
    if (!mitigation->gone.queued)
        mitigation_schedule(relay, mitigation);
}

static int64_t remaining_s(const struct mitigation *mitigation, int64_t now)
{
    if (mitigation->expires_ms == RELAY_FOREVER)
        return WIRE_LIFETIME_INDEFINITE;
    return mitigation->expires_ms > now ? (mitigation->expires_ms - now + 999) / 1000 : 0;
}

void mitigation_represent(const struct mitigation *mitigation, int64_t now, enum mitigation_content content,
                          struct wire_scope *out)
{
    memset(out, 0, sizeof(*out));
    out->has_mid = out->has_lifetime = true;
    out->mid = mitigation->mid;
    out->lifetime = remaining_s(mitigation, now);
    out->trigger = true;
    if (content != MITIGATION_NONCONFIG) {
        out->target = mitigation->scope->target;
        out->has_trigger = !mitigation->trigger; /* true is the default and left out, as in figure 14 */
        out->trigger = mitigation->trigger;
    }
    if (content == MITIGATION_CONFIG)
        return;
    out->status = mitigation->status;
    out->has_start = mitigation->start_s != 0 && mitigation->status != WIRE_STATUS_SIGNAL_LOSS;
    out->start = (uint64_t)mitigation->start_s;
    out->conflict = mitigation->conflict;
    if (mitigation->status == WIRE_STATUS_SIGNAL_LOSS)
        return;
    out->has_bytes = mitigation->counters.has_bytes;
    out->has_bps = mitigation->counters.has_bps;
    out->has_pkts = mitigation->counters.has_pkts;
    out->has_pps = mitigation->counters.has_pps;
    out->bytes_dropped = mitigation->counters.bytes;
    out->bps_dropped = mitigation->counters.bps;
    out->pkts_dropped = mitigation->counters.pkts;
    out->pps_dropped = mitigation->counters.pps;
}
