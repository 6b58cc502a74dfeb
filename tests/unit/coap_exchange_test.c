/* Exchanges: requests and answers both ways over one session, at once and later, and notifications. */
/* links: coap log */
#include "tests/unit/coap_fixture.h"

static struct dots_token sent;

static void ask(struct dots_session *session, const struct dots_request *request)
{
    dots_token_new(&sent);
    assert_int_equal(sent.length, 8);
    assert_int_equal(dots_send(session, &sent, request), 0);
}

static void check_token(const struct dots_token *token)
{
    assert_int_equal(token->length, sent.length);
    assert_memory_equal(token->bytes, sent.bytes, sent.length);
}

/* One request of each kind with its answer, piggybacked. */
static void check_methods(enum dots_transport transport, bool confirmable)
{
    start_pair(transport, false, "127.0.0.1");
    south.on_request = answer_now;
    struct dots_request put = make_request(DOTS_PUT, "mid=12", "body of the put");
    put.confirmable = confirmable;
    put.if_match = put.if_match_empty = true;
    put.hop_limit = 16;
    put.query_count = 1;
    put.query[0] = (struct dots_option){"c=a", 3};
    south.answer = text_response(DOTS_CODE(2, 1), "created");
    south.answer.max_age = 70000;
    ask(client, &put);
    run_until(north_answered);
    assert_int_equal(south.requests, 1);
    assert_int_equal(south.request.method, DOTS_PUT);
    assert_int_equal(south.request.confirmable, confirmable && transport == DOTS_UDP);
    assert_string_equal(south.request.path, ".well-known/dots/mitigate/mid=12");
    assert_string_equal(south.request.query, "c=a");
    assert_true(south.request.if_match && south.request.if_match_empty);
    assert_int_equal(south.request.hop_limit, 15); /* RFC 8768 section 3: one less than received */
    assert_int_equal(south.request.content_format, DOTS_CONTENT_FORMAT);
    assert_int_equal(south.request.observe, -1);
    assert_int_equal(south.request.body_length, 15);
    assert_memory_equal(south.request.body, "body of the put", 15);
    check_token(&south.request.token);
    check_token(&north.response.token);
    assert_int_equal(north.response.code, DOTS_CODE(2, 1));
    assert_int_equal(north.response.max_age, 70000);
    assert_int_equal(north.response.content_format, DOTS_CONTENT_FORMAT);
    assert_memory_equal(north.response.body, "created", 7);

    struct dots_request get = make_request(DOTS_GET, NULL, NULL);
    get.confirmable = confirmable;
    get.accept = DOTS_CONTENT_FORMAT;
    south.answer = text_response(DOTS_CODE(2, 5), "content");
    north.responses = 0;
    ask(client, &get);
    run_until(north_answered);
    assert_int_equal(south.request.method, DOTS_GET);
    assert_int_equal(south.request.accept, DOTS_CONTENT_FORMAT);
    assert_int_equal(south.request.body_length, 0);
    assert_int_equal(north.response.code, DOTS_CODE(2, 5));

    struct dots_request delete = make_request(DOTS_DELETE, "mid=12", NULL);
    delete.confirmable = confirmable;
    south.answer = text_response(DOTS_CODE(4, 4), "");
    south.answer.content_format = -1;
    north.responses = 0;
    ask(client, &delete);
    run_until(north_answered);
    assert_int_equal(south.request.method, DOTS_DELETE);
    assert_int_equal(north.response.code, DOTS_CODE(4, 4));
    assert_int_equal(north.response.content_format, -1);
    assert_int_equal(north.response.max_age, DOTS_NO_MAX_AGE);
    assert_int_equal(north.response.body_length, 0);
}

static void test_confirmable_over_dtls(void **state)
{
    (void)state;
    check_methods(DOTS_UDP, true);
}

static void test_non_confirmable_over_dtls(void **state)
{
    (void)state;
    check_methods(DOTS_UDP, false);
}

static void test_over_tls(void **state)
{
    (void)state;
    check_methods(DOTS_TCP, true);
}

static bool south_holds_two(void)
{
    return south.held_count == 2;
}

static bool two_answers(void)
{
    return north.responses == 2;
}

/* Two requests wait at once and are answered in the other order. */
static void check_held(enum dots_transport transport, bool confirmable)
{
    start_pair(transport, false, "127.0.0.1");
    south.on_request = answer_later;
    struct dots_request first = make_request(DOTS_PUT, "mid=1", "one");
    struct dots_request second = make_request(DOTS_PUT, "mid=2", "two");
    first.confirmable = second.confirmable = confirmable;
    ask(client, &first);
    struct dots_token first_token = sent;
    ask(client, &second);
    run_until(south_holds_two);
    assert_int_equal(north.responses, 0);
    struct dots_response answer = text_response(DOTS_CODE(2, 4), "second");
    assert_int_equal(dots_reply(south.held[1], &answer), 0);
    run_until(north_answered);
    check_token(&north.response.token);
    assert_memory_equal(north.response.body, "second", 6);
    answer = text_response(DOTS_CODE(2, 1), "first");
    assert_int_equal(dots_reply(south.held[0], &answer), 0);
    run_until(two_answers);
    assert_memory_equal(north.response.token.bytes, first_token.bytes, 8);
    assert_memory_equal(north.response.body, "first", 5);
    assert_int_equal(south.requests, 2);
}

static void test_held_confirmable(void **state)
{
    (void)state;
    check_held(DOTS_UDP, true);
}

static void test_held_non_confirmable(void **state)
{
    (void)state;
    check_held(DOTS_UDP, false);
}

static void test_held_over_tls(void **state)
{
    (void)state;
    check_held(DOTS_TCP, true);
}

static bool north_asked(void)
{
    return north.requests > 0;
}

static bool south_answered(void)
{
    return south.responses > 0;
}

/* RFC 9132 section 4.7: heartbeats come from the server, too, over the client's session. */
static void check_server_asks(enum dots_transport transport)
{
    start_pair(transport, false, "127.0.0.1");
    north.on_request = answer_now;
    north.answer = text_response(DOTS_CODE(2, 4), "");
    north.answer.content_format = -1;
    struct dots_request heartbeat = make_request(DOTS_PUT, NULL, "hb");
    heartbeat.confirmable = false;
    ask(south.up[0], &heartbeat);
    run_until(south_answered);
    assert_int_equal(north.requests, 1);
    assert_int_equal(south.response.code, DOTS_CODE(2, 4));
    check_token(&south.response.token);
    /* and at the same time the other way */
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 4), "");
    ask(client, &heartbeat);
    run_until(north_answered);
}

static void test_rfc9132_4_7_server_asks_over_dtls(void **state)
{
    (void)state;
    check_server_asks(DOTS_UDP);
}

static void test_rfc9132_4_7_server_asks_over_tls(void **state)
{
    (void)state;
    check_server_asks(DOTS_TCP);
    run_until(north_asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_pair(test_confirmable_over_dtls),
        with_pair(test_non_confirmable_over_dtls),
        with_pair(test_over_tls),
        with_pair(test_held_confirmable),
        with_pair(test_held_non_confirmable),
        with_pair(test_held_over_tls),
        with_pair(test_rfc9132_4_7_server_asks_over_dtls),
        with_pair(test_rfc9132_4_7_server_asks_over_tls),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
