/*
 * review: what a reload or a drain means for those who are connected. Peers are looked at a few in each turn of the
 * loop; one that asks for something before its turn is looked at then. Who is no longer allowed hears why: by 4.01 to
 * what it asks or observes, and then by a close_notify.
 */

#include <string.h>

#include "gateway/log/log.h"
#include "southbound/signal/signal.h"

#define PEERS_A_TURN 64

static const char client_gone[] = "this client was removed from the configuration of this server";
static const char identity_gone[] = "this identity was removed from the configuration of this server";

const char *south_review_reason(const struct south_session *session)
{
    return session->client->gone ? client_gone : identity_gone;
}

static void send_away(struct south_session *session)
{
    south_inspect_stand(session, SOUTH_PARTING);
    session->closes_ms = session->southbound->now() + SOUTH_PARTING_MS;
    log_notice("session-not-allowed", "client %s on %s: %s; it is told so and closed", session->client->config->name,
               dots_session_text(session->session), south_review_reason(session));
    south_heartbeat_arm(session);
}

/* Unknown until now: it may belong to somebody who was added. */
static void recognize(struct south_session *session)
{
    struct south_client *client =
        south_clients_match(session->southbound->clients, dots_session_identity(session->session));

    if (!client)
        return;
    session->client = south_client_ref(client);
    south_inspect_stand(session, SOUTH_SURPLUS);
}

void south_review_session(struct south_session *session)
{
    struct southbound *southbound = session->southbound;

    if (session->generation == southbound->generation || session->down)
        return;
    session->generation = southbound->generation;
    if (session->standing == SOUTH_UNKNOWN)
        recognize(session);
    else if (session->standing != SOUTH_PARTING &&
             south_clients_match(southbound->clients, dots_session_identity(session->session)) != session->client)
        send_away(session);
}

void south_review_close(struct south_session *session)
{
    const char *reason;

    south_session_ref(session);
    if (session->standing == SOUTH_PARTING) {
        reason = south_review_reason(session);
        while (!session->down && session->observers)
            south_notify_end(session->observers, DOTS_CODE(4, 1), -1, DOTS_NO_MAX_AGE, (const uint8_t *)reason,
                             strlen(reason));
    } else {
        log_info("session-closed", "%s: it was not served", dots_session_text(session->session));
    }
    if (!session->down)
        dots_session_close(session->session);
    south_session_unref(session);
}

static void review(struct southbound *southbound, struct south_peer *peer)
{
    struct south_session *session, *next;

    peer->held++; /* it may lose its last session */
    DL_FOREACH_SAFE(peer->sessions, session, next)
    {
        south_review_session(session);
        if (south_sent_away(southbound, peer->client))
            south_redirect_observers(session);
    }
    south_config_review(southbound, peer);
    if (peer->client->gone) {
        peer->closed = true;
        if (!peer->losing)
            south_timer_cancel(southbound, &peer->timer);
    }
    peer->held--;
    south_peer_release(southbound, peer);
}

void south_review_begin(struct southbound *southbound)
{
    southbound->reviewing = true;
    southbound->review_next = southbound->peers;
    south_timer_set(southbound, &southbound->review, southbound->now());
}

void south_review_due(struct southbound *southbound)
{
    for (int i = 0; i < PEERS_A_TURN && southbound->review_next; i++) {
        struct south_peer *peer = southbound->review_next;

        southbound->review_next = peer->hh.next;
        review(southbound, peer);
    }
    if (southbound->review_next) {
        /* Not in this turn of the loop, which runs whatever is due. */
        south_timer_set(southbound, &southbound->review, southbound->now() + 1);
        return;
    }
    southbound->reviewing = southbound->review_config = false;
}
