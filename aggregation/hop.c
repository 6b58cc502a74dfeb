/*
 * hop: Hop-Limit (RFC 8768) through what is merged and kept. A gateway forwards no message, it makes requests of
 * its own; so a loop of gateways comes to its end only if fewer hops below become fewer hops above, at once.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"

#define TARGETS_MARKED 64

uint8_t hop_fewest(const struct bundle *bundle)
{
    const struct demand *demand;
    uint8_t fewest = UINT8_MAX;

    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        if (demand->mitigation->hop_limit < fewest)
            fewest = demand->mitigation->hop_limit;
    }
    return fewest;
}

void hop_take(struct relay *relay, struct mitigation *mitigation, uint8_t hop_limit)
{
    struct demand *demand;

    if (!hop_limit || hop_limit == mitigation->hop_limit)
        return;
    mitigation->hop_limit = hop_limit;
    DL_FOREACH(mitigation->demands, demand)
    {
        bundle_soil(relay, demand->bundle);
    }
}

void hop_follow(struct relay *relay, struct install *install)
{
    uint8_t hops = hop_fewest(install->bundle), before = install->hop_limit;

    install->hop_limit = hops; /* more of them go with the next refresh */
    if (hops >= before || install->bundle->cuid->job || install->state == INSTALL_REFUSED)
        return;
    install->awaited = true;
    install_send(relay, install);
}

/* Those that have no more hops left than were too few. */
static size_t came_too_far(const struct bundle *bundle, uint8_t hops, struct mitigation **out)
{
    const struct demand *demand;
    size_t count = 0;

    DL_FOREACH2(bundle->demands, demand, bundle_next)
    {
        if (demand->mitigation->hop_limit <= hops && demand->mitigation->wait != WAIT_CREATED)
            out[count++] = demand->mitigation;
    }
    return count;
}

void hop_reached(struct relay *relay, int64_t now, struct bundle *bundle, uint8_t hops)
{
    size_t target = bundle->cuid->public.target, count;
    struct mitigation **ends = calloc(bundle->demand_count ? bundle->demand_count : 1, sizeof(struct mitigation *));

    if (!ends || target >= TARGETS_MARKED)
        goto out; /* it stays until its lifetime ends there */
    count = came_too_far(bundle, hops, ends);
    for (size_t i = 0; i < count; i++) {
        if (ends[i]->gone.queued)
            continue;
        ends[i]->looped |= UINT64_C(1) << target;
        reconcile_demands(relay, ends[i]);
        if (!ends[i]->demands)
            feedback_refuse(relay, now, ends[i]);
    }
out:
    free(ends);
}

bool hop_looped(const struct mitigation *mitigation, size_t target)
{
    return target < TARGETS_MARKED && mitigation->looped >> target & 1;
}

/* Each name once: ours is put in front where the answer is sent. */
void hop_names(const char *names, const char *own, char *out, size_t size)
{
    size_t length = 0;

    out[0] = '\0';
    while (*names) {
        size_t word = strcspn(names, " ");

        if (word > 0 && !(word == strlen(own) && strncmp(names, own, word) == 0) && length + word + 2 <= size)
            length += (size_t)snprintf(out + length, size - length, "%s%.*s", length ? " " : "", (int)word, names);
        names += word;
        names += strspn(names, " ");
    }
}

/* Sent by us under this very cuid and mid, with more hops than it has now? */
static bool sent_on(const struct mitigation *mitigation, const struct relay_put *put)
{
    const struct demand *demand;
    const struct install *install;

    DL_FOREACH(mitigation->demands, demand)
    {
        if (demand->bundle->cuid->merges || demand->bundle->cuid->job)
            continue;
        DL_FOREACH(demand->bundle->installs, install)
        {
            if (install->sent && install->scope && put->hop_limit < install->hop_limit &&
                put->scope->trigger == install->trigger && scope_equal(&install->scope->target, &put->scope->target))
                return true;
        }
    }
    return false;
}

bool relay_came_back(const struct relay *relay, const struct relay_put *put)
{
    const char *cdid = requester_owner_cdid(relay, put->requester.cuid);
    const struct requester_state *owner = cdid ? requester_look(relay, cdid, put->requester.cuid) : NULL;
    const struct mitigation *mitigation = owner ? mitigation_look(owner, put->mid) : NULL;

    return put->hop_limit && mitigation && mitigation->state == MITIGATION_LIVE && sent_on(mitigation, put);
}
