/* session: from a finished handshake to its end; who is served, and who is one too many. */

#include <stdlib.h>

#include "gateway/log/log.h"
#include "southbound/signal/signal.h"

#define LINES_MOST 20u /* of the log in ten seconds, about sessions of one client that come, and that go */

struct south_session *south_session_ref(struct south_session *session)
{
    session->references++;
    return session;
}

void south_session_unref(struct south_session *session)
{
    if (--session->references > 0)
        return;
    dots_session_unref(session->session);
    south_client_unref(session->client);
    free(session);
}

/* 0, or -1 out of memory: then it stays surplus. */
static int serve(struct south_session *session)
{
    struct southbound *southbound = session->southbound;
    const char *hash = dots_session_identity(session->session)->hash;
    struct south_peer *peer = south_peer_get(southbound, session->client, hash);

    if (!peer)
        return -1;
    south_inspect_stand(session, SOUTH_SERVED);
    southbound->served++;
    south_peer_joined(southbound, peer, session);
    south_heartbeat_begin(session);
    return 0;
}

void south_session_admit(struct south_session *session)
{
    const struct southbound *southbound = session->southbound;

    if (!southbound->draining && southbound->served < southbound->config->limits.sessions && serve(session) == 0)
        log_info("session-served", "client %s on %s: there is room again", session->client->config->name,
                 dots_session_text(session->session));
}

static const char *identity_text(const struct dots_identity *identity)
{
    if (identity->psk)
        return identity->psk_identity;
    return identity->san_count ? identity->sans[0] : identity->hash;
}

static void admit_or_not(struct south_session *session)
{
    struct southbound *southbound = session->southbound;
    const struct dots_identity *identity = dots_session_identity(session->session);
    const char *text = dots_session_text(session->session);
    struct south_client *client = south_clients_match(southbound->clients, identity);
    char note[LOG_NOTE];
    bool told;

    session->client = client ? south_client_ref(client) : NULL;
    if (!session->client) {
        south_inspect_stand(session, SOUTH_UNKNOWN);
        if (log_repeat(&southbound->unknown, southbound->now(), note))
            log_notice("client-unknown", "\"%s\" on %s belongs to no client of the configuration: it gets 4.01%s",
                       identity_text(identity), text, note);
        return;
    }
    told = log_burst(&client->came, LINES_MOST, southbound->now(), note);
    if (southbound->draining) {
        if (told)
            log_info("session-redirected", "client %s on %s: this gateway drains%s", client->config->name, text, note);
    } else if (southbound->served >= southbound->config->limits.sessions) {
        if (told)
            log_notice("session-limit", "client %s on %s is not served: there are %u sessions, the limit%s",
                       client->config->name, text, southbound->config->limits.sessions, note);
    } else if (serve(session) == 0 && told) {
        log_info("session-up", "client %s on %s%s%s", client->config->name, text, identity->resumed ? ", resumed" : "",
                 note);
    }
}

void south_session_up(void *arg, struct dots_session *dots_session)
{
    struct southbound *southbound = arg;
    struct south_session *session = southbound->closing ? NULL : calloc(1, sizeof(*session));

    if (!session) {
        dots_session_close(dots_session);
        return;
    }
    session->southbound = southbound;
    session->references = 1;
    session->session = dots_session_ref(dots_session);
    session->up_ms = southbound->now();
    session->closes_ms = session->up_ms + SOUTH_STANDING_MS;
    session->standing = SOUTH_SURPLUS; /* until it is served */
    session->generation = southbound->generation;
    session->next_heartbeat_ms = SOUTH_NEVER;
    session->timer.kind = SOUTH_TIMER_SESSION;
    session->pump.kind = SOUTH_TIMER_PUMP;
    dots_session_set_user(dots_session, session);
    southbound->counters.sessions_up[dots_session_transport(dots_session) == DOTS_TCP]++;
    south_inspect_up(session);
    admit_or_not(session);
    south_heartbeat_arm(session);
}

void south_session_down(void *arg, struct dots_session *dots_session, enum dots_down reason, const char *text)
{
    struct southbound *southbound = arg;
    struct south_session *session = dots_session_user(dots_session);
    struct south_peer *peer;
    char note[LOG_NOTE];

    if (!session)
        return;
    dots_session_set_user(dots_session, NULL);
    session->down = true;
    southbound->counters.sessions_down++;
    south_inspect_down(session);
    south_timer_cancel(southbound, &session->timer);
    south_timer_cancel(southbound, &session->pump);
    while (session->observers)
        south_observer_free(session->observers);
    peer = session->peer;
    if (peer) {
        if (log_burst(&session->client->went, LINES_MOST, southbound->now(), note))
            log_info("session-down", "client %s on %s: %s%s", session->client->config->name,
                     dots_session_text(dots_session), text ? text : "closed", note);
        southbound->served--;
        south_peer_left(southbound, peer, session, reason);
    }
    south_session_unref(session);
}
