/* mitigate: the mitigate resource: whose cuid is it, and what is to be done with it (RFC 9132 section 4.4). */

#include "southbound/signal/signal.h"

struct relay_requester south_relay_requester(const struct south_peer *peer, const char *cdid, const char *cuid)
{
    return (struct relay_requester){
        .client = peer->client->config->name, .cdid = cdid, .cuid = cuid, .identity_hash = peer->key.hash};
}

static void withdraw(struct south_session *session, const struct dots_request *request, const struct south_path *path)
{
    struct southbound *southbound = session->southbound;
    struct south_held *held;
    struct relay_requester requester;

    if (store_failing(southbound->store)) {
        south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_STORE_MAX_AGE,
                     "this server cannot write its state at the moment; try again");
        return;
    }
    held = south_hold(session, request->exchange, path);
    if (!held) {
        south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_FULL_MAX_AGE, "the server is out of memory");
        return;
    }
    south_puts_withdraw(southbound, path);
    DL_APPEND(southbound->held, held);
    requester = south_relay_requester(held->peer, path->cdid, path->cuid);
    requester.request = dots_exchange_number(held->exchange);
    held->mid = path->mid;
    held->news = south_held_live(southbound, held);
    relay_delete(southbound->relay, southbound->now(), &requester, path->mid, held);
}

void south_mitigate(struct south_session *session, const struct dots_request *request, const struct south_path *path)
{
    struct relay_requester requester = south_relay_requester(session->peer, path->cdid, path->cuid);

    if (request->method == DOTS_PUT) {
        south_put(session, request, path);
        return;
    }
    /* A client is entitled to what it created only (RFC 9132 section 3). */
    if (!relay_cuid_allowed(session->southbound->relay, &requester)) {
        south_refuse(session, request->exchange, DOTS_CODE(4, 1), DOTS_NO_MAX_AGE,
                     "cuid: in use by another client; generate a new one");
        return;
    }
    if (request->method == DOTS_GET)
        south_mitigate_get(session, request, path);
    else
        withdraw(session, request, path);
}
