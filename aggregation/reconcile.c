/* reconcile: the difference between what is planned and what is installed, as things to send. */

#include <string.h>

#include "aggregation/relay_state.h"

#define IDS_A_BLOCK 1024
#define MIDS_A_BLOCK 64
#define WITHDRAW_RETRY_MS 30000
/* RFC 9132 section 4.4.1.1: a mid at 3/4 of 2^32 - 1 starts again from 0 when no attack is on. */
#define MID_ROLLOVER 3221225471u

static uint32_t next_mid(struct relay *relay, struct upstream_cuid_state *cuid, const struct mitigation *mitigation)
{
    if (relay->policy->targets[cuid->public.target].kind == RELAY_MITIGATOR ||
        relay->policy->targets[cuid->public.target].identity_client)
        return mitigation->mid;
    if (cuid->counter->next >= MID_ROLLOVER && !cuid->installs) {
        cuid->counter->next = 0;
        cuid->counter->reserved = 0;
    }
    return (uint32_t)counter_take(relay, cuid->counter, MIDS_A_BLOCK);
}

static int create(struct relay *relay, struct mitigation *mitigation, size_t target, const struct plan_entry *want)
{
    struct upstream_cuid_state *cuid = upstream_cuid_get(relay, target, mitigation->owner);
    struct install *install;

    if (!cuid)
        return -1;
    install = install_new(relay, cuid, counter_take(relay, relay->install_ids, IDS_A_BLOCK));
    if (!install) {
        upstream_cuid_release(relay, cuid);
        return -1;
    }
    install->scope = scope_ref(want->scope);
    install->trigger = want->trigger;
    install->hop_limit = want->hop_limit;
    install->mid = next_mid(relay, cuid, mitigation);
    /* A job is there as soon as it is handed over; what it reports comes later. */
    install->state = cuid->job ? INSTALL_LIVE : INSTALL_PUT;
    install->awaited = !cuid->job && mitigation->wait != WAIT_NONE;
    install_attach(relay, install, mitigation);
    install_block(install);
    record_install(relay, install);
    install_send(relay, install);
    return 0;
}

static int replace(struct relay *relay, struct mitigation *mitigation, struct install *have,
                   const struct plan_entry *want)
{
    size_t target = have->cuid->public.target;
    bool same_mid = relay->policy->targets[target].identity_client;

    /* With a mid of our own the new one is put before the old one goes: no moment without any. */
    if (!same_mid && create(relay, mitigation, target, want) != 0)
        return -1;
    install_withdraw(relay, have);
    return same_mid ? create(relay, mitigation, target, want) : 0;
}

static void again(struct relay *relay, struct mitigation *mitigation, struct install *have,
                  const struct plan_entry *want, enum reconcile_cause cause)
{
    have->hop_limit = want->hop_limit;
    have->efficacy = cause == RECONCILE_EFFICACY && have->state == INSTALL_LIVE;
    have->awaited = !have->cuid->job && mitigation->wait != WAIT_NONE;
    have->refusal = 0;
    if (have->state == INSTALL_REFUSED)
        have->state = INSTALL_PUT;
    install_send(relay, have);
}

static int reconcile_target(struct relay *relay, struct mitigation *mitigation, size_t target,
                            enum reconcile_cause cause)
{
    struct install *have = install_at(mitigation, target);
    struct plan_entry want;

    plan_target(relay, mitigation, target, &want);
    if (!want.scope) {
        if (have)
            install_withdraw(relay, have);
        return 0;
    }
    if (!have)
        return create(relay, mitigation, target, &want);
    if (!have->cuid->job && (have->trigger != want.trigger || have->scope != want.scope))
        return replace(relay, mitigation, have, &want);
    if (cause != RECONCILE_CHANGE)
        again(relay, mitigation, have, &want, cause);
    return 0;
}

int reconcile(struct relay *relay, int64_t now, struct mitigation *mitigation, enum reconcile_cause cause)
{
    int result = 0;

    (void)now;
    for (size_t target = 0; target < relay->policy->target_count; target++)
        if (reconcile_target(relay, mitigation, target, cause) != 0)
            result = -1;
    return result;
}

void reconcile_due(struct relay *relay, int64_t now, struct install *install)
{
    if (install->state == INSTALL_WITHDRAW && install->granted_until_ms <= now) {
        install_remove(relay, install);
        return;
    }
    if (install->retry_ms <= now) {
        install->retry_ms = install->state == INSTALL_WITHDRAW ? now + WITHDRAW_RETRY_MS : RELAY_FOREVER;
        if (install->state == INSTALL_REFUSED)
            install->state = INSTALL_PUT;
        install->refusal = 0;
        install_send(relay, install);
    }
    install_schedule(relay, install);
}
