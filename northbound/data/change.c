/* change: another configuration with the same upstreams takes the place of the one in force. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/data/credentials.h"
#include "northbound/data/data_state.h"

struct northbound_data_change {
    const struct config *config;
    size_t count;
    struct credentials *credentials[]; /* by upstream of config; NULL: it has no data channel */
};

struct northbound_data_change *northbound_data_prepare(const struct config *config, char *error, size_t error_size)
{
    struct northbound_data_change *change =
        calloc(1, sizeof(*change) + config->upstream_count * sizeof(struct credentials *));
    char reason[384];

    if (!change) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    change->config = config;
    change->count = config->upstream_count;
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];

        if (!upstream->data.given)
            continue;
        change->credentials[i] = credentials_read(&upstream->credentials, reason, sizeof(reason));
        if (!change->credentials[i]) {
            snprintf(error, error_size, "upstream %s: data channel: %s", upstream->name, reason);
            northbound_data_change_free(change);
            return NULL;
        }
    }
    return change;
}

void northbound_data_change_free(struct northbound_data_change *change)
{
    if (!change)
        return;
    for (size_t i = 0; i < change->count; i++)
        credentials_free(change->credentials[i]);
    free(change);
}

/* Are entries told to upstreams in the same words as before? */
static bool same_portions(const struct relay_policy *a, const struct relay_policy *b)
{
    return a->fan_out == b->fan_out && a->nat_count == b->nat_count &&
           (a->nat_count == 0 || memcmp(a->nat, b->nat, a->nat_count * sizeof(*a->nat)) == 0);
}

/* Other credentials are other cuids, of all or of none. */
static void rename_accounts(struct data_upstream *upstream)
{
    struct account *account = upstream->accounts, *next;
    unsigned generation;

    if (!account || upstream->target->identity_client)
        return;
    upstream->names++;
    generation = account->generation;
    if (account_name(account) == 0 && account->names == upstream->names && account->generation == generation)
        return;
    HASH_ITER(hh, upstream->accounts, account, next)
    {
        account_dirty(account, 0);
    }
}

void northbound_data_apply(struct northbound_data *data, struct northbound_data_change *change,
                           const struct relay_policy *policy)
{
    bool same = same_portions(data->settings.policy, policy);

    for (size_t i = 0; i < data->upstream_count; i++) {
        struct data_upstream *upstream = &data->upstreams[i];
        struct account *account, *next;

        upstream->config = &change->config->upstreams[upstream->index];
        upstream->place = data_place(policy, upstream->config->name);
        upstream->target = &policy->targets[upstream->place];
        restconf_renew(upstream->restconf, upstream->config, &change->credentials[upstream->index]);
        if (same)
            continue;
        HASH_ITER(hh, upstream->accounts, account, next)
        {
            account_dirty(account, 0);
        }
    }
    data->settings.config = change->config;
    data->settings.policy = policy;
    for (size_t i = 0; i < data->upstream_count; i++)
        rename_accounts(&data->upstreams[i]);
}
