/*
 * renew: servers and credentials of links change while sessions are up. A link keeps its session until it has one of
 * the new kind, so that a certificate that is renewed in the middle of an attack costs nothing.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "northbound/signal/link_state.h"

#define SPREAD_MS 50u /* for each link more: a hundred thousand do not shake hands in the same second */
#define SPREAD_MAX_MS 60000u

static bool same_server(const struct server *a, const struct server *b)
{
    if (strcasecmp(a->host, b->host) != 0 || a->port != b->port || a->address_count != b->address_count)
        return false;
    for (size_t i = 0; i < a->address_count; i++) {
        socklen_t length = resolve_address_length(&a->addresses[i]);

        if (length != resolve_address_length(&b->addresses[i]) ||
            memcmp(&a->addresses[i], &b->addresses[i], length) != 0)
            return false;
    }
    return true;
}

static bool same_servers(const struct link_endpoint *endpoint, const struct server *servers, size_t count)
{
    if (endpoint->server_count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!same_server(&endpoint->servers[i], &servers[i]))
            return false;
    }
    return true;
}

/* Is the server of a session still one of them, and its transport? */
static bool configured(const struct link_endpoint *endpoint, const struct channel *channel)
{
    if ((endpoint->transports & dots_session_transport(channel->session)) == 0)
        return false;
    for (size_t i = 0; i < endpoint->server_count; i++) {
        if (strcasecmp(endpoint->servers[i].host, channel->host) == 0 && endpoint->servers[i].port == channel->port)
            return true;
    }
    return false;
}

/* A ticket brings back the identity that it was given to: those in use go with their session. */
static void drop_tickets(struct link_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->ticket_count; i++) {
        endpoint->tickets[i].server[0] = '\0';
    }
}

static void renew_link(struct link *link, bool shows_other, uint64_t delay)
{
    uint64_t now = link_now(link);

    if (!link->current) {
        link->retry_at = link->retry_at < now + delay ? link->retry_at : now + delay;
    } else {
        link->moves = link->current->configured && !configured(link->endpoint, link->current);
        if (shows_other || link->moves)
            link->renew_at = now + delay;
    }
    link_schedule(link);
}

static void set_servers(struct link_endpoint *endpoint, struct server *servers, size_t count)
{
    link_servers_free(endpoint->servers, endpoint->server_count);
    memcpy(endpoint->servers, servers, count * sizeof(*servers));
    endpoint->server_count = count;
    memset(&endpoint->outcomes, 0, sizeof(endpoint->outcomes));
}

int link_endpoint_renew(struct link_endpoint *endpoint, const struct link_endpoint_settings *settings)
{
    struct server servers[LINK_SERVERS_MAX] = {{0}};
    bool other_servers, shows_other, other_transports = endpoint->transports != settings->transports;
    uint64_t delay = 0;
    struct link *link;

    for (size_t i = 0; i < settings->server_count; i++) {
        if (link_server_copy(&servers[i], &settings->servers[i]) != 0) {
            link_servers_free(servers, i + 1);
            return -1;
        }
    }
    shows_other = dots_endpoint_renew(endpoint->dots, settings->material);
    if (shows_other)
        drop_tickets(endpoint);
    endpoint->mtu = settings->mtu;
    other_servers = !same_servers(endpoint, servers, settings->server_count);
    if (!other_servers && !other_transports && !shows_other) {
        link_servers_free(servers, settings->server_count);
        return 0;
    }
    endpoint->transports = settings->transports;
    /* Races point to the servers: they end before those do. */
    DL_FOREACH2(endpoint->links, link, next_link)
    {
        if (link->race && link->race->purpose != RACE_REDIRECT) {
            enum race_purpose purpose = link->race->purpose;

            race_abort(link);
            if (!link->current)
                link->retry_at = link_now(link);
            else if (purpose == RACE_RETURN || purpose == RACE_RENEW)
                link->renew_at = link_now(link);
        }
    }
    set_servers(endpoint, servers, settings->server_count);
    DL_FOREACH2(endpoint->links, link, next_link)
    {
        renew_link(link, shows_other, delay);
        delay = delay + SPREAD_MS < SPREAD_MAX_MS ? delay + SPREAD_MS : SPREAD_MAX_MS;
    }
    return 0;
}

static bool can_renew(const struct link *link)
{
    return link->current && !link->race && !link->redirect.alternate;
}

void renew_run(struct link *link, uint64_t now)
{
    if (link->renew_at > now || !can_renew(link))
        return;
    if (link->endpoint->racing >= LINK_RACES_MAX) {
        link->renew_at = now + SPREAD_MS;
        return;
    }
    link->renew_at = LINK_NEVER;
    race_start(link, RACE_RENEW);
}

uint64_t renew_due(const struct link *link)
{
    return can_renew(link) ? link->renew_at : LINK_NEVER;
}

void renew_done(struct link *link)
{
    link->renew_at = LINK_NEVER;
    link->moves = false;
}

void renew_failed(struct link *link, const char *trouble)
{
    link->renew_at = link_now(link) + LINK_RETRY_IDLE_MS;
    link_alert(link, "renew-failed",
               "no session with the new credentials or transports (%s); the old one goes on, next attempt in %u s",
               trouble, LINK_RETRY_IDLE_MS / 1000);
}

void link_set_wanted(struct link *link, const struct link_parameters *wanted)
{
    struct channel *channels[] = {link->current, link->next};

    link->wanted = *wanted;
    for (size_t i = 0; i < 2 && link->negotiates; i++) {
        struct negotiation *negotiation = channels[i] ? &channels[i]->negotiation : NULL;

        if (!negotiation || negotiation->state != NEGOTIATION_DONE)
            continue; /* it asks with what is wanted now */
        negotiation->agreed = false;
        negotiation->refresh_at = link_now(link);
    }
    link_schedule(link);
}
