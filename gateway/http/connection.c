/* connection: one peer, from accept to close, one bounded visit after the other. */
#include "gateway/http/private.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "gateway/log/log.h"

#define KEEPALIVE 60                    /* s */
#define DISCARDED_MAX ((size_t)1 << 20) /* bytes read and dropped while lingering */

void connection_doom(struct connection *connection)
{
    connection->doomed = true;
    connection_ready(connection);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct http_server *server = connection->server;
    buffer_free(&connection->raw);
    buffer_free(&connection->wire);
    buffer_free(&connection->sending);
    free(connection);
    server->counters.connections--;
    server_try_closed(server);
}

static void destroy(struct connection *connection)
{
    connection->closed = true;
    connection_unready(connection);
    while (connection->exchanges != NULL)
        exchange_detach(connection->exchanges);
    if (connection->protocol != NULL)
        connection->protocol->close(connection);
    SSL_free(connection->ssl);
    connection->ssl = NULL;
    *connection->back = connection->next;
    if (connection->next != NULL)
        connection->next->back = connection->back;
    source_leave(connection->server, connection);
    peer_unref(connection->peer);
    uv_close(&connection->uv.handle, on_closed);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)request, (void)status;
}

/* All is said. The peer gets time to read it: data of its own that nobody reads would have it reset instead. */
static void linger(struct connection *connection)
{
    connection->lingering = true;
    connection->since = uv_now(connection->server->loop);
    channel_goodbye(connection);
    if (channel_flush(connection) != 0 || connection->ended ||
        uv_shutdown(&connection->shutdown, &connection->uv.stream, on_shutdown) != 0)
        connection->doomed = true;
}

static void discard(struct connection *connection)
{
    connection->discarded += buffer_length(&connection->raw);
    buffer_free(&connection->raw);
    if (connection->ended || connection->discarded > DISCARDED_MAX)
        connection->doomed = true;
}

static void handshake_failed(struct connection *connection)
{
    struct http_server *server = connection->server;
    char why[128], note[LOG_NOTE];
    tls_failure(why, sizeof why);
    server->counters.handshakes_failed++;
    if (log_burst(&server->failed, LINES_MOST, (int64_t)uv_now(server->loop), note))
        log_info("http-handshake-failed", "%s: %s: TLS handshake failed: %s%s", server->name, connection->peer->text,
                 why, note);
    linger(connection); /* the alert still goes out */
}

static int start_protocol(struct connection *connection, const struct protocol *protocol)
{
    if (protocol->open(connection) != 0)
        return -1;
    connection->protocol = protocol;
    if (connection->server->closing)
        protocol->shutdown(connection);
    return 0;
}

static void shake_hands(struct connection *connection)
{
    SSL *ssl = connection->ssl;
    ERR_clear_error();
    int done = SSL_do_handshake(ssl);
    if (done == 1) {
        if (SSL_get_verify_result(ssl) == X509_V_OK)
            connection->peer->public.certificate = SSL_get1_peer_certificate(ssl);
        if (start_protocol(connection, tls_protocol(ssl)) != 0)
            connection->doomed = true;
        return;
    }
    int error = SSL_get_error(ssl, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        handshake_failed(connection);
    else if (connection->ended)
        connection->doomed = true;
}

static void tell_end(struct connection *connection)
{
    if (connection->end_told)
        return;
    connection->end_told = true;
    if (connection->protocol->ended(connection) != 0)
        connection->doomed = true;
}

static bool may_take(const struct connection *connection)
{
    return connection->protocol->wants(connection) &&
           buffer_length(&connection->sending) + buffer_length(&connection->wire) < WIRE_MAX;
}

static void take_input(struct connection *connection)
{
    static uint8_t plain[PIECE];
    const struct protocol *protocol = connection->protocol;
    if (protocol->pending(connection)) {
        if (protocol->proceed(connection) != 0)
            connection->doomed = true;
        return;
    }
    if (!may_take(connection))
        return;
    ssize_t got = channel_take(connection, plain);
    if (got > 0 && protocol->receive(connection, plain, (size_t)got) != 0)
        connection->doomed = true;
    if (got == -1 || (got == 0 && connection->ended && !channel_has_input(connection)))
        tell_end(connection);
    if (got < -1)
        connection->doomed = true;
}

/* True when there was something to say. */
static bool give_output(struct connection *connection)
{
    struct buffer plain = {0};
    if (connection->writing)
        return false;
    if (connection->protocol != NULL && connection->protocol->produce(connection, &plain) != 0)
        connection->doomed = true;
    bool said = buffer_length(&plain) > 0;
    if (said && channel_put(connection, &plain) != 0)
        connection->doomed = true;
    buffer_free(&plain);
    /* What a doomed connection had said before goes out as far as the socket takes it. */
    if (channel_flush(connection) != 0)
        connection->doomed = true;
    return said;
}

static void work(struct connection *connection)
{
    bool said = false;
    exchange_tell(connection);
    if (connection->protocol == NULL)
        shake_hands(connection);
    else
        take_input(connection);
    if (!connection->doomed && !connection->lingering)
        said = give_output(connection);
    if (connection->doomed || connection->lingering || connection->protocol == NULL)
        return;
    bool idle = !said && !connection->writing && buffer_length(&connection->wire) == 0;
    if (idle && connection->protocol->finished(connection)) {
        linger(connection);
        return;
    }
    bool more = connection->protocol->pending(connection) || connection->complete != NULL ||
                (channel_has_input(connection) && may_take(connection)) || (said && !connection->writing) ||
                (connection->ended && !connection->end_told && may_take(connection));
    if (more)
        connection_ready(connection);
}

void connection_visit(struct connection *connection)
{
    if (!connection->doomed && connection->lingering)
        discard(connection);
    else if (!connection->doomed)
        work(connection);
    if (connection->doomed)
        destroy(connection);
    else
        channel_read(connection, !connection->ended && buffer_length(&connection->raw) < RAW_MAX);
}

static bool reads_too_slowly(struct connection *connection, uint64_t now)
{
    size_t waiting = uv_stream_get_write_queue_size(&connection->uv.stream);
    if (!connection->writing || now - connection->window >= connection->server->limits.write_ms) {
        size_t taken = connection->taken + buffer_length(&connection->sending) - waiting;
        bool slow = connection->writing && taken < PIECE;
        connection->window = now;
        connection->taken = 0;
        return slow;
    }
    return false;
}

void connection_tick(struct connection *connection, uint64_t now)
{
    struct http_server *server = connection->server;
    if (connection->doomed)
        return;
    if (connection->lingering) {
        if (now - connection->since >= LINGER_MS)
            connection_doom(connection);
        return;
    }
    bool slow = reads_too_slowly(connection, now);
    if (connection->protocol == NULL)
        slow = slow || now - connection->since >= server->limits.header_ms;
    else if (connection->protocol->tick(connection, now) != 0)
        connection_doom(connection);
    if (slow) {
        char note[LOG_NOTE];
        server->counters.too_slow++;
        if (log_burst(&server->ended, LINES_MOST, (int64_t)now, note))
            log_info("http-too-slow", "%s: %s: closed: %s%s", server->name, connection->peer->text,
                     connection->protocol == NULL ? "no end of the TLS handshake" : "does not read what it asked for",
                     note);
        connection_doom(connection);
    }
}

void connection_shutdown(struct connection *connection)
{
    if (connection->protocol == NULL)
        connection->doomed = true;
    else
        connection->protocol->shutdown(connection);
    connection_ready(connection);
}

static void turn_away(struct http_server *server, const struct connection *connection)
{
    uint64_t now = uv_now(server->loop);
    server->counters.turned_away++;
    if (server->complained != 0 && now - server->complained < 60000)
        return;
    server->complained = now;
    log_warning("http-turned-away", "%s: %s: too many connections (%u of %u, %u from one address); closed",
                server->name, connection->peer != NULL ? connection->peer->text : "a client",
                server->counters.connections, server->limits.connections, server->limits.connections_per_source);
}

/* False: over a limit, or out of memory. */
static bool admit(struct connection *connection, bool local)
{
    struct http_server *server = connection->server;
    connection->peer = peer_new(&connection->uv.stream, server->tls != NULL);
    if (connection->peer == NULL)
        return false;
    if (server->counters.connections > server->limits.connections ||
        (!local && source_enter(server, connection, connection->peer->public.address) != 0)) {
        turn_away(server, connection);
        return false;
    }
    if (server->tls == NULL)
        return start_protocol(connection, &protocol_http1) == 0;
    connection->ssl = tls_accept(server->tls, connection);
    return connection->ssl != NULL;
}

int connection_accept(struct http_server *server, uv_stream_t *listener, bool local)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return -1;
    connection->server = server;
    connection->complete_tail = &connection->complete;
    connection->since = connection->window = uv_now(server->loop);
    int done =
        local ? uv_pipe_init(server->loop, &connection->uv.pipe, 0) : uv_tcp_init(server->loop, &connection->uv.tcp);
    if (done != 0) {
        free(connection);
        return -1;
    }
    connection->uv.handle.data = connection;
    connection->next = server->connections;
    connection->back = &server->connections;
    if (connection->next != NULL)
        connection->next->back = &connection->next;
    server->connections = connection;
    server->counters.connections++;
    if (uv_accept(listener, &connection->uv.stream) != 0 || !admit(connection, local)) {
        destroy(connection);
        return 0;
    }
    server->counters.accepted++;
    if (!local) {
        uv_tcp_nodelay(&connection->uv.tcp, 1);
        uv_tcp_keepalive(&connection->uv.tcp, 1, KEEPALIVE); /* a watcher that is cut off is noticed */
    }
    turn_start_tick(server);
    channel_read(connection, true);
    return 0;
}
