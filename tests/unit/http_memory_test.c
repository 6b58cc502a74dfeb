/*
 * Every allocation of the HTTP server fails once: it refuses or ends what it cannot serve, and serves the next.
 * links: http log
 * wraps: malloc calloc realloc
 */
#include "tests/unit/failing_allocation.h"
#include "tests/unit/http_frames.h"

void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void *__real_tsearch(const void *key, void **root, int (*compare)(const void *, const void *))
{
    (void)key, (void)root, (void)compare;
    return NULL;
}

static const char requests[] = "PUT /put?q HTTP/1.1\r\nHost: a\r\nX-Test: y\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n0\r\n\r\n"
                               "GET /watch HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/* Ends what is held, a stream with something in it. */
static void end_held(void)
{
    for (unsigned i = 0; i < held_count; i++) {
        http_stream_write(held[i], "piece", 5);
        http_stream_end(held[i]);
    }
    held_count = 0;
}

static bool serve_failing(size_t count)
{
    struct client client;
    client_open(&client);
    allocation_fail_after(count);
    client_say(&client, requests);
    uint64_t until = now_ms() + WAIT_MS;
    while (!client_ended(&client) && now_ms() < until) {
        uv_run(&loop, UV_RUN_NOWAIT);
        end_held();
    }
    bool failed = allocation_has_failed();
    assert_true(client.ended);
    if (!failed)
        assert_true(client_has(&client, "[PUT /put q hello y]") && client_has(&client, "piece"));
    client_close(&client);
    WAIT_FOR(http_counters(server)->connections == 0);
    assert_int_equal(http_counters(server)->memory, 0);
    return failed;
}

static void test_http1_survives_every_failing_allocation(void **state)
{
    (void)state;
    start_server(&(struct http_settings){0});
    size_t count = 0;
    while (serve_failing(count))
        count++;
    assert_true(count > 10);
    stop_server();
}

static bool serve_http2_failing(size_t count)
{
    struct frames frames;
    frames_open(&frames);
    wait_frame(&frames, NGHTTP2_SETTINGS, 0);
    allocation_fail_after(count);
    send_headers(&frames, 1, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /put\nx-test: y\n");
    send_frame(&frames, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "hello", 5);
    send_headers(&frames, 3, true, REQUEST_TO("/watch"));
    unsigned over = 0;
    uint64_t until = now_ms() + WAIT_MS;
    while (over < 2 && !client_ended(&frames.client) && now_ms() < until) {
        struct seen seen;
        uv_run(&loop, UV_RUN_NOWAIT);
        end_held();
        while (next_frame(&frames, &seen))
            over += seen.type == NGHTTP2_RST_STREAM ||
                    (seen.type <= NGHTTP2_HEADERS && (seen.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    }
    bool failed = allocation_has_failed();
    assert_true(over == 2 || frames.client.ended);
    frames_close(&frames);
    WAIT_FOR(http_counters(server)->connections == 0);
    assert_int_equal(http_counters(server)->memory, 0);
    return failed;
}

static void test_http2_survives_every_failing_allocation(void **state)
{
    (void)state;
    start_server(&(struct http_settings){.tls = {pki_server.certificate, pki_server.key, NULL, 0}});
    size_t count = 0;
    while (serve_http2_failing(count))
        count++;
    assert_true(count > 10);
    stop_server();
}

static void test_accept_survives_every_failing_allocation(void **state)
{
    (void)state;
    start_server(&(struct http_settings){.tls = {pki_server.certificate, pki_server.key, NULL, 0}});
    bool failed = true;
    for (size_t count = 0; failed; count++) {
        struct client client;
        client_open(&client);
        allocation_fail_after(count);
        bool up = client_secure(&client, NULL, ALPN_H2, NULL);
        if (up)
            client_say(&client, PREFACE "\0\0\0\4");
        failed = allocation_has_failed();
        assert_true(up || failed);
        client_close(&client);
        WAIT_FOR(http_counters(server)->connections == 0);
    }
    stop_server();
}

static void test_open_survives_every_failing_allocation(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct http_server *opened = NULL;
    const struct http_settings settings = {.name = "test"};
    char error[100];
    for (size_t count = 0; opened == NULL; count++) {
        allocation_fail_after(count);
        opened = http_open(&loop, &settings, &fixture_handlers, NULL, error, sizeof error);
        assert_true(allocation_has_failed() == (opened == NULL));
    }
    server_closed = false;
    http_close(opened, 0, on_server_closed, NULL);
    WAIT_FOR(server_closed);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http1_survives_every_failing_allocation),
        cmocka_unit_test(test_http2_survives_every_failing_allocation),
        cmocka_unit_test(test_accept_survives_every_failing_allocation),
        cmocka_unit_test(test_open_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
