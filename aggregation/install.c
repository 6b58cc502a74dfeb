/* install: one request at an upstream, or one job of a mitigator, and the upstream cuid it stands under. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/leaving.h"
#include "aggregation/relay_state.h"
#include "aggregation/walk.h"

const struct relay_target *install_target(const struct relay *relay, const struct install *install)
{
    return &relay->policy->targets[install->cuid->public.target];
}

/* ---- Upstream cuids ---- */

struct upstream_cuid_state *upstream_cuid_get(struct relay *relay, size_t target, struct requester_state *requester)
{
    const struct relay_target *at = &relay->policy->targets[target];
    bool shared = at->kind == RELAY_MITIGATOR || (!at->identity_client && !at->per_client);
    struct upstream_cuid_state *cuid;
    char key[RELAY_KEY_MAX];

    snprintf(key, sizeof(key), "%zu%c%s", target, RELAY_SEPARATOR, shared ? "" : requester->key);
    HASH_FIND_STR(relay->cuids, key, cuid);
    if (cuid)
        return cuid;
    cuid = calloc(1, sizeof(*cuid));
    if (!cuid)
        return NULL;
    memcpy(cuid->key, key, sizeof(key));
    cuid->public.target = target;
    cuid->job = at->kind == RELAY_MITIGATOR;
    cuid->merges = !cuid->job && !at->identity_client;
    cuid->requester = shared ? NULL : requester;
    cuid->public.owner = !shared && at->per_client ? &requester->public : NULL;
    for (int trigger = 0; cuid->merges && trigger < 2; trigger++) {
        cuid->index[trigger] = overlap_index_new();
        if (!cuid->index[trigger])
            goto failed;
    }
    if (cuid_name(relay, cuid) != 0)
        goto failed;
    HASH_ADD_STR(relay->cuids, key, cuid);
    if (!cuid->hh.tbl)
        goto failed;
    if (cuid->requester) {
        cuid->requester->held++;
        LL_PREPEND2(cuid->requester->cuids, cuid, requester_next);
    }
    return cuid;

failed:
    overlap_index_free(cuid->index[0]);
    overlap_index_free(cuid->index[1]);
    free(cuid);
    return NULL;
}

void upstream_cuid_release(struct relay *relay, struct upstream_cuid_state *cuid)
{
    struct requester_state *requester = cuid->requester;

    if (cuid->installs || cuid->bundle_count || !requester) /* the shared ones stay */
        return;
    relay->effects->upstream_cuid_gone(relay->arg, &cuid->public);
    LL_DELETE2(requester->cuids, cuid, requester_next);
    HASH_DEL(relay->cuids, cuid);
    leaving_free(cuid);
    overlap_index_free(cuid->index[0]);
    overlap_index_free(cuid->index[1]);
    free(cuid);
    requester->held--;
    requester_release(relay, requester);
}

/* ---- Installs ---- */

struct install *install_new(struct relay *relay, struct upstream_cuid_state *cuid, uint64_t id)
{
    struct install *install = calloc(1, sizeof(*install));

    if (!install)
        return NULL;
    install->id = id;
    install->cuid = cuid;
    install->timer.kind = TIMER_INSTALL;
    install->timer.subject = install;
    install->retry_ms = install->silent_ms = RELAY_FOREVER;
    install->granted_until_ms = install->lasts_until_ms = RELAY_FOREVER;
    if (deadline_set(relay->timers, &install->timer.deadline, RELAY_FOREVER) != 0)
        goto out_of_memory;
    HASH_ADD(hh, relay->installs, id, sizeof(install->id), install);
    if (!install->hh.tbl)
        goto out_of_memory;
    DL_APPEND2(cuid->installs, install, cuid_prev, cuid_next);
    cuid->public.install_count++;
    return install;

out_of_memory:
    deadline_cancel(relay->timers, &install->timer.deadline);
    free(install);
    return NULL;
}

void install_attach(struct relay *relay, struct install *install, struct bundle *bundle)
{
    (void)relay;
    install->bundle = bundle;
    DL_APPEND(bundle->installs, install);
}

void install_move(struct install *install, struct bundle *bundle)
{
    DL_DELETE(install->bundle->installs, install);
    install->bundle = bundle;
    DL_APPEND(bundle->installs, install);
}

void install_block(struct install *install)
{
    /* One after the other: when it is gone, the next is looked for. */
    struct install *other = install->cuid->job ? NULL : leaving_before(install);

    if (!other)
        return;
    install->blocked_by = other;
    other->blocks = install;
}

/* How much more than before; totals that fell began anew. */
static uint64_t more(bool has, uint64_t total, uint64_t before)
{
    return !has ? 0 : total >= before ? total - before : total;
}

void install_take_counters(struct relay *relay, struct install *install, const struct relay_counters *counters)
{
    const struct relay_counters *before = &install->counters;
    uint64_t bytes = more(counters->has_bytes, counters->bytes, before->bytes);
    uint64_t pkts = more(counters->has_pkts, counters->pkts, before->pkts);

    if (install->counted_before && (counters->has_bytes || counters->has_pkts))
        install->counted_before = false;
    else if ((bytes || pkts) && relay->effects->dropped)
        relay->effects->dropped(relay->arg, install->cuid->public.target, bytes, pkts);
    install->counters = *counters;
}

bool install_over(const struct install *install)
{
    return !install->cuid->job && install->status >= WIRE_STATUS_CLIENT_WITHDRAWN &&
           install->status <= WIRE_STATUS_WITHDRAWN;
}

static void detach(struct install *install)
{
    if (!install->bundle)
        return;
    DL_DELETE(install->bundle->installs, install);
    install->bundle = NULL;
}

void install_plan_refresh(struct install *install, int64_t now)
{
    int64_t half = install->granted_ms / 2, at;

    install->retry_ms = RELAY_FOREVER;
    if (install->granted_until_ms == RELAY_FOREVER || !install->bundle ||
        install->granted_until_ms + 1000 >= bundle_expires(install->bundle))
        return;
    /* Spread by up to a tenth, so that what was put together is not refreshed together. */
    at = install->granted_until_ms - install->granted_ms + half - (int64_t)(install->id % 64) * half / 640;
    at = at > install->hold_until_ms ? at : install->hold_until_ms;
    install->retry_ms = at > now ? at : now;
}

void install_free(struct relay *relay, struct install *install)
{
    struct upstream_cuid_state *cuid = install->cuid;

    relay->effects->forget(relay->arg, install);
    if (relay->serial)
        serial_untrack(relay, install);
    leaving_remove(install);
    deadline_cancel(relay->timers, &install->timer.deadline);
    walk_pass_install(relay, install);
    HASH_DEL(relay->installs, install);
    DL_DELETE2(cuid->installs, install, cuid_prev, cuid_next);
    cuid->public.install_count--;
    if (install->payer)
        install->payer->install_count--;
    scope_unref(install->scope);
    free(install->conflict);
    free(install);
    upstream_cuid_release(relay, cuid);
}

void install_send(struct relay *relay, struct install *install)
{
    if (install->state == INSTALL_GONE)
        return;
    if (relay->request)
        install->request = relay->request;
    else if (install->request == 0 && install->bundle && install->bundle->demands)
        install->request = install->bundle->demands->mitigation->request;
    install->pending = true;
    if (install->state == INSTALL_WITHDRAW)
        install->arrived = 0;
    else if (!install->arrived)
        install->arrived = relay->arrived;
    install->silent_ms = RELAY_FOREVER; /* of what is not sent yet no answer is missing */
    effect_push(relay, &install->sync, EFFECT_SYNC, install);
}

void install_sync(struct relay *relay, struct install *install)
{
    bool withdraw = install->state == INSTALL_WITHDRAW;
    bool job = install_target(relay, install)->kind == RELAY_MITIGATOR; /* ends when it is stopped, not by itself */
    int64_t expires = install->bundle && !job ? bundle_expires(install->bundle) : RELAY_FOREVER;

    if (!install->pending || install->blocked_by || install->state == INSTALL_GONE)
        return;
    if (relay->serial && serial_gated(relay, install))
        return;
    install->pending = false;
    if (!withdraw && (!install->sent || install->lasts_until_ms < expires))
        install->lasts_until_ms = expires;
    install->sent = true;
    install->hops_sent = install->hop_limit;
    if (relay->serial)
        serial_sent(relay, install);
    install->doubtful = install->doubtful || install->open;
    install->open = true;
    if (job) {
        if (!withdraw) {
            relay->effects->job_start(relay->arg, install);
        } else {
            relay->effects->job_stop(relay->arg, install);
            install_remove(relay, install);
        }
    } else if (withdraw) {
        relay->effects->withdraw(relay->arg, install);
    } else {
        relay->effects->install(relay->arg, install);
    }
}

void install_remove(struct relay *relay, struct install *install)
{
    struct install *next = install->blocks;

    if (install->state == INSTALL_GONE)
        return;
    leaving_remove(install);
    install->state = INSTALL_GONE;
    install->superseded = false;
    detach(install);
    if (relay->serial) {
        serial_untrack(relay, install);
        serial_open(relay, install);
    }
    record_forget_install(relay, install);
    if (install->blocked_by)
        install->blocked_by->blocks = NULL;
    install->blocked_by = NULL;
    install->blocks = NULL;
    deadline_set(relay->timers, &install->timer.deadline, RELAY_FOREVER);
    if (next) {
        next->blocked_by = NULL;
        if (next->state != INSTALL_WITHDRAW)
            install_block(next);
        install_send(relay, next);
    }
    effect_push(relay, &install->gone, EFFECT_FREE_INSTALL, install);
}

/* A client's request that was accepted here, and as a whole was not: what the upstream deleted for it (RFC 9132
 * section 4.4.1.3) is put again when it is gone. */
static void put_overridden(struct relay *relay, struct install *gone)
{
    struct install *other;

    DL_FOREACH2(gone->cuid->installs, other, cuid_next)
    {
        if (other->bundle && other->state == INSTALL_LIVE && other->mid < gone->mid &&
            other->trigger == gone->trigger && other->scope && gone->scope &&
            scope_overlap(&other->scope->target, &gone->scope->target)) {
            other->state = INSTALL_PUT;
            install_block(other);
            install_send(relay, other);
        }
    }
}

void install_withdraw(struct relay *relay, struct install *install)
{
    bool nothing_there =
        (install->state == INSTALL_REFUSED && !install->doubtful) || (install->state == INSTALL_PUT && !install->sent);

    detach(install);
    install->awaited = false;
    if (nothing_there) {
        install_remove(relay, install);
        return;
    }
    if (relay->serial)
        serial_ungate(relay, install);
    leaving_add(install);
    install->retry_ms = RELAY_FOREVER;
    record_install(relay, install);
    install_schedule(relay, install);
    install_send(relay, install);
    if (relay->fan_out && !install->cuid->merges && !install->cuid->job)
        put_overridden(relay, install);
}

void install_schedule(struct relay *relay, struct install *install)
{
    int64_t at = install->retry_ms < install->silent_ms ? install->retry_ms : install->silent_ms;

    /* Past its lifetime it is gone there by itself. */
    if (install->state == INSTALL_WITHDRAW && install->lasts_until_ms < at)
        at = install->lasts_until_ms;
    deadline_set(relay->timers, &install->timer.deadline, at);
}

/* ---- Readers ---- */

struct upstream_cuid *install_cuid(const struct install *install)
{
    return &install->cuid->public;
}

uint32_t install_mid(const struct install *install)
{
    return install->mid;
}

bool install_wanted(const struct install *install)
{
    return install->state != INSTALL_WITHDRAW && install->state != INSTALL_GONE;
}

void *install_user(const struct install *install)
{
    return install->user;
}

void install_set_user(struct install *install, void *user)
{
    install->user = user;
}

/* Under attack if any of them says so. */
static enum wire_attack_status attack_status(const struct bundle *bundle)
{
    enum wire_attack_status combined = 0;
    const struct demand *demand;

    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        enum wire_attack_status one = demand->mitigation->attack_status;

        if (one == WIRE_UNDER_ATTACK || (one && !combined))
            combined = one;
    }
    return combined;
}

void relay_install_request(const struct install *install, int64_t now, struct install_request *out,
                           struct wire_scope *scratch)
{
    const struct bundle *bundle = install->bundle;
    int64_t expires = bundle ? bundle_expires(bundle) : RELAY_FOREVER;

    memset(scratch, 0, sizeof(*scratch));
    memset(out, 0, sizeof(*out));
    out->id = install->id;
    out->client = bundle && bundle->demands ? bundle->demands->mitigation->owner->public.client : "";
    out->mid = install->mid;
    out->scope = scratch;
    out->hop_limit = install->hop_limit;
    out->if_match = install->efficacy;
    out->request = install->request;
    if (install->scope)
        scratch->target = install->scope->target;
    scratch->has_trigger = !install->trigger;
    scratch->trigger = install->trigger;
    scratch->has_lifetime = true;
    scratch->lifetime = WIRE_LIFETIME_INDEFINITE;
    if (expires != RELAY_FOREVER)
        scratch->lifetime = expires > now ? (expires - now + 999) / 1000 : 1;
    if (bundle && (install->efficacy || install->cuid->job))
        scratch->attack_status = attack_status(bundle);
}

int relay_upstream_cuid_each(const struct relay *relay, size_t target, const struct requester *owner,
                             int (*each)(void *arg, struct upstream_cuid *cuid), void *arg)
{
    struct upstream_cuid_state *cuid, *next;
    int stop = 0;

    if (owner) {
        for (cuid = ((const struct requester_state *)owner)->cuids; cuid && !stop; cuid = next) {
            next = cuid->requester_next;
            if (cuid->public.target == target)
                stop = each(arg, &cuid->public);
        }
        return stop;
    }
    HASH_ITER(hh, relay->cuids, cuid, next)
    {
        if (cuid->public.target == target)
            stop = each(arg, &cuid->public);
        if (stop)
            return stop;
    }
    return 0;
}

int upstream_cuid_install_each(const struct upstream_cuid *cuid, int (*each)(void *arg, struct install *install),
                               void *arg)
{
    struct install *install = ((const struct upstream_cuid_state *)cuid)->installs;
    int stop = 0;

    while (install && !stop) {
        struct install *next = install->cuid_next;

        stop = each(arg, install);
        install = next;
    }
    return stop;
}

bool relay_target_mitigating(const struct relay *relay, size_t target, const struct requester *owner)
{
    const struct upstream_cuid_state *cuid;

    if (!owner)
        return relay->target_active[target] > 0;
    for (cuid = ((const struct requester_state *)owner)->cuids; cuid; cuid = cuid->requester_next)
        if (cuid->public.target == target && cuid->active_count > 0)
            return true;
    return false;
}
