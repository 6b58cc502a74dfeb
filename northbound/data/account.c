/* account: who somebody is at an upstream, and what entries are called there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/data/data_state.h"

bool upstream_is_shared(const struct data_upstream *upstream)
{
    return !upstream->target->identity_client && !upstream->target->per_client;
}

struct account *account_find(const struct data_upstream *upstream, uint64_t client)
{
    struct account *account;

    if (upstream_is_shared(upstream))
        client = 0;
    HASH_FIND(hh, upstream->accounts, &client, sizeof(client), account);
    return account;
}

/* As on the signal channel, and as the relay does it (RFC 8783 section 5.1, RFC 9132 section 4.4.1). */
static int identify(struct account *account, const char *owner, const char *cdid, const char *cuid,
                    const char *identity_hash)
{
    const struct data_upstream *upstream = account->upstream;
    const struct northbound_data_settings *settings = &upstream->data->settings;
    struct requester requester = {0};
    char made[23];

    snprintf(account->client_cuid, sizeof(account->client_cuid), "%s", cuid);
    if (upstream->target->identity_client) {
        snprintf(account->cuid, sizeof(account->cuid), "%s", cuid);
        if (upstream->target->insert_cdid)
            snprintf(account->cdid, sizeof(account->cdid), "%s", cdid[0] ? cdid : identity_hash);
        return 0;
    }
    snprintf(requester.client, sizeof(requester.client), "%s", owner);
    snprintf(requester.cdid, sizeof(requester.cdid), "%s", cdid);
    snprintf(requester.cuid, sizeof(requester.cuid), "%s", cuid);
    if (settings->make_cuid(settings->arg, upstream->place, account->client ? &requester : NULL, made) != 0)
        return -1;
    snprintf(account->cuid, sizeof(account->cuid), "%s", made);
    return 0;
}

/* What was sent under the cuid of before is answered yet, and compared with what is there under the new one. */
static int name_anew(struct account *account, const char *owner, const char *cdid, const char *cuid,
                     const char *identity_hash)
{
    char before[sizeof(account->cuid)];

    memcpy(before, account->cuid, sizeof(before));
    if (identify(account, owner, cdid, cuid, identity_hash) != 0)
        return -1;
    account->names = account->upstream->names;
    if (strcmp(before, account->cuid) == 0)
        return 0;
    account->generation++;
    account->registered = false;
    if (before[0]) {
        log_notice("data-cuid", "%s: aliases and ACLs of %s move from cuid %s to %s", account->upstream->config->name,
                   account->client ? account->client_cuid : "this gateway", before, account->cuid);
        account_dirty(account, 0);
    }
    return 0;
}

struct catalog_client *account_client(const struct account *account)
{
    struct catalog_client *client =
        catalog_client_find(account->upstream->data->settings.catalog, account->client_cuid);

    return client && client->id == account->client ? client : NULL;
}

int account_name(struct account *account)
{
    const struct catalog_client *client = account_client(account);

    if (account->names == account->upstream->names || (account->client != 0 && !client))
        return 0;
    return client ? name_anew(account, client->owner, client->cdid, client->cuid, client->identity_hash)
                  : name_anew(account, "", "", "", "");
}

struct account *account_of(struct data_upstream *upstream, uint64_t client, const char *owner, const char *cdid,
                           const char *cuid, const char *identity_hash)
{
    struct account *account = account_find(upstream, client);

    if (account)
        return account->names == upstream->names || name_anew(account, owner, cdid, cuid, identity_hash) == 0 ? account
                                                                                                              : NULL;
    account = calloc(1, sizeof(*account));
    if (!account)
        return NULL;
    account->upstream = upstream;
    account->client = account->record = upstream_is_shared(upstream) ? 0 : client;
    if (name_anew(account, owner, cdid, cuid, identity_hash) != 0) {
        free(account);
        return NULL;
    }
    HASH_ADD(hh, upstream->accounts, client, sizeof(account->client), account);
    if (!account->hh.tbl) {
        free(account);
        return NULL;
    }
    held_take(account);
    return account;
}

void account_seen(struct account *account, unsigned generation, bool there)
{
    if (generation != account->generation)
        return;
    account->registered = there;
    if (there && !account->upstream->target->identity_client)
        held_add(account, account->cuid);
}

void account_left(struct account *account, unsigned generation)
{
    if (generation != account->generation)
        return;
    account->registered = false;
    held_drop(account, account->cuid);
}

void account_free(struct account *account)
{
    struct data_upstream *upstream = account->upstream;

    if (account->queued)
        DL_DELETE(upstream->to_compare, account);
    deadline_cancel(upstream->data->deadlines, &account->deadline);
    resync_drop(account);
    counts_drop(account);
    HASH_DEL(upstream->accounts, account);
    free(account);
}

void account_entry_name(const struct account *account, uint64_t client, uint64_t entry, const char *name,
                        char out[CATALOG_NAME_MAX + 1])
{
    if (account->client == 0)
        catalog_upstream_name(client, entry, name, out);
    else
        snprintf(out, CATALOG_NAME_MAX + 1, "%s", name);
}

size_t account_window(const struct account *account)
{
    return account->registered ? DATA_WINDOW : 1;
}

void account_dirty(struct account *account, int64_t delay_ms)
{
    struct northbound_data *data = account->upstream->data;

    account->dirty = true;
    if (!account->queued)
        deadline_set(data->deadlines, &account->deadline, data->settings.now() + delay_ms);
}

struct portion_terms account_terms(const struct account *account)
{
    const struct relay_policy *policy = account->upstream->data->settings.policy;

    return (struct portion_terms){.nat = policy->nat,
                                  .nat_count = policy->nat_count,
                                  .by_prefix = policy->fan_out == RELAY_FAN_OUT_BY_PREFIX,
                                  .owns = account->upstream->target->owns,
                                  .owns_count = account->upstream->target->owns_count};
}
