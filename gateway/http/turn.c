/*
 * turn: who is ready waits in line, and each turn of the loop works on that line for turn_us at most. As long as
 * somebody waits, the loop polls without sleeping: all other handles on it get their turn in between.
 */
#include "gateway/http/private.h"

#define TICK_MAX 250 /* ms */
#define TICK_MIN 10

static struct connection *pop(struct http_server *server)
{
    struct connection *connection = server->ready;
    if (connection == NULL)
        return NULL;
    server->ready = connection->ready_next;
    if (server->ready == NULL)
        server->ready_tail = &server->ready;
    connection->ready = false;
    return connection;
}

static void on_turn(uv_idle_t *idle)
{
    struct http_server *server = idle->data;
    uint64_t end = uv_hrtime() + (uint64_t)server->limits.turn_us * 1000;
    struct connection *connection;
    do {
        connection = pop(server);
        if (connection != NULL)
            connection_visit(connection);
    } while (connection != NULL && uv_hrtime() < end);
    if (server->ready == NULL)
        uv_idle_stop(idle);
}

void connection_ready(struct connection *connection)
{
    struct http_server *server = connection->server;
    if (connection->ready || connection->closed)
        return;
    connection->ready = true;
    connection->ready_next = NULL;
    *server->ready_tail = connection;
    server->ready_tail = &connection->ready_next;
    uv_idle_start(&server->turn, on_turn);
}

void connection_unready(struct connection *connection)
{
    struct http_server *server = connection->server;
    if (!connection->ready)
        return;
    struct connection **at = &server->ready;
    while (*at != connection)
        at = &(*at)->ready_next;
    *at = connection->ready_next;
    if (*at == NULL)
        server->ready_tail = at;
    connection->ready = false;
}

static void on_tick(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    uint64_t now = uv_now(server->loop);
    if (server->connections == NULL)
        uv_timer_stop(timer);
    for (struct connection *connection = server->connections; connection != NULL; connection = connection->next)
        if (server->closing && now >= server->cut)
            connection_doom(connection);
        else
            connection_tick(connection, now);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

void turn_start_tick(struct http_server *server)
{
    const struct http_limits *limits = &server->limits;
    unsigned shortest = least(least(limits->header_ms, limits->body_ms), least(limits->idle_ms, limits->write_ms));
    unsigned period = least(shortest / 4, TICK_MAX);
    period = period < TICK_MIN ? TICK_MIN : period;
    if (!uv_is_active((uv_handle_t *)&server->tick))
        uv_timer_start(&server->tick, on_tick, period, period);
}

int turn_open(struct http_server *server)
{
    server->ready_tail = &server->ready;
    if (uv_idle_init(server->loop, &server->turn) != 0 || uv_timer_init(server->loop, &server->tick) != 0)
        return -1;
    server->turn.data = server;
    server->tick.data = server;
    server->handles = 2;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    server->handles--;
    server_try_closed(server);
}

void turn_close(struct http_server *server)
{
    uv_close((uv_handle_t *)&server->turn, on_closed);
    uv_close((uv_handle_t *)&server->tick, on_closed);
}
