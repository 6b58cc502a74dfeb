/* requester: downstream clients by (cdid, cuid), and whose cuid is whose (RFC 9132 section 4.4.1.1). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"
#include "aggregation/walk.h"

#define CDID "cdid:"

void requester_key(char key[REQUESTER_KEY_MAX], const char *cdid, const char *cuid)
{
    snprintf(key, REQUESTER_KEY_MAX, "%s%c%s", cdid, RELAY_SEPARATOR, cuid);
}

/* A trusted gateway's cdid names the client's domain whichever gateway it came through. */
static void identity_of(char identity[160], const struct relay_requester *requester)
{
    if (requester->cdid[0])
        snprintf(identity, 160, CDID "%s", requester->cdid);
    else
        snprintf(identity, 160, "client:%s", requester->client);
}

struct binding_count *requester_identity(const struct relay *relay, const struct relay_requester *requester)
{
    struct binding_count *count;
    char identity[160];

    identity_of(identity, requester);
    HASH_FIND_STR(relay->binding_counts, identity, count);
    return count;
}

struct requester_state *requester_look(const struct relay *relay, const char *cdid, const char *cuid)
{
    struct requester_state *requester;
    char key[REQUESTER_KEY_MAX];

    requester_key(key, cdid, cuid);
    HASH_FIND_STR(relay->requesters, key, requester);
    return requester;
}

struct requester *relay_requester_find(const struct relay *relay, const char *cdid, const char *cuid)
{
    struct requester_state *requester = requester_look(relay, cdid, cuid);

    return requester ? &requester->public : NULL;
}

int relay_requester_each(const struct relay *relay, int (*each)(void *arg, struct requester *requester), void *arg)
{
    struct requester_state *requester, *next;

    HASH_ITER(hh, relay->requesters, requester, next)
    {
        int stop = each(arg, &requester->public);

        if (stop)
            return stop;
    }
    return 0;
}

struct requester_state *requester_get(struct relay *relay, const struct relay_requester *from)
{
    struct requester_state *requester = requester_look(relay, from->cdid, from->cuid);

    if (requester)
        return requester;
    requester = calloc(1, sizeof(*requester));
    if (!requester)
        return NULL;
    requester_key(requester->key, from->cdid, from->cuid);
    snprintf(requester->public.client, sizeof(requester->public.client), "%s", from->client);
    snprintf(requester->public.cdid, sizeof(requester->public.cdid), "%s", from->cdid);
    snprintf(requester->public.cuid, sizeof(requester->public.cuid), "%s", from->cuid);
    snprintf(requester->public.identity_hash, sizeof(requester->public.identity_hash), "%s", from->identity_hash);
    requester->identity = requester_identity(relay, from);
    requester->index = overlap_index_new();
    if (!requester->index) {
        free(requester);
        return NULL;
    }
    HASH_ADD_STR(relay->requesters, key, requester);
    if (!requester->hh.tbl) {
        overlap_index_free(requester->index);
        free(requester);
        return NULL;
    }
    return requester;
}

const char *binding_client(const struct binding *binding)
{
    return strncmp(binding->identity, "client:", 7) == 0 ? binding->identity + 7 : NULL;
}

void binding_release(struct relay *relay, struct binding *binding)
{
    struct binding_count *count;

    HASH_FIND_STR(relay->binding_counts, binding->identity, count);
    if (count)
        count->count--;
    if (relay->review_binding == binding)
        relay->review_binding = binding->hh.next;
    record_forget_binding(relay, binding);
    HASH_DEL(relay->bindings, binding);
    free(binding);
}

static void release_cuid(struct relay *relay, const struct requester_state *requester)
{
    struct binding *binding;
    const char *client;

    HASH_FIND_STR(relay->bindings, requester->public.cuid, binding);
    client = binding ? binding_client(binding) : NULL;
    if (client && strcmp(client, requester->public.client) == 0)
        binding_release(relay, binding);
}

void requester_release(struct relay *relay, struct requester_state *requester)
{
    if (requester->held)
        return;
    if (requester->forgotten)
        release_cuid(relay, requester);
    if (relay->review_next == requester)
        relay->review_next = requester->hh.next;
    relay->effects->requester_gone(relay->arg, &requester->public);
    walk_pass_requester(relay, requester);
    HASH_DEL(relay->requesters, requester);
    overlap_index_free(requester->index);
    free(requester);
}

bool relay_cuid_allowed(const struct relay *relay, const struct relay_requester *requester)
{
    struct binding *binding;
    char identity[160];

    HASH_FIND_STR(relay->bindings, requester->cuid, binding);
    identity_of(identity, requester);
    return !binding || strcmp(binding->identity, identity) == 0;
}

const char *requester_owner_cdid(const struct relay *relay, const char *cuid)
{
    struct binding *binding;

    HASH_FIND_STR(relay->bindings, cuid, binding);
    if (!binding)
        return NULL;
    return strncmp(binding->identity, CDID, strlen(CDID)) == 0 ? binding->identity + strlen(CDID) : "";
}

int binding_add(struct relay *relay, const char *cuid, const char *identity)
{
    struct binding *binding = calloc(1, sizeof(*binding));
    struct binding_count *count;

    if (!binding)
        return -1;
    HASH_FIND_STR(relay->binding_counts, identity, count);
    if (!count) {
        count = calloc(1, sizeof(*count));
        if (!count)
            goto out_of_memory;
        snprintf(count->identity, sizeof(count->identity), "%s", identity);
        HASH_ADD_STR(relay->binding_counts, identity, count);
        if (!count->hh.tbl) {
            free(count);
            goto out_of_memory;
        }
    }
    snprintf(binding->cuid, sizeof(binding->cuid), "%s", cuid);
    snprintf(binding->identity, sizeof(binding->identity), "%s", identity);
    HASH_ADD_STR(relay->bindings, cuid, binding);
    if (!binding->hh.tbl)
        goto out_of_memory;
    count->count++;
    return 0;

out_of_memory:
    free(binding);
    return -1;
}

int requester_bind(struct relay *relay, const struct relay_requester *requester, uint32_t cuids_max)
{
    struct binding *binding;
    struct binding_count *count;
    char identity[160];

    HASH_FIND_STR(relay->bindings, requester->cuid, binding);
    if (binding)
        return 0;
    identity_of(identity, requester);
    HASH_FIND_STR(relay->binding_counts, identity, count);
    if (count && count->count >= cuids_max)
        return -1;
    if (binding_add(relay, requester->cuid, identity) != 0)
        return -1;
    HASH_FIND_STR(relay->bindings, requester->cuid, binding);
    return record_binding(relay, binding);
}

int relay_cuid_bind(struct relay *relay, const struct relay_requester *requester, uint32_t cuids_max)
{
    return requester_bind(relay, requester, cuids_max);
}
