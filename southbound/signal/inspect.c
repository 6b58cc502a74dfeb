/* inspect: sessions as operators see them. */

#include <stdlib.h>

#include "southbound/signal/signal.h"

struct southbound_walk {
    struct southbound *southbound; /* NULL: it is gone */
    struct south_session *next_session;
    struct southbound_walk *prev, *next;
};

/* Of the counters: those that stand as it does. */
static size_t *alike(const struct south_session *session)
{
    return &session->southbound->counters
                .sessions[session->standing][dots_session_transport(session->session) == DOTS_TCP];
}

void south_inspect_up(struct south_session *session)
{
    DL_APPEND2(session->southbound->sessions, session, all_prev, all_next);
    session->southbound->session_count++;
    ++*alike(session);
}

void south_inspect_stand(struct south_session *session, enum south_standing standing)
{
    --*alike(session);
    session->standing = standing;
    ++*alike(session);
}

const char *southbound_standing_name(unsigned standing)
{
    static const char *const names[SOUTH_STANDINGS] = {[SOUTH_SERVED] = "served",
                                                       [SOUTH_SURPLUS] = "surplus",
                                                       [SOUTH_UNKNOWN] = "unknown",
                                                       [SOUTH_PARTING] = "parting"};

    return names[standing];
}
_Static_assert(SOUTH_STANDINGS == SOUTHBOUND_STANDINGS, "counters of each standing");
_Static_assert(DOTS_HANDSHAKE_FAILURES <= SOUTHBOUND_FAILURES, "counters of each failure");

void south_inspect_down(struct south_session *session)
{
    struct southbound *southbound = session->southbound;
    struct southbound_walk *walk;

    DL_FOREACH(southbound->walks, walk)
    {
        if (walk->next_session == session)
            walk->next_session = session->all_next;
    }
    DL_DELETE2(southbound->sessions, session, all_prev, all_next);
    southbound->session_count--;
    --*alike(session);
}

void south_inspect_close(struct southbound *southbound)
{
    struct southbound_walk *walk, *next;

    DL_FOREACH_SAFE(southbound->walks, walk, next)
    {
        walk->southbound = NULL;
        walk->next_session = NULL;
    }
    southbound->walks = NULL;
}

struct southbound_walk *southbound_walk_begin(struct southbound *southbound)
{
    struct southbound_walk *walk = calloc(1, sizeof(*walk));

    if (!walk)
        return NULL;
    walk->southbound = southbound;
    walk->next_session = southbound->sessions;
    DL_APPEND(southbound->walks, walk);
    return walk;
}

void southbound_walk_end(struct southbound_walk *walk)
{
    if (walk && walk->southbound)
        DL_DELETE(walk->southbound->walks, walk);
    free(walk);
}

bool southbound_walk_next(struct southbound_walk *walk, struct southbound_session *out)
{
    struct south_session *session = walk->next_session;
    int64_t now;

    if (!session)
        return false;
    walk->next_session = session->all_next;
    now = session->southbound->now();
    *out = (struct southbound_session){
        .client = session->client ? session->client->config->name : NULL,
        .peer = dots_session_text(session->session),
        .transport = dots_session_transport(session->session) == DOTS_UDP ? "udp" : "tcp",
        .state = southbound_standing_name(session->standing),
        .deaf = session->deaf,
        .mitigating = session->peer && session->peer->active_requesters > 0,
        .up_ms = now - session->up_ms,
        .heard_ms = (int64_t)(uv_now(session->southbound->loop) - dots_session_heard(session->session)),
        .rtt_ms = session->rtt_ms,
        .observers = session->observer_count,
    };
    return true;
}

const struct southbound_counters *southbound_counters(struct southbound *southbound)
{
    southbound->counters.held = southbound->held_count;
    southbound->counters.resolving = southbound->put_count;
    return &southbound->counters;
}

int south_answer(struct dots_exchange *exchange, const struct dots_response *response)
{
    const struct south_session *session = dots_session_user(dots_exchange_session(exchange));

    if (session)
        session->southbound->counters.responses[(unsigned)dots_exchange_method(exchange) & 7][response->code]++;
    log_debug("answer", LOG_REQUEST " client %s: %d.%02d, %zu bytes", dots_exchange_number(exchange),
              session && session->client ? session->client->config->name : "unknown", DOTS_CODE_CLASS(response->code),
              DOTS_CODE_DETAIL(response->code), response->body_length);
    return dots_reply(exchange, response);
}
