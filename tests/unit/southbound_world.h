/*
 * A gateway without a north: southbound/signal in front of a real relay with one mitigator, in the
 * played world of southbound_fake.h. What a test does reads like a client: up, ask, expect, advance.
 */
#pragma once

#include "aggregation/relay.h"
#include "gateway/log/log.h"
#include "gateway/wire/wire.h"
#include "southbound/signal/southbound.h"
#include "tests/unit/southbound_fake.h"

#define RANGES                                                                                               \
    {                                                                                                        \
        .heartbeat_interval = {15, 240, 30}, .missing_hb_allowed = {3, 20, 15}, .probing_rate = {5, 20, 15}, \
        .max_retransmit = {2, 15, 3}, .ack_timeout = {100, 3000, 200}, .ack_random_factor = {                \
            110,                                                                                             \
            400,                                                                                             \
            150                                                                                              \
        }                                                                                                    \
    }

static char world_san_a[] = "a.example", world_san_b[] = "b.example", world_san_g[] = "gw.example";
static char world_name_a[] = "alpha", world_name_b[] = "beta", world_name_g[] = "gateway";
static char world_fqdn[] = "www.example.com", world_address[] = "::", world_gateway[] = "gw1.example.net";
static char *world_fqdns[] = {world_fqdn};

static struct config_client_identity world_identities[] = {
    {.kind = CONFIG_IDENTITY_SAN, .name = world_san_a},
    {.kind = CONFIG_IDENTITY_SAN, .name = world_san_b},
    {.kind = CONFIG_IDENTITY_SAN, .name = world_san_g},
};
static struct config_prefix world_prefixes[] = {{{203, 0, 113}, 4, 24}, {{198, 51, 100}, 4, 24}, {{203}, 4, 8}};

#define CLIENT(client_name, index, prefix)                                                  \
    {                                                                                       \
        .name = (client_name), .identities = &world_identities[index], .identity_count = 1, \
        .prefixes = {&world_prefixes[prefix], 1}, .fqdns = {world_fqdns, 1}, .limits = {    \
            .mitigations = 8,                                                               \
            .cuids = 4,                                                                     \
            .requests_per_second = 20,                                                      \
            .max_lifetime = 86400                                                           \
        }                                                                                   \
    }

static struct config_client world_clients[3];
static struct config_listener world_listener = {
    .channel = CONFIG_CHANNEL_SIGNAL, .address = world_address, .port = 4646, .transports = CONFIG_UDP | CONFIG_TCP};
static struct config world_config;

static struct relay_target world_target = {.name = "ops", .kind = RELAY_MITIGATOR};
static struct relay_policy world_policy;

static struct {
    uv_loop_t loop;
    struct relay *relay;
    struct southbound *southbound;
    uint64_t job; /* the last one that started */
    bool hold_disk;
    bool closed;
} world;

static int64_t world_now(void)
{
    return fake_ms;
}

/* ---- Effects ---- */

static void world_answer(void *arg, void *exchange, const struct relay_answer *answer)
{
    (void)arg;
    southbound_answer(world.southbound, exchange, answer);
}

static void world_ignore(void *arg, void *exchange)
{
    (void)arg;
    southbound_ignore(world.southbound, exchange);
}

static void world_changed(void *arg, const struct mitigation *mitigation, bool gone)
{
    (void)arg;
    if (world.southbound)
        southbound_changed(world.southbound, mitigation, gone);
}

static void world_requester_gone(void *arg, struct requester *requester)
{
    (void)arg;
    if (world.southbound)
        southbound_requester_gone(world.southbound, requester);
}

static void world_job_start(void *arg, struct install *install)
{
    struct install_request request;
    struct wire_scope scratch;

    (void)arg;
    relay_install_request(install, fake_ms, &request, &scratch);
    world.job = request.id;
}

static void world_install_nothing(void *arg, struct install *install)
{
    (void)arg;
    (void)install;
}

static void world_cuid_gone(void *arg, struct upstream_cuid *cuid)
{
    (void)arg;
    (void)cuid;
}

static int world_make_cuid(void *arg, size_t target, const struct requester *owner, uint32_t attempt, char cuid[23])
{
    (void)arg;
    (void)target;
    (void)owner;
    snprintf(cuid, 23, "ours%u", attempt);
    return 0;
}

static int world_store_put(void *arg, int table, const char *key, size_t key_length, const uint8_t *value,
                           size_t length)
{
    (void)arg;
    return store_put(NULL, (enum store_table)table, key, key_length, value, length);
}

static int world_store_delete(void *arg, int table, const char *key, size_t key_length)
{
    (void)arg;
    return store_delete(NULL, (enum store_table)table, key, key_length);
}

static uint64_t world_store_submit(void *arg)
{
    (void)arg;
    return store_submit(NULL);
}

static void world_alert(void *arg, const char *event, const char *text)
{
    (void)arg;
    (void)event;
    (void)text;
}

static const struct relay_effects world_effects = {
    .answer = world_answer,
    .ignore = world_ignore,
    .changed = world_changed,
    .requester_gone = world_requester_gone,
    .install = world_install_nothing,
    .withdraw = world_install_nothing,
    .forget = world_install_nothing,
    .upstream_cuid_gone = world_cuid_gone,
    .job_start = world_job_start,
    .job_stop = world_install_nothing,
    .make_cuid = world_make_cuid,
    .store_put = world_store_put,
    .store_delete = world_store_delete,
    .store_submit = world_store_submit,
    .alert = world_alert,
};

/* ---- Life ---- */

static inline void world_commit(void)
{
    store_submit(NULL);
    fake_on_disk = fake_sequence;
    relay_committed(world.relay, fake_ms, fake_on_disk);
    southbound_committed(world.southbound, fake_on_disk);
}

static inline void world_settle(void)
{
    for (int i = 0; i < 4 && !world.hold_disk; i++)
        world_commit();
    while (fake_timer_at <= fake_ms) {
        fake_timer_at = INT64_MAX;
        fake_timer(fake_timer_handle);
        if (!world.hold_disk)
            world_commit();
    }
    fake_closes();
}

/* Time passes, everything due happens at its time. */
static inline void world_advance(int64_t ms)
{
    int64_t end = fake_ms + ms;

    world_settle();
    for (;;) {
        int64_t relay = relay_next(world.relay), next = relay < fake_timer_at ? relay : fake_timer_at;

        if (next > end)
            break;
        fake_ms = next > fake_ms ? next : fake_ms;
        if (relay <= fake_ms)
            relay_tick(world.relay, fake_ms);
        world_settle();
    }
    fake_ms = end;
    world_settle();
}

static inline void world_configure(void)
{
    const struct config_client clients[] = {CLIENT(world_name_a, 0, 0), CLIENT(world_name_b, 1, 1),
                                            CLIENT(world_name_g, 2, 2)};

    memcpy(world_clients, clients, sizeof(clients));
    world_clients[2].supplies_cdid = true;
    world_clients[2].limits.mitigations = 64;
    world_clients[2].limits.cuids = 1000;
    world_config = (struct config){
        .gateway = {.name = world_gateway, .hop_limit = 16},
        .listeners = &world_listener,
        .listener_count = 1,
        .clients = world_clients,
        .client_count = 3,
        .mitigating = RANGES,
        .idle = RANGES,
        .session_config_max_age = 600,
        .status_interval_ms = 15000,
        .limits = {.sessions = 1000, .mitigations = 1000, .body_size = 8192, .requests_per_source = 10000},
    };
    world_policy = (struct relay_policy){
        .name = world_gateway,
        .targets = &world_target,
        .target_count = 1,
        .response_wait_ms = 1000,
        .terminating_initial_ms = 120000,
        .terminating_max_ms = 300000,
        .mitigations_max = 1000,
        .hop_limit = 16,
    };
}

static inline void world_open(void)
{
    char error[256];

    memset(&world, 0, sizeof(world));
    world.relay = relay_new(&world_policy, &world_effects, NULL);
    assert_non_null(world.relay);
    world.southbound = southbound_open(&world.loop, &world_config, world.relay, NULL, world_now, error, sizeof(error));
    assert_non_null(world.southbound);
    relay_start(world.relay, fake_ms);
}

static void world_on_closed(void *arg)
{
    (void)arg;
    world.closed = true;
}

static inline void world_close(void)
{
    southbound_close(world.southbound, world_on_closed, NULL);
    relay_free(world.relay);
    for (struct dots_session *session = fake_sessions; session; session = session->next)
        fake_down(session, DOTS_DOWN_CLOSED);
    while (fake_lookup_count)
        fake_resolved(fake_lookups[0].name, NULL);
    if (fake_endpoint.on_closed)
        fake_endpoint.on_closed(fake_endpoint.on_closed_arg);
    fake_closed((uv_handle_t *)fake_timer_handle);
    assert_true(world.closed);
}

static inline int world_setup(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    world_configure();
    world_open();
    return 0;
}

static inline int world_teardown(void **state)
{
    (void)state;
    world_close();
    fake_reset();
    return 0;
}
