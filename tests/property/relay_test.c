/*
 * relay: random histories against a model upstream that behaves as RFC 9132 section 4.4.1.3 says a
 * server does: it deletes an overlapped request with a lower mid, loses requests and answers, restarts
 * empty. Crashes of the gateway lose what is not committed. Whatever happened, once the network lets
 * everything through, what is acknowledged downstream is there upstream exactly once, and nothing else.
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

#include "tests/support/owned.h"
#include "tests/support/remote.h"
#include "tests/support/world.h"

#define CLIENTS 5
#define MIDS 400
#define STEPS 120

/* What a client was told about a mid of its own. */
enum told { TOLD_NOTHING, TOLD_ACCEPTED, TOLD_GONE };

struct asked {
    enum told told;
    unsigned pending; /* puts and deletes of it that were not answered (yet): anything may be so */
    unsigned doubts;  /* puts not answered (yet) that override it when they were taken */
    struct wire_prefix prefix;
    bool trigger;
};

struct exchange {
    unsigned client;
    uint32_t mid;
    bool deletes;
};

struct one_demand {
    bool shared;
    const struct asked *asked;
};

struct outstanding {
    struct install *install;
    bool withdraw;
};

struct history {
    struct world world;
    uint64_t random;
    struct asked asked[CLIENTS][MIDS];
    uint32_t next_mid[CLIENTS];
    struct remote remote[REMOTE_MAX];
    struct outstanding outstanding[REMOTE_MAX];
    size_t outstanding_count;
    bool identity_client, per_client, by_prefix;
    struct one_demand demands[CLIENTS * MIDS];
    size_t demand_count;
    unsigned puts; /* seen upstream */
};

static uint32_t roll(struct history *history, uint32_t below)
{
    history->random ^= history->random << 13;
    history->random ^= history->random >> 7;
    history->random ^= history->random << 17;
    return (uint32_t)(history->random >> 33) % below;
}

/* ---- The network ---- */

/* The request of one outstanding exchange reaches the upstream; perhaps its answer comes back. */
static void deliver(struct history *history, size_t index, bool answered)
{
    struct outstanding *outstanding = &history->outstanding[index];
    struct install *install = outstanding->install;
    const struct upstream_cuid *cuid = install_cuid(install);
    struct relay_upstream_answer answer = {.code = outstanding->withdraw ? 202 : 204, .max_age = -1};
    struct install_request request;
    struct wire_scope scratch;
    char key[OWNED_KEY];

    owned_key(key, cuid->target, cuid->cuid);
    relay_install_request(install, history->world.now, &request, &scratch);
    history->puts += !outstanding->withdraw;
    if (outstanding->withdraw)
        remote_delete(history->remote, key, request.mid);
    else
        answer.code = remote_put(history->remote, key, request.mid, &request.scope->target, request.scope->trigger);
    if (!answered)
        return;
    *outstanding = history->outstanding[--history->outstanding_count];
    relay_install_answer(history->world.relay, history->world.now, install, &answer);
}

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

    on_forget(world, install); /* superseded */
    assert_true(history->outstanding_count < REMOTE_MAX);
    history->outstanding[history->outstanding_count++] = (struct outstanding){install, withdraw};
}

/* ---- The clients ---- */

/* The RFC deletes the overlapped ones with lower mids. */
static bool overridden(const struct asked *lower, const struct asked *higher)
{
    return lower->trigger == higher->trigger && (scope_prefix_contains(&lower->prefix, &higher->prefix) ||
                                                 scope_prefix_contains(&higher->prefix, &lower->prefix));
}

static void on_answer(struct world *world, void *arg, const struct relay_answer *answer)
{
    struct history *history = world->user;
    struct exchange *exchange = arg;
    struct asked *asked = &history->asked[exchange->client][exchange->mid];

    if (answer) {
        asked->pending--;
        if (exchange->deletes || answer->code / 100 != 2)
            asked->told = exchange->deletes || asked->told != TOLD_ACCEPTED ? TOLD_GONE : asked->told;
        else
            asked->told = TOLD_ACCEPTED;
        for (uint32_t mid = 0; !exchange->deletes && mid < exchange->mid; mid++) {
            struct asked *other = &history->asked[exchange->client][mid];

            if (!overridden(other, asked))
                continue;
            other->doubts--;
            if (answer->code / 100 == 2)
                other->told = TOLD_GONE;
        }
    }
    free(exchange);
}

static struct relay_requester requester_of(unsigned client, char name[16])
{
    snprintf(name, 16, "c%u", client);
    return (struct relay_requester){.client = name, .cdid = "", .cuid = name, .identity_hash = "hash"};
}

static struct exchange *exchange_new(struct history *history, unsigned client, uint32_t mid, bool deletes)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    *exchange = (struct exchange){client, mid, deletes};
    history->asked[client][mid].pending++;
    return exchange;
}

static void put(struct history *history, unsigned client, uint32_t mid)
{
    struct asked *asked = &history->asked[client][mid];
    struct wire_scope scope = {.has_lifetime = true, .lifetime = 100000, .trigger = asked->trigger};
    struct relay_put request = {.limits = {.mitigations = 1000, .cuids = 10, .max_lifetime = 200000}};
    char name[16];

    scope.target.prefixes = &asked->prefix;
    scope.target.prefix_count = 1;
    request.requester = requester_of(client, name);
    request.mid = mid;
    request.scope = &scope;
    request.exchange = exchange_new(history, client, mid, false);
    for (uint32_t lower = 0; lower < mid; lower++)
        history->asked[client][lower].doubts += overridden(&history->asked[client][lower], asked);
    relay_put(history->world.relay, history->world.now, &request);
}

static void put_new(struct history *history)
{
    unsigned client = roll(history, CLIENTS);
    uint32_t mid = history->next_mid[client];
    struct asked *asked = &history->asked[client][mid];
    char text[32];

    if (mid + 1 >= MIDS)
        return;
    history->next_mid[client]++;
    /* Few networks and few lengths, so that overlaps are common. */
    snprintf(text, sizeof(text), "10.%u.%u.0/%u", roll(history, 2), roll(history, 4) * 64, 16 + 2 * roll(history, 4));
    assert_int_equal(wire_prefix_parse(text, false, &asked->prefix), 0);
    asked->trigger = roll(history, 4) != 0;
    put(history, client, mid);
}

static void put_again(struct history *history)
{
    unsigned client = roll(history, CLIENTS);

    if (history->next_mid[client]) {
        uint32_t mid = roll(history, history->next_mid[client]);

        if (history->asked[client][mid].told == TOLD_ACCEPTED)
            put(history, client, mid);
    }
}

static void withdraw(struct history *history)
{
    unsigned client = roll(history, CLIENTS);
    struct relay_requester requester;
    char name[16];
    uint32_t mid;

    if (history->next_mid[client] == 0)
        return;
    mid = roll(history, history->next_mid[client]);
    requester = requester_of(client, name);
    relay_delete(history->world.relay, history->world.now, &requester, mid, exchange_new(history, client, mid, true));
}

/* ---- One history ---- */

static int list_cuid(void *arg, struct upstream_cuid *cuid)
{
    struct history *history = arg;
    struct wire_scope scopes[REMOTE_MAX];
    size_t count = 0;
    char key[OWNED_KEY];

    owned_key(key, cuid->target, cuid->cuid);
    for (size_t i = 0; i < REMOTE_MAX; i++)
        if (history->remote[i].used && strcmp(history->remote[i].cuid, key) == 0)
            scopes[count++] = (struct wire_scope){.has_mid = true,
                                                  .mid = history->remote[i].mid,
                                                  .status = history->remote[i].trigger ? WIRE_STATUS_MITIGATED
                                                                                       : WIRE_STATUS_SIGNAL_LOSS};
    relay_upstream_listed(history->world.relay, history->world.now, cuid, scopes, count);
    return 0;
}

static void repair(struct history *history)
{
    for (size_t target = 0; target < history->world.policy.target_count; target++) {
        relay_upstream_up(history->world.relay, history->world.now, target, NULL);
        relay_upstream_cuid_each(history->world.relay, target, NULL, list_cuid, history);
    }
}

static void crash(struct history *history)
{
    history->outstanding_count = 0;
    world_crash(&history->world);
    repair(history);
}

static void forget_all(struct history *history)
{
    for (size_t i = 0; i < REMOTE_MAX; i++)
        remote_clear(&history->remote[i]);
}

static void step(struct history *history)
{
    uint32_t what = roll(history, 100);

    if (what < 30)
        put_new(history);
    else if (what < 38)
        put_again(history);
    else if (what < 50)
        withdraw(history);
    else if (what < 80 && history->outstanding_count)
        deliver(history, roll(history, (uint32_t)history->outstanding_count), roll(history, 3) != 0);
    else if (what < 82)
        crash(history);
    else if (what < 83)
        forget_all(history), repair(history);
    else if (what < 86)
        history->world.hold = !history->world.hold;
    else if (what < 90)
        repair(history);
    else
        world_advance(&history->world, history->world.now + roll(history, 1500));
    if (!history->world.hold)
        world_commit(&history->world);
    world_advance(&history->world, history->world.now);
}

static void drain(struct history *history)
{
    history->world.hold = false;
    world_commit(&history->world);
    repair(history);
    for (int i = 0; i < 40; i++) {
        while (history->outstanding_count)
            deliver(history, 0, true);
        world_commit(&history->world);
        world_advance(&history->world, history->world.now + 15000);
        if (i == 20)
            repair(history);
    }
    assert_int_equal(history->outstanding_count, 0);
}

/* Everything that somebody asks for, to find what is there and nobody asks for. */
static void demanded(struct history *history, const char *cuid, const struct asked *asked)
{
    assert_true(history->demand_count < CLIENTS * MIDS);
    history->demands[history->demand_count++] = (struct one_demand){cuid[0] == 'g' && cuid[2] == '\0', asked};
}

static void check_client(struct history *history, unsigned client)
{
    const char *upstream_cuid = "gw";
    char name[16], derived[32];
    struct requester *requester;

    requester_of(client, name);
    snprintf(derived, sizeof(derived), "gw-%s-0", name);
    if (history->identity_client)
        upstream_cuid = name;
    else if (history->per_client)
        upstream_cuid = derived;
    requester = relay_requester_find(history->world.relay, "", name);
    for (uint32_t mid = 0; mid < history->next_mid[client]; mid++) {
        const struct asked *asked = &history->asked[client][mid];
        const struct mitigation *mitigation = requester ? relay_mitigation_find(requester, mid) : NULL;
        struct wire_scope scope = {.status = 0};
        bool kept;

        if (mitigation)
            mitigation_represent(mitigation, history->world.now, MITIGATION_ALL, &scope);
        kept = mitigation && (scope.status <= WIRE_STATUS_EXCEEDED || scope.status == WIRE_STATUS_SIGNAL_LOSS);
        if (!asked->pending && asked->doubts == 0 && asked->told == TOLD_ACCEPTED)
            assert_true(kept); /* acknowledged: never lost */
        if (!asked->pending && asked->told == TOLD_GONE)
            assert_false(kept);
        if (!kept)
            continue;
        for (size_t target = 0; target < history->world.policy.target_count; target++) {
            struct wire_prefix part = asked->prefix;
            char key[OWNED_KEY];

            if ((!history->by_prefix || owned_part(target, &asked->prefix, &part)))
                assert_int_equal(remote_covering(history->remote, owned_key(key, target, upstream_cuid),
                                                 history->identity_client ? mid : UINT32_MAX, &part, asked->trigger),
                                 1);
        }
        demanded(history, upstream_cuid, asked);
    }
}

/* Is every address of the prefix asked for by somebody? Half by half, as deep as anything asked for. */
static bool asked_for(const struct history *history, const struct wire_prefix *prefix, bool trigger)
{
    struct wire_prefix half = *prefix;

    for (size_t i = 0; i < history->demand_count; i++)
        if (history->demands[i].asked->trigger == trigger &&
            scope_prefix_contains(&history->demands[i].asked->prefix, prefix))
            return true;
    if (prefix->length >= 24)
        return false;
    half.length++;
    if (!asked_for(history, &half, trigger))
        return false;
    half.addr[(half.length - 1) / 8] |= (uint8_t)(0x80u >> ((half.length - 1) % 8));
    return asked_for(history, &half, trigger);
}

static void check_remote(struct history *history, size_t index)
{
    const struct remote *remote = &history->remote[index];

    assert_true(remote->wanted); /* nothing is there that nobody wants */
    for (size_t i = 0; i < remote->scope->target.prefix_count; i++) {
        const struct wire_prefix *prefix = &remote->scope->target.prefixes[i];
        struct wire_prefix part;

        assert_true(asked_for(history, prefix, remote->trigger)); /* never widened */
        if (!history->by_prefix)
            continue;
        assert_true(owned_part(owned_target(remote->cuid), prefix, &part));
        assert_memory_equal(&part, prefix, sizeof(part)); /* nobody is asked for what another owns */
    }
    for (size_t i = index + 1; i < REMOTE_MAX; i++)
        if (history->remote[i].used && history->remote[i].trigger == remote->trigger &&
            strcmp(history->remote[i].cuid, remote->cuid) == 0)
            assert_false(scope_overlap(&remote->scope->target, &history->remote[i].scope->target));
}

static void check(struct history *history)
{
    history->demand_count = 0;
    for (size_t i = 0; i < REMOTE_MAX; i++)
        history->remote[i].wanted = false;
    for (unsigned client = 0; client < CLIENTS; client++)
        check_client(history, client);
    for (size_t i = 0; i < REMOTE_MAX; i++)
        if (history->remote[i].used)
            check_remote(history, i);
}

/* What is installed stays untouched when nothing happens. */
static void check_quiet(struct history *history)
{
    unsigned before = history->puts;

    world_advance(&history->world, history->world.now + 60000);
    while (history->outstanding_count)
        deliver(history, 0, true);
    assert_int_equal(history->puts, before);
}

static void run_history(uint64_t seed)
{
    struct history *history = calloc(1, sizeof(*history));

    history->random = seed * 0x9e3779b97f4a7c15u + 1;
    world_init(&history->world);
    history->identity_client = seed % 3 == 1;
    history->per_client = seed % 3 == 2;
    history->by_prefix = seed % 2 == 0;
    history->world.policy.target_count = history->by_prefix ? 2 : 1;
    history->world.policy.fan_out = history->by_prefix ? RELAY_FAN_OUT_BY_PREFIX : RELAY_FAN_OUT_ALL;
    for (size_t i = 0; i < history->world.policy.target_count; i++)
        history->world.targets[i] = (struct relay_target){.name = i ? "second" : "up",
                                                          .kind = RELAY_UPSTREAM,
                                                          .identity_client = history->identity_client,
                                                          .per_client = history->per_client,
                                                          .owns = owned_by[i],
                                                          .owns_count = OWNED_EACH};
    history->world.quiet = true;
    history->world.on_install = on_install;
    history->world.on_forget = on_forget;
    history->world.on_answer = on_answer;
    history->world.user = history;
    world_start(&history->world);
    for (int i = 0; i < STEPS; i++)
        step(history);
    drain(history);
    check(history);
    check_quiet(history);
    history->outstanding_count = 0;
    world_free(&history->world);
    forget_all(history);
    free(history);
}

static void test_dotsgw_design_5_random_histories_end_in_the_plan(void **state)
{
    const char *seed = getenv("DOTSGW_SEED"), *histories = getenv("DOTSGW_HISTORIES");
    uint64_t count = histories ? strtoull(histories, NULL, 10) : 600;

    (void)state;
    owned_init();
    if (seed) {
        run_history(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t i = 1; i <= count; i++) {
        char text[24];

        /* cmocka leaves by longjmp: the seed of the history that failed is in the environment. */
        snprintf(text, sizeof(text), "%llu", (unsigned long long)i);
        setenv("DOTSGW_RUNNING_SEED", text, 1);
        run_history(i);
    }
    unsetenv("DOTSGW_RUNNING_SEED");
}

static int tell_seed(void **state)
{
    const char *seed = getenv("DOTSGW_RUNNING_SEED");

    (void)state;
    if (seed)
        print_error("replay with DOTSGW_SEED=%s\n", seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_dotsgw_design_5_random_histories_end_in_the_plan, tell_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
