/* connect: when a link connects, to whom, and how the race of happy eyeballs ends (sections 4.3, 4.6, 4.7). */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "northbound/signal/link_state.h"

#define RESOLVE_LIMIT_MS 30000u
#define SETTLED_MS 60000u /* a session that lasted this long was a good one */
#define FLAP_MS 1000u     /* after one that broke sooner: wait, twice as long each time */

/* ---- Who takes part ---- */

static void add_server(struct race *race, const char *host, uint16_t port, bool configured, const struct server *fixed)
{
    struct race_server *server = &race->servers[race->server_count];

    if (race->server_count == LINK_SERVERS_MAX + 1)
        return;
    server->race = race;
    server->host = host;
    server->port = port;
    server->configured = configured;
    server->fixed = fixed && fixed->address_count ? fixed : NULL;
    race->server_count++;
}

/* An alternate server comes without a port: that of a configured server of this name, else the one that
 * was agreed on with the server that sent us there (section 3: 4646 unless agreed otherwise). */
static uint16_t alternate_port(const struct link *link)
{
    const struct link_endpoint *endpoint = link->endpoint;

    for (size_t i = 0; i < endpoint->server_count; i++) {
        if (strcasecmp(endpoint->servers[i].host, link->redirect.alternate->server) == 0)
            return endpoint->servers[i].port;
    }
    return link->current ? link->current->port : endpoint->servers[0].port;
}

static void add_servers(struct race *race)
{
    struct link *link = race->link;
    struct link_endpoint *endpoint = link->endpoint;
    bool alternate = link->redirect.alternate && race->purpose != RACE_AROUND;
    uint64_t now = link_now(link);

    if (race->purpose == RACE_PROBE)
        alternate = alternate && !link->current->configured;
    if (alternate)
        add_server(race, link->redirect.alternate->server, alternate_port(link), false, NULL);
    if (race->purpose == RACE_REDIRECT)
        return;
    for (size_t i = 0; i < endpoint->server_count; i++) {
        const struct server *server = &endpoint->servers[i];

        if (race->purpose == RACE_AROUND && redirect_spoken(&link->redirect, now, server->host))
            continue;
        if (race->purpose == RACE_PROBE && strcasecmp(server->host, link->current->host) != 0)
            continue;
        add_server(race, server->host, server->port, true, server);
    }
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

static void add_candidate(struct race *race, unsigned index, const struct sockaddr_storage *address)
{
    unsigned transports = race->purpose == RACE_PROBE ? DOTS_UDP : race->link->endpoint->transports;
    struct sockaddr_storage with_port = *address;

    set_port(&with_port, race->servers[index].port);
    for (unsigned transport = DOTS_UDP; transport <= DOTS_TCP; transport <<= 1) {
        if (transports & transport)
            eyeballs_add(&race->eyeballs, (const struct sockaddr *)&with_port, resolve_address_length(&with_port),
                         transport, index);
    }
}

/* ---- Names first ---- */

static void looked_up(void *arg)
{
    struct race_server *server = arg;

    server->race->due = link_now(server->race->link);
    link_schedule(server->race->link);
}

/* The alternate server's records spare the name server, which may be under attack as well (section 4.6). */
static bool has_records(const struct race_server *server)
{
    const struct redirect_alternate *alternate = server->race->link->redirect.alternate;

    return !server->configured && alternate && alternate->record_count > 0;
}

static void look_up(struct race *race)
{
    for (size_t i = 0; i < race->server_count; i++) {
        struct race_server *server = &race->servers[i];
        bool fresh;

        if (server->fixed || has_records(server))
            continue;
        resolver_get(race->link->endpoint->resolver, server->host, &fresh);
        if (!fresh) {
            server->waiter = (struct resolve_waiter){.done = looked_up, .arg = server};
            resolver_ask(race->link->endpoint->resolver, server->host, &server->waiter);
        }
    }
}

static void gather(struct race *race)
{
    const struct redirect_alternate *alternate = race->link->redirect.alternate;

    eyeballs_clear(&race->eyeballs);
    for (unsigned i = 0; i < race->server_count; i++) {
        const struct race_server *server = &race->servers[i];
        struct sockaddr_storage address;
        socklen_t length;
        bool fresh;

        if (server->fixed) {
            for (size_t j = 0; j < server->fixed->address_count; j++)
                add_candidate(race, i, &server->fixed->addresses[j]);
        } else if (has_records(server)) {
            for (size_t j = 0; j < alternate->record_count; j++) {
                if (resolve_numeric(alternate->records[j], &address, &length) == 0)
                    add_candidate(race, i, &address);
            }
        } else {
            const struct resolved *resolved = resolver_get(race->link->endpoint->resolver, server->host, &fresh);

            for (size_t j = 0; resolved && j < resolved->count; j++)
                add_candidate(race, i, &resolved->addresses[j]);
            if (resolved && resolved->count == 0)
                snprintf(race->trouble, sizeof(race->trouble), "%s: %s", server->host, resolved->error);
        }
    }
}

/* True: the candidates are known; with none, there is nobody to connect to. */
static bool ready(struct race *race, uint64_t now)
{
    bool waiting = false;

    for (size_t i = 0; i < race->server_count; i++)
        waiting = waiting || race->servers[i].waiter.name;
    if (waiting && now < race->begin_by) {
        race->due = race->begin_by;
        return false;
    }
    gather(race);
    if (waiting && race->eyeballs.count == 0 && now < race->give_up_at) {
        race->due = race->give_up_at; /* or when an answer comes */
        return false;
    }
    return true;
}

/* ---- The race ---- */

static void race_free(struct race *race)
{
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
    race->link = link;
    race->purpose = purpose;
    race->begin_by = now + (link->mitigating ? LINK_RESOLVE_ATTACK_MS : LINK_RESOLVE_MS);
    race->give_up_at = now + RESOLVE_LIMIT_MS;
    race->due = now;
    add_servers(race);
    look_up(race);
    link_schedule(link);
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
    } else if (purpose == RACE_RETURN) {
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
        if (!ready(race, now))
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
    if (link->race && link->race->purpose == RACE_REPLACE) {
        link->race->purpose = RACE_CONNECT;
        link->race_at = now;
    }
    if (!link->race)
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
