/* northbound: life of the DOTS client side of the gateway. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/signal/northbound_state.h"

void north_handle_closed(struct northbound *northbound)
{
    void (*on_closed)(void *arg) = northbound->on_closed;
    void *arg = northbound->arg;
    struct upstream *upstream, *after;
    struct leg *leg, *next;

    if (--northbound->handles > 0)
        return;
    DL_FOREACH_SAFE2(northbound->closed, leg, next, sid_next)
    {
        free(leg);
    }
    for (size_t i = 0; i < northbound->upstream_count; i++)
        upstream_free(northbound->upstreams[i]);
    DL_FOREACH_SAFE2(northbound->gone, upstream, after, gone_next)
    {
        upstream_free(upstream);
    }
    free((void *)northbound->upstreams);
    free(northbound->body);
    free(northbound);
    if (on_closed)
        on_closed(arg);
}

static void closer_closed(uv_handle_t *handle)
{
    north_handle_closed(handle->data);
}

void northbound_close(struct northbound *northbound, void (*on_closed)(void *arg), void *arg)
{
    northbound->closing = true;
    northbound->on_closed = on_closed;
    northbound->arg = arg;
    for (size_t i = 0; i < northbound->upstream_count; i++)
        if (northbound->upstreams && northbound->upstreams[i])
            upstream_close(northbound->upstreams[i]);
    uv_close((uv_handle_t *)&northbound->closer, closer_closed);
}

struct northbound *northbound_open(uv_loop_t *loop, const struct config *config, struct relay *relay,
                                   struct store *store, int64_t (*now)(void), char *error, size_t error_size)
{
    struct northbound *northbound = calloc(1, sizeof(*northbound));

    snprintf(error, error_size, "out of memory");
    if (!northbound)
        return NULL;
    northbound->loop = loop;
    northbound->config = config;
    northbound->relay = relay;
    northbound->store = store;
    northbound->now = now;
    uv_timer_init(loop, &northbound->closer);
    northbound->closer.data = northbound;
    northbound->handles = 1;
    northbound->upstreams = calloc(config->upstream_count ? config->upstream_count : 1, sizeof(struct upstream *));
    northbound->body = malloc(WIRE_BODY_MAX);
    if (!northbound->upstreams || !northbound->body)
        goto failed;
    for (size_t i = 0; i < config->upstream_count; i++) {
        struct upstream_material material = {0};

        if (upstream_material_load(&material, &config->upstreams[i], error, error_size) == 0)
            northbound->upstreams[i] =
                upstream_open(northbound, &config->upstreams[i], i, &material, error, error_size);
        northbound->upstream_count++;
        upstream_material_free(&material);
        if (!northbound->upstreams[i])
            goto failed;
    }
    return northbound;

failed:
    northbound_close(northbound, NULL, NULL);
    return NULL;
}

int northbound_load(struct northbound *northbound, const char *key, size_t key_length, const uint8_t *value,
                    size_t value_length)
{
    for (size_t i = 0; i < northbound->upstream_count; i++) {
        struct upstream *upstream = northbound->upstreams[i];
        const char *name = upstream ? upstream->config->name : "";

        if (upstream && key_length == 4 + strlen(name) && memcmp(key, "sid/", 4) == 0 &&
            memcmp(key + 4, name, key_length - 4) == 0)
            return sid_load(upstream, value, value_length);
    }
    return 0; /* of an upstream that is no longer configured */
}

static int open_leg(void *arg, struct upstream_cuid *cuid)
{
    struct leg *leg = upstream_leg(arg, cuid);

    if (leg)
        listing_of(leg, cuid);
    return 0;
}

void northbound_start(struct northbound *northbound)
{
    const struct config *config = northbound->config;

    /* With recursion: never, a gateway with mitigators asks nothing of its upstreams but to let go. */
    bool asks = config->recursion != CONFIG_RECURSION_NEVER || config->mitigator_count == 0;

    for (size_t i = 0; i < northbound->upstream_count; i++) {
        struct upstream *upstream = northbound->upstreams[i];

        if (!upstream || upstream->leaving)
            continue;
        if (upstream->config->sessions == CONFIG_SESSIONS_SHARED && asks)
            upstream_shared_leg(upstream);
        /* Those who have something there from before. */
        if (!upstream->started)
            relay_upstream_cuid_each(northbound->relay, i, NULL, open_leg, upstream);
        upstream->started = true;
    }
}

int northbound_make_cuid(struct northbound *northbound, size_t target, const struct requester *owner, uint32_t attempt,
                         char cuid[23])
{
    const struct upstream *upstream;

    upstream = target < northbound->upstream_count ? northbound->upstreams[target] : NULL;
    if (!upstream)
        return -1;
    if (!owner && attempt == 0) {
        memcpy(cuid, upstream->hash, sizeof(upstream->hash));
        return 0;
    }
    return cuid_derive(upstream->secret, upstream->config->name, owner, attempt, cuid);
}

void northbound_committed(struct northbound *northbound, uint64_t sequence)
{
    for (size_t i = 0; i < northbound->upstream_count; i++)
        if (northbound->upstreams[i])
            sid_committed(northbound->upstreams[i], sequence);
}
