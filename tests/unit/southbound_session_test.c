/* Who is served, how often, and what happens over a limit (RFC 9132 sections 4.6 and 11); names off the loop. */
/* links: southbound_signal */
#include "tests/unit/southbound_asking.h"

#define A1 "/mitigate/cuid=a/mid=1"
#define NAME SCOPE_JSON("\"target-fqdn\":[\"www.example.com\"],\"lifetime\":60")

static char alt_server[] = "alt-server.example", alt_6[] = "2001:db8:6401::1", alt_62[] = "2001:db8:6401::2";
static char *alt_addresses[] = {alt_6, alt_62};

static struct dots_session *alpha(void)
{
    return fake_up("a.example", "192.0.2.1", DOTS_UDP);
}

static void test_sessions_over_the_limit_are_told_5_03(void **state)
{
    struct dots_session *first, *second;
    struct dots_exchange *put;

    (void)state;
    world_config.limits.sessions = 1;
    first = alpha();
    second = fake_up("b.example", "192.0.2.2", DOTS_UDP);
    put = ask(second, DOTS_PUT, "/mitigate/cuid=b/mid=1", PREFIX_JSON("198.51.100.7/32"));
    expect(put, 503, "sessions");
    assert_int_equal(put->response.max_age, 60);
    expect(ask(second, DOTS_PUT, "/hb", HEARTBEAT_JSON("true")), 503, NULL);
    expect(ask(first, DOTS_GET, "/config", NULL), 205, NULL);
    /* Room again: it is served from then on. */
    fake_down(first, DOTS_DOWN_CLOSED);
    expect(ask(second, DOTS_PUT, "/mitigate/cuid=b/mid=1", PREFIX_JSON("198.51.100.7/32")), 201, NULL);
    world_advance(60000);
    assert_false(second->closed);
    expect(ask(alpha(), DOTS_GET, "/config", NULL), 503, NULL);
    world_advance(30000);
    assert_true(fake_sessions->closed);
}

static void test_rfc9132_4_6_redirect_names_the_alternate_server(void **state)
{
    struct wire_message *message;
    struct dots_exchange *get;

    (void)state;
    world_config.limits.sessions = 0;
    world_config.redirect =
        (struct config_redirect){.alt_server = alt_server, .addresses = {alt_addresses, 2}, .ttl = 1800};
    get = ask(alpha(), DOTS_GET, "/config", NULL);
    expect(get, 503, NULL);
    assert_int_equal(get->response.max_age, 1800);
    message = answer_body(get);
    assert_int_equal(message->type, WIRE_REDIRECT);
    assert_string_equal(message->redirect.alt_server, "alt-server.example");
    assert_int_equal(message->redirect.records.count, 2);
    assert_string_equal(message->redirect.records.at[0], "2001:db8:6401::1");
    wire_free(message);
}

static void test_rfc9132_11_requests_of_a_client_are_limited(void **state)
{
    struct dots_session *session = alpha(), *beta = fake_up("b.example", "192.0.2.2", DOTS_UDP);
    struct dots_exchange *get = NULL;

    (void)state;
    for (int i = 0; i < 40; i++)
        expect(ask(session, DOTS_GET, "/config", NULL), 205, NULL);
    get = ask(session, DOTS_GET, "/config", NULL);
    expect(get, 503, "slow down");
    assert_int_equal(get->response.max_age, 1);
    expect(ask(session, DOTS_GET, "/mitigate/cuid=", NULL), 503, "slow down");
    /* A steady heartbeat gets through, a flood of them does not. */
    expect(ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("true")), 204, NULL);
    expect(ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("true")), 503, "slow down");
    expect(ask(beta, DOTS_GET, "/config", NULL), 205, NULL);
    world_advance(1000);
    expect(ask(session, DOTS_GET, "/config", NULL), 205, NULL);
}

static void test_requests_of_a_source_are_limited(void **state)
{
    struct dots_session *session, *neighbour;

    (void)state;
    world_config.limits.requests_per_source = 5;
    session = alpha();
    neighbour = fake_up("b.example", "192.0.2.1", DOTS_TCP);
    for (int i = 0; i < 5; i++) {
        expect(ask(session, DOTS_GET, "/config", NULL), 205, NULL);
        expect(ask(neighbour, DOTS_GET, "/config", NULL), 205, NULL);
    }
    expect(ask(session, DOTS_GET, "/config", NULL), 503, "this address");
    expect(ask(neighbour, DOTS_GET, "/config", NULL), 503, "this address");
    expect(ask(fake_up("gw.example", "192.0.2.9", DOTS_UDP), DOTS_GET, "/config", NULL), 205, NULL);
}

static void test_psk_keys_are_those_of_the_configuration(void **state)
{
    size_t length;

    (void)state;
    assert_null(fake_endpoint.settings.psk_lookup(fake_endpoint.settings.arg, "nobody", 6, &length));
    assert_int_equal(fake_endpoint.listening, 2);
    assert_true(fake_endpoint.settings.sessions_max > world_config.limits.sessions);
}

static void test_failed_handshakes_are_told_to_the_log_only(void **state)
{
    struct sockaddr_in peer = {.sin_family = AF_INET};

    (void)state;
    for (int i = 0; i < 100; i++)
        fake_endpoint.handlers->handshake_failed(fake_endpoint.arg, (struct sockaddr *)&peer,
                                                 DOTS_HANDSHAKE_NO_CERTIFICATE, "no certificate");
    assert_int_equal(southbound_counters(world.southbound)->handshakes_failed[DOTS_HANDSHAKE_NO_CERTIFICATE], 100);
}

static void test_closing_drops_what_waits(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *put, *config, *name, *late;

    (void)state;
    world.hold_disk = true;
    put = ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=2", PREFIX_JSON("203.0.113.7/32"));
    config = ask(session, DOTS_PUT, "/config/sid=1",
                 CONFIG_JSON("\"idle-config\":{\"heartbeat-interval\":{\"current-value\":60}}"));
    name = ask(session, DOTS_PUT, A1, NAME);
    southbound_close(world.southbound, world_on_closed, NULL);
    assert_true(put->dropped && config->dropped && name->dropped);
    late = calloc(1, sizeof(*late));
    late->session = session;
    late->next = fake_exchanges;
    fake_exchanges = late;
    fake_endpoint.handlers->request(fake_endpoint.arg, session, &(struct dots_request){.exchange = late});
    expect(late, 503, "shutting down");
    session = fake_new_session("192.0.2.5", DOTS_TCP);
    fake_endpoint.handlers->up(fake_endpoint.arg, session);
    assert_true(session->closed);
    world_finish();
    fake_reset();
    world_open();
}

/* ---- Names ---- */

static void test_rfc9132_4_4_1_1_names_are_checked_once_resolved(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *put = ask(session, DOTS_PUT, A1, NAME);

    (void)state;
    expect(put, 0, NULL);
    fake_resolved("www.example.com", "203.0.113.80");
    world_settle();
    expect(put, 201, NULL);
}

static void test_rfc9132_4_4_1_1_a_name_that_resolves_outside_is_refused(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *put = ask(session, DOTS_PUT, A1, NAME);

    (void)state;
    fake_resolved("www.example.com", "198.51.100.1");
    expect(put, 403, "www.example.com resolves to 198.51.100.1/32");
    world_advance(61000); /* not from the cache */
    put = ask(session, DOTS_PUT, A1, NAME);
    fake_resolved("www.example.com", "127.0.0.1");
    expect(put, 400, "cannot be a target");
    put = ask(session, DOTS_PUT, A1, NAME);
    expect(put, 400, "cannot be a target"); /* from the cache */
    expect(ask(session, DOTS_GET, A1, NULL), 404, NULL);
}

static void test_a_uri_is_checked_by_its_host(void **state)
{
    struct dots_exchange *put =
        ask(alpha(), DOTS_PUT, A1, SCOPE_JSON("\"target-uri\":[\"https://WWW.example.com:8443/x\"],\"lifetime\":60"));

    (void)state;
    fake_resolved("www.example.com", "198.51.100.1");
    expect(put, 403, "resolves to");
}

static void test_dns_that_fails_or_is_late_does_not_fail_the_request(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *put = ask(session, DOTS_PUT, A1, NAME);

    (void)state;
    fake_resolved("www.example.com", NULL);
    world_settle();
    expect(put, 201, NULL);
    world_advance(30000);
    put = ask(session, DOTS_PUT, A1, NAME);
    expect(put, 0, NULL);
    world_advance(999);
    expect(put, 0, NULL);
    world_advance(1);
    expect(put, 204, NULL);
    fake_resolved("www.example.com", "203.0.113.80"); /* too late, and harmless */
}

static void test_a_request_withdrawn_while_dns_is_asked_does_not_come_back(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *put = ask(session, DOTS_PUT, A1, NAME);

    (void)state;
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
    expect(put, 503, "withdrawn");
    fake_resolved("www.example.com", "203.0.113.80");
    world_advance(5000);
    expect(ask(session, DOTS_GET, A1, NULL), 404, NULL);
}

static void test_a_cuid_that_was_taken_while_dns_was_asked_collides(void **state)
{
    struct dots_session *session = alpha(), *beta = fake_up("b.example", "192.0.2.2", DOTS_UDP);
    struct dots_exchange *put = ask(session, DOTS_PUT, A1, NAME);

    (void)state;
    expect(ask(beta, DOTS_PUT, A1, PREFIX_JSON("198.51.100.7/32")), 201, NULL);
    fake_resolved("www.example.com", "203.0.113.80");
    world_settle();
    expect(put, 409, NULL);
}

static void test_a_session_that_ends_while_dns_is_asked_is_survived(void **state)
{
    struct dots_session *session = alpha();
    struct dots_exchange *put = ask(session, DOTS_PUT, A1, NAME);

    (void)state;
    fake_down(session, DOTS_DOWN_LOST);
    fake_resolved("www.example.com", "203.0.113.80");
    world_advance(1000);
    assert_int_equal(put->answers, 1);
    assert_non_null(relay_requester_find(world.relay, "", "a"));
}

static void test_few_lookups_run_at_once_and_closing_waits_for_none(void **state)
{
    static char wildcard[] = "*.example.com";
    static char *wildcards[] = {wildcard};
    struct dots_session *session;

    (void)state;
    world_close();
    fake_reset();
    world_clients[0].fqdns = (struct config_strings){wildcards, 1};
    world_clients[0].limits.requests_per_second = 1000;
    world_open();
    session = alpha();
    for (int i = 0; i < 200; i++) {
        char body[128], path[64];

        snprintf(path, sizeof(path), "/mitigate/cuid=a/mid=%d", i);
        snprintf(body, sizeof(body), SCOPE_JSON("\"target-fqdn\":[\"h%d.example.com\"],\"lifetime\":60"), i);
        ask(session, DOTS_PUT, path, body);
        assert_true(fake_lookup_count <= 2);
    }
    /* 64 wait for DNS, the others were taken by name: as many as the client may have. */
    assert_int_equal(relay_requester_find(world.relay, "", "a")->mitigation_count, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(test_sessions_over_the_limit_are_told_5_03),
        TEST(test_rfc9132_4_6_redirect_names_the_alternate_server),
        TEST(test_rfc9132_11_requests_of_a_client_are_limited),
        TEST(test_requests_of_a_source_are_limited),
        TEST(test_psk_keys_are_those_of_the_configuration),
        TEST(test_failed_handshakes_are_told_to_the_log_only),
        TEST(test_closing_drops_what_waits),
        TEST(test_rfc9132_4_4_1_1_names_are_checked_once_resolved),
        TEST(test_rfc9132_4_4_1_1_a_name_that_resolves_outside_is_refused),
        TEST(test_a_uri_is_checked_by_its_host),
        TEST(test_dns_that_fails_or_is_late_does_not_fail_the_request),
        TEST(test_a_request_withdrawn_while_dns_is_asked_does_not_come_back),
        TEST(test_a_cuid_that_was_taken_while_dns_was_asked_collides),
        TEST(test_a_session_that_ends_while_dns_is_asked_is_survived),
        TEST(test_few_lookups_run_at_once_and_closing_waits_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
