/* reroute: what a 5.03 that names an alternate server does to a link (RFC 9132 section 4.6). */

#include "northbound/signal/link_state.h"

/* A configured server that was not spoken to lately is left to try. */
static bool way_around(const struct link *link, uint64_t now)
{
    for (size_t i = 0; i < link->endpoint->server_count; i++) {
        if (!redirect_spoken(&link->redirect, now, link->endpoint->servers[i].host))
            return true;
    }
    return false;
}

static bool follow(struct channel *channel, const struct wire_redirect *offer, int64_t max_age)
{
    struct link *link = channel->link;
    uint64_t now = link_now(link);

    redirect_spoke(&link->redirect, now, channel->host);
    switch (redirect_offer(&link->redirect, now, offer->alt_server, offer->records.at, offer->records.count, max_age)) {
    case REDIRECT_FOLLOW:
        link_alert(link, "redirected", "%s sends us to %s", channel->host, link->redirect.alternate->server);
        race_start(link, RACE_REDIRECT);
        return true;
    case REDIRECT_LOOP:
        /* Ignored, and said once a minute at most: every request gets this answer. */
        link->redirect_pause_until = now + LINK_RETRY_URGENT_MS;
        link_alert(link, "redirect-loop",
                   "%s sends us to %s, which was spoken to in the last five minutes: not followed; tell its operator",
                   channel->host, offer->alt_server);
        if (!way_around(link, now))
            return false;
        race_start(link, RACE_AROUND);
        return true;
    case REDIRECT_UNUSABLE:
        break;
    }
    return false;
}

bool reroute(struct channel *channel, const struct dots_response *response)
{
    struct link *link = channel->link;
    struct wire_message *message = NULL;
    struct wire_error error;
    bool followed = false;

    if (response->code != DOTS_CODE(5, 3) || response->content_format != DOTS_CONTENT_FORMAT ||
        channel != link->current)
        return false;
    if (wire_decode_cbor(response->body, response->body_length, WIRE_TO_CLIENT, &message, &error) != 0)
        return false;
    if (message->type == WIRE_REDIRECT) {
        if (link->race && (link->race->purpose == RACE_REDIRECT || link->race->purpose == RACE_AROUND))
            followed = true; /* under way already */
        else if (link_now(link) >= link->redirect_pause_until)
            followed = follow(channel, &message->redirect, response->max_age);
    }
    wire_free(message);
    return followed;
}

/* "This fallback mechanism is triggered immediately upon expiry of the TTL, except when a DDoS attack is active." */
void reroute_run(struct link *link, uint64_t now)
{
    if (link->race || !redirect_over(&link->redirect, now, link->mitigating))
        return;
    link_alert(link, "redirect-over", "the time of the alternate server %s is over: back to the configured servers",
               link->redirect.alternate->server);
    redirect_clear(&link->redirect);
    if (link->current && !link->current->configured)
        race_start(link, RACE_RETURN);
}

uint64_t reroute_due(const struct link *link)
{
    if (!link->redirect.alternate || link->mitigating || link->race)
        return LINK_NEVER;
    return link->redirect.alternate->expires_at;
}
