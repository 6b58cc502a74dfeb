/*
 * hot_paths: NAME COUNT does one step of a request's way through the gateway so many times, for a count of its
 * instructions. What differs between two counts is the steps alone, not what was made ready for them.
 *
 * links: aggregation wire
 */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/relay.h"

#define ACTIVE 1000u /* requests that are there, each of another client */
#define GRANTED 64u
#define BODY_MAX 1024u
#define SENT_MAX 64u
#define NOW INT64_C(1800000000000)

struct path {
    struct relay *relay;
    struct install *sent[SENT_MAX];
    bool withdrawn[SENT_MAX];
    size_t sent_count;
    uint64_t sequence;
    struct install *install; /* the last that was put */
    const struct mitigation *changed;
    uint8_t body[BODY_MAX];
    struct scope_grant_prepared *grant;
};

/* ---- the outside ---- */

static void on_answer(void *arg, void *exchange, const struct relay_answer *answer)
{
    (void)arg, (void)exchange;
    assert(answer->code / 100 == 2);
}

static void on_ignore(void *arg, void *exchange)
{
    (void)arg, (void)exchange;
}

static void on_changed(void *arg, const struct mitigation *mitigation, bool gone)
{
    struct path *path = arg;

    path->changed = gone ? NULL : mitigation;
}

static void on_requester_gone(void *arg, struct requester *requester)
{
    (void)arg, (void)requester;
}

static void send(struct path *path, struct install *install, bool withdrawn)
{
    assert(path->sent_count < SENT_MAX);
    path->withdrawn[path->sent_count] = withdrawn;
    path->sent[path->sent_count++] = install;
}

static void on_install(void *arg, struct install *install)
{
    struct path *path = arg;

    path->install = install;
    send(path, install, false);
}

static void on_withdraw(void *arg, struct install *install)
{
    send(arg, install, true);
}

static void on_forget(void *arg, struct install *install)
{
    struct path *path = arg;

    if (path->install == install)
        path->install = NULL;
}

static void on_cuid_gone(void *arg, struct upstream_cuid *cuid)
{
    (void)arg, (void)cuid;
}

static void on_job(void *arg, struct install *install)
{
    (void)arg, (void)install;
}

static int make_cuid(void *arg, size_t target, const struct requester *owner, uint32_t attempt, char cuid[23])
{
    (void)arg, (void)target, (void)owner;
    snprintf(cuid, 23, "gw-%u", attempt);
    return 0;
}

static int on_store_put(void *arg, int table, const char *key, size_t key_length, const uint8_t *value, size_t length)
{
    (void)arg, (void)table, (void)key, (void)key_length, (void)value, (void)length;
    return 0;
}

static int on_store_delete(void *arg, int table, const char *key, size_t key_length)
{
    (void)arg, (void)table, (void)key, (void)key_length;
    return 0;
}

static uint64_t on_store_submit(void *arg)
{
    return ++((struct path *)arg)->sequence;
}

static void on_alert(void *arg, const char *event, const char *text)
{
    (void)arg, (void)event, (void)text;
}

static const struct relay_effects effects = {
    .answer = on_answer,
    .ignore = on_ignore,
    .changed = on_changed,
    .requester_gone = on_requester_gone,
    .install = on_install,
    .withdraw = on_withdraw,
    .forget = on_forget,
    .upstream_cuid_gone = on_cuid_gone,
    .job_start = on_job,
    .job_stop = on_job,
    .make_cuid = make_cuid,
    .store_put = on_store_put,
    .store_delete = on_store_delete,
    .store_submit = on_store_submit,
    .alert = on_alert,
};

static void settle(struct path *path)
{
    uint64_t before;

    do {
        before = path->sequence;
        relay_committed(path->relay, NOW, path->sequence);
        while (path->sent_count) {
            struct install *install = path->sent[--path->sent_count];
            struct relay_upstream_answer answer = {.max_age = -1};

            answer.code = path->withdrawn[path->sent_count] ? 202 : 201;
            relay_install_answer(path->relay, NOW, install, &answer);
        }
    } while (path->sequence != before);
}

/* ---- requests ---- */

/* 10.0.n.0/24 of client n; a longer one joins it. */
static struct wire_prefix prefix_of(unsigned number, uint8_t length)
{
    return (struct wire_prefix){
        .family = 4, .length = length, .addr = {10, (uint8_t)(number >> 8), (uint8_t)number, 0}};
}

static void put(struct path *path, unsigned client, uint32_t mid, struct wire_prefix prefix)
{
    struct wire_scope scope = {.has_lifetime = true, .lifetime = 3600, .trigger = true};
    struct relay_put put = {.limits = {.mitigations = 100000, .cuids = 10, .max_lifetime = 86400}, .mid = mid};
    char name[16];

    snprintf(name, sizeof(name), "c%u", client);
    scope.target.prefixes = &prefix;
    scope.target.prefix_count = 1;
    put.requester = (struct relay_requester){.client = name, .cdid = "", .cuid = name, .identity_hash = "hash"};
    put.scope = &scope;
    put.exchange = path;
    relay_put(path->relay, NOW, &put);
    settle(path);
}

static void begin(struct path *path)
{
    static const struct relay_target target = {.name = "isp-a", .kind = RELAY_UPSTREAM};
    static const struct relay_policy policy = {.name = "gw.test",
                                               .targets = &target,
                                               .target_count = 1,
                                               .response_wait_ms = 1000,
                                               .terminating_initial_ms = 120000,
                                               .terminating_max_ms = 300000,
                                               .mitigations_max = 1000000,
                                               .hop_limit = 16};
    static struct wire_prefix granted[GRANTED];
    struct scope_grant grant = {.prefixes = granted, .prefix_count = GRANTED};

    path->relay = relay_new(&policy, &effects, path);
    assert(path->relay);
    relay_start(path->relay, NOW);
    for (unsigned i = 0; i < ACTIVE; i++)
        put(path, i, 1, prefix_of(i, 24));
    for (unsigned i = 0; i < GRANTED; i++)
        granted[i] = prefix_of(2 * i, 24);
    path->grant = scope_grant_prepare(&grant);
    assert(path->grant && path->install);
}

/* ---- the steps ---- */

static size_t encode_example(struct path *path, bool status)
{
    struct wire_prefix prefixes[] = {prefix_of(2, 28), prefix_of(4, 32)};
    struct wire_port_range ports[] = {{80, 80}, {443, 443}};
    uint8_t protocols[] = {6, 17};
    const char *names[] = {"www.example.com"};
    struct wire_scope scope = {.target = {.prefixes = prefixes,
                                          .prefix_count = 2,
                                          .port_ranges = ports,
                                          .port_range_count = 2,
                                          .protocols = protocols,
                                          .protocol_count = 2,
                                          .fqdns = {names, 1}},
                               .has_lifetime = true,
                               .lifetime = 3600,
                               .trigger = true};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};

    if (status) {
        scope.has_mid = scope.has_start = scope.has_bytes = scope.has_bps = true;
        scope.mid = 12332;
        scope.start = 1800000000;
        scope.status = WIRE_STATUS_MITIGATED;
        scope.bytes_dropped = 134334555;
        scope.bps_dropped = 43344;
    }
    return wire_encode_cbor(&message, path->body, sizeof(path->body));
}

static void decode(struct path *path, unsigned count, bool status)
{
    size_t length = encode_example(path, status);
    struct wire_message *message;
    struct wire_error error;

    while (count--) {
        assert(wire_decode_cbor(path->body, length, status ? WIRE_TO_CLIENT : WIRE_TO_SERVER, &message, &error) == 0);
        wire_free(message);
    }
}

static void decode_request(struct path *path, unsigned count)
{
    decode(path, count, false);
}

static void decode_status(struct path *path, unsigned count)
{
    decode(path, count, true);
}

static void authorize(struct path *path, unsigned count)
{
    struct wire_prefix prefixes[] = {prefix_of(2, 28), prefix_of(64, 32)};
    struct wire_target target = {.prefixes = prefixes, .prefix_count = 2};
    char text[256];

    while (count--)
        assert(!scope_unauthorized_by(&target, path->grant, text, sizeof(text)));
}

/* One request joins that of another client, each time at another place; with its answer upstream. */
static void plan_join(struct path *path, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put(path, ACTIVE + 1, i + 1, prefix_of(i * 7 % ACTIVE, 30));
}

static void encode_upstream(struct path *path, unsigned count)
{
    struct install_request request;
    struct wire_scope scratch;

    while (count--) {
        relay_install_request(path->install, NOW, &request, &scratch);
        struct wire_message message = {
            .type = WIRE_MITIGATION, .scopes = (struct wire_scope *)request.scope, .scope_count = 1};
        assert(wire_encode_cbor(&message, path->body, sizeof(path->body)) > 0);
    }
}

/* From a status of the upstream to the body that an observer gets. */
static void notify(struct path *path, unsigned count)
{
    struct wire_scope status = {.status = WIRE_STATUS_MITIGATED, .has_bytes = true, .has_lifetime = true};

    status.lifetime = 3600;
    while (count--) {
        struct wire_scope view;
        struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &view, .scope_count = 1};

        status.bytes_dropped += 100;
        path->changed = NULL;
        relay_install_status(path->relay, NOW, path->install, &status);
        settle(path);
        assert(path->changed);
        mitigation_represent(path->changed, NOW, MITIGATION_ALL, &view);
        assert(wire_encode_cbor(&message, path->body, sizeof(path->body)) > 0);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct path *path, unsigned count);
    } steps[] = {
        {"decode-request", decode_request},   {"authorize", authorize},         {"plan-join", plan_join},
        {"encode-upstream", encode_upstream}, {"decode-status", decode_status}, {"notify", notify},
    };
    static struct path path;

    for (size_t i = 0; argc == 3 && i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (strcmp(steps[i].name, argv[1]) != 0)
            continue;
        begin(&path);
        steps[i].run(&path, (unsigned)strtoul(argv[2], NULL, 10));
        scope_grant_release(path.grant);
        relay_free(path.relay);
        return 0;
    }
    fputs("usage: hot_paths decode-request|authorize|plan-join|encode-upstream|decode-status|notify COUNT\n", stderr);
    return 2;
}
