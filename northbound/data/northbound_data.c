/* northbound_data: upstreams are opened, their accounts compared when it is time. */
#include "northbound/data/northbound_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/data/data_state.h"

#define DEADLINES_A_TURN 64u

static void handle_gone(struct northbound_data *data)
{
    if (data->handles > 0 || data->working > 0)
        return;
    deadline_heap_free(data->deadlines);
    held_free(data);
    free(data->upstreams);
    free(data->capabilities);
    if (data->on_closed)
        data->on_closed(data->arg);
    free(data);
}

void data_working(struct northbound_data *data, int more)
{
    data->working += (size_t)more;
    if (data->closing)
        handle_gone(data);
}

/* ---- Time ---- */

static void due(uv_timer_t *timer)
{
    struct northbound_data *data = timer->data;
    struct deadline *entry;

    for (unsigned i = 0; i < DEADLINES_A_TURN; i++) {
        struct account *account;

        entry = deadline_pop_due(data->deadlines, data->settings.now());
        if (!entry)
            break;
        account = (struct account *)((char *)entry - offsetof(struct account, deadline));
        if (!account->queued) {
            account->queued = true;
            DL_APPEND(account->upstream->to_compare, account);
        }
    }
    for (size_t i = 0; i < data->upstream_count; i++)
        resync_run(&data->upstreams[i]);
}

static void set_timer(uv_prepare_t *prepare)
{
    struct northbound_data *data = prepare->data;
    int64_t next = deadline_next(data->deadlines), now = next < 0 ? 0 : data->settings.now();

    if (next < 0)
        uv_timer_stop(&data->timer);
    else
        uv_timer_start(&data->timer, due, next > now ? (uint64_t)(next - now) : 0, 0);
}

/* ---- Upstreams ---- */

/* After a long outage it may have lost what it had: everything is compared, not only what is in doubt. */
static void up(void *arg, uint64_t outage_ms)
{
    struct data_upstream *upstream = arg;
    bool all = !upstream->up || outage_ms > DATA_OUTAGE_MS;
    struct account *account, *next;

    upstream->up = true;
    capabilities_ask(upstream);
    HASH_ITER(hh, upstream->accounts, account, next)
    {
        if (all)
            account->registered = false;
        if (all || account->dirty)
            account_dirty(account, 0);
    }
}

size_t data_place(const struct relay_policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->target_count; i++) {
        const struct relay_target *target = &policy->targets[i];

        if (target->kind == RELAY_UPSTREAM && !target->disabled && strcmp(target->name, name) == 0)
            return i;
    }
    return 0;
}

static int upstream_open(struct northbound_data *data, size_t index, char *error, size_t error_size)
{
    struct data_upstream *upstream = &data->upstreams[data->upstream_count];
    const struct restconf_settings settings = {
        .loop = data->settings.loop, .config = &data->settings.config->upstreams[index], .up = up, .arg = upstream};
    char reason[384];

    *upstream = (struct data_upstream){.data = data,
                                       .config = settings.config,
                                       .index = index,
                                       .place = data_place(data->settings.policy, settings.config->name)};
    upstream->target = &data->settings.policy->targets[upstream->place];
    upstream->restconf = restconf_open(&settings, reason, sizeof(reason));
    if (!upstream->restconf) {
        snprintf(error, error_size, "upstream %s: data channel: %s", settings.config->name, reason);
        return -1;
    }
    data->upstream_count++;
    data->handles++;
    return 0;
}

struct northbound_data *northbound_data_open(const struct northbound_data_settings *settings, char *error,
                                             size_t error_size)
{
    struct northbound_data *data = calloc(1, sizeof(*data));
    bool good;

    snprintf(error, error_size, "out of memory");
    if (!data)
        return NULL;
    data->settings = *settings;
    uv_timer_init(settings->loop, &data->timer);
    uv_prepare_init(settings->loop, &data->prepare);
    data->timer.data = data->prepare.data = data;
    data->handles = 2;
    data->deadlines = deadline_heap_new();
    data->upstreams = calloc(settings->config->upstream_count + 1, sizeof(*data->upstreams));
    good = data->deadlines && data->upstreams;
    for (size_t i = 0; good && i < settings->config->upstream_count; i++)
        if (settings->config->upstreams[i].data.given)
            good = upstream_open(data, i, error, error_size) == 0;
    if (good)
        return data;
    northbound_data_close(data, NULL, NULL);
    return NULL;
}

static int add_account(void *arg, struct catalog_client *client)
{
    return account_of(arg, client->id, client->owner, client->cdid, client->cuid, client->identity_hash) ? 0 : -1;
}

void northbound_data_start(struct northbound_data *data)
{
    for (size_t i = 0; i < data->upstream_count; i++) {
        struct data_upstream *upstream = &data->upstreams[i];

        /* The one for all is looked at even when nothing is wanted: something may be left over. */
        if ((upstream_is_shared(upstream) && !account_of(upstream, 0, "", "", "", "")) ||
            catalog_client_each(data->settings.catalog, add_account, upstream) != 0)
            log_error("data-memory", "%s: out of memory: not all clients' aliases and ACLs are compared",
                      upstream->config->name);
        held_orphans(upstream);
        restconf_start(upstream->restconf);
    }
    uv_prepare_start(&data->prepare, set_timer);
    uv_unref((uv_handle_t *)&data->prepare);
}

void northbound_data_renamed(struct northbound_data *data, size_t target, const struct requester *owner)
{
    const struct catalog_client *client = owner ? catalog_client_find(data->settings.catalog, owner->cuid) : NULL;

    for (size_t i = 0; i < data->upstream_count; i++) {
        struct data_upstream *upstream = &data->upstreams[i];
        struct account *account;

        if (upstream->place != target || upstream->target->identity_client || (owner && !client))
            continue;
        upstream->names++;
        account = account_find(upstream, client ? client->id : 0);
        if (account)
            account_dirty(account, 0);
    }
}

bool northbound_data_hook(struct northbound_data *data, struct catalog_upstream *hook)
{
    *hook = (struct catalog_upstream){.ask = ask_write,
                                      .cancel = ask_cancel,
                                      .kept = ask_kept,
                                      .count = counts_ask,
                                      .capabilities = capabilities_all,
                                      .arg = data};
    return data->upstream_count > 0;
}

/* ---- Closing ---- */

static void restconf_gone(void *arg)
{
    struct northbound_data *data = arg;

    data->handles--;
    handle_gone(data);
}

static void handle_closed(uv_handle_t *handle)
{
    restconf_gone(handle->data);
}

static void upstream_close(struct data_upstream *upstream)
{
    struct account *first = upstream->accounts, *account, *next;

    HASH_ITER(hh, upstream->accounts, account, next)
    {
        resync_drop(account);
        counts_drop(account);
        deadline_cancel(upstream->data->deadlines, &account->deadline);
    }
    HASH_CLEAR(hh, upstream->accounts);
    for (account = first; account; account = next) {
        next = account->hh.next;
        free(account);
    }
    json_decref(upstream->capabilities);
    restconf_close(upstream->restconf, restconf_gone, upstream->data);
}

void northbound_data_close(struct northbound_data *data, void (*on_closed)(void *arg), void *arg)
{
    data->closing = true;
    data->on_closed = on_closed;
    data->arg = arg;
    ask_drop_all(data);
    for (size_t i = 0; i < data->upstream_count; i++)
        upstream_close(&data->upstreams[i]);
    uv_close((uv_handle_t *)&data->timer, handle_closed);
    uv_close((uv_handle_t *)&data->prepare, handle_closed);
}

bool northbound_data_upstream(const struct northbound_data *data, size_t i, struct northbound_data_upstream *out)
{
    const struct restconf *restconf;

    if (i >= data->upstream_count)
        return false;
    restconf = data->upstreams[i].restconf;
    *out = (struct northbound_data_upstream){.name = data->upstreams[i].config->name,
                                             .up = restconf_is_up(restconf),
                                             .waiting = restconf_waiting(restconf),
                                             .counters = restconf_counters(restconf)};
    return true;
}

const char *northbound_data_versions(void)
{
    return transfer_versions();
}
