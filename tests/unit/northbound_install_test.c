/* Installs of the relay on their way to an upstream and back: RFC 9132 section 4.4, in played time. */
/* links: northbound_signal */

#include "tests/unit/northbound_gateway_fixture.h"

static struct upstream_cuid *started(void)
{
    struct upstream_cuid *cuid = add_cuid("dz6pHjaADkaFTbjr0JGBpw", "", NULL);

    northbound_start(world.northbound);
    run(1000);
    return cuid;
}

static void test_rfc9132_4_4_1_1_put_names_cuid_then_mid(void **state)
{
    struct install *install = add_install(started(), 7, 1);
    struct wire_message *message = NULL;
    struct wire_error error;
    const struct fake_sent *sent;

    (void)state;
    northbound_install(world.northbound, install);
    run(100);
    sent = fake_find(DOTS_PUT, "mitigate", 0);
    assert_string_equal(sent->path, ".well-known/dots/mitigate/cuid=dz6pHjaADkaFTbjr0JGBpw/mid=7");
    assert_false(sent->confirmable);
    assert_false(sent->if_match);
    assert_int_equal(sent->hop_limit, 15);
    assert_int_equal(wire_decode_cbor(sent->body, sent->body_length, WIRE_TO_SERVER, &message, &error), 0);
    assert_int_equal(message->scopes[0].lifetime, 3600); /* clients MUST include it */
    wire_free(message);
    assert_int_equal(told(TOLD_ANSWER, install), 1);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 201);
    assert_int_equal(fake_count(DOTS_PUT, "mid=7"), 1);
}

static void test_rfc9132_4_4_1_2_cdid_must_be_positioned_before_cuid(void **state)
{
    struct upstream_cuid *cuid = add_cuid("c", "7eeaf349529eb55ed50113", NULL);
    struct install *install = add_install(cuid, 1, 1);

    (void)state;
    northbound_start(world.northbound);
    northbound_install(world.northbound, install);
    run(1000);
    assert_string_equal(fake_find(DOTS_PUT, "mitigate", 0)->path,
                        ".well-known/dots/mitigate/cdid=7eeaf349529eb55ed50113/cuid=c/mid=1");
    assert_non_null(fake_find(DOTS_GET, "mitigate/cdid=7eeaf349529eb55ed50113/cuid=c", 0));
    install->wanted = false;
    northbound_withdraw(world.northbound, install);
    run(100);
    assert_string_equal(fake_find(DOTS_DELETE, "mitigate", 0)->path,
                        ".well-known/dots/mitigate/cdid=7eeaf349529eb55ed50113/cuid=c/mid=1");
}

static void test_install_before_there_is_a_session_is_delivered_when_there_is(void **state)
{
    struct upstream_cuid *cuid = add_cuid("c", "", NULL);
    struct install *install = add_install(cuid, 1, 1);

    (void)state;
    fake_path("192.0.2.1", DOTS_UDP, FAKE_REFUSED, 1);
    northbound_start(world.northbound);
    northbound_install(world.northbound, install);
    run(30000);
    assert_int_equal(told(TOLD_ANSWER, install), 0);
    assert_int_equal(told(TOLD_DOWN, NULL), 1);
    assert_string_equal(world.events, "upstream-down ");
    fake_path("192.0.2.1", DOTS_UDP, FAKE_UP, 40);
    run(60000);
    assert_int_equal(told(TOLD_ANSWER, install), 1);
    assert_string_equal(world.events, "upstream-down upstream-up ");
}

static struct install *waiting;

static void send_waiting(void)
{
    northbound_install(world.northbound, waiting);
}

static void test_what_waits_goes_out_before_the_repair(void **state)
{
    struct install *install = add_install(add_cuid("c", "", NULL), 1, 1);
    size_t put = 0, list = 0;

    (void)state;
    waiting = install;
    world.on_up = send_waiting; /* the relay sends again what it waits for */
    northbound_install(world.northbound, install);
    northbound_start(world.northbound);
    run(1000);
    while (!strstr(fake.sent[put].path, "mid=1") || fake.sent[put].method != DOTS_PUT)
        put++;
    while (!strstr(fake.sent[list].path, "/cuid=c") || strstr(fake.sent[list].path, "mid="))
        list++;
    assert_true(put < list);
    assert_int_equal(fake_count(DOTS_PUT, "mid=1"), 1); /* superseded, not doubled */
    assert_int_equal(told(TOLD_UP, NULL), 1);
}

static void test_rfc9132_4_4_3_efficacy_update_is_conditional(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    northbound_install(world.northbound, install);
    run(1000);
    install->if_match = true;
    northbound_install(world.northbound, install);
    run(1000);
    assert_true(fake_find(DOTS_PUT, "mid=3", 1)->if_match);
    assert_int_equal(told(TOLD_ANSWER, install), 2);
}

static void test_rfc9132_4_4_3_ignored_efficacy_update_finds_out_that_the_mid_is_gone(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    northbound_install(world.northbound, install);
    run(1000);
    world.installed[3] = false; /* the server has lost it */
    install->if_match = true;
    northbound_install(world.northbound, install);
    run(NORTH_EFFICACY_MS + 1000);
    assert_int_equal(told(TOLD_UNKNOWN, install), 1);
    unsigned puts = fake_count(DOTS_PUT, "mid=3");

    run(60000);
    assert_int_equal(fake_count(DOTS_PUT, "mid=3"), puts); /* not for ever */
}

static void test_rfc9132_4_4_3_lost_efficacy_update_is_sent_again_when_the_mid_is_there(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    northbound_install(world.northbound, install);
    run(1000);
    world.installed[3] = false; /* for a moment: what is silent looks the same as what is lost */
    install->if_match = true;
    northbound_install(world.northbound, install);
    run(NORTH_EFFICACY_MS - 5000);
    world.installed[3] = true;
    world.silent = true;
    run(5000);
    world.silent = false;
    run(5000);
    assert_int_equal(told(TOLD_UNKNOWN, install), 0);
    assert_int_equal(told(TOLD_ANSWER, install), 2);
}

static void test_notified_4_04_does_not_count_while_it_is_being_put(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    northbound_install(world.northbound, install);
    run(1000);
    world.silent = true;
    northbound_install(world.northbound, install); /* a refresh is under way */
    run(10);
    fake_answer(fake_find(DOTS_GET, "mid=3", 0), DOTS_CODE(4, 4), NULL, 0);
    run(10);
    assert_int_equal(told(TOLD_UNKNOWN, install), 0);
    world.silent = false;
    run(5000);
    assert_int_equal(told(TOLD_ANSWER, install), 2);
    assert_int_equal(fake_count(DOTS_GET, "mid=3"), 2); /* observed anew after it */
}

static void test_refusal_comes_back_with_code_and_reason(void **state)
{
    struct install *install = add_install(started(), 3, 1);
    struct fake_event *event;

    (void)state;
    world.silent = true;
    northbound_install(world.northbound, install);
    run(10);
    event = fake_answer(fake_last(DOTS_PUT, "mid=3"), DOTS_CODE(4, 3), NULL, 0);
    memcpy(event->body, "not\x07yours\xff", 10);
    event->response.body_length = 10;
    event->response.max_age = 77;
    run(10);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 403);
    assert_string_equal(told_last(TOLD_ANSWER)->diagnostic, "not?yours?");
    assert_int_equal(told_last(TOLD_ANSWER)->max_age, 77);
    assert_false(told_last(TOLD_ANSWER)->has_body);
}

static void test_rfc9132_4_4_1_1_cuid_collision_comes_back_with_its_body(void **state)
{
    struct wire_conflict conflict = {.cause = WIRE_CAUSE_CUID};
    struct wire_scope scope = {.trigger = true, .conflict = &conflict};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    world.silent = true;
    northbound_install(world.northbound, install);
    run(10);
    fake_answer(fake_last(DOTS_PUT, "mid=3"), DOTS_CODE(4, 9), &message, 0);
    run(10);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 409);
    assert_true(told_last(TOLD_ANSWER)->has_body);
}

static void test_rfc9132_7_3_too_large_request_is_refused_with_the_sizes(void **state)
{
    struct install *install = add_install(started(), 3, 100);

    (void)state;
    fake.message_max = 1200;
    northbound_install(world.northbound, install);
    assert_int_equal(told(TOLD_ANSWER, install), 0); /* effects must not call back */
    run(100);
    assert_int_equal(told(TOLD_ANSWER, install), 1);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 413);
    assert_non_null(strstr(told_last(TOLD_ANSWER)->diagnostic, "1200"));
    assert_non_null(strstr(told_last(TOLD_ANSWER)->diagnostic, "isp"));
}

static void test_rfc9132_4_4_4_withdrawn_with_delete_until_answered(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    northbound_install(world.northbound, install);
    run(1000);
    world.silent = true;
    install->wanted = false;
    northbound_withdraw(world.northbound, install);
    run(5000);
    assert_true(fake_count(DOTS_DELETE, "mid=3") >= 3);
    assert_false(fake_find(DOTS_DELETE, "mid=3", 0)->confirmable);
    world.silent = false;
    run(5000);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 202);
    assert_int_equal(told(TOLD_ANSWER, install), 2);
    assert_int_equal(fake_last(DOTS_GET, "mid=3")->observe, 1); /* deregistered: RECOMMENDED in section 4.4.2.1 */
}

static void forget_it(struct install *install)
{
    forget(install, NULL);
}

static void test_relay_may_forget_the_install_while_its_answer_is_told(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    northbound_install(world.northbound, install);
    run(1000);
    world.on_answer = forget_it;
    install->wanted = false;
    northbound_withdraw(world.northbound, install);
    run(1000);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 202);
    fake.resets = 0;
    fake_answer(fake_find(DOTS_GET, "mid=3", 0), DOTS_CODE(2, 5), NULL, 0)->response.observe = 0x700000;
    run(1000);
    assert_int_equal(fake.resets, 1);
}

static void test_put_in_flight_gives_way_to_the_withdrawal(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    world.silent = true;
    northbound_install(world.northbound, install);
    run(3000);
    install->wanted = false;
    northbound_withdraw(world.northbound, install);
    unsigned puts = fake_count(DOTS_PUT, "mid=3");

    run(30000);
    assert_int_equal(fake_count(DOTS_PUT, "mid=3"), puts);
    world.silent = false;
    run(30000);
    assert_false(world.installed[3]);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 202);
}

static void test_rfc9132_4_6_redirect_is_followed_and_not_reported(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    fake_path("198.51.100.7", DOTS_UDP, FAKE_UP, 40);
    world.redirect_to = "alt.example";
    world.redirect_max_age = 3600;
    northbound_install(world.northbound, install);
    run(2000);
    assert_int_equal(told(TOLD_ANSWER, install), 1);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 201);
    assert_string_equal(fake_last(DOTS_PUT, "mid=3")->host, "alt.example");
    assert_int_equal(told(TOLD_UP, NULL), 2);
}

static void test_rfc9132_4_6_circle_is_reported_as_5_03_and_alerted(void **state)
{
    struct install *install = add_install(started(), 3, 1);

    (void)state;
    world.redirect_to = "a.example";
    world.redirect_max_age = 86400;
    northbound_install(world.northbound, install);
    run(2000);
    assert_int_equal(told(TOLD_ANSWER, install), 1);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 503);
    assert_int_equal(told_last(TOLD_ANSWER)->max_age, 60); /* not the alternate server's TTL */
    assert_non_null(strstr(told_last(TOLD_ANSWER)->diagnostic, "a.example"));
    assert_non_null(strstr(world.events, "redirect-loop"));
}

static void test_garbage_in_an_answer_is_survived(void **state)
{
    struct install *install = add_install(started(), 3, 1);
    struct fake_event *event;

    (void)state;
    world.silent = true;
    northbound_install(world.northbound, install);
    run(10);
    event = fake_answer(fake_last(DOTS_PUT, "mid=3"), DOTS_CODE(2, 1), NULL, 0);
    event->response.content_format = DOTS_CONTENT_FORMAT;
    event->response.body_length = 3000;
    memset(event->body, 0x9f, 3000);
    run(10);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 201);
    assert_false(told_last(TOLD_ANSWER)->has_body);
    assert_non_null(strstr(world.events, "upstream-answer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        gateway_test(test_rfc9132_4_4_1_1_put_names_cuid_then_mid),
        gateway_test(test_rfc9132_4_4_1_2_cdid_must_be_positioned_before_cuid),
        gateway_test(test_install_before_there_is_a_session_is_delivered_when_there_is),
        gateway_test(test_what_waits_goes_out_before_the_repair),
        gateway_test(test_rfc9132_4_4_3_efficacy_update_is_conditional),
        gateway_test(test_rfc9132_4_4_3_ignored_efficacy_update_finds_out_that_the_mid_is_gone),
        gateway_test(test_rfc9132_4_4_3_lost_efficacy_update_is_sent_again_when_the_mid_is_there),
        gateway_test(test_notified_4_04_does_not_count_while_it_is_being_put),
        gateway_test(test_refusal_comes_back_with_code_and_reason),
        gateway_test(test_rfc9132_4_4_1_1_cuid_collision_comes_back_with_its_body),
        gateway_test(test_rfc9132_7_3_too_large_request_is_refused_with_the_sizes),
        gateway_test(test_rfc9132_4_4_4_withdrawn_with_delete_until_answered),
        gateway_test(test_relay_may_forget_the_install_while_its_answer_is_told),
        gateway_test(test_put_in_flight_gives_way_to_the_withdrawal),
        gateway_test(test_rfc9132_4_6_redirect_is_followed_and_not_reported),
        gateway_test(test_rfc9132_4_6_circle_is_reported_as_5_03_and_alerted),
        gateway_test(test_garbage_in_an_answer_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
