/* keep: changes into the catalog and, in one batch, into the store; and what expires out of both. */

#include <string.h>

#include "gateway/log/log.h"
#include "southbound/data/data.h"

/* ---- Records ---- */

int data_keep_entry(struct data_server *server, const struct catalog_entry *entry)
{
    char key[CATALOG_KEY_MAX + 1];
    size_t key_length = catalog_entry_key(entry->client, entry->name, key);
    size_t length = catalog_entry_encode(entry, server->record, STORE_VALUE_MAX);

    return length == 0 ? -1
                       : store_put(server->store, entry->kind == CATALOG_ALIAS ? STORE_ALIAS : STORE_ACL, key,
                                   key_length, server->record, length);
}

static int drop_entry(struct data_server *server, const struct catalog_entry *entry)
{
    char key[CATALOG_KEY_MAX + 1];
    size_t key_length = catalog_entry_key(entry->client, entry->name, key);

    return store_delete(server->store, entry->kind == CATALOG_ALIAS ? STORE_ALIAS : STORE_ACL, key, key_length);
}

/* All of a kind. */
static int drop_entries(struct data_server *server, const struct catalog_client *client, enum catalog_kind kind)
{
    char first[CATALOG_KEY_MAX + 1], end[CATALOG_KEY_MAX + 1];
    size_t length = catalog_entry_key(client, "", first), end_length = catalog_entries_end(client, end);

    return store_delete_range(server->store, kind == CATALOG_ALIAS ? STORE_ALIAS : STORE_ACL, first, length, end,
                              end_length);
}

/* A client that changed, or is gone (NULL), and its owner. */
static int keep_stamps(struct data_server *server, const char *owner, struct catalog_client *client)
{
    char key[CATALOG_KEY_MAX + 1];
    size_t key_length, length;

    if (catalog_changed(server->catalog, owner, client, server->now()) != 0)
        return -1;
    if (client && server->changed)
        server->changed(server->changed_arg, client->cuid);
    if (client) {
        key_length = catalog_client_key(client, key);
        length = catalog_client_encode(client, server->record, STORE_VALUE_MAX);
        if (store_put(server->store, STORE_DATA_CLIENT, key, key_length, server->record, length) != 0)
            return -1;
    }
    key_length = catalog_owner_key(owner, key);
    length = catalog_owner_encode(server->catalog, owner, server->record, STORE_VALUE_MAX);
    return store_put(server->store, STORE_DATA_CLIENT, key, key_length, server->record, length);
}

/* ---- Changes ---- */

/* RFC 9133 section 3.2.1: during a mitigation the client is told of what it did not ask for by a mitigation request. */
static void note_switch(const struct data_write *write, struct catalog_entry *entry, enum wire_activation before)
{
    const struct catalog_client *client = entry->client;
    const struct requester *requester = relay_requester_find(write->server->relay, client->cdid, client->cuid);

    if (write->acls)
        catalog_entry_switch(entry, false);
    else if (before != 0 && before != entry->activation && requester && requester->active_count > 0)
        catalog_entry_switch(entry, true);
}

static int keep_put(struct data_write *write, struct catalog_client *client, const struct catalog_change *change,
                    struct data_item *item)
{
    struct data_server *server = write->server;
    const struct catalog_entry *point = change->point ? catalog_entry_find(client, CATALOG_ACL, change->point) : NULL;
    enum catalog_insert insert = change->insert;
    struct catalog_entry *entry = item->entry, *old = catalog_entry_find(client, change->kind, entry->name);
    enum wire_activation before = old ? old->activation : 0;

    if (!point && (insert == CATALOG_BEFORE || insert == CATALOG_AFTER))
        insert = CATALOG_LAST; /* it expired meanwhile */
    if (catalog_entry_put(server->catalog, client, entry, insert, point) != 0)
        return -1;
    item->entry = NULL; /* the catalog's now */
    if (entry->kind == CATALOG_ACL)
        note_switch(write, entry, before);
    if (!catalog_renumbered(client, entry->kind))
        return data_keep_entry(server, entry);
    for (entry = client->entries[change->kind]; entry; entry = entry->next) {
        if (data_keep_entry(server, entry) != 0)
            return -1;
    }
    return 0;
}

static int keep_changes(struct data_write *write, struct catalog_client *client)
{
    struct data_server *server = write->server;
    size_t next = 0; /* puts are in the order of items, and before all deletions */

    for (int kind = 0; kind < CATALOG_KINDS; kind++) {
        if (write->clears[kind] && drop_entries(server, client, (enum catalog_kind)kind) != 0)
            return -1;
    }
    for (size_t i = 0; i < write->change_count; i++) {
        const struct catalog_change *change = &write->changes[i];
        struct catalog_entry *entry;

        if (change->op == CATALOG_PUT) {
            if (keep_put(write, client, change, &write->edit.items[next++]) != 0)
                return -1;
            continue;
        }
        entry = write->clears[change->kind] ? NULL : catalog_entry_find(client, change->kind, change->name);
        if (entry && drop_entry(server, entry) != 0)
            return -1;
    }
    return 0;
}

/* Only after what was asked upstream was kept: changes name their entries by the entries' own text. */
static void remove_deleted(struct data_write *write, struct catalog_client *client)
{
    for (int kind = 0; kind < CATALOG_KINDS; kind++) {
        if (write->clears[kind])
            catalog_entries_clear(write->server->catalog, client, (enum catalog_kind)kind);
    }
    for (size_t i = 0; i < write->change_count; i++) {
        const struct catalog_change *change = &write->changes[i];
        struct catalog_entry *entry;

        if (change->op != CATALOG_DELETE || write->clears[change->kind])
            continue;
        entry = catalog_entry_find(client, change->kind, change->name);
        if (entry)
            catalog_entry_discard(write->server->catalog, entry);
    }
    data_reap(write->server);
}

static struct catalog_client *enter_client(struct data_write *write)
{
    struct data_server *server = write->server;
    struct relay_requester requester = {
        .client = write->owner->config->name, .cdid = write->cdid, .cuid = write->cuid, .identity_hash = write->hash};

    if (relay_cuid_bind(server->relay, &requester, write->owner->config->limits.cuids) != 0)
        return NULL;
    return catalog_client_add(server->catalog,
                              &(struct catalog_client_values){.id = write->client,
                                                              .owner = write->owner->config->name,
                                                              .cdid = write->cdid,
                                                              .cuid = write->cuid,
                                                              .identity_hash = write->hash,
                                                              .domain = data_domain(write->owner, write->cdid)});
}

static int drop_client(struct data_server *server, struct catalog_client *client)
{
    char key[CATALOG_KEY_MAX + 1], owner[sizeof(client->owner)];
    size_t key_length = catalog_client_key(client, key);

    for (int kind = 0; kind < CATALOG_KINDS; kind++) {
        if (drop_entries(server, client, (enum catalog_kind)kind) != 0)
            return -1;
    }
    if (store_delete(server->store, STORE_DATA_CLIENT, key, key_length) != 0)
        return -1;
    memcpy(owner, client->owner, sizeof(owner));
    if (server->changed)
        server->changed(server->changed_arg, client->cuid);
    catalog_client_remove(server->catalog, client);
    data_reap(server);
    return keep_stamps(server, owner, NULL);
}

int data_keep(struct data_write *write)
{
    struct data_server *server = write->server;
    struct catalog_client *client = catalog_client_find(server->catalog, write->cuid);

    if (write->upstream.deregisters) {
        write->cuid = write->target.cuid;
        return client ? drop_client(server, client) : 0;
    }
    if (!client)
        client = enter_client(write);
    if (!client || keep_changes(write, client) != 0 || keep_stamps(server, client->owner, client) != 0)
        return -1;
    remove_deleted(write, client);
    write->stamp = client->stamp;
    write->modified_ms = client->modified_ms;
    return 0;
}

/* ---- Lives ---- */

void data_entry_used(void *arg, struct catalog_entry *entry)
{
    struct data_server *server = arg;
    int64_t expires_ms = data_expiry(server);

    /* An hour more or less is not worth a write. */
    if (expires_ms - entry->expires_ms < 3600000)
        return;
    catalog_entry_refresh(server->catalog, entry, expires_ms);
    if (data_keep_entry(server, entry) == 0)
        store_submit(server->store);
    data_arm(server);
}

/* Upstreams forget it by themselves, as it is not refreshed there any more; they are told all the same. */
static void tell_upstream(struct data_server *server, const struct catalog_entry *entry)
{
    const struct catalog_client *client = entry->client;
    struct catalog_change change = {
        .op = CATALOG_DELETE, .kind = entry->kind, .existed = true, .id = entry->id, .name = entry->name};
    struct catalog_write write = {.client = client->id,
                                  .owner = client->owner,
                                  .cdid = client->cdid,
                                  .cuid = client->cuid,
                                  .identity_hash = client->identity_hash,
                                  .changes = &change,
                                  .change_count = 1};

    if (!server->upstream)
        return;
    server->upstream->ask(server->upstream->arg, &write, NULL, NULL);
    if (server->upstream->kept)
        server->upstream->kept(server->upstream->arg, &write);
}

void data_expire(struct data_server *server)
{
    struct catalog_entry *entry;

    for (int i = 0; i < 256 && (entry = catalog_expired(server->catalog, server->now())) != NULL; i++) {
        struct catalog_client *client = entry->client;

        log_notice("data-expired", "client %s, cuid %s: %s %s was not refreshed and is removed", client->owner,
                   client->cuid, entry->kind == CATALOG_ALIAS ? "alias" : "acl", entry->name);
        tell_upstream(server, entry);
        drop_entry(server, entry);
        catalog_entry_remove(server->catalog, entry);
        keep_stamps(server, client->owner, client);
    }
    store_submit(server->store);
}
