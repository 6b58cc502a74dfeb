/*
 * channel: the bytes of a connection between its socket and its protocol, through TLS where there is.
 *
 * The callbacks of libuv only move bytes; all other work is done in visits. One write is under way at most.
 */
#include "gateway/http/private.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static uint8_t landing[PIECE]; /* where the socket is read to: a connection without input holds no memory for it */

static void on_space(uv_handle_t *handle, size_t suggested, uv_buf_t *space)
{
    (void)handle, (void)suggested;
    *space = uv_buf_init((char *)landing, sizeof landing);
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *space)
{
    struct connection *connection = stream->data;
    if (length == 0)
        return;
    if (length == UV_EOF) {
        connection->ended = true;
        channel_read(connection, false);
    } else if (length < 0 || buffer_append(&connection->raw, space->base, (size_t)length) != 0) {
        connection->doomed = true;
    } else if (buffer_length(&connection->raw) >= RAW_MAX) {
        channel_read(connection, false);
    }
    connection_ready(connection);
}

void channel_read(struct connection *connection, bool on)
{
    if (on == connection->reading || connection->closed)
        return;
    if (!on)
        uv_read_stop(&connection->uv.stream);
    else if (uv_read_start(&connection->uv.stream, on_space, on_read) != 0)
        connection_doom(connection);
    connection->reading = on;
}

bool channel_has_input(const struct connection *connection)
{
    return buffer_length(&connection->raw) > 0 || (connection->ssl != NULL && SSL_pending(connection->ssl) > 0);
}

static ssize_t take_plain(struct connection *connection, uint8_t *to)
{
    size_t there = buffer_length(&connection->raw);
    size_t taken = there < PIECE ? there : PIECE;
    if (taken > 0) {
        memcpy(to, buffer_bytes(&connection->raw), taken);
        buffer_consume(&connection->raw, taken);
    }
    return (ssize_t)taken;
}

ssize_t channel_take(struct connection *connection, uint8_t *to)
{
    if (connection->ssl == NULL)
        return take_plain(connection, to);
    ERR_clear_error();
    int got = SSL_read(connection->ssl, to, (int)PIECE);
    if (got > 0)
        return got;
    switch (SSL_get_error(connection->ssl, got)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return -1;
    default:
        ERR_clear_error();
        return -2;
    }
}

int channel_put(struct connection *connection, const struct buffer *plain)
{
    size_t length = buffer_length(plain);
    if (connection->ssl == NULL)
        return buffer_append(&connection->wire, buffer_bytes(plain), length);
    size_t written = 0;
    ERR_clear_error();
    /* What is written lands in memory: it is written whole or not at all. */
    if (SSL_write_ex(connection->ssl, buffer_bytes(plain), length, &written) != 1 || written != length) {
        ERR_clear_error();
        return -1;
    }
    return 0;
}

static void on_written(uv_write_t *request, int status)
{
    struct connection *connection = request->data;
    connection->writing = false;
    connection->taken += buffer_length(&connection->sending);
    buffer_free(&connection->sending);
    if (status != 0)
        connection->doomed = true;
    if (!connection->closed)
        connection_ready(connection);
}

static int write_rest(struct connection *connection)
{
    uv_buf_t bytes =
        uv_buf_init((char *)buffer_bytes(&connection->sending), (unsigned)buffer_length(&connection->sending));
    connection->write.data = connection;
    if (uv_write(&connection->write, &connection->uv.stream, &bytes, 1, on_written) != 0)
        return -1;
    connection->writing = true;
    return 0;
}

int channel_flush(struct connection *connection)
{
    if (connection->writing || buffer_length(&connection->wire) == 0)
        return 0;
    connection->sending = connection->wire;
    connection->wire = (struct buffer){0};
    uv_buf_t bytes =
        uv_buf_init((char *)buffer_bytes(&connection->sending), (unsigned)buffer_length(&connection->sending));
    int sent = uv_try_write(&connection->uv.stream, &bytes, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        return -1;
    if (sent > 0) {
        connection->taken += (size_t)sent;
        buffer_consume(&connection->sending, (size_t)sent);
    }
    if (buffer_length(&connection->sending) > 0)
        return write_rest(connection);
    connection->window = uv_now(connection->server->loop); /* nothing waits for the peer */
    connection->taken = 0;
    return 0;
}

void channel_goodbye(struct connection *connection)
{
    if (connection->ssl == NULL || !SSL_is_init_finished(connection->ssl))
        return;
    ERR_clear_error();
    SSL_shutdown(connection->ssl);
    ERR_clear_error();
}
