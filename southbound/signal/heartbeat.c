/*
 * heartbeat: both sides probe each other; who is silent for too long is gone (RFC 9132 section 4.7).
 *
 * Our heartbeats start with the session: a peer counts as lost only when it was asked and said nothing.
 * One goes out each interval, and right after one of the peer's when ours is not recent: then the
 * translators on the path have just been opened by the peer.
 */

#include <string.h>

#include "gateway/log/log.h"
#include "southbound/signal/signal.h"

#define RECENT_MS 15000 /* heartbeats go out no faster than this, RFC 9132 section 4.5.2 */

static int64_t interval_ms(const struct south_session *session)
{
    return (int64_t)south_peer_parameter(session->southbound, session->peer, WIRE_HEARTBEAT_INTERVAL) * 1000;
}

/* ms since anything was heard from the peer. */
static int64_t silence_ms(const struct south_session *session)
{
    uint64_t heard = dots_session_heard(session->session), now = uv_now(session->southbound->loop);

    return now > heard ? (int64_t)(now - heard) : 0;
}

static int64_t patience_ms(const struct south_session *session)
{
    return interval_ms(session) * south_peer_parameter(session->southbound, session->peer, WIRE_MISSING_HB_ALLOWED);
}

void south_heartbeat_arm(struct south_session *session)
{
    struct southbound *southbound = session->southbound;
    int64_t now = southbound->now(), at = session->next_heartbeat_ms;

    if (session->down)
        return;
    if (session->standing != SOUTH_SERVED) {
        at = session->closes_ms;
    } else if (interval_ms(session) > 0) {
        int64_t silent_at = now + patience_ms(session) - silence_ms(session);

        at = silent_at < at ? silent_at : at;
    }
    if (at == SOUTH_NEVER)
        south_timer_cancel(southbound, &session->timer);
    else
        south_timer_set(southbound, &session->timer, at);
}

void south_heartbeat_begin(struct south_session *session)
{
    int64_t interval;

    if (session->began)
        return;
    session->began = true;
    interval = interval_ms(session);
    if (interval > 0)
        session->next_heartbeat_ms = session->southbound->now() + south_jitter(session->southbound, interval);
    south_heartbeat_arm(session);
}

void south_heartbeat_changed(struct south_session *session)
{
    int64_t interval = interval_ms(session), latest = session->southbound->now() + interval;

    if (interval == 0)
        session->next_heartbeat_ms = SOUTH_NEVER;
    else if (session->began && session->next_heartbeat_ms > latest)
        session->next_heartbeat_ms = session->southbound->now() + south_jitter(session->southbound, interval);
    south_heartbeat_arm(session);
}

/* True when the peer's heartbeats came through lately: what peer-hb-status says. */
static bool hears_peer(const struct south_session *session, int64_t now)
{
    return session->peer_heartbeat_ms != 0 && now - session->peer_heartbeat_ms <= 2 * interval_ms(session);
}

static void send_heartbeat(struct south_session *session)
{
    struct southbound *southbound = session->southbound;
    int64_t now = southbound->now();
    struct wire_message message = {.type = WIRE_HEARTBEAT, .heartbeat = {.peer_hb_status = hears_peer(session, now)}};
    struct dots_request request = {
        .method = DOTS_PUT,
        .path = {{".well-known", 11}, {"dots", 4}, {"hb", 2}},
        .path_count = 3,
        .observe = -1,
        .content_format = DOTS_CONTENT_FORMAT,
        .accept = -1,
        .hop_limit = -1,
    };

    request.body = south_encode(southbound, &message, &request.body_length);
    session->next_heartbeat_ms = now + south_jitter(southbound, interval_ms(session));
    if (!request.body)
        return;
    if (session->awaiting) {
        southbound->counters.heartbeats_missed++;
        dots_forget(session->session, &session->heartbeat_token);
    }
    dots_token_new(&session->heartbeat_token);
    session->awaiting = true;
    session->sent_heartbeat_ms = now;
    dots_send(session->session, &session->heartbeat_token, &request);
}

bool south_heartbeat_answered(struct south_session *session, const struct dots_token *token)
{
    uint32_t rtt;

    if (!session->awaiting || token->length != session->heartbeat_token.length ||
        memcmp(token->bytes, session->heartbeat_token.bytes, token->length) != 0)
        return false;
    session->awaiting = false;
    rtt = (uint32_t)(session->southbound->now() - session->sent_heartbeat_ms);
    session->rtt_ms = session->rtt_ms ? (7 * session->rtt_ms + rtt) / 8 : rtt;
    if (session->rtt_ms == 0)
        session->rtt_ms = 1;
    return true;
}

void south_heartbeat_due(struct south_session *session)
{
    struct southbound *southbound = session->southbound;
    int64_t now = southbound->now();

    if (session->standing != SOUTH_SERVED) {
        south_review_close(session);
        return;
    }
    if (interval_ms(session) > 0 && silence_ms(session) >= patience_ms(session)) {
        log_notice("session-lost", "client %s on %s: silent for %lld s", session->client->config->name,
                   dots_session_text(session->session), (long long)(silence_ms(session) / 1000));
        session->lost = true;
        southbound->counters.heartbeats_missed += session->awaiting;
        dots_session_close(session->session);
        return;
    }
    south_session_ref(session);
    if (interval_ms(session) > 0 && session->next_heartbeat_ms <= now)
        send_heartbeat(session);
    south_heartbeat_arm(session);
    south_session_unref(session);
}

/* The peer says whether ours come through: worth a line when that changes. */
static void note_status(struct south_session *session, bool hears_us)
{
    bool deaf = !hears_us && session->sent_heartbeat_ms != 0;

    if (deaf != session->deaf)
        log_info(deaf ? "heartbeats-unheard" : "heartbeats-heard", "client %s on %s %s our heartbeats",
                 session->client->config->name, dots_session_text(session->session),
                 deaf ? "does not receive" : "receives");
    session->deaf = deaf;
}

/* Right after the peer's, when ours is at least half an interval old; see RECENT_MS. */
static bool is_time_to_send(const struct south_session *session, int64_t now)
{
    int64_t interval = interval_ms(session), recent = interval / 2;

    if (recent < RECENT_MS)
        recent = interval < RECENT_MS ? interval : RECENT_MS;
    return interval > 0 && now - session->sent_heartbeat_ms >= recent;
}

void south_heartbeat_put(struct south_session *session, const struct dots_request *request)
{
    int64_t now = session->southbound->now();
    struct wire_message *message;

    if (!south_format_allowed(session, request))
        return;
    message = south_decode(session, request, WIRE_HEARTBEAT, "heartbeat");
    if (!message)
        return;
    note_status(session, message->heartbeat.peer_hb_status);
    wire_free(message);
    session->peer_heartbeat_ms = now;
    south_reply_empty(request->exchange, DOTS_CODE(2, 4));
    if (session->down)
        return;
    if (is_time_to_send(session, now))
        send_heartbeat(session);
    if (!session->down)
        south_heartbeat_arm(session);
}
