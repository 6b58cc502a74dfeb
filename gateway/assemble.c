/* assemble: who calls whom. */

#include "gateway/assemble.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/parts.h"

/* ---- Effects of the relay ---- */

static void effect_answer(void *arg, void *exchange, const struct relay_answer *answer)
{
    struct gateway *gateway = arg;

    if (!admin_answer(gateway->admin, exchange, answer) && !detectors_answer(gateway->detectors, exchange, answer))
        southbound_answer(gateway->southbound, exchange, answer);
}

static void effect_ignore(void *arg, void *exchange)
{
    struct gateway *gateway = arg;

    if (!admin_ignore(gateway->admin, exchange) && !detectors_ignore(gateway->detectors, exchange))
        southbound_ignore(gateway->southbound, exchange);
}

static void effect_changed(void *arg, const struct mitigation *mitigation, bool gone)
{
    struct gateway *gateway = arg;

    if (gateway->southbound)
        southbound_changed(gateway->southbound, mitigation, gone);
    admin_changed(gateway->admin, mitigation, gone);
    if (gateway->filters)
        filters_note(gateway->filters, mitigation_requester(mitigation)->cuid);
}

static void effect_requester_gone(void *arg, struct requester *requester)
{
    struct gateway *gateway = arg;

    if (gateway->southbound)
        southbound_requester_gone(gateway->southbound, requester);
}

static void effect_install(void *arg, struct install *install)
{
    northbound_install(((struct gateway *)arg)->northbound, install);
}

static void effect_withdraw(void *arg, struct install *install)
{
    northbound_withdraw(((struct gateway *)arg)->northbound, install);
}

static bool is_upstream(const struct gateway *gateway, size_t target)
{
    return target < gateway->targets.count && gateway->targets.at[target].kind == TARGET_UPSTREAM;
}

static void effect_forget(void *arg, struct install *install)
{
    struct gateway *gateway = arg;

    if (gateway->northbound && is_upstream(gateway, install_cuid(install)->target))
        northbound_forget(gateway->northbound, install);
}

static void effect_upstream_cuid_gone(void *arg, struct upstream_cuid *cuid)
{
    struct gateway *gateway = arg;

    if (gateway->northbound && is_upstream(gateway, cuid->target))
        northbound_upstream_cuid_gone(gateway->northbound, cuid);
}

static int effect_make_cuid(void *arg, size_t target, const struct requester *owner, uint32_t attempt, char cuid[23])
{
    return northbound_make_cuid(((struct gateway *)arg)->northbound, target, owner, attempt, cuid);
}

static void effect_cuid_changed(void *arg, const struct upstream_cuid *cuid)
{
    struct gateway *gateway = arg;

    if (gateway->data_upstreams)
        data_upstreams_renamed(gateway->data_upstreams, cuid);
}

static int effect_store_put(void *arg, int table, const char *key, size_t key_length, const uint8_t *value,
                            size_t length)
{
    return store_put(((struct gateway *)arg)->store, (enum store_table)table, key, key_length, value, length);
}

static int effect_store_delete(void *arg, int table, const char *key, size_t key_length)
{
    return store_delete(((struct gateway *)arg)->store, (enum store_table)table, key, key_length);
}

static uint64_t effect_store_submit(void *arg)
{
    struct gateway *gateway = arg;
    uint64_t sequence = store_submit(gateway->store);

    inspection_submitted(&gateway->inspection, sequence);
    return sequence;
}

static void effect_alert(void *arg, const char *event, const char *text)
{
    char note[LOG_NOTE];

    if (inspection_alert(&((struct gateway *)arg)->inspection, event, clock_ms(), note))
        log_warning(event, "%s%s", text, note);
}

static void effect_accepted(void *arg, size_t target, uint64_t arrived)
{
    inspection_accepted(&((struct gateway *)arg)->inspection, target, arrived);
}

static void effect_dropped(void *arg, size_t target, uint64_t bytes, uint64_t pkts)
{
    inspection_dropped(&((struct gateway *)arg)->inspection, target, bytes, pkts);
}

static const struct relay_effects effects = {
    .answer = effect_answer,
    .ignore = effect_ignore,
    .changed = effect_changed,
    .requester_gone = effect_requester_gone,
    .install = effect_install,
    .withdraw = effect_withdraw,
    .forget = effect_forget,
    .upstream_cuid_gone = effect_upstream_cuid_gone,
    .job_start = gateway_job_start,
    .job_stop = gateway_job_stop,
    .make_cuid = effect_make_cuid,
    .cuid_changed = effect_cuid_changed,
    .store_put = effect_store_put,
    .store_delete = effect_store_delete,
    .store_submit = effect_store_submit,
    .alert = effect_alert,
    .accepted = effect_accepted,
    .dropped = effect_dropped,
};

/* ---- Filters of the data channel ---- */

static void acls_changed(void *arg, const char *cuid)
{
    struct gateway *gateway = arg;

    filters_note(gateway->filters, cuid);
    if (gateway->southbound)
        southbound_acls_changed(gateway->southbound, cuid);
}

static int note_filters(void *arg, struct catalog_client *client)
{
    filters_note(arg, client->cuid);
    return 0;
}

/* ---- Into the relay ---- */

static void committed(void *arg, uint64_t sequence)
{
    struct gateway *gateway = arg;

    if (!gateway->relay)
        return;
    inspection_committed(&gateway->inspection, sequence);
    relay_committed(gateway->relay, clock_ms(), sequence);
    if (gateway->southbound)
        southbound_committed(gateway->southbound, sequence);
    if (gateway->northbound)
        northbound_committed(gateway->northbound, sequence);
    if (gateway->data)
        data_committed(gateway->data, sequence);
}

static void due(uv_timer_t *timer)
{
    struct gateway *gateway = timer->data;

    relay_tick(gateway->relay, clock_ms());
}

static void set_timer(uv_prepare_t *prepare)
{
    struct gateway *gateway = prepare->data;
    int64_t next = relay_next(gateway->relay);
    int64_t now = clock_ms();

    filters_run(gateway->filters);
    if (next == INT64_MAX)
        uv_timer_stop(&gateway->timer);
    else
        uv_timer_start(&gateway->timer, due, next > now ? (uint64_t)(next - now) : 0, 0);
}

/* ---- Opening ---- */

static int open_mitigators(struct gateway *gateway, char *error, size_t error_size)
{
    for (size_t i = 0; i < gateway->targets.count; i++) {
        struct target *target = &gateway->targets.at[i];

        if (target->kind != TARGET_MITIGATOR)
            continue;
        target->driver =
            gateway_driver_open(gateway, &gateway->config->mitigators[target->index], i, error, error_size);
        if (!target->driver)
            return -1;
    }
    return 0;
}

void gateway_policy_free(struct policy *policy)
{
    if (policy)
        policy_free(policy);
    free(policy);
}

struct loading {
    struct gateway *gateway;
    enum store_table table;
    char *error;
    size_t error_size;
};

static int load(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length)
{
    struct loading *loading = arg;
    struct gateway *gateway = loading->gateway;

    if (loading->table == STORE_DATA_CLIENT || loading->table == STORE_ALIAS || loading->table == STORE_ACL)
        return data_load(gateway->data, loading->table, key, key_length, value, value_length, loading->error,
                         loading->error_size);
    if (loading->table == STORE_SESSION_CONFIG)
        return southbound_load(gateway->southbound, key, key_length, value, value_length);
    if (loading->table == STORE_COUNTER && key_length > 4 && memcmp(key, "sid/", 4) == 0)
        return northbound_load(gateway->northbound, key, key_length, value, value_length);
    if (loading->table == STORE_COUNTER && key_length > strlen(NORTHBOUND_DATA_HELD) &&
        memcmp(key, NORTHBOUND_DATA_HELD, strlen(NORTHBOUND_DATA_HELD)) == 0)
        return data_upstreams_load(gateway->data_upstreams, key, key_length, value, value_length);
    return relay_load(gateway->relay, loading->table, key, key_length, value, value_length, loading->error,
                      loading->error_size);
}

static int load_all(struct gateway *gateway, char *error, size_t error_size)
{
    /* Counters first: what is loaded after them takes numbers. */
    static const enum store_table tables[] = {STORE_COUNTER,        STORE_BINDING,     STORE_MITIGATION, STORE_INSTALL,
                                              STORE_SESSION_CONFIG, STORE_DATA_CLIENT, STORE_ALIAS,      STORE_ACL};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct loading loading = {gateway, tables[i], error, error_size};

        snprintf(error, error_size, "%s: table %d of the store cannot be read", gateway->config->gateway.state_dir,
                 tables[i]);
        if (store_load(gateway->store, tables[i], load, &loading) != 0)
            return -1;
    }
    error[0] = '\0';
    return 0;
}

static int open_parts(struct gateway *gateway, char *error, size_t error_size)
{
    const struct config *config = gateway->config;

    snprintf(error, error_size, "out of memory");
    gateway->policy = calloc(1, sizeof(*gateway->policy));
    if (!gateway->policy || targets_plan(&(struct targets){0}, config, 0, NULL, NULL, &gateway->targets) != 0 ||
        policy_make(gateway->policy, config, &gateway->targets) != 0)
        return -1;
    gateway->store = store_open(gateway->loop, config->gateway.state_dir, committed, gateway, error, error_size);
    if (!gateway->store)
        return -1;
    gateway->relay = relay_new(&gateway->policy->relay, &effects, gateway);
    if (!gateway->relay)
        return -1;
    gateway->northbound =
        northbound_open(gateway->loop, config, gateway->relay, gateway->store, clock_ms, error, error_size);
    if (!gateway->northbound)
        return -1;
    gateway->southbound =
        southbound_open(gateway->loop, config, gateway->relay, gateway->store, clock_ms, error, error_size);
    if (!gateway->southbound || open_mitigators(gateway, error, error_size) != 0)
        return -1;
    snprintf(error, error_size, "out of memory");
    gateway->catalog = catalog_new();
    if (!gateway->catalog)
        return -1;
    gateway->data_upstreams =
        data_upstreams_open(gateway->loop, config, gateway->relay, &gateway->policy->relay, gateway->store,
                            gateway->catalog, gateway->northbound, clock_ms, error, error_size);
    if (!gateway->data_upstreams)
        return -1;
    gateway->data = data_open(gateway->loop, config, gateway->relay, gateway->store, gateway->catalog,
                              data_upstreams_hook(gateway->data_upstreams), clock_ms, error, error_size);
    if (!gateway->data)
        return -1;
    gateway->filters = filters_new(gateway->catalog, gateway->relay);
    if (!gateway->filters)
        return -1;
    for (size_t i = 0; i < gateway->targets.count; i++)
        if (gateway->targets.at[i].driver)
            filters_add_mitigator(gateway->filters, gateway->targets.at[i].driver->mitigator);
    data_on_change(gateway->data, acls_changed, gateway);
    data_upstreams_on_counted(gateway->data_upstreams, gateway->data);
    southbound_use_aliases(gateway->southbound, &(struct south_aliases){.catalog = gateway->catalog,
                                                                        .used = data_entry_used,
                                                                        .control = data_control,
                                                                        .cancel = data_control_cancel,
                                                                        .arg = gateway->data});
    gateway->detectors = detectors_open(
        &(struct detectors_settings){.loop = gateway->loop, .config = config, .relay = gateway->relay, .now = clock_ms},
        error, error_size);
    if (!gateway->detectors)
        return -1;
    gateway->inspection = (struct inspection){.config = config,
                                              .relay = gateway->relay,
                                              .store = gateway->store,
                                              .southbound = gateway->southbound,
                                              .northbound = gateway->northbound,
                                              .data = gateway->data,
                                              .data_upstreams = gateway->data_upstreams,
                                              .detectors = gateway->detectors,
                                              .targets = &gateway->targets,
                                              .gateway = gateway,
                                              .actions = &gateway_actions};
    data_upstreams_on_accepted(gateway->data_upstreams, inspection_data_accepted, &gateway->inspection);
    if (load_all(gateway, error, error_size) != 0)
        return -1;
    return inspection_open(&gateway->inspection, gateway->loop, clock_ms, &gateway->admin, error, error_size);
}

static void start(struct gateway *gateway)
{
    struct relay_reviewer reviewer = gateway_reviewer;

    uv_timer_init(gateway->loop, &gateway->timer);
    uv_timer_init(gateway->loop, &gateway->leaving);
    uv_prepare_init(gateway->loop, &gateway->prepare);
    gateway->timer.data = gateway->prepare.data = gateway->leaving.data = gateway;
    gateway->handles_open = true;
    uv_prepare_start(&gateway->prepare, set_timer);
    relay_start(gateway->relay, clock_ms());
    southbound_start(gateway->southbound);
    northbound_start(gateway->northbound);
    data_start(gateway->data);
    data_upstreams_start(gateway->data_upstreams);
    catalog_client_each(gateway->catalog, note_filters, gateway->filters);
    /* What is on disk may be older than the configuration: clients that were removed, scopes that are others now. */
    reviewer.arg = gateway;
    relay_review(gateway->relay, &reviewer);
    detectors_start(gateway->detectors);
}

struct gateway *gateway_open(uv_loop_t *loop, struct config *config, struct spawner *spawner, char *error,
                             size_t error_size)
{
    struct gateway *gateway = calloc(1, sizeof(*gateway));

    clock_start();
    if (!gateway) {
        snprintf(error, error_size, "out of memory");
        config_free(config);
        return NULL;
    }
    gateway->loop = loop;
    gateway->config = config;
    gateway->spawner = spawner;
    if (open_parts(gateway, error, error_size) != 0) {
        gateway_close(gateway, NULL, NULL);
        return NULL;
    }
    start(gateway);
    return gateway;
}

/* ---- Closing ---- */

static void close_store(struct gateway *gateway)
{
    struct store *store = gateway->store;

    gateway->store = NULL;
    if (store) {
        gateway->closing++;
        store_close(store, gateway_part_closed, gateway);
    }
}

void gateway_part_closed(void *arg)
{
    struct gateway *gateway = arg;

    if (--gateway->closing > 0 || !gateway->close_asked)
        return;
    if (gateway->store) { /* the last one: everything that was said is committed */
        close_store(gateway);
        return;
    }
    if (gateway->on_closed)
        gateway->on_closed(gateway->arg);
    inspection_release(&gateway->inspection);
    filters_free(gateway->filters);
    catalog_free(gateway->catalog);
    gateway_policy_free(gateway->policy);
    free(gateway->targets.at);
    config_free(gateway->config);
    free(gateway);
}

static void handle_closed(uv_handle_t *handle)
{
    gateway_part_closed(handle->data);
}

void gateway_close(struct gateway *gateway, void (*on_closed)(void *arg), void *arg)
{
    gateway->on_closed = on_closed;
    gateway->arg = arg;
    gateway->close_asked = true;
    if (gateway->reload) /* a thread reads what is about to go: it closes us when it is through */
        return;
    gateway->closing++; /* this call */
    if (gateway->southbound) {
        gateway->closing++;
        southbound_close(gateway->southbound, gateway_part_closed, gateway);
    }
    if (gateway->data) {
        gateway->closing++;
        data_upstreams_on_counted(gateway->data_upstreams, NULL);
        data_close(gateway->data, gateway_part_closed, gateway);
        gateway->data = NULL;
    }
    if (gateway->data_upstreams) { /* data asks nothing any more */
        gateway->closing++;
        data_upstreams_close(gateway->data_upstreams, gateway_part_closed, gateway);
        gateway->data_upstreams = NULL;
    }
    if (gateway->northbound) {
        gateway->closing++;
        northbound_close(gateway->northbound, gateway_part_closed, gateway);
    }
    /* Both sides have stopped asking; the relay lets go of what it holds of them. */
    relay_free(gateway->relay);
    gateway->relay = NULL;
    gateway->closing += gateway->admin != NULL;
    admin_close(gateway->admin, gateway_part_closed, gateway);
    gateway->admin = NULL;
    gateway->closing += gateway->detectors != NULL;
    detectors_close(gateway->detectors, gateway_part_closed, gateway);
    gateway->detectors = NULL;
    for (size_t i = 0; i < gateway->targets.count; i++)
        if (gateway->targets.at[i].driver)
            gateway_driver_close(gateway->targets.at[i].driver);
    if (gateway->handles_open) {
        gateway->closing += 3;
        uv_close((uv_handle_t *)&gateway->leaving, handle_closed);
        uv_close((uv_handle_t *)&gateway->timer, handle_closed);
        uv_close((uv_handle_t *)&gateway->prepare, handle_closed);
    }
    gateway_part_closed(gateway);
}
