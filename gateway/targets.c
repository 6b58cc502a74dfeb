/* targets: upstreams first, then mitigators, each in the order of the configuration, as far as places are free. */

#include "gateway/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct target *target, enum target_kind kind, const struct config *config, size_t index)
{
    const struct config_upstream *upstream = kind == TARGET_UPSTREAM ? &config->upstreams[index] : NULL;

    *target = (struct target){.kind = kind, .index = index};
    snprintf(target->name, sizeof(target->name), "%s", upstream ? upstream->name : config->mitigators[index].name);
    if (!upstream)
        return;
    target->identity_client = upstream->identity == CONFIG_IDENTITY_CLIENT;
    target->per_client = upstream->sessions == CONFIG_SESSIONS_PER_CLIENT;
    target->insert_cdid = upstream->insert_cdid;
}

static const char *name_of(const struct config *config, enum target_kind kind, size_t index)
{
    return kind == TARGET_UPSTREAM ? config->upstreams[index].name : config->mitigators[index].name;
}

/* Entries are counted through: upstreams, then mitigators. */
static enum target_kind kind_of(const struct config *config, size_t entry)
{
    return entry < config->upstream_count ? TARGET_UPSTREAM : TARGET_MITIGATOR;
}

static size_t index_of(const struct config *config, size_t entry)
{
    return entry < config->upstream_count ? entry : entry - config->upstream_count;
}

/* The place of entry `index`, or out->count when it is new. */
static size_t find(const struct targets *out, const struct config *config, enum target_kind kind, size_t index,
                   target_same_h *same, void *arg)
{
    for (size_t place = 0; place < out->count; place++) {
        const struct target *target = &out->at[place];

        if (target->kind == kind && !target->leaving && strcmp(target->name, name_of(config, kind, index)) == 0 &&
            same(arg, place, target, index))
            return place;
    }
    return out->count;
}

static size_t free_place(struct targets *out)
{
    size_t place = 0;

    while (place < out->count && out->at[place].kind != TARGET_FREE)
        place++;
    if (place == out->count)
        out->count++;
    return place;
}

static void leave(struct targets *out, const bool *kept, size_t before, int64_t now)
{
    for (size_t place = 0; place < before; place++) {
        struct target *target = &out->at[place];

        if (target->kind == TARGET_FREE || target->leaving || kept[place])
            continue;
        target->leaving = true;
        target->left_ms = now;
    }
}

int targets_plan(const struct targets *before, const struct config *config, int64_t now, target_same_h *same, void *arg,
                 struct targets *out)
{
    size_t room = before->count + config->upstream_count + config->mitigator_count;
    bool *kept = calloc(room + 1, sizeof(*kept));     /* by place */
    bool *placed = calloc(room + 1, sizeof(*placed)); /* upstreams, then mitigators */

    out->count = before->count;
    out->at = calloc(room + 1, sizeof(*out->at));
    if (!kept || !placed || !out->at) {
        free(kept);
        free(placed);
        return -1;
    }
    if (before->count)
        memcpy(out->at, before->at, before->count * sizeof(*out->at));
    for (size_t i = 0; i < config->upstream_count + config->mitigator_count; i++) {
        size_t place = find(out, config, kind_of(config, i), index_of(config, i), same, arg);

        if (place == out->count)
            continue;
        out->at[place].index = index_of(config, i);
        kept[place] = placed[i] = true;
    }
    leave(out, kept, before->count, now);
    for (size_t i = 0; i < config->upstream_count + config->mitigator_count; i++) {
        if (!placed[i])
            set(&out->at[free_place(out)], kind_of(config, i), config, index_of(config, i));
    }
    free(kept);
    free(placed);
    return 0;
}
