/* catalog: clients and their owners. */

#include <stdlib.h>
#include <string.h>

#include "aggregation/catalog_state.h"

struct catalog *catalog_new(void)
{
    struct catalog *catalog = calloc(1, sizeof(*catalog));

    if (!catalog)
        return NULL;
    catalog->deadlines = deadline_heap_new();
    if (!catalog->deadlines) {
        free(catalog);
        return NULL;
    }
    return catalog;
}

static int remove_client(void *arg, struct catalog_client *client)
{
    catalog_client_remove(arg, client);
    return 0;
}

void catalog_free(struct catalog *catalog)
{
    struct catalog_owner *owner;

    if (!catalog)
        return;
    catalog_client_each(catalog, remove_client, catalog);
    catalog_reap(catalog, SIZE_MAX);
    owner = catalog->owners;
    HASH_CLEAR(hh, catalog->owners);
    while (owner) {
        struct catalog_owner *next = owner->hh.next;

        free(owner);
        owner = next;
    }
    deadline_heap_free(catalog->deadlines);
    free(catalog);
}

uint64_t catalog_next_id(struct catalog *catalog)
{
    return ++catalog->last_id;
}

/* ---- Domains ---- */

static struct catalog_domain *domain_get(struct catalog *catalog, const char *name)
{
    struct catalog_domain *domain;
    size_t length = strlen(name);

    HASH_FIND_STR(catalog->domains, name, domain);
    if (domain)
        return domain;
    domain = calloc(1, sizeof(*domain) + length + 1);
    if (!domain)
        return NULL;
    memcpy(domain->name, name, length + 1);
    HASH_ADD_KEYPTR(hh, catalog->domains, domain->name, length, domain);
    if (domain->hh.tbl)
        return domain;
    free(domain);
    return NULL;
}

static void domain_put(struct catalog *catalog, struct catalog_domain *domain)
{
    if (domain->clients > 0)
        return;
    HASH_DEL(catalog->domains, domain);
    free(domain);
}

size_t catalog_domain_count(const struct catalog *catalog, const char *name, enum catalog_kind kind)
{
    struct catalog_domain *domain;

    HASH_FIND_STR(catalog->domains, name, domain);
    return domain ? domain->counts[kind] : 0;
}

/* ---- Clients ---- */

static int copy(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);

    if (length >= size)
        return -1;
    memcpy(to, from, length + 1);
    return 0;
}

static int client_fill(struct catalog_client *client, const struct catalog_client_values *values)
{
    client->stamp = values->stamp;
    client->modified_ms = values->modified_ms;
    return copy(client->owner, sizeof(client->owner), values->owner) == 0 &&
                   copy(client->cdid, sizeof(client->cdid), values->cdid) == 0 &&
                   copy(client->cuid, sizeof(client->cuid), values->cuid) == 0 &&
                   copy(client->identity_hash, sizeof(client->identity_hash), values->identity_hash) == 0 &&
                   copy(client->domain, sizeof(client->domain), values->domain) == 0
               ? 0
               : -1;
}

struct catalog_client *catalog_client_add(struct catalog *catalog, const struct catalog_client_values *values)
{
    struct catalog_client_state *client = calloc(1, sizeof(*client));

    if (!client || client_fill(&client->public, values) != 0)
        goto fail;
    client->domain = domain_get(catalog, values->domain);
    if (!client->domain)
        goto fail;
    client->public.id = values->id ? values->id : catalog->last_id + 1;
    HASH_ADD(hh, catalog->clients, public.cuid, strlen(client->public.cuid), client);
    if (!client->hh.tbl)
        goto fail;
    HASH_ADD(by_id, catalog->clients_by_id, public.id, sizeof(client->public.id), client);
    if (!client->by_id.tbl) {
        HASH_DELETE(hh, catalog->clients, client);
        goto fail;
    }
    client->domain->clients++;
    if (client->public.id > catalog->last_id)
        catalog->last_id = client->public.id;
    if (client->public.stamp > catalog->stamp)
        catalog->stamp = client->public.stamp;
    return &client->public;
fail:
    if (client && client->domain)
        domain_put(catalog, client->domain);
    free(client);
    return NULL;
}

void catalog_client_remove(struct catalog *catalog, struct catalog_client *public)
{
    struct catalog_client_state *client = (struct catalog_client_state *)public;

    for (int kind = 0; kind < CATALOG_KINDS; kind++)
        catalog_entries_clear(catalog, public, (enum catalog_kind)kind);
    HASH_DELETE(hh, catalog->clients, client);
    HASH_DELETE(by_id, catalog->clients_by_id, client);
    client->domain->clients--;
    domain_put(catalog, client->domain);
    free(client);
}

struct catalog_client *catalog_client_find(const struct catalog *catalog, const char *cuid)
{
    struct catalog_client_state *client;

    HASH_FIND(hh, catalog->clients, cuid, strlen(cuid), client);
    return client ? &client->public : NULL;
}

struct catalog_client_state *catalog_client_by_id(const struct catalog *catalog, uint64_t id)
{
    struct catalog_client_state *client;

    HASH_FIND(by_id, catalog->clients_by_id, &id, sizeof(id), client);
    return client;
}

int catalog_client_each(const struct catalog *catalog, int (*each)(void *arg, struct catalog_client *client), void *arg)
{
    struct catalog_client_state *client, *next;

    HASH_ITER(hh, catalog->clients, client, next)
    {
        int stop = each(arg, &client->public);

        if (stop)
            return stop;
    }
    return 0;
}

/* ---- Stamps ---- */

static struct catalog_owner *owner_find(const struct catalog *catalog, const char *name)
{
    struct catalog_owner *owner;

    HASH_FIND_STR(catalog->owners, name, owner);
    return owner;
}

int catalog_owner_set(struct catalog *catalog, const char *name, uint64_t stamp, int64_t modified_ms)
{
    struct catalog_owner *owner = owner_find(catalog, name);
    size_t length = strlen(name);

    if (!owner) {
        owner = calloc(1, sizeof(*owner) + length + 1);
        if (!owner)
            return -1;
        memcpy(owner->name, name, length + 1);
        HASH_ADD_KEYPTR(hh, catalog->owners, owner->name, length, owner);
        if (!owner->hh.tbl) {
            free(owner);
            return -1;
        }
    }
    owner->stamp = stamp;
    owner->modified_ms = modified_ms;
    if (stamp > catalog->stamp)
        catalog->stamp = stamp;
    return 0;
}

uint64_t catalog_owner_stamp(const struct catalog *catalog, const char *name)
{
    const struct catalog_owner *owner = owner_find(catalog, name);

    return owner ? owner->stamp : 0;
}

int64_t catalog_owner_modified(const struct catalog *catalog, const char *name)
{
    const struct catalog_owner *owner = owner_find(catalog, name);

    return owner ? owner->modified_ms : 0;
}

/* From the clock, so that a stamp does not come again after a record was lost. */
int catalog_changed(struct catalog *catalog, const char *owner, struct catalog_client *client, int64_t now)
{
    uint64_t stamp = now > 0 && (uint64_t)now > catalog->stamp ? (uint64_t)now : catalog->stamp + 1;

    if (client) {
        client->stamp = stamp;
        client->modified_ms = now;
    }
    return catalog_owner_set(catalog, owner, stamp, now);
}
