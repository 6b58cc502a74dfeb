/* respond: what the owner of an exchange answers, checked and kept until the connection comes to send it. */
#include "gateway/http/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX 64
#define REFUSAL_MAX 512 /* bytes of its body */

/* RFC 9112 section 6, RFC 9113 section 8.2.2: what frames the message is not the caller's. */
static bool is_framing(const char *name)
{
    static const char *const names[] = {"connection", "content-length",    "date",    "keep-alive",
                                        "te",         "transfer-encoding", "upgrade", "trailer"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

static int keep_headers(struct http_exchange *exchange, const struct http_header *headers, size_t count)
{
    if (count > HEADERS_MAX)
        return -1;
    for (size_t i = 0; i < count; i++) {
        size_t name = strlen(headers[i].name), value = strlen(headers[i].value);
        if (!field_is_token(headers[i].name, name) || !field_is_value(headers[i].value, value))
            return -1;
        if (!is_framing(headers[i].name) &&
            fields_add(&exchange->response, headers[i].name, name, headers[i].value, value) != 0)
            return -1;
    }
    exchange_count(exchange, exchange->response.capacity);
    return 0;
}

static bool has_no_body(const struct http_exchange *exchange)
{
    return exchange->status == 204 || exchange->status == 304;
}

/* A status without body, which cannot fail. */
static void answer_bare(struct http_exchange *exchange, unsigned status)
{
    fields_free(&exchange->response);
    outgoing_release(&exchange->outgoing);
    exchange->status = status;
    exchange->answered = true;
}

/* Takes over outgoing, whatever happens. */
static void answer(struct http_exchange *exchange, unsigned status, const struct http_header *headers, size_t count,
                   struct outgoing *outgoing)
{
    exchange->since = uv_now(exchange->server->loop);
    exchange->status = status;
    exchange->answered = true;
    exchange->outgoing = *outgoing;
    if (status < 200 || status > 599 || keep_headers(exchange, headers, count) != 0)
        answer_bare(exchange, 500);
    /* HEAD keeps the length of memory, which is told; nothing of the rest is looked at. */
    if (has_no_body(exchange) || (exchange->head && exchange->outgoing.kind != OUTGOING_MEMORY))
        outgoing_release(&exchange->outgoing);
}

static bool may_answer(const struct http_exchange *exchange)
{
    return exchange->connection != NULL && !exchange->answered;
}

void http_respond_with(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                       size_t header_count, const void *body, size_t body_length, void (*release)(void *owner),
                       void *owner)
{
    struct outgoing outgoing = {
        .kind = OUTGOING_MEMORY, .data = body, .length = body_length, .release = release, .owner = owner};
    if (!may_answer(exchange)) {
        outgoing_release(&outgoing);
    } else {
        /* What the caller holds already is counted, so that it is the next request that is refused. */
        exchange_count(exchange, body_length);
        answer(exchange, status, headers, header_count, &outgoing);
    }
    exchange_end(exchange);
}

void http_respond(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                  size_t header_count, const void *body, size_t body_length)
{
    if (!may_answer(exchange)) {
        exchange_end(exchange);
        return;
    }
    void *copy = body_length > 0 ? malloc(body_length) : NULL;
    if (body_length > 0 && copy == NULL) {
        answer_bare(exchange, 500);
        exchange_end(exchange);
        return;
    }
    if (body_length > 0)
        memcpy(copy, body, body_length);
    http_respond_with(exchange, status, headers, header_count, copy, body_length, free, copy);
}

void http_respond_source(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                         size_t header_count, const struct http_source *source)
{
    struct outgoing outgoing = {.kind = OUTGOING_SOURCE, .source = *source};
    if (may_answer(exchange))
        answer(exchange, status, headers, header_count, &outgoing);
    else
        outgoing_release(&outgoing);
    exchange_end(exchange);
}

void http_stream_begin(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                       size_t header_count)
{
    struct outgoing outgoing = {.kind = OUTGOING_STREAM};
    if (may_answer(exchange))
        answer(exchange, status, headers, header_count, &outgoing);
    exchange_forget_request(exchange);
    exchange_wake(exchange);
}

/* The queue comes and goes; its largest size is what counts. */
static bool charge_queue(struct http_exchange *exchange)
{
    struct outgoing *outgoing = &exchange->outgoing;
    if (outgoing->queue.capacity <= outgoing->charged)
        return true;
    if (!exchange_charge(exchange, outgoing->queue.capacity - outgoing->charged))
        return false;
    outgoing->charged = outgoing->queue.capacity;
    return true;
}

int http_stream_write(struct http_exchange *exchange, const void *data, size_t length)
{
    struct outgoing *outgoing = &exchange->outgoing;
    if (exchange->connection == NULL || outgoing->kind != OUTGOING_STREAM || outgoing->failed)
        return -1;
    struct http_server *server = exchange->server;
    bool fits = length <= server->limits.stream_queue - buffer_length(&outgoing->queue);
    if (!fits || buffer_append(&outgoing->queue, data, length) != 0 || !charge_queue(exchange)) {
        outgoing->failed = true;
        server->counters.too_slow++;
        exchange_break(exchange);
        return -1;
    }
    exchange_wake(exchange);
    return 0;
}

void http_stream_end(struct http_exchange *exchange)
{
    exchange_end(exchange);
}

void http_drop(struct http_exchange *exchange)
{
    exchange->reset = true;
    exchange_end(exchange);
}

static size_t refusal_body(const struct http_server *server, unsigned status, char *body, size_t size,
                           const char **type)
{
    size_t length = 0;
    if (server->handlers->refusal != NULL)
        length = server->handlers->refusal(server->arg, status, http_status_text(status), body, size, type);
    if (length > 0 && length <= size)
        return length;
    *type = "text/plain";
    int written = snprintf(body, size, "%u %s\n", status, http_status_text(status));
    return written > 0 ? (size_t)written : 0;
}

/* Of a request that nobody was told of. */
void exchange_refuse(struct http_exchange *exchange, unsigned status)
{
    char body[REFUSAL_MAX], *copy;
    const char *type = NULL;
    size_t length = refusal_body(exchange->server, status, body, sizeof body, &type);
    struct outgoing outgoing = {.kind = OUTGOING_NONE};
    struct http_header headers[] = {{"content-type", type}, {"retry-after", "5"}};
    if (length > 0 && (copy = malloc(length)) != NULL) {
        memcpy(copy, body, length);
        outgoing = (struct outgoing){
            .kind = OUTGOING_MEMORY, .data = (const uint8_t *)copy, .length = length, .release = free, .owner = copy};
    }
    exchange->server->counters.refused++;
    answer(exchange, status, headers, status == 503 ? 2 : 1, &outgoing);
    if (exchange->status != status) /* no memory for the fields: without them */
        answer_bare(exchange, status);
    exchange_wake(exchange);
}
