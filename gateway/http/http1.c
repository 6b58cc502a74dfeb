/* http1: HTTP/1.1 (RFC 9112), the receiving half: one request after the other, the next once one is answered. */
#include "gateway/http/http1.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/http/parser.h"

#define EMPTY_LINES_MAX 2 /* RFC 9112 section 2.2 */

static int http1_open(struct connection *connection)
{
    struct http1 *http1 = calloc(1, sizeof *http1);
    if (http1 == NULL)
        return -1;
    http1->since = uv_now(connection->server->loop);
    connection->state = http1;
    return 0;
}

static void http1_close(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    buffer_free(&http1->in);
    free(http1);
}

static bool http1_wants(const struct connection *connection)
{
    const struct http1 *http1 = connection->state;
    return http1->state != HTTP1_ANSWER || buffer_length(&http1->in) < PIECE;
}

static bool http1_pending(const struct connection *connection)
{
    const struct http1 *http1 = connection->state;
    size_t length = buffer_length(&http1->in);
    if (http1->state == HTTP1_HEAD)
        return length > http1->scan.position;
    return length > 0 && (http1->state == HTTP1_BODY || http1->state == HTTP1_CHUNKED);
}

static void enter(struct connection *connection, enum http1_state state)
{
    struct http1 *http1 = connection->state;
    http1->state = state;
    http1->since = uv_now(connection->server->loop);
}

/* What follows cannot be told from a request any more: the connection ends with the answer. */
static int refuse(struct connection *connection, unsigned status)
{
    struct http1 *http1 = connection->state;
    if (http1->exchange == NULL) {
        http1->exchange = exchange_new(connection);
        if (http1->exchange == NULL)
            return -1;
        request_start(http1->exchange, 11);
    }
    http1->close = true;
    buffer_free(&http1->in);
    enter(connection, HTTP1_ANSWER);
    exchange_refuse(http1->exchange, status);
    return 0;
}

struct head_parse {
    struct http_exchange *exchange;
    int status;
};

static int on_target(void *arg, const char *text, size_t length)
{
    struct head_parse *parse = arg;
    parse->status = request_target(parse->exchange, text, length);
    return parse->status != 0 ? -1 : 0;
}

static int on_field(void *arg, const char *name, size_t name_length, const char *value, size_t value_length)
{
    struct head_parse *parse = arg;
    parse->status = request_field(parse->exchange, name, name_length, value, value_length);
    return parse->status != 0 ? -1 : 0;
}

/* Method and version, which the scan has found to be the first and the third word; the parsers know more of both. */
static int read_request_line(struct http_exchange *exchange, const char *line, size_t length)
{
    const char *version = (const char *)memrchr(line, ' ', length) + 1;
    size_t version_length = (size_t)(line + length - version);
    if (version_length != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.')
        return 400;
    if (memcmp(version, "HTTP/1.1", 8) != 0 && memcmp(version, "HTTP/1.0", 8) != 0)
        return version[5] >= '0' && version[5] <= '9' && version[7] >= '0' && version[7] <= '9' ? 505 : 400;
    request_start(exchange, version[7] == '1' ? 11 : 10);
    return request_method(exchange, line, (size_t)((const char *)memchr(line, ' ', length) - line));
}

static int parse(struct http_exchange *exchange, const char *head, size_t length, size_t request_line)
{
    struct head_parse parse = {.exchange = exchange};
    const struct parser_sink sink = {.target = on_target, .field = on_field, .arg = &parse};
    int status = read_request_line(exchange, head, request_line);
    if (status == 0)
        status = parser_head(head, length, &sink);
    if (status == -1)
        status = parse.status;
    return status != 0 ? status : request_head_done(exchange);
}

static int request_complete(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    enter(connection, HTTP1_ANSWER);
    exchange_received(http1->exchange);
    return 0;
}

/* RFC 9110 section 10.1.1: not when the body comes already. */
static int expect_body(struct connection *connection, enum http1_state state)
{
    struct http1 *http1 = connection->state;
    http1->exchange->interim = http1->exchange->draft.expects && buffer_length(&http1->in) == 0;
    enter(connection, state);
    return 0;
}

static int head_complete(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    size_t length = http1->scan.position;
    struct http_exchange *exchange = exchange_new(connection);
    if (exchange == NULL)
        return -1;
    http1->exchange = exchange;
    int status = parse(exchange, (const char *)buffer_bytes(&http1->in), length, http1->scan.request_line);
    buffer_consume(&http1->in, length);
    if (status != 0)
        return refuse(connection, (unsigned)status);
    const struct draft *draft = &exchange->draft;
    http1->close = draft->close || draft->version < 11;
    if (draft->chunked) {
        http1->chunked = (struct chunked){0};
        return expect_body(connection, HTTP1_CHUNKED);
    }
    http1->left = draft->content_length;
    return http1->left > 0 ? expect_body(connection, HTTP1_BODY) : request_complete(connection);
}

static void skip_empty_lines(struct http1 *http1)
{
    while (http1->scan.position == 0 && http1->skipped < EMPTY_LINES_MAX && buffer_length(&http1->in) >= 2 &&
           memcmp(buffer_bytes(&http1->in), "\r\n", 2) == 0) {
        buffer_consume(&http1->in, 2);
        http1->skipped++;
    }
}

static int read_head(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    size_t limit = connection->server->limits.header_bytes;
    skip_empty_lines(http1);
    size_t length = buffer_length(&http1->in);
    /* The first byte of an empty line waits for its second. */
    if (length == 0 || (length == 1 && *buffer_bytes(&http1->in) == '\r' && http1->skipped < EMPTY_LINES_MAX))
        return 0;
    enum head_result result =
        head_scan(&http1->scan, (const char *)buffer_bytes(&http1->in), length < limit ? length : limit);
    if (result == HEAD_BAD)
        return refuse(connection, 400);
    if (result == HEAD_DONE)
        return head_complete(connection);
    return length >= limit ? refuse(connection, http1->scan.lines == 0 ? 414 : 431) : 0;
}

static int read_body(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    size_t length = buffer_length(&http1->in);
    length = http1->left < length ? (size_t)http1->left : length;
    int status = request_body(http1->exchange, buffer_bytes(&http1->in), length);
    if (status != 0)
        return refuse(connection, (unsigned)status);
    buffer_consume(&http1->in, length);
    http1->left -= length;
    return http1->left == 0 ? request_complete(connection) : 0;
}

static int read_chunks(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    const uint8_t *data;
    size_t size, used = 0, length = buffer_length(&http1->in);
    int status = 0;
    enum chunked_result result;
    do {
        result = chunked_next(&http1->chunked, buffer_bytes(&http1->in), length, &used, &data, &size);
        if (result == CHUNKED_DATA)
            status = request_body(http1->exchange, data, size);
    } while (result == CHUNKED_DATA && status == 0);
    if (result == CHUNKED_BAD)
        status = 400;
    if (status != 0)
        return refuse(connection, (unsigned)status);
    buffer_consume(&http1->in, used);
    return result == CHUNKED_DONE ? request_complete(connection) : 0;
}

static int http1_proceed(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    switch (http1->state) {
    case HTTP1_HEAD:
        return read_head(connection);
    case HTTP1_BODY:
        return read_body(connection);
    case HTTP1_CHUNKED:
        return read_chunks(connection);
    default:
        return 0;
    }
}

static int http1_receive(struct connection *connection, const uint8_t *data, size_t length)
{
    struct http1 *http1 = connection->state;
    if (http1->state == HTTP1_OVER || (http1->state == HTTP1_ANSWER && http1->close))
        return 0; /* nobody will ever look at it */
    if (http1->state == HTTP1_HEAD && buffer_length(&http1->in) == 0)
        http1->since = uv_now(connection->server->loop);
    if (buffer_append(&http1->in, data, length) != 0)
        return -1;
    return http1_proceed(connection);
}

void http1_next(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    struct http_exchange *exchange = http1->exchange;
    http1->exchange = NULL;
    http1->announced = http1->in_chunks = false;
    http1->scan = (struct head_scan){0};
    http1->skipped = 0;
    enter(connection, http1->close ? HTTP1_OVER : HTTP1_HEAD);
    exchange_detach(exchange);
}

static bool http1_finished(const struct connection *connection)
{
    return ((const struct http1 *)connection->state)->state == HTTP1_OVER;
}

/* A client may close its half of a plain connection behind its last request; TLS has no halves here. */
static int http1_ended(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    if (http1->state == HTTP1_HEAD) { /* what is on its way out still goes */
        enter(connection, HTTP1_OVER);
        return 0;
    }
    bool answerable = http1->state == HTTP1_ANSWER && http1->exchange->outgoing.kind != OUTGOING_STREAM;
    if (!answerable || connection->ssl != NULL)
        return -1;
    http1->close = true;
    return 0;
}

static int too_late(struct connection *connection)
{
    connection->server->counters.too_slow++;
    return refuse(connection, 408);
}

static int http1_tick(struct connection *connection, uint64_t now)
{
    struct http1 *http1 = connection->state;
    const struct http_limits *limits = &connection->server->limits;
    uint64_t age = now - http1->since;
    if (http1->state == HTTP1_HEAD && buffer_length(&http1->in) == 0)
        return age >= limits->idle_ms ? -1 : 0;
    if (http1->state == HTTP1_HEAD)
        return age >= limits->header_ms ? too_late(connection) : 0;
    if (http1->state == HTTP1_BODY || http1->state == HTTP1_CHUNKED)
        return age >= limits->body_ms ? too_late(connection) : 0;
    return 0;
}

static void http1_shutdown(struct connection *connection)
{
    struct http1 *http1 = connection->state;
    if (http1->state == HTTP1_HEAD && buffer_length(&http1->in) == 0)
        enter(connection, HTTP1_OVER);
    http1->close = true;
}

const struct protocol protocol_http1 = {
    .open = http1_open,
    .wants = http1_wants,
    .pending = http1_pending,
    .receive = http1_receive,
    .proceed = http1_proceed,
    .produce = http1_produce,
    .finished = http1_finished,
    .ended = http1_ended,
    .tick = http1_tick,
    .shutdown = http1_shutdown,
    .close = http1_close,
};
