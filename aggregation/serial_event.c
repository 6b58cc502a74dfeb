/* serial_event: refusals, status 4 and silence of the active upstream, and what they make of a component. */

#include <stdio.h>
#include <stdlib.h>

#include "aggregation/relay_state.h"
#include "aggregation/union.h"

/* The component that is asked for by it, when it is the one that counts; else NULL. */
static struct component *component_of(const struct install *install)
{
    struct component *component;

    if (install->cuid->job || install->superseded || !install->bundle || !install->bundle->demands)
        return NULL;
    component = install->bundle->demands->mitigation->component;
    return component && component->active == install->cuid->public.target ? component : NULL;
}

static void tell_operators(struct relay *relay, const struct component *component, size_t from, const char *why)
{
    const struct mitigation *first = component->members;
    char text[2 * RELAY_CUID_MAX + 400];

    char others[48] = "";

    if (component->count > 1)
        snprintf(others, sizeof(others), " and %zu that overlap", component->count - 1);
    snprintf(text, sizeof(text), "mid %u of %s, client %s%s: from upstream %s, %s, to %s", first->mid,
             first->owner->public.cuid, first->owner->public.client, others, relay->policy->targets[from].name, why,
             relay->policy->targets[component->active].name);
    relay->effects->alert(relay->arg, "failover", text);
}

/* Many at once are one line. */
static void review_many(struct relay *relay, struct requester_state *owner, size_t target, const char *what)
{
    size_t moved = serial_review_all(relay, owner);
    char text[200];

    if (moved > 0) {
        snprintf(text, sizeof(text),
                 "upstream %.64s %s: another one is asked for %zu requests (those that overlap are one)",
                 relay->policy->targets[target].name, what, moved);
        relay->effects->alert(relay->arg, "failover", text);
    }
    settle_bundles(relay, relay->now);
}

static bool review(struct relay *relay, struct component *component, const char *why)
{
    size_t from = component->active;

    if (!serial_review(relay, component))
        return false;
    tell_operators(relay, component, from, why);
    return true;
}

/* ---- Silence ---- */

struct reach *serial_reach(struct relay *relay, const struct upstream_cuid_state *cuid)
{
    bool own = relay->policy->targets[cuid->public.target].per_client && cuid->requester;

    return own ? &cuid->requester->reach : &relay->serial->shared;
}

static struct requester_state *owner_of(const struct relay *relay, const struct upstream_cuid_state *cuid)
{
    return relay->policy->targets[cuid->public.target].per_client ? cuid->requester : NULL;
}

void serial_sent(struct relay *relay, struct install *install)
{
    if (install->cuid->job || (install->state != INSTALL_PUT && install->state != INSTALL_WITHDRAW))
        return;
    install->silent_ms = relay->now + relay->policy->failover_wait_ms;
    install_schedule(relay, install);
}

void serial_heard(struct relay *relay, const struct upstream_cuid_state *cuid)
{
    struct reach *reach = serial_reach(relay, cuid);

    if (!(reach->silent & serial_bit(cuid->public.target)))
        return;
    reach->silent &= ~serial_bit(cuid->public.target);
    review_many(relay, owner_of(relay, cuid), cuid->public.target, "answers again");
}

void serial_silent(struct relay *relay, struct install *install)
{
    size_t target = install->cuid->public.target;
    struct reach *reach = serial_reach(relay, install->cuid);

    /* What has no session is sent again, and waited for, when there is one. */
    install->silent_ms = RELAY_FOREVER;
    if (install->state == INSTALL_PUT && !(reach->away & serial_bit(target)))
        install->silent_ms = relay->now + relay->policy->failover_wait_ms;
    if (reach->silent & serial_bit(target))
        return;
    reach->silent |= serial_bit(target);
    serial_open_all(relay);
    review_many(relay, owner_of(relay, install->cuid), target, "does not answer");
}

void serial_up(struct relay *relay, size_t target, struct requester *owner)
{
    struct requester_state *state = (struct requester_state *)owner;
    struct reach *reach = state ? &state->reach : &relay->serial->shared;

    reach->away &= ~serial_bit(target);
    reach->silent &= ~serial_bit(target);
    review_many(relay, state, target, "is back");
}

void relay_upstream_down(struct relay *relay, int64_t now, size_t target, struct requester *owner)
{
    struct requester_state *state = (struct requester_state *)owner;

    if (!relay->serial)
        return;
    relay->now = now;
    (state ? &state->reach : &relay->serial->shared)->away |= serial_bit(target);
    serial_open_all(relay);
    review_many(relay, state, target, "cannot be reached");
    effects_flush(relay);
}

/* ---- Acceptance and refusal ---- */

void serial_accepted(struct install *install)
{
    struct demand *demand;

    if (install->cuid->job || !install->bundle)
        return;
    DL_FOREACH2(install->bundle->demands, demand, bundle_next)
    {
        demand->mitigation->stood = demand->mitigation->stood || demand_covered(demand);
    }
}

static bool covered(const struct mitigation *mitigation, bool job)
{
    const struct demand *demand;

    DL_FOREACH(mitigation->demands, demand)
    {
        if (demand->bundle->cuid->job == job && (job || demand_covered(demand)))
            return true;
    }
    return false;
}

/* It came late to what ran already, and is why that was refused: it alone hears no. */
static void deny(struct relay *relay, struct mitigation *mitigation)
{
    if (!mitigation->gone.queued && mitigation->wait == WAIT_CREATED)
        verdict_check(relay, relay->now, mitigation, false);
    if (mitigation->gone.queued || mitigation->state != MITIGATION_LIVE || mitigation->wait == WAIT_CREATED)
        return;
    if (!covered(mitigation, true)) {
        feedback_refuse(relay, relay->now, mitigation);
        return;
    }
    mitigation->denied = true;
    reconcile(relay, relay->now, mitigation, RECONCILE_CHANGE);
    feedback(relay, relay->now, mitigation);
}

struct blame {
    struct mitigation **late; /* that never stood anywhere */
    size_t count;
    bool ran, uncovered; /* others did; and one of them does not here */
};

/* Inside of one that stood it cannot be to blame: without it the same would be asked for. */
static bool inside_stood(const struct demand *demand)
{
    const struct demand *other;
    bool inside = false;

    DL_FOREACH2(demand->bundle->demands, other, bundle_next)
    {
        const struct wire_target *target = &other->scope->target;
        struct scope *canonical = other->mitigation->stood && !inside ? scope_unite(&target, 1) : NULL;

        inside = inside || (canonical && scope_covers(&canonical->target, &demand->scope->target));
        scope_unref(canonical);
    }
    return inside;
}

/* After 2.01 a 5.03 is no refusal. */
static bool is_late(const struct demand *demand, const struct install *install)
{
    const struct mitigation *mitigation = demand->mitigation;

    return !mitigation->stood && install->refusal && (install->refusal != 503 || mitigation->wait == WAIT_CREATED) &&
           !covered(mitigation, false) && scope_overlap(&install->scope->target, &demand->scope->target) &&
           !inside_stood(demand);
}

static int find_late(const struct component *component, const struct install *install, struct blame *out)
{
    const struct mitigation *member;
    const struct demand *demand;

    *out = (struct blame){.late = calloc(component->count, sizeof(struct mitigation *))};
    if (!out->late)
        return -1;
    DL_FOREACH2(component->members, member, component_next)
    {
        out->ran = out->ran || member->stood;
        out->uncovered = out->uncovered || (member->stood && !covered(member, false));
    }
    DL_FOREACH2(install->bundle->demands, demand, bundle_next)
    {
        if (is_late(demand, install))
            out->late[out->count++] = demand->mitigation;
    }
    return 0;
}

/* True: what was refused is not asked for any more, or all that ran goes on. */
static bool blame_late(struct relay *relay, const struct component *component, const struct install *install,
                       bool *denied)
{
    struct blame blame;
    bool keeps;

    if (find_late(component, install, &blame) != 0)
        return false;
    *denied = blame.ran && blame.count > 0;
    keeps = blame.ran && !blame.uncovered;
    for (size_t i = 0; *denied && i < blame.count; i++)
        deny(relay, blame.late[i]);
    free(blame.late);
    return keeps || (*denied && component_of(install) == NULL);
}

bool serial_refused(struct relay *relay, struct install *install)
{
    struct component *component = component_of(install);
    bool busy = install->state == INSTALL_PUT || install->refusal == 503, denied = false;
    size_t target = install->cuid->public.target;
    enum install_state state = install->state;
    char why[40];

    if (!component)
        return false;
    if (blame_late(relay, component, install, &denied))
        return denied;
    component = component_of(install);
    if (busy) {
        component->busy |= serial_bit(target);
        if (install->retry_ms != RELAY_FOREVER && install->retry_ms > component->busy_until_ms)
            component->busy_until_ms = install->retry_ms;
    } else {
        component->refused |= serial_bit(target);
    }
    if (busy)
        snprintf(why, sizeof(why), "which is busy");
    else
        snprintf(why, sizeof(why), "which refuses it (%d.%02d)", install->refusal / 100, install->refusal % 100);
    /* What was refused may be a repeat of what was accepted, and that answer lost: it is deleted there, but as it
     * said no the next one need not wait. */
    install->state = INSTALL_PUT;
    install->resists = true;
    if (review(relay, component, why))
        return true;
    install->state = state;
    install->resists = false;
    if (busy && serial_hopes(relay, component)) { /* others are away and may come back: no word yet */
        install->state = INSTALL_PUT;
        install->refusal = 0;
    }
    return false;
}

void serial_status(struct relay *relay, struct install *install)
{
    struct component *component = component_of(install);

    if (!component || install->state != INSTALL_LIVE)
        return;
    if (install->status == WIRE_STATUS_MITIGATED || install->status == WIRE_STATUS_STOPPED)
        component->exceeded &= ~serial_bit(component->active);
    if (install->status != WIRE_STATUS_EXCEEDED)
        return;
    component->exceeded |= serial_bit(component->active);
    review(relay, component, "which is exceeded");
}

int64_t serial_not_before(const struct relay *relay, const struct bundle *bundle)
{
    const struct component *component = bundle->demands->mitigation->component;

    if (!relay->serial || bundle->cuid->job || !component ||
        !(component->busy & serial_bit(bundle->cuid->public.target)))
        return 0;
    return component->busy_until_ms;
}
