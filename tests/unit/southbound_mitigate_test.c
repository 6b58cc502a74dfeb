/* The mitigate resource: what is accepted, what is refused and how (RFC 9132 sections 4.4 and 9). */
/* links: southbound_signal */
#include "tests/unit/southbound_asking.h"

#define A1 "/mitigate/cuid=a/mid=1"
#define GOOD PREFIX_JSON("203.0.113.7/32")

static struct dots_session *alpha(void)
{
    return fake_up("a.example", "192.0.2.1", DOTS_UDP);
}

static void test_rfc9132_4_4_1_3_put_is_created_and_lifetime_returned(void **state)
{
    struct dots_exchange *put = ask(alpha(), DOTS_PUT, A1, GOOD);
    struct wire_message *body;

    (void)state;
    expect(put, 201, NULL);
    body = answer_body(put);
    assert_int_equal(body->type, WIRE_MITIGATION);
    assert_int_equal(body->scope_count, 1);
    assert_int_equal(body->scopes[0].mid, 1);
    assert_int_equal(body->scopes[0].lifetime, 3600);
    wire_free(body);
}

static void test_rfc9132_4_4_1_3_refresh_is_changed(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    expect(ask(session, DOTS_PUT, A1, GOOD), 201, NULL);
    expect(ask(session, DOTS_PUT, A1, GOOD), 204, NULL);
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.113.8/32")), 400, "mid 1");
}

static void test_an_answer_waits_for_the_disk(void **state)
{
    struct dots_exchange *put, *withdrawal;
    struct dots_session *session = alpha();

    (void)state;
    world.hold_disk = true;
    put = ask(session, DOTS_PUT, A1, GOOD);
    expect(put, 0, NULL);
    assert_true(put->held);
    world_commit();
    expect(put, 201, NULL);
    withdrawal = ask(session, DOTS_DELETE, A1, NULL);
    expect(withdrawal, 0, NULL);
    world_commit();
    expect(withdrawal, 202, NULL);
}

static void test_a_disk_that_fails_is_5_03(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *put;

    (void)state;
    fake_failing = true;
    put = ask(session, DOTS_PUT, A1, GOOD);
    expect(put, 503, "cannot write");
    assert_true(put->response.max_age > 0);
    expect(ask(session, DOTS_DELETE, A1, NULL), 503, "cannot write");
    fake_failing = false;
    expect(ask(session, DOTS_GET, A1, NULL), 404, "mid");
}

static void test_rfc9132_9_content_format_is_4_15(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    expect(ask_with(session, DOTS_PUT, A1, (struct asking){.body = GOOD, .content_format = 60}), 415, "271");
    expect(ask_with(session, DOTS_PUT, A1, (struct asking){.body = GOOD, .content_format = -1}), 415, "missing");
    expect(ask_with(session, DOTS_GET, A1, (struct asking){.accept = 60}), 406, "Accept");
    expect(ask(session, DOTS_GET, A1, NULL), 404, NULL);
}

static void test_rfc9132_4_4_1_3_bad_bodies_are_4_00_and_named(void **state)
{
    static const uint8_t cut[] = {0xa1, 0x01, 0xa1}, unknown[] = {0xa1, 0x01, 0xa1, 0x02, 0x81, 0xa1, 0x18, 0x4d, 0x00};
    struct dots_session *session = alpha();

    (void)state;
    expect(ask_with(session, DOTS_PUT, A1, (struct asking){.content_format = DOTS_CONTENT_FORMAT}), 400,
           "mitigation-scope: missing");
    expect(ask_with(session, DOTS_PUT, A1, (struct asking){.bytes = cut, .bytes_length = sizeof(cut)}), 400, "");
    expect(ask_with(session, DOTS_PUT, A1, (struct asking){.bytes = unknown, .bytes_length = sizeof(unknown)}), 400,
           "key 77");
    expect(ask(session, DOTS_PUT, A1, HEARTBEAT_JSON("true")), 400, "mitigation-scope");
    expect(ask(session, DOTS_PUT, A1, SCOPE_JSON("\"target-prefix\":[\"203.0.113.7/32\"]")), 400, "lifetime: missing");
    expect(ask(session, DOTS_PUT, A1, SCOPE_JSON("\"lifetime\":3600")), 400, "target-prefix");
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("127.0.0.1/32")), 400, "loopback");
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("224.0.0.1/32")), 400, "multicast");
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("255.255.255.255/32")), 400, "broadcast");
    expect(ask(session, DOTS_GET, "/mitigate/cuid=a", NULL), 404, NULL);
}

static void test_rfc9132_4_4_1_1_lifetime_zero_must_be_4_00(void **state)
{
    static const uint8_t zero[] = {0xa1, 0x01, 0xa1, 0x02, 0x81, 0xa2, 0x06, 0x81, 0x6e, '2', '0',  '3', '.',
                                   '0',  '.',  '1',  '1',  '3',  '.',  '7',  '/',  '3',  '2', 0x0e, 0x00};

    (void)state;
    expect(ask_with(alpha(), DOTS_PUT, A1, (struct asking){.bytes = zero, .bytes_length = sizeof(zero)}), 400,
           "lifetime");
}

static void test_rfc9132_11_targets_outside_the_scopes_must_not_be_authorized(void **state)
{
    struct dots_session *session = alpha();

    (void)state;
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("198.51.100.7/32")), 403, "198.51.100.7");
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.112.0/23")), 403, "203.0.112.0/23");
    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("0.0.0.0/0")), 403, "0.0.0.0/0");
    expect(ask(session, DOTS_PUT, A1, SCOPE_JSON("\"target-fqdn\":[\"other.example.com\"],\"lifetime\":60")), 403,
           "other.example.com");
    expect(ask(session, DOTS_PUT, A1, SCOPE_JSON("\"target-uri\":[\"https://evil.example/\"],\"lifetime\":60")), 403,
           "evil.example");
    expect(ask(session, DOTS_GET, "/mitigate/cuid=a", NULL), 404, NULL);
}

static void test_rfc9132_4_4_1_3_alias_not_created_by_the_client_must_be_4_00(void **state)
{
    (void)state;
    expect(ask(alpha(), DOTS_PUT, A1, SCOPE_JSON("\"alias-name\":[\"web\"],\"lifetime\":60")), 400, "alias-name");
}

static void test_rfc9133_3_2_acl_list_that_is_not_supported_is_4_00(void **state)
{
    (void)state;
    expect(ask(alpha(), DOTS_PUT, A1,
               SCOPE_JSON("\"target-prefix\":[\"203.0.113.7/32\"],\"lifetime\":60,"
                          "\"ietf-dots-signal-control:acl-list\":[{\"acl-name\":\"x\"}]")),
           400, "acl-list");
}

static void test_rfc9132_4_4_1_1_cuid_of_another_must_be_4_09_as_in_figure_11(void **state)
{
    static const uint8_t figure_11[] = {0xa1, 0x01, 0xa1, 0x02, 0x81, 0xa1, 0x11, 0xa1, 0x13, 0x03};
    struct dots_session *beta = fake_up("b.example", "192.0.2.2", DOTS_UDP);
    struct dots_exchange *put;

    (void)state;
    expect(ask(alpha(), DOTS_PUT, A1, GOOD), 201, NULL);
    put = ask(beta, DOTS_PUT, "/mitigate/cuid=a/mid=9", PREFIX_JSON("198.51.100.7/32"));
    expect(put, 409, NULL);
    assert_int_equal(put->response.content_format, DOTS_CONTENT_FORMAT);
    assert_int_equal(put->response.body_length, sizeof(figure_11));
    assert_memory_equal(put->body, figure_11, sizeof(figure_11));
}

static void test_rfc9132_3_a_client_sees_and_deletes_only_what_it_created(void **state)
{
    struct dots_session *session = alpha(), *beta = fake_up("b.example", "192.0.2.2", DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, GOOD), 201, NULL);
    expect(ask(beta, DOTS_GET, A1, NULL), 401, "cuid");
    expect(ask(beta, DOTS_GET, "/mitigate/cuid=a", NULL), 401, "cuid");
    expect(ask(beta, DOTS_DELETE, A1, NULL), 401, "cuid");
    expect(ask(session, DOTS_GET, A1, NULL), 205, NULL);
}

static void test_rfc9132_8_unknown_clients_are_4_01(void **state)
{
    struct dots_session *session = fake_up("guest.example", "192.0.2.3", DOTS_UDP);

    (void)state;
    expect(ask(session, DOTS_PUT, A1, GOOD), 401, "identity");
    expect(ask(session, DOTS_GET, "/nothing", NULL), 401, "identity");
    expect(ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("true")), 401, "identity");
    assert_false(session->closed);
    world_advance(30000);
    assert_true(session->closed);
}

static void test_rfc9132_4_4_3_efficacy_update(void **state)
{
    struct dots_session *session = alpha();
    const char *update = SCOPE_JSON("\"target-prefix\":[\"203.0.113.7/32\"],\"attack-status\":\"under-attack\"");
    struct dots_exchange *unmatched;

    (void)state;
    unmatched = ask_with(session, DOTS_PUT, A1, (struct asking){.body = update, .if_match = true});
    expect(unmatched, 0, NULL);
    assert_true(unmatched->dropped);
    expect(ask(session, DOTS_PUT, A1, GOOD), 201, NULL);
    expect(ask_with(session, DOTS_PUT, A1, (struct asking){.body = update, .if_match = true}), 204, NULL);
    expect(ask_with(session, DOTS_PUT, A1, (struct asking){.body = GOOD, .if_match = true}), 400,
           "attack-status: missing");
    expect(ask(session, DOTS_PUT, A1, update), 400, "attack-status");
    expect(ask_with(session, DOTS_PUT, A1, (struct asking){.body = update, .if_match_full = true}), 412, "If-Match");
    expect(ask_with(session, DOTS_PUT, A1,
                    (struct asking){
                        .body = SCOPE_JSON("\"target-prefix\":[\"203.0.113.8/32\"],\"attack-status\":\"under-attack\""),
                        .if_match = true}),
           400, NULL);
}

static void test_rfc9132_4_4_4_delete_is_2_02_whether_it_was_there_or_not(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *withdrawal = ask(session, DOTS_DELETE, A1, NULL);
    struct wire_message *body;
    struct dots_exchange *get;

    (void)state;
    expect(withdrawal, 202, NULL);
    assert_int_equal(withdrawal->response.body_length, 0);
    expect(ask(session, DOTS_PUT, A1, GOOD), 201, NULL);
    withdrawal = ask(session, DOTS_DELETE, A1, NULL);
    expect(withdrawal, 202, NULL);
    assert_int_equal(withdrawal->response.body_length, 0);
    get = ask(session, DOTS_GET, A1, NULL);
    expect(get, 205, NULL);
    body = answer_body(get);
    assert_int_equal(body->scopes[0].status, WIRE_STATUS_CLIENT_WITHDRAWN);
    wire_free(body);
}

static void test_rfc9132_4_4_2_get_one_and_all(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *get;
    struct wire_message *body;

    (void)state;
    expect(ask(session, DOTS_PUT, A1, GOOD), 201, NULL);
    expect(ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=2", PREFIX_JSON("203.0.113.64/27")), 201, NULL);
    get = ask(session, DOTS_GET, "/mitigate/cuid=a", NULL);
    expect(get, 205, NULL);
    body = answer_body(get);
    assert_int_equal(body->scope_count, 2);
    assert_int_equal(body->scopes[0].mid, 1);
    assert_int_equal(body->scopes[1].mid, 2);
    assert_true(body->scopes[0].has_lifetime);
    assert_int_equal(body->scopes[0].status, WIRE_STATUS_IN_PROGRESS);
    assert_int_equal(get->response.observe, -1);
    wire_free(body);
    get = ask_with(session, DOTS_GET, "/mitigate/cuid=a/mid=2", (struct asking){.query = "c=n"});
    body = answer_body(get);
    assert_int_equal(body->scope_count, 1);
    assert_int_equal(body->scopes[0].target.prefix_count, 0);
    assert_int_equal(body->scopes[0].status, WIRE_STATUS_IN_PROGRESS);
    wire_free(body);
    get = ask_with(session, DOTS_GET, "/mitigate/cuid=a/mid=2", (struct asking){.query = "c=c"});
    body = answer_body(get);
    assert_int_equal(body->scopes[0].target.prefix_count, 1);
    assert_int_equal(body->scopes[0].status, 0);
    wire_free(body);
    expect(ask(session, DOTS_GET, "/mitigate/cuid=a/mid=3", NULL), 404, "mid");
    expect(ask(session, DOTS_GET, "/mitigate/cuid=other", NULL), 404, "cuid");
}

static void test_rfc9132_4_4_1_2_cdid_is_ignored_unless_a_gateway_is_trusted(void **state)
{
    struct dots_session *session = alpha(), *gateway = fake_up("gw.example", "192.0.2.9", DOTS_TCP);

    (void)state;
    expect(ask(session, DOTS_PUT, "/mitigate/cdid=x/cuid=a/mid=1", GOOD), 201, NULL);
    assert_non_null(relay_requester_find(world.relay, "", "a"));
    assert_null(relay_requester_find(world.relay, "x", "a"));
    expect(ask(gateway, DOTS_PUT, "/mitigate/cdid=x/cuid=g/mid=1", PREFIX_JSON("203.9.9.9/32")), 201, NULL);
    assert_non_null(relay_requester_find(world.relay, "x", "g"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(test_rfc9132_4_4_1_3_put_is_created_and_lifetime_returned),
        TEST(test_rfc9132_4_4_1_3_refresh_is_changed),
        TEST(test_an_answer_waits_for_the_disk),
        TEST(test_a_disk_that_fails_is_5_03),
        TEST(test_rfc9132_9_content_format_is_4_15),
        TEST(test_rfc9132_4_4_1_3_bad_bodies_are_4_00_and_named),
        TEST(test_rfc9132_4_4_1_1_lifetime_zero_must_be_4_00),
        TEST(test_rfc9132_11_targets_outside_the_scopes_must_not_be_authorized),
        TEST(test_rfc9132_4_4_1_3_alias_not_created_by_the_client_must_be_4_00),
        TEST(test_rfc9133_3_2_acl_list_that_is_not_supported_is_4_00),
        TEST(test_rfc9132_4_4_1_1_cuid_of_another_must_be_4_09_as_in_figure_11),
        TEST(test_rfc9132_3_a_client_sees_and_deletes_only_what_it_created),
        TEST(test_rfc9132_8_unknown_clients_are_4_01),
        TEST(test_rfc9132_4_4_3_efficacy_update),
        TEST(test_rfc9132_4_4_4_delete_is_2_02_whether_it_was_there_or_not),
        TEST(test_rfc9132_4_4_2_get_one_and_all),
        TEST(test_rfc9132_4_4_1_2_cdid_is_ignored_unless_a_gateway_is_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
