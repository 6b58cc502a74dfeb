/*
 * peer: one proven identity of a client, the sessions it has, the requesters it speaks for.
 *
 * The signal of a peer is lost when its last session went away other than in order. When the peer
 * was silent for missing-hb-allowed intervals that is a loss at once (RFC 9132 section 4.7); a
 * connection that broke, or our own restart, gives it that same time to come back first. A session
 * that was closed in order, as the last one, is a goodbye.
 */

#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "southbound/signal/signal.h"

#define LOST_A_TURN 64 /* requesters that are told of a loss in one turn of the loop */
#define FOLLOW_A_TURN 256

struct south_peer *south_peer_get(struct southbound *southbound, struct south_client *client, const char *hash)
{
    struct south_peer_key key;
    struct south_peer *peer;

    memset(&key, 0, sizeof(key));
    key.client = client;
    memcpy(key.hash, hash, strnlen(hash, sizeof(key.hash) - 1));
    HASH_FIND(hh, southbound->peers, &key, sizeof(key), peer);
    if (peer)
        return peer;
    peer = calloc(1, sizeof(*peer));
    if (!peer)
        return NULL;
    peer->key = key;
    peer->client = south_client_ref(client);
    peer->closed = true;
    peer->timer.kind = SOUTH_TIMER_PEER;
    HASH_ADD(hh, southbound->peers, key, sizeof(key), peer);
    if (peer->hh.tbl)
        return peer;
    south_client_unref(client);
    free(peer);
    return NULL;
}

void south_peer_release(struct southbound *southbound, struct south_peer *peer)
{
    if (peer->sessions || peer->requesters || peer->negotiated || peer->held)
        return;
    south_timer_cancel(southbound, &peer->timer);
    if (southbound->review_next == peer)
        southbound->review_next = peer->hh.next;
    HASH_DEL(southbound->peers, peer);
    south_client_unref(peer->client);
    free(peer);
}

/* ---- Parameters ---- */

uint32_t south_peer_parameter(const struct southbound *southbound, const struct south_peer *peer,
                              enum wire_config_parameter parameter)
{
    /* The set follows the activity of mitigations (RFC 9132 section 4.5). */
    enum south_set set = peer->active_requesters ? SOUTH_MITIGATING : SOUTH_IDLE;

    return south_parameters_value(southbound->config, peer->negotiated, set, parameter);
}

static void apply_to(struct southbound *southbound, const struct south_peer *peer, struct south_session *session)
{
    struct dots_transmission transmission = {
        .ack_timeout = south_peer_parameter(southbound, peer, WIRE_ACK_TIMEOUT),
        .ack_random_factor = south_peer_parameter(southbound, peer, WIRE_ACK_RANDOM_FACTOR),
        .max_retransmit = south_peer_parameter(southbound, peer, WIRE_MAX_RETRANSMIT),
        .probing_rate = south_peer_parameter(southbound, peer, WIRE_PROBING_RATE),
    };

    /* Over TCP they are negotiated for nothing (RFC 9132 section 4.5). */
    if (dots_session_transport(session->session) == DOTS_UDP)
        dots_session_set_transmission(session->session, &transmission);
    south_heartbeat_changed(session);
}

void south_peer_apply(struct southbound *southbound, struct south_peer *peer)
{
    struct south_session *session;

    DL_FOREACH(peer->sessions, session)
    apply_to(southbound, peer, session);
}

/* How long a silent peer counts as there. With heartbeats off, what it would be by default. */
static int64_t patience_ms(const struct southbound *southbound, const struct south_peer *peer)
{
    int64_t interval = south_peer_parameter(southbound, peer, WIRE_HEARTBEAT_INTERVAL);

    if (interval == 0)
        interval = southbound->config->mitigating.heartbeat_interval.current;
    return interval * 1000 * south_peer_parameter(southbound, peer, WIRE_MISSING_HB_ALLOWED);
}

/* ---- Sessions come and go ---- */

void south_peer_joined(struct southbound *southbound, struct south_peer *peer, struct south_session *session)
{
    session->peer = peer;
    DL_APPEND(peer->sessions, session);
    if (!peer->losing)
        south_timer_cancel(southbound, &peer->timer);
    apply_to(southbound, peer, session);
}

void south_peer_left(struct southbound *southbound, struct south_peer *peer, struct south_session *session,
                     enum dots_down reason)
{
    session->peer = NULL;
    DL_DELETE(peer->sessions, session);
    if (peer->sessions)
        return;
    /* Who was sent elsewhere, or away, is not lost, however it left. */
    peer->closed = southbound->closing || south_sent_away(southbound, peer->client) || peer->client->gone ||
                   (reason == DOTS_DOWN_CLOSED && !session->lost);
    if (!peer->closed && peer->requesters && !peer->losing)
        south_timer_set(southbound, &peer->timer,
                        southbound->now() + (session->lost ? 0 : patience_ms(southbound, peer)));
    south_peer_release(southbound, peer);
}

/* Tells the requesters of a peer one after the other that their signal is lost. Those told go to the
 * end of the list, so that it does not matter who comes or goes meanwhile. */
void south_peer_due(struct southbound *southbound, struct south_peer *peer)
{
    if (!peer->losing) {
        peer->losing = true;
        peer->loss++;
        southbound->counters.signals_lost++;
        log_warning("signal-lost",
                    "client %s: nothing heard and no session left; its preconfigured mitigations are activated",
                    peer->client->config->name);
    }
    for (int i = 0; i < LOST_A_TURN; i++) {
        struct south_requester *first = peer->requesters;

        if (!first || first->loss == peer->loss) {
            peer->losing = false;
            south_peer_release(southbound, peer);
            return;
        }
        first->loss = peer->loss;
        DL_DELETE(peer->requesters, first);
        DL_APPEND(peer->requesters, first);
        peer->held++; /* the relay may let requesters go, and with the last one the peer would */
        relay_signal_lost(southbound->relay, southbound->now(), first->requester);
        peer->held--;
    }
    south_timer_set(southbound, &peer->timer, southbound->now());
}

/* ---- Requesters ---- */

static struct south_requester *requester_new(struct requester *requester)
{
    struct south_requester *ours = calloc(1, sizeof(*ours));

    if (!ours)
        return NULL;
    ours->requester = requester;
    requester->user = ours;
    return ours;
}

static void leave_peer(struct southbound *southbound, struct south_requester *requester)
{
    struct south_peer *peer = requester->peer;

    if (!peer)
        return;
    DL_DELETE(peer->requesters, requester);
    requester->peer = NULL;
    if (requester->active && --peer->active_requesters == 0)
        south_peer_apply(southbound, peer);
    requester->active = false;
    south_peer_release(southbound, peer);
}

void south_peer_uses(struct southbound *southbound, struct south_peer *peer, struct requester *requester)
{
    struct south_requester *ours = requester->user ? requester->user : requester_new(requester);

    if (!ours || ours->peer == peer)
        return;
    leave_peer(southbound, ours);
    ours->peer = peer;
    ours->loss = peer->loss;
    DL_APPEND(peer->requesters, ours);
    south_peer_follow(southbound, ours);
    /* Its answer came when the peer was gone already: the peer has its time to come back. */
    if (!peer->sessions && !peer->closed && !peer->losing && !peer->client->gone)
        south_timer_set(southbound, &peer->timer, southbound->now() + patience_ms(southbound, peer));
}

void south_peer_follow(struct southbound *southbound, struct south_requester *requester)
{
    if (requester->following)
        return;
    requester->following = true;
    DL_APPEND2(southbound->following, requester, follow_prev, follow_next);
    south_timer_set(southbound, &southbound->follow, southbound->now());
}

static void stop_following(struct southbound *southbound, struct south_requester *requester)
{
    if (!requester->following)
        return;
    requester->following = false;
    DL_DELETE2(southbound->following, requester, follow_prev, follow_next);
}

/* Is a mitigation of this requester under way? The set in force follows. */
static void follow(struct southbound *southbound, struct south_requester *requester)
{
    bool active = requester->requester->active_count > 0;
    struct south_peer *peer = requester->peer;

    stop_following(southbound, requester);
    if (!peer || active == requester->active)
        return;
    requester->active = active;
    if (active) {
        if (peer->active_requesters++ == 0)
            south_peer_apply(southbound, peer);
    } else if (--peer->active_requesters == 0) {
        south_peer_apply(southbound, peer);
    }
}

void south_peer_follow_due(struct southbound *southbound)
{
    for (int i = 0; i < FOLLOW_A_TURN && southbound->following; i++)
        follow(southbound, southbound->following);
    if (southbound->following)
        south_timer_set(southbound, &southbound->follow, southbound->now());
}

void southbound_requester_gone(struct southbound *southbound, struct requester *requester)
{
    struct south_requester *ours = requester->user;

    if (!ours)
        return;
    requester->user = NULL;
    south_watches_end(southbound, ours);
    stop_following(southbound, ours);
    leave_peer(southbound, ours);
    free(ours);
}

/* ---- Start ---- */

static int find_preconfigured(void *arg, const struct mitigation *mitigation)
{
    (void)arg;
    return !mitigation_trigger(mitigation);
}

/* After a restart nobody is connected: who has preconfigured requests is expected back in time. */
static int expect_back(void *arg, struct requester *requester)
{
    struct southbound *southbound = arg;
    struct south_client *client = south_clients_named(southbound->clients, requester->client);
    struct south_peer *peer;

    if (!client || !relay_mitigation_each(requester, find_preconfigured, NULL))
        return 0;
    peer = south_peer_get(southbound, client, requester->identity_hash);
    if (!peer)
        return -1;
    if (!peer->sessions)
        peer->closed = false;
    south_peer_uses(southbound, peer, requester);
    return 0;
}

void southbound_start(struct southbound *southbound)
{
    if (relay_requester_each(southbound->relay, expect_back, southbound) != 0)
        log_error("out-of-memory", "not all clients with preconfigured mitigations are watched for signal loss");
}
