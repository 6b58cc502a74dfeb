/* Heartbeats and session configuration of a link: RFC 9132 sections 4.5 and 4.7, in played time. */
/* links: northbound_signal */

#include "tests/unit/northbound_link_fixture.h"

static void connected(bool mitigating)
{
    fixture_link(mitigating);
    fake_run(1000);
    assert_true(link_is_up(fixture.link));
}

static struct wire_message *decode(const struct fake_sent *sent)
{
    struct wire_message *message = NULL;
    struct wire_error error;

    assert_int_equal(wire_decode_cbor(sent->body, sent->body_length, WIRE_TO_SERVER, &message, &error), 0);
    return message;
}

/* ---- Heartbeats ---- */

static void test_rfc9132_4_7_heartbeat_is_non_confirmable_put_without_cuid(void **state)
{
    struct wire_message *message;
    const struct fake_sent *sent;

    (void)state;
    connected(true);
    fake_run(15000);
    sent = fake_find(DOTS_PUT, "/hb", 0);
    assert_non_null(sent);
    assert_string_equal(sent->path, ".well-known/dots/hb");
    assert_false(sent->confirmable);
    assert_int_equal(sent->content_format, DOTS_CONTENT_FORMAT);
    message = decode(sent);
    assert_int_equal(message->type, WIRE_HEARTBEAT);
    wire_free(message);
    assert_int_equal(fake_count(DOTS_PUT, "/hb"), 1);
    fake_run(150000);
    assert_in_range(fake_count(DOTS_PUT, "/hb"), 10, 11);
}

static void test_rfc9132_4_7_peer_hb_status_says_whether_the_server_is_heard(void **state)
{
    const struct wire_message beat = {.type = WIRE_HEARTBEAT, .heartbeat = {true}};
    struct wire_message *message;

    (void)state;
    connected(true);
    fake_run(45000); /* three intervals without a heartbeat of the server, though it answers ours */
    message = decode(fake_last(DOTS_PUT, "/hb"));
    assert_false(message->heartbeat.peer_hb_status);
    wire_free(message);
    fake_request(fake_session("udp"), "hb", DOTS_PUT, &beat);
    assert_true(fake.replied);
    assert_int_equal(fake.reply.code, DOTS_CODE(2, 4));
    assert_int_equal(fake.reply.body_length, 0);
    fake_run(15000);
    message = decode(fake_last(DOTS_PUT, "/hb"));
    assert_true(message->heartbeat.peer_hb_status);
    wire_free(message);
}

static void test_heartbeat_answered_twice_is_not_wanted_twice(void **state)
{
    (void)state;
    connected(true);
    fake_run(15000);
    fake_answer(fake_find(DOTS_PUT, "/hb", 0), DOTS_CODE(2, 4), NULL, 50);
    fake.resets = 0;
    fake_run(100);
    assert_int_equal(fake.resets, 1);
}

static void test_requests_of_the_server_other_than_heartbeats_are_refused(void **state)
{
    const struct wire_message beat = {.type = WIRE_HEARTBEAT, .heartbeat = {true}};
    const struct wire_message config = {
        .type = WIRE_SIGNAL_CONFIG,
        .config = {.has_idle = true, .idle = {[WIRE_HEARTBEAT_INTERVAL] = {.has_current = true, .current = 30}}}};

    (void)state;
    connected(false);
    fake_request(fake_session("udp"), "mitigate", DOTS_PUT, &beat);
    assert_int_equal(fake.reply.code, DOTS_CODE(4, 4));
    assert_true(fake.reply.body_length > 0); /* section 3: MUST include a diagnostic payload */
    fake_request(fake_session("udp"), "hb", DOTS_GET, NULL);
    assert_int_equal(fake.reply.code, DOTS_CODE(4, 5));
    fake_request(fake_session("udp"), "hb", DOTS_PUT, NULL);
    assert_int_equal(fake.reply.code, DOTS_CODE(4, 15));
    fake_request(fake_session("udp"), "hb", DOTS_PUT, &config);
    assert_int_equal(fake.reply.code, DOTS_CODE(4, 0));
}

/* ---- Configuration ---- */

static void test_rfc9132_4_5_config_is_asked_for_confirmably_and_put_with_a_sid(void **state)
{
    struct wire_message *message;
    const struct fake_sent *get, *put;

    (void)state;
    connected(false);
    get = fake_find(DOTS_GET, "/config", 0);
    put = fake_find(DOTS_PUT, "/config", 0);
    assert_string_equal(get->path, ".well-known/dots/config");
    assert_true(get->confirmable);
    assert_int_equal(get->observe, 0);
    assert_string_equal(put->path, ".well-known/dots/config/sid=1");
    assert_true(put->confirmable);
    message = decode(put);
    assert_true(message->config.has_mitigating && message->config.has_idle);
    assert_int_equal(message->config.mitigating[WIRE_HEARTBEAT_INTERVAL].current, 15);
    assert_int_equal(message->config.idle[WIRE_HEARTBEAT_INTERVAL].current, 60);
    assert_int_equal(message->config.idle[WIRE_ACK_TIMEOUT].current, 300);
    wire_free(message);
    assert_int_equal(link_parameters(fixture.link)[WIRE_HEARTBEAT_INTERVAL], 60);
    assert_int_equal(fake_session("udp")->transmission.ack_timeout, 300);
    assert_int_equal(fake_session("udp")->transmission.max_retransmit, 4);
}

static void test_rfc9132_4_5_2_sid_is_not_used_before_it_is_handed_in_and_rises(void **state)
{
    (void)state;
    fixture.withhold_sid = true;
    connected(false);
    assert_int_equal(fixture.sids_wanted, 1);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 0);
    link_set_sid(fixture.link, 4711);
    fake_run(100);
    assert_string_equal(fake_find(DOTS_PUT, "/config", 0)->path, ".well-known/dots/config/sid=4711");
    link_set_sid(fixture.link, 4712); /* nobody asked */
    fake_run(1000);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 1);
}

static void test_rfc9132_4_5_must_switch_parameters_with_the_attack(void **state)
{
    unsigned before;

    (void)state;
    connected(false);
    fake_run(60000);
    before = fake_count(DOTS_PUT, "/hb");
    link_set_mitigating(fixture.link, true);
    assert_int_equal(link_parameters(fixture.link)[WIRE_HEARTBEAT_INTERVAL], 15);
    assert_int_equal(fake_session("udp")->transmission.ack_timeout, 200);
    fake_run(60000);
    assert_in_range(fake_count(DOTS_PUT, "/hb") - before, 3, 4);
    link_set_mitigating(fixture.link, false);
    before = fake_count(DOTS_PUT, "/hb");
    fake_run(180000);
    assert_in_range(fake_count(DOTS_PUT, "/hb") - before, 2, 3);
}

static void test_negotiation_does_not_delay_a_mitigation_request(void **state)
{
    struct answered answered = {0};

    (void)state;
    fixture.silent_config = true;
    fixture_link(true);
    fixture_put(&answered);
    fake_run(100);
    assert_int_equal(answered.count, 1);
}

static void test_server_without_config_leaves_the_recommended_values(void **state)
{
    (void)state;
    fixture.config_get_code = DOTS_CODE(4, 5);
    connected(true);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 0);
    assert_int_equal(link_parameters(fixture.link)[WIRE_HEARTBEAT_INTERVAL], 30);
    assert_int_equal(link_parameters(fixture.link)[WIRE_MISSING_HB_ALLOWED], 15);
    fake_run(3600000);
    assert_int_equal(fake_count(DOTS_GET, "/config"), 1);
    assert_in_range(fake_count(DOTS_PUT, "/hb"), 119, 121);
}

static void give_up(const struct fake_sent *sent)
{
    sent->session->endpoint->handlers->nack(sent->session->endpoint->arg, sent->session, &sent->token,
                                            DOTS_NACK_TIMEOUT);
}

static void test_heartbeats_begin_after_a_negotiation_that_failed(void **state)
{
    (void)state;
    fixture.silent_config = true;
    connected(false);
    fake_run(44000);
    assert_int_equal(fake_count(DOTS_PUT, "/hb"), 0);
    give_up(fake_find(DOTS_GET, "/config", 0));
    fake_run(31000);
    assert_int_equal(fake_count(DOTS_PUT, "/hb"), 1);
    fixture.silent_config = false;
    fake_run(300000); /* and it is tried again */
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 1);
    assert_int_equal(link_parameters(fixture.link)[WIRE_HEARTBEAT_INTERVAL], 60);
}

static void test_rfc9132_4_5_2_after_4_22_get_again_and_retry_once_with_a_higher_sid(void **state)
{
    (void)state;
    fixture.put_refusals = 1;
    connected(false);
    assert_int_equal(fake_count(DOTS_GET, "/config"), 2);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 2);
    assert_string_equal(fake_find(DOTS_PUT, "/config", 1)->path, ".well-known/dots/config/sid=2");
    assert_int_equal(link_parameters(fixture.link)[WIRE_HEARTBEAT_INTERVAL], 60);
}

static void test_config_refused_twice_is_left_alone(void **state)
{
    struct wire_message message = {
        .type = WIRE_SIGNAL_CONFIG,
        .config = {.has_mitigating = true,
                   .mitigating = {[WIRE_HEARTBEAT_INTERVAL] = {true, true, true, 240, 15, 30}}}};
    struct fake_event *event;

    (void)state;
    fixture.put_refusals = 99;
    fixture.config_max_age = 60;
    connected(false);
    fake_run(3600000);
    event = fake_answer(fake_find(DOTS_GET, "/config", 0), DOTS_CODE(2, 5), &message, 0);
    event->response.observe = 2; /* nor does a notification begin it anew */
    event->response.max_age = 60;
    fake_run(3600000);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 2);
    assert_string_equal(fixture.events, "config-refused ");
    assert_int_equal(link_parameters(fixture.link)[WIRE_HEARTBEAT_INTERVAL], 30);
}

static void test_rfc9132_4_5_3_refreshed_with_sid_before_max_age_expires(void **state)
{
    const struct fake_sent *get;

    (void)state;
    fixture.config_max_age = 600;
    connected(false);
    fake_run(449000);
    assert_int_equal(fake_count(DOTS_GET, "sid=1"), 0);
    fake_run(150000);
    get = fake_find(DOTS_GET, "sid=1", 0);
    assert_non_null(get);
    assert_true(get->confirmable);
    fake_run(450000);
    assert_int_equal(fake_count(DOTS_GET, "sid=1"), 2);
}

static void test_rfc9132_4_5_3_refresh_must_not_be_sent_in_an_attack(void **state)
{
    (void)state;
    fixture.config_max_age = 60;
    connected(true);
    fake_run(3600000);
    assert_int_equal(fake_count(DOTS_GET, "sid="), 0);
    assert_int_equal(fake_count(DOTS_GET, "/config"), 1);
    link_set_mitigating(fixture.link, false);
    fake_run(100);
    assert_int_equal(fake_count(DOTS_GET, "sid=1"), 1); /* overdue: now */
}

static void test_rfc9132_4_5_3_without_max_age_refreshed_each_60_s(void **state)
{
    (void)state;
    fixture.config_max_age = -1;
    connected(false);
    fake_run(600000);
    assert_in_range(fake_count(DOTS_GET, "sid=1"), 10, 14);
}

static void test_config_forgotten_by_the_server_is_negotiated_again(void **state)
{
    (void)state;
    fixture.config_max_age = 600;
    connected(false);
    fixture.config_get_code = DOTS_CODE(4, 4);
    for (unsigned i = 0; i < 200000 && !fake_count(DOTS_GET, "sid=1"); i++)
        fake_run(5);
    assert_int_equal(fake_count(DOTS_GET, "sid=1"), 1);
    fixture.config_get_code = 0;
    fake_run(10000);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 2);
    assert_string_equal(fake_last(DOTS_PUT, "/config")->path, ".well-known/dots/config/sid=2");
}

static void test_rfc9132_4_5_3_notified_change_of_configuration_is_followed(void **state)
{
    struct wire_message message = {.type = WIRE_SIGNAL_CONFIG, .config = {.has_idle = true}};
    struct fake_event *event;

    (void)state;
    connected(false);
    fixture.interval_idle = 0;
    message.config.idle[WIRE_HEARTBEAT_INTERVAL] = (struct wire_config_value){true, true, true, 240, 15, 0};
    event = fake_answer(fake_find(DOTS_GET, "/config", 0), DOTS_CODE(2, 5), &message, 0);
    event->response.observe = 2;
    fake_run(10);
    assert_int_equal(link_parameters(fixture.link)[WIRE_HEARTBEAT_INTERVAL], 0);
    fake_run(600000);
    assert_int_equal(fake_count(DOTS_PUT, "/hb"), 0); /* "cease heartbeats" */
}

static void test_rfc9132_4_5_new_session_is_negotiated_anew(void **state)
{
    (void)state;
    connected(true);
    fake_run(70000);
    fake_down(fake_session("udp"), DOTS_DOWN_LOST, "gone", 0);
    fake_run(1000);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 2);
    assert_string_equal(fake_last(DOTS_PUT, "/config")->path, ".well-known/dots/config/sid=2");
}

static void test_garbage_as_configuration_is_survived(void **state)
{
    struct wire_message beat = {.type = WIRE_HEARTBEAT};

    (void)state;
    fixture.silent_config = true;
    connected(false);
    fake_answer(fake_find(DOTS_GET, "/config", 0), DOTS_CODE(2, 5), &beat, 0);
    fake_run(1000);
    assert_int_equal(link_parameters(fixture.link)[WIRE_HEARTBEAT_INTERVAL], 30);
    fake_run(60000);
    assert_true(fake_count(DOTS_PUT, "/hb") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        link_test(test_rfc9132_4_7_heartbeat_is_non_confirmable_put_without_cuid),
        link_test(test_rfc9132_4_7_peer_hb_status_says_whether_the_server_is_heard),
        link_test(test_heartbeat_answered_twice_is_not_wanted_twice),
        link_test(test_requests_of_the_server_other_than_heartbeats_are_refused),
        link_test(test_rfc9132_4_5_config_is_asked_for_confirmably_and_put_with_a_sid),
        link_test(test_rfc9132_4_5_2_sid_is_not_used_before_it_is_handed_in_and_rises),
        link_test(test_rfc9132_4_5_must_switch_parameters_with_the_attack),
        link_test(test_negotiation_does_not_delay_a_mitigation_request),
        link_test(test_server_without_config_leaves_the_recommended_values),
        link_test(test_heartbeats_begin_after_a_negotiation_that_failed),
        link_test(test_rfc9132_4_5_2_after_4_22_get_again_and_retry_once_with_a_higher_sid),
        link_test(test_config_refused_twice_is_left_alone),
        link_test(test_rfc9132_4_5_3_refreshed_with_sid_before_max_age_expires),
        link_test(test_rfc9132_4_5_3_refresh_must_not_be_sent_in_an_attack),
        link_test(test_rfc9132_4_5_3_without_max_age_refreshed_each_60_s),
        link_test(test_config_forgotten_by_the_server_is_negotiated_again),
        link_test(test_rfc9132_4_5_3_notified_change_of_configuration_is_followed),
        link_test(test_rfc9132_4_5_new_session_is_negotiated_anew),
        link_test(test_garbage_as_configuration_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
