/* southbound: opening, the one timer, closing. */

#include "southbound/signal/southbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "gateway/log/log.h"
#include "southbound/signal/signal.h"

#define TIMERS_A_TURN 256 /* more wait for the next turn of the loop */
#define SOURCES 16384     /* addresses whose rate is remembered */

/* ---- Time ---- */

static void arm(struct southbound *southbound);

static void run(struct southbound *southbound, struct south_timer *timer)
{
    switch (timer->kind) {
    case SOUTH_TIMER_SESSION:
        south_heartbeat_due((struct south_session *)((char *)timer - offsetof(struct south_session, timer)));
        break;
    case SOUTH_TIMER_PUMP:
        south_notify_pump((struct south_session *)((char *)timer - offsetof(struct south_session, pump)));
        break;
    case SOUTH_TIMER_OBSERVER:
        south_notify_observer_due((struct south_observer *)((char *)timer - offsetof(struct south_observer, timer)));
        break;
    case SOUTH_TIMER_PEER:
        south_peer_due(southbound, (struct south_peer *)((char *)timer - offsetof(struct south_peer, timer)));
        break;
    case SOUTH_TIMER_PUT:
        south_put_due(southbound, (struct south_put *)((char *)timer - offsetof(struct south_put, timer)));
        break;
    case SOUTH_TIMER_FOLLOW:
        south_peer_follow_due(southbound);
        break;
    case SOUTH_TIMER_REVIEW:
        south_review_due(southbound);
        break;
    }
}

static void due(uv_timer_t *handle)
{
    struct southbound *southbound = handle->data;

    southbound->armed_ms = SOUTH_NEVER;
    for (int i = 0; i < TIMERS_A_TURN && !southbound->closing; i++) {
        struct deadline *deadline = deadline_pop_due(southbound->timers, southbound->now());

        if (!deadline)
            break;
        run(southbound, (struct south_timer *)deadline);
    }
    arm(southbound);
}

static void arm(struct southbound *southbound)
{
    int64_t next = deadline_next(southbound->timers), now = southbound->now();

    if (southbound->closing || next < 0 || next >= southbound->armed_ms)
        return;
    southbound->armed_ms = next;
    uv_timer_start(&southbound->timer, due, next > now ? (uint64_t)(next - now) : 0, 0);
}

void south_timer_set(struct southbound *southbound, struct south_timer *timer, int64_t at_ms)
{
    if (southbound->closing)
        return;
    if (deadline_set(southbound->timers, &timer->deadline, at_ms) != 0)
        log_error("out-of-memory", "a deadline of a client's session was lost");
    arm(southbound);
}

void south_timer_cancel(struct southbound *southbound, struct south_timer *timer)
{
    deadline_cancel(southbound->timers, &timer->deadline);
}

int64_t south_jitter(struct southbound *southbound, int64_t period_ms)
{
    /* xorshift64: only spreads load. */
    southbound->random ^= southbound->random << 13;
    southbound->random ^= southbound->random >> 7;
    southbound->random ^= southbound->random << 17;
    return period_ms + (period_ms >= 10 ? (int64_t)(southbound->random % (uint64_t)(period_ms / 10)) : 0);
}

/* ---- The endpoint's view ---- */

static bool on_response(void *arg, struct dots_session *dots_session, const struct dots_token *token,
                        const struct dots_response *response)
{
    struct south_session *session = dots_session_user(dots_session);

    (void)arg;
    (void)response; /* whatever it says, the peer is there */
    return session && south_heartbeat_answered(session, token);
}

/* RFC 7641 section 3.6: a Reset ends the observation. */
static void on_nack(void *arg, struct dots_session *dots_session, const struct dots_token *token, enum dots_nack reason)
{
    struct south_session *session = dots_session_user(dots_session);

    (void)arg;
    if (session && reason == DOTS_NACK_RESET)
        south_observe_end(session, token);
}

static void on_handshake_failed(void *arg, const struct sockaddr *peer, enum dots_handshake_failure failure,
                                const char *text)
{
    struct southbound *southbound = arg;
    char address[INET6_ADDRSTRLEN] = "an unknown address";
    uint32_t left_out;

    southbound->counters.handshakes_failed[failure]++;
    if (!south_refusal_note(&southbound->refusals, southbound, 1, southbound->now(), &left_out))
        return;
    if (peer)
        uv_ip_name(peer, address, sizeof(address));
    log_notice("handshake-failed",
               "%s: %s; check that this client's key or PSK is right and that each side trusts the other's CA "
               "(%u more were not told)",
               address, text, left_out);
}

static const uint8_t *on_psk(void *arg, const char *identity, size_t length, size_t *key_length)
{
    struct southbound *southbound = arg;

    return south_clients_psk(southbound->clients, identity, length, key_length);
}

static const struct dots_handlers handlers = {
    .up = south_session_up,
    .down = south_session_down,
    .request = south_request,
    .response = on_response,
    .nack = on_nack,
    .handshake_failed = on_handshake_failed,
};

/* ---- Opening ---- */

static int open_endpoint(struct southbound *southbound, char *error, size_t error_size)
{
    const struct config *config = southbound->config;
    struct dots_endpoint_settings settings = {
        .handlers = &handlers,
        .arg = southbound,
        .name = config->gateway.name,
        .credentials = south_credentials(config),
        .psk_lookup = on_psk,
        .body_max = config->limits.body_size,
        .sessions_max = south_sessions_max(config),
        .handshakes_max = config->limits.handshakes,
        .handshakes_per_source = config->limits.handshakes_per_source,
    };

    southbound->endpoint = dots_endpoint_open(southbound->loop, &settings, error, error_size);
    return southbound->endpoint && south_listen(southbound, NULL, config, error, error_size) >= 0 ? 0 : -1;
}

struct southbound *southbound_open(uv_loop_t *loop, const struct config *config, struct relay *relay,
                                   struct store *store, int64_t (*now)(void), char *error, size_t error_size)
{
    struct southbound *southbound = calloc(1, sizeof(*southbound));

    snprintf(error, error_size, "out of memory");
    if (!southbound)
        return NULL;
    southbound->loop = loop;
    southbound->config = config;
    southbound->relay = relay;
    southbound->store = store;
    southbound->now = now;
    southbound->armed_ms = SOUTH_NEVER;
    southbound->follow.kind = SOUTH_TIMER_FOLLOW;
    southbound->review.kind = SOUTH_TIMER_REVIEW;
    if (getrandom(&southbound->random, sizeof(southbound->random), 0) != sizeof(southbound->random))
        southbound->random = 0;
    southbound->random |= 1;
    uv_timer_init(loop, &southbound->timer);
    southbound->timer.data = southbound;
    southbound->clients = south_clients_new(config);
    southbound->sources = south_sources_new(SOURCES, southbound->random);
    southbound->resolver = south_resolver_new(loop);
    southbound->timers = deadline_heap_new();
    if (!southbound->clients || !southbound->sources || !southbound->resolver || !southbound->timers)
        goto fail;
    /* Without a listener it is a plain DOTS client: nobody comes, and no credentials are needed. */
    if (south_listens(config) && open_endpoint(southbound, error, error_size) != 0)
        goto fail;
    return southbound;
fail:
    southbound_close(southbound, NULL, NULL);
    return NULL;
}

void southbound_use_aliases(struct southbound *southbound, const struct south_aliases *aliases)
{
    southbound->aliases = *aliases;
}

/* ---- Closing ---- */

static void free_rest(struct southbound *southbound)
{
    struct south_peer *peer = southbound->peers;

    for (struct south_held *held = southbound->held, *later; held; held = later) {
        later = held->next; /* a relay that never gave it back */
        free(held);
    }
    HASH_CLEAR(hh, southbound->peers);
    while (peer) {
        struct south_peer *next = peer->hh.next;

        south_client_unref(peer->client);
        free(peer->negotiated);
        free(peer);
        peer = next;
    }
}

static void let_go(struct southbound *southbound)
{
    if (--southbound->handles > 0)
        return;
    free_rest(southbound);
    deadline_heap_free(southbound->timers);
    south_clients_free(southbound->clients);
    south_sources_free(southbound->sources);
    free(southbound->body);
    if (southbound->on_closed)
        southbound->on_closed(southbound->on_closed_arg);
    free(southbound);
}

static void on_timer_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

static void on_endpoint_closed(void *arg)
{
    let_go(arg);
}

void southbound_close(struct southbound *southbound, void (*on_closed)(void *arg), void *arg)
{
    southbound->on_closed = on_closed;
    southbound->on_closed_arg = arg;
    south_inspect_close(southbound);
    south_puts_drop(southbound);
    south_held_close(southbound);
    southbound->closing = true;
    south_resolver_free(southbound->resolver);
    southbound->handles = 1;
    if (southbound->endpoint) {
        southbound->handles++;
        dots_endpoint_close(southbound->endpoint, on_endpoint_closed, southbound);
    }
    uv_close((uv_handle_t *)&southbound->timer, on_timer_closed);
}
