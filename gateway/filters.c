/* filters: what is in force, and what was handed over. */

#include "gateway/filters.h"

#define HASH_NONFATAL_OOM 1
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "gateway/log/log.h"

#define MITIGATORS_MAX 16

/* One ACL that a mitigator has, as it was told. */
struct filter {
    uint64_t id;
    struct catalog_entry *entry; /* a reference */
    unsigned round;
    UT_hash_handle hh, all;
};

struct filters_client {
    struct filter *filters; /* by id */
    bool noted;
    struct filters_client *next; /* of those that are noted */
    UT_hash_handle hh;
    char cuid[];
};

struct filters {
    const struct catalog *catalog;
    const struct relay *relay;
    struct mitigator *mitigators[MITIGATORS_MAX];
    size_t mitigator_count;
    struct filters_client *clients, *noted;
    struct filter *all; /* of all clients, by id */
    unsigned round;
};

struct filters *filters_new(const struct catalog *catalog, const struct relay *relay)
{
    struct filters *filters = calloc(1, sizeof(*filters));

    if (filters)
        *filters = (struct filters){.catalog = catalog, .relay = relay};
    return filters;
}

static void client_free(struct filters_client *client)
{
    struct filter *filter = client->filters;

    HASH_CLEAR(hh, client->filters);
    while (filter) {
        struct filter *next = filter->hh.next;

        catalog_entry_unref(filter->entry);
        free(filter);
        filter = next;
    }
    free(client);
}

static void filter_drop(struct filters *filters, struct filters_client *client, struct filter *filter)
{
    HASH_DEL(client->filters, filter);
    HASH_DELETE(all, filters->all, filter);
    catalog_entry_unref(filter->entry);
    free(filter);
}

void filters_free(struct filters *filters)
{
    struct filters_client *client;

    if (!filters)
        return;
    client = filters->clients;
    HASH_CLEAR(hh, filters->clients);
    HASH_CLEAR(all, filters->all);
    while (client) {
        struct filters_client *next = client->hh.next;

        client_free(client);
        client = next;
    }
    free(filters);
}

static struct filters_client *client_new(struct filters *filters, const char *cuid, size_t length)
{
    struct filters_client *client = calloc(1, sizeof(*client) + length + 1);

    if (!client)
        return NULL;
    memcpy(client->cuid, cuid, length + 1);
    HASH_ADD_KEYPTR(hh, filters->clients, client->cuid, length, client);
    if (client->hh.tbl)
        return client;
    free(client);
    return NULL;
}

void filters_note(struct filters *filters, const char *cuid)
{
    struct filters_client *client;
    size_t length = strlen(cuid);

    HASH_FIND_STR(filters->clients, cuid, client);
    if (!client) {
        if (!catalog_client_find(filters->catalog, cuid))
            return;
        client = client_new(filters, cuid, length);
        if (!client) {
            log_error("out-of-memory", "cuid %s: its filters are not handed to mitigators", cuid);
            return;
        }
    }
    if (client->noted)
        return;
    client->noted = true;
    client->next = filters->noted;
    filters->noted = client;
}

static void text_of(uint64_t id, char out[32])
{
    snprintf(out, 32, "acl-%" PRIu64, id);
}

static struct filter *filter_new(struct filters *filters, struct filters_client *client, uint64_t id)
{
    struct filter *filter = calloc(1, sizeof(*filter));

    if (!filter)
        return NULL;
    filter->id = id;
    HASH_ADD(hh, client->filters, id, sizeof(filter->id), filter);
    if (!filter->hh.tbl) {
        free(filter);
        return NULL;
    }
    HASH_ADD(all, filters->all, id, sizeof(filter->id), filter);
    if (filter->all.tbl)
        return filter;
    HASH_DEL(client->filters, filter);
    free(filter);
    return NULL;
}

static void begin(struct mitigator *mitigator, const struct filter *filter)
{
    char id[32];

    text_of(filter->id, id);
    mitigator_start(mitigator, &(struct mitigator_job){.id = id,
                                                       .client = filter->entry->client->owner,
                                                       .acl = filter->entry->json,
                                                       .lifetime = WIRE_LIFETIME_INDEFINITE});
}

static void hand_over(struct filters *filters, struct filters_client *client, struct catalog_entry *entry)
{
    struct filter *filter;

    HASH_FIND(hh, client->filters, &entry->id, sizeof(entry->id), filter);
    if (!filter) {
        filter = filter_new(filters, client, entry->id);
        if (!filter) {
            log_error("out-of-memory", "acl %s is not handed to mitigators", entry->name);
            return;
        }
    }
    filter->round = filters->round;
    if (filter->entry == entry)
        return;
    catalog_entry_unref(filter->entry);
    filter->entry = catalog_entry_ref(entry);
    for (size_t i = 0; i < filters->mitigator_count; i++)
        begin(filters->mitigators[i], filter);
}

static bool in_force(const struct catalog_entry *entry, bool mitigating)
{
    return entry->activation == WIRE_ACTIVATE_IMMEDIATE ||
           (entry->activation == WIRE_ACTIVATE_WHEN_MITIGATING && mitigating);
}

static void settle(struct filters *filters, struct filters_client *client)
{
    const struct catalog_client *owner = catalog_client_find(filters->catalog, client->cuid);
    const struct requester *requester = owner ? relay_requester_find(filters->relay, owner->cdid, client->cuid) : NULL;
    bool mitigating = requester && requester->active_count > 0;
    struct filter *filter, *next;

    filters->round++;
    for (struct catalog_entry *entry = owner ? owner->entries[CATALOG_ACL] : NULL; entry; entry = entry->next) {
        if (in_force(entry, mitigating))
            hand_over(filters, client, entry);
    }
    HASH_ITER(hh, client->filters, filter, next)
    {
        char id[32];

        if (filter->round == filters->round)
            continue;
        text_of(filter->id, id);
        for (size_t i = 0; i < filters->mitigator_count; i++)
            mitigator_stop(filters->mitigators[i], id);
        filter_drop(filters, client, filter);
    }
}

void filters_add_mitigator(struct filters *filters, struct mitigator *mitigator)
{
    if (filters->mitigator_count == MITIGATORS_MAX)
        return;
    filters->mitigators[filters->mitigator_count++] = mitigator;
    for (const struct filters_client *client = filters->clients; client; client = client->hh.next)
        for (const struct filter *filter = client->filters; filter; filter = filter->hh.next)
            if (filter->entry->client) /* else it was replaced, and is about to be handed to all anew */
                begin(mitigator, filter);
}

void filters_remove_mitigator(struct filters *filters, struct mitigator *mitigator)
{
    size_t at = 0;
    char id[32];

    while (at < filters->mitigator_count && filters->mitigators[at] != mitigator)
        at++;
    if (at == filters->mitigator_count)
        return;
    filters->mitigators[at] = filters->mitigators[--filters->mitigator_count];
    for (const struct filters_client *client = filters->clients; client; client = client->hh.next)
        for (const struct filter *filter = client->filters; filter; filter = filter->hh.next) {
            text_of(filter->id, id);
            mitigator_stop(mitigator, id);
        }
}

/* What is new beside what was told before. */
static char *merge(const struct catalog_entry *entry, size_t source, const char *matched)
{
    const struct catalog_counts *before = entry->counts;
    json_t *all, *more = json_loads(matched, 0, NULL);
    char *text;

    while (before && before->source != source)
        before = before->next;
    all = before ? json_loads(before->json, 0, NULL) : json_object();
    text = more && json_object_update(all, more) == 0 ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    json_decref(more);
    return text;
}

bool filters_report(struct filters *filters, size_t source, const char *job, const char *matched)
{
    uint64_t id = strncmp(job, "acl-", 4) == 0 ? strtoull(job + 4, NULL, 10) : 0;
    struct filter *filter;
    char *text;

    if (id == 0)
        return false;
    HASH_FIND(all, filters->all, &id, sizeof(id), filter);
    if (!filter || !matched)
        return true;
    text = merge(filter->entry, source, matched);
    if (!text || catalog_entry_count(filter->entry, source, text) != 0)
        log_warning("acl-not-counted", "acl %s of %s: what it matched is too long, or there is no memory for it",
                    filter->entry->name, filter->entry->client ? filter->entry->client->owner : "a client");
    free(text);
    return true;
}

void filters_run(struct filters *filters)
{
    while (filters->noted) {
        struct filters_client *client = filters->noted;

        filters->noted = client->next;
        client->noted = false;
        settle(filters, client);
        if (!client->filters && filters->clients) {
            HASH_DEL(filters->clients, client);
            free(client);
        }
    }
}
