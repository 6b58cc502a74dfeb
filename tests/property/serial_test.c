/*
 * serial: random histories against three model upstreams (tests/support/remote.h), of which one at a time is asked.
 * They go away, told or not, come back, are silent, refuse, are busy or exceeded, lose answers; the gateway crashes.
 * At every put: nothing that overlaps is at another upstream that could be told. At every step: of what overlaps at
 * two upstreams, all but one was asked to go. In the end: what stands is at one upstream, once, with all that overlaps.
 * links: test_support aggregation wire
 *
 * DOTSGW_SEED replays one history, DOTSGW_HISTORIES says how many are run.
 */

#include "tests/property/serial_model.h"

/* ---- Never two at once ---- */

static void check_put(struct history *history, const struct install *install)
{
    size_t target = install_cuid(install)->target;
    struct install_request request;
    struct wire_scope scratch;
    char key[KEY];

    relay_install_request(install, history->world.now, &request, &scratch);
    key_of(key, target, install_cuid(install)->cuid);
    for (size_t i = 0; i < REMOTE_MAX; i++)
        if (history->remote[i].used && strcmp(history->remote[i].cuid, key) == 0 &&
            history->remote[i].mid == request.mid)
            return; /* a refresh */
    look_at_the_clock(history);
    for (size_t i = 0; i < REMOTE_MAX; i++) {
        const struct remote *remote = &history->remote[i];
        size_t there = remote->used ? target_of(remote) : target;

        if (there == target || !scope_overlap(&request.scope->target, &remote->scope->target))
            continue;
        assert_true(history->told_down[there] || history->silent[there] || history->resists[i]);
    }
}

static bool asked_to_go(struct history *history, const struct remote *remote)
{
    struct install *install =
        world_install(&history->world, target_of(remote), strchr(remote->cuid, ' ') + 1, remote->mid);

    return !install || !install_wanted(install);
}

static void check_always(struct history *history)
{
    for (size_t i = 0; i < REMOTE_MAX; i++) {
        const struct remote *one = &history->remote[i];

        for (size_t k = i + 1; one->used && k < REMOTE_MAX; k++) {
            const struct remote *other = &history->remote[k];

            if (other->used && target_of(one) != target_of(other) &&
                scope_overlap(&one->scope->target, &other->scope->target))
                assert_true(asked_to_go(history, one) || asked_to_go(history, other));
        }
    }
}

/* ---- The network ---- */

static void deliver(struct history *history, size_t index, bool answered)
{
    struct outstanding *outstanding = &history->outstanding[index];
    struct install *install = outstanding->install;
    const struct upstream_cuid *cuid = install_cuid(install);
    struct relay_upstream_answer answer = {.max_age = 5};
    struct install_request request;
    struct wire_scope scratch;
    char key[KEY];

    if (!history->reachable[cuid->target])
        return;
    key_of(key, cuid->target, cuid->cuid);
    relay_install_request(install, history->world.now, &request, &scratch);
    history->puts += !outstanding->withdraw;
    answer.code =
        outstanding->withdraw ? code_of_delete(history, key, request.mid) : code_of_put(history, key, &request);
    if (!answered)
        return;
    look_at_the_clock(history);
    *outstanding = history->outstanding[--history->outstanding_count];
    heard(history, cuid->target);
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

    if (!withdraw)
        check_put(history, install);
    look_at_the_clock(history);
    on_forget(world, install); /* superseded */
    assert_true(history->outstanding_count < REMOTE_MAX);
    history->outstanding[history->outstanding_count++] = (struct outstanding){install, withdraw, world->now};
}

/* ---- The clients ---- */

static void on_answer(struct world *world, void *arg, const struct relay_answer *answer)
{
    struct history *history = world->user;
    struct exchange *exchange = arg;
    struct asked *asked = &history->asked[exchange->client][exchange->mid];

    if (answer && !exchange->deletes && answer->code / 100 == 2)
        asked->accepted = true;
    free(exchange);
}

static struct relay_requester requester_of(unsigned client, char name[16])
{
    snprintf(name, 16, "c%u", client);
    return (struct relay_requester){.client = name, .cdid = "", .cuid = name, .identity_hash = "hash"};
}

static void *exchange_new(unsigned client, uint32_t mid, bool deletes)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    *exchange = (struct exchange){client, mid, deletes};
    return exchange;
}

static bool overlap(const struct asked *a, const struct asked *b)
{
    return scope_prefix_contains(&a->prefix, &b->prefix) || scope_prefix_contains(&b->prefix, &a->prefix);
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
    request.exchange = exchange_new(client, mid, false);
    for (uint32_t lower = 0; lower < mid; lower++) /* overridden, when it is accepted */
        history->asked[client][lower].doubtful |= overlap(&history->asked[client][lower], asked);
    relay_put(history->world.relay, history->world.now, &request);
}

static void put_new(struct history *history)
{
    unsigned client = random_below(CLIENTS);
    uint32_t mid = history->next_mid[client]++;
    struct asked *asked = &history->asked[client][mid];
    char text[32];

    assert_true(mid < MIDS);
    snprintf(text, sizeof(text), "10.%u.%u.0/%u", random_below(2), random_below(4) * 64, 16 + 2 * random_below(4));
    assert_int_equal(wire_prefix_parse(text, false, &asked->prefix), 0);
    asked->trigger = random_below(5) != 0;
    put(history, client, mid);
}

static void of_some_mid(struct history *history, bool withdraws)
{
    unsigned client = random_below(CLIENTS);
    struct relay_requester requester;
    struct asked *asked;
    char name[16];
    uint32_t mid;

    if (history->next_mid[client] == 0)
        return;
    mid = random_below(history->next_mid[client]);
    asked = &history->asked[client][mid];
    requester = requester_of(client, name);
    if (!withdraws) {
        if (asked->accepted && !asked->doubtful)
            put(history, client, mid);
        return;
    }
    asked->doubtful = true;
    relay_delete(history->world.relay, history->world.now, &requester, mid, exchange_new(client, mid, true));
}

/* ---- Upstreams come and go ---- */

static int list_cuid(void *arg, struct upstream_cuid *cuid)
{
    struct history *history = arg;
    struct wire_scope scopes[REMOTE_MAX];
    size_t count = 0;
    char key[KEY];

    key_of(key, cuid->target, cuid->cuid);
    for (size_t i = 0; i < REMOTE_MAX; i++)
        if (history->remote[i].used && strcmp(history->remote[i].cuid, key) == 0)
            scopes[count++] = (struct wire_scope){.has_mid = true,
                                                  .mid = history->remote[i].mid,
                                                  .target = history->remote[i].scope->target,
                                                  .status = history->remote[i].trigger ? WIRE_STATUS_MITIGATED
                                                                                       : WIRE_STATUS_SIGNAL_LOSS};
    look_at_the_clock(history);
    heard(history, cuid->target);
    relay_upstream_listed(history->world.relay, history->world.now, cuid, scopes, count);
    return 0;
}

struct session {
    struct history *history;
    size_t target;
    bool up;
};

static int change_session(void *arg, struct requester *requester)
{
    struct session *session = arg;
    struct relay *relay = session->history->world.relay;

    if (session->up)
        relay_upstream_up(relay, session->history->world.now, session->target, requester);
    else
        relay_upstream_down(relay, session->history->world.now, session->target, requester);
    return 0;
}

static void tell(struct history *history, size_t target, bool up)
{
    struct session session = {history, target, up};

    /* The last to know that it is away, the first that it is back. */
    if (!up)
        history->told_down[target] = true;
    if (history->per_client)
        relay_requester_each(history->world.relay, change_session, &session);
    else
        change_session(&session, NULL);
    if (!up)
        return;
    history->told_down[target] = history->silent[target] = false;
    relay_upstream_cuid_each(history->world.relay, target, NULL, list_cuid, history);
}

static void come_or_go(struct history *history)
{
    size_t target = random_below(UPSTREAMS);

    if (!history->reachable[target]) {
        history->reachable[target] = true;
        tell(history, target, true);
    } else if (random_below(2)) {
        history->reachable[target] = false; /* and nobody says so */
    } else {
        history->reachable[target] = false;
        tell(history, target, false);
    }
}

static void crash(struct history *history)
{
    history->outstanding_count = 0;
    for (unsigned client = 0; client < CLIENTS; client++)
        for (uint32_t mid = 0; mid < history->next_mid[client]; mid++)
            history->asked[client][mid].doubtful |= !history->asked[client][mid].accepted;
    memset(history->silent, 0, sizeof(history->silent));
    memset(history->told_down, 0, sizeof(history->told_down));
    history->began = history->world.now;
    world_crash(&history->world);
    for (size_t target = 0; target < UPSTREAMS; target++)
        if (history->reachable[target])
            tell(history, target, true);
}

/* An upstream says of something there that it is exceeded, or that it is not. */
static void say_status(struct history *history)
{
    const struct remote *remote = &history->remote[random_below(40)];
    struct wire_scope status = {.status = random_below(2) ? WIRE_STATUS_EXCEEDED : WIRE_STATUS_MITIGATED};
    struct install *install;

    if (!remote->used || !history->reachable[target_of(remote)])
        return;
    install = world_install(&history->world, target_of(remote), strchr(remote->cuid, ' ') + 1, remote->mid);
    if (!install || !install_wanted(install))
        return;
    look_at_the_clock(history);
    heard(history, target_of(remote));
    relay_install_status(history->world.relay, history->world.now, install, &status);
}

static void step(struct history *history)
{
    uint32_t what = random_below(100);

    if (what < 22)
        put_new(history);
    else if (what < 38)
        of_some_mid(history, what < 32);
    else if (what < 72 && history->outstanding_count)
        deliver(history, random_below((uint32_t)history->outstanding_count), random_below(4) != 0);
    else if (what < 78)
        come_or_go(history);
    else if (what < 80)
        crash(history);
    else if (what < 84)
        say_status(history);
    else if (what < 87)
        history->world.hold = !history->world.hold;
    else
        world_advance(&history->world, history->world.now + random_below(what < 97 ? 1500 : 30000));
    if (!history->world.hold)
        world_commit(&history->world);
    world_advance(&history->world, history->world.now);
    check_always(history);
}

/* ---- In the end ---- */

static void settle(struct history *history)
{
    history->settling = true;
    history->world.hold = false;
    world_commit(&history->world);
    for (size_t target = 0; target < UPSTREAMS; target++) {
        history->reachable[target] = true;
        tell(history, target, true);
    }
    for (int i = 0; i < 60; i++) {
        for (int k = 0; history->outstanding_count && k < 10000; k++)
            deliver(history, 0, true);
        check_always(history);
        world_commit(&history->world);
        world_advance(&history->world, history->world.now + 9000);
        for (size_t target = 0; i == 40 && target < UPSTREAMS; target++)
            tell(history, target, true);
    }
    assert_int_equal(history->outstanding_count, 0);
}

static unsigned where(struct history *history, unsigned client, uint32_t mid, size_t *target)
{
    const struct asked *asked = &history->asked[client][mid];
    const char *cuid = "gw";
    char name[16], derived[32], key[KEY];
    unsigned found = 0;

    requester_of(client, name);
    snprintf(derived, sizeof(derived), "gw-%s-0", name);
    if (history->identity_client || history->per_client)
        cuid = history->identity_client ? name : derived;
    for (size_t i = 0; i < UPSTREAMS; i++) {
        unsigned here = remote_covering(history->remote, key_of(key, i, cuid),
                                        history->identity_client ? mid : UINT32_MAX, &asked->prefix, asked->trigger);

        if (here)
            *target = i;
        found += here;
    }
    return found;
}

static void check_end(struct history *history)
{
    for (size_t i = 0; i < REMOTE_MAX; i++)
        history->remote[i].wanted = false;
    for (unsigned client = 0; client < CLIENTS; client++) {
        char name[16];
        struct requester *requester;

        requester_of(client, name);
        requester = relay_requester_find(history->world.relay, "", name);
        for (uint32_t mid = 0; mid < history->next_mid[client]; mid++) {
            const struct mitigation *mitigation = requester ? relay_mitigation_find(requester, mid) : NULL;
            const struct asked *asked = &history->asked[client][mid];
            struct wire_scope scope = {.status = 0};
            size_t target = 0;
            bool kept;

            if (mitigation)
                mitigation_represent(mitigation, history->world.now, MITIGATION_ALL, &scope);
            kept = mitigation && (scope.status <= WIRE_STATUS_EXCEEDED || scope.status == WIRE_STATUS_SIGNAL_LOSS);
            if (!history->refusing && asked->accepted && !asked->doubtful)
                assert_true(kept); /* acknowledged: never lost */
            if (!kept)
                continue;
            assert_int_equal(where(history, client, mid, &target), 1);
            assert_false(
                denies(history, target,
                       &(struct wire_target){.prefixes = (struct wire_prefix *)&asked->prefix, .prefix_count = 1}));
        }
    }
    for (size_t i = 0; i < REMOTE_MAX; i++) {
        if (!history->remote[i].used)
            continue;
        assert_true(history->remote[i].wanted);     /* nothing is there that nobody wants */
        for (size_t k = i + 1; k < REMOTE_MAX; k++) /* what overlaps is at one of them */
            if (history->remote[k].used && target_of(&history->remote[i]) != target_of(&history->remote[k]))
                assert_false(scope_overlap(&history->remote[i].scope->target, &history->remote[k].scope->target));
    }
}

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
    static const char *const names[] = {"first", "second", "third"};
    struct history *history = calloc(1, sizeof(*history));

    random_start(seed);
    world_init(&history->world);
    history->identity_client = seed % 3 == 1;
    history->per_client = seed % 3 == 2 || seed % 6 == 1;
    history->refusing = seed % 4 == 0;
    history->world.policy.fan_out = RELAY_FAN_OUT_SERIAL;
    history->world.policy.target_count = UPSTREAMS;
    for (size_t i = 0; i < UPSTREAMS; i++) {
        history->reachable[i] = true;
        history->world.targets[i] = (struct relay_target){.name = names[i],
                                                          .kind = RELAY_UPSTREAM,
                                                          .identity_client = history->identity_client,
                                                          .per_client = history->per_client};
    }
    history->world.quiet = true;
    history->world.on_install = on_install;
    history->world.on_forget = on_forget;
    history->world.on_answer = on_answer;
    history->world.user = history;
    history->began = history->world.now;
    world_start(&history->world);
    for (int i = 0; i < STEPS; i++)
        step(history);
    settle(history);
    check_end(history);
    check_quiet(history);
    history->outstanding_count = 0;
    world_free(&history->world);
    for (size_t i = 0; i < REMOTE_MAX; i++)
        remote_clear(&history->remote[i]);
    free(history);
}

static void test_dotsgw_design_5_never_two_upstreams_at_once_for_the_same_addresses(void **state)
{
    (void)state;
    random_histories(600, run_history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_dotsgw_design_5_never_two_upstreams_at_once_for_the_same_addresses,
                                  random_seed_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
