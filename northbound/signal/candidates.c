/* candidates: who takes part in a race: servers, their names, their addresses (sections 4.3, 4.6). */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "northbound/signal/link_state.h"

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

void race_add_servers(struct race *race)
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

void race_look_up(struct race *race)
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

bool race_ready(struct race *race, uint64_t now)
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
