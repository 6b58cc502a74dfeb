/* history: what clients were told holds; and, when all is quiet, what is upstream is the plan. */

#include <stdlib.h>
#include <string.h>

#include "tests/support/history_plan.h"

static void check_asked(struct history *history, const struct requester *requester, unsigned client, uint32_t mid)
{
    const struct asked *asked = history_asked(history, client, mid);
    const struct mitigation *mitigation = requester ? relay_mitigation_find(requester, mid) : NULL;
    bool kept = mitigation && mitigation->state == MITIGATION_LIVE;

    if (asked->pending || asked->doubts || asked->unsure)
        return;
    if (asked->told == TOLD_ACCEPTED && !kept && history->world.now < asked->expires_min)
        history_fail(history, "c%u was told that mid %u is accepted, and it is not there", client, mid);
    if (kept && (asked->told == TOLD_GONE || history->world.now > asked->expires_max))
        history_fail(history, "mid %u of c%u is still there", mid, client);
    if (kept && mitigation->trigger != asked->trigger)
        history_fail(history, "mid %u of c%u is not what was asked for", mid, client);
}

void history_check_told(struct history *history)
{
    for (unsigned client = 0; client < history->setup->clients; client++) {
        char name[16];
        const struct requester *requester;

        snprintf(name, sizeof(name), "c%u", client);
        requester = history->next_mid[client] ? relay_requester_find(history->world.relay, "", name) : NULL;
        for (uint32_t mid = 0; mid < history->next_mid[client]; mid++)
            check_asked(history, requester, client, mid);
    }
}

/* ---- What is upstream ---- */

/* The last word of the upstream about what is to be there now was no, for good. */
static bool refused(const struct history *history, const struct bundle *bundle)
{
    const struct install *install;

    for (install = bundle->installs; install; install = install->next)
        if (!install->superseded && install->state == INSTALL_REFUSED &&
            server_find(&history->server, bundle->cuid->public.target, bundle->cuid->public.cuid, install->mid, true))
            return true;
    return false;
}

static bool under(const struct server_request *request, const struct wanted *wanted)
{
    const struct upstream_cuid *cuid = &wanted->demand->bundle->cuid->public;

    return !request->refused && request->target == cuid->target && strcmp(request->cuid, cuid->cuid) == 0 &&
           request->trigger == wanted->trigger;
}

/* What is there of one component: exactly all of it, once. When the upstream will not have that, what was there
 * before may stay, because it protects more than nothing. */
static void check_component(struct history *history, const struct wanted *wanted, const struct blocks *all,
                            bool *claimed)
{
    const char *name = history->world.targets[wanted->target].name;
    bool no = refused(history, wanted->demand->bundle);
    struct blocks seen = {{0}};

    for (size_t i = 0; i < history->server.count; i++) {
        const struct server_request *request = &history->server.requests[i];

        if (!under(request, wanted) || !blocks_common(&request->blocks, all) ||
            (history->setup->identity_client && request->mid != wanted->mitigation->mid))
            continue;
        if (blocks_common(&seen, &request->blocks))
            history_fail(history, "%s has %s/%u and another request that overlaps it", name, request->cuid,
                         request->mid);
        if (!blocks_within(&request->blocks, all) && !no)
            history_fail(history, "%s is asked for more than was asked for by %s/%u", name, request->cuid,
                         request->mid);
        blocks_add(&seen, &request->blocks);
        claimed[i] = true;
    }
    if (!blocks_equal(&seen, all) && !no)
        history_fail(history, "%s does not have all that mid %u of %s, and what overlaps it, ask for", name,
                     wanted->mitigation->mid, wanted->mitigation->owner->public.cuid);
}

static int same_name(void *arg, struct upstream_cuid *cuid)
{
    return strcmp(cuid->cuid, arg) == 0;
}

/* What the gateway does not use any more it does not read: a copy that comes then stays for its lifetime. */
static bool forgotten(const struct history *history, struct server_request *request)
{
    return request->late &&
           !relay_upstream_cuid_each(history->world.relay, request->target, NULL, same_name, request->cuid);
}

void history_check_upstream(struct history *history)
{
    struct wanted_list list = wanted_all(history);
    bool *claimed = calloc(history->server.count + 1, sizeof(*claimed));

    for (size_t root = 0; root < list.count && !history->failure[0]; root++) {
        struct blocks all = {{0}};

        if (list.at[root].root != root || list.at[root].job)
            continue;
        for (size_t i = 0; i < list.count; i++)
            if (list.at[i].root == root)
                blocks_add(&all, &list.at[i].blocks);
        check_component(history, &list.at[root], &all, claimed);
    }
    for (size_t i = 0; i < history->server.count; i++)
        if (!claimed[i] && !history->server.requests[i].refused && !forgotten(history, &history->server.requests[i]))
            history_fail(history, "%s has %s/%u, and nobody asks for it",
                         history->world.targets[history->server.requests[i].target].name,
                         history->server.requests[i].cuid, history->server.requests[i].mid);
    free(claimed);
    free(list.at);
}
