/* held: exchanges that wait for the relay or the store. */

#include <stdlib.h>
#include <string.h>

#include "southbound/signal/signal.h"

struct south_held *south_hold(struct south_session *session, struct dots_exchange *exchange,
                              const struct south_path *path)
{
    struct south_held *held = calloc(1, sizeof(*held));

    if (!held)
        return NULL;
    held->exchange = dots_hold(exchange);
    if (!held->exchange) {
        free(held);
        return NULL;
    }
    held->peer = session->peer;
    held->peer->held++;
    held->arrived_ns = uv_hrtime();
    session->southbound->held_count++;
    memcpy(held->cdid, path->cdid, sizeof(held->cdid));
    memcpy(held->cuid, path->cuid, sizeof(held->cuid));
    return held;
}

bool south_held_live(const struct southbound *southbound, const struct south_held *held)
{
    const struct requester *requester = relay_requester_find(southbound->relay, held->cdid, held->cuid);
    const struct mitigation *mitigation = requester ? relay_mitigation_find(requester, held->mid) : NULL;

    return mitigation && mitigation_is_live(mitigation);
}

void south_held_free(struct southbound *southbound, struct south_held *held)
{
    held->peer->held--;
    southbound->held_count--;
    south_peer_release(southbound, held->peer);
    free(held);
}

void south_held_close(struct southbound *southbound)
{
    struct south_held *held;

    DL_FOREACH(southbound->held, held)
    {
        dots_drop(held->exchange); /* the relay gives back the rest */
        held->exchange = NULL;
    }
    while (southbound->storing) {
        held = southbound->storing;
        DL_DELETE(southbound->storing, held);
        dots_drop(held->exchange);
        south_held_free(southbound, held);
    }
}

/* ---- Effects of the relay ---- */

/* A requester exists from its first accepted request on: then it belongs to the peer that made it. */
static void follow_requester(struct southbound *southbound, const struct south_held *held)
{
    struct requester *requester = relay_requester_find(southbound->relay, held->cdid, held->cuid);

    if (!requester)
        return;
    south_peer_uses(southbound, held->peer, requester);
    if (requester->user)
        south_peer_follow(southbound, requester->user);
}

void southbound_answer(struct southbound *southbound, void *exchange, const struct relay_answer *answer)
{
    struct south_held *held = exchange;

    DL_DELETE(southbound->held, held);
    if (!held->exchange) {
        south_held_free(southbound, held);
        return;
    }
    if (answer->code < 300)
        follow_requester(southbound, held);
    if (held->news && (answer->code == 201 || answer->code == 202))
        log_info(answer->code == 201 ? "mitigation-accepted" : "mitigation-withdrawn",
                 LOG_REQUEST " client %s: mid %u of cuid %s", dots_exchange_number(held->exchange),
                 held->peer->client->config->name, held->mid, held->cuid);
    if (answer->code >= 400)
        south_log_refusal(southbound, held->peer->client, held->exchange,
                          DOTS_CODE(answer->code / 100, answer->code % 100),
                          answer->diagnostic ? answer->diagnostic : "the response tells the client the conflict");
    south_reply_answer(southbound, held->exchange, answer);
    south_held_free(southbound, held);
}

/* RFC 9132 section 4.4.3: an efficacy update that matches nothing is silently ignored. */
void southbound_ignore(struct southbound *southbound, void *exchange)
{
    struct south_held *held = exchange;

    DL_DELETE(southbound->held, held);
    if (held->exchange)
        dots_drop(held->exchange);
    south_held_free(southbound, held);
}
