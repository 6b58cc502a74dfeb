/* Requests of a link: repeated until answered, paced, observed: RFC 9132 section 4.4, RFC 7641, in played time. */
/* links: northbound_signal */

#include "tests/unit/northbound_link_fixture.h"

static void connected(bool mitigating)
{
    fixture_link(mitigating);
    fake_run(1000);
    assert_true(link_is_up(fixture.link));
}

static void test_rfc9132_4_4_mitigation_requests_are_non_confirmable(void **state)
{
    struct answered answered = {0};
    struct fake_sent *sent;

    (void)state;
    connected(true);
    fixture_put(&answered);
    fake_run(100);
    sent = fake_find(DOTS_PUT, "mitigate", 0);
    assert_non_null(sent);
    assert_false(sent->confirmable);
    assert_string_equal(sent->path, ".well-known/dots/mitigate/cuid=dz6pHjaADkaFTbjr0JGBpw/mid=1");
    assert_int_equal(sent->content_format, DOTS_CONTENT_FORMAT);
    assert_int_equal(sent->hop_limit, 15);
    assert_int_equal(sent->observe, -1);
    assert_false(sent->if_match);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.code, DOTS_CODE(2, 1));
}

static void test_rfc9132_4_4_repeated_with_the_same_token_until_answered(void **state)
{
    struct answered answered = {0};
    struct fake_sent *first;

    (void)state;
    connected(false);
    fixture.silent_mitigate = true;
    fixture_put(&answered);
    fake_run(LINK_SUSPECT_MS - 1000); /* before a second session is tried as well */
    assert_in_range(fake_count(DOTS_PUT, "mitigate"), 4, 20);
    first = fake_find(DOTS_PUT, "mitigate", 0);
    for (unsigned i = 1; i < fake_count(DOTS_PUT, "mitigate"); i++) {
        const struct fake_sent *sent = fake_find(DOTS_PUT, "mitigate", i);

        assert_memory_equal(&sent->token, &first->token, sizeof(first->token));
        assert_true(sent->at - fake_find(DOTS_PUT, "mitigate", i - 1)->at >= PACE_REPEAT_MIN_MS);
    }
    fixture.silent_mitigate = false;
    fake_run(20000);
    assert_int_equal(answered.count, 1);
    unsigned count = fake_count(DOTS_PUT, "mitigate");

    fake_run(60000);
    assert_int_equal(fake_count(DOTS_PUT, "mitigate"), count); /* and no more after that */
}

static void test_rfc9132_4_4_without_rtt_must_not_send_more_than_one_every_3_s(void **state)
{
    struct answered answered[40] = {0};
    uint64_t began;
    size_t before;

    (void)state;
    connected(true);
    fixture.silent = true;
    fake_run(PACE_STALE_MS + 60000); /* the estimate is gone */
    for (size_t i = 0; i < 40; i++)
        fixture_put(&answered[i]);
    fake_run(60000); /* the burst is used up */
    before = fake_count(DOTS_PUT, "mitigate");
    began = fake.now;
    fake_run(300000);
    assert_in_range(fake_count(DOTS_PUT, "mitigate") - before, 50, (fake.now - began) / 3000 + 1);
}

static void test_answer_that_comes_late_and_twice_is_told_once(void **state)
{
    struct answered answered = {0};
    const struct fake_sent *sent;

    (void)state;
    connected(false);
    fixture.silent_mitigate = true;
    fixture_put(&answered);
    fake_run(10000);
    sent = fake_find(DOTS_PUT, "mitigate", 0);
    fake_answer(sent, DOTS_CODE(2, 1), NULL, 5);
    fake_answer(sent, DOTS_CODE(2, 4), NULL, 10);
    fake_answer(sent, DOTS_CODE(2, 4), NULL, 15000);
    fake.resets = 0;
    fake_run(30000);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.code, DOTS_CODE(2, 1));
    assert_int_equal(fake.resets, 2); /* unknown tokens get a Reset */
}

static void test_request_made_before_there_is_a_session_goes_out_when_there_is(void **state)
{
    struct answered answered = {0};

    (void)state;
    fixture_link(false);
    fixture_put(&answered);
    fake_run(1000);
    assert_int_equal(answered.count, 1);
    assert_int_equal(fake_count(DOTS_PUT, "mitigate"), 1);
}

static void test_unanswered_request_is_sent_again_on_the_next_session(void **state)
{
    struct answered answered = {0};
    struct dots_session *old;

    (void)state;
    connected(true);
    fake_run(70000);
    old = fake_session("udp");
    fixture.silent = true;
    fixture_put(&answered);
    fake_run(2000);
    fake_down(old, DOTS_DOWN_LOST, "gone", 0);
    fixture.silent = false;
    fake_run(1000);
    assert_int_equal(answered.count, 1);
    assert_int_equal(fixture.ups, 2);
}

static void over_tcp(void)
{
    fake_path(V6, DOTS_UDP, FAKE_REFUSED, 1);
    fake_path(V4, DOTS_UDP, FAKE_REFUSED, 1);
    connected(true);
    assert_non_null(strstr(link_text(fixture.link), "/tcp"));
}

static void test_over_tcp_sent_once_and_again_only_on_a_new_session(void **state)
{
    struct answered answered = {0};

    (void)state;
    over_tcp();
    fake_run(70000);
    fixture.silent_mitigate = true;
    fixture_put(&answered);
    fake_run(9000);
    assert_int_equal(fake_count(DOTS_PUT, "mitigate"), 1);
    fake_down(fake_session("tcp"), DOTS_DOWN_LOST, "reset", 0);
    fixture.silent_mitigate = false;
    fake_run(2000);
    assert_int_equal(fake_count(DOTS_PUT, "mitigate"), 2);
    assert_int_equal(answered.count, 1);
}

static void test_rfc9132_7_3_request_that_does_not_fit_a_datagram(void **state)
{
    static const char *const path[] = {".well-known", "dots", "mitigate", "cuid=x", "mid=1"};
    static const uint8_t body[1300];
    struct link_request request = {
        .method = DOTS_PUT, .path = path, .path_count = 5, .body = body, .body_length = sizeof(body)};
    struct answered answered = {0};

    (void)state;
    fake.message_max = 1200;
    connected(false);
    assert_non_null(link_request(fixture.link, &request, on_answer, &answered));
    assert_int_equal(answered.count, 0); /* never from inside link_request */
    fake_run(10);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.result, LINK_TOO_LARGE);
    assert_int_equal(link_message_max(fixture.link), 1200);
}

static void test_burst_of_requests_is_paced_and_all_are_answered(void **state)
{
    static struct answered answered[1000];
    size_t early;

    (void)state;
    memset(answered, 0, sizeof(answered));
    connected(true);
    fixture.rtt = 50;
    for (size_t i = 0; i < 1000; i++)
        assert_non_null(fixture_put(&answered[i]));
    fake_run(49);
    early = fake_count(DOTS_PUT, "mitigate");
    assert_in_range(early, 1, PACE_WINDOW + 2);
    fake_run(1500); /* a window each round trip: an answer makes room for the next request at once */
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(answered[i].count, 1);
    assert_int_equal(fake_count(DOTS_PUT, "mitigate"), 1000);
}

/* 40 % of the datagrams are lost each way. */
static void lossy(const struct fake_sent *sent)
{
    struct dots_token random;

    dots_token_new(&random);
    if (random.bytes[0] < 102 || random.bytes[1] < 102)
        return;
    serve(sent);
}

static void test_at_40_percent_loss_both_ways_every_request_is_answered_once(void **state)
{
    static struct answered answered[300];

    (void)state;
    memset(answered, 0, sizeof(answered));
    connected(true);
    fake.server = lossy;
    for (size_t i = 0; i < 300; i++)
        assert_non_null(fixture_put(&answered[i]));
    fake_run(120000);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(answered[i].count, 1);
}

static void test_mitigation_goes_before_observation(void **state)
{
    struct answered observed[200] = {0}, answered = {0};
    size_t at = 0;

    (void)state;
    connected(true);
    for (size_t i = 0; i < 200; i++)
        fixture_observe(&observed[i]);
    fixture_put(&answered);
    fake_run(100);
    while (fake.sent[at].method != DOTS_PUT || !strstr(fake.sent[at].path, "mitigate"))
        at++;
    assert_true(at < 10); /* only what belongs to the session went before */
    for (size_t i = 0; i < 200; i++)
        assert_true(fixture.link->exchanges != NULL);
}

static void test_give_up_after_the_given_time(void **state)
{
    static const char *const path[] = {".well-known", "dots", "mitigate", "cuid=x"};
    struct link_request request = {.method = DOTS_GET, .path = path, .path_count = 4, .give_up_ms = 20000};
    struct answered answered = {0};

    (void)state;
    connected(false);
    fixture.silent_mitigate = true;
    link_request(fixture.link, &request, on_answer, &answered);
    fake_run(19000);
    assert_int_equal(answered.count, 0);
    fake_run(1100);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.result, LINK_TIMEOUT);
}

static void test_confirmable_request_that_libcoap_gave_up_is_a_timeout(void **state)
{
    static const char *const path[] = {".well-known", "dots", "mitigate", "cuid=x"};
    struct link_request request = {
        .method = DOTS_GET, .path = path, .path_count = 4, .confirmable = true, .priority = LINK_SESSION};
    struct answered answered = {0};
    const struct fake_sent *sent;

    (void)state;
    connected(false);
    fixture.silent_mitigate = true;
    link_request(fixture.link, &request, on_answer, &answered);
    fake_run(40000);
    assert_int_equal(fake_count(DOTS_GET, "mitigate"), 1); /* repeating is libcoap's */
    sent = fake_find(DOTS_GET, "mitigate", 0);
    sent->session->endpoint->handlers->nack(sent->session->endpoint->arg, sent->session, &sent->token,
                                            DOTS_NACK_TIMEOUT);
    assert_int_equal(answered.count, 0);
    fake_run(1);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.result, LINK_TIMEOUT);
}

static void test_cancelled_request_is_not_sent_nor_told(void **state)
{
    struct answered answered = {0};
    struct exchange *exchange;

    (void)state;
    connected(false);
    link_cancel(fixture_put(&answered), false);
    fixture.silent_mitigate = true;
    exchange = fixture_put(&answered);
    fake_run(5000);
    link_cancel(exchange, false);
    fake_answer(fake_last(DOTS_PUT, "mitigate"), DOTS_CODE(2, 1), NULL, 0);
    unsigned count = fake_count(DOTS_PUT, "mitigate");

    fake.resets = 0;
    fake_run(60000);
    assert_int_equal(answered.count, 0);
    assert_int_equal(fake.resets, 1);
    assert_int_equal(fake_count(DOTS_PUT, "mitigate"), count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        link_test(test_rfc9132_4_4_mitigation_requests_are_non_confirmable),
        link_test(test_rfc9132_4_4_repeated_with_the_same_token_until_answered),
        link_test(test_rfc9132_4_4_without_rtt_must_not_send_more_than_one_every_3_s),
        link_test(test_answer_that_comes_late_and_twice_is_told_once),
        link_test(test_request_made_before_there_is_a_session_goes_out_when_there_is),
        link_test(test_unanswered_request_is_sent_again_on_the_next_session),
        link_test(test_over_tcp_sent_once_and_again_only_on_a_new_session),
        link_test(test_rfc9132_7_3_request_that_does_not_fit_a_datagram),
        link_test(test_burst_of_requests_is_paced_and_all_are_answered),
        link_test(test_at_40_percent_loss_both_ways_every_request_is_answered_once),
        link_test(test_mitigation_goes_before_observation),
        link_test(test_give_up_after_the_given_time),
        link_test(test_confirmable_request_that_libcoap_gave_up_is_a_timeout),
        link_test(test_cancelled_request_is_not_sent_nor_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
