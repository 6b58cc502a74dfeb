/* history: what the network, upstreams and mitigators do. */

#include <stdlib.h>
#include <string.h>

#include "tests/support/history.h"

#define SHORT_S 20
#define BUSY_S 10
#define LEAST_MS 1000 /* nobody grants less, however long it took */
#define ANY_LIFETIME INT64_MAX

static struct server_request request_of(struct history *history, struct install *install)
{
    const struct upstream_cuid *cuid = install_cuid(install);
    struct server_request request = {.target = cuid->target};
    struct install_request asked;
    struct wire_scope scratch;

    relay_install_request(install, history->world.now, &asked, &scratch);
    snprintf(request.cuid, sizeof(request.cuid), "%s", cuid->cuid);
    request.mid = asked.mid;
    request.trigger = asked.scope->trigger;
    request.expires = asked.scope->lifetime < 0 ? ANY_LIFETIME : history->world.now + asked.scope->lifetime * 1000;
    if (!blocks_of(&asked.scope->target, history->setup->nat ? BLOCKS_EXTERNAL : BLOCKS_INTERNAL, &request.blocks))
        history_fail(history, "%s/%u asks for what no client can have asked for, as upstreams see it", cuid->cuid,
                     asked.mid);
    return request;
}

static size_t find_outstanding(const struct history *history, const struct install *install)
{
    size_t i = 0;

    while (i < history->outstanding_count && history->outstanding[i].install != install)
        i++;
    return i;
}

void history_forget(struct world *world, struct install *install)
{
    struct history *history = world->user;
    size_t i = find_outstanding(history, install);

    if (i < history->outstanding_count)
        history->outstanding[i] = history->outstanding[--history->outstanding_count];
}

void history_install(struct world *world, struct install *install, bool withdraw)
{
    struct history *history = world->user;

    history_forget(world, install); /* superseded */
    history->sent++;
    if (!history->up[install_cuid(install)->target])
        return; /* asked for again when a session is up */
    if (history->outstanding_count == history->outstanding_size) {
        history->outstanding_size = history->outstanding_size ? 2 * history->outstanding_size : 16;
        history->outstanding = realloc(history->outstanding, history->outstanding_size * sizeof(*history->outstanding));
    }
    history->outstanding[history->outstanding_count++] =
        (struct outstanding){.install = install, .request = request_of(history, install), .withdraw = withdraw};
}

/* ---- Requests that arrive ---- */

/* Whoever asked for some of it may be told no now. */
static void make_unsure(struct history *history, const struct blocks *blocks)
{
    for (unsigned client = 0; client < history->setup->clients; client++)
        for (uint32_t mid = 0; mid < history->next_mid[client]; mid++) {
            struct asked *asked = history_asked(history, client, mid);

            if (blocks_common(&asked->blocks, blocks))
                history_doubt(history, asked);
        }
}

static void answer(struct history *history, struct install *install, const struct server_request *request,
                   const struct relay_upstream_answer *answer)
{
    const struct wire_scope *scope = answer->body ? &answer->body->scopes[0] : NULL;
    char lifetime[32] = "", max_age[32] = "";

    if (scope && scope->has_lifetime)
        snprintf(lifetime, sizeof(lifetime), " lifetime=%lld", (long long)scope->lifetime);
    if (answer->max_age >= 0)
        snprintf(max_age, sizeof(max_age), " max-age=%lld", (long long)answer->max_age);
    history_script(history, "answer %s/%s/%u %d.%02d%s%s%s%s", history->world.targets[request->target].name,
                   request->cuid, request->mid, answer->code / 100, answer->code % 100, lifetime, max_age,
                   scope && scope->conflict ? " conflict=1/1" : "", answer->repeated ? " repeated" : "");
    relay_install_answer(history->world.relay, history->world.now, install, answer);
}

static bool refuses(enum outcome outcome)
{
    return outcome >= OUTCOME_BAD;
}

static void answer_put(struct history *history, const struct outstanding *outstanding,
                       const struct server_request *request, enum outcome outcome)
{
    static const int codes[OUTCOMES] = {
        [OUTCOME_BUSY] = 503, [OUTCOME_BAD] = 400, [OUTCOME_FORBIDDEN] = 403, [OUTCOME_CONFLICT] = 409};
    struct wire_conflict conflict = {.status = WIRE_CONFLICT_INACTIVE, .cause = WIRE_CAUSE_OVERLAP};
    struct wire_scope scope = {.trigger = true};
    struct wire_message body = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    struct relay_upstream_answer said = {.code = codes[outcome], .max_age = -1, .repeated = outstanding->repeated};

    if (refuses(outcome))
        server_refuse(&history->server, request);
    else if (outcome != OUTCOME_BUSY)
        said.code = server_put(&history->server, request);
    if (outcome == OUTCOME_TWICE)
        said.code = server_put(&history->server, request);
    if (said.code / 100 == 4)
        make_unsure(history, &request->blocks);
    if (outcome == OUTCOME_ANSWER_LOST)
        return;
    if (said.code / 100 == 2 && request->expires != ANY_LIFETIME) {
        scope.has_lifetime = true;
        scope.lifetime = (request->expires - history->world.now) / 1000;
        said.body = &body;
    }
    if (outcome == OUTCOME_CONFLICT) {
        scope.conflict = &conflict;
        said.body = &body;
    }
    if (outcome == OUTCOME_BUSY)
        said.max_age = BUSY_S;
    answer(history, outstanding->install, request, &said);
}

static void answer_delete(struct history *history, struct install *install, const struct server_request *request,
                          enum outcome outcome)
{
    struct relay_upstream_answer said = {.code = outcome == OUTCOME_BUSY ? 503 : 202, .max_age = -1};

    if (outcome != OUTCOME_BUSY)
        server_delete(&history->server, request->target, request->cuid, request->mid);
    else
        said.max_age = BUSY_S;
    if (outcome != OUTCOME_ANSWER_LOST)
        answer(history, install, request, &said);
}

void history_deliver(struct history *history, size_t index, enum outcome outcome)
{
    struct outstanding outstanding;
    struct server_request request;

    if (history->outstanding_count == 0)
        return;
    index %= history->outstanding_count;
    outstanding = history->outstanding[index];
    request = outstanding.request;
    if (request.expires < history->world.now + LEAST_MS)
        request.expires = history->world.now + LEAST_MS;
    if (outcome == OUTCOME_SHORT && request.expires > history->world.now + SHORT_S * 1000)
        request.expires = history->world.now + SHORT_S * 1000;
    history->outstanding[index].repeated = true; /* so it will be, unless it is answered now */
    if (outcome != OUTCOME_ANSWER_LOST)
        history->outstanding[index] = history->outstanding[--history->outstanding_count];
    if (outstanding.withdraw)
        answer_delete(history, outstanding.install, &request, outcome);
    else
        answer_put(history, &outstanding, &request, outcome);
}

/* Under a client's own cuid nobody tells a late copy from what came another way, and it stays for its lifetime
 * (docs/behaviour.md): there are none. */
void history_copy(struct history *history, size_t index)
{
    const struct outstanding *outstanding;

    if (history->outstanding_count == 0 || history->copy_count == HISTORY_COPIES || history->setup->identity_client)
        return;
    outstanding = &history->outstanding[index % history->outstanding_count];
    history->copies[history->copy_count++] =
        (struct copy){.request = outstanding->request, .withdraw = outstanding->withdraw};
}

void history_late(struct history *history, size_t index)
{
    struct copy copy;

    if (history->copy_count == 0)
        return;
    index %= history->copy_count;
    copy = history->copies[index];
    history->copies[index] = history->copies[--history->copy_count];
    if (copy.withdraw)
        server_delete(&history->server, copy.request.target, copy.request.cuid, copy.request.mid);
    copy.request.late = true;
    if (!copy.withdraw && copy.request.expires > history->world.now)
        server_put(&history->server, &copy.request);
}

/* ---- Sessions ---- */

/* What a GET of all will show is taken now and arrives later. */
static void take_listing(struct history *history, size_t target)
{
    const struct server *server = &history->server;

    free(history->listing[target]);
    history->listing[target] = calloc(server->count + 1, sizeof(*server->requests));
    history->listing_count[target] = 0;
    for (size_t i = 0; i < server->count; i++)
        if (server->requests[i].target == target && !server->requests[i].refused)
            history->listing[target][history->listing_count[target]++] = server->requests[i];
}

void history_up(struct history *history, size_t target)
{
    history->up[target] = true;
    history_script(history, "up %s", history->world.targets[target].name);
    relay_upstream_up(history->world.relay, history->world.now, target, NULL);
    take_listing(history, target);
}

static int list_cuid(void *arg, struct upstream_cuid *cuid)
{
    struct history *history = arg;
    size_t all = history->listing_count[cuid->target], count = 0;
    struct wire_scope *scopes = calloc(all + 1, sizeof(*scopes));
    char text[2048] = "";
    size_t length = 0;

    for (size_t i = 0; i < all; i++) {
        const struct server_request *request = &history->listing[cuid->target][i];

        if (strcmp(request->cuid, cuid->cuid) != 0)
            continue;
        scopes[count] =
            (struct wire_scope){.has_mid = true,
                                .mid = request->mid,
                                .status = request->trigger ? WIRE_STATUS_MITIGATED : WIRE_STATUS_SIGNAL_LOSS};
        if (length < sizeof(text) - 32)
            length += (size_t)sprintf(text + length, " %u:%d", request->mid, scopes[count].status);
        count++;
    }
    history_script(history, "listed %s/%s%s", history->world.targets[cuid->target].name, cuid->cuid, text);
    relay_upstream_listed(history->world.relay, history->world.now, cuid, scopes, count);
    free(scopes);
    return 0;
}

void history_listed(struct history *history, size_t target)
{
    if (!history->listing[target])
        return;
    relay_upstream_cuid_each(history->world.relay, target, NULL, list_cuid, history);
    free(history->listing[target]);
    history->listing[target] = NULL;
}

void history_cut(struct history *history, size_t target)
{
    history->up[target] = false;
    free(history->listing[target]);
    history->listing[target] = NULL;
    for (size_t i = 0; i < history->outstanding_count; i++)
        if (install_cuid(history->outstanding[i].install)->target == target)
            history->outstanding[i--] = history->outstanding[--history->outstanding_count];
}

/* ---- Statuses ---- */

struct pick {
    size_t index, seen;
    struct install *install;
};

static int pick_install(void *arg, struct install *install)
{
    struct pick *pick = arg;

    if (install_wanted(install) && pick->seen++ == pick->index)
        pick->install = install;
    return pick->install != NULL;
}

static int pick_cuid(void *arg, struct upstream_cuid *cuid)
{
    return upstream_cuid_install_each(cuid, pick_install, arg);
}

static struct install *pick(struct history *history, size_t target, size_t number)
{
    struct pick pick = {.index = SIZE_MAX};

    relay_upstream_cuid_each(history->world.relay, target, NULL, pick_cuid, &pick);
    if (pick.seen == 0)
        return NULL;
    pick = (struct pick){.index = number % pick.seen};
    relay_upstream_cuid_each(history->world.relay, target, NULL, pick_cuid, &pick);
    return pick.install;
}

void history_status(struct history *history, const struct step *step)
{
    static const enum wire_status others[] = {WIRE_STATUS_IN_PROGRESS, WIRE_STATUS_STOPPED, WIRE_STATUS_EXCEEDED,
                                              WIRE_STATUS_WITHDRAWN};
    size_t target = step->a % history->setup->upstreams;
    struct install *install = history->up[target] ? pick(history, target, step->c) : NULL;
    struct wire_scope scope = {.trigger = true};
    struct server_request request;
    bool there;

    if (!install)
        return;
    request = request_of(history, install);
    there = server_find(&history->server, target, request.cuid, request.mid, false);
    scope.status = request.trigger ? WIRE_STATUS_MITIGATED : WIRE_STATUS_SIGNAL_LOSS;
    if (step->b % 8 == 0)
        scope.status = others[step->d % (history->setup->refuses ? 4 : 3)];
    if (scope.status == WIRE_STATUS_WITHDRAWN)
        make_unsure(history, &request.blocks);
    if (there)
        history_script(history, "status %s/%s/%u status=%d", history->world.targets[target].name, request.cuid,
                       request.mid, scope.status);
    else
        history_script(history, "status %s/%s/%u unknown", history->world.targets[target].name, request.cuid,
                       request.mid);
    relay_install_status(history->world.relay, history->world.now, install, there ? &scope : NULL);
}

void history_report(struct history *history, unsigned number)
{
    static const enum wire_status statuses[] = {WIRE_STATUS_MITIGATED, WIRE_STATUS_EXCEEDED, WIRE_STATUS_IN_PROGRESS};
    size_t target = history->setup->upstreams;
    struct relay_report report = {.status = statuses[number % 3]};
    struct install_request request;
    struct wire_scope scratch;
    struct install *install = history->setup->mitigator ? pick(history, target, 0) : NULL;

    if (!install)
        return;
    history_script(history, "report ops status=%d", report.status);
    relay_install_request(install, history->world.now, &request, &scratch);
    relay_job_report(history->world.relay, history->world.now, target, request.id, &report);
}
