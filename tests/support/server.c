/* server: what upstream DOTS servers have. */

#include "tests/support/server.h"

#include <stdlib.h>
#include <string.h>

static bool same_cuid(const struct server_request *request, size_t target, const char *cuid)
{
    return request->target == target && strcmp(request->cuid, cuid) == 0;
}

static void drop(struct server *server, size_t index)
{
    server->requests[index] = server->requests[--server->count];
}

static void drop_mid(struct server *server, size_t target, const char *cuid, uint32_t mid, bool refused)
{
    for (size_t i = 0; i < server->count; i++)
        if (server->requests[i].mid == mid && server->requests[i].refused == refused &&
            same_cuid(&server->requests[i], target, cuid))
            drop(server, i--);
}

static void add(struct server *server, const struct server_request *request)
{
    if (server->count == server->size) {
        server->size = server->size ? 2 * server->size : 16;
        server->requests = realloc(server->requests, server->size * sizeof(*server->requests));
        if (!server->requests)
            abort();
    }
    server->requests[server->count++] = *request;
}

static bool overlapped(const struct server_request *there, const struct server_request *request)
{
    return !there->refused && there->trigger == request->trigger && same_cuid(there, request->target, request->cuid) &&
           blocks_common(&there->blocks, &request->blocks);
}

int server_put(struct server *server, const struct server_request *request)
{
    bool there = server_find(server, request->target, request->cuid, request->mid, false);

    for (size_t i = 0; i < server->count; i++)
        if (server->requests[i].mid > request->mid && overlapped(&server->requests[i], request))
            return 409;
    for (size_t i = 0; i < server->count; i++)
        if (server->requests[i].mid < request->mid && overlapped(&server->requests[i], request))
            drop(server, i--);
    drop_mid(server, request->target, request->cuid, request->mid, false);
    drop_mid(server, request->target, request->cuid, request->mid, true);
    add(server, request);
    return there ? 204 : 201;
}

void server_delete(struct server *server, size_t target, const char *cuid, uint32_t mid)
{
    size_t there = 0;

    for (size_t i = 0; i < server->count; i++)
        there += same_cuid(&server->requests[i], target, cuid) && !server->requests[i].refused;
    if (server->fault == SERVER_KEEPS_DELETED && there > 2)
        return;
    drop_mid(server, target, cuid, mid, false);
    drop_mid(server, target, cuid, mid, true);
    if (server->fault == SERVER_LOSES_NEIGHBOUR && server->count && same_cuid(&server->requests[0], target, cuid))
        drop(server, 0);
}

void server_refuse(struct server *server, const struct server_request *request)
{
    struct server_request record = *request;

    record.refused = true;
    drop_mid(server, request->target, request->cuid, request->mid, true);
    add(server, &record);
}

void server_expire(struct server *server, int64_t now)
{
    for (size_t i = 0; i < server->count; i++)
        if (server->requests[i].expires <= now && !server->requests[i].refused)
            drop(server, i--);
}

void server_forget(struct server *server, size_t target)
{
    for (size_t i = 0; i < server->count; i++)
        if (server->requests[i].target == target && !server->requests[i].refused)
            drop(server, i--);
}

void server_free(struct server *server)
{
    free(server->requests);
    server->requests = NULL;
    server->count = server->size = 0;
}

const struct server_request *server_find(const struct server *server, size_t target, const char *cuid, uint32_t mid,
                                         bool refused)
{
    for (size_t i = 0; i < server->count; i++)
        if (server->requests[i].mid == mid && server->requests[i].refused == refused &&
            same_cuid(&server->requests[i], target, cuid))
            return &server->requests[i];
    return NULL;
}
