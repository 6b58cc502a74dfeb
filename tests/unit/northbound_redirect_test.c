/* Redirected signaling: RFC 9132 section 4.6, in played time. */
/* links: northbound_signal */

#include "tests/unit/northbound_link_fixture.h"

static void connected(bool mitigating)
{
    fixture_link(mitigating);
    fake_run(1000);
    assert_true(link_is_up(fixture.link));
}

static void redirect(const char *from, const char *to, const char *record, int64_t max_age)
{
    snprintf(fixture.redirect_from, sizeof(fixture.redirect_from), "%s", from);
    snprintf(fixture.redirect_to, sizeof(fixture.redirect_to), "%s", to);
    snprintf(fixture.redirect_record, sizeof(fixture.redirect_record), "%s", record);
    fixture.redirect_max_age = max_age;
}

static void test_rfc9132_4_6_request_is_sent_again_to_the_alternate_server(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    redirect("a.example", "alt.example", "198.51.100.7", 3600);
    connected(false);
    fixture_put(&answered);
    fake_run(1000);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.code, DOTS_CODE(2, 1));
    assert_string_equal(link_text(fixture.link), "alt.example 198.51.100.7:4646/udp");
    assert_int_equal(fake.lookups, 0); /* its records spare the name server */
    assert_int_equal(fake_sessions(), 1);
    assert_int_equal(fixture.ups, 2);
    assert_string_equal(fixture.events, "redirected ");
}

static void test_requests_redirected_meanwhile_change_nothing(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 400);
    redirect("a.example", "alt.example", "198.51.100.7", 3600);
    connected(true);
    for (int i = 0; i < 5; i++) {
        fixture_put(&answered);
        fake_run(50);
    }
    fake_run(2000);
    assert_int_equal(answered.count, 5);
    assert_string_equal(fixture.events, "redirected ");
}

static void test_rfc9132_4_6_without_records_the_name_is_resolved(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_name("alt.example", "198.51.100.7", 10);
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    redirect("a.example", "alt.example", "", 3600);
    connected(false);
    fixture_put(&answered);
    fake_run(1000);
    assert_int_equal(answered.count, 1);
    assert_int_equal(fake.lookups, 1);
    assert_string_equal(link_text(fixture.link), "alt.example 198.51.100.7:4646/udp");
}

static void test_rfc9132_4_6_after_the_ttl_must_use_the_configured_server(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    redirect("a.example", "alt.example", "198.51.100.7", 600);
    connected(false);
    fixture_put(&answered);
    fake_run(590000);
    assert_non_null(strstr(link_text(fixture.link), "alt.example"));
    fake_run(20000);
    assert_non_null(strstr(link_text(fixture.link), "a.example"));
    assert_int_equal(fake_sessions(), 1);
}

static void test_rfc9132_4_6_expired_alternate_must_not_be_used_even_when_the_configured_is_away(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    redirect("a.example", "alt.example", "198.51.100.7", 600);
    connected(false);
    fixture_put(&answered);
    fake_run(1000);
    fake_path(V6, DOTS_UDP, FAKE_REFUSED, 1);
    fake_path(V4, DOTS_UDP, FAKE_REFUSED, 1);
    fake_path(V6, DOTS_TCP, FAKE_REFUSED, 1);
    fake_path(V4, DOTS_TCP, FAKE_REFUSED, 1);
    fake_run(610000);
    assert_false(link_is_up(fixture.link));
    assert_int_equal(fixture.downs, 1);
    fake_path(V4, DOTS_UDP, FAKE_UP, 40);
    fake_run(400000);
    assert_non_null(strstr(link_text(fixture.link), "a.example"));
}

static void test_session_lost_on_the_way_to_an_alternate_that_is_not_there(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_REFUSED, 2000);
    fake_path("198.51.100.7", DOTS_TCP, FAKE_REFUSED, 2000);
    redirect("a.example", "alt.example", "198.51.100.7", 600);
    connected(true);
    fixture_put(&answered);
    fake_run(100);
    fake_down(fake_session("2001:db8::1"), DOTS_DOWN_LOST, "gone", 0);
    redirect("", "", "", 0);
    fake_run(4000);
    assert_string_equal(link_text(fixture.link), "a.example 2001:db8::1:4646/udp");
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.code, DOTS_CODE(2, 1));
}

static void test_rfc9132_4_6_ttl_is_not_enforced_while_an_attack_is_on(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    redirect("a.example", "alt.example", "198.51.100.7", 600);
    connected(true);
    fixture_put(&answered);
    fake_run(3600000);
    assert_non_null(strstr(link_text(fixture.link), "alt.example"));
    link_set_mitigating(fixture.link, false);
    fake_run(1000);
    assert_string_equal(link_text(fixture.link), "a.example 2001:db8::1:4646/udp");
}

static void test_rfc9132_4_6_redirect_in_a_circle_must_be_ignored_and_alerted(void **state)
{
    struct answered answered = {0};

    (void)state;
    redirect("a.example", "A.example", V4, 600);
    connected(true);
    fixture_put(&answered);
    fake_run(1000);
    assert_int_equal(answered.count, 1); /* the refusal is told, the request is not lost in silence */
    assert_int_equal(answered.code, DOTS_CODE(5, 3));
    assert_string_equal(fixture.events, "redirect-loop ");
    for (int i = 0; i < 5; i++)
        fixture_put(&answered);
    fake_run(1000);
    assert_int_equal(answered.count, 6);
    assert_string_equal(fixture.events, "redirect-loop "); /* not once for each request */
}

static void test_rfc9132_4_6_server_of_an_old_session_was_communicated_with_just_now(void **state)
{
    struct answered answered = {0};

    (void)state;
    connected(false);
    fake_run(2 * REDIRECT_SPOKEN_MS);
    redirect("a.example", "a.example", V4, 600);
    fixture_put(&answered);
    fake_run(1000);
    assert_int_equal(answered.code, DOTS_CODE(5, 3));
    assert_string_equal(fixture.events, "redirect-loop ");
}

static void test_rfc9132_4_6_circle_over_two_servers_ends(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    redirect("a.example", "alt.example", "198.51.100.7", 600);
    connected(true);
    fixture_put(&answered);
    fake_run(50);
    redirect("alt.example", "a.example", V4, 600); /* and back again */
    fake_run(2000);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.code, DOTS_CODE(5, 3));
    assert_string_equal(fixture.events, "redirected redirect-loop ");
    assert_int_equal(fake_sessions(), 1);
}

static void test_rfc9132_4_6_after_a_loop_other_configured_servers_are_tried(void **state)
{
    static const char *const first[] = {V4}, *const second[] = {"192.0.2.12"};
    const struct link_server servers[] = {{"a.example", 4646, first, 1}, {"b.example", 4646, second, 1}};
    struct answered answered = {0};

    (void)state;
    fixture_servers(servers, 2, DOTS_UDP);
    fake_path("192.0.2.12", DOTS_UDP, FAKE_UP, 40);
    redirect("a.example", "a.example", V4, 600);
    connected(true);
    fixture_put(&answered);
    fake_run(1000);
    assert_string_equal(link_text(fixture.link), "b.example 192.0.2.12:4646/udp");
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.code, DOTS_CODE(2, 1));
}

static void test_alternate_server_that_cannot_be_reached_leaves_the_configured_one(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_REFUSED, 5);
    fake_path("198.51.100.7", DOTS_TCP, FAKE_REFUSED, 5);
    redirect("a.example", "alt.example", "198.51.100.7", 600);
    connected(true);
    fixture_put(&answered);
    fake_run(2000);
    assert_string_equal(fixture.events, "redirected redirect-failed ");
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.code, DOTS_CODE(5, 3));
    assert_string_equal(link_text(fixture.link), "a.example 2001:db8::1:4646/udp");
    redirect("", "", "", 0);
    fixture_put(&answered);
    fake_run(1000);
    assert_int_equal(answered.code, DOTS_CODE(2, 1));
}

static void test_redirect_by_a_notification_is_followed(void **state)
{
    struct wire_message message = {.type = WIRE_REDIRECT, .redirect = {.alt_server = "alt.example"}};
    const char *records[] = {"198.51.100.7"};
    struct answered answered = {0};
    struct fake_event *event;

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    connected(false);
    fixture_observe(&answered);
    fake_run(1000);
    message.redirect.records = (struct wire_strings){records, 1};
    event = fake_answer(fake_find(DOTS_GET, "mitigate", 0), DOTS_CODE(5, 3), &message, 0);
    event->response.max_age = 3600;
    fake_run(1000);
    assert_string_equal(link_text(fixture.link), "alt.example 198.51.100.7:4646/udp");
}

static void test_session_lost_while_redirected_goes_back_to_the_alternate_server(void **state)
{
    struct answered answered = {0};

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    redirect("a.example", "alt.example", "198.51.100.7", 3600);
    connected(false);
    fixture_put(&answered);
    fake_run(100000);
    fake_down(fake_session("198.51.100.7"), DOTS_DOWN_LOST, "gone", 0);
    fake_run(2000);
    assert_string_equal(link_text(fixture.link), "alt.example 198.51.100.7:4646/udp");
    fake_path("198.51.100.7", DOTS_UDP, FAKE_REFUSED, 5);
    fake_path("198.51.100.7", DOTS_TCP, FAKE_REFUSED, 5);
    fake_run(70000);
    fake_down(fake_session("198.51.100.7"), DOTS_DOWN_LOST, "gone", 0);
    fake_run(6000);
    assert_non_null(strstr(link_text(fixture.link), "a.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        link_test(test_rfc9132_4_6_request_is_sent_again_to_the_alternate_server),
        link_test(test_requests_redirected_meanwhile_change_nothing),
        link_test(test_rfc9132_4_6_without_records_the_name_is_resolved),
        link_test(test_rfc9132_4_6_after_the_ttl_must_use_the_configured_server),
        link_test(test_rfc9132_4_6_expired_alternate_must_not_be_used_even_when_the_configured_is_away),
        link_test(test_session_lost_on_the_way_to_an_alternate_that_is_not_there),
        link_test(test_rfc9132_4_6_ttl_is_not_enforced_while_an_attack_is_on),
        link_test(test_rfc9132_4_6_redirect_in_a_circle_must_be_ignored_and_alerted),
        link_test(test_rfc9132_4_6_server_of_an_old_session_was_communicated_with_just_now),
        link_test(test_rfc9132_4_6_circle_over_two_servers_ends),
        link_test(test_rfc9132_4_6_after_a_loop_other_configured_servers_are_tried),
        link_test(test_alternate_server_that_cannot_be_reached_leaves_the_configured_one),
        link_test(test_redirect_by_a_notification_is_followed),
        link_test(test_session_lost_while_redirected_goes_back_to_the_alternate_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
