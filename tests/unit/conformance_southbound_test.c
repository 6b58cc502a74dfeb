/* docs/conformance.md, what the server side owes and no other test shows. */
/* links: southbound_signal */
/* wraps: relay_put relay_delete */
#include "tests/unit/southbound_asking.h"

#define A1 "/mitigate/cuid=a/mid=1"
#define CDID_A1 "/mitigate/cdid=x/cuid=a/mid=1"
#define GOOD PREFIX_JSON("203.0.113.7/32")
#define INTERVAL "\"heartbeat-interval\":{\"current-value\":60}"
#define SETS CONFIG_JSON("\"mitigating-config\":{" INTERVAL "},\"idle-config\":{" INTERVAL "}")

/* ---- What reaches the relay, and so the other side of the gateway ---- */

static unsigned relayed;

void __real_relay_put(struct relay *relay, int64_t now, const struct relay_put *put);
void __wrap_relay_put(struct relay *relay, int64_t now, const struct relay_put *put);
void __real_relay_delete(struct relay *relay, int64_t now, const struct relay_requester *requester, uint32_t mid,
                         void *exchange);
void __wrap_relay_delete(struct relay *relay, int64_t now, const struct relay_requester *requester, uint32_t mid,
                         void *exchange);

void __wrap_relay_put(struct relay *relay, int64_t now, const struct relay_put *put)
{
    relayed++;
    __real_relay_put(relay, now, put);
}

void __wrap_relay_delete(struct relay *relay, int64_t now, const struct relay_requester *requester, uint32_t mid,
                         void *exchange)
{
    relayed++;
    __real_relay_delete(relay, now, requester, mid, exchange);
}

static struct dots_session *alpha(void)
{
    relayed = 0;
    return fake_up("a.example", "192.0.2.1", DOTS_UDP);
}

static int count_requester(void *arg, struct requester *requester)
{
    (void)requester;
    ++*(unsigned *)arg;
    return 0;
}

static unsigned requesters(void)
{
    unsigned count = 0;

    relay_requester_each(world.relay, count_requester, &count);
    return count;
}

static void test_rfc9132_4_5_1_config_must_not_be_relayed(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    expect(ask(session, DOTS_GET, "/config", NULL), 205, NULL);
    expect(ask(session, DOTS_PUT, "/config/sid=1", SETS), 201, NULL);
    expect(ask(session, DOTS_GET, "/config/sid=1", NULL), 205, NULL);
    expect(ask(session, DOTS_DELETE, "/config/sid=1", NULL), 202, NULL);
    assert_int_equal(relayed, 0);
    assert_int_equal(requesters(), 0);
    expect(ask(session, DOTS_PUT, A1, GOOD), 201, NULL); /* and this is seen */
    assert_int_equal(relayed, 1);
}

static void test_rfc9132_4_7_heartbeat_must_not_be_relayed(void **state)
{
    (void)state;
    expect(ask(alpha(), DOTS_PUT, "/hb", HEARTBEAT_JSON("true")), 204, NULL);
    assert_int_equal(relayed, 0);
    assert_int_equal(requesters(), 0);
}

/* ---- cdid in GET and DELETE ---- */

static void test_rfc9132_4_4_2_cdid_of_a_client_must_be_ignored_in_get(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    expect(ask(session, DOTS_PUT, A1, GOOD), 201, NULL);
    expect(ask(session, DOTS_GET, CDID_A1, NULL), 205, NULL);
    expect(ask(session, DOTS_GET, "/mitigate/cdid=x/cuid=a", NULL), 205, NULL);
}

static void test_rfc9132_4_4_4_cdid_of_a_client_must_be_ignored_in_delete(void **state)
{
    struct dots_session *session = alpha();
    struct wire_message *message;
    struct dots_exchange *get;

    (void)state;
    expect(ask(session, DOTS_PUT, A1, GOOD), 201, NULL);
    expect(ask(session, DOTS_DELETE, CDID_A1, NULL), 202, NULL);
    get = ask(session, DOTS_GET, A1, NULL);
    message = answer_body(get);
    assert_int_equal(message->scopes[0].status, WIRE_STATUS_CLIENT_WITHDRAWN);
    wire_free(message);
}

static void test_rfc9132_4_4_2_cdid_of_a_trusted_gateway_selects_the_domain(void **state)
{
    struct dots_session *gateway = fake_up("gw.example", "192.0.2.9", DOTS_TCP);

    (void)state;
    expect(ask(gateway, DOTS_PUT, "/mitigate/cdid=x/cuid=g/mid=1", PREFIX_JSON("203.9.9.9/32")), 201, NULL);
    expect(ask(gateway, DOTS_GET, "/mitigate/cdid=x/cuid=g/mid=1", NULL), 205, NULL);
    expect(ask(gateway, DOTS_GET, "/mitigate/cdid=y/cuid=g/mid=1", NULL), 401, "cuid");
    expect(ask(gateway, DOTS_DELETE, "/mitigate/cdid=y/cuid=g/mid=1", NULL), 401, "cuid");
}

/* ---- Max-Age of a configuration ---- */

static void test_rfc9132_4_5_3_session_must_not_end_with_max_age_while_an_attack_is_on(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    expect(ask(session, DOTS_PUT, "/config/sid=1", SETS), 201, NULL);
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.113.7/32")), 201, NULL);
    for (uint32_t passed = 0; passed < 3 * world_config.session_config_max_age; passed += 10) {
        session->heard = (uint64_t)fake_ms; /* it is there, but asks for no configuration */
        world_advance(10000);
    }
    assert_false(session->closed);
    expect(ask(session, DOTS_GET, A1, NULL), 205, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(test_rfc9132_4_5_1_config_must_not_be_relayed),
        TEST(test_rfc9132_4_7_heartbeat_must_not_be_relayed),
        TEST(test_rfc9132_4_4_2_cdid_of_a_client_must_be_ignored_in_get),
        TEST(test_rfc9132_4_4_4_cdid_of_a_client_must_be_ignored_in_delete),
        TEST(test_rfc9132_4_4_2_cdid_of_a_trusted_gateway_selects_the_domain),
        TEST(test_rfc9132_4_5_3_session_must_not_end_with_max_age_while_an_attack_is_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
