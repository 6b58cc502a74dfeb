/* How a link connects and reconnects: RFC 9132 sections 4.3 and 4.7, in played time. */
/* links: northbound_signal */

#include "tests/unit/northbound_link_fixture.h"

static void test_rfc9132_4_3_udp_over_ipv6_first(void **state)
{
    (void)state;
    fixture_link(false);
    fake_run(1000);
    assert_int_equal(fixture.ups, 1);
    assert_true(link_is_up(fixture.link));
    assert_string_equal(link_text(fixture.link), "a.example 2001:db8::1:4646/udp");
    assert_int_equal(fake_sessions(), 1);
}

static void test_rfc9132_4_3_falls_back_to_tcp_over_ipv4_and_closes_the_rest(void **state)
{
    uint64_t began;

    (void)state;
    fake_path(V6, DOTS_UDP, FAKE_SILENT, 0);
    fake_path(V4, DOTS_UDP, FAKE_SILENT, 0);
    fake_path(V6, DOTS_TCP, FAKE_SILENT, 0);
    fixture_link(true);
    began = fake.now;
    while (!link_is_up(fixture.link) && fake.now < began + 10000)
        fake_run(10);
    assert_string_equal(link_text(fixture.link), "a.example 192.0.2.1:4646/tcp");
    assert_in_range(fake.now - began, 440, 500); /* 3 x 100 ms, the handshake, and 100 ms for UDP to come after all */
    assert_int_equal(fake_sessions(), 1);
}

static void test_rfc9132_4_3_cached_outcome_spares_the_failed_ones(void **state)
{
    uint64_t began;

    (void)state;
    fake_path(V6, DOTS_UDP, FAKE_SILENT, 0);
    fake_path(V4, DOTS_UDP, FAKE_SILENT, 0);
    fixture_link(false);
    fake_run(70000);
    assert_string_equal(link_text(fixture.link), "a.example 2001:db8::1:4646/tcp");
    fake_down(fake_session("/tcp"), DOTS_DOWN_LOST, "reset", 0);
    began = fake.now;
    fake_run(0);
    while (!link_is_up(fixture.link) && fake.now < began + 10000)
        fake_run(10);
    assert_in_range(fake.now - began, 40, 1100); /* jitter and one handshake: TCP was the first to be tried */
    assert_string_equal(link_text(fixture.link), "a.example 2001:db8::1:4646/tcp");
    assert_int_equal(fixture.ups, 2);
}

static void test_rfc9132_4_3_probe_from_tcp_to_udp_every_24_hours(void **state)
{
    (void)state;
    fake_path(V6, DOTS_UDP, FAKE_SILENT, 0);
    fake_path(V4, DOTS_UDP, FAKE_SILENT, 0);
    fixture_link(false);
    fake_run(5000);
    assert_non_null(strstr(link_text(fixture.link), "/tcp"));
    fake_path(V4, DOTS_UDP, FAKE_UP, 40);
    fake_run(86400000 - 10000);
    assert_non_null(strstr(link_text(fixture.link), "/tcp"));
    assert_null(fake_session("/udp"));
    fake_run(20000);
    assert_string_equal(link_text(fixture.link), "a.example 192.0.2.1:4646/udp");
    assert_int_equal(fake_sessions(), 1);
    assert_int_equal(fixture.ups, 2);
    assert_int_equal(fixture.downs, 0);
}

static void test_probe_that_fails_leaves_the_session_alone(void **state)
{
    (void)state;
    fake_path(V6, DOTS_UDP, FAKE_SILENT, 0);
    fake_path(V4, DOTS_UDP, FAKE_REFUSED, 1);
    fixture_link(false);
    fake_run(3 * 86400000ull + 1000000);
    assert_int_equal(fixture.ups, 1);
    assert_int_equal(fake_sessions(), 1);
    assert_non_null(strstr(link_text(fixture.link), "/tcp"));
}

static void nobody_there(void)
{
    fake_path(V6, DOTS_UDP, FAKE_REFUSED, 1);
    fake_path(V4, DOTS_UDP, FAKE_REFUSED, 1);
    fake_path(V6, DOTS_TCP, FAKE_REFUSED, 1);
    fake_path(V4, DOTS_TCP, FAKE_REFUSED, 1);
}

/* When attempts to the first candidate were made. */
static size_t attempts(uint64_t *at, size_t most, uint64_t until)
{
    size_t count = 0;
    uint64_t last = 0;

    while (fake.now < until) {
        fake_run(1);
        for (struct dots_session *session = fake.sessions; session; session = session->next) {
            if (session->connected_at == fake.now && strstr(session->text, "2001:db8::1:4646/udp") &&
                session->connected_at != last && count < most)
                at[count++] = last = session->connected_at;
        }
    }
    return count;
}

static void test_rfc9132_4_7_retry_not_within_300_s_when_idle(void **state)
{
    uint64_t at[16];
    size_t count;

    (void)state;
    nobody_there();
    fixture_link(false);
    count = attempts(at, 16, fake.now + 1300000);
    assert_in_range(count, 4, 5);
    for (size_t i = 1; i < count; i++)
        assert_in_range(at[i] - at[i - 1], 300000, 331000);
    assert_int_equal(fixture.downs, 1); /* said once */
    assert_non_null(strstr(fixture.down_text, "a.example"));
    assert_non_null(strstr(fixture.down_text, "connection refused"));
    assert_non_null(strstr(fixture.down_text, "Check"));
}

static void test_rfc9132_4_7_retry_must_not_come_within_60_s_in_an_attack(void **state)
{
    uint64_t at[16];
    size_t count;

    (void)state;
    nobody_there();
    fixture_link(true);
    count = attempts(at, 16, fake.now + 400000);
    assert_in_range(count, 6, 7);
    for (size_t i = 1; i < count; i++)
        assert_in_range(at[i] - at[i - 1], 60000, 67000);
}

static void test_waiting_request_hurries_the_next_attempt_but_not_below_60_s(void **state)
{
    struct answered answered = {0};
    uint64_t began;

    (void)state;
    nobody_there();
    fixture_link(false);
    began = fake.now;
    fake_run(10000);
    fake_path(V6, DOTS_UDP, FAKE_UP, 40);
    fixture_put(&answered);
    while (!answered.count && fake.now < began + 400000)
        fake_run(10);
    assert_in_range(fake.now - began, 60000, 60200);
    assert_int_equal(answered.result, LINK_ANSWERED);
}

static void test_upstream_that_comes_back_is_told_once(void **state)
{
    (void)state;
    nobody_there();
    fixture_link(false);
    fake_run(400000);
    assert_int_equal(fixture.downs, 1);
    fake_path(V4, DOTS_UDP, FAKE_UP, 40);
    fake_run(400000);
    assert_int_equal(fixture.ups, 1);
    assert_int_equal(fixture.downs, 1);
}

static void test_first_attempt_after_a_good_session_is_immediate(void **state)
{
    uint64_t began;

    (void)state;
    fixture_link(true);
    fake_run(100000);
    fake_down(fake_session("udp"), DOTS_DOWN_CLOSED, "close_notify", 0);
    began = fake.now;
    fake_run(0);
    assert_false(link_is_up(fixture.link));
    while (!link_is_up(fixture.link) && fake.now < began + 10000)
        fake_run(10);
    assert_int_equal(fake.now - began, 40);
    assert_int_equal(fixture.downs, 0); /* no outage: it was back at once */
    assert_string_equal(fixture.events, "session-lost ");
}

static void test_session_that_breaks_again_and_again_is_not_hammered(void **state)
{
    unsigned connections = 0;
    uint64_t end;

    (void)state;
    fixture_link(true);
    end = fake.now + 600000;
    while (fake.now < end) {
        struct dots_session *session = fake_session("udp");

        if (session && session->up) {
            connections++;
            fake_down(session, DOTS_DOWN_CLOSED, "go away", 0);
        }
        fake_run(10);
    }
    assert_in_range(connections, 5, 20);
}

static void test_rfc9132_7_1_resumption_is_used_on_reconnect(void **state)
{
    struct dots_resumption *first;

    (void)state;
    fixture_link(true);
    fake_run(100000);
    first = fake_session("udp")->resumption;
    assert_non_null(first);
    fake_down(fake_session("udp"), DOTS_DOWN_LOST, "gone", 0);
    fake_run(1000);
    assert_ptr_equal(fake_session("udp")->resumption, first);
    assert_int_equal(first->used, 2);
}

static void test_tickets_are_lent_to_one_session_at_a_time(void **state)
{
    struct link *links[3];
    struct dots_resumption *lent[3] = {0};
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        links[i] = fixture_link(false);
    fake_run(1000);
    for (struct dots_session *session = fake.sessions; session; session = session->next) {
        if (session->up && !session->closed && count < 3)
            lent[count++] = session->resumption;
    }
    assert_int_equal(count, 3);
    assert_ptr_not_equal(lent[0], lent[1]);
    assert_ptr_not_equal(lent[1], lent[2]);
    for (size_t i = 0; i < 3; i++)
        link_close(links[i]);
}

static void test_servers_are_tried_in_order_of_preference(void **state)
{
    static const char *const first[] = {"192.0.2.11"}, *const second[] = {"192.0.2.12"};
    const struct link_server servers[] = {{"a.example", 4646, first, 1}, {"b.example", 4647, second, 1}};

    (void)state;
    fixture_servers(servers, 2, DOTS_UDP);
    fake_path("192.0.2.11", DOTS_UDP, FAKE_REFUSED, 1);
    fake_path("192.0.2.12", DOTS_UDP, FAKE_UP, 40);
    fixture_link(false);
    fake_run(1000);
    assert_string_equal(link_text(fixture.link), "b.example 192.0.2.12:4647/udp");
}

static void test_probe_does_not_leave_the_server(void **state)
{
    static const char *const first[] = {"192.0.2.11"}, *const second[] = {"192.0.2.12"};
    const struct link_server servers[] = {{"a.example", 4646, first, 1}, {"b.example", 4646, second, 1}};

    (void)state;
    fixture_servers(servers, 2, DOTS_UDP | DOTS_TCP);
    fake_path("192.0.2.11", DOTS_UDP, FAKE_REFUSED, 1);
    fake_path("192.0.2.11", DOTS_TCP, FAKE_UP, 40);
    fake_path("192.0.2.12", DOTS_UDP, FAKE_UP, 40);
    fixture_link(false);
    fake_run(86400000ull * 2);
    assert_string_equal(link_text(fixture.link), "a.example 192.0.2.11:4646/tcp");
}

/* ---- Names ---- */

static void name_server(void)
{
    const struct link_server server = {"named.example", 4646, NULL, 0};

    fixture_servers(&server, 1, DOTS_UDP);
}

static void test_name_is_resolved_and_cached_for_60_s(void **state)
{
    (void)state;
    name_server();
    fake_name("named.example", "192.0.2.1", 30);
    fixture_link(true);
    fake_run(1000);
    assert_string_equal(link_text(fixture.link), "named.example 192.0.2.1:4646/udp");
    assert_int_equal(fake.lookups, 1);
    link_close(fixture.link);
    fixture_link(true);
    fake_run(1000);
    assert_int_equal(fake.lookups, 1);
    link_close(fixture.link);
    fake_run(60000);
    fixture_link(true);
    fake_run(1000);
    assert_int_equal(fake.lookups, 2);
}

static void test_rfc9132_4_6_failing_name_server_keeps_the_last_good_answer(void **state)
{
    size_t name;

    (void)state;
    name_server();
    name = fake_name("named.example", "192.0.2.1", 30);
    fixture_link(true);
    fake_run(200000);
    fake.names[name].fails = true;
    fake_down(fake_session("udp"), DOTS_DOWN_LOST, "gone", 0);
    fake_run(1000);
    assert_int_equal(fake.lookups, 2);
    assert_true(link_is_up(fixture.link));
}

static void test_name_that_is_not_known_is_an_outage_with_its_reason(void **state)
{
    (void)state;
    name_server();
    fake.names[fake_name("named.example", "192.0.2.1", 3000)].fails = true;
    fixture_link(true);
    fake_run(10000);
    assert_int_equal(fixture.downs, 1);
    assert_non_null(strstr(fixture.down_text, "named.example: unknown node or service"));
    fake.names[0].fails = false;
    fake_run(70000);
    assert_int_equal(fixture.ups, 1);
}

static void test_slow_name_does_not_hold_up_a_server_with_addresses(void **state)
{
    static const char *const addresses[] = {"192.0.2.12"};
    const struct link_server servers[] = {{"slow.example", 4646, NULL, 0}, {"b.example", 4646, addresses, 1}};

    (void)state;
    fixture_servers(servers, 2, DOTS_UDP);
    fake_name("slow.example", "192.0.2.1", 20000);
    fake_path("192.0.2.12", DOTS_UDP, FAKE_UP, 40);
    fixture_link(true);
    fake_run(LINK_RESOLVE_ATTACK_MS + 50);
    assert_string_equal(link_text(fixture.link), "b.example 192.0.2.12:4646/udp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        link_test(test_rfc9132_4_3_udp_over_ipv6_first),
        link_test(test_rfc9132_4_3_falls_back_to_tcp_over_ipv4_and_closes_the_rest),
        link_test(test_rfc9132_4_3_cached_outcome_spares_the_failed_ones),
        link_test(test_rfc9132_4_3_probe_from_tcp_to_udp_every_24_hours),
        link_test(test_probe_that_fails_leaves_the_session_alone),
        link_test(test_rfc9132_4_7_retry_not_within_300_s_when_idle),
        link_test(test_rfc9132_4_7_retry_must_not_come_within_60_s_in_an_attack),
        link_test(test_waiting_request_hurries_the_next_attempt_but_not_below_60_s),
        link_test(test_upstream_that_comes_back_is_told_once),
        link_test(test_first_attempt_after_a_good_session_is_immediate),
        link_test(test_session_that_breaks_again_and_again_is_not_hammered),
        link_test(test_rfc9132_7_1_resumption_is_used_on_reconnect),
        link_test(test_tickets_are_lent_to_one_session_at_a_time),
        link_test(test_servers_are_tried_in_order_of_preference),
        link_test(test_probe_does_not_leave_the_server),
        link_test(test_name_is_resolved_and_cached_for_60_s),
        link_test(test_rfc9132_4_6_failing_name_server_keeps_the_last_good_answer),
        link_test(test_name_that_is_not_known_is_an_outage_with_its_reason),
        link_test(test_slow_name_does_not_hold_up_a_server_with_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
