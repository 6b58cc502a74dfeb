/* A link whose inbound side is saturated by an attack: RFC 9132 section 4.7, in played time. */
/* links: northbound_signal */

#include "tests/unit/northbound_link_fixture.h"

static struct dots_session *saturate(void)
{
    struct dots_session *session;

    fixture_link(true);
    fake_run(1000);
    session = fake_session("udp");
    fixture.silent = true; /* our datagrams arrive, nothing comes back */
    fake_path(V6, DOTS_UDP, FAKE_SILENT, 0);
    fake_path(V4, DOTS_UDP, FAKE_SILENT, 0);
    fake_path(V6, DOTS_TCP, FAKE_SILENT, 0);
    fake_path(V4, DOTS_TCP, FAKE_SILENT, 0);
    return session;
}

static void test_rfc9132_4_7_attack_must_not_end_a_session_without_heartbeats(void **state)
{
    struct dots_session *session;
    unsigned beats;

    (void)state;
    session = saturate();
    fake_run(600000); /* missing-hb-allowed is 5, every 15 s */
    assert_true(link_is_up(fixture.link));
    assert_false(session->closed);
    beats = fake_count(DOTS_PUT, "/hb");
    fake_run(60000);
    assert_in_range(fake_count(DOTS_PUT, "/hb") - beats, 3, 5); /* it keeps sending heartbeats */
    assert_int_equal(fixture.downs, 0);
}

static void test_silence_and_its_end_are_told_once(void **state)
{
    (void)state;
    saturate();
    fake_run(30000);
    assert_int_equal(fixture.silences, 0);
    fake_run(300000);
    assert_int_equal(fixture.silences, 1);
    assert_int_equal(fixture.hearings, 0);
    fixture.silent = false;
    fake_run(60000);
    assert_int_equal(fixture.hearings, 1);
    fixture.silent = true;
    fake_run(300000);
    assert_int_equal(fixture.silences, 2);
    assert_int_equal(fixture.downs, 0);
}

static void test_rfc9132_4_7_new_session_in_parallel_requests_on_both(void **state)
{
    struct answered answered = {0};
    struct dots_session *old;
    bool on_old = false, on_new = false;

    (void)state;
    old = saturate();
    fake_run(100000);
    fake_path(V4, DOTS_TCP, FAKE_UP, 40); /* the handshake gets through, nothing after it */
    fake_run(120000);
    assert_non_null(fixture.link->next);
    assert_false(old->closed);
    size_t before = fake.sent_count;

    fixture_put(&answered);
    fake_run(1000);
    for (size_t i = before; i < fake.sent_count; i++) {
        if (strstr(fake.sent[i].path, "mitigate")) {
            on_old = on_old || fake.sent[i].session == old;
            on_new = on_new || fake.sent[i].session != old;
        }
    }
    assert_true(on_old);
    assert_true(on_new);
}

static void test_request_on_a_silent_tcp_session_is_not_sent_twice_on_it(void **state)
{
    struct answered answered = {0};
    const struct dots_session *old;
    unsigned on_old = 0, on_new = 0;

    (void)state;
    fake_path(V6, DOTS_UDP, FAKE_REFUSED, 1);
    fake_path(V4, DOTS_UDP, FAKE_REFUSED, 1);
    fixture_link(true);
    fake_run(1000);
    old = fake_session("tcp");
    fixture.silent = true;
    fixture_put(&answered);
    fake_run(60000);
    assert_non_null(fixture.link->next);
    for (size_t i = 0; i < fake.sent_count; i++) {
        on_old += strstr(fake.sent[i].path, "mitigate") && fake.sent[i].session == old;
        on_new += strstr(fake.sent[i].path, "mitigate") && fake.sent[i].session != old;
    }
    assert_int_equal(on_old, 1);
    assert_int_equal(on_new, 1);
}

static void test_rfc9132_4_7_heard_on_the_new_session_the_old_one_goes(void **state)
{
    struct answered answered = {0};

    (void)state;
    saturate();
    fake_run(100000);
    fake_path(V4, DOTS_TCP, FAKE_UP, 40);
    fake_run(120000);
    assert_non_null(fixture.link->next);
    fixture_put(&answered);
    fake_run(100);
    fake_answer(fake_last(DOTS_PUT, "mitigate"), DOTS_CODE(2, 1), NULL, 0); /* the last one went to the new session */
    fake_run(100);
    assert_int_equal(answered.count, 1);
    assert_null(fixture.link->next);
    assert_string_equal(link_text(fixture.link), "a.example 192.0.2.1:4646/tcp");
    assert_int_equal(fake_sessions(), 1);
    assert_int_equal(fixture.ups, 2);
}

static void test_rfc9132_4_7_heard_on_the_old_session_the_new_one_goes(void **state)
{
    struct dots_session *old;

    (void)state;
    old = saturate();
    fake_run(100000);
    fake_path(V4, DOTS_TCP, FAKE_UP, 40);
    fake_run(120000);
    assert_non_null(fixture.link->next);
    fixture.silent = false;
    for (size_t i = fake.sent_count; i-- > 0;) {
        if (fake.sent[i].session == old) {
            fake_answer(&fake.sent[i], DOTS_CODE(2, 4), NULL, 0);
            break;
        }
    }
    fake_run(100);
    assert_null(fixture.link->next);
    assert_ptr_equal(fixture.link->current->session, old);
    assert_int_equal(fake_sessions(), 1);
    assert_int_equal(fixture.ups, 1);
}

static void test_rfc9132_4_7_second_sessions_are_not_tried_within_60_s(void **state)
{
    uint64_t last = 0;
    unsigned attempts = 0;

    (void)state;
    saturate();
    fake_path(V6, DOTS_UDP, FAKE_REFUSED, 1);
    fake_path(V4, DOTS_UDP, FAKE_REFUSED, 1);
    fake_path(V6, DOTS_TCP, FAKE_REFUSED, 1);
    fake_path(V4, DOTS_TCP, FAKE_REFUSED, 1);
    for (uint64_t end = fake.now + 900000; fake.now < end; fake_run(1)) {
        const struct dots_session *attempt = fake_session("2001:db8::1:4646/tcp");

        if (!attempt || attempt->connected_at == last)
            continue;
        assert_true(last == 0 || attempt->connected_at - last >= 60000);
        last = attempt->connected_at;
        attempts++;
    }
    assert_in_range(attempts, 10, 15);
}

static void test_second_session_that_falls_silent_goes(void **state)
{
    const struct fake_sent *get;

    (void)state;
    saturate();
    fake_run(100000);
    fake_path(V4, DOTS_TCP, FAKE_UP, 40);
    fake_run(120000);
    assert_non_null(fixture.link->next);
    fake_path(V4, DOTS_TCP, FAKE_SILENT, 0);
    get = fake_last(DOTS_GET, "/config"); /* libcoap gives it up; heartbeats begin: 30 s, 15 may be missing */
    get->session->endpoint->handlers->nack(get->session->endpoint->arg, get->session, &get->token, DOTS_NACK_TIMEOUT);
    fake_run(17 * 30000);
    assert_null(fixture.link->next);
    assert_true(link_is_up(fixture.link));
    assert_non_null(strstr(link_text(fixture.link), "/udp"));
}

static void test_rfc9132_4_7_heard_again_the_new_attempt_stops(void **state)
{
    (void)state;
    saturate();
    fake_run(75000 + 1000);
    for (unsigned i = 0; i < 60 && !fixture.link->race; i++)
        fake_run(1000);
    assert_non_null(fixture.link->race);
    fake_run(500);
    assert_true(fake_sessions() > 1);
    fake_answer(fake_last(DOTS_PUT, "/hb"), DOTS_CODE(2, 4), NULL, 0);
    fake_run(10);
    assert_null(fixture.link->race);
    assert_int_equal(fake_sessions(), 1);
}

static void test_rfc9132_4_7_idle_missing_heartbeats_must_reestablish(void **state)
{
    struct dots_session *old;

    (void)state;
    fixture_link(false);
    fake_run(1000);
    old = fake_session("udp");
    fixture.silent_heartbeat = true;
    fake_run(5 * 60000);
    assert_false(old->closed);
    fake_run(2 * 60000);
    assert_int_equal(fixture.ups, 2);
    assert_int_equal(fake_sessions(), 1);
    assert_string_equal(fixture.events, "session-lost ");
}

static void test_rfc9132_7_2_unanswered_mitigation_request_tries_a_second_session(void **state)
{
    struct answered answered = {0};

    (void)state;
    fixture_link(true);
    fake_run(5000);
    fixture.silent = true; /* the server was restarted: it does not know our session any more */
    fixture_put(&answered);
    fake_run(LINK_SUSPECT_MS - 1000);
    assert_int_equal(fake_sessions(), 1);
    fake_run(5000);
    assert_int_equal(fake_sessions(), 2);
    fixture.silent = false;
    fake_run(10000);
    assert_int_equal(answered.count, 1);
    assert_int_equal(fake_sessions(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        link_test(test_rfc9132_4_7_attack_must_not_end_a_session_without_heartbeats),
        link_test(test_silence_and_its_end_are_told_once),
        link_test(test_rfc9132_4_7_new_session_in_parallel_requests_on_both),
        link_test(test_request_on_a_silent_tcp_session_is_not_sent_twice_on_it),
        link_test(test_rfc9132_4_7_heard_on_the_new_session_the_old_one_goes),
        link_test(test_rfc9132_4_7_heard_on_the_old_session_the_new_one_goes),
        link_test(test_rfc9132_4_7_second_sessions_are_not_tried_within_60_s),
        link_test(test_second_session_that_falls_silent_goes),
        link_test(test_rfc9132_4_7_heard_again_the_new_attempt_stops),
        link_test(test_rfc9132_4_7_idle_missing_heartbeats_must_reestablish),
        link_test(test_rfc9132_7_2_unanswered_mitigation_request_tries_a_second_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
