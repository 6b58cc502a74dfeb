/*
 * waiting: reads of what ACLs matched wait a moment for what upstreams count (RFC 8783 section 7.3). Who is not quick
 * is not waited for: then what is known is shown.
 */

#include <stdlib.h>

#include "southbound/data/data.h"

#define PATIENCE_MS 2000

static bool shows_statistics(const struct data_read *read, const struct catalog_client *client)
{
    const struct data_target *target = &read->target;

    return client && client->counts[CATALOG_ACL] > 0 && read->query.content != DATA_CONTENT_CONFIG &&
           !target->of_client && (target->level == DATA_LEVEL_CLIENT || target->kind == CATALOG_ACL);
}

bool data_read_waits(struct data_read *read, const struct catalog_client *client)
{
    struct data_server *server = read->server;
    const struct catalog_upstream *upstream = server->upstream;

    if (server->closing || !upstream || !upstream->count || read->impatient || !shows_statistics(read, client) ||
        !upstream->count(upstream->arg, client, data_request_number(read->exchange)))
        return false;
    if (read->until_ms)
        return true;
    read->until_ms = server->now() + PATIENCE_MS;
    DL_APPEND(server->reads, read);
    if (!uv_is_active((uv_handle_t *)&server->patience))
        uv_timer_start(&server->patience, data_patience_over, PATIENCE_MS, 0);
    return true;
}

static void answer(struct data_read *read)
{
    struct data_server *server = read->server;

    if (data_get(read))
        return;
    DL_DELETE(server->reads, read);
    data_read_free(read);
}

void data_counted(struct data_server *server)
{
    struct data_read *read, *next;

    DL_FOREACH_SAFE(server->reads, read, next)
    {
        answer(read);
    }
}

void data_patience_over(uv_timer_t *timer)
{
    struct data_server *server = timer->data;
    struct data_read *read, *next;
    int64_t now = server->now();

    DL_FOREACH_SAFE(server->reads, read, next)
    {
        if (read->until_ms > now)
            break;
        read->impatient = true;
        answer(read);
    }
    if (read)
        uv_timer_start(timer, data_patience_over, (uint64_t)(read->until_ms - now), 0);
}

void data_reads_drop(struct data_server *server)
{
    struct data_read *read, *next;

    DL_FOREACH_SAFE(server->reads, read, next)
    {
        DL_DELETE(server->reads, read);
        data_drop(read->exchange);
        data_read_free(read);
    }
}

void data_read_free(struct data_read *read)
{
    south_client_unref(read->owner);
    free(read);
}
