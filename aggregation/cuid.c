/* cuid: what the gateway calls itself at an upstream, until that is somebody else's there (RFC 9132 section 4.4.1.1).
 */

#include <stdio.h>
#include <string.h>

#include "aggregation/relay_state.h"

/* owner: a requester's key; NULL: the gateway itself. */
static void counter_key(char key[RELAY_KEY_MAX], const struct relay_target *target, const char *owner)
{
    snprintf(key, RELAY_KEY_MAX, "mid/%.120s/%s", target->name, owner ? owner : "");
}

int cuid_name(struct relay *relay, struct upstream_cuid_state *cuid)
{
    const struct relay_target *target = &relay->policy->targets[cuid->public.target];
    char key[RELAY_KEY_MAX];
    char made[23];

    if (target->kind == RELAY_MITIGATOR)
        return 0;
    if (target->identity_client) {
        const struct requester *from = &cuid->requester->public;

        memcpy(cuid->public.cuid, from->cuid, sizeof(cuid->public.cuid));
        /* Only the first server-domain gateway on the path inserts one (section 4.4.1.2). */
        if (target->insert_cdid)
            snprintf(cuid->public.cdid, sizeof(cuid->public.cdid), "%s",
                     from->cdid[0] ? from->cdid : from->identity_hash);
        return 0;
    }
    counter_key(key, target, cuid->public.owner ? cuid->requester->key : NULL);
    cuid->counter = counter_get(relay, key);
    if (cuid->counter && cuid->counter->reserved == 1)
        cuid->counter->next = cuid->counter->reserved = relay->first_mid;
    if (!cuid->counter || relay->effects->make_cuid(relay->arg, cuid->public.target, cuid->public.owner,
                                                    cuid->counter->attempt, made) != 0)
        return -1;
    memcpy(cuid->public.cuid, made, sizeof(made));
    return 0;
}

int cuid_replace(struct relay *relay, struct upstream_cuid_state *cuid)
{
    struct install *install;
    char made[23];

    if (relay->effects->make_cuid(relay->arg, cuid->public.target, cuid->public.owner, cuid->counter->attempt + 1,
                                  made) != 0)
        return -1;
    cuid->counter->attempt++;
    record_counter(relay, cuid->counter);
    memcpy(cuid->public.cuid, made, sizeof(made));
    relay->effects->alert(relay->arg, "cuid-collision", relay->policy->targets[cuid->public.target].name);
    if (relay->effects->cuid_changed)
        relay->effects->cuid_changed(relay->arg, &cuid->public);
    DL_FOREACH2(cuid->installs, install, cuid_next)
    {
        if (install->bundle && install->state != INSTALL_REFUSED) {
            install->state = INSTALL_PUT;
            install_send(relay, install);
        }
    }
    return 0;
}

uint32_t relay_cuid_attempt(const struct relay *relay, size_t target, const struct requester *owner)
{
    char key[RELAY_KEY_MAX], name[REQUESTER_KEY_MAX];
    const struct counter *counter;

    if (owner)
        requester_key(name, owner->cdid, owner->cuid);
    counter_key(key, &relay->policy->targets[target], owner ? name : NULL);
    HASH_FIND_STR(relay->counters, key, counter);
    return counter ? counter->attempt : 0;
}
