/* data_fixture: northbound/data between a catalog and fake upstreams, on one loop; asks as southbound would. */
#pragma once

#include "northbound/data/northbound_data.h"
#include "tests/unit/data_fake_upstream.h"

#define GATEWAY_CUID "gateway-cuid-at-upstre"
#define UPSTREAMS_MAX 2u

struct told {
    bool is;
    int status;
    char tag[64], app_tag[64], message[600], via[256];
    int64_t retry_after;
};

struct world {
    uv_loop_t loop;
    struct fake_upstream fakes[UPSTREAMS_MAX];
    struct config config;
    struct config_upstream upstreams[UPSTREAMS_MAX];
    struct relay_target targets[UPSTREAMS_MAX];
    struct relay_policy policy;
    struct catalog *catalog;
    struct northbound_data *data;
    struct catalog_upstream hook;
    char *address;
    bool closed;
};

static struct world *world;
static int64_t world_offset; /* ms that the clock has been put forward */
static const char *world_cuid = GATEWAY_CUID, *world_derived = "derived-for-one-client";

static UNUSED int64_t world_now(void)
{
    return (int64_t)(uv_hrtime() / 1000000) + world_offset;
}

static UNUSED int world_make_cuid(void *arg, size_t target, const struct requester *owner, char cuid[23])
{
    (void)arg, (void)target;
    snprintf(cuid, 23, "%.22s", owner ? world_derived : world_cuid);
    return 0;
}

static UNUSED void world_watchdog(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Turns the loop until it is so; a minute is far more than anything takes. */
#define WAIT_UNTIL(CONDITION)                                                   \
    do {                                                                        \
        bool over_ = false;                                                     \
        uv_timer_t timer_, tick_;                                               \
        uv_timer_init(&world->loop, &timer_);                                   \
        uv_timer_init(&world->loop, &tick_);                                    \
        timer_.data = &over_;                                                   \
        uv_timer_start(&timer_, world_watchdog, 60000, 0);                      \
        uv_timer_start(&tick_, world_tick, 5, 5);                               \
        while (!(CONDITION) && !over_)                                          \
            uv_run(&world->loop, UV_RUN_ONCE);                                  \
        uv_close((uv_handle_t *)&timer_, NULL);                                 \
        uv_close((uv_handle_t *)&tick_, NULL);                                  \
        uv_run(&world->loop, UV_RUN_NOWAIT);                                    \
        if (over_)                                                              \
            fail_msg("%s:%d: not in time: %s", __FILE__, __LINE__, #CONDITION); \
    } while (0)

static UNUSED void world_tick(uv_timer_t *timer)
{
    (void)timer;
}

static UNUSED void world_upstream(size_t i, const struct certificate *shown)
{
    static const char *const names[UPSTREAMS_MAX] = {"isp-a", "isp-b"};
    struct config_upstream *upstream = &world->upstreams[i];

    fake_open(&world->fakes[i], &world->loop, 0, shown);
    *upstream = (struct config_upstream){.name = (char *)names[i],
                                         .credentials = {.certificate = pki_client.certificate,
                                                         .private_key = pki_client.key,
                                                         .trust_anchors = pki_ca.certificate},
                                         .data = {.given = true,
                                                  .host = (char *)SERVER_NAME,
                                                  .port = (uint16_t)world->fakes[i].port,
                                                  .addresses = {&world->address, 1}}};
    world->targets[i] = (struct relay_target){.name = names[i], .kind = RELAY_UPSTREAM};
}

static UNUSED void world_make(size_t upstreams)
{
    static char address[] = "127.0.0.1";

    world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world_offset = 0;
    world_cuid = GATEWAY_CUID;
    world_derived = "derived-for-one-client";
    uv_loop_init(&world->loop);
    world->address = address;
    for (size_t i = 0; i < upstreams; i++)
        world_upstream(i, &pki_server);
    world->config.gateway.name = (char *)"gw1";
    world->config.upstreams = world->upstreams;
    world->config.upstream_count = upstreams;
    world->policy.targets = world->targets;
    world->policy.target_count = upstreams;
    world->catalog = catalog_new();
    assert_non_null(world->catalog);
}

static UNUSED void world_open(void)
{
    const struct northbound_data_settings settings = {.loop = &world->loop,
                                                      .config = &world->config,
                                                      .policy = &world->policy,
                                                      .catalog = world->catalog,
                                                      .now = world_now,
                                                      .make_cuid = world_make_cuid};
    char error[512] = "";

    world->data = northbound_data_open(&settings, error, sizeof(error));
    if (!world->data)
        fail_msg("%s", error);
    assert_true(northbound_data_hook(world->data, &world->hook));
}

static UNUSED void world_start(void)
{
    world_open();
    northbound_data_start(world->data);
}

static UNUSED void world_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

static UNUSED void world_end(void)
{
    if (world->data) {
        northbound_data_close(world->data, world_closed, world);
        WAIT_UNTIL(world->closed);
    }
    for (size_t i = 0; i < UPSTREAMS_MAX; i++) {
        fake_close(&world->fakes[i]);
        json_decref(world->fakes[i].clients);
    }
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    catalog_free(world->catalog);
    free(world);
}

/* ---- The catalog, as southbound keeps it ---- */

static UNUSED struct catalog_client *add_client(const char *cuid)
{
    struct catalog_client *client =
        catalog_client_add(world->catalog, &(struct catalog_client_values){.owner = "web-farm",
                                                                           .cdid = "",
                                                                           .cuid = cuid,
                                                                           .identity_hash = "hash-of-the-peer-s-key",
                                                                           .domain = "example.com"});

    assert_non_null(client);
    return client;
}

static UNUSED void keep_entry(struct catalog_client *client, enum catalog_kind kind, const char *name, const char *json)
{
    struct wire_target target = {0};
    struct catalog_entry *entry = catalog_entry_new(
        world->catalog, &(struct catalog_entry_values){.kind = kind,
                                                       .name = name,
                                                       .json = json,
                                                       .json_length = strlen(json),
                                                       .target = kind == CATALOG_ALIAS ? &target : NULL,
                                                       .expires_ms = INT64_MAX});

    assert_non_null(entry);
    assert_int_equal(catalog_entry_put(world->catalog, client, entry, CATALOG_KEEP, NULL), 0);
}

#define ALIAS(NAME, PREFIX) "{\"name\":\"" NAME "\",\"target-prefix\":[\"" PREFIX "\"]}"
#define ACL(NAME, PREFIX)                                                                                         \
    "{\"name\":\"" NAME "\",\"type\":\"ipv4-acl-type\",\"aces\":{\"ace\":[{\"name\":\"r\",\"matches\":{\"ipv4\":" \
    "{\"destination-ipv4-network\":\"" PREFIX "\"}},\"actions\":{\"forwarding\":\"drop\"}}]}}"

/* ---- Asking ---- */

static UNUSED void verdict_told(void *arg, const struct catalog_verdict *verdict)
{
    struct told *told = arg;

    assert_false(told->is);
    *told = (struct told){.is = true, .status = verdict->status, .retry_after = verdict->retry_after};
    snprintf(told->tag, sizeof(told->tag), "%s", verdict->error_tag ? verdict->error_tag : "");
    snprintf(told->app_tag, sizeof(told->app_tag), "%s", verdict->app_tag ? verdict->app_tag : "");
    snprintf(told->message, sizeof(told->message), "%s", verdict->message ? verdict->message : "");
    snprintf(told->via, sizeof(told->via), "%s", verdict->via ? verdict->via : "");
}

static UNUSED struct catalog_write write_of(const struct catalog_client *client)
{
    return (struct catalog_write){.client = client->id,
                                  .owner = client->owner,
                                  .cdid = client->cdid,
                                  .cuid = client->cuid,
                                  .identity_hash = client->identity_hash};
}

static UNUSED struct told ask_all(const struct catalog_client *client, const struct catalog_change *changes,
                                  size_t count)
{
    struct catalog_write write = write_of(client);
    struct told told = {0};

    write.changes = changes;
    write.change_count = count;
    world->hook.ask(world->hook.arg, &write, verdict_told, &told);
    WAIT_UNTIL(told.is);
    return told;
}

/* On success the catalog gets it. */
static UNUSED struct told ask_put(struct catalog_client *client, enum catalog_kind kind, const char *name,
                                  const char *json)
{
    const struct catalog_entry *before = catalog_entry_find(client, kind, name);
    const struct catalog_change change = {.op = CATALOG_PUT,
                                          .kind = kind,
                                          .existed = before != NULL,
                                          .id = before ? before->id : 1000,
                                          .name = name,
                                          .json = json,
                                          .json_length = strlen(json)};
    struct told told = ask_all(client, &change, 1);

    if (told.status == 200)
        keep_entry(client, kind, name, json);
    return told;
}
