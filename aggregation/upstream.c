/* upstream: what northbound and the mitigators bring back about installs (RFC 9132 sections 4.4.1.3, 4.4.2). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/leaving.h"
#include "aggregation/relay_state.h"

#define RETRY_REFUSED_MS 30000 /* after 5.03 without Max-Age */
#define RETRY_REFUSED_MAX_MS 3600000
#define RETRY_HELD_UP_MS 3000
#define PUT_AGAIN_MS 10000 /* an upstream that forgets is asked again no faster than this */

static void set_conflict(struct install *install, const struct wire_conflict *conflict)
{
    free(install->conflict);
    install->conflict = conflict ? conflict_copy(conflict) : NULL;
}

static void set_granted(struct install *install, int64_t now, int64_t lifetime)
{
    install->granted_until_ms = RELAY_FOREVER;
    install->granted_ms = 0;
    if (lifetime != WIRE_LIFETIME_INDEFINITE) {
        install->granted_ms = lifetime * 1000;
        install->granted_until_ms = now + install->granted_ms;
    }
    install_plan_refresh(install, now);
}

static void accepted(struct relay *relay, int64_t now, struct install *install,
                     const struct relay_upstream_answer *answer)
{
    const struct wire_message *body = answer->body;
    int64_t expires = install->bundle ? bundle_expires(install->bundle) : RELAY_FOREVER;
    int64_t lifetime = expires == RELAY_FOREVER ? WIRE_LIFETIME_INDEFINITE : (expires - now + 999) / 1000;
    bool was_live = install->state == INSTALL_LIVE;

    install->state = INSTALL_LIVE;
    install->refusal = 0;
    install->efficacy = install->open = install->doubtful = false;
    install->answered_ms = now;
    install->hops_accepted = install->hops_sent; /* fewer may wait to be sent already */
    if (body && body->type == WIRE_MITIGATION && body->scope_count == 1) {
        if (body->scopes[0].has_lifetime)
            lifetime = body->scopes[0].lifetime;
        set_conflict(install, body->scopes[0].conflict);
    }
    set_granted(install, now, lifetime);
    if (!answer->repeated || install->granted_until_ms > install->lasts_until_ms)
        install->lasts_until_ms = install->granted_until_ms;
    if (!was_live)
        record_install(relay, install);
    if (install->bundle)
        settle_inherit(install->bundle);
}

/* The cuid is somebody else's there: a new one must be made (RFC 9132 section 4.4.1.1). */
static bool collided(struct relay *relay, struct install *install, const struct relay_upstream_answer *answer)
{
    const struct wire_message *body = answer->body;

    return answer->code == 409 && install->cuid->counter && body && body->type == WIRE_MITIGATION &&
           body->scope_count == 1 && body->scopes[0].conflict && body->scopes[0].conflict->cause == WIRE_CAUSE_CUID &&
           cuid_replace(relay, install->cuid) == 0;
}

static bool serves_all(const struct bundle *bundle)
{
    const struct demand *demand;

    if (!bundle)
        return false;
    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        if (!demand_covered(demand))
            return false;
    }
    return true;
}

/* Does somebody wait to hear whether it is accepted at all? A refresh that waits hears when it is tried again. */
static bool waited_for(const struct install *install)
{
    const struct demand *demand;

    if (!install->bundle)
        return false;
    DL_FOREACH2(install->bundle->demands, demand, bundle_next)
    {
        if (demand->mitigation->wait == WAIT_CREATED)
            return true;
    }
    return false;
}

/* Not accepted yet, and so perhaps to be withdrawn again. */
static bool undecided(const struct install *install)
{
    return install->bundle && install->bundle->demands && install->bundle->demands->mitigation->wait == WAIT_CREATED;
}

static int has_installs(void *arg, struct upstream_cuid *cuid)
{
    (void)arg;
    return cuid->install_count > 0;
}

/* The same upstream still has what we asked for under an identity that we give up. */
static bool held_up_by_former(const struct relay *relay, const struct install *install)
{
    const struct relay_target *targets = relay->policy->targets, *own = install_target(relay, install);

    for (size_t i = 0; i < relay->policy->target_count; i++) {
        if (&targets[i] != own && targets[i].disabled && targets[i].kind == RELAY_UPSTREAM && !own->disabled &&
            strcmp(targets[i].name, own->name) == 0 && relay_upstream_cuid_each(relay, i, NULL, has_installs, NULL))
            return true;
    }
    return false;
}

/* One of our own with a higher mid that overlaps it and is being withdrawn: it is refused for as long only. */
static bool held_up(const struct relay *relay, const struct install *install)
{
    const struct install *other;

    if (held_up_by_former(relay, install) || leaving_above(install))
        return true;
    for (other = install->cuid->merges ? NULL : install->cuid->installs; other; other = other->cuid_next) {
        if (undecided(other) && other->mid > install->mid && other->trigger == install->trigger && other->scope &&
            install->scope && scope_overlap(&other->scope->target, &install->scope->target))
            return true;
    }
    return false;
}

/* True: what was asked for is denied, now or for good. */
static bool refused(struct relay *relay, int64_t now, struct install *install,
                    const struct relay_upstream_answer *answer)
{
    const struct wire_message *body = answer->body;
    int64_t wait = answer->max_age > 0 ? answer->max_age * 1000 : RETRY_REFUSED_MS;

    install->open = false;
    install->doubtful = install->doubtful || answer->repeated;
    install->refusal = answer->code;
    install->refusal_max_age = answer->max_age;
    install->efficacy = false;
    snprintf(install->diagnostic, sizeof(install->diagnostic), "%s", answer->diagnostic ? answer->diagnostic : "");
    if (body && body->type == WIRE_MITIGATION && body->scope_count == 1)
        set_conflict(install, body->scopes[0].conflict);
    if (answer->code == 508)
        relay->effects->alert(relay->arg, "hop-limit", install->diagnostic);
    if (install->state == INSTALL_LIVE)
        return false; /* a refresh of what stays until its lifetime ends */
    if (answer->code == 409 && held_up(relay, install)) {
        install->refusal = 0;
        install->retry_ms = now + RETRY_HELD_UP_MS;
        return false;
    }
    if (install->superseded) { /* what replaces it was there first: nothing is lost */
        install->state = INSTALL_REFUSED;
        install_withdraw(relay, install);
        return false;
    }
    /* 5.03 is "not now": it is tried again, unless the client is told no. So is what only its scope was changed
     * of, while what it was before still stands for everybody. */
    install->retry_ms = answer->code == 503 || serves_all(install->bundle)
                            ? now + (wait > RETRY_REFUSED_MAX_MS ? RETRY_REFUSED_MAX_MS : wait)
                            : RELAY_FOREVER;
    if (answer->code == 503 && !waited_for(install))
        install->refusal = 0;
    else
        install->state = INSTALL_REFUSED;
    /* The client was told that it is accepted, and another upstream may have its part of it. */
    if (relay->fan_out && install->state == INSTALL_REFUSED && !waited_for(install))
        relay->effects->alert(relay->arg, "part-refused", install_target(relay, install)->name);
    return true;
}

static void withdrawn(struct relay *relay, int64_t now, struct install *install,
                      const struct relay_upstream_answer *answer)
{
    if (answer->code / 100 == 2 || answer->code == 404) {
        install_remove(relay, install);
        return;
    }
    if (answer->code / 100 == 5) {
        install->retry_ms =
            now + (answer->max_age > 0 && answer->max_age < 3600 ? answer->max_age * 1000 : RETRY_REFUSED_MS);
        if (relay->serial)
            serial_resists(relay, install);
        return;
    }
    if (!install->resists)
        relay->effects->alert(relay->arg, "withdraw-refused", install_target(relay, install)->name);
    install_remove(relay, install);
}

/* Each mitigation that it serves once; verdicts and statuses may end them and change the bundle. */
static void tell(struct relay *relay, int64_t now, struct bundle *bundle)
{
    size_t count = 0;
    struct mitigation **told = calloc(bundle->demand_count ? bundle->demand_count : 1, sizeof(struct mitigation *));
    const struct demand *demand;

    if (!told)
        return; /* the next notification tells them */
    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        told[count++] = demand->mitigation;
    }
    /* Verdicts first: when one that asked for too much is gone, the others may not be refused any more. */
    for (size_t i = 0; i < count; i++)
        if (!told[i]->gone.queued)
            verdict_check(relay, now, told[i], false);
    for (size_t i = 0; i < count; i++)
        if (!told[i]->gone.queued)
            feedback(relay, now, told[i]);
    free(told);
}

static void finish(struct relay *relay, int64_t now, struct bundle *bundle)
{
    if (bundle)
        tell(relay, now, bundle);
    settle_bundles(relay, now);
    effects_flush(relay);
}

void relay_install_answer(struct relay *relay, int64_t now, struct install *install,
                          const struct relay_upstream_answer *answer)
{
    struct bundle *bundle;

    relay->now = now;
    if (relay->serial)
        serial_heard(relay, install->cuid);
    bundle = install->bundle;
    if (install->state == INSTALL_GONE || (install->pending && install->state == INSTALL_WITHDRAW)) {
        effects_flush(relay);
        return;
    }
    install->silent_ms = RELAY_FOREVER;
    if (install->arrived && answer->code / 100 == 2 && relay->effects->accepted)
        relay->effects->accepted(relay->arg, install->cuid->public.target, install->arrived);
    install->arrived = 0;
    if (install->state == INSTALL_WITHDRAW) {
        withdrawn(relay, now, install, answer);
    } else if (answer->code / 100 == 2) {
        install->awaited = false;
        accepted(relay, now, install, answer);
        serial_accepted(install);
    } else if (!collided(relay, install, answer)) {
        install->awaited = false;
        if (refused(relay, now, install, answer) && relay->serial && serial_refused(relay, install))
            bundle = NULL;
    }
    if (install->state != INSTALL_GONE)
        install_schedule(relay, install);
    if (bundle)
        tell(relay, now, bundle);
    if (install->state == INSTALL_LIVE) {
        install->refusal = 0; /* told; it stands */
        if (install->bundle && answer->code == 508 && install->hops_sent < install->hops_accepted)
            hop_reached(relay, now, install->bundle, install->hops_sent);
        else if (install->bundle)
            settle_answered(relay, install->bundle);
    }
    finish(relay, now, NULL);
}

/* It should be there and is not: put it again, but do not fight an upstream that keeps dropping it. */
static void put_again(struct relay *relay, int64_t now, struct install *install)
{
    install->state = INSTALL_PUT;
    install->status = 0;
    if (install->answered_ms == 0 || now - install->answered_ms >= PUT_AGAIN_MS)
        install_send(relay, install);
    else
        install->retry_ms = install->answered_ms + PUT_AGAIN_MS;
}

static struct relay_counters counters_of(const struct wire_scope *scope)
{
    return (struct relay_counters){
        .has_bytes = scope->has_bytes,
        .has_bps = scope->has_bps,
        .has_pkts = scope->has_pkts,
        .has_pps = scope->has_pps,
        .bytes = scope->bytes_dropped,
        .bps = scope->bps_dropped,
        .pkts = scope->pkts_dropped,
        .pps = scope->pps_dropped,
    };
}

static void take_status(struct relay *relay, int64_t now, struct install *install, const struct wire_scope *scope)
{
    struct relay_counters counters;

    if (!scope || scope->status == WIRE_STATUS_TERMINATED || scope->status == WIRE_STATUS_CLIENT_WITHDRAWN) {
        if (install->state == INSTALL_LIVE)
            put_again(relay, now, install);
        return;
    }
    if (scope->status)
        install->status = scope->status;
    counters = counters_of(scope);
    install_take_counters(relay, install, &counters);
    set_conflict(install, scope->conflict);
    if (scope->status == WIRE_STATUS_WITHDRAWN && scope->conflict && scope->conflict->has_retry_timer)
        install->hold_until_ms = now + (int64_t)scope->conflict->retry_timer * 1000;
    if (scope->has_lifetime && install->state == INSTALL_LIVE)
        set_granted(install, now, scope->lifetime);
}

void relay_install_status(struct relay *relay, int64_t now, struct install *install, const struct wire_scope *status)
{
    relay->now = now;
    if (relay->serial)
        serial_heard(relay, install->cuid);
    if (!install_wanted(install)) {
        effects_flush(relay);
        return;
    }
    take_status(relay, now, install, status);
    if (relay->serial)
        serial_status(relay, install);
    install_schedule(relay, install);
    finish(relay, now, install->bundle);
}

static int send_puts(void *arg, struct install *install)
{
    if (install->state == INSTALL_PUT && install->retry_ms == RELAY_FOREVER)
        install_send(arg, install);
    return 0;
}

static int send_withdrawals(void *arg, struct install *install)
{
    if (install->state == INSTALL_WITHDRAW)
        install_send(arg, install);
    return 0;
}

/* What is to be there goes before what is to go: no moment without either. */
static int send_waiting_of(void *arg, struct upstream_cuid *cuid)
{
    upstream_cuid_install_each(cuid, send_puts, arg);
    return upstream_cuid_install_each(cuid, send_withdrawals, arg);
}

void relay_upstream_up(struct relay *relay, int64_t now, size_t target, struct requester *owner)
{
    relay->now = now;
    if (relay->serial)
        serial_up(relay, target, owner);
    relay_upstream_cuid_each(relay, target, owner, send_waiting_of, relay);
    effects_flush(relay);
}

static int by_mid(const void *a, const void *b)
{
    const struct wire_scope *const *left = a, *const *right = b;

    return ((*left)->mid > (*right)->mid) - ((*left)->mid < (*right)->mid);
}

static const struct wire_scope *const *find_mid(const struct wire_scope *const *sorted, size_t count, uint32_t mid)
{
    struct wire_scope key = {.mid = mid};
    const struct wire_scope *wanted = &key;

    return bsearch(&wanted, sorted, count, sizeof(*sorted), by_mid);
}

/* Under a cuid that is ours alone, what we do not know was left by a state that is lost: it goes. */
static void withdraw_unknown(struct relay *relay, struct upstream_cuid_state *cuid, const struct wire_scope *scope)
{
    struct install *install;

    if (!scope->has_mid || (scope->status >= WIRE_STATUS_CLIENT_WITHDRAWN && scope->status <= WIRE_STATUS_WITHDRAWN))
        return;
    install = install_new(relay, cuid, counter_take(relay, relay->install_ids, 1024));
    if (!install)
        return; /* the next repair sees it again */
    install->mid = scope->mid;
    install->sent = true;
    if (relay->serial) /* nobody else is asked for this before it is gone */
        install->scope = scope_new(&scope->target);
    leaving_add(install);
    if (relay->serial)
        serial_track(relay, install);
    record_install(relay, install);
    install_send(relay, install);
}

static void compare(struct relay *relay, int64_t now, struct install *install, const struct wire_scope *there)
{
    /* Not there is no proof that it goes no further: an earlier put may still be on its way. Only the
     * answer to the delete is. */
    if (install->state == INSTALL_WITHDRAW) {
        install_send(relay, install);
        return;
    }
    if (install->state != INSTALL_LIVE)
        return; /* its put is under way, and says more than this list */
    take_status(relay, now, install, there);
    if (relay->serial)
        serial_status(relay, install);
    if (there)
        install->answered_ms = now;
    install_schedule(relay, install);
    if (install->bundle)
        tell(relay, now, install->bundle);
}

void relay_upstream_listed(struct relay *relay, int64_t now, struct upstream_cuid *public,
                           const struct wire_scope *scopes, size_t count)
{
    struct upstream_cuid_state *cuid = (struct upstream_cuid_state *)public;
    const struct wire_scope **sorted = calloc(count ? count : 1, sizeof(const struct wire_scope *));
    bool *known = calloc(count ? count : 1, sizeof(*known));
    struct install *install, *next;

    relay->now = now;
    if (!sorted || !known)
        goto out;
    if (relay->serial)
        serial_heard(relay, cuid);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &scopes[i];
    qsort(sorted, count, sizeof(*sorted), by_mid);
    DL_FOREACH_SAFE2(cuid->installs, install, next, cuid_next)
    {
        const struct wire_scope *const *there = find_mid(sorted, count, install->mid);

        if (there)
            known[there - sorted] = true;
        if (install->state != INSTALL_GONE)
            compare(relay, now, install, there ? *there : NULL);
    }
    for (size_t i = 0; cuid->counter && i < count; i++)
        if (!known[i])
            withdraw_unknown(relay, cuid, sorted[i]);
    finish(relay, now, NULL);
out:
    free(sorted);
    free(known);
}

void relay_job_report(struct relay *relay, int64_t now, size_t target, uint64_t id, const struct relay_report *report)
{
    struct install *install;

    relay->now = now;
    HASH_FIND(hh, relay->installs, &id, sizeof(id), install);
    if (!install || install->cuid->public.target != target || !install->bundle)
        return;
    if (report->status)
        install->status = report->status;
    if (report->counters.has_bytes || report->counters.has_bps || report->counters.has_pkts || report->counters.has_pps)
        install_take_counters(relay, install, &report->counters);
    recursion_review(relay, now, install->bundle->demands->mitigation);
    finish(relay, now, install->bundle);
}
