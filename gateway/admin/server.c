/* server: the control socket and the metrics port, from their opening to their end. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/state.h"

#define SOCKET_MODE 0660 /* the group of the gateway's user: who may operate it */
#define GRACE_MS 500

/* ---- Requests ---- */

static void on_control(void *arg, struct http_exchange *exchange, const struct http_request *request)
{
    struct admin *admin = arg;

    if (admin->ends)
        reply_error(exchange, 503, "the gateway is shutting down");
    else
        route_call(admin, exchange, request);
}

/* Who watches has gone, or is too slow; a request that the relay has is ended by its answer. */
static void on_control_gone(void *arg, struct http_exchange *exchange)
{
    watch_gone(arg, exchange);
}

static void on_metrics(void *arg, struct http_exchange *exchange, const struct http_request *request)
{
    web_call(arg, exchange, request);
}

static const struct http_handlers control_handlers = {.request = on_control, .gone = on_control_gone};
static const struct http_handlers metrics_handlers = {.request = on_metrics};

/* ---- Opening ---- */

static int open_control(struct admin *admin, char *error, size_t error_size)
{
    struct http_settings settings = {.name = "control socket",
                                     .limits = {.connections = 64, .body_bytes = ADMIN_BODY_MAX}};

    admin->control = http_open(admin->settings.loop, &settings, &control_handlers, admin, error, error_size);
    return admin->control
               ? http_listen_unix(admin->control, admin->settings.config->admin.socket, SOCKET_MODE, error, error_size)
               : -1;
}

/* "127.0.0.1:9646", "[::1]:9646": the configuration has checked it. */
static int open_metrics(struct admin *admin, char *error, size_t error_size)
{
    struct http_settings settings = {.name = "metrics",
                                     .limits = {.connections = 32, .connections_per_source = 16, .body_bytes = 1024}};
    const char *text = admin->settings.config->admin.metrics, *colon = strrchr(text, ':');
    bool brackets = *text == '[';
    char address[64];

    snprintf(address, sizeof(address), "%.*s", (int)(colon - text) - 2 * brackets, text + brackets);
    admin->metrics_local = strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
    admin->history = history_open(admin);
    if (!admin->history)
        return -1; /* the sentence is there */
    admin->metrics = http_open(admin->settings.loop, &settings, &metrics_handlers, admin, error, error_size);
    if (!admin->metrics)
        return -1;
    return http_listen_tcp(admin->metrics, address, (uint16_t)strtoul(colon + 1, NULL, 10), error, error_size) < 0 ? -1
                                                                                                                   : 0;
}

struct admin *admin_open(const struct admin_settings *settings, char *error, size_t error_size)
{
    struct admin *admin = calloc(1, sizeof(*admin));

    snprintf(error, error_size, "out of memory");
    if (!admin)
        return NULL;
    admin->settings = *settings;
    admin->started_ms = settings->now();
    TAILQ_INIT(&admin->held);
    if (watch_open(admin) != 0) {
        free(admin);
        return NULL;
    }
    if ((settings->config->admin.socket && open_control(admin, error, error_size) != 0) ||
        (settings->config->admin.metrics && open_metrics(admin, error, error_size) != 0)) {
        admin_close(admin, NULL, NULL);
        return NULL;
    }
    return admin;
}

/* ---- Closing ---- */

static void part_closed(void *arg)
{
    struct admin *admin = arg;
    void (*on_closed)(void *arg) = admin->on_closed;

    if (--admin->closing > 0)
        return;
    arg = admin->arg;
    uv_mutex_destroy(&admin->mutex);
    free(admin->events);
    free(admin);
    if (on_closed)
        on_closed(arg);
}

static void wake_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void admin_close(struct admin *admin, void (*on_closed)(void *arg), void *arg)
{
    if (!admin)
        return;
    admin->ends = true;
    admin->on_closed = on_closed;
    admin->arg = arg;
    admin->closing = 1;
    watch_close(admin, wake_closed);
    if (admin->history) {
        admin->closing++;
        history_close(admin->history, part_closed, admin);
    }
    if (admin->control) {
        admin->closing++;
        http_close(admin->control, GRACE_MS, part_closed, admin);
    }
    if (admin->metrics) {
        admin->closing++;
        http_close(admin->metrics, GRACE_MS, part_closed, admin);
    }
}
