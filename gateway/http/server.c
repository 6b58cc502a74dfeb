/* server: settings, counters, opening and closing. */
#include "gateway/http/private.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/http/parser.h"
#include "gateway/log/log.h"

static const struct http_limits defaults = {
    .connections = 1024,
    .connections_per_source = 64,
    .streams = 32,
    .header_count = 100,
    .header_bytes = 16384,
    .body_bytes = 1 << 20,
    .memory = 256 << 20,
    .stream_queue = 256 << 10,
    .header_ms = 10000,
    .body_ms = 60000,
    .idle_ms = 60000,
    .write_ms = 30000,
    .turn_us = 1000,
};

#define DEFAULT(limit)                      \
    do {                                    \
        if (limits->limit == 0)             \
            limits->limit = defaults.limit; \
    } while (0)

static void set_defaults(struct http_limits *limits)
{
    DEFAULT(connections);
    DEFAULT(connections_per_source);
    DEFAULT(streams);
    DEFAULT(header_count);
    DEFAULT(header_bytes);
    DEFAULT(body_bytes);
    DEFAULT(memory);
    DEFAULT(stream_queue);
    DEFAULT(header_ms);
    DEFAULT(body_ms);
    DEFAULT(idle_ms);
    DEFAULT(write_ms);
    DEFAULT(turn_us);
}

static void server_free(struct http_server *server)
{
    SSL_CTX_free(server->tls);
    free(server->name);
    free(server);
}

struct http_server *http_open(uv_loop_t *loop, const struct http_settings *settings,
                              const struct http_handlers *handlers, void *arg, char *error, size_t error_size)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL || (server->name = strdup(settings->name != NULL ? settings->name : "http")) == NULL) {
        snprintf(error, error_size, "out of memory");
        free(server);
        return NULL;
    }
    server->loop = loop;
    server->handlers = handlers;
    server->arg = arg;
    server->limits = settings->limits;
    server->references = 1;
    set_defaults(&server->limits);
    if (settings->tls.certificate != NULL) {
        server->tls = tls_new(&settings->tls, error, error_size);
        if (server->tls == NULL) {
            server_free(server);
            return NULL;
        }
    }
    turn_open(server);
    return server;
}

struct http_material {
    SSL_CTX *tls;
};

int http_reload_tls(struct http_server *server, const struct http_tls *tls, char *error, size_t error_size)
{
    if (server->tls == NULL || tls->certificate == NULL) {
        snprintf(error, error_size, "%s: a listener cannot change between plain HTTP and HTTPS while it runs",
                 server->name);
        return -1;
    }
    struct http_material *material = http_material_load(tls, error, error_size);
    if (material == NULL)
        return -1;
    http_renew(server, material);
    http_material_free(material);
    return 0;
}

struct http_material *http_material_load(const struct http_tls *tls, char *error, size_t error_size)
{
    struct http_material *material = calloc(1, sizeof *material);
    if (material == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    material->tls = tls_new(tls, error, error_size);
    if (material->tls != NULL)
        return material;
    free(material);
    return NULL;
}

void http_renew(struct http_server *server, struct http_material *material)
{
    SSL_CTX *before = server->tls;
    server->tls = material->tls;
    material->tls = before; /* connections that are up hold it, too */
}

void http_material_free(struct http_material *material)
{
    if (material == NULL)
        return;
    SSL_CTX_free(material->tls);
    free(material);
}

void server_unref(struct http_server *server)
{
    if (--server->references == 0)
        server_free(server);
}

/* Once nothing of it is left on the loop; first the handles that connections need. */
void server_try_closed(struct http_server *server)
{
    if (!server->closing || server->counters.connections > 0)
        return;
    if (!server->told_closed) {
        server->told_closed = true;
        turn_close(server);
        return;
    }
    if (server->handles > 0)
        return;
    void (*on_closed)(void *arg) = server->on_closed;
    void *arg = server->on_closed_arg;
    server_unref(server);
    if (on_closed != NULL)
        on_closed(arg);
}

void http_close(struct http_server *server, unsigned grace_ms, void (*on_closed)(void *arg), void *arg)
{
    if (server->closing)
        return;
    server->closing = true;
    server->cut = uv_now(server->loop) + grace_ms;
    server->on_closed = on_closed;
    server->on_closed_arg = arg;
    listen_close_all(server);
    for (struct connection *connection = server->connections; connection != NULL; connection = connection->next)
        if (grace_ms == 0)
            connection_doom(connection);
        else
            connection_shutdown(connection);
    server_try_closed(server);
}

const struct http_counters *http_counters(const struct http_server *server)
{
    return &server->counters;
}

/* RFC 9110 section 5.6.7, made once a second; not strftime: its names follow the locale. */
const char *server_date(struct http_server *server)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = time(NULL);
    struct tm tm;
    if ((uint64_t)now != server->dated && gmtime_r(&now, &tm) != NULL) {
        server->dated = (uint64_t)now;
        snprintf(server->date, sizeof server->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7],
                 tm.tm_mday % 100, months[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000, tm.tm_hour % 100,
                 tm.tm_min % 100, tm.tm_sec % 100);
    }
    return server->date;
}

const char *http_versions(void)
{
    static char text[80];
    snprintf(text, sizeof text, "nghttp2 %s, %s", nghttp2_version(0)->version_str, parser_version());
    return text;
}
