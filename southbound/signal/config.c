/*
 * config: the config resource: what the session runs with (RFC 9132 section 4.5). It is kept for the
 * peer, over sessions and restarts, and acknowledged when it is on disk.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "southbound/signal/signal.h"

/* ---- What is kept ---- */

static size_t key_of(const struct south_peer *peer, char key[STORE_KEY_MAX])
{
    return (size_t)snprintf(key, STORE_KEY_MAX, "%s/%s", peer->client->config->name, peer->key.hash);
}

static void install(struct south_peer *peer, struct south_negotiated *negotiated)
{
    struct south_client *client = peer->client;

    if (peer->negotiated) {
        DL_DELETE2(client->stored, peer, stored_prev, stored_next);
        client->stored_count--;
        free(peer->negotiated);
    }
    peer->negotiated = negotiated;
    if (negotiated) {
        DL_APPEND2(client->stored, peer, stored_prev, stored_next);
        client->stored_count++;
    }
}

static void changed(struct southbound *southbound, struct south_peer *peer)
{
    south_peer_apply(southbound, peer);
    south_notify_watch(southbound, peer, SOUTH_WATCH_CONFIG, 0);
}

/* Keys of a client are replaced now and then: the oldest of its identities without a session makes room. */
static int make_room(struct southbound *southbound, struct south_peer *peer)
{
    char key[STORE_KEY_MAX];
    struct south_peer *old;

    if (peer->negotiated || peer->client->stored_count < SOUTH_PEER_STORED)
        return 0;
    DL_FOREACH2(peer->client->stored, old, stored_next)
    {
        if (old->sessions)
            continue;
        if (store_delete(southbound->store, STORE_SESSION_CONFIG, key, key_of(old, key)) != 0)
            return -1;
        install(old, NULL);
        south_peer_release(southbound, old);
        return 0;
    }
    return -1;
}

static int adopt(struct south_peer *peer, const struct south_negotiated *asked)
{
    struct south_negotiated *negotiated = malloc(sizeof(*negotiated));

    if (!negotiated)
        return -1;
    *negotiated = *asked;
    install(peer, negotiated);
    return 0;
}

static int keep(struct southbound *southbound, struct south_peer *peer, const struct south_negotiated *asked)
{
    uint8_t record[SOUTH_PARAMETERS_RECORD];
    char key[STORE_KEY_MAX];
    size_t length = south_parameters_encode(asked, record);

    if (length == 0 || make_room(southbound, peer) != 0 ||
        store_put(southbound->store, STORE_SESSION_CONFIG, key, key_of(peer, key), record, length) != 0)
        return -1;
    return adopt(peer, asked);
}

static void forget(struct southbound *southbound, struct south_peer *peer)
{
    char key[STORE_KEY_MAX];

    if (store_delete(southbound->store, STORE_SESSION_CONFIG, key, key_of(peer, key)) == 0)
        store_submit(southbound->store);
    install(peer, NULL);
}

void south_config_review(struct southbound *southbound, struct south_peer *peer)
{
    uint8_t record[SOUTH_PARAMETERS_RECORD];
    struct south_negotiated decoded;

    if (peer->negotiated && peer->client->gone)
        forget(southbound, peer);
    if (!southbound->review_config || peer->client->gone)
        return;
    /* As after a restart: what is not acceptable any more is left out. */
    if (peer->negotiated && south_parameters_decode(southbound->config, record,
                                                    south_parameters_encode(peer->negotiated, record), &decoded) == 0)
        *peer->negotiated = decoded;
    changed(southbound, peer);
}

/* ---- Requests ---- */

static void refuse_full(struct south_session *session, const struct dots_request *request)
{
    south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_STORE_MAX_AGE,
                 "this server cannot keep a configuration at the moment; try again");
}

/* The answer waits until everything put so far is on disk. */
static void answer_stored(struct southbound *southbound, struct south_held *held, uint8_t code)
{
    held->sequence = store_submit(southbound->store);
    held->code = code;
    DL_APPEND(southbound->storing, held);
}

static void put(struct south_session *session, const struct dots_request *request, const struct south_path *path)
{
    struct southbound *southbound = session->southbound;
    struct south_peer *peer = session->peer;
    const struct south_negotiated *before = peer->negotiated;
    bool known = before && before->sid == path->sid;
    struct south_negotiated asked;
    struct wire_message *message;
    char reason[SOUTH_REASON_MAX];
    struct south_held *held;
    uint8_t code;

    if (!south_format_allowed(session, request))
        return;
    message = south_decode(session, request, WIRE_SIGNAL_CONFIG, "signal-config");
    if (!message)
        return;
    code = south_parameters_take(southbound->config, &message->config, path->sid, &asked, reason);
    wire_free(message);
    if (code == 0 && before && path->sid < before->sid) {
        code = DOTS_CODE(4, 0);
        snprintf(reason, sizeof(reason), "sid: %u is lower than %u, which is in force; sids must rise", path->sid,
                 before->sid);
    }
    if (code != 0) {
        south_refuse(session, request->exchange, code, DOTS_NO_MAX_AGE, reason);
        return;
    }
    held = store_failing(southbound->store) ? NULL : south_hold(session, request->exchange, path);
    if (!held) {
        refuse_full(session, request);
        return;
    }
    if (keep(southbound, peer, &asked) != 0) {
        south_reply_text(held->exchange, DOTS_CODE(5, 3), SOUTH_STORE_MAX_AGE,
                         "this server cannot keep a configuration at the moment; try again");
        south_held_free(southbound, held);
        return;
    }
    answer_stored(southbound, held, known ? DOTS_CODE(2, 4) : DOTS_CODE(2, 1));
    changed(southbound, peer);
}

static void get(struct south_session *session, const struct dots_request *request, const struct south_path *path)
{
    struct southbound *southbound = session->southbound;
    const struct south_negotiated *negotiated = session->peer->negotiated;
    struct wire_message message = {.type = WIRE_SIGNAL_CONFIG};
    struct south_observer *observer = NULL;

    if (request->observe == 1)
        south_observe_end(session, dots_exchange_token(request->exchange));
    if (path->has_sid && (!negotiated || negotiated->sid != path->sid)) {
        south_refuse(session, request->exchange, DOTS_CODE(4, 4), DOTS_NO_MAX_AGE, "sid: not the one in force");
        return;
    }
    if (request->observe == 0)
        observer = south_observe(session, request, path, session->peer, SOUTH_WATCH_CONFIG);
    if (observer)
        south_notify_answered(observer, 0, false);
    south_parameters_describe(southbound->config, negotiated, &message.config);
    south_reply_message(southbound, request->exchange, DOTS_CODE(2, 5), southbound->config->session_config_max_age,
                        observer ? (int32_t)south_observer_next(observer) : -1, &message);
}

/* Back to the defaults; without sid too, after a reboot (RFC 9132 section 4.5.4). */
static void reset(struct south_session *session, const struct dots_request *request, const struct south_path *path)
{
    struct southbound *southbound = session->southbound;
    struct south_peer *peer = session->peer;
    char key[STORE_KEY_MAX];
    struct south_held *held;

    if (!peer->negotiated || (path->has_sid && path->sid != peer->negotiated->sid)) {
        south_reply_empty(request->exchange, DOTS_CODE(2, 2)); /* it is not there: RFC 7252 section 5.8.4 */
        return;
    }
    held = store_failing(southbound->store) ? NULL : south_hold(session, request->exchange, path);
    if (!held) {
        refuse_full(session, request);
        return;
    }
    if (store_delete(southbound->store, STORE_SESSION_CONFIG, key, key_of(peer, key)) != 0) {
        south_reply_text(held->exchange, DOTS_CODE(5, 3), SOUTH_STORE_MAX_AGE,
                         "this server cannot change its state at the moment; try again");
        south_held_free(southbound, held);
        return;
    }
    install(peer, NULL);
    answer_stored(southbound, held, DOTS_CODE(2, 2));
    changed(southbound, peer);
}

void south_config(struct south_session *session, const struct dots_request *request, const struct south_path *path)
{
    if (request->method == DOTS_PUT)
        put(session, request, path);
    else if (request->method == DOTS_GET)
        get(session, request, path);
    else
        reset(session, request, path);
}

/* ---- The store ---- */

void southbound_committed(struct southbound *southbound, uint64_t sequence)
{
    while (southbound->storing && southbound->storing->sequence <= sequence) {
        struct south_held *held = southbound->storing;
        struct dots_response response = {.code = held->code, .content_format = -1, .observe = -1};

        response.max_age = southbound->config->session_config_max_age;
        if (held->code == DOTS_CODE(2, 2))
            response.max_age = DOTS_NO_MAX_AGE;
        DL_DELETE(southbound->storing, held);
        south_answer(held->exchange, &response);
        south_held_free(southbound, held);
    }
}

/* What cannot be used is dropped: the client finds the defaults in force and asks again. */
static int drop(struct southbound *southbound, const char *key, size_t key_length, const char *why)
{
    log_notice("session-config-dropped", "%.*s: %s", (int)key_length, key, why);
    return store_delete(southbound->store, STORE_SESSION_CONFIG, key, key_length);
}

int southbound_load(struct southbound *southbound, const char *key, size_t key_length, const uint8_t *value,
                    size_t value_length)
{
    const char *slash = memrchr(key, '/', key_length);
    struct south_negotiated negotiated;
    struct south_client *client;
    struct south_peer *peer;
    char text[STORE_KEY_MAX + 1];

    if (!slash || key_length > STORE_KEY_MAX || key + key_length - slash > 23)
        return drop(southbound, key, key_length, "not the name of a client's identity");
    memcpy(text, key, key_length);
    text[key_length] = '\0';
    text[slash - key] = '\0';
    client = south_clients_named(southbound->clients, text);
    if (!client)
        return drop(southbound, key, key_length, "this client is not configured any more");
    if (south_parameters_decode(southbound->config, value, value_length, &negotiated) != 0)
        return drop(southbound, key, key_length, "not a session configuration");
    peer = south_peer_get(southbound, client, text + (slash - key) + 1);
    return peer ? adopt(peer, &negotiated) : -1;
}
