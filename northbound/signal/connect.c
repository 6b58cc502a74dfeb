/* connect: when a link connects, and how the race of happy eyeballs ends (sections 4.3, 4.6, 4.7). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/signal/link_state.h"

#define RESOLVE_LIMIT_MS 30000u
#define SETTLED_MS 60000u /* a session that lasted this long was a good one */
#define FLAP_MS 1000u     /* after one that broke sooner: wait, twice as long each time */

/* ---- The race ---- */

/* Out of the queue of those that wait for their turn. */
void race_leave(struct link *link)
{
    if (!link->waiting)
        return;
    link->waiting = false;
    DL_DELETE2(link->endpoint->waiting, link, waiting_prev, waiting_next);
}

static void race_free(struct race *race)
{
    struct link_endpoint *endpoint = race->link->endpoint;

    endpoint->racing--;
    if (endpoint->waiting) {
        struct link *next = endpoint->waiting;

        race_leave(next);
        link_schedule(next);
    }
    for (size_t i = 0; i < race->server_count; i++)
        resolver_cancel(&race->servers[i].waiter);
    for (size_t i = 0; i < EYEBALLS_MAX; i++)
        channel_close(race->attempts[i]);
    free(race);
}

void race_abort(struct link *link)
{
    struct race *race = link->race;

    link->race = NULL;
    if (race)
        race_free(race);
}

void race_start(struct link *link, enum race_purpose purpose)
{
    struct race *race = calloc(1, sizeof(*race));
    uint64_t now = link_now(link);

    race_abort(link);
    if (purpose == RACE_CONNECT) {
        link->race_at = now;
        link->retry_at = race ? LINK_NEVER : now + LINK_RETRY_URGENT_MS;
    }
    if (!race)
        return;
    link->race = race;
    link->endpoint->racing++;
    race->link = link;
    race->purpose = purpose;
    race->begin_by = now + (link->mitigating ? LINK_RESOLVE_ATTACK_MS : LINK_RESOLVE_MS);
    race->give_up_at = now + RESOLVE_LIMIT_MS;
    race->due = now;
    race_add_servers(race);
    race_look_up(race);
    link_schedule(link);
}

void race_wait(struct link *link)
{
    struct link_endpoint *endpoint = link->endpoint;

    if (endpoint->racing < LINK_RACES_MAX) {
        race_leave(link);
        race_start(link, RACE_CONNECT);
        return;
    }
    if (link->waiting)
        return;
    link->waiting = true;
    if (link_urgent(link))
        DL_PREPEND2(endpoint->waiting, link, waiting_prev, waiting_next);
    else
        DL_APPEND2(endpoint->waiting, link, waiting_prev, waiting_next);
}

/* Jitter, so that the links that lost the same server do not come back in the same moment. */
static uint64_t spread(uint64_t most)
{
    struct dots_token random;
    uint32_t value;

    dots_token_new(&random);
    memcpy(&value, random.bytes, sizeof(value));
    return most ? value % most : 0;
}

static void tell_down(struct link *link, const char *what, uint64_t now)
{
    const struct server *server = &link->endpoint->servers[0];
    char text[3 * LINK_TEXT];

    if (link->outage)
        return;
    link->outage = true;
    snprintf(text, sizeof(text),
             "no session with %s: %s. Next attempt in %llu s. Check that the server runs, that port %u passes the "
             "firewalls, and that both sides trust each other's credentials",
             link->redirect.alternate ? link->redirect.alternate->server : server->host, what,
             (unsigned long long)((link->retry_at - now + 999) / 1000), server->port);
    link->handlers->down(link->arg, text);
}

static void plan_retry(struct link *link, uint64_t now)
{
    uint64_t interval = link_urgent(link) ? LINK_RETRY_URGENT_MS : LINK_RETRY_IDLE_MS;
    uint64_t at = link->race_at + interval + spread(interval / 10);

    link->retry_at = at > now ? at : now;
}

static void lost(struct link *link, uint64_t now)
{
    struct race *race = link->race;
    enum race_purpose purpose = race->purpose;
    char trouble[LINK_TEXT];

    snprintf(trouble, sizeof(trouble), "%s", race->trouble[0] ? race->trouble : "no answer from any address");
    eyeballs_remember(&link->endpoint->outcomes, &race->eyeballs, now);
    race_abort(link);
    if (purpose == RACE_REDIRECT) {
        link_alert(link, "redirect-failed",
                   "alternate server %s cannot be reached (%s); staying with the configured ones",
                   link->redirect.alternate ? link->redirect.alternate->server : "", trouble);
        redirect_clear(&link->redirect);
        link->redirect_pause_until = now + LINK_RETRY_URGENT_MS;
        link_exchange_restart(link, true);
        if (!link->current || !link->current->configured)
            race_start(link, link->current ? RACE_RETURN : RACE_CONNECT);
    } else if (purpose == RACE_RENEW && !link->moves) {
        renew_failed(link, trouble);
    } else if (purpose == RACE_RETURN || purpose == RACE_RENEW) {
        channel_close(link->current); /* its time is over: MUST use the configured ones (section 4.6) */
        link->current = NULL;
    }
    if (!link->current && !link->race) {
        plan_retry(link, now);
        tell_down(link, trouble, now);
    }
}

static void won(struct link *link, size_t candidate, uint64_t now)
{
    struct race *race = link->race;
    struct channel *channel = race->attempts[candidate];
    enum race_purpose purpose = race->purpose;

    race->attempts[candidate] = NULL;
    eyeballs_remember(&link->endpoint->outcomes, &race->eyeballs, now);
    race_abort(link);
    if (channel->configured)
        renew_done(link);
    if (channel->configured && link->redirect.alternate) {
        /* The alternate server was not to be had; do not run after it again at once. */
        redirect_clear(&link->redirect);
        link->redirect_pause_until = now + LINK_RETRY_URGENT_MS;
    }
    channel_adopt(link, channel, purpose);
}

void race_run(struct link *link, uint64_t now)
{
    struct race *race = link->race;

    if (now < race->due)
        return;
    if (!race->begun) {
        if (!race_ready(race, now))
            return;
        race->begun = true;
        eyeballs_begin(&race->eyeballs, race->purpose == RACE_PROBE ? NULL : &link->endpoint->outcomes, now,
                       link->mitigating);
    }
    for (;;) {
        struct eyeballs_step step = eyeballs_next(&race->eyeballs, now);
        const struct eyeballs_candidate *candidate = &race->eyeballs.candidates[step.candidate];

        if (step.verdict == EYEBALLS_WAIT) {
            race->due = step.until;
            return;
        }
        if (step.verdict == EYEBALLS_WON) {
            won(link, step.candidate, now);
            return;
        }
        if (step.verdict == EYEBALLS_LOST) {
            lost(link, now);
            return;
        }
        struct channel *channel =
            channel_connect(link, &race->servers[candidate->server], (const struct sockaddr *)&candidate->address,
                            candidate->address_length, candidate->transport);
        race->attempts[step.candidate] = channel;
        if (channel)
            channel->candidate = step.candidate;
        else
            eyeballs_failed(&race->eyeballs, step.candidate, now);
    }
}

void connect_up(struct channel *channel)
{
    struct link *link = channel->link;

    eyeballs_up(&link->race->eyeballs, channel->candidate, link_now(link));
    link->race->due = link_now(link);
    link_schedule(link);
}

void connect_failed(struct channel *channel, const char *text)
{
    struct link *link = channel->link;
    struct race *race = link->race;

    snprintf(race->trouble, sizeof(race->trouble), "%s (%s): %s", channel->host, dots_session_text(channel->session),
             text && *text ? text : "no answer");
    race->attempts[channel->candidate] = NULL;
    eyeballs_failed(&race->eyeballs, channel->candidate, link_now(link));
    race->due = link_now(link);
    channel_close(channel);
    link_schedule(link);
}

/* ---- The session in use is gone ---- */

/* The first attempt after a good session goes at once; one that breaks again and again waits longer. */
static void retry_soon(struct link *link, uint64_t lasted, uint64_t now)
{
    uint64_t most = link_urgent(link) ? LINK_RETRY_URGENT_MS : LINK_RETRY_IDLE_MS;
    uint64_t wait = (uint64_t)FLAP_MS << link->flaps;

    link->flaps = lasted >= SETTLED_MS ? 0 : link->flaps < 8 ? link->flaps + 1 : 8;
    if (link->flaps <= 1)
        wait = link_urgent(link) ? 0 : spread(FLAP_MS);
    link->retry_at = now + (wait < most ? wait : most);
}

void connect_lost(struct link *link, const struct channel *channel, const char *text)
{
    uint64_t now = link_now(link), lasted = now - channel->up_at;

    link_alert(link, "session-lost", "the session with %s (%s) ended: %s", channel->host,
               dots_session_text(channel->session), text);
    redirect_spoke(&link->redirect, now, channel->host);
    if (channel == link->next) {
        channel_close(link->next);
        link->next = NULL;
        return;
    }
    if (link->next) {
        channel_promote(link);
        return;
    }
    channel_close(link->current);
    link->current = NULL;
    if (link->race && link->race->purpose == RACE_PROBE)
        race_abort(link);
    if (link->race)
        link->race_at = now; /* whatever it was for, it now has to bring the next session */
    else
        retry_soon(link, lasted, now);
}

void connect_hurry(struct link *link)
{
    uint64_t now = link_now(link), at = link->race_at + LINK_RETRY_URGENT_MS;

    if (link->retry_at == LINK_NEVER || link->retry_at <= at)
        return;
    link->retry_at = at > now ? at : now;
    link_schedule(link);
}

void connect_suspect(struct link *link)
{
    uint64_t now = link_now(link);

    if (!link->current || link->next || link->race || now < link->replace_at)
        return;
    link->replace_at = now + LINK_RETRY_URGENT_MS;
    race_start(link, RACE_REPLACE);
}
