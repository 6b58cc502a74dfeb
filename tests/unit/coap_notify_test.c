/* Observe (RFC 7641) over DTLS and TLS, Resets, tokens that are forgotten, requests nobody answers. */
/* links: coap log */
#include "tests/unit/coap_raw.h"

static struct dots_token observing;

static bool second_notification(void)
{
    return north.responses == 2;
}

static bool south_nacked(void)
{
    return south.nacks > 0;
}

static bool north_nacked(void)
{
    return north.nacks > 0;
}

static struct dots_request observe_request(void)
{
    struct dots_request get = make_request(DOTS_GET, "mid=7", NULL);
    get.observe = 0;
    get.confirmable = false;
    return get;
}

static void start_observing(enum dots_transport transport)
{
    start_pair(transport, false, "127.0.0.1");
    struct dots_request get = observe_request();
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "first");
    south.answer.observe = 1;
    dots_token_new(&observing);
    assert_int_equal(dots_send(client, &observing, &get), 0);
    run_until(north_answered);
    assert_int_equal(south.request.observe, 0);
    assert_int_equal(north.response.observe, 1);
}

static void notify(int32_t sequence, const char *text)
{
    struct dots_response news = text_response(DOTS_CODE(2, 5), text);
    struct dots_request observed = observe_request();
    news.observe = sequence;
    assert_int_equal(dots_notify(south.up[0], &observing, &observed, &news), 0);
}

static void test_notification(enum dots_transport transport)
{
    start_observing(transport);
    notify(0x123456, "second");
    run_until(second_notification);
    assert_int_equal(north.response.observe, 0x123456);
    assert_memory_equal(north.response.body, "second", 6);
    assert_memory_equal(north.response.token.bytes, observing.bytes, 8);
    assert_int_equal(south.nacks, 0);
}
BOTH_TRANSPORTS(test_notification)

/* RFC 7641 section 3.6: who does not want a notification resets it, and the observation ends. */
static void test_rfc7641_3_6_reset_of_a_forgotten_token(void **state)
{
    (void)state;
    start_observing(DOTS_UDP);
    dots_forget(client, &observing);
    notify(2, "unwanted");
    run_until(south_nacked);
    assert_int_equal(south.nack, DOTS_NACK_RESET);
    assert_memory_equal(south.nacked.bytes, observing.bytes, 8);
    assert_int_equal(north.responses, 1);
    assert_int_equal(south.nacks, 1);
}

static void test_rfc7641_3_6_reset_of_a_refused_notification(void **state)
{
    (void)state;
    start_observing(DOTS_UDP);
    north.unwanted = true;
    notify(2, "unwanted");
    run_until(south_nacked);
    assert_int_equal(south.nack, DOTS_NACK_RESET);
    assert_int_equal(north.responses, 2);
    /* a second one does not reach the user any more */
    notify(3, "unwanted");
    south.nacks = 0;
    run_until(south_nacked);
    assert_int_equal(north.responses, 2);
}

/* An error answer ends the observation, so its token is forgotten. */
static void test_observation_ends_with_an_error(void **state)
{
    (void)state;
    start_observing(DOTS_UDP);
    struct dots_response gone = text_response(DOTS_CODE(4, 4), "");
    struct dots_request observed = observe_request();
    gone.content_format = -1;
    assert_int_equal(dots_notify(south.up[0], &observing, &observed, &gone), 0);
    run_until(second_notification);
    notify(4, "too late");
    run_until(south_nacked);
    assert_int_equal(north.responses, 2);
}

static void test_large_notification(enum dots_transport transport)
{
    static char large[5001];
    for (size_t i = 0; i < sizeof large - 1; i++)
        large[i] = (char)('a' + i % 26);
    start_observing(transport);
    notify(9, large);
    run_until(second_notification);
    assert_int_equal(north.response.body_length, sizeof large - 1);
    assert_memory_equal(north.response.body, large, sizeof large - 1);
    assert_int_equal(north.response.observe, 9);
    assert_memory_equal(north.response.token.bytes, observing.bytes, 8);
    assert_int_equal(south.requests, 1); /* the blocks come from what was kept */
    /* and the observation goes on */
    notify(10, "small again");
    north.responses = 1;
    run_until(second_notification);
    assert_int_equal(north.response.body_length, 11);
}
BOTH_TRANSPORTS(test_large_notification)

/* A newer notification replaces one whose blocks are still being fetched. */
static void test_newer_notification_wins(void **state)
{
    (void)state;
    static char large[5001], other[4001];
    memset(large, 'x', sizeof large - 1);
    memset(other, 'y', sizeof other - 1);
    start_observing(DOTS_UDP);
    notify(2, large);
    notify(3, other);
    run_until(second_notification);
    assert_int_equal(north.response.observe, 3);
    assert_int_equal(north.response.body_length, sizeof other - 1);
    assert_memory_equal(north.response.body, other, sizeof other - 1);
    struct dots_request get = make_request(DOTS_GET, NULL, NULL);
    struct dots_token token;
    dots_token_new(&token);
    south.answer = text_response(DOTS_CODE(2, 5), "end");
    north.responses = 1;
    assert_int_equal(dots_send(client, &token, &get), 0);
    run_until(second_notification);
    assert_memory_equal(north.response.body, "end", 3);
}

static void test_nobody_answers(void **state)
{
    (void)state;
    start_raw();
    const struct dots_transmission quick = {
        .ack_timeout = 10, .ack_random_factor = 100, .max_retransmit = 1, .probing_rate = 5};
    dots_session_set_transmission(south.up[0], &quick);
    struct dots_request put = make_request(DOTS_PUT, NULL, "anybody?");
    struct dots_token token;
    dots_token_new(&token);
    assert_int_equal(dots_send(south.up[0], &token, &put), 0);
    run_until(south_nacked);
    assert_int_equal(south.nack, DOTS_NACK_TIMEOUT);
    assert_memory_equal(south.nacked.bytes, token.bytes, 8);
    assert_int_equal(raw.received, 2); /* once more after the ACK timeout */
    assert_int_equal(south.downs, 0);
}

static void test_reset_of_a_request(void **state)
{
    (void)state;
    start_raw();
    struct dots_request put = make_request(DOTS_PUT, NULL, "anybody?");
    struct dots_token token;
    dots_token_new(&token);
    raw_expected = 1;
    assert_int_equal(dots_send(south.up[0], &token, &put), 0);
    run_until(raw_has_received);
    uint8_t reset[4] = {0x70, 0, raw.last.bytes[2], raw.last.bytes[3]};
    assert_int_equal(SSL_write(raw.ssl, reset, sizeof reset), sizeof reset);
    run_until(south_nacked);
    assert_int_equal(south.nack, DOTS_NACK_RESET);
    assert_memory_equal(south.nacked.bytes, token.bytes, 8);
}

/* RFC 9132 section 4.4: repeated by the caller with the same token; one answer is told, the others are reset. */
static void test_repeated_request_is_answered_once(void **state)
{
    (void)state;
    start_raw();
    struct dots_request put = make_request(DOTS_PUT, NULL, "once");
    struct dots_token token;
    put.confirmable = false;
    dots_token_new(&token);
    raw_expected = 2;
    assert_int_equal(dots_send(south.up[0], &token, &put), 0);
    assert_int_equal(dots_send(south.up[0], &token, &put), 0);
    run_until(raw_has_received);
    uint8_t answer[12] = {0x58, DOTS_CODE(2, 4), 1, 1};
    memcpy(answer + 4, token.bytes, 8);
    assert_int_equal(SSL_write(raw.ssl, answer, sizeof answer), sizeof answer);
    answer[3] = 2;
    raw_expected = 3;
    assert_int_equal(SSL_write(raw.ssl, answer, sizeof answer), sizeof answer);
    run_until(raw_has_received);
    assert_int_equal(raw_type(), RAW_RST);
    assert_int_equal(raw_mid(), 0x0102);
    assert_int_equal(south.responses, 1);
}

static bool ping_heard(void)
{
    return dots_session_heard(south.up[0]) == uv_now(&loop);
}

/* RFC 7252 section 4.3: an empty confirmable message gets a Reset; and it was heard. */
static void test_ping(void **state)
{
    (void)state;
    start_raw();
    uint64_t before = uv_now(&loop);
    while (uv_now(&loop) <= before + 5)
        uv_run(&loop, UV_RUN_NOWAIT);
    static const uint8_t ping[4] = {0x40, 0, 0x12, 0x34};
    assert_false(ping_heard());
    assert_int_equal(SSL_write(raw.ssl, ping, sizeof ping), sizeof ping);
    raw_expected = 1;
    run_until(raw_has_received);
    assert_int_equal(raw_type(), RAW_RST);
    assert_true(dots_session_heard(south.up[0]) > before);
}

static void test_nack_is_not_told_after_close(void **state)
{
    (void)state;
    start_raw();
    struct dots_request put = make_request(DOTS_PUT, NULL, "anybody?");
    struct dots_token token;
    dots_token_new(&token);
    assert_int_equal(dots_send(south.up[0], &token, &put), 0);
    dots_session_close(south.up[0]);
    run_until(south_down);
    assert_int_equal(south.reason, DOTS_DOWN_CLOSED);
    assert_int_equal(south.nacks, 0);
    assert_false(north_nacked());
}

#define with_raw(name) cmocka_unit_test_setup_teardown(name, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_both(test_notification),
        with_pair(test_rfc7641_3_6_reset_of_a_forgotten_token),
        with_pair(test_rfc7641_3_6_reset_of_a_refused_notification),
        with_pair(test_observation_ends_with_an_error),
        with_both(test_large_notification),
        with_pair(test_newer_notification_wins),
        with_raw(test_nobody_answers),
        with_raw(test_reset_of_a_request),
        with_raw(test_repeated_request_is_answered_once),
        with_raw(test_ping),
        with_raw(test_nack_is_not_told_after_close),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
