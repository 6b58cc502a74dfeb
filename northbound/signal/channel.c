/* channel: the sessions of a link: what arrives on them, and their heartbeats (RFC 9132 section 4.7). */

#include <stdlib.h>
#include <string.h>

#include "northbound/signal/link_state.h"

/* ---- Tickets: each for one server name and transport, lent to one channel at a time if it can be ---- */

/* One without a name is of credentials that are not shown any more. */
static struct ticket *ticket_place(struct link_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->ticket_count; i++) {
        if (endpoint->tickets[i].server[0] == '\0' && endpoint->tickets[i].users == 0)
            return &endpoint->tickets[i];
    }
    return endpoint->ticket_count < LINK_TICKETS_MAX ? &endpoint->tickets[endpoint->ticket_count++] : NULL;
}

static struct ticket *ticket_take(struct link_endpoint *endpoint, const char *server, enum dots_transport transport,
                                  uint64_t now)
{
    struct ticket *best = NULL;

    if (strlen(server) >= sizeof(best->server))
        return NULL;
    for (size_t i = 0; i < endpoint->ticket_count; i++) {
        struct ticket *ticket = &endpoint->tickets[i];

        if (ticket->transport != transport || strcmp(ticket->server, server) != 0)
            continue;
        if (!best || ticket->users < best->users || (ticket->users == best->users && ticket->used_at < best->used_at))
            best = ticket;
    }
    if (!best || best->users > 0) {
        struct ticket *place = ticket_place(endpoint);
        struct dots_resumption *resumption = place ? dots_resumption_new() : NULL;

        if (resumption) {
            best = place;
            dots_resumption_free(best->resumption);
            memcpy(best->server, server, strlen(server) + 1);
            best->transport = transport;
            best->resumption = resumption;
            best->users = 0;
        }
    }
    if (best) {
        best->users++;
        best->used_at = now;
    }
    return best;
}

/* ---- Channels ---- */

struct channel *channel_connect(struct link *link, const struct race_server *server, const struct sockaddr *address,
                                socklen_t length, enum dots_transport transport)
{
    struct link_endpoint *endpoint = link->endpoint;
    struct channel *channel = calloc(1, sizeof(*channel));
    struct dots_connect connect = {.address = address,
                                   .address_length = length,
                                   .transport = transport,
                                   .server_name = server->host,
                                   .user = channel};

    if (!channel)
        return NULL;
    channel->link = link;
    channel->port = server->port;
    channel->configured = server->configured;
    channel->racing = true;
    channel->started_at = link_now(link);
    channel->host = strdup(server->host);
    channel->ticket = ticket_take(endpoint, server->host, transport, channel->started_at);
    connect.resumption = channel->ticket ? channel->ticket->resumption : NULL;
    channel->session = channel->host ? dots_connect(endpoint->dots, &connect) : NULL;
    if (!channel->session) {
        channel_close(channel);
        return NULL;
    }
    if (transport == DOTS_UDP && endpoint->mtu)
        dots_session_set_mtu(channel->session, endpoint->mtu);
    return channel;
}

void channel_close(struct channel *channel)
{
    if (!channel)
        return;
    if (!channel->racing)
        link_exchange_drop(channel->link, channel);
    if (channel->session) {
        dots_session_set_user(channel->session, NULL);
        dots_session_close(channel->session);
        dots_session_unref(channel->session);
    }
    if (channel->ticket)
        channel->ticket->users--;
    free(channel->host);
    free(channel);
}

/* ---- A session takes its place ---- */

void channels_parameters(struct link *link)
{
    struct channel *channels[] = {link->current, link->next};
    uint64_t now = link_now(link);

    for (size_t i = 0; i < 2; i++) {
        struct channel *channel = channels[i];

        if (!channel || channel->negotiation.state != NEGOTIATION_DONE)
            continue;
        const uint32_t *set =
            link->mitigating ? channel->negotiation.chosen.mitigating : channel->negotiation.chosen.idle;
        struct dots_transmission transmission = {.ack_timeout = set[WIRE_ACK_TIMEOUT],
                                                 .ack_random_factor = set[WIRE_ACK_RANDOM_FACTOR],
                                                 .max_retransmit = set[WIRE_MAX_RETRANSMIT],
                                                 .probing_rate = set[WIRE_PROBING_RATE]};
        struct dots_token random;

        if (dots_session_transport(channel->session) == DOTS_UDP)
            dots_session_set_transmission(channel->session, &transmission);
        dots_token_new(&random);
        heartbeat_configure(&channel->heartbeat, now, set[WIRE_HEARTBEAT_INTERVAL], set[WIRE_MISSING_HB_ALLOWED],
                            random.bytes[0]);
    }
}

/* What the session must have before any parameters are agreed on: those of section 4.5.2. */
static void begin(struct channel *channel, uint64_t now)
{
    const struct dots_transmission recommended = {.ack_timeout = negotiate_recommended[WIRE_ACK_TIMEOUT],
                                                  .ack_random_factor = negotiate_recommended[WIRE_ACK_RANDOM_FACTOR],
                                                  .max_retransmit = negotiate_recommended[WIRE_MAX_RETRANSMIT],
                                                  .probing_rate = negotiate_recommended[WIRE_PROBING_RATE]};
    struct link *link = channel->link;

    channel->racing = false;
    if (dots_session_transport(channel->session) == DOTS_UDP)
        dots_session_set_transmission(channel->session, &recommended);
    heartbeat_init(&channel->heartbeat, now);
    if (channel == link->current) {
        pace_init(&link->pace, now);
        pace_guess(&link->pace, now, channel->up_at - channel->started_at);
        link->probe_at = dots_session_transport(channel->session) == DOTS_TCP ? now + LINK_PROBE_MS : LINK_NEVER;
    }
    negotiation_start(channel);
}

static void told_up(struct link *link)
{
    link->outage = false;
    link->silent_at = 0;
    link->retry_at = LINK_NEVER;
    link->handlers->up(link->arg);
}

void channel_promote(struct link *link)
{
    channel_close(link->current);
    link->current = link->next;
    link->next = NULL;
    told_up(link);
}

void channel_adopt(struct link *link, struct channel *channel, enum race_purpose purpose)
{
    struct channel *old = link->current;
    uint64_t now = link_now(link);

    if (purpose == RACE_REPLACE && old) {
        link->next = channel;
        begin(channel, now);
        link_exchange_restart(link, true);
        return;
    }
    if (old)
        redirect_spoke(&link->redirect, now, old->host);
    link->current = channel;
    channel_close(old);
    begin(channel, now);
    link_exchange_restart(link, false);
    told_up(link);
}

/* Traffic of the server reaches us over this one: section 4.7, end of link saturation. */
void channel_heard(struct channel *channel)
{
    struct link *link = channel->link;

    channel->heard_at = link_now(link);
    if (link->next && channel == link->next) {
        channel_promote(link);
    } else if (channel == link->current) {
        channel_close(link->next);
        link->next = NULL;
        if (link->race && link->race->purpose == RACE_REPLACE)
            race_abort(link);
    }
}

/* ---- Heartbeats ---- */

static void beat(struct channel *channel, uint64_t now)
{
    static const char *const segments[] = {".well-known", "dots", "hb"};
    struct wire_message message = {.type = WIRE_HEARTBEAT,
                                   .heartbeat.peer_hb_status = heartbeat_peer_status(&channel->heartbeat, now)};
    uint8_t body[32];
    struct dots_request request = {.method = DOTS_PUT,
                                   .confirmable = false,
                                   .observe = -1,
                                   .content_format = DOTS_CONTENT_FORMAT,
                                   .accept = -1,
                                   .hop_limit = -1,
                                   .body = body,
                                   .path_count = 3};

    for (size_t i = 0; i < 3; i++)
        request.path[i] = (struct dots_option){.at = segments[i], .length = strlen(segments[i])};
    request.body_length = wire_encode_cbor(&message, body, sizeof(body));
    if (channel->beating)
        dots_forget(channel->session, &channel->beat);
    dots_token_new(&channel->beat);
    channel->beating = dots_send(channel->session, &channel->beat, &request) == 0;
    heartbeat_sent(&channel->heartbeat, now);
}

static void told_silent(struct link *link, uint64_t now)
{
    if (link->silent_at)
        return;
    link->silent_at = now;
    if (link->handlers->silent)
        link->handlers->silent(link->arg);
}

static bool heard_again(const struct link *link)
{
    return link->silent_at && link->current && link->current->heard_at > link->silent_at;
}

/* False: the channel is gone. */
static bool run(struct channel *channel, uint64_t now)
{
    struct link *link = channel->link;
    uint64_t heard = dots_session_heard(channel->session);
    uint32_t missing = channel->heartbeat.missing;

    negotiation_run(channel, now);
    if (!heartbeat_due(&channel->heartbeat, now, heard > channel->heard_at ? heard : channel->heard_at))
        return true;
    link->endpoint->counters.heartbeats_missed += channel->heartbeat.missing > missing;
    if (heartbeat_lost(&channel->heartbeat) && channel == link->next) {
        channel_close(channel);
        link->next = NULL;
        return false;
    }
    if (heartbeat_lost(&channel->heartbeat)) {
        if (!link->mitigating) { /* disconnected: reestablish, by resumption if it can be (section 4.7) */
            connect_lost(link, channel, "no answer to heartbeats");
            return false;
        }
        connect_suspect(link); /* in an attack the session is not considered terminated (section 4.7) */
        told_silent(link, now);
    }
    beat(channel, now);
    return true;
}

void channels_run(struct link *link, uint64_t now)
{
    if (heard_again(link)) {
        link->silent_at = 0;
        if (link->handlers->heard)
            link->handlers->heard(link->arg);
    }
    if (link->current)
        run(link->current, now);
    if (link->next)
        run(link->next, now);
}

static uint64_t channel_due(const struct channel *channel)
{
    uint64_t negotiation = negotiation_due(channel);

    return channel->heartbeat.due < negotiation ? channel->heartbeat.due : negotiation;
}

uint64_t channels_due(const struct link *link)
{
    uint64_t due = link->current ? channel_due(link->current) : LINK_NEVER;
    uint64_t next = link->next ? channel_due(link->next) : LINK_NEVER;

    if (heard_again(link))
        return link_now(link);
    return next < due ? next : due;
}

/* ---- What libcoap's side tells ---- */

static void on_up(void *arg, struct dots_session *session)
{
    struct channel *channel = dots_session_user(session);

    (void)arg;
    if (!channel) {
        dots_session_close(session);
        return;
    }
    channel->up_at = channel->heard_at = link_now(channel->link);
    connect_up(channel);
}

static void on_down(void *arg, struct dots_session *session, enum dots_down reason, const char *text)
{
    struct channel *channel = dots_session_user(session);
    struct link *link;

    (void)arg;
    if (!channel)
        return;
    link = channel->link;
    if (channel->racing)
        link->endpoint->counters.attempts_failed[reason]++;
    if (channel->racing)
        connect_failed(channel, text);
    else
        connect_lost(link, channel,
                     text && *text                ? text
                     : reason == DOTS_DOWN_CLOSED ? "closed by the server"
                                                  : "lost");
    link_schedule(link);
}

static void reply(const struct dots_request *request, uint8_t code, const char *diagnostic)
{
    struct dots_response response = {.code = code,
                                     .content_format = -1,
                                     .max_age = DOTS_NO_MAX_AGE,
                                     .observe = -1,
                                     .body = (const uint8_t *)diagnostic,
                                     .body_length = diagnostic ? strlen(diagnostic) : 0};

    dots_reply(request->exchange, &response);
}

static bool is(const struct dots_option *option, const char *text)
{
    return option->length == strlen(text) && memcmp(option->at, text, option->length) == 0;
}

/* A server asks nothing of its client but heartbeats (section 4.7). */
static void on_request(void *arg, struct dots_session *session, const struct dots_request *request)
{
    struct channel *channel = dots_session_user(session);
    struct wire_message *message = NULL;
    struct wire_error error;
    struct link *link;

    (void)arg;
    if (!channel || channel->racing) {
        dots_drop(request->exchange);
        return;
    }
    link = channel->link;
    if (request->path_count != 3 || !is(&request->path[0], ".well-known") || !is(&request->path[1], "dots") ||
        !is(&request->path[2], "hb")) {
        reply(request, DOTS_CODE(4, 4), "a DOTS client has no resource but .well-known/dots/hb");
    } else if (request->method != DOTS_PUT) {
        reply(request, DOTS_CODE(4, 5), "a heartbeat is a PUT");
    } else if (request->content_format != DOTS_CONTENT_FORMAT) {
        reply(request, DOTS_CODE(4, 15), "content format must be application/dots+cbor (271)");
    } else if (wire_decode_cbor(request->body, request->body_length, WIRE_TO_CLIENT, &message, &error) != 0) {
        reply(request, DOTS_CODE(4, 0), error.text);
    } else if (message->type != WIRE_HEARTBEAT) {
        reply(request, DOTS_CODE(4, 0), "heartbeat: expected");
    } else {
        heartbeat_of_peer(&channel->heartbeat, link_now(link));
        reply(request, DOTS_CODE(2, 4), NULL);
    }
    wire_free(message);
    channel_heard(channel);
    link_schedule(link);
}

static bool on_response(void *arg, struct dots_session *session, const struct dots_token *token,
                        const struct dots_response *response)
{
    struct link_endpoint *endpoint = arg;
    struct channel *channel = dots_session_user(session);
    struct exchange *exchange;
    struct link *link;
    bool wanted;

    if (!channel || channel->racing)
        return false;
    link = channel->link;
    channel_heard(channel);
    if (link->closing)
        return false;
    if (channel->beating && token->length == channel->beat.length &&
        memcmp(token->bytes, channel->beat.bytes, token->length) == 0) {
        channel->beating = false;
        heartbeat_answered(&channel->heartbeat);
        reroute(channel, response);
        wanted = true;
    } else {
        exchange = link_exchange_find(endpoint, token);
        wanted = exchange && exchange->link == link && (!exchange->only || exchange->only == channel) &&
                 link_exchange_answer(exchange, channel, response);
    }
    link_schedule(link);
    return wanted;
}

static void on_nack(void *arg, struct dots_session *session, const struct dots_token *token, enum dots_nack reason)
{
    struct exchange *exchange = link_exchange_find(arg, token);

    (void)session;
    (void)reason;
    if (exchange)
        link_exchange_nack(exchange);
}

const struct dots_handlers link_dots_handlers = {
    .up = on_up, .down = on_down, .request = on_request, .response = on_response, .nack = on_nack};
