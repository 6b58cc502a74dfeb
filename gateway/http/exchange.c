/*
 * exchange: the life of a request and its response. Two hold it: its connection, until the response is out or the
 * peer gone, and whoever was told of it, until that one ends it. It goes with the last.
 */
#include "gateway/http/private.h"

#include <stdlib.h>
#include <string.h>

struct http_exchange *exchange_new(struct connection *connection)
{
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->server = connection->server;
    exchange->server->references++;
    exchange->connection = connection;
    exchange->peer = connection->peer;
    exchange->peer->references++;
    exchange->since = uv_now(exchange->server->loop);
    exchange->next = connection->exchanges;
    exchange->back = &connection->exchanges;
    if (exchange->next != NULL)
        exchange->next->back = &exchange->next;
    connection->exchanges = exchange;
    exchange_count(exchange, sizeof *exchange);
    return exchange;
}

/* What the limit on memory counts. False: it is reached, and this is not counted. */
bool exchange_charge(struct http_exchange *exchange, size_t size)
{
    struct http_server *server = exchange->server;
    size_t used = server->counters.memory;
    if (size > server->limits.memory || used > server->limits.memory - size)
        return false;
    exchange_count(exchange, size);
    return true;
}

void exchange_count(struct http_exchange *exchange, size_t size)
{
    exchange->server->counters.memory += size;
    exchange->memory += size;
}

void exchange_forget_request(struct http_exchange *exchange)
{
    fields_free(&exchange->draft.fields);
    free(exchange->headers);
    exchange->headers = NULL;
    buffer_free(&exchange->body);
    exchange->request = (struct http_request){0};
}

static void exchange_free(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    exchange_forget_request(exchange);
    fields_free(&exchange->response);
    outgoing_release(&exchange->outgoing);
    peer_unref(exchange->peer);
    server->counters.memory -= exchange->memory;
    free(exchange);
    server_unref(server);
}

static void let_go(struct http_exchange *exchange)
{
    if (exchange->connection == NULL && (exchange->ended || !exchange->told))
        exchange_free(exchange);
}

/* Its owner has let go; inside functions of http.h. */
void exchange_end(struct http_exchange *exchange)
{
    exchange->ended = true;
    if (exchange->outgoing.kind == OUTGOING_STREAM)
        exchange->outgoing.ended = true; /* nobody can write any more */
    exchange_forget_request(exchange);
    exchange_wake(exchange);
    let_go(exchange);
}

void exchange_wake(struct http_exchange *exchange)
{
    exchange->woken = true;
    if (exchange->connection != NULL)
        connection_ready(exchange->connection);
}

/* Its response cannot go on. Where it has the connection for itself, that does not wait for the socket to take more. */
void exchange_break(struct http_exchange *exchange)
{
    buffer_free(&exchange->outgoing.queue);
    if (exchange->connection->protocol->multiplexed)
        exchange_wake(exchange);
    else
        connection_doom(exchange->connection);
}

/* In line to be told: one a visit, so that a request that is taken back at once costs its handler nothing. */
void exchange_received(struct http_exchange *exchange)
{
    struct connection *connection = exchange->connection;
    exchange->received = true;
    exchange->queued = true;
    exchange->complete_next = NULL;
    *connection->complete_tail = exchange;
    connection->complete_tail = &exchange->complete_next;
    connection_ready(connection);
}

static void unqueue(struct http_exchange *exchange)
{
    struct connection *connection = exchange->connection;
    struct http_exchange **at = &connection->complete;
    while (*at != exchange)
        at = &(*at)->complete_next;
    *at = exchange->complete_next;
    if (*at == NULL)
        connection->complete_tail = at;
    exchange->queued = false;
}

void exchange_tell(struct connection *connection)
{
    struct http_exchange *exchange = connection->complete;
    if (exchange == NULL)
        return;
    struct http_server *server = connection->server;
    unqueue(exchange);
    exchange->told = true;
    server->counters.requests++;
    server->handlers->request(server->arg, exchange, &exchange->request);
}

void exchange_detach(struct http_exchange *exchange)
{
    if (exchange->queued)
        unqueue(exchange);
    *exchange->back = exchange->next;
    if (exchange->next != NULL)
        exchange->next->back = exchange->back;
    exchange->connection = NULL;
    fields_free(&exchange->response);
    outgoing_release(&exchange->outgoing);
    struct http_server *server = exchange->server;
    if (exchange->told && !exchange->ended && server->handlers->gone != NULL)
        server->handlers->gone(server->arg, exchange); /* may end it, and free it by that */
    else
        let_go(exchange);
}

void http_exchange_set_user(struct http_exchange *exchange, void *user)
{
    exchange->user = user;
}

void *http_exchange_user(const struct http_exchange *exchange)
{
    return exchange->user;
}

const char *http_header_find(const struct http_request *request, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, name) != 0)
            continue;
        if (value != NULL)
            return NULL;
        value = request->headers[i].value;
    }
    return value;
}
