/*
 * http_fuzz: bytes of a client, in pieces, into one connection of HTTP/1.1 or HTTP/2 without a socket; its requests
 * are answered in all the ways there are, at once or later.
 */
/* links: http log */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/private.h"
#include "gateway/log/log.h"

#define HELD_MAX 64
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_server *server;
static struct http_exchange *held[HELD_MAX];
static size_t held_count;

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void check_request(const struct http_request *request)
{
    check(request->path[0] == '/' || strcmp(request->path, "*") == 0);
    check(strpbrk(request->path, " \r\n\t?#") == NULL);
    check(request->query == NULL || strpbrk(request->query, " \r\n\t#") == NULL);
    check(strpbrk(request->authority, " \r\n\t/@") == NULL);
    check(request->authority[0] != '\0' || request->version == 10);
    check(request->body_length <= server->limits.body_bytes && (request->body != NULL) == (request->body_length > 0));
    check(request->header_count <= server->limits.header_count);
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name;
        check(field_is_token(name, strlen(name)) && strpbrk(request->headers[i].value, "\r\n") == NULL);
        check(strcmp(name, "host") != 0 && strcmp(name, "transfer-encoding") != 0);
    }
}

static ssize_t make(void *arg, uint8_t *to, size_t size)
{
    (void)arg, (void)size;
    *to = 'x';
    return server->counters.requests % 3 == 0 ? 0 : server->counters.requests % 5 == 0 ? -1 : 1;
}

static void on_request(void *arg, struct http_exchange *exchange, const struct http_request *request)
{
    (void)arg;
    const struct http_source source = {.read = make};
    check_request(request);
    switch (strlen(request->path) % 6) {
    case 1:
        http_respond(exchange, 200, request->headers, request->header_count, request->body, request->body_length);
        return;
    case 2:
        http_respond_source(exchange, 200, NULL, 0, &source);
        return;
    case 3:
        http_drop(exchange);
        return;
    default:
        break;
    }
    if (held_count == HELD_MAX) {
        http_respond(exchange, 503, NULL, 0, NULL, 0);
        return;
    }
    if (strlen(request->path) % 6 == 4)
        http_stream_begin(exchange, 200, NULL, 0);
    held[held_count++] = exchange;
}

static const struct http_handlers handlers = {.request = on_request};

static void open_server(void)
{
    static const struct http_settings settings = {
        .limits = {.header_bytes = 1000, .header_count = 8, .body_bytes = 3000, .stream_queue = 300, .streams = 4}};
    char error[64];
    if (server != NULL)
        return;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    server = http_open(uv_default_loop(), &settings, &handlers, NULL, error, sizeof error);
    check(server != NULL);
}

static void answer_held(uint8_t how)
{
    if (held_count == 0)
        return;
    struct http_exchange *exchange = held[held_count - 1];
    if (exchange->outgoing.kind == OUTGOING_STREAM && how % 3 != 0) {
        http_stream_write(exchange, "some text of a stream, some text of a stream", how % 40);
        return;
    }
    held_count--;
    if (exchange->outgoing.kind == OUTGOING_STREAM)
        http_stream_end(exchange);
    else
        http_respond(exchange, how % 7 == 0 ? 204 : 200, NULL, 0, "answer", 6);
}

static bool produce(struct connection *connection)
{
    struct buffer out = {0};
    bool failed = connection->protocol->produce(connection, &out) != 0;
    bool said = buffer_length(&out) > 0;
    buffer_free(&out);
    return said && !failed;
}

/* One visit of a connection, without its channel. False: it is over. */
static bool visit(struct connection *connection, const uint8_t *data, size_t size)
{
    const struct protocol *protocol = connection->protocol;
    exchange_tell(connection);
    if (protocol->pending(connection) && protocol->proceed(connection) != 0)
        return false;
    if (size > 0 && !protocol->pending(connection) && protocol->wants(connection) &&
        protocol->receive(connection, data, size) != 0)
        return false;
    for (int i = 0; i < 4 && produce(connection); i++)
        ;
    return !connection->doomed && !protocol->finished(connection);
}

static void end(struct connection *connection)
{
    while (connection->exchanges != NULL)
        exchange_detach(connection->exchanges);
    connection->protocol->close(connection);
    connection_unready(connection);
    while (held_count > 0)
        http_drop(held[--held_count]);
    check(server->counters.memory == 0);
    check(server->references == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct peer peer = {.references = 1, .text = "fuzz"};
    struct connection connection = {.peer = &peer};
    if (size < 2)
        return 0;
    open_server();
    connection.server = server;
    connection.complete_tail = &connection.complete;
    connection.protocol = data[0] & 1 ? &protocol_http2 : &protocol_http1;
    check(connection.protocol->open(&connection) == 0);
    bool alive = true;
    if ((data[0] & 3) == 1)
        alive = visit(&connection, (const uint8_t *)PREFACE, sizeof PREFACE - 1);
    for (size_t at = 1; at < size && alive;) {
        uint8_t length = data[at++];
        size_t piece = length < 200 ? 4 * (size_t)length : 0;
        piece = piece < size - at ? piece : size - at;
        if (length >= 240)
            alive = connection.protocol->tick(&connection, uv_now(server->loop) + 1000ULL * (length - 239)) == 0;
        else if (length >= 200)
            answer_held(length);
        alive = alive && visit(&connection, data + at, piece);
        at += piece;
    }
    if (alive)
        connection.protocol->ended(&connection);
    end(&connection);
    return 0;
}
