/* watch: events, as they happen, to everyone who watches. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/state.h"

static void watcher_end(struct admin *admin, struct watcher *watcher)
{
    TAILQ_REMOVE(&admin->watchers, watcher, entry);
    admin->watcher_count--;
    http_stream_end(watcher->exchange);
    free(watcher);
}

/* Any thread. */
static void queue(struct admin *admin, json_t *event)
{
    char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    size_t length = text ? strlen(text) : 0;
    bool first = false;

    json_decref(event);
    uv_mutex_lock(&admin->mutex);
    if (!text || admin->events_length + length + 1 > ADMIN_EVENTS_MAX) {
        admin->events_lost++;
    } else {
        first = admin->events_length == 0;
        memcpy(admin->events + admin->events_length, text, length);
        admin->events[admin->events_length + length] = '\n';
        admin->events_length += length + 1;
    }
    uv_mutex_unlock(&admin->mutex);
    free(text);
    if (first)
        uv_async_send(&admin->wake);
}

static void on_log(void *arg, enum log_level level, const char *event, const char *message)
{
    static const char *const levels[] = {[LOG_LEVEL_ERROR] = "error",
                                         [LOG_LEVEL_WARNING] = "warning",
                                         [LOG_LEVEL_NOTICE] = "notice",
                                         [LOG_LEVEL_INFO] = "info",
                                         [LOG_LEVEL_DEBUG] = "debug"};

    queue(arg, json_pack("{s:s, s:s, s:s}", "event", event, "level", levels[level], "message", message));
}

void admin_changed(struct admin *admin, const struct mitigation *mitigation, bool gone)
{
    const struct requester *requester = mitigation_requester(mitigation);
    struct wire_scope scope;

    if (!admin || !admin->watcher_count || admin->ends)
        return;
    mitigation_represent(mitigation, admin->settings.now(), MITIGATION_NONCONFIG, &scope);
    queue(admin, json_pack("{s:s, s:s, s:s, s:I, s:s}", "event", gone ? "mitigation-gone" : "mitigation", "client",
                           requester->client, "cuid", requester->cuid, "mid", (json_int_t)mitigation_mid(mitigation),
                           "status", scope.status ? wire_status_name(scope.status) : "inactive"));
}

/* On a turn of its own, never from inside of who logged. */
static void deliver(uv_async_t *wake)
{
    struct admin *admin = wake->data;
    struct watcher *watcher, *next;
    char *events = NULL, lost[80] = "";
    size_t length;

    uv_mutex_lock(&admin->mutex);
    length = admin->events_length;
    if (length && (events = malloc(length)))
        memcpy(events, admin->events, length);
    if (admin->events_lost)
        snprintf(lost, sizeof(lost), "{\"event\":\"events-lost\",\"count\":%llu}\n",
                 (unsigned long long)admin->events_lost);
    admin->events_length = 0;
    admin->events_lost = 0;
    uv_mutex_unlock(&admin->mutex);
    for (watcher = TAILQ_FIRST(&admin->watchers); events && watcher; watcher = next) {
        next = TAILQ_NEXT(watcher, entry);
        http_stream_write(watcher->exchange, events, length); /* who is gone is told of by handlers->gone */
        if (*lost)
            http_stream_write(watcher->exchange, lost, strlen(lost));
    }
    free(events);
}

static void listen_or_not(struct admin *admin)
{
    log_observe(admin->watcher_count ? on_log : NULL, admin);
}

void watch_begin(struct call *call)
{
    static const struct http_header header[] = {{"content-type", "application/x-ndjson"},
                                                {"cache-control", "no-store"}};
    static const char hello[] = "{\"event\":\"watching\"}\n";
    struct admin *admin = call->admin;
    struct watcher *watcher = admin->watcher_count < ADMIN_WATCHERS_MAX ? calloc(1, sizeof(*watcher)) : NULL;

    if (!watcher) {
        reply_error(call->exchange, 503, "%u watch already, or memory is short", ADMIN_WATCHERS_MAX);
        return;
    }
    watcher->exchange = call->exchange;
    TAILQ_INSERT_TAIL(&admin->watchers, watcher, entry);
    admin->watcher_count++;
    http_stream_begin(call->exchange, 200, header, 2);
    http_stream_write(call->exchange, hello, sizeof(hello) - 1);
    listen_or_not(admin);
}

void watch_gone(struct admin *admin, struct http_exchange *exchange)
{
    struct watcher *watcher;

    TAILQ_FOREACH(watcher, &admin->watchers, entry)
    {
        if (watcher->exchange == exchange) {
            watcher_end(admin, watcher);
            break;
        }
    }
    listen_or_not(admin);
}

int watch_open(struct admin *admin)
{
    TAILQ_INIT(&admin->watchers);
    admin->events = malloc(ADMIN_EVENTS_MAX);
    if (!admin->events)
        return -1;
    uv_mutex_init(&admin->mutex);
    uv_async_init(admin->settings.loop, &admin->wake, deliver);
    admin->wake.data = admin;
    return 0;
}

void watch_close(struct admin *admin, uv_close_cb closed)
{
    struct watcher *watcher, *next;

    log_observe(NULL, NULL);
    for (watcher = TAILQ_FIRST(&admin->watchers); watcher; watcher = next) {
        next = TAILQ_NEXT(watcher, entry);
        watcher_end(admin, watcher);
    }
    uv_close((uv_handle_t *)&admin->wake, closed);
}
