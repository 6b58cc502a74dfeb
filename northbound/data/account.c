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
    if (settings->make_cuid(settings->arg, upstream->index, account->client ? &requester : NULL, made) != 0)
        return -1;
    snprintf(account->cuid, sizeof(account->cuid), "%s", made);
    return 0;
}

struct account *account_of(struct data_upstream *upstream, uint64_t client, const char *owner, const char *cdid,
                           const char *cuid, const char *identity_hash)
{
    struct account *account = account_find(upstream, client);

    if (account)
        return account;
    account = calloc(1, sizeof(*account));
    if (!account)
        return NULL;
    account->upstream = upstream;
    account->client = upstream_is_shared(upstream) ? 0 : client;
    if (identify(account, owner, cdid, cuid, identity_hash) != 0) {
        free(account);
        return NULL;
    }
    HASH_ADD(hh, upstream->accounts, client, sizeof(account->client), account);
    if (!account->hh.tbl) {
        free(account);
        return NULL;
    }
    return account;
}

void account_free(struct account *account)
{
    struct data_upstream *upstream = account->upstream;

    if (account->queued)
        DL_DELETE(upstream->to_compare, account);
    deadline_cancel(upstream->data->deadlines, &account->deadline);
    resync_drop(account);
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
