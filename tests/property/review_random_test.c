/*
 * review: random configurations under random traffic: targets come and go, fan-out changes (one
 * history in four is serial), clients are removed and
 * come back, scopes narrow. After each change, once everything is answered: what is kept is at every upstream that is
 * asked for it exactly once, nothing else is anywhere, nobody keeps what he may not have, nobody loses what he may.
 * links: test_support aggregation wire
 *
 * DOTSGW_SEED replays one history, DOTSGW_HISTORIES says how many are run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/property/review_model.h"
#include "tests/support/remote.h"
#include "tests/support/world.h"
#include "tests/unit/seeded_random.h"

#define CLIENTS 4
#define MIDS 80
#define STEPS 60
#define LINGER_MS 11000 /* what ended is shown for ten seconds */

struct wish {
    bool kept, trigger;
    struct wire_prefix prefix;
};

struct outstanding {
    struct install *install;
    bool withdraw;
};

struct history {
    struct world world;
    struct wish wishes[CLIENTS][MIDS];
    uint32_t next_mid[CLIENTS];
    struct remote remote[REMOTE_MAX];
    struct outstanding outstanding[REMOTE_MAX];
    size_t outstanding_count;
    int code; /* of the last answer */
    bool removed[CLIENTS];
    uint8_t forbidden; /* third byte of addresses that nobody may ask for; 0: none */
    struct relay_policy policies[2];
    struct relay_target targets[2][OWNED_TARGETS];
    unsigned in_use, puts;
};

/* ---- The outside ---- */

static void on_forget(struct world *world, struct install *install)
{
    struct history *history = world->user;

    for (size_t i = 0; i < history->outstanding_count; i++)
        if (history->outstanding[i].install == install)
            history->outstanding[i--] = history->outstanding[--history->outstanding_count];
}

static void on_install(struct world *world, struct install *install, bool withdraw)
{
    struct history *history = world->user;

    on_forget(world, install);
    assert_true(history->outstanding_count < REMOTE_MAX);
    history->outstanding[history->outstanding_count++] = (struct outstanding){install, withdraw};
}

static void on_answer(struct world *world, void *exchange, const struct relay_answer *answer)
{
    (void)exchange;
    ((struct history *)world->user)->code = answer ? answer->code : 0;
}

static void deliver(struct history *history)
{
    size_t index = random_below((uint32_t)history->outstanding_count);
    struct outstanding outstanding = history->outstanding[index];
    const struct upstream_cuid *cuid = install_cuid(outstanding.install);
    struct relay_upstream_answer answer = {.code = 202, .max_age = -1};
    struct install_request request;
    struct wire_scope scratch;
    char key[OWNED_KEY];

    history->outstanding[index] = history->outstanding[--history->outstanding_count];
    owned_key(key, cuid->target, cuid->cuid);
    relay_install_request(outstanding.install, history->world.now, &request, &scratch);
    history->puts += !outstanding.withdraw;
    if (outstanding.withdraw)
        remote_delete(history->remote, key, request.mid);
    else
        answer.code = remote_put(history->remote, key, request.mid, &request.scope->target, request.scope->trigger);
    relay_install_answer(history->world.relay, history->world.now, outstanding.install, &answer);
}

/* Until nothing is under way, refusals for a while included. */
static void settle(struct history *history)
{
    for (int round = 0; round < 8; round++) {
        world_advance(&history->world, history->world.now);
        while (history->outstanding_count) {
            deliver(history);
            world_advance(&history->world, history->world.now);
        }
        world_advance(&history->world, history->world.now + 4000);
    }
    assert_false(relay_reviewing(history->world.relay));
}

/* ---- What is configured ---- */

static bool known(void *arg, const char *client)
{
    const struct history *history = arg;

    return !history->removed[client[1] - '0'];
}

static bool allowed(void *arg, const struct requester *requester, const struct wire_target *target)
{
    const struct history *history = arg;

    (void)requester;
    return !history->forbidden || target->prefixes[0].addr[2] != history->forbidden;
}

static bool by_prefix(const struct history *history)
{
    return history->policies[history->in_use].fan_out == RELAY_FAN_OUT_BY_PREFIX;
}

static bool serial(const struct history *history)
{
    return history->policies[history->in_use].fan_out == RELAY_FAN_OUT_SERIAL;
}

static bool asked(const struct history *history, size_t target)
{
    return !history->targets[history->in_use][target].disabled;
}

/* With fan-out by-prefix every address must belong to somebody who is asked. */
static bool has_owner(const struct history *history, const struct wire_prefix *prefix)
{
    unsigned covered = 0;

    if (!by_prefix(history) || (!asked(history, 0) && !asked(history, 1)))
        return true;
    for (size_t i = 0; i < OWNED_TARGETS; i++) {
        struct wire_prefix part;

        if (asked(history, i) && owned_part(i, prefix, &part))
            covered += 1u << (32 - part.length);
    }
    return covered == 1u << (32 - prefix->length);
}

static void reconfigure(struct history *history)
{
    const struct relay_reviewer reviewer = {.known = known, .allowed = allowed, .arg = history};
    unsigned next = !history->in_use;
    struct relay_policy *policy = &history->policies[next];

    *policy = history->policies[history->in_use];
    memcpy(history->targets[next], history->targets[history->in_use], sizeof(history->targets[next]));
    policy->targets = history->targets[next];
    switch (random_below(6)) {
    case 0:
    case 1: {
        struct relay_target *target = &history->targets[next][random_below(OWNED_TARGETS)];

        target->disabled = !target->disabled;
        break;
    }
    case 2:
        if (!serial(history))
            policy->fan_out = policy->fan_out == RELAY_FAN_OUT_ALL ? RELAY_FAN_OUT_BY_PREFIX : RELAY_FAN_OUT_ALL;
        break;
    case 3: {
        unsigned client = random_below(CLIENTS);

        history->removed[client] = !history->removed[client];
        break;
    }
    case 4:
        history->forbidden = history->forbidden ? 0 : 64;
        break;
    default: /* nothing */
        break;
    }
    history->in_use = next;
    assert_int_equal(relay_reconfigure(history->world.relay, history->world.now, policy, &reviewer), 0);
    for (unsigned client = 0; client < CLIENTS; client++) {
        for (uint32_t mid = 0; mid < history->next_mid[client]; mid++) {
            struct wish *wish = &history->wishes[client][mid];
            struct wire_target target = {.prefixes = &wish->prefix, .prefix_count = 1};

            if (history->removed[client] || !allowed(history, NULL, &target) || !has_owner(history, &wish->prefix))
                wish->kept = false;
        }
    }
}

/* ---- The clients ---- */

static struct relay_requester requester_of(unsigned client, char name[16])
{
    snprintf(name, 16, "c%u", client);
    return (struct relay_requester){.client = name, .cdid = "", .cuid = name, .identity_hash = "hash"};
}

static bool overlap(const struct wire_prefix *a, const struct wire_prefix *b)
{
    return scope_prefix_contains(a, b) || scope_prefix_contains(b, a);
}

static void put(struct history *history)
{
    unsigned client = random_below(CLIENTS);
    uint32_t mid = history->next_mid[client];
    struct wish *wish = &history->wishes[client][mid];
    struct wire_scope scope = {.has_lifetime = true, .lifetime = 100000, .target.prefix_count = 1};
    struct relay_put request = {.limits = {.mitigations = 1000, .cuids = 10, .max_lifetime = 200000}};
    char text[32], name[16];

    snprintf(text, sizeof(text), "10.%u.%u.0/%u", random_below(2), random_below(4) * 64, 16 + random_below(8));
    wire_prefix_parse(text, false, &wish->prefix);
    scope.target.prefixes = &wish->prefix;
    if (mid + 1 >= MIDS || history->removed[client] || !allowed(history, NULL, &scope.target))
        return;
    history->next_mid[client]++;
    wish->trigger = scope.trigger = random_below(4) != 0;
    request.requester = requester_of(client, name);
    request.mid = mid;
    request.scope = &scope;
    request.exchange = name;
    history->code = 0;
    relay_put(history->world.relay, history->world.now, &request);
    settle(history);
    wish->kept = history->code / 100 == 2;
    for (uint32_t lower = 0; wish->kept && lower < mid; lower++) {
        struct wish *other = &history->wishes[client][lower];

        if (other->trigger == wish->trigger && overlap(&other->prefix, &wish->prefix))
            other->kept = false;
    }
}

static void withdraw(struct history *history)
{
    unsigned client = random_below(CLIENTS);
    char name[16];

    if (history->next_mid[client]) {
        uint32_t mid = random_below(history->next_mid[client]);
        struct relay_requester requester = requester_of(client, name);

        history->wishes[client][mid].kept = false;
        relay_delete(history->world.relay, history->world.now, &requester, mid, name);
    }
}

/* ---- What must be true ---- */

static void check_wish(struct history *history, unsigned client, uint32_t mid)
{
    const struct wish *wish = &history->wishes[client][mid];
    char name[16], key[OWNED_KEY];
    const char *cuid = "gw";
    unsigned places = 0, upstreams = 0;
    char derived[32];

    requester_of(client, name);
    snprintf(derived, sizeof(derived), "gw-%s-0", name);
    if (history->targets[0][0].identity_client)
        cuid = name;
    else if (history->targets[0][0].per_client)
        cuid = derived;
    for (size_t target = 0; target < OWNED_TARGETS; target++) {
        struct wire_prefix part = wish->prefix;

        if (!asked(history, target) || (by_prefix(history) && !owned_part(target, &wish->prefix, &part)))
            continue;
        owned_key(key, target, cuid);
        upstreams++;
        places += remote_covering(history->remote, key, history->targets[0][0].identity_client ? mid : UINT32_MAX,
                                  &part, wish->trigger);
    }
    assert_int_equal(places, serial(history) && upstreams ? 1 : upstreams);
}

static void check(struct history *history)
{
    for (size_t i = 0; i < REMOTE_MAX; i++)
        history->remote[i].wanted = false;
    for (unsigned client = 0; client < CLIENTS; client++) {
        char name[16];
        const struct requester *requester;

        requester_of(client, name);
        requester = relay_requester_find(history->world.relay, "", name);
        for (uint32_t mid = 0; mid < history->next_mid[client]; mid++) {
            const struct mitigation *mitigation = requester ? relay_mitigation_find(requester, mid) : NULL;
            struct wire_scope scope = {.status = 0};

            if (mitigation)
                mitigation_represent(mitigation, history->world.now, MITIGATION_ALL, &scope);
            assert_int_equal(history->wishes[client][mid].kept,
                             (scope.status && scope.status <= WIRE_STATUS_EXCEEDED) ||
                                 scope.status == WIRE_STATUS_SIGNAL_LOSS);
            if (history->wishes[client][mid].kept)
                check_wish(history, client, mid);
        }
    }
    for (size_t i = 0; i < REMOTE_MAX; i++)
        assert_true(!history->remote[i].used || history->remote[i].wanted);
}

/* The same again changes nothing, and says nothing to anybody. */
static void check_quiet(struct history *history)
{
    const struct relay_reviewer reviewer = {.known = known, .allowed = allowed, .arg = history};
    unsigned before = history->puts;

    assert_int_equal(
        relay_reconfigure(history->world.relay, history->world.now, &history->policies[history->in_use], &reviewer), 0);
    settle(history);
    assert_int_equal(history->puts, before);
}

static void run_history(uint64_t seed)
{
    struct history *history = calloc(1, sizeof(*history));

    random_start(seed);
    world_init(&history->world);
    for (size_t i = 0; i < OWNED_TARGETS; i++)
        history->targets[0][i] = (struct relay_target){.name = i ? "second" : "up",
                                                       .kind = RELAY_UPSTREAM,
                                                       .identity_client = seed % 3 == 1,
                                                       .per_client = seed % 3 == 2,
                                                       .owns = owned_by[i],
                                                       .owns_count = OWNED_EACH};
    memcpy(history->world.targets, history->targets[0], sizeof(history->targets[0]));
    history->world.policy.target_count = OWNED_TARGETS;
    if (seed % 4 == 3)
        history->world.policy.fan_out = RELAY_FAN_OUT_SERIAL;
    history->world.policy.failover_wait_ms = 20000;
    history->world.policy.terminating_initial_ms = history->world.policy.terminating_max_ms = 0;
    history->policies[0] = history->world.policy;
    history->policies[0].targets = history->targets[0];
    history->world.quiet = true;
    history->world.on_install = on_install;
    history->world.on_forget = on_forget;
    history->world.on_answer = on_answer;
    history->world.user = history;
    world_start(&history->world);
    for (int i = 0; i < STEPS; i++) {
        uint32_t what = random_below(10);

        if (what < 5)
            put(history);
        else if (what < 6)
            withdraw(history);
        else
            reconfigure(history);
        settle(history);
        check(history);
    }
    check_quiet(history);
    /* Nobody's cuid stays bound when he is gone for good. */
    world_advance(&history->world, history->world.now + LINGER_MS);
    for (unsigned client = 0; client < CLIENTS; client++) {
        char name[16];
        struct relay_requester other = requester_of(client, name);

        other.client = "somebody";
        if (history->removed[client])
            assert_true(relay_cuid_allowed(history->world.relay, &other));
    }
    history->outstanding_count = 0;
    world_free(&history->world);
    for (size_t i = 0; i < REMOTE_MAX; i++)
        remote_clear(&history->remote[i]);
    free(history);
}

static void test_any_history_of_configurations_ends_in_the_plan(void **state)
{
    (void)state;
    owned_init();
    random_histories(300, run_history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_any_history_of_configurations_ends_in_the_plan, random_seed_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
