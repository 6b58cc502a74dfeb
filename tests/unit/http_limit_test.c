/*
 * What a client cannot take: time, connections, memory, and the turn of others on the loop.
 * links: http log
 */
#include "tests/unit/http_frames.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct client client;

static void begin(struct http_limits limits)
{
    start_server(&(struct http_settings){.limits = limits});
    client_open(&client);
}

static int stop(void **state)
{
    (void)state;
    client_close(&client);
    stop_server();
    return 0;
}

static void test_a_head_that_takes_too_long(void **state)
{
    (void)state;
    begin((struct http_limits){.header_ms = 60});
    client_say(&client, "GET / HTTP/1.1\r\n");
    WAIT_FOR(client_ended(&client));
    assert_true(client_has(&client, "HTTP/1.1 408"));
    assert_int_equal(http_counters(server)->too_slow, 1);
}

/* A byte now and then does not prolong it. */
static void test_a_head_that_trickles(void **state)
{
    (void)state;
    begin((struct http_limits){.header_ms = 60});
    while (!client_has(&client, "HTTP/1.1 408")) {
        client_say(&client, client.got == 0 && request_count == 0 ? "G" : "");
        uv_run(&loop, UV_RUN_NOWAIT);
        if (client_ended(&client))
            break;
    }
    assert_int_equal(request_count, 0);
}

static void test_a_body_that_takes_too_long(void **state)
{
    (void)state;
    begin((struct http_limits){.body_ms = 60});
    client_say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell");
    WAIT_FOR(client_ended(&client));
    assert_true(client_has(&client, "HTTP/1.1 408"));
    assert_int_equal(request_count, 0);
}

static void test_an_idle_connection_ends_without_a_word(void **state)
{
    (void)state;
    begin((struct http_limits){.idle_ms = 60});
    client_say(&client, GET("/"));
    WAIT_FOR(client_ended(&client));
    assert_int_equal(client_count(&client, "HTTP/1.1"), 1);
}

static void test_a_held_request_is_not_idle(void **state)
{
    (void)state;
    begin((struct http_limits){.idle_ms = 40, .header_ms = 40, .body_ms = 40, .write_ms = 40});
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    uint64_t until = now_ms() + 200;
    WAIT_FOR(now_ms() > until);
    http_respond(held[0], 200, NULL, 0, "answer", 6);
    held[0] = NULL;
    WAIT_FOR(client_has(&client, "answer"));
}

static void test_a_reader_that_does_not_read(void **state)
{
    (void)state;
    static char body[8 << 20];
    begin((struct http_limits){.write_ms = 60});
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    http_respond_with(held[0], 200, NULL, 0, body, sizeof body, NULL, NULL);
    held[0] = NULL;
    WAIT_FOR(http_counters(server)->connections == 0);
    assert_int_equal(http_counters(server)->too_slow, 1);
    assert_int_equal(http_counters(server)->memory, 0);
}

static void test_connections_of_one_source(void **state)
{
    (void)state;
    struct client others[3];
    begin((struct http_limits){.connections_per_source = 3});
    for (int i = 0; i < 3; i++)
        client_open(&others[i]);
    WAIT_FOR(client_ended(&others[2]));
    assert_int_equal(http_counters(server)->turned_away, 1);
    client_say(&others[1], GET("/"));
    WAIT_FOR(client_has(&others[1], "200 OK"));
    client_close(&others[0]);
    WAIT_FOR(http_counters(server)->connections == 2);
    client_close(&others[2]);
    client_open(&others[2]);
    client_say(&others[2], GET("/"));
    WAIT_FOR(client_has(&others[2], "200 OK"));
    client_close(&others[1]);
    client_close(&others[2]);
}

static void test_connections_of_all(void **state)
{
    (void)state;
    struct client other;
    begin((struct http_limits){.connections = 1});
    WAIT_FOR(http_counters(server)->connections == 1);
    client_open(&other);
    WAIT_FOR(client_ended(&other));
    client_say(&client, GET("/"));
    WAIT_FOR(client_has(&client, "200 OK"));
    client_close(&other);
}

static void test_memory_is_bounded_and_comes_back(void **state)
{
    (void)state;
    static char body[100000];
    struct client other;
    begin((struct http_limits){.memory = 50000});
    client_say(&client, GET("/hold"));
    WAIT_FOR(held_count == 1);
    http_respond_with(held[0], 200, NULL, 0, body, sizeof body, NULL, NULL);
    held[0] = NULL;
    client_open(&other);
    client_say(&other, GET("/"));
    while (!client_has(&other, "HTTP/1.1 503") && !client_has(&other, "HTTP/1.1 200"))
        uv_run(&loop, UV_RUN_NOWAIT);
    WAIT_FOR((client_read(&client), client.got > 100000));
    client_close(&other);
    client_open(&other);
    client_say(&other, GET("/"));
    WAIT_FOR(client_has(&other, "HTTP/1.1 200"));
    client_close(&other);
    WAIT_FOR(http_counters(server)->memory == 0);
}

static void test_a_body_beyond_the_memory_is_refused(void **state)
{
    (void)state;
    begin((struct http_limits){.memory = 50000});
    client_say(&client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n");
    char lump[1000] = "";
    for (int i = 0; i < 90 && !client_has(&client, "503"); i++)
        client_send(&client, lump, sizeof lump);
    WAIT_FOR(client_has(&client, "HTTP/1.1 503"));
    assert_true(client_has(&client, "retry-after: "));
    assert_int_equal(request_count, 0);
}

static void on_beat(uv_timer_t *timer)
{
    uint64_t *beats = timer->data;
    (*beats)++;
}

static ssize_t make_without_end(void *arg, uint8_t *to, size_t size)
{
    (void)arg;
    memset(to, 'm', size);
    return (ssize_t)size;
}

/* Of the processor, so that other processes on the machine do not count. */
static uint64_t worked_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* As many connections as are allowed load as fast as they can: nobody else on the loop waits longer than a turn. */
static void test_downloads_do_not_hold_up_the_loop(void **state)
{
    (void)state;
    enum { CLIENTS = 20 };
    struct client others[CLIENTS];
    const struct http_source endless = {.read = make_without_end};
    begin((struct http_limits){.turn_us = 1000, .connections_per_source = 100});
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&others[i]);
        client_say(&others[i], GET("/hold"));
    }
    WAIT_FOR(held_count == CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        http_respond_source(held[i], 200, NULL, 0, &endless);
        held[i] = NULL;
    }
    uint64_t longest[400];
    static uint64_t beats;
    static uv_timer_t beat; /* as the loop may run after a failure */
    beats = 0;
    uv_timer_init(&loop, &beat);
    beat.data = &beats;
    uv_timer_start(&beat, on_beat, 1, 1);
    for (size_t turn = 0; turn < 400; turn++) {
        uint64_t before = worked_ns();
        uv_run(&loop, UV_RUN_NOWAIT);
        longest[turn] = worked_ns() - before;
        for (int i = 0; i < CLIENTS; i++) {
            client_read(&others[i]);
            others[i].got = 0;
        }
    }
    uv_close((uv_handle_t *)&beat, NULL); /* before what may fail: the end of the test waits for it */
    for (int i = 0; i < CLIENTS; i++)
        client_close(&others[i]);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(beats > 0);
    unsigned long_turns = 0;
    for (size_t turn = 0; turn < 400; turn++)
        long_turns += longest[turn] > 20000000; /* 20 ms: the sanitizers, too */
    assert_true(long_turns < 20);
}

static void test_a_tls_handshake_that_takes_too_long(void **state)
{
    (void)state;
    start_server(
        &(struct http_settings){.tls = {pki_server.certificate, pki_server.key, NULL, 0}, .limits = {.header_ms = 60}});
    client_open(&client);
    client_send(&client, "\x16\x03\x01", 3);
    WAIT_FOR(client_ended(&client));
    assert_int_equal(http_counters(server)->too_slow, 1);
}

static void begin_http2(struct frames *frames, struct http_limits limits)
{
    client.fd = -1;
    client.in = NULL;
    start_server(&(struct http_settings){
        .tls = {pki_server.certificate, pki_server.key, pki_ca.certificate, HTTP_CLIENT_CERTIFICATE_OPTIONAL},
        .limits = limits});
    frames_open(frames);
}

static void test_rfc9113_10_5_a_window_that_stays_closed(void **state)
{
    (void)state;
    struct frames frames;
    static char body[200000];
    begin_http2(&frames, (struct http_limits){.write_ms = 60});
    send_headers(&frames, 1, true, REQUEST_TO("/hold"));
    WAIT_FOR(held_count == 1);
    http_respond_with(held[0], 200, NULL, 0, body, sizeof body, NULL, NULL);
    held[0] = NULL;
    expect_reset(&frames, 1, NGHTTP2_CANCEL);
    assert_int_equal(http_counters(server)->memory, 0);
    frames_close(&frames);
}

static void test_an_http2_body_that_takes_too_long(void **state)
{
    (void)state;
    struct frames frames;
    begin_http2(&frames, (struct http_limits){.body_ms = 60});
    send_headers(&frames, 1, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /\n");
    expect_status(&frames, 1, "408");
    frames_close(&frames);
}

static void test_an_http2_head_that_takes_too_long(void **state)
{
    (void)state;
    struct frames frames;
    begin_http2(&frames, (struct http_limits){.header_ms = 60});
    uint8_t block[200];
    size_t length = encode(&frames, REQUEST_TO("/"), block, sizeof block);
    send_frame(&frames, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, block, length);
    WAIT_FOR(client_ended(&frames.client));
    assert_int_equal(request_count, 0);
    frames_close(&frames);
}

/* PING does not prolong it. */
static void test_an_idle_http2_connection(void **state)
{
    (void)state;
    struct frames frames;
    begin_http2(&frames, (struct http_limits){.idle_ms = 60});
    send_headers(&frames, 1, true, REQUEST_TO("/"));
    expect_status(&frames, 1, "200");
    send_frame(&frames, NGHTTP2_PING, 0, 0, "12345678", 8);
    expect_goaway(&frames, NGHTTP2_NO_ERROR);
    WAIT_FOR(client_ended(&frames.client));
    frames_close(&frames);
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_head_that_takes_too_long),
        TEST(test_a_head_that_trickles),
        TEST(test_a_body_that_takes_too_long),
        TEST(test_an_idle_connection_ends_without_a_word),
        TEST(test_a_held_request_is_not_idle),
        TEST(test_a_reader_that_does_not_read),
        TEST(test_connections_of_one_source),
        TEST(test_connections_of_all),
        TEST(test_memory_is_bounded_and_comes_back),
        TEST(test_a_body_beyond_the_memory_is_refused),
        TEST(test_downloads_do_not_hold_up_the_loop),
        TEST(test_a_tls_handshake_that_takes_too_long),
        TEST(test_rfc9113_10_5_a_window_that_stays_closed),
        TEST(test_an_http2_body_that_takes_too_long),
        TEST(test_an_http2_head_that_takes_too_long),
        TEST(test_an_idle_http2_connection),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
