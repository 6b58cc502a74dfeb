/* change: upstreams come, go and change while the gateway runs. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/signal/northbound_state.h"

#define SID_EPOCH_S 1767225600 /* 2026-01-01 */

struct northbound_change {
    const struct config *config;
    size_t count;
    struct upstream_material materials[];
};

struct northbound_change *northbound_prepare(const struct config *config, char *error, size_t error_size)
{
    struct northbound_change *change =
        calloc(1, sizeof(*change) + config->upstream_count * sizeof(struct upstream_material));

    if (!change) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    change->config = config;
    for (size_t i = 0; i < config->upstream_count; i++) {
        change->count = i + 1;
        if (upstream_material_load(&change->materials[i], &config->upstreams[i], error, error_size) != 0) {
            northbound_change_free(change);
            return NULL;
        }
    }
    return change;
}

void northbound_change_free(struct northbound_change *change)
{
    if (!change)
        return;
    for (size_t i = 0; i < change->count; i++)
        upstream_material_free(&change->materials[i]);
    free(change);
}

bool northbound_same_client(const struct northbound *northbound, size_t target, const struct northbound_change *change,
                            size_t i)
{
    const struct upstream *upstream = target < northbound->upstream_count ? northbound->upstreams[target] : NULL;
    const struct config_upstream *config = &change->config->upstreams[i];
    const struct upstream_material *material = &change->materials[i];

    if (!upstream || upstream->leaving || strcmp(upstream->config->name, config->name) != 0 ||
        upstream->config->identity != config->identity || upstream->config->sessions != config->sessions ||
        upstream->config->insert_cdid != config->insert_cdid)
        return false;
    if (config->identity == CONFIG_IDENTITY_CLIENT)
        return true;
    return strcmp(upstream->hash, material->hash) == 0 &&
           (config->sessions == CONFIG_SESSIONS_SHARED ||
            memcmp(upstream->secret, material->secret, sizeof(upstream->secret)) == 0);
}

static int grow(struct northbound *northbound, size_t count)
{
    struct upstream **larger;

    if (count <= northbound->upstream_count)
        return 0;
    larger = realloc((void *)northbound->upstreams, count * sizeof(*larger));
    if (!larger)
        return -1;
    memset((void *)(larger + northbound->upstream_count), 0, (count - northbound->upstream_count) * sizeof(*larger));
    northbound->upstreams = larger;
    northbound->upstream_count = count;
    return 0;
}

static void drop(struct northbound *northbound, size_t target)
{
    struct upstream *upstream = northbound->upstreams[target];

    northbound->upstreams[target] = NULL;
    DL_APPEND2(northbound->gone, upstream, gone_prev, gone_next);
    upstream_close(upstream);
}

/* Above all that it may have had in an earlier life, of which there is no record in memory: as sids rise far slower
 * than time does. */
static void begin_sids(const struct northbound *northbound, struct upstream *upstream)
{
    int64_t now = northbound->now() / 1000;

    upstream->sid_reserved = now > SID_EPOCH_S ? (uint32_t)(now - SID_EPOCH_S) : 0;
    upstream->sid_next = upstream->sid_reserved + 1;
}

static int open_new(struct northbound *northbound, struct northbound_change *change, const size_t *targets, char *error,
                    size_t error_size)
{
    for (size_t i = 0; i < change->count; i++) {
        struct upstream **at = &northbound->upstreams[targets[i]];

        if (*at)
            continue;
        *at = upstream_open(northbound, &change->config->upstreams[i], targets[i], &change->materials[i], error,
                            error_size);
        if (!*at)
            return -1;
        begin_sids(northbound, *at);
        (*at)->fresh = true;
    }
    return 0;
}

static void undo(struct northbound *northbound)
{
    for (size_t i = 0; i < northbound->upstream_count; i++)
        if (northbound->upstreams[i] && northbound->upstreams[i]->fresh)
            drop(northbound, i);
}

static void mark_leaving(struct northbound *northbound, const size_t *targets, size_t count)
{
    for (size_t i = 0; i < northbound->upstream_count; i++) {
        bool named = false;

        for (size_t k = 0; k < count; k++)
            named = named || targets[k] == i;
        if (northbound->upstreams[i] && !named)
            northbound->upstreams[i]->leaving = true;
    }
}

static bool same_session(const struct config_session *a, const struct config_session *b)
{
    return memcmp(a, b, sizeof(*a)) == 0; /* numbers of one size: there is no padding */
}

int northbound_apply(struct northbound *northbound, struct northbound_change *change, const size_t *targets,
                     size_t target_count, char *error, size_t error_size)
{
    const struct config *before = northbound->config;
    bool negotiate = !same_session(&before->mitigating, &change->config->mitigating) ||
                     !same_session(&before->idle, &change->config->idle);

    snprintf(error, error_size, "out of memory");
    if (grow(northbound, target_count) != 0)
        return -1;
    if (open_new(northbound, change, targets, error, error_size) != 0) {
        undo(northbound);
        return -1;
    }
    northbound->config = change->config;
    for (size_t i = 0; i < change->count; i++) {
        struct upstream *upstream = northbound->upstreams[targets[i]];

        if (!upstream->fresh && upstream_renew(upstream, &change->config->upstreams[i], &change->materials[i]) != 0)
            log_error("out-of-memory", "upstream %s: it keeps its old servers and credentials; reload again",
                      upstream->config->name);
        if (!upstream->fresh && negotiate)
            upstream_wanted(upstream);
        upstream->fresh = false;
    }
    mark_leaving(northbound, targets, change->count);
    return 0;
}

void northbound_remove(struct northbound *northbound, size_t target)
{
    if (target < northbound->upstream_count && northbound->upstreams[target])
        drop(northbound, target);
}
