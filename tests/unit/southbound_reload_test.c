/* Reload and drain, as those see it who are connected. */
/* links: southbound_signal */
#include "tests/unit/southbound_asking.h"

#include "southbound/signal/signal.h"

#define A1 "/mitigate/cuid=a/mid=1"
#define A2 "/mitigate/cuid=a/mid=2"

/* Each reload has memory of its own: the old configuration is compared with the new one. */
#define RELOADS 4
static struct config configs[RELOADS], *next = configs;
static struct config_client lists[RELOADS][3], *next_clients = lists[0];
static char other_server[] = "other.example.net";

static bool known(void *arg, const char *client)
{
    (void)arg;
    return southbound_knows(world.southbound, client);
}

static bool allowed(void *arg, const struct requester *requester, const struct wire_target *target)
{
    (void)arg;
    return southbound_allows(world.southbound, requester->client, target);
}

static void begin(void)
{
    size_t at = (size_t)(next - configs + 1) % RELOADS;

    next = &configs[at];
    next_clients = lists[at];
    *next = world_config;
    memcpy(next_clients, world_clients, sizeof(lists[at]));
    next->clients = next_clients;
}

/* Until the step; who is connected is looked at in the turns after it. */
static void step(void)
{
    const struct relay_reviewer reviewer = {.known = known, .allowed = allowed};
    char error[256] = "";
    struct southbound_change *change = southbound_prepare(world.southbound, next, error, sizeof(error));

    if (!change)
        fail_msg("%s", error);
    assert_int_equal(southbound_listen(world.southbound, change, error, sizeof(error)), 0);
    southbound_apply(world.southbound, change);
    assert_int_equal(relay_reconfigure(world.relay, fake_ms, &world_policy, &reviewer), 0);
    southbound_change_free(change);
}

static void reload(void)
{
    step();
    world_advance(0);
}

static struct dots_session *alpha(void)
{
    return fake_up("a.example", "192.0.2.1", DOTS_UDP);
}

static void observe(struct dots_session *session, const char *path, uint32_t token)
{
    expect(ask_with(session, DOTS_GET, path, (struct asking){.observe = 1, .token = token}), 205, NULL);
}

static void put(struct dots_session *session, const char *path)
{
    expect(ask(session, DOTS_PUT, path, PREFIX_JSON("203.0.113.7/32")), 201, NULL);
}

static const struct fake_sent *last_notification(void)
{
    return sent_at(true, sent_count(true) - 1);
}

static void test_a_removed_client_hears_why_before_it_is_closed(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    put(session, A1);
    observe(session, A1, 7);
    begin();
    next->clients = next_clients + 1;
    next->client_count = 2;
    reload();
    assert_int_equal(sent_status(last_notification()), WIRE_STATUS_WITHDRAWN);
    expect(ask(session, DOTS_GET, A1, NULL), 401, "was removed from the configuration");
    expect(ask(session, DOTS_PUT, A2, PREFIX_JSON("203.0.113.8/32")), 401, "was removed");
    assert_int_equal(session->closed, 0);
    world_advance(SOUTH_PARTING_MS);
    assert_int_equal(last_notification()->response.code, DOTS_CODE(4, 1));
    assert_non_null(strstr((const char *)last_notification()->body, "was removed from the configuration"));
    assert_true(session->closed);
}

static void test_one_that_asks_before_its_turn_is_looked_at_then(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    begin();
    next->clients = next_clients + 1;
    next->client_count = 2;
    step();
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.113.8/32")), 401, "was removed");
}

static void test_who_stays_notices_nothing(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    put(session, A1);
    observe(session, A1, 7);
    for (int i = 0; i < 2; i++) {
        begin();
        next->client_count = 2;
        reload();
    }
    assert_int_equal(sent_count(true), 0);
    assert_int_equal(session->closed, 0);
    expect(ask(session, DOTS_GET, A1, NULL), 205, NULL);
    report(WIRE_STATUS_MITIGATED, 1000);
    assert_int_equal(sent_status(last_notification()), WIRE_STATUS_MITIGATED);
}

#define MANY 200

static void test_many_are_looked_at_in_several_turns(void **state)
{
    struct dots_session *sessions[MANY];
    unsigned turns = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        char hash[24];

        snprintf(hash, sizeof(hash), "hash%u", i);
        sessions[i] = fake_up_as("a.example", hash, "192.0.2.1", DOTS_UDP);
    }
    begin();
    next->clients = next_clients + 1;
    next->client_count = 2;
    step();
    while (southbound_reviewing(world.southbound)) {
        fake_timer_at = INT64_MAX;
        fake_timer(fake_timer_handle);
        fake_ms++;
        assert_true(++turns <= MANY);
    }
    assert_true(turns >= MANY / 64);
    world_advance(SOUTH_PARTING_MS);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(sessions[i]->closed);
}

static void test_limits_and_keys_reach_the_endpoint_only_when_they_change(void **state)
{
    static uint8_t key[] = "0123456789abcdef", other_key[] = "fedcba9876543210";
    static char psk[] = "psk";
    struct config_client_identity identity = {.kind = CONFIG_IDENTITY_PSK, .name = psk, .psk_key = {key, 16}};
    struct config_client_identity changed = {.kind = CONFIG_IDENTITY_PSK, .name = psk, .psk_key = {other_key, 16}};

    (void)state;
    memset(&fake_reloads, 0, sizeof(fake_reloads));
    fake_material_same = true;
    for (int i = 0; i < 2; i++) {
        begin();
        next_clients[0].identities = &identity;
        reload();
        assert_int_equal(fake_reloads.renewed, i + 1);
        assert_int_equal(fake_reloads.forgotten + fake_reloads.limited, 0);
    }
    begin();
    next_clients[0].identities = &changed;
    next->limits.sessions = 5;
    reload();
    assert_int_equal(fake_reloads.forgotten, 1);
    assert_int_equal(fake_reloads.limited, 1);
    fake_material_same = false;
}

static void test_bad_credentials_are_refused_before_anything_changes(void **state)
{
    char error[256] = "";

    (void)state;
    begin();
    fake_material_bad = true;
    assert_null(southbound_prepare(world.southbound, next, error, sizeof(error)));
    fake_material_bad = false;
    assert_string_equal(error, "no certificate there");
}

/* ---- Drain ---- */

static struct dots_session *draining(void)
{
    struct dots_session *session;

    world_config.redirect = (struct config_redirect){.alt_server = other_server, .ttl = 600};
    session = alpha();
    put(session, A1);
    observe(session, A1, 7);
    fake_forget_sent();
    southbound_drain(world.southbound, true);
    world_settle();
    return session;
}

static void expect_redirect(const uint8_t *body, size_t length)
{
    struct wire_message *message = decode(body, length);

    assert_int_equal(message->type, WIRE_REDIRECT);
    assert_string_equal(message->redirect.alt_server, other_server);
    wire_free(message);
}

static void test_rfc9132_4_6_redirect_comes_in_notifications_and_answers(void **state)
{
    struct dots_session *session = draining();
    struct dots_exchange *get;

    (void)state;
    assert_int_equal(sent_count(true), 1);
    assert_int_equal(last_notification()->response.code, DOTS_CODE(5, 3));
    assert_int_equal(last_notification()->response.max_age, 600);
    expect_redirect(last_notification()->body, last_notification()->body_length);
    get = ask(session, DOTS_GET, A1, NULL);
    assert_int_equal(get->response.code, DOTS_CODE(5, 3));
    expect_redirect(get->body, get->response.body_length);
    get = ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("true"));
    assert_int_equal(get->response.code, DOTS_CODE(5, 3));
}

static void test_a_withdrawal_is_taken_while_it_drains(void **state)
{
    struct dots_session *session = draining();

    (void)state;
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
}

static void test_new_sessions_are_not_served_until_it_is_taken_back(void **state)
{
    struct dots_session *session;

    (void)state;
    draining();
    session = fake_up("b.example", "192.0.2.2", DOTS_TCP);
    assert_int_equal(ask(session, DOTS_GET, "/mitigate/cuid=b", NULL)->response.code, DOTS_CODE(5, 3));
    southbound_drain(world.southbound, false);
    expect(ask(session, DOTS_GET, "/mitigate/cuid=b", NULL), 404, NULL);
}

static void test_who_left_while_it_drained_is_not_lost(void **state)
{
    struct dots_session *session = draining();

    (void)state;
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
    southbound_drain(world.southbound, false);
    expect(ask(session, DOTS_PUT, A2,
               SCOPE_JSON("\"target-prefix\":[\"203.0.113.9/32\"],\"lifetime\":3600,\"trigger-mitigation\":false")),
           201, NULL);
    southbound_drain(world.southbound, true);
    world.job = 0;
    fake_down(session, DOTS_DOWN_LOST);
    world_advance(15 * 30 * 1000 + 60000);
    assert_int_equal(world.job, 0);
}

#define world_test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(test_a_removed_client_hears_why_before_it_is_closed),
        world_test(test_one_that_asks_before_its_turn_is_looked_at_then),
        world_test(test_who_stays_notices_nothing),
        world_test(test_many_are_looked_at_in_several_turns),
        world_test(test_limits_and_keys_reach_the_endpoint_only_when_they_change),
        world_test(test_bad_credentials_are_refused_before_anything_changes),
        world_test(test_rfc9132_4_6_redirect_comes_in_notifications_and_answers),
        world_test(test_a_withdrawal_is_taken_while_it_drains),
        world_test(test_new_sessions_are_not_served_until_it_is_taken_back),
        world_test(test_who_left_while_it_drained_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
