/*
 * driver: libcoap's epoll descriptor on the loop.
 *
 * coap_io_do_epoll() reads one datagram for each event and ends in a walk over every session, so a
 * ready UDP listener is handed over several times in one call: twice as many as long as datagrams
 * are left after it, half as many when none are. Listeners only: their object lives as long as the
 * endpoint, and a surplus read of one does nothing. Events of other sockets are never repeated.
 * The walk is put off with many sessions: see walk.c.
 */
#include "gateway/coap/private.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "gateway/coap/blockwise.h"
#include "gateway/log/log.h"

#define EVENTS_MAX 256
#define BATCH_MAX 256
#define REPEATED_MAX 512
#define TICK 1000 /* ms */

#define LIBCOAP_ERRORS 3 /* levels of syslog(3), which both versions number alike */
#define LIBCOAP_WARNINGS 4
#define LIBCOAP_INFO 6

static _Thread_local struct {
    char *text; /* NULL: nobody asks */
    size_t size;
} last_warning;

static void on_log(coap_log_t level, const char *message)
{
    resets_log(message);
    if (last_warning.text != NULL && (int)level <= LIBCOAP_WARNINGS)
        snprintf(last_warning.text, last_warning.size, "%.*s", (int)strcspn(message, "\n"), message);
    if ((int)level > LIBCOAP_INFO || strstr(message, "Resource temporarily unavailable") != NULL ||
        strstr(message, "read failed") != NULL)
        return; /* surplus reads */
    size_t length = strcspn(message, "\n");
    log_debug("libcoap", "%.*s", (int)length, message);
}

static void set_log_level(void)
{
    int level = log_enabled(LOG_LEVEL_DEBUG) ? LIBCOAP_INFO : LIBCOAP_ERRORS;
    coap_set_log_level((coap_log_t)level);
}

/* What libcoap warns of until the next call with NULL: it returns no errors, and 4.3.4 leaves no errno. */
void driver_keep_warning(char *text, size_t size)
{
    last_warning.text = text;
    last_warning.size = size;
    if (text != NULL) {
        text[0] = '\0';
        coap_set_log_level((coap_log_t)LIBCOAP_WARNINGS);
    } else {
        set_log_level();
    }
}

/* How many of them are UDP listeners. */
static unsigned listeners_ready(const struct dots_endpoint *endpoint, const struct epoll_event *events, size_t count)
{
    unsigned ready = 0;
    for (size_t i = 0; i < count; i++)
        ready += listen_is_datagram(endpoint, events[i].data.ptr);
    return ready;
}

/* Appends the events of UDP listeners so that together they are there endpoint->batch times. */
static size_t repeat(const struct dots_endpoint *endpoint, struct epoll_event *events, size_t count, unsigned ready)
{
    size_t all = count;
    unsigned each = (endpoint->batch + ready - 1) / ready;
    for (size_t i = 0; i < count; i++) {
        if (!listen_is_datagram(endpoint, events[i].data.ptr))
            continue;
        for (unsigned k = 1; k < each && all < EVENTS_MAX + REPEATED_MAX; k++)
            events[all++] = events[i];
    }
    return all;
}

static void adapt(struct dots_endpoint *endpoint, int descriptor)
{
    struct epoll_event left[EVENTS_MAX];
    int count = epoll_wait(descriptor, left, EVENTS_MAX, 0);
    if (count > 0 && listeners_ready(endpoint, left, (size_t)count) > 0)
        endpoint->batch = endpoint->batch * 2 < BATCH_MAX ? endpoint->batch * 2 : BATCH_MAX;
    else if (endpoint->batch > 1)
        endpoint->batch /= 2;
}

static void turn(struct dots_endpoint *endpoint)
{
    int descriptor = coap_context_get_coap_fd(endpoint->context);
    struct epoll_event events[EVENTS_MAX + REPEATED_MAX];
    int count = epoll_wait(descriptor, events, EVENTS_MAX, 0);
    if (count <= 0)
        return;
    unsigned datagrams = listeners_ready(endpoint, events, (size_t)count);
    size_t all = datagrams > 0 ? repeat(endpoint, events, (size_t)count, datagrams) : (size_t)count;
    set_log_level();
    const char *outer = hop_limit_enter(endpoint->name);
    resets_reading(endpoint);
    gate_enter(endpoint);
    walk_enter(endpoint);
    endpoint->turning = true;
    coap_io_do_epoll(endpoint->context, events, all);
    endpoint->turning = false;
    walk_leave();
    gate_leave();
    resets_reading(NULL);
    hop_limit_leave(outer);
    endpoint->reading = NULL;
    walk_soon(endpoint);
    if (datagrams > 0)
        adapt(endpoint, descriptor);
    session_settle(endpoint);
}

static void on_ready(uv_poll_t *poll, int status, int readable)
{
    (void)status, (void)readable;
    turn(poll->data);
}

/* An idle handle, so that the loop does not block in poll before this has run. */
static void on_later(uv_idle_t *later)
{
    struct dots_endpoint *endpoint = later->data;
    uv_idle_stop(later);
    session_settle(endpoint);
    set_log_level();
    walk_soon(endpoint);
    if (endpoint->due != NULL)
        uv_idle_start(later, on_later);
    else if (endpoint->closing && endpoint->sessions == NULL)
        driver_close(endpoint);
}

static void visit(struct dots_session *session, uint64_t now)
{
    blockwise_expire(session, now);
    anew_ask(session, now);
}

static void on_tick(uv_timer_t *tick)
{
    struct dots_endpoint *endpoint = tick->data;
    uint64_t now = uv_now(endpoint->loop);
    struct dots_session *next;
    for (struct dots_session *session = endpoint->watched; session != NULL; session = next) {
        next = session->links[LIST_WATCHED].next;
        if (session->announced)
            visit(session, now);
        else if (now - session->started > COAP_HANDSHAKE_TIMEOUT)
            session_end(session, DOTS_DOWN_HANDSHAKE, "no answer: the handshake took too long");
    }
    handshake_expire(endpoint, now);
    if (endpoint->watched == NULL && endpoint->underway == NULL)
        uv_timer_stop(tick);
}

void driver_watch(struct dots_endpoint *endpoint)
{
    if (!uv_is_active((uv_handle_t *)&endpoint->tick))
        uv_timer_start(&endpoint->tick, on_tick, TICK, TICK);
}

void driver_wake(struct dots_endpoint *endpoint)
{
    uv_idle_start(&endpoint->later, on_later);
}

/* libcoap takes new DTLS handshakes and freed sessions into account when its timers are looked at. */
void driver_refresh(struct dots_endpoint *endpoint)
{
    endpoint->stale = true;
    driver_wake(endpoint);
}

int driver_open(struct dots_endpoint *endpoint)
{
    coap_set_log_handler(on_log);
    endpoint->batch = 1;
    uv_idle_init(endpoint->loop, &endpoint->later);
    uv_timer_init(endpoint->loop, &endpoint->tick);
    uv_timer_init(endpoint->loop, &endpoint->walk);
    endpoint->handles = 3;
    endpoint->later.data = endpoint->tick.data = endpoint->walk.data = endpoint->ready.data = endpoint;
    if (uv_poll_init(endpoint->loop, &endpoint->ready, coap_context_get_coap_fd(endpoint->context)) != 0)
        return -1;
    endpoint->handles = 4;
    return uv_poll_start(&endpoint->ready, UV_READABLE, on_ready);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct dots_endpoint *endpoint = handle->data;
    if (--endpoint->handles == 0)
        endpoint_free(endpoint);
}

/* The rest follows when the loop has let go of the handles. */
void driver_close(struct dots_endpoint *endpoint)
{
    if (endpoint->handles == 4) {
        uv_poll_stop(&endpoint->ready);
        uv_close((uv_handle_t *)&endpoint->ready, on_handle_closed);
    }
    uv_close((uv_handle_t *)&endpoint->later, on_handle_closed);
    uv_close((uv_handle_t *)&endpoint->tick, on_handle_closed);
    uv_close((uv_handle_t *)&endpoint->walk, on_handle_closed);
    coap_free_context(endpoint->context);
    endpoint->context = NULL;
}
