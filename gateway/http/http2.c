/* http2: HTTP/2 (RFC 9113) on nghttp2: the life of a connection, and its deadlines. */
#include "gateway/http/http2.h"

#include <stdlib.h>

#define RESET_BURST 20000 /* nghttp2 counts those after the response too: flood.c is the bound that matters */
#define RESET_RATE 5000   /* a second */
#define CONTINUATIONS_MAX 8
#define SETTINGS_ENTRIES_MAX 32
#define ACKS_MAX 100 /* that we owe */
#define TABLE_MAX 4096

static int make_options(nghttp2_option **options)
{
    if (nghttp2_option_new(options) != 0)
        return -1;
    nghttp2_option_set_no_closed_streams(*options, 1);
    nghttp2_option_set_max_outbound_ack(*options, ACKS_MAX);
    nghttp2_option_set_max_settings(*options, SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_max_deflate_dynamic_table_size(*options, TABLE_MAX);
    nghttp2_option_set_stream_reset_rate_limit(*options, RESET_BURST, RESET_RATE);
    nghttp2_option_set_max_continuations(*options, CONTINUATIONS_MAX);
    return 0;
}

static int make_session(struct connection *connection, struct http2 *http2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;
    int done = -1;
    if (nghttp2_session_callbacks_new(&callbacks) == 0 && make_options(&options) == 0) {
        http2_set_receivers(callbacks);
        http2_set_senders(callbacks);
        done = nghttp2_session_server_new2(&http2->session, callbacks, connection, options);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    return done;
}

static int http2_open(struct connection *connection)
{
    const struct http_limits *limits = &connection->server->limits;
    struct http2 *http2 = calloc(1, sizeof *http2);
    if (http2 == NULL)
        return -1;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         limits->header_bytes < UINT32_MAX ? (uint32_t)limits->header_bytes : UINT32_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    http2->since = uv_now(connection->server->loop);
    flood_open(http2, http2->since);
    if (make_session(connection, http2) != 0 ||
        nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings, 3) != 0) {
        nghttp2_session_del(http2->session);
        free(http2);
        return -1;
    }
    connection->state = http2;
    connection_ready(connection); /* our SETTINGS do not wait for the client's */
    return 0;
}

static void http2_close(struct connection *connection)
{
    struct http2 *http2 = connection->state;
    nghttp2_session_del(http2->session);
    free(http2);
}

static bool http2_wants(const struct connection *connection)
{
    const struct http2 *http2 = connection->state;
    return !http2->terminated;
}

static bool http2_pending(const struct connection *connection)
{
    (void)connection;
    return false;
}

static int http2_receive(struct connection *connection, const uint8_t *data, size_t length)
{
    struct http2 *http2 = connection->state;
    ssize_t used = nghttp2_session_mem_recv(http2->session, data, length);
    if (used == NGHTTP2_ERR_FLOODED) {
        flood_calm(connection, "a flood of HTTP/2 control frames");
        return 0;
    }
    if (connection->exchanges != NULL)
        http2->since = uv_now(connection->server->loop);
    return used < 0 ? -1 : 0;
}

static int http2_proceed(struct connection *connection)
{
    (void)connection;
    return 0;
}

static bool http2_finished(const struct connection *connection)
{
    const struct http2 *http2 = connection->state;
    if (http2->terminated)
        return nghttp2_session_want_write(http2->session) == 0;
    return nghttp2_session_want_read(http2->session) == 0 && nghttp2_session_want_write(http2->session) == 0;
}

static int http2_ended(struct connection *connection)
{
    (void)connection;
    return -1;
}

static bool is_late(const struct http_exchange *exchange, uint64_t now)
{
    const struct http_limits *limits = &exchange->server->limits;
    unsigned time = exchange->in_body ? limits->body_ms : limits->header_ms;
    return !exchange->received && !exchange->answered && now - exchange->since >= time;
}

/* The client gives the stream no window (RFC 9113 section 10.5). An open stream with nothing queued waits for us. */
static bool is_stalled(struct http_exchange *exchange, uint64_t now)
{
    if (!exchange->submitted || exchange->deferred || exchange->sent_all ||
        now - exchange->since < exchange->server->limits.write_ms)
        return false;
    bool stalled = exchange->sent < PIECE;
    exchange->since = now;
    exchange->sent = 0;
    return stalled;
}

static int http2_tick(struct connection *connection, uint64_t now)
{
    struct http2 *http2 = connection->state;
    struct http_server *server = connection->server;
    if (http2->terminated)
        return 0;
    if (connection->exchanges == NULL && now - http2->since >= server->limits.idle_ms) {
        http2->terminated = true;
        nghttp2_session_terminate_session(http2->session, NGHTTP2_NO_ERROR);
        connection_ready(connection);
    }
    for (struct http_exchange *exchange = connection->exchanges; exchange != NULL; exchange = exchange->next) {
        if (exchange->sent_all && now - exchange->since >= LINGER_MS) {
            exchange->reset = true; /* what is left of the request is not wanted */
            exchange_wake(exchange);
        } else if (is_late(exchange, now)) {
            server->counters.too_slow++;
            if (!exchange->in_body) /* no other stream gets on before the end of this head */
                return -1;
            exchange_refuse(exchange, 408);
        } else if (is_stalled(exchange, now)) {
            server->counters.too_slow++;
            exchange->reset = true;
            exchange_wake(exchange);
        }
    }
    return 0;
}

static void http2_shutdown(struct connection *connection)
{
    struct http2 *http2 = connection->state;
    if (http2->terminated)
        return;
    if (connection->exchanges == NULL) {
        http2->terminated = true;
        nghttp2_session_terminate_session(http2->session, NGHTTP2_NO_ERROR);
        return;
    }
    /* Streams that are open end in order; later ones are ignored, and their client knows that it may try again. */
    nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(http2->session),
                          NGHTTP2_NO_ERROR, NULL, 0);
}

const struct protocol protocol_http2 = {
    .multiplexed = true,
    .open = http2_open,
    .wants = http2_wants,
    .pending = http2_pending,
    .receive = http2_receive,
    .proceed = http2_proceed,
    .produce = http2_produce,
    .finished = http2_finished,
    .ended = http2_ended,
    .tick = http2_tick,
    .shutdown = http2_shutdown,
    .close = http2_close,
};
