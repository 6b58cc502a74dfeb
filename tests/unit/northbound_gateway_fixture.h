/*
 * The gateway's northbound side in a played world: the relay records what it is told and wants what
 * the test says; the store keeps what it is given and commits when the test says.
 */
#pragma once

#include "tests/unit/northbound_fake.h"

#include "northbound/signal/northbound_state.h"

#define INSTALLS_MAX 4000
#define TOLD_MAX 20000

struct install {
    struct upstream_cuid *cuid;
    uint32_t mid;
    bool wanted, trigger, if_match;
    int64_t lifetime;
    void *user;
    struct wire_prefix *prefixes;
    size_t prefix_count;
};

enum told_kind { TOLD_UP, TOLD_DOWN, TOLD_ANSWER, TOLD_STATUS, TOLD_UNKNOWN, TOLD_LISTED };

/* One call into the relay, and when. */
struct told {
    enum told_kind kind;
    uint64_t at;
    struct install *install;
    struct upstream_cuid *cuid;
    const struct requester *owner;
    int code;
    int64_t max_age;
    enum wire_status status;
    size_t count; /* of scopes listed */
    uint32_t mids[16];
    bool has_body;
    char diagnostic[520];
};

static struct {
    struct northbound *northbound;
    struct config config;
    struct config_upstream upstreams[2];
    struct config_server servers[2];
    char *addresses[2];
    struct requester requesters[200];
    struct upstream_cuid cuids[INSTALLS_MAX];
    size_t cuid_count;
    struct install installs[INSTALLS_MAX];
    size_t install_count;
    bool mitigating;
    struct told told[TOLD_MAX];
    size_t told_count;
    void (*on_up)(void); /* what a relay does with relay_upstream_up */
    void (*on_answer)(struct install *install);
    /* Store */
    uint8_t sid[4];
    unsigned sid_puts;
    bool commit;
    uint64_t submitted;
    /* Log */
    char events[4096];
    /* The server */
    uint64_t rtt;
    bool silent, silent_list;
    uint8_t put_code;
    bool installed[INSTALLS_MAX]; /* by mid */
    int64_t redirect_max_age;
    const char *redirect_to;
} world;

/* ---- Log ---- */

bool log_enabled(enum log_level level)
{
    return level <= LOG_LEVEL_INFO;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    size_t length = strlen(world.events);

    (void)format;
    if (level <= LOG_LEVEL_NOTICE)
        snprintf(world.events + length, sizeof(world.events) - length, "%s ", event);
}

/* ---- Store ---- */

int store_put(struct store *store, enum store_table table, const char *key, size_t key_length, const uint8_t *value,
              size_t value_length)
{
    (void)store;
    assert_int_equal(table, STORE_COUNTER);
    assert_int_equal(key_length, 7);
    assert_memory_equal(key, "sid/isp", 7);
    assert_int_equal(value_length, 4);
    memcpy(world.sid, value, 4);
    world.sid_puts++;
    return 0;
}

uint64_t store_submit(struct store *store)
{
    (void)store;
    return ++world.submitted;
}

/* ---- Relay ---- */

static struct told *tell(enum told_kind kind)
{
    struct told *told = &world.told[world.told_count];

    assert_true(world.told_count < TOLD_MAX);
    world.told_count++;
    memset(told, 0, sizeof(*told));
    told->kind = kind;
    told->at = fake.now;
    return told;
}

static unsigned told(enum told_kind kind, const struct install *install)
{
    unsigned count = 0;

    for (size_t i = 0; i < world.told_count; i++)
        count += world.told[i].kind == kind && (!install || world.told[i].install == install);
    return count;
}

static __attribute__((unused)) struct told *told_last(enum told_kind kind)
{
    for (size_t i = world.told_count; i-- > 0;) {
        if (world.told[i].kind == kind)
            return &world.told[i];
    }
    return NULL;
}

struct upstream_cuid *install_cuid(const struct install *install)
{
    return install->cuid;
}

uint32_t install_mid(const struct install *install)
{
    return install->mid;
}

bool install_wanted(const struct install *install)
{
    return install->wanted;
}

void *install_user(const struct install *install)
{
    return install->user;
}

void install_set_user(struct install *install, void *user)
{
    install->user = user;
}

void relay_install_request(const struct install *install, int64_t now, struct install_request *out,
                           struct wire_scope *scratch)
{
    (void)now;
    memset(scratch, 0, sizeof(*scratch));
    scratch->has_lifetime = scratch->trigger = true;
    scratch->lifetime = install->lifetime;
    scratch->target.prefixes = install->prefixes;
    scratch->target.prefix_count = install->prefix_count;
    if (install->if_match)
        scratch->attack_status = WIRE_UNDER_ATTACK;
    *out = (struct install_request){.id = install->mid,
                                    .client = "web",
                                    .mid = install->mid,
                                    .scope = scratch,
                                    .if_match = install->if_match,
                                    .hop_limit = 15};
}

int relay_upstream_cuid_each(const struct relay *relay, size_t target, const struct requester *owner,
                             int (*each)(void *arg, struct upstream_cuid *cuid), void *arg)
{
    (void)relay;
    for (size_t i = 0; i < world.cuid_count; i++) {
        if (world.cuids[i].cuid[0] && world.cuids[i].target == target && (!owner || world.cuids[i].owner == owner))
            each(arg, &world.cuids[i]);
    }
    return 0;
}

int upstream_cuid_install_each(const struct upstream_cuid *cuid, int (*each)(void *arg, struct install *install),
                               void *arg)
{
    for (size_t i = 0; i < world.install_count; i++) {
        if (world.installs[i].cuid == cuid)
            each(arg, &world.installs[i]);
    }
    return 0;
}

bool relay_target_mitigating(const struct relay *relay, size_t target, const struct requester *owner)
{
    (void)relay, (void)target, (void)owner;
    return world.mitigating;
}

void relay_install_answer(struct relay *relay, int64_t now, struct install *install,
                          const struct relay_upstream_answer *answer)
{
    struct told *told = tell(TOLD_ANSWER);

    (void)relay, (void)now;
    told->install = install;
    told->code = answer->code;
    told->max_age = answer->max_age;
    told->has_body = answer->body != NULL;
    snprintf(told->diagnostic, sizeof(told->diagnostic), "%s", answer->diagnostic ? answer->diagnostic : "");
    if (world.on_answer)
        world.on_answer(install);
}

void relay_install_status(struct relay *relay, int64_t now, struct install *install, const struct wire_scope *status)
{
    struct told *told = tell(status ? TOLD_STATUS : TOLD_UNKNOWN);

    (void)relay, (void)now;
    told->install = install;
    told->status = status ? status->status : 0;
}

void relay_upstream_up(struct relay *relay, int64_t now, size_t target, struct requester *owner)
{
    (void)relay, (void)now, (void)target;
    tell(TOLD_UP)->owner = owner;
    if (world.on_up)
        world.on_up();
}

void relay_upstream_down(struct relay *relay, int64_t now, size_t target, struct requester *owner)
{
    (void)relay, (void)now, (void)target;
    tell(TOLD_DOWN)->owner = owner;
}

void relay_upstream_listed(struct relay *relay, int64_t now, struct upstream_cuid *cuid,
                           const struct wire_scope *scopes, size_t count)
{
    struct told *told = tell(TOLD_LISTED);

    (void)relay, (void)now;
    told->cuid = cuid;
    told->count = count;
    for (size_t i = 0; i < count && i < 16; i++)
        told->mids[i] = scopes[i].mid;
}

/* ---- The server: remembers what is installed, by mid ---- */

static uint32_t mid_of(const struct fake_sent *sent)
{
    const char *at = strstr(sent->path, "mid=");

    return at ? (uint32_t)strtoul(at + 4, NULL, 10) : 0;
}

static void serve_get(const struct fake_sent *sent)
{
    static struct wire_scope scopes[INSTALLS_MAX];
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = scopes};
    struct fake_event *event;

    for (uint32_t mid = 1; mid < INSTALLS_MAX; mid++) {
        if (!world.installed[mid] || (mid_of(sent) && mid_of(sent) != mid))
            continue;
        scopes[message.scope_count++] = (struct wire_scope){.has_mid = true,
                                                            .mid = mid,
                                                            .has_lifetime = true,
                                                            .lifetime = 3600,
                                                            .trigger = true,
                                                            .status = WIRE_STATUS_IN_PROGRESS};
    }
    if (world.silent_list && !mid_of(sent))
        return;
    event = fake_answer(sent, message.scope_count ? DOTS_CODE(2, 5) : DOTS_CODE(4, 4),
                        message.scope_count ? &message : NULL, world.rtt);
    if (sent->observe == 0 && message.scope_count)
        event->response.observe = (int32_t)(fake.now / 10 & 0xffffff);
}

static void serve_gateway(const struct fake_sent *sent)
{
    if (world.silent)
        return;
    if (strstr(sent->path, "/config")) {
        struct wire_message message = {.type = WIRE_SIGNAL_CONFIG, .config = {.has_mitigating = true}};

        message.config.mitigating[WIRE_HEARTBEAT_INTERVAL] = (struct wire_config_value){true, true, true, 240, 15, 30};
        fake_answer(sent, sent->method == DOTS_GET ? DOTS_CODE(2, 5) : DOTS_CODE(2, 1),
                    sent->method == DOTS_GET ? &message : NULL, world.rtt)
            ->response.max_age = 86400;
    } else if (strstr(sent->path, "/hb")) {
        fake_answer(sent, DOTS_CODE(2, 4), NULL, world.rtt);
    } else if (world.redirect_to && strcmp(sent->host, "a.example") == 0) {
        const char *records[] = {"198.51.100.7"};
        struct wire_message message = {.type = WIRE_REDIRECT,
                                       .redirect = {.alt_server = world.redirect_to, .records = {records, 1}}};

        fake_answer(sent, DOTS_CODE(5, 3), &message, world.rtt)->response.max_age = world.redirect_max_age;
    } else if (sent->method == DOTS_PUT) {
        if (sent->if_match && !world.installed[mid_of(sent)])
            return; /* silently ignored: section 4.4.3 */
        if (!world.put_code)
            world.installed[mid_of(sent)] = true;
        fake_answer(sent, world.put_code ? world.put_code : DOTS_CODE(2, 1), NULL, world.rtt);
    } else if (sent->method == DOTS_DELETE) {
        world.installed[mid_of(sent)] = false;
        fake_answer(sent, DOTS_CODE(2, 2), NULL, world.rtt);
    } else {
        serve_get(sent);
    }
}

/* ---- Life ---- */

static int64_t wall(void)
{
    return (int64_t)fake.now + 1700000000000;
}

static struct config_range range(uint32_t current)
{
    return (struct config_range){0, 100000, current};
}

static void gateway_config(enum config_upstream_identity identity, enum config_upstream_sessions sessions)
{
    static uint8_t key[16] = "0123456789abcdef";
    struct config_session session = {range(30), range(15), range(5), range(3), range(200), range(150)};

    world.config.gateway.name = (char *)(uintptr_t) "gw.example";
    world.config.mitigating = world.config.idle = session;
    world.config.upstreams = world.upstreams;
    world.config.upstream_count = 1;
    world.addresses[0] = (char *)(uintptr_t) "192.0.2.1";
    world.servers[0] = (struct config_server){
        .host = (char *)(uintptr_t) "a.example", .port = 4646, .addresses = {.at = world.addresses, .count = 1}};
    world.upstreams[0] = (struct config_upstream){
        .name = (char *)(uintptr_t) "isp",
        .servers = world.servers,
        .server_count = 1,
        .transports = CONFIG_UDP,
        .credentials = {.psk_identity = (char *)(uintptr_t) "gw", .psk_key = {.at = key, .length = 16}},
        .identity = identity,
        .sessions = sessions,
        .mtu = 1280};
}

static void gateway_open(void)
{
    char error[256];

    world.northbound = northbound_open(&fake.loop, &world.config, NULL, NULL, wall, error, sizeof(error));
    assert_non_null(world.northbound);
}

/* Time passes and the store commits. */
static void run(uint64_t ms)
{
    for (uint64_t end = fake.now + ms; fake.now < end;) {
        fake_run(end - fake.now < 10 ? end - fake.now : 10);
        if (world.commit)
            northbound_committed(world.northbound, world.submitted);
    }
}

static int gateway_setup(void **state)
{
    (void)state;
    fake_reset();
    memset(&world, 0, sizeof(world));
    world.rtt = 20;
    world.commit = true;
    fake.server = serve_gateway;
    fake_path("192.0.2.1", DOTS_UDP, FAKE_UP, 40);
    gateway_config(CONFIG_IDENTITY_GATEWAY, CONFIG_SESSIONS_SHARED);
    gateway_open();
    return 0;
}

static void gateway_closed(void *arg)
{
    *(bool *)arg = true;
}

static void gateway_close_and_check(void)
{
    bool closed = false;

    northbound_close(world.northbound, gateway_closed, &closed);
    assert_false(closed);                            /* never from inside northbound_close */
    for (size_t i = 0; i < world.install_count; i++) /* as relay_free does */
        northbound_forget(world.northbound, &world.installs[i]);
    for (size_t i = 0; i < world.cuid_count; i++)
        northbound_upstream_cuid_gone(world.northbound, &world.cuids[i]);
    fake_assert_empty();
    assert_true(closed);
}

static int gateway_teardown(void **state)
{
    (void)state;
    gateway_close_and_check();
    for (size_t i = 0; i < world.install_count; i++)
        free(world.installs[i].prefixes);
    fake_reset();
    return 0;
}

/* Another kind of upstream than setup's. */
static __attribute__((unused)) void gateway_reopen(enum config_upstream_identity identity,
                                                   enum config_upstream_sessions sessions)
{
    gateway_close_and_check();
    gateway_config(identity, sessions);
    gateway_open();
}

static struct upstream_cuid *add_cuid(const char *cuid, const char *cdid, struct requester *owner)
{
    struct upstream_cuid *added = &world.cuids[world.cuid_count++];

    snprintf(added->cuid, sizeof(added->cuid), "%s", cuid);
    snprintf(added->cdid, sizeof(added->cdid), "%s", cdid);
    added->owner = owner;
    return added;
}

static struct install *add_install(struct upstream_cuid *cuid, uint32_t mid, size_t prefixes)
{
    struct install *install = &world.installs[world.install_count++];

    *install = (struct install){.cuid = cuid, .mid = mid, .wanted = true, .trigger = true, .lifetime = 3600};
    install->prefix_count = prefixes;
    install->prefixes = calloc(prefixes, sizeof(*install->prefixes));
    assert_non_null(install->prefixes);
    for (size_t i = 0; i < prefixes; i++)
        install->prefixes[i] =
            (struct wire_prefix){.family = 4, .length = 32, .addr = {203, 0, (uint8_t)(i >> 8), (uint8_t)i}};
    cuid->install_count++;
    return install;
}

/* As the relay frees an install, and its cuid with the last one. */
static __attribute__((unused)) void forget(struct install *install, struct upstream_cuid *cuid)
{
    northbound_forget(world.northbound, install);
    install->cuid = NULL; /* no longer among its cuid's */
    if (cuid && --cuid->install_count == 0) {
        northbound_upstream_cuid_gone(world.northbound, cuid);
        cuid->cuid[0] = '\0';
    }
}

#define gateway_test(name) cmocka_unit_test_setup_teardown(name, gateway_setup, gateway_teardown)
