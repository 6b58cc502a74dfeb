/* Observations of a link: RFC 7641, in played time. */
/* links: northbound_signal */

#include "tests/unit/northbound_link_fixture.h"

static void connected(bool mitigating)
{
    fixture_link(mitigating);
    fake_run(1000);
    assert_true(link_is_up(fixture.link));
}

static void notify(const struct fake_sent *sent, int32_t sequence, uint8_t code)
{
    fake_answer(sent, code, NULL, 0)->response.observe = sequence;
    fake_run(1);
}

static void test_rfc7641_3_4_older_notifications_are_not_told(void **state)
{
    struct answered answered = {0};
    const struct fake_sent *sent;

    (void)state;
    connected(false);
    fixture_observe(&answered);
    fake_run(100);
    sent = fake_find(DOTS_GET, "mitigate", 0);
    assert_int_equal(sent->observe, 0);
    assert_false(sent->confirmable);
    assert_int_equal(answered.count, 1);
    notify(sent, 12, DOTS_CODE(2, 5));
    assert_int_equal(answered.count, 2);
    notify(sent, 11, DOTS_CODE(2, 5));
    notify(sent, 12, DOTS_CODE(2, 5));
    assert_int_equal(answered.count, 2);
    fake_run(129000);
    notify(sent, 3, DOTS_CODE(2, 5));
    assert_int_equal(answered.count, 3);
    assert_int_equal(fake.resets, 0);
}

static void test_rfc7641_3_3_1_registered_again_with_the_same_token(void **state)
{
    struct answered answered = {0};
    struct exchange *exchange;
    struct fake_sent *first;

    (void)state;
    connected(false);
    exchange = fixture_observe(&answered);
    fake_run(100);
    first = fake_find(DOTS_GET, "mitigate", 0);
    link_repeat(exchange);
    fake_run(100);
    assert_int_equal(fake_count(DOTS_GET, "mitigate"), 2);
    assert_memory_equal(&fake_find(DOTS_GET, "mitigate", 1)->token, &first->token, sizeof(first->token));
    assert_int_equal(fake_find(DOTS_GET, "mitigate", 1)->observe, 0);
    assert_int_equal(answered.count, 2); /* also when the server's number is the same as before */
}

static void test_numbers_of_an_old_session_say_nothing_about_a_new_one(void **state)
{
    struct answered answered = {0};
    struct exchange *exchange;

    (void)state;
    connected(false);
    exchange = fixture_observe(&answered);
    fake_run(100);
    notify(fake_find(DOTS_GET, "mitigate", 0), 0x1000, DOTS_CODE(2, 5));
    fake_down(fake_session("udp"), DOTS_DOWN_LOST, "gone", 0);
    fake_run(2000);
    link_repeat(exchange);
    fake_run(100); /* registered with the number 10 */
    assert_int_equal(answered.count, 3);
}

static void test_notification_of_the_old_registration_is_wanted_meanwhile(void **state)
{
    struct answered answered = {0};
    struct exchange *exchange;

    (void)state;
    connected(false);
    exchange = fixture_observe(&answered);
    fake_run(100);
    link_repeat(exchange);
    notify(fake_find(DOTS_GET, "mitigate", 0), 11, DOTS_CODE(2, 5));
    fake_run(100);
    assert_int_equal(fake.resets, 0);
    assert_int_equal(answered.count, 2);
}

static void test_rfc7641_3_6_deregistered_with_the_same_token(void **state)
{
    struct answered answered = {0};
    struct exchange *exchange;
    struct fake_sent *first, *last;

    (void)state;
    connected(false);
    exchange = fixture_observe(&answered);
    fake_run(100);
    link_cancel(exchange, true);
    fake_run(100);
    first = fake_find(DOTS_GET, "mitigate", 0);
    last = fake_last(DOTS_GET, "mitigate");
    assert_int_equal(fake_count(DOTS_GET, "mitigate"), 2);
    assert_int_equal(last->observe, 1);
    assert_memory_equal(&last->token, &first->token, sizeof(first->token));
    assert_string_equal(last->path, first->path);
    fake.resets = 0;
    notify(first, 13, DOTS_CODE(2, 5));
    assert_int_equal(fake.resets, 1);
    assert_int_equal(answered.count, 1);
}

static void test_error_ends_an_observation_until_it_is_repeated(void **state)
{
    struct answered answered = {0};
    struct exchange *exchange;

    (void)state;
    connected(false);
    exchange = fixture_observe(&answered);
    fake_run(100);
    notify(fake_find(DOTS_GET, "mitigate", 0), -1, DOTS_CODE(4, 4));
    assert_int_equal(answered.count, 2);
    assert_int_equal(answered.code, DOTS_CODE(4, 4));
    fake_run(600000);
    assert_int_equal(fake_count(DOTS_GET, "mitigate"), 1);
    link_repeat(exchange);
    fake_run(100);
    assert_int_equal(answered.count, 3);
}

static struct exchange *suicide;

static void on_answer_cancel(void *arg, enum link_result result, const struct dots_response *response)
{
    on_answer(arg, result, response);
    link_cancel(suicide, true);
}

static void on_answer_close(void *arg, enum link_result result, const struct dots_response *response)
{
    on_answer(arg, result, response);
    link_close(fixture.link);
}

static void test_observation_may_be_cancelled_from_its_own_handler(void **state)
{
    static const char *const path[] = {".well-known", "dots", "mitigate", "cuid=x"};
    struct link_request request = {.method = DOTS_GET, .path = path, .path_count = 4, .observe = true};
    struct answered answered = {0};

    (void)state;
    connected(false);
    suicide = link_request(fixture.link, &request, on_answer_cancel, &answered);
    fake_run(1000);
    assert_int_equal(answered.count, 1);
}

static void test_link_may_be_closed_from_a_handler(void **state)
{
    static const char *const path[] = {".well-known", "dots", "mitigate", "cuid=x"};
    struct link_request request = {.method = DOTS_GET, .path = path, .path_count = 4};
    struct answered answered = {0}, other = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        connected(false);
        request.observe = i == 1;
        link_request(fixture.link, &request, on_answer_close, &answered);
        fixture_put(&other);
        fake_run(1000);
        assert_int_equal(answered.count, i + 1);
    }
    fake.message_max = 100;
    connected(false);
    request.body = (const uint8_t *)"................................................";
    request.body_length = 48;
    link_request(fixture.link, &request, on_answer_close, &answered);
    fixture_put(&other);
    fake_run(1000);
    assert_int_equal(answered.result, LINK_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        link_test(test_rfc7641_3_4_older_notifications_are_not_told),
        link_test(test_rfc7641_3_3_1_registered_again_with_the_same_token),
        link_test(test_numbers_of_an_old_session_say_nothing_about_a_new_one),
        link_test(test_notification_of_the_old_registration_is_wanted_meanwhile),
        link_test(test_rfc7641_3_6_deregistered_with_the_same_token),
        link_test(test_error_ends_an_observation_until_it_is_repeated),
        link_test(test_observation_may_be_cancelled_from_its_own_handler),
        link_test(test_link_may_be_closed_from_a_handler),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
