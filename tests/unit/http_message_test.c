/*
 * HTTP/1.1 as it should be: framing, persistence, answers at once and later, streams, closing.
 * links: http log
 */
#include "tests/unit/http_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct client client;

static int start(void **state)
{
    (void)state;
    start_server(&(struct http_settings){.limits = {.stream_queue = 10000}});
    client_open(&client);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    client_close(&client);
    stop_server();
    return 0;
}

static void test_a_request_in_single_bytes(void **state)
{
    (void)state;
    const char *request = "POST /p/a%20th?q=1 HTTP/1.1\r\nHost: a\r\nX-TEST: v w \r\nContent-Length: 5\r\n\r\nhello";
    for (; *request != '\0'; request++) {
        client_send(&client, request, 1);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    WAIT_FOR(client_has(&client, "[POST /p/a%20th q=1 hello v w]"));
    assert_true(client_has(&client, "content-length: 30\r\n"));
}

static void test_rfc9110_6_6_1_date(void **state)
{
    (void)state;
    client_say(&client, GET("/"));
    WAIT_FOR(client_has(&client, "[GET / -  -]"));
    struct tm tm = {0};
    const char *date = strstr(client.in, "\r\ndate: ");
    assert_non_null(date);
    date = strptime(date + 8, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    assert_true(date != NULL && strncmp(date, "\r\n", 2) == 0);
    assert_true(labs((long)(timegm(&tm) - time(NULL))) <= 2);
}

static void test_rfc9112_7_1_a_body_in_chunks(void **state)
{
    (void)state;
    client_say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
                        "2;name=\"value\"\r\nhe\r\n0003\r\nllo\r\n0;x\r\nTrailer: x\r\nX-Test: y\r\n\r\n" GET("/next"));
    WAIT_FOR(client_has(&client, "[GET /next"));
    assert_true(client_has(&client, "[PUT / - hello -]")); /* trailers are not header fields */
}

static void test_rfc9112_9_3_2_pipelined_requests_in_order(void **state)
{
    (void)state;
    client_say(&client, GET("/hold") GET("/2") "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/4"));
    WAIT_FOR(held_count == 1);
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(request_count, 1);
    assert_false(client_has(&client, "HTTP"));
    http_respond(held[0], 200, NULL, 0, "first", 5);
    held[0] = NULL;
    WAIT_FOR(client_has(&client, "[GET /4"));
    assert_true(strstr(client.in, "first") < strstr(client.in, "[GET /2"));
    assert_int_equal(client_count(&client, "HTTP/1.1 200"), 4);
    assert_false(client_has(&client, "[HEAD"));
    assert_int_equal(client_count(&client, "content-length: 14"), 1); /* of HEAD */
}

static void test_rfc9110_9_3_2_head_has_the_length_and_no_body(void **state)
{
    (void)state;
    client_say(&client, "HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    WAIT_FOR(client_ended(&client));
    assert_true(client_has(&client, "content-length: 14\r\n"));
    assert_string_equal(client.in + client.got - 4, "\r\n\r\n");
}

static void test_rfc9112_9_6_close(void **state)
{
    (void)state;
    client_say(&client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n" GET("/never"));
    WAIT_FOR(client_ended(&client));
    assert_true(client_has(&client, "connection: close\r\n"));
    assert_int_equal(request_count, 1);
}

static void test_rfc9112_9_3_http_1_0_closes(void **state)
{
    (void)state;
    client_say(&client, "GET /watch HTTP/1.0\r\n\r\n");
    WAIT_FOR(held_count == 1);
    assert_int_equal(http_stream_write(held[0], "piece", 5), 0);
    http_stream_end(held[0]);
    held[0] = NULL;
    WAIT_FOR(client_ended(&client));
    assert_true(client_has(&client, "\r\n\r\npiece"));
    assert_false(client_has(&client, "transfer-encoding"));
}

static void test_rfc9110_10_1_1_continue(void **state)
{
    (void)state;
    client_say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n");
    WAIT_FOR(client_has(&client, "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_int_equal(request_count, 0);
    client_say(&client, "hello");
    WAIT_FOR(client_has(&client, "[PUT / - hello -]"));
    client_say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nbye");
    WAIT_FOR(client_has(&client, "[PUT / - bye -]"));
    assert_int_equal(client_count(&client, "100 Continue"), 1); /* the body was there already */
}

static void test_a_peer_that_left_is_told_and_the_answer_released(void **state)
{
    (void)state;
    client_say(&client, GET("/watch"));
    WAIT_FOR(held_count == 1);
    struct http_exchange *exchange = held[0];
    client_close(&client);
    WAIT_FOR(gone_count == 1);
    assert_ptr_equal(last_gone, exchange);
    assert_int_equal(http_stream_write(exchange, "x", 1), -1);
    http_stream_end(exchange);
    held[0] = NULL;
    assert_int_equal(http_counters(server)->memory, 0);
}

/* RFC 9112 section 9.6: a half-closed client still reads. */
static void test_a_half_closed_client_gets_its_answer(void **state)
{
    (void)state;
    client_say(&client, GET("/hold"));
    shutdown(client.fd, SHUT_WR);
    WAIT_FOR(held_count == 1);
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(gone_count, 0);
    http_respond(held[0], 200, NULL, 0, "late", 4);
    held[0] = NULL;
    WAIT_FOR(client_ended(&client));
    assert_true(client_has(&client, "\r\n\r\nlate"));
}

static void test_a_reset_client_is_gone_while_its_answer_is_awaited(void **state)
{
    (void)state;
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    struct linger hard = {.l_onoff = 1};
    setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    client_close(&client);
    WAIT_FOR(gone_count == 1);
    http_respond(held[0], 200, NULL, 0, "x", 1); /* releases */
    held[0] = NULL;
    assert_int_equal(http_counters(server)->memory, 0);
}

static void test_a_stream_in_pieces(void **state)
{
    (void)state;
    client_say(&client, GET("/watch"));
    WAIT_FOR(client_has(&client, "transfer-encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 3; i++) {
        char text[16];
        snprintf(text, sizeof text, "piece %d", i);
        assert_int_equal(http_stream_write(held[0], text, strlen(text)), 0);
        WAIT_FOR(client_has(&client, text));
    }
    http_stream_end(held[0]);
    held[0] = NULL;
    WAIT_FOR(client_has(&client, "0007\r\npiece 2\r\n0\r\n\r\n"));
    client_say(&client, GET("/after"));
    WAIT_FOR(client_has(&client, "[GET /after"));
    assert_int_equal(gone_count, 0);
}

static void test_a_slow_watcher_is_dropped(void **state)
{
    (void)state;
    char lump[1000];
    memset(lump, 'x', sizeof lump);
    client_say(&client, GET("/watch"));
    WAIT_FOR(held_count == 1);
    size_t written = 0;
    while (http_stream_write(held[0], lump, sizeof lump) == 0) {
        written += sizeof lump;
        assert_true(written < 100 << 20);
        if (written % 10000 == 0)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_true(http_counters(server)->memory < 100000);
    WAIT_FOR(gone_count == 1);
    assert_int_equal(http_counters(server)->too_slow, 1);
    WAIT_FOR(client_ended(&client));
}

static void test_a_dropped_exchange_ends_the_connection(void **state)
{
    (void)state;
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    http_drop(held[0]);
    held[0] = NULL;
    WAIT_FOR(client_ended(&client));
    assert_int_equal(client.got, 0);
}

static void test_rfc9110_5_5_a_header_cannot_split_the_response(void **state)
{
    (void)state;
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    http_respond(held[0], 200, &(struct http_header){"location", "x\r\nSet-Cookie: y"}, 1, "x", 1);
    held[0] = NULL;
    WAIT_FOR(client_has(&client, "HTTP/1.1 500"));
    assert_false(client_has(&client, "Cookie"));
}

static void test_rfc9112_6_framing_is_not_the_callers(void **state)
{
    (void)state;
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    const struct http_header headers[] = {
        {"Content-Length", "77"}, {"Transfer-Encoding", "chunked"}, {"ETag", "\"1\""}};
    http_respond(held[0], 204, headers, 3, "ignored", 7);
    held[0] = NULL;
    WAIT_FOR(client_has(&client, "etag: \"1\"\r\n\r\n"));
    assert_false(client_has(&client, "content-length"));
    assert_false(client_has(&client, "chunked"));
    assert_false(client_has(&client, "ignored"));
}

static struct {
    size_t left;
    bool fail, released;
} made;

static ssize_t make(void *arg, uint8_t *to, size_t size)
{
    (void)arg;
    if (made.left == 0)
        return made.fail ? -1 : 0;
    size = size < made.left ? size : made.left;
    memset(to, 'm', size);
    made.left -= size;
    return (ssize_t)size;
}

static void release(void *arg)
{
    (void)arg;
    assert_false(made.released);
    made.released = true;
}

static const struct http_source source = {.read = make, .release = release};

static void test_a_body_made_while_it_is_sent(void **state)
{
    (void)state;
    made.left = 3000000;
    made.fail = made.released = false;
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    http_respond_source(held[0], 200, NULL, 0, &source);
    held[0] = NULL;
    while (!client_has(&client, "\r\n0\r\n\r\n")) {
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_true(http_counters(server)->memory < 10000);
    }
    assert_true(made.released);
    assert_true(client.got > 3000000);
}

static void test_a_body_that_breaks_off_is_not_complete(void **state)
{
    (void)state;
    made.left = 100;
    made.fail = true;
    made.released = false;
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    http_respond_source(held[0], 200, NULL, 0, &source);
    held[0] = NULL;
    WAIT_FOR(client_ended(&client));
    assert_false(client_has(&client, "\r\n0\r\n\r\n"));
    assert_true(made.released);
}

static void test_closing_lets_a_response_end(void **state)
{
    (void)state;
    struct client idle;
    client_open(&idle);
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1 && http_counters(server)->connections == 2);
    http_close(server, 20000, on_server_closed, NULL);
    WAIT_FOR(client_ended(&idle));
    http_respond(held[0], 200, NULL, 0, "last", 4);
    held[0] = NULL;
    WAIT_FOR(client_ended(&client));
    assert_true(client_has(&client, "connection: close\r\n\r\nlast"));
    client_close(&client);
    WAIT_FOR(server_closed);
    client_close(&idle);
}

static void test_closing_cuts_after_the_grace(void **state)
{
    (void)state;
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    http_close(server, 1, on_server_closed, NULL);
    WAIT_FOR(server_closed);
    assert_int_equal(gone_count, 1);
    http_respond(held[0], 200, NULL, 0, "too late", 8); /* after on_closed: releases */
    held[0] = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_request_in_single_bytes),
        TEST(test_rfc9110_6_6_1_date),
        TEST(test_rfc9112_7_1_a_body_in_chunks),
        TEST(test_rfc9112_9_3_2_pipelined_requests_in_order),
        TEST(test_rfc9110_9_3_2_head_has_the_length_and_no_body),
        TEST(test_rfc9112_9_6_close),
        TEST(test_rfc9112_9_3_http_1_0_closes),
        TEST(test_rfc9110_10_1_1_continue),
        TEST(test_a_peer_that_left_is_told_and_the_answer_released),
        TEST(test_a_half_closed_client_gets_its_answer),
        TEST(test_a_reset_client_is_gone_while_its_answer_is_awaited),
        TEST(test_a_stream_in_pieces),
        TEST(test_a_slow_watcher_is_dropped),
        TEST(test_a_dropped_exchange_ends_the_connection),
        TEST(test_rfc9110_5_5_a_header_cannot_split_the_response),
        TEST(test_rfc9112_6_framing_is_not_the_callers),
        TEST(test_a_body_made_while_it_is_sent),
        TEST(test_a_body_that_breaks_off_is_not_complete),
        TEST(test_closing_lets_a_response_end),
        TEST(test_closing_cuts_after_the_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
