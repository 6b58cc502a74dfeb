/* The played world's time, events and names: libuv's clock, timers and look-ups, replaced at link time. */
#pragma once

#include <arpa/inet.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "gateway/coap/coap.h"
#include "gateway/wire/wire.h"

#define FAKE_SENT_MAX 20000

enum fake_way { FAKE_SILENT, FAKE_UP, FAKE_REFUSED };

struct dots_endpoint {
    const struct dots_handlers *handlers;
    void *arg;
};

struct dots_resumption {
    unsigned used;
};

struct dots_session {
    struct dots_endpoint *endpoint;
    struct sockaddr_storage address;
    enum dots_transport transport;
    char host[256], text[80];
    void *user;
    unsigned references;
    bool up, closed, told_down;
    uint64_t heard;
    struct dots_resumption *resumption;
    struct dots_transmission transmission;
    uint64_t connected_at;
    struct dots_session *next;
};

struct fake_sent {
    uint64_t at;
    struct dots_session *session; /* only to compare, and as long as it lives */
    char host[256], text[80];
    struct dots_token token;
    enum dots_method method;
    char path[512], query[64];
    bool confirmable, if_match;
    int32_t observe, hop_limit, content_format;
    uint8_t *body;
    size_t body_length;
};

/* Those of a session first. */
enum fake_event_kind { FAKE_EVENT_UP, FAKE_EVENT_DOWN, FAKE_EVENT_RESPONSE, FAKE_EVENT_LOOKUP, FAKE_EVENT_CLOSED };

struct fake_event {
    uint64_t at, order;
    enum fake_event_kind kind;
    struct dots_session *session;
    bool dead; /* the session is gone */
    enum dots_down reason;
    char text[128];
    struct dots_token token;
    struct dots_response response;
    uint8_t body[65536];
    uv_getaddrinfo_t *lookup;
    uv_getaddrinfo_cb looked_up;
    uv_handle_t *handle;
    uv_close_cb closed;
    struct fake_event *next;
};

struct fake_timer {
    uv_timer_t *handle;
    uv_timer_cb callback;
    uint64_t at, order;
};

static struct {
    uint64_t now, order;
    uv_loop_t loop;
    struct fake_timer timers[4096];
    size_t timer_count;
    struct fake_event *events;
    struct dots_session *sessions;
    struct {
        char address[64];
        enum dots_transport transport;
        enum fake_way way;
        uint64_t delay;
    } paths[64];
    size_t path_count;
    struct {
        char name[256], addresses[4][64];
        size_t count;
        uint64_t delay;
        bool fails;
    } names[16];
    size_t name_count, lookups;
    struct fake_sent sent[FAKE_SENT_MAX];
    size_t sent_count;
    size_t message_max;                           /* requests with a larger body do not fit a datagram */
    void (*server)(const struct fake_sent *sent); /* NULL: silent */
    unsigned resets;                              /* responses nobody wanted */
    struct dots_response reply;                   /* last answer to a request of the server */
    bool replied;
} fake;

/* ---- libuv, as far as northbound uses it ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return fake.now;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
    memset(handle, 0, sizeof(*handle));
    handle->loop = loop;
    return 0;
}

int uv_timer_stop(uv_timer_t *handle)
{
    for (size_t i = 0; i < fake.timer_count; i++) {
        if (fake.timers[i].handle == handle) {
            fake.timers[i] = fake.timers[--fake.timer_count];
            break;
        }
    }
    return 0;
}

int uv_timer_start(uv_timer_t *handle, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
    assert_int_equal(repeat, 0);
    uv_timer_stop(handle);
    assert_true(fake.timer_count < sizeof(fake.timers) / sizeof(fake.timers[0]));
    fake.timers[fake.timer_count++] =
        (struct fake_timer){.handle = handle, .callback = callback, .at = fake.now + timeout, .order = fake.order++};
    return 0;
}

static struct fake_event *fake_event(enum fake_event_kind kind, uint64_t delay)
{
    struct fake_event *event = calloc(1, sizeof(*event));

    assert_non_null(event);
    event->kind = kind;
    event->at = fake.now + delay;
    event->order = fake.order++;
    event->next = fake.events;
    fake.events = event;
    return event;
}

void uv_close(uv_handle_t *handle, uv_close_cb callback)
{
    struct fake_event *event = fake_event(FAKE_EVENT_CLOSED, 0);

    uv_timer_stop((uv_timer_t *)handle);
    event->handle = handle;
    event->closed = callback;
}

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback, const char *node,
                   const char *service, const struct addrinfo *hints)
{
    (void)loop, (void)service, (void)hints;
    fake.lookups++;
    for (size_t i = 0; i < fake.name_count; i++) {
        if (strcmp(fake.names[i].name, node) != 0)
            continue;
        struct fake_event *event = fake_event(FAKE_EVENT_LOOKUP, fake.names[i].delay);

        event->lookup = request;
        event->looked_up = callback;
        event->order = event->order << 8 | i; /* which name: looked up again when it fires */
        return 0;
    }
    return UV_EAI_NONAME;
}

int uv_cancel(uv_req_t *request)
{
    (void)request;
    return UV_EBUSY;
}

void uv_freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;

        free(list->ai_addr);
        free(list);
        list = next;
    }
}

/* ---- The world ---- */

static void fake_path(const char *address, enum dots_transport transport, enum fake_way way, uint64_t delay)
{
    size_t i = 0;

    while (i < fake.path_count && (strcmp(fake.paths[i].address, address) != 0 || fake.paths[i].transport != transport))
        i++;
    if (i == fake.path_count)
        fake.path_count++;
    snprintf(fake.paths[i].address, sizeof(fake.paths[i].address), "%s", address);
    fake.paths[i].transport = transport;
    fake.paths[i].way = way;
    fake.paths[i].delay = delay;
}

static __attribute__((unused)) size_t fake_name(const char *name, const char *address, uint64_t delay)
{
    size_t i = fake.name_count++;

    snprintf(fake.names[i].name, sizeof(fake.names[i].name), "%s", name);
    snprintf(fake.names[i].addresses[fake.names[i].count++], 64, "%s", address);
    fake.names[i].delay = delay;
    return i;
}

static void fake_looked_up(struct fake_event *event)
{
    size_t index = event->order & 0xff;
    struct addrinfo *list = NULL;

    for (size_t i = fake.names[index].count; !fake.names[index].fails && i-- > 0;) {
        struct addrinfo *info = calloc(1, sizeof(*info));
        struct sockaddr_in *address = calloc(1, sizeof(*address));

        assert_non_null(info);
        assert_non_null(address);
        address->sin_family = AF_INET;
        inet_pton(AF_INET, fake.names[index].addresses[i], &address->sin_addr);
        info->ai_family = AF_INET;
        info->ai_addr = (struct sockaddr *)address;
        info->ai_addrlen = sizeof(*address);
        info->ai_next = list;
        list = info;
    }
    event->looked_up(event->lookup, list ? 0 : UV_EAI_NONAME, list);
}

static void fake_fire(struct fake_event *event)
{
    struct dots_session *session = event->session;
    const struct dots_handlers *handlers = session ? session->endpoint->handlers : NULL;

    if (event->dead || (!session && event->kind < FAKE_EVENT_LOOKUP))
        return;
    switch (event->kind) {
    case FAKE_EVENT_UP:
        if (session->closed || session->told_down)
            break;
        session->up = true;
        session->heard = fake.now;
        handlers->up(session->endpoint->arg, session);
        break;
    case FAKE_EVENT_DOWN:
        if (session->told_down)
            break;
        session->references++;
        session->told_down = true;
        handlers->down(session->endpoint->arg, session, event->reason, event->text);
        dots_session_unref(session);
        break;
    case FAKE_EVENT_RESPONSE:
        if (session->closed || session->told_down || !session->up)
            break;
        session->heard = fake.now;
        event->response.body = event->response.body_length ? event->body : NULL;
        if (!handlers->response(session->endpoint->arg, session, &event->token, &event->response))
            fake.resets++;
        break;
    case FAKE_EVENT_LOOKUP:
        fake_looked_up(event);
        break;
    case FAKE_EVENT_CLOSED:
        event->closed(event->handle);
        break;
    }
}

static bool fake_step(uint64_t limit)
{
    struct fake_event **first = NULL;
    struct fake_timer *timer = NULL;

    for (struct fake_event **at = &fake.events; *at; at = &(*at)->next) {
        if (!first || (*at)->at < (*first)->at || ((*at)->at == (*first)->at && (*at)->order < (*first)->order))
            first = at;
    }
    for (size_t i = 0; i < fake.timer_count; i++) {
        if (!timer || fake.timers[i].at < timer->at ||
            (fake.timers[i].at == timer->at && fake.timers[i].order < timer->order))
            timer = &fake.timers[i];
    }
    if (first && (!timer || (*first)->at <= timer->at)) {
        struct fake_event *event = *first;

        if (event->at > limit)
            return false;
        *first = event->next;
        fake.now = event->at > fake.now ? event->at : fake.now;
        fake_fire(event);
        free(event);
        return true;
    }
    if (timer && timer->at <= limit) {
        struct fake_timer due = *timer;

        fake.now = due.at > fake.now ? due.at : fake.now;
        uv_timer_stop(due.handle);
        due.callback(due.handle);
        return true;
    }
    return false;
}

/* Lets time pass. A loop that never comes to rest is an error. */
static void fake_run(uint64_t ms)
{
    uint64_t limit = fake.now + ms;

    for (unsigned steps = 0; fake_step(limit); steps++)
        assert_true(steps < 2000000);
    fake.now = limit;
}

static void fake_reset(void)
{
    for (size_t i = 0; i < fake.sent_count; i++)
        free(fake.sent[i].body);
    while (fake.events) {
        struct fake_event *event = fake.events;

        fake.events = event->next;
        free(event);
    }
    memset(&fake, 0, sizeof(fake));
    fake.now = 1000000;
}

/* After everything was closed: nothing is left behind. */
static void fake_assert_empty(void)
{
    fake_run(100000);
    assert_int_equal(fake.timer_count, 0);
    assert_null(fake.sessions);
}
