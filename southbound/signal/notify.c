/*
 * notify: when observers are told, and what (RFC 9132 section 4.4.2.1, RFC 7641 section 4.5).
 *
 * An observer that has something to be told is *due* no sooner than three seconds after its last
 * notification; then it joins the *queue* of its session, which sends one at a time: every three
 * seconds, or every round-trip time to a gateway that speaks for many clients and whose heartbeats
 * give an estimate of it. A changed status goes before counters and periodic ones, which get every
 * other turn. What is sent is the state at that moment: changes that came faster are one notification.
 */

#include <stdlib.h>
#include <string.h>

#include "southbound/signal/signal.h"

#define SEQUENCE_MASK 0xffffffu
#define PACE_MIN_MS 20

/* ---- Sequence numbers: RFC 7641 section 4.4 ---- */

/* Slower than the clock may go, faster than one observer is ever told: a later one starts higher. */
uint32_t south_notify_first(const struct southbound *southbound)
{
    return (uint32_t)(southbound->now() / 256) & SEQUENCE_MASK;
}

uint32_t south_observer_next(struct south_observer *observer)
{
    observer->sequence = (observer->sequence + 1) & SEQUENCE_MASK;
    return observer->sequence;
}

/* ---- Pace ---- */

int64_t south_notify_pace(bool gateway, uint32_t rtt_ms)
{
    if (!gateway || rtt_ms == 0 || rtt_ms >= SOUTH_NOTIFY_MS)
        return SOUTH_NOTIFY_MS;
    return rtt_ms < PACE_MIN_MS ? PACE_MIN_MS : rtt_ms;
}

void south_notify_unqueue(struct south_observer *observer)
{
    struct south_session *session = observer->session;

    if (!observer->queued)
        return;
    observer->queued = false;
    if (observer->urgent)
        DL_DELETE2(session->urgent, observer, queue_prev, queue_next);
    else
        DL_DELETE2(session->ordinary, observer, queue_prev, queue_next);
}

static void enqueue(struct south_observer *observer)
{
    struct south_session *session = observer->session;
    struct southbound *southbound = session->southbound;
    int64_t now = southbound->now();

    observer->queued = true;
    if (observer->urgent)
        DL_APPEND2(session->urgent, observer, queue_prev, queue_next);
    else
        DL_APPEND2(session->ordinary, observer, queue_prev, queue_next);
    south_timer_set(southbound, &session->pump, session->notify_after_ms > now ? session->notify_after_ms : now);
}

void south_notify_observer_due(struct south_observer *observer)
{
    enqueue(observer);
}

/* Something is to be told: as soon as it may. */
static void mark(struct south_observer *observer, bool urgent)
{
    struct southbound *southbound = observer->session->southbound;
    int64_t now = southbound->now(), at = observer->sent_ms ? observer->sent_ms + SOUTH_NOTIFY_MS : now;

    if (observer->queued && urgent && !observer->urgent) {
        south_notify_unqueue(observer);
        observer->urgent = true;
        enqueue(observer);
        return;
    }
    observer->urgent = observer->urgent || urgent;
    if (observer->queued)
        return;
    at = at > now ? at : now;
    if (observer->timer.deadline.position == 0 || observer->timer.deadline.at_ms > at)
        south_timer_set(southbound, &observer->timer, at);
}

static void schedule_periodic(struct south_observer *observer, bool active)
{
    struct southbound *southbound = observer->session->southbound;
    int64_t interval = southbound->config->status_interval_ms;

    if (active)
        south_timer_set(southbound, &observer->timer, southbound->now() + south_jitter(southbound, interval));
}

void south_notify_answered(struct south_observer *observer, enum wire_status status, bool active)
{
    south_notify_unqueue(observer);
    south_timer_cancel(observer->session->southbound, &observer->timer);
    observer->urgent = false;
    observer->shown = status;
    schedule_periodic(observer, active);
}

/* ---- Sending ---- */

static void rebuild(const struct south_observer *observer, struct dots_request *request)
{
    const char *at = observer->bytes;
    size_t n = 0;

    memset(request, 0, sizeof(*request));
    request->method = DOTS_GET;
    request->observe = 0;
    request->content_format = request->accept = request->hop_limit = -1;
    request->path_count = observer->path_count;
    request->query_count = observer->query_count;
    for (size_t i = 0; i < observer->path_count; i++, n++) {
        request->path[i] = (struct dots_option){.at = at, .length = observer->lengths[n]};
        at += observer->lengths[n];
    }
    for (size_t i = 0; i < observer->query_count; i++, n++) {
        request->query[i] = (struct dots_option){.at = at, .length = observer->lengths[n]};
        at += observer->lengths[n];
    }
}

/* False: the session went down meanwhile, and the observer with it. */
static bool send_body(struct south_observer *observer, const uint8_t *body, size_t length, int64_t max_age)
{
    struct south_session *session = observer->session;
    struct dots_token token = observer->key.token;
    struct dots_request request;
    struct dots_response response = {
        .code = DOTS_CODE(2, 5),
        .content_format = DOTS_CONTENT_FORMAT,
        .max_age = max_age,
        .observe = (int32_t)south_observer_next(observer),
        .body = body,
        .body_length = length,
    };

    rebuild(observer, &request);
    observer->sent_ms = session->southbound->now();
    observer->urgent = false;
    dots_notify(session->session, &token, &request, &response);
    return !session->down;
}

/* A non-2.xx notification has no Observe option and ends the observation (RFC 7641 section 3.2). */
bool south_notify_end(struct south_observer *observer, uint8_t code, int32_t format, int64_t max_age,
                      const uint8_t *body, size_t length)
{
    struct south_session *session = observer->session;
    struct dots_token token = observer->key.token;
    struct dots_request request;
    struct dots_response response = {
        .code = code,
        .content_format = format,
        .max_age = max_age,
        .observe = -1,
        .body = body,
        .body_length = length,
    };

    rebuild(observer, &request);
    dots_notify(session->session, &token, &request, &response);
    if (!session->down)
        south_observe_end(session, &token);
    return !session->down;
}

static void send_end(struct south_observer *observer, uint8_t code, const char *text)
{
    south_notify_end(observer, code, -1, DOTS_NO_MAX_AGE, (const uint8_t *)text, strlen(text));
}

static void send_message(struct south_observer *observer, const struct wire_message *message, enum wire_status status,
                         bool active, int64_t max_age)
{
    size_t length;
    const uint8_t *body = south_encode(observer->session->southbound, message, &length);

    observer->shown = status;
    if (!body)
        send_end(observer, DOTS_CODE(5, 0), "the state is larger than this server sends; observe one mid at a time");
    else if (send_body(observer, body, length, max_age))
        schedule_periodic(observer, active);
}

static void send_mitigations(struct south_observer *observer)
{
    struct southbound *southbound = observer->session->southbound;
    const struct requester *requester = observer->watch->requester->requester;
    struct wire_message *message = NULL;
    bool active;
    uint64_t what = observer->watch->key.what;
    enum wire_status status = south_represent_status(southbound, requester, what, &active);
    uint8_t code = south_represent(southbound, requester, what, observer->content, &message);

    if (code == 0)
        send_message(observer, message, status, active, south_represent_max_age(southbound, active));
    else if (code == DOTS_CODE(5, 3))
        schedule_periodic(observer, true); /* out of memory: the next one tells */
    else
        send_end(observer, code, "no such mitigation any more");
    free(message);
}

static void send_config(struct south_observer *observer)
{
    struct southbound *southbound = observer->session->southbound;
    const struct south_negotiated *negotiated = observer->session->peer->negotiated;
    struct wire_message message = {.type = WIRE_SIGNAL_CONFIG};

    if (observer->has_sid && (!negotiated || negotiated->sid != observer->sid)) {
        send_end(observer, DOTS_CODE(4, 4), "sid: no longer in force");
        return;
    }
    south_parameters_describe(southbound->config, negotiated, &message.config);
    send_message(observer, &message, 0, false, southbound->config->session_config_max_age);
}

static void send_last(struct south_observer *observer)
{
    uint8_t *body = observer->last;

    if (!body) {
        send_end(observer, DOTS_CODE(4, 4), "no such mitigation any more");
        return;
    }
    observer->last = NULL;
    if (send_body(observer, body, observer->last_length, 0))
        mark(observer, true);
    free(body);
}

void south_notify_pump(struct south_session *session)
{
    struct southbound *southbound = session->southbound;
    struct south_observer *observer = session->urgent ? session->urgent : session->ordinary;

    if (!observer)
        return;
    if (session->ordinary && session->was_urgent)
        observer = session->ordinary;
    session->was_urgent = observer == session->urgent;
    south_session_ref(session);
    session->notify_after_ms =
        southbound->now() + south_notify_pace(session->client->config->supplies_cdid, session->rtt_ms);
    south_notify_unqueue(observer);
    if (!observer->watch)
        send_last(observer);
    else if (observer->watch->key.what == SOUTH_WATCH_CONFIG)
        send_config(observer);
    else
        send_mitigations(observer);
    if (!session->down && (session->urgent || session->ordinary))
        south_timer_set(southbound, &session->pump, session->notify_after_ms);
    south_session_unref(session);
}

/* ---- What changed ---- */

void south_notify_watch(struct southbound *southbound, const void *owner, uint64_t what, enum wire_status status)
{
    struct south_watch *watch = south_watch_find(southbound, owner, what);
    struct south_observer *observer;

    if (!watch)
        return;
    DL_FOREACH2(watch->observers, observer, watch_next)
    mark(observer, what > UINT32_MAX || observer->shown != status);
}

/* What an observer was not told yet, kept for it. */
static void keep_last(struct south_observer *observer, const struct mitigation *mitigation)
{
    struct southbound *southbound = observer->session->southbound;
    struct wire_scope scope;
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    const uint8_t *body;
    size_t length;

    mitigation_represent(mitigation, southbound->now(), observer->content, &scope);
    body = south_encode(southbound, &message, &length);
    observer->last = body ? malloc(length) : NULL;
    if (!observer->last)
        return;
    memcpy(observer->last, body, length);
    observer->last_length = length;
}

void south_notify_gone(struct southbound *southbound, struct south_watch *watch, const struct mitigation *mitigation)
{
    struct south_observer *observer = watch->observers;
    struct wire_scope scope = {0};

    if (mitigation)
        mitigation_represent(mitigation, southbound->now(), MITIGATION_NONCONFIG, &scope);
    while (observer) {
        struct south_observer *next = observer->watch_next;

        if (mitigation && scope.status != observer->shown)
            keep_last(observer, mitigation);
        south_observer_detach(observer); /* with the last one the watch goes */
        mark(observer, true);
        observer = next;
    }
}

/* ACLs that were changed during its mitigations (RFC 9133) are as they are, from now on. */
static void forget_switches(struct southbound *southbound, const struct requester *requester)
{
    struct catalog *catalog = southbound->aliases.catalog;
    struct catalog_client *client = catalog ? catalog_client_find(catalog, requester->cuid) : NULL;

    if (client && strcmp(client->cdid, requester->cdid) == 0)
        catalog_switches_forget(client);
}

void southbound_acls_changed(struct southbound *southbound, const char *cuid)
{
    struct catalog *catalog = southbound->aliases.catalog;
    struct catalog_client *client = catalog ? catalog_client_find(catalog, cuid) : NULL;
    const struct requester *requester =
        client && client->switched_now ? relay_requester_find(southbound->relay, client->cdid, cuid) : NULL;
    struct south_requester *ours = requester ? requester->user : NULL;
    struct south_watch *watch;
    struct south_observer *observer;

    if (!ours || southbound->closing)
        return;
    client->switched_now = false;
    DL_FOREACH(ours->watches, watch)
    {
        DL_FOREACH2(watch->observers, observer, watch_next)
        mark(observer, true);
    }
}

void southbound_changed(struct southbound *southbound, const struct mitigation *mitigation, bool gone)
{
    const struct requester *requester = mitigation_requester(mitigation);
    struct south_requester *ours = requester->user;
    uint32_t mid = mitigation_mid(mitigation);
    struct south_watch *watch;
    bool active;

    if (requester->active_count == 0)
        forget_switches(southbound, requester);
    if (!ours || southbound->closing)
        return;
    south_peer_follow(southbound, ours);
    if (!ours->watches)
        return;
    watch = south_watch_find(southbound, ours, mid);
    /* Its mid may be in use again before the last word about it is on disk. */
    if (watch && gone && !relay_mitigation_find(requester, mid))
        south_notify_gone(southbound, watch, mitigation);
    else if (watch)
        south_notify_watch(southbound, ours, mid, south_represent_status(southbound, requester, mid, &active));
    south_notify_watch(southbound, ours, SOUTH_WATCH_ALL, 0);
}
