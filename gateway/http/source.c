/* source: how many connections an address has, an IPv6 one counted by its /64. */
#include "gateway/http/private.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct source {
    uint8_t key[9]; /* family and prefix */
    unsigned connections;
    UT_hash_handle hh;
};

static void key_of(const struct sockaddr *address, uint8_t key[9])
{
    memset(key, 0, 9);
    if (address->sa_family == AF_INET6) {
        key[0] = 6;
        memcpy(key + 1, &((const struct sockaddr_in6 *)address)->sin6_addr, 8);
    } else {
        key[0] = 4;
        memcpy(key + 1, &((const struct sockaddr_in *)address)->sin_addr, 4);
    }
}

/* 0; -1: one too many, or out of memory. */
int source_enter(struct http_server *server, struct connection *connection, const struct sockaddr *address)
{
    uint8_t key[9];
    key_of(address, key);
    struct source *source;
    HASH_FIND(hh, server->sources, key, sizeof key, source);
    if (source == NULL) {
        source = calloc(1, sizeof *source);
        if (source == NULL)
            return -1;
        memcpy(source->key, key, sizeof key);
        HASH_ADD(hh, server->sources, key, sizeof source->key, source);
        if (source->hh.tbl == NULL) {
            free(source);
            return -1;
        }
    }
    if (source->connections >= server->limits.connections_per_source)
        return -1;
    source->connections++;
    connection->source = source;
    return 0;
}

void source_leave(struct http_server *server, struct connection *connection)
{
    struct source *source = connection->source;
    connection->source = NULL;
    if (source == NULL || --source->connections > 0)
        return;
    HASH_DEL(server->sources, source);
    free(source);
}
