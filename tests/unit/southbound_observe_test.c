/* Notifications: who gets them, when, and when they end (RFC 9132 section 4.4.2.1, RFC 7641). */
/* links: southbound_signal */
#include "tests/unit/southbound_asking.h"

#include "southbound/signal/signal.h"

#define A1 "/mitigate/cuid=a/mid=1"
#define ALL "/mitigate/cuid=a"

static struct dots_session *alpha_with_mitigation(void)
{
    struct dots_session *session = fake_up("a.example", "192.0.2.1", DOTS_UDP);

    expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.113.7/32")), 201, NULL);
    return session;
}

static struct dots_exchange *observe(struct dots_session *session, const char *path, uint32_t token)
{
    struct dots_exchange *get = ask_with(session, DOTS_GET, path, (struct asking){.observe = 1, .token = token});

    expect(get, 205, NULL);
    return get;
}

/* Lets the peer be heard without a request. */
static void stay(struct dots_session *session, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += 1000) {
        session->heard = (uint64_t)fake_ms;
        world_advance(ms - passed < 1000 ? ms - passed : 1000);
    }
}

static void test_rfc7641_4_1_registration_is_answered_with_observe(void **state)
{
    struct dots_session *session = alpha_with_mitigation();
    struct dots_exchange *get = observe(session, A1, 7);

    (void)state;
    assert_true(get->response.observe >= 0);
    assert_int_equal(get->response.max_age, 30);
    assert_int_equal(ask(session, DOTS_GET, A1, NULL)->response.observe, -1);
    expect(ask_with(session, DOTS_GET, "/mitigate/cuid=a/mid=9", (struct asking){.observe = 1}), 404, NULL);
    stay(session, 20000);
    assert_int_equal(sent_count(true), 1);
    assert_memory_equal(sent_at(true, 0)->token.bytes, "\7\0\0\0", 4);
}

static void test_rfc9132_4_4_2_1_status_changes_are_notified(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    observe(session, A1, 7);
    report(WIRE_STATUS_MITIGATED, 1000);
    assert_int_equal(sent_count(true), 1);
    assert_int_equal(sent_status(sent_at(true, 0)), WIRE_STATUS_MITIGATED);
    assert_int_equal(sent_at(true, 0)->response.code, DOTS_CODE(2, 5));
    assert_int_equal(sent_at(true, 0)->response.content_format, DOTS_CONTENT_FORMAT);
    assert_string_equal(sent_at(true, 0)->path, "/.well-known/dots/mitigate/cuid=a/mid=1");
}

static void test_rfc9132_4_4_2_1_must_not_notify_more_than_once_in_3_seconds(void **state)
{
    struct dots_session *session = alpha_with_mitigation();
    int64_t last = 0;

    (void)state;
    observe(session, A1, 7);
    for (int i = 0; i < 600; i++) { /* counters change ten times a second for a minute */
        report(i % 2 ? WIRE_STATUS_MITIGATED : WIRE_STATUS_EXCEEDED, 1000 + (uint64_t)i);
        session->heard = (uint64_t)fake_ms;
        world_advance(100);
    }
    assert_in_range(sent_count(true), 19, 21);
    for (size_t i = 0; i < sent_count(true); i++) {
        assert_true(sent_at(true, i)->at - last >= 3000);
        last = sent_at(true, i)->at;
    }
}

static void test_rfc7641_4_5_the_latest_state_is_what_is_told(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    observe(session, A1, 7);
    report(WIRE_STATUS_MITIGATED, 1);
    report(WIRE_STATUS_EXCEEDED, 2);
    report(WIRE_STATUS_MITIGATED, 3);
    report(WIRE_STATUS_STOPPED, 4);
    stay(session, 4000);
    assert_int_equal(sent_count(true), 2);
    assert_int_equal(sent_status(sent_at(true, 1)), WIRE_STATUS_STOPPED);
}

static void test_rfc9132_4_4_2_1_status_is_sent_periodically_while_active(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    observe(session, A1, 7);
    stay(session, 160000); /* every 15 s and up to a tenth more */
    assert_in_range(sent_count(true), 9, 10);
}

static void test_an_idle_preconfigured_request_is_not_repeated(void **state)
{
    struct dots_session *session = fake_up("a.example", "192.0.2.1", DOTS_UDP);
    struct dots_exchange *get;

    (void)state;
    expect(ask(session, DOTS_PUT, A1,
               SCOPE_JSON("\"target-prefix\":[\"203.0.113.7/32\"],\"lifetime\":3600,\"trigger-mitigation\":false")),
           201, NULL);
    get = observe(session, A1, 7);
    assert_int_equal(get->response.max_age, 3600);
    stay(session, 100000);
    assert_int_equal(sent_count(true), 0);
}

static void test_rfc7641_4_4_sequence_numbers_rise(void **state)
{
    struct dots_session *session = alpha_with_mitigation();
    int32_t last = observe(session, A1, 7)->response.observe;

    (void)state;
    for (int i = 0; i < 5; i++) {
        int32_t again;

        stay(session, 20000);
        for (size_t j = 0; j < sent_count(true); j++) {
            assert_true(sent_at(true, j)->response.observe > last);
            last = sent_at(true, j)->response.observe;
        }
        fake_forget_sent();
        again = observe(session, A1, 7)->response.observe; /* the same token again */
        assert_true(again > last);
        last = again;
    }
    /* Deregistered and registered anew: still higher. */
    ask_with(session, DOTS_GET, A1, (struct asking){.observe = 2, .token = 7});
    stay(session, 1000);
    assert_true(observe(session, A1, 7)->response.observe > last);
}

static void test_rfc9132_4_4_2_1_deregister_ends_notifications(void **state)
{
    struct dots_session *session = alpha_with_mitigation();
    struct dots_exchange *get;

    (void)state;
    observe(session, A1, 7);
    get = ask_with(session, DOTS_GET, A1, (struct asking){.observe = 2, .token = 7});
    expect(get, 205, NULL);
    assert_int_equal(get->response.observe, -1);
    report(WIRE_STATUS_MITIGATED, 1);
    stay(session, 40000);
    assert_int_equal(sent_count(true), 0);
}

static void test_rfc9132_4_4_2_1_reset_removes_the_observer(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    observe(session, A1, 7);
    report(WIRE_STATUS_MITIGATED, 1);
    assert_int_equal(sent_count(true), 1);
    fake_endpoint.handlers->nack(fake_endpoint.arg, session, &sent_at(true, 0)->token, DOTS_NACK_RESET);
    report(WIRE_STATUS_EXCEEDED, 2);
    stay(session, 40000);
    assert_int_equal(sent_count(true), 1);
}

static void test_rfc7641_3_1_a_resource_has_one_observer_a_session(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    for (uint32_t token = 100; token < 200; token++) {
        observe(session, A1, token);
        world_advance(1000);
    }
    fake_forget_sent();
    report(WIRE_STATUS_MITIGATED, 1);
    stay(session, 4000);
    assert_int_equal(sent_count(true), 1);
    assert_int_equal(sent_at(true, 0)->token.bytes[0], 199);
}

static void test_a_token_used_again_for_another_resource_leaves_the_first(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    expect(ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=2", PREFIX_JSON("203.0.113.9/32")), 201, NULL);
    observe(session, A1, 7);
    observe(session, "/mitigate/cuid=a/mid=2", 7);
    stay(session, 20000);
    assert_int_equal(sent_count(true), 1);
    assert_string_equal(sent_at(true, 0)->path, "/.well-known/dots/mitigate/cuid=a/mid=2");
}

static void test_rfc7641_3_2_gone_is_told_last_status_then_4_04(void **state)
{
    struct dots_session *session = alpha_with_mitigation();
    const struct fake_sent *last;

    (void)state;
    observe(session, A1, 7);
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
    stay(session, 3000);
    assert_int_equal(sent_status(sent_at(true, 0)), WIRE_STATUS_CLIENT_WITHDRAWN);
    stay(session, 145000);
    last = sent_at(true, sent_count(true) - 1);
    assert_int_equal(last->response.code, DOTS_CODE(4, 4));
    assert_int_equal(last->response.observe, -1);
    assert_int_equal(last->response.content_format, -1);
    assert_true(last->body_length > 0);
    last = sent_at(true, sent_count(true) - 2);
    assert_int_equal(sent_status(last), WIRE_STATUS_TERMINATED);
    fake_forget_sent();
    stay(session, 60000);
    assert_int_equal(sent_count(true), 0);
}

static void test_what_was_not_told_before_it_was_gone_is_told_first(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    observe(session, A1, 7);
    expect(ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=2", PREFIX_JSON("203.0.113.9/32")), 201, NULL);
    observe(session, "/mitigate/cuid=a/mid=2", 8);
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
    stay(session, 118500);
    fake_forget_sent();
    report(WIRE_STATUS_MITIGATED, 5); /* of mid 2: the session has its notification for the next 3 s */
    stay(session, 2000);
    assert_int_equal(sent_count(true), 1);
    assert_int_equal(sent_at(true, 0)->token.bytes[0], 8);
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
    expect(ask(session, DOTS_GET, A1, NULL), 404, NULL);
    stay(session, 10000);
    assert_int_equal(sent_at(true, 1)->token.bytes[0], 7);
    assert_int_equal(sent_status(sent_at(true, 1)), WIRE_STATUS_TERMINATED);
    assert_int_equal(sent_at(true, 2)->token.bytes[0], 7);
    assert_int_equal(sent_at(true, 2)->response.code, DOTS_CODE(4, 4));
}

static void test_a_mid_in_use_again_is_not_gone(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    observe(session, A1, 7);
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
    stay(session, 121000);
    fake_forget_sent();
    world.hold_disk = true; /* the end of the old one and the new one reach the disk together */
    ask(session, DOTS_DELETE, A1, NULL);
    ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.113.77/32"));
    world.hold_disk = false;
    stay(session, 10000);
    assert_true(sent_count(true) >= 1);
    for (size_t i = 0; i < sent_count(true); i++)
        assert_int_equal(sent_at(true, i)->response.code, DOTS_CODE(2, 5));
    assert_int_equal(sent_status(sent_at(true, sent_count(true) - 1)), WIRE_STATUS_IN_PROGRESS);
}

static void test_all_mitigations_of_a_cuid_can_be_observed(void **state)
{
    struct dots_session *session = alpha_with_mitigation();
    struct wire_message *message;

    (void)state;
    observe(session, ALL, 7);
    expect(ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=2", PREFIX_JSON("203.0.113.9/32")), 201, NULL);
    stay(session, 4000);
    message = decode(sent_at(true, 0)->body, sent_at(true, 0)->body_length);
    assert_int_equal(message->scope_count, 2);
    wire_free(message);
    expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
    expect(ask(session, DOTS_DELETE, "/mitigate/cuid=a/mid=2", NULL), 202, NULL);
    stay(session, 160000);
    assert_int_equal(sent_at(true, sent_count(true) - 1)->response.code, DOTS_CODE(4, 4));
    fake_forget_sent();
    expect(ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=3", PREFIX_JSON("203.0.113.9/32")), 201, NULL);
    stay(session, 20000);
    assert_int_equal(sent_count(true), 0);
}

static void test_a_changed_status_goes_before_periodic_ones(void **state)
{
    struct dots_session *session = fake_up("a.example", "192.0.2.1", DOTS_UDP);
    uint64_t job = 0;

    (void)state;
    for (int i = 1; i <= 6; i++) {
        char path[64], body[128];

        snprintf(path, sizeof(path), "/mitigate/cuid=a/mid=%d", i);
        snprintf(body, sizeof(body), PREFIX_JSON("203.0.113.%d/32"), i);
        expect(ask(session, DOTS_PUT, path, body), 201, NULL);
        observe(session, path, (uint32_t)i);
        job = i == 6 ? world.job : job;
    }
    stay(session, 17000); /* all six are due: 18 s of sending */
    assert_true(sent_count(true) < 6);
    fake_forget_sent();
    world.job = job;
    report(WIRE_STATUS_EXCEEDED, 1);
    stay(session, 7000);
    /* The next turn, or the one after it: every other one belongs to those that are not urgent. */
    size_t urgent = sent_at(true, 0)->token.bytes[0] == 6 ? 0 : 1;
    assert_int_equal(sent_at(true, urgent)->token.bytes[0], 6);
    assert_int_equal(sent_status(sent_at(true, urgent)), WIRE_STATUS_EXCEEDED);
}

static void test_counters_that_always_change_starve_nobody(void **state)
{
    struct dots_session *session = alpha_with_mitigation();
    unsigned all = 0, one = 0;

    (void)state;
    observe(session, ALL, 7);
    observe(session, A1, 8);
    report(WIRE_STATUS_MITIGATED, 1);
    stay(session, 10000);
    fake_forget_sent();
    for (uint64_t i = 0; i < 60; i++) {
        report(0, 100 + i);
        stay(session, 1000);
    }
    for (size_t i = 0; i < sent_count(true); i++) {
        all += sent_at(true, i)->token.bytes[0] == 7;
        one += sent_at(true, i)->token.bytes[0] == 8;
    }
    assert_in_range(all, 9, 11);
    assert_in_range(one, 9, 11);
}

static void test_observers_of_a_session_are_bounded(void **state)
{
    struct dots_session *session = alpha_with_mitigation();
    static const char *const queries[] = {NULL, "c=c", "c=n"};
    unsigned observed = 0;

    (void)state;
    for (int i = 1; i <= 8; i++) {
        char path[64], body[128];

        snprintf(path, sizeof(path), "/mitigate/cuid=a/mid=%d", i);
        snprintf(body, sizeof(body), PREFIX_JSON("203.0.113.%d/32"), i + 6);
        ask(session, DOTS_PUT, path, body);
        for (size_t j = 0; j < 3; j++) {
            struct dots_exchange *get =
                ask_with(session, DOTS_GET, path, (struct asking){.observe = 1, .query = queries[j]});

            expect(get, 205, NULL);
            observed += get->response.observe >= 0;
            world_advance(100);
        }
    }
    assert_int_equal(observed, 2 * 8 + 4); /* then a GET is a plain GET, RFC 7641 section 4.1 */
}

static void test_ended_observations_leave_nothing_behind(void **state)
{
    struct dots_session *session = fake_up("a.example", "192.0.2.1", DOTS_UDP);

    (void)state;
    for (uint32_t i = 0; i < 50; i++) { /* more than a session may have at once */
        expect(ask(session, DOTS_PUT, A1, PREFIX_JSON("203.0.113.7/32")), 201, NULL);
        assert_true(observe(session, A1, 100 + 2 * i)->response.observe >= 0);
        assert_true(observe(session, ALL, 101 + 2 * i)->response.observe >= 0);
        expect(ask(session, DOTS_DELETE, A1, NULL), 202, NULL);
        stay(session, 320000);
        expect(ask(session, DOTS_GET, A1, NULL), 404, NULL);
        fake_forget_sent();
    }
}

static void go_down(struct dots_session *session)
{
    fake_down(session, DOTS_DOWN_LOST);
}

static void test_a_session_that_ends_while_it_is_told_is_survived(void **state)
{
    struct dots_session *session = alpha_with_mitigation();

    (void)state;
    observe(session, A1, 7);
    observe(session, ALL, 8);
    fake_on_send = go_down; /* inside dots_notify */
    report(WIRE_STATUS_MITIGATED, 1);
    world_advance(60000);
    assert_int_equal(sent_count(true), 1);
}

static void test_the_pace_follows_the_round_trip_only_for_gateways(void **state)
{
    (void)state;
    assert_int_equal(south_notify_pace(false, 0), 3000);
    assert_int_equal(south_notify_pace(false, 50), 3000);
    assert_int_equal(south_notify_pace(true, 0), 3000);
    assert_int_equal(south_notify_pace(true, 1), 20);
    assert_int_equal(south_notify_pace(true, 80), 80);
    assert_int_equal(south_notify_pace(true, 9000), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(test_rfc7641_4_1_registration_is_answered_with_observe),
        TEST(test_rfc9132_4_4_2_1_status_changes_are_notified),
        TEST(test_rfc9132_4_4_2_1_must_not_notify_more_than_once_in_3_seconds),
        TEST(test_rfc7641_4_5_the_latest_state_is_what_is_told),
        TEST(test_rfc9132_4_4_2_1_status_is_sent_periodically_while_active),
        TEST(test_an_idle_preconfigured_request_is_not_repeated),
        TEST(test_rfc7641_4_4_sequence_numbers_rise),
        TEST(test_rfc9132_4_4_2_1_deregister_ends_notifications),
        TEST(test_rfc9132_4_4_2_1_reset_removes_the_observer),
        TEST(test_rfc7641_3_1_a_resource_has_one_observer_a_session),
        TEST(test_a_token_used_again_for_another_resource_leaves_the_first),
        TEST(test_rfc7641_3_2_gone_is_told_last_status_then_4_04),
        TEST(test_what_was_not_told_before_it_was_gone_is_told_first),
        TEST(test_a_mid_in_use_again_is_not_gone),
        TEST(test_all_mitigations_of_a_cuid_can_be_observed),
        TEST(test_a_changed_status_goes_before_periodic_ones),
        TEST(test_counters_that_always_change_starve_nobody),
        TEST(test_observers_of_a_session_are_bounded),
        TEST(test_ended_observations_leave_nothing_behind),
        TEST(test_a_session_that_ends_while_it_is_told_is_survived),
        TEST(test_the_pace_follows_the_round_trip_only_for_gateways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
