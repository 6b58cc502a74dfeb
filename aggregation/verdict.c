/* verdict: the answer that a put waits for, response-wait at most (docs/behaviour.md). */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"

void verdict_wait(struct relay *relay, int64_t now, struct mitigation *mitigation, enum mitigation_wait wait,
                  void *exchange)
{
    if (mitigation->wait == WAIT_NONE) {
        mitigation->wait = wait;
        mitigation->wait_until_ms = now + relay->policy->response_wait_ms;
    }
    if (mitigation->exchange_count == RELAY_EXCHANGES) { /* the oldest is the one that nobody may wait for any more */
        relay->effects->ignore(relay->arg, mitigation->exchanges[0]);
        memmove(mitigation->exchanges, mitigation->exchanges + 1, (RELAY_EXCHANGES - 1) * sizeof(void *));
        mitigation->exchange_count--;
    }
    mitigation->exchanges[mitigation->exchange_count++] = exchange;
}

static void stop_waiting(struct mitigation *mitigation)
{
    mitigation->wait = WAIT_NONE;
    mitigation->wait_until_ms = RELAY_FOREVER;
    mitigation->exchange_count = 0;
}

static void accept(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    bool created = mitigation->wait == WAIT_CREATED;

    for (size_t i = 0; i < mitigation->exchange_count; i++)
        answer_scope(relay, mitigation->exchanges[i], created ? 201 : 204, mitigation);
    stop_waiting(mitigation);
    /* Only now do the overlapped ones with lower mids go (section 4.4.1.3): nothing was unprotected. */
    if (created && mitigation->overrides) {
        conflict_override(relay, now, mitigation);
        mitigation->overrides = false;
        record_mitigation(relay, mitigation);
    }
}

static void answer_refusal(struct relay *relay, void *exchange, const struct install *install,
                           const struct mitigation *mitigation)
{
    const char *name = install_target(relay, install)->name;
    struct wire_conflict *conflict;
    char names[sizeof(install->diagnostic)];

    switch (install->refusal) {
    case 409:
        conflict = feedback_conflict(relay, install, mitigation);
        if (conflict) {
            answer_conflict(relay, exchange, conflict);
            free(conflict);
            return;
        }
        /* fall through */
    case 400:
    case 403:
    case 413:
    case 503:
        answer_text(relay, exchange, install->refusal, install->refusal == 503 ? install->refusal_max_age : -1,
                    "refused by upstream %s: %s", name, install->diagnostic);
        return;
    case 508:
        /* With our name among them this is not passed on (RFC 8768 section 4). The client is told all the same who
         * is on the loop (RFC 9132 section 9), by an answer of our own. */
        hop_names(install->diagnostic, relay->policy->name, names, sizeof(names));
        answer_text(relay, exchange, 508, -1, "%s", names);
        return;
    default:
        /* What concerns the gateway and not the client (4.01, 5.00, ...) is "unable to handle". */
        answer_text(relay, exchange, 503, 60, "upstream %s answered %d.%02d to the gateway: %s", name,
                    install->refusal / 100, install->refusal % 100, install->diagnostic);
    }
}

static void refuse(struct relay *relay, int64_t now, struct mitigation *mitigation, const struct install *install)
{
    enum mitigation_wait wait = mitigation->wait;

    for (size_t i = 0; i < mitigation->exchange_count; i++) {
        if (install)
            answer_refusal(relay, mitigation->exchanges[i], install, mitigation);
        else
            answer_text(relay, mitigation->exchanges[i], 503, 60,
                        "no upstream and no mitigator can serve this request");
    }
    stop_waiting(mitigation);
    if (wait == WAIT_CHANGED) {
        mitigation->expires_ms = mitigation->previous_expires_ms;
        record_mitigation(relay, mitigation);
        return;
    }
    mitigation_remove(relay, now, mitigation);
}

/* A preconfigured request needs nothing of a mitigator until it is activated. */
static bool stands_by(const struct relay *relay, const struct mitigation *mitigation)
{
    bool mitigator = false;

    for (size_t i = 0; i < relay->policy->target_count; i++)
        mitigator =
            mitigator || (relay->policy->targets[i].kind == RELAY_MITIGATOR && !relay->policy->targets[i].disabled);
    return mitigator && !mitigation->active && !mitigation->demands;
}

struct votes {
    bool accepted, pending;
    bool whole;            /* a mitigator has all of it */
    bool missing, lacking; /* parts that are needed: not answered yet, refused */
    const struct install *refused;
};

/* Split over the upstreams that own it, a new request is accepted as a whole or not at all; of a name nobody
 * knows whose it is, so one that takes it is enough. */
static bool needed(const struct relay *relay, const struct demand *demand)
{
    return relay->fan_out && demand->mitigation->wait == WAIT_CREATED && !demand->bundle->cuid->job &&
           demand->scope->target.prefix_count > 0;
}

static void vote(const struct relay *relay, const struct demand *demand, struct votes *votes)
{
    const struct install *install;
    bool pending = false;

    if (demand_covered(demand)) {
        votes->accepted = true;
        votes->whole = votes->whole || demand->bundle->cuid->job;
        return;
    }
    for (install = demand->bundle->installs; install; install = install->next) {
        if (install->superseded)
            continue;
        pending = pending || install->awaited || install->state == INSTALL_PUT;
        if (install->refusal && (!votes->refused || needed(relay, demand)))
            votes->refused = install;
    }
    votes->pending = votes->pending || pending;
    if (needed(relay, demand)) {
        votes->missing = votes->missing || pending;
        votes->lacking = votes->lacking || !pending;
    }
}

void verdict_check(struct relay *relay, int64_t now, struct mitigation *mitigation, bool overdue)
{
    struct votes votes = {.accepted = stands_by(relay, mitigation)};
    const struct demand *demand;
    bool lacking;

    if (mitigation->wait == WAIT_NONE)
        return;
    DL_FOREACH(mitigation->demands, demand)
    {
        vote(relay, demand, &votes);
    }
    lacking = votes.lacking && !votes.whole;
    if (!lacking && (votes.whole || (votes.accepted && !votes.missing) || (overdue && votes.pending)))
        accept(relay, now, mitigation);
    else if (lacking || !votes.pending)
        refuse(relay, now, mitigation, votes.refused);
    if (!mitigation->gone.queued)
        mitigation_schedule(relay, mitigation);
}
