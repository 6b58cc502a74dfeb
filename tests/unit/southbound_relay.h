/*
 * What stands behind southbound/signal in its tests: a real relay with one mitigator, and a configuration of
 * three clients. Who includes it says what time it is (world_now) and which store there is (world.store).
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "aggregation/relay.h"
#include "gateway/store/store.h"
#include "gateway/wire/wire.h"
#include "southbound/signal/southbound.h"

static int64_t world_now(void);

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
    struct store *store;
    struct southbound *southbound;
    uint64_t job; /* the last one that started */
    bool hold_disk, closed;
} world;

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
    relay_install_request(install, world_now(), &request, &scratch);
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
    return store_put(world.store, (enum store_table)table, key, key_length, value, length);
}

static int world_store_delete(void *arg, int table, const char *key, size_t key_length)
{
    (void)arg;
    return store_delete(world.store, (enum store_table)table, key, key_length);
}

static uint64_t world_store_submit(void *arg)
{
    (void)arg;
    return store_submit(world.store);
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

/* ---- Configuration ---- */

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
