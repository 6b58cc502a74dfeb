/*
 * HTTP/2: requests, the rules of their fields, and clients that flood.
 * links: http log
 */
#include "tests/unit/http_frames.h"

static struct frames frames;

static int start(void **state)
{
    (void)state;
    start_server(&(struct http_settings){
        .tls = {pki_server.certificate, pki_server.key, pki_ca.certificate, HTTP_CLIENT_CERTIFICATE_REQUIRED},
        .limits = {.header_bytes = 4000, .header_count = 20, .body_bytes = 1000, .streams = 8, .stream_queue = 10000}});
    frames_open(&frames);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    frames_close(&frames);
    stop_server();
    return 0;
}

static void expect_body(uint32_t stream, const char *text)
{
    struct seen seen = wait_frame(&frames, NGHTTP2_DATA, stream);
    assert_int_equal(seen.length, strlen(text));
    assert_memory_equal(seen.payload, text, seen.length);
    assert_true(seen.flags & NGHTTP2_FLAG_END_STREAM);
}

static void test_rfc9113_6_5_2_what_the_server_bounds(void **state)
{
    (void)state;
    struct seen seen = wait_frame(&frames, NGHTTP2_SETTINGS, 0);
    const uint8_t expected[] = {0, 3, 0, 0, 0, 8, 0, 6, 0, 0, 15, 160, 0, 9, 0, 0, 0, 1};
    assert_int_equal(seen.length, sizeof expected);
    assert_memory_equal(seen.payload, expected, sizeof expected);
}

static void test_requests(void **state)
{
    (void)state;
    send_headers(&frames, 1, true, REQUEST_TO("/a%20b?q=1") "x-test: v\n");
    expect_status(&frames, 1, "200");
    expect_body(1, "[GET /a%20b q=1  v]");
    send_headers(&frames, 3, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /p\n");
    send_frame(&frames, NGHTTP2_DATA, 0, 3, "he", 2);
    send_frame(&frames, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, "llo", 3);
    expect_status(&frames, 3, "200");
    expect_body(3, "[PUT /p - hello -]");
    send_headers(&frames, 5, true, ":method: HEAD\n:scheme: https\n:authority: a\n:path: /h\n");
    struct seen seen = wait_frame(&frames, NGHTTP2_HEADERS, 5);
    assert_true(seen.flags & NGHTTP2_FLAG_END_STREAM);
    assert_string_equal(last_certificate, "client");
}

static void test_rfc9113_8_1_trailers_are_not_header_fields(void **state)
{
    (void)state;
    send_headers(&frames, 1, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /p\n");
    send_frame(&frames, NGHTTP2_DATA, 0, 1, "x", 1);
    send_headers(&frames, 1, true, "x-test: trailer\n");
    expect_status(&frames, 1, "200");
    expect_body(1, "[PUT /p - x -]");
    send_headers(&frames, 3, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /p\n");
    send_headers(&frames, 3, true, ":path: /q\n");
    expect_reset(&frames, 3, NGHTTP2_PROTOCOL_ERROR);
}

static void test_rfc9113_8_2_fields_that_are_forbidden(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "connection: close\n", "transfer-encoding: chunked\n", "keep-alive: 1\n", "upgrade: h2c\n", "te: gzip\n",
        "X-Upper: 1\n",        "proxy-connection: x\n"};
    uint32_t stream = 1;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++, stream += 2) {
        char lines[200];
        snprintf(lines, sizeof lines, REQUEST_TO("/") "%s", fields[i]);
        send_headers(&frames, stream, true, lines);
        expect_reset(&frames, stream, NGHTTP2_PROTOCOL_ERROR);
    }
    assert_int_equal(request_count, 0);
}

static void test_rfc9113_8_3_pseudo_header_fields(void **state)
{
    (void)state;
    static const char *const heads[] = {
        ":method: GET\n:scheme: https\n:authority: a\n",
        ":method: GET\n:authority: a\n:path: /\n",
        ":scheme: https\n:authority: a\n:path: /\n",
        ":method: GET\n:method: GET\n:scheme: https\n:authority: a\n:path: /\n",
        ":method: GET\n:scheme: https\n:authority: a\n:path: /\n:path: /\n",
        ":method: GET\n:scheme: https\nx: y\n:authority: a\n:path: /\n",
        ":method: GET\n:scheme: https\n:authority: a\n:path: /\n:status: 200\n",
        ":method: GET\n:scheme: https\n:authority: a\n:path: /\n:protocol: x\n",
    };
    uint32_t stream = 1;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++, stream += 2) {
        send_headers(&frames, stream, true, heads[i]);
        expect_reset(&frames, stream, NGHTTP2_PROTOCOL_ERROR);
    }
    assert_int_equal(request_count, 0);
}

static void refused(uint32_t stream, const char *lines, const char *status)
{
    send_headers(&frames, stream, true, lines);
    expect_status(&frames, stream, status);
}

static void test_rfc9113_8_3_1_targets(void **state)
{
    (void)state;
    refused(1, ":method: GET\n:scheme: https\n:path: /\n:authority: a\nhost: b\n", "400");
    refused(3, ":method: GET\n:scheme: https\n:path: /a%zz\n:authority: a\n", "400");
    send_headers(&frames, 5, true, ":method: GET\n:scheme: https\n:path: /\n");
    expect_reset(&frames, 5, NGHTTP2_PROTOCOL_ERROR);
    refused(7, ":method: TRACE\n:scheme: https\n:path: /\n:authority: a\n", "501");
    refused(9, ":method: FETCH\n:scheme: https\n:path: /\n:authority: a\n", "501");
    refused(11, REQUEST_TO("/") "expect: a-miracle\n", "417");
    send_headers(&frames, 13, true, ":method: GET\n:scheme: https\n:path: /\n:authority: a\nhost: a\n");
    expect_status(&frames, 13, "200");
    assert_int_equal(request_count, 1);
}

static void test_rfc9113_8_1_1_content_length_must_agree(void **state)
{
    (void)state;
    send_headers(&frames, 1, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /\ncontent-length: 3\n");
    send_frame(&frames, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "hello", 5);
    expect_reset(&frames, 1, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(request_count, 0);
}

static void test_rfc9110_10_1_1_continue(void **state)
{
    (void)state;
    send_headers(&frames, 1, false,
                 ":method: PUT\n:scheme: https\n:authority: a\n:path: /\nexpect: 100-continue\ncontent-length: 1\n");
    expect_status(&frames, 1, "100");
    send_frame(&frames, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "x", 1);
    expect_status(&frames, 1, "200");
}

static void test_rfc9113_8_1_a_body_that_is_too_long(void **state)
{
    (void)state;
    char lump[1001] = "";
    send_headers(&frames, 1, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /\ncontent-length: 1001\n");
    expect_status(&frames, 1, "413");
    send_headers(&frames, 3, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /\n");
    send_frame(&frames, NGHTTP2_DATA, 0, 3, lump, 1000);
    send_frame(&frames, NGHTTP2_DATA, 0, 3, lump, 1);
    expect_status(&frames, 3, "413");
    send_frame(&frames, NGHTTP2_DATA, 0, 3, lump, 1000); /* still borne */
    expect_reset(&frames, 3, NGHTTP2_NO_ERROR);
    assert_int_equal(request_count, 0);
}

static void test_rfc9113_10_5_1_header_lists(void **state)
{
    (void)state;
    char lines[8000];
    int length = snprintf(lines, sizeof lines, "%s", REQUEST_TO("/"));
    for (int i = 0; i < 21; i++)
        length += snprintf(lines + length, sizeof lines - (size_t)length, "a: b\n");
    refused(1, lines, "431");
    /* One entry of the table, named again and again: small on the wire, large when decompressed. */
    char value[3001];
    memset(value, 'v', 3000);
    value[3000] = '\0';
    snprintf(lines, sizeof lines, REQUEST_TO("/") "a: %s\na: b\n", value);
    send_headers(&frames, 3, true, lines);
    expect_status(&frames, 3, "200");
    snprintf(lines, sizeof lines, REQUEST_TO("/") "a: %s\na: %s\n", value, value);
    refused(5, lines, "431");
    send_headers(&frames, 7, true, REQUEST_TO("/"));
    expect_status(&frames, 7, "200"); /* the connection is whole */
}

static void open_many(void)
{
    for (uint32_t stream = 1; stream <= 17; stream += 2)
        send_headers(&frames, stream, true, REQUEST_TO("/hold"));
}

static void test_rfc9113_5_1_2_too_many_streams_before_the_bound_is_known(void **state)
{
    (void)state;
    open_many();
    expect_reset(&frames, 17, NGHTTP2_REFUSED_STREAM);
    WAIT_FOR(held_count == 8);
}

static void test_rfc9113_5_1_2_too_many_streams(void **state)
{
    (void)state;
    wait_frame(&frames, NGHTTP2_SETTINGS, 0);
    send_frame(&frames, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    open_many();
    expect_goaway(&frames, NGHTTP2_PROTOCOL_ERROR);
    assert_true(held_count <= 8);
}

static void expect_calm(void)
{
    expect_goaway(&frames, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(http_counters(server)->floods, 1);
    WAIT_FOR(client_ended(&frames.client));
}

/* CVE-2023-44487. Those that are reset before their turn reach no handler. */
static void test_rfc9113_10_5_rapid_reset(void **state)
{
    (void)state;
    const uint8_t cancel[] = {0, 0, 0, NGHTTP2_CANCEL};
    uint8_t burst[32768];
    size_t length = 0;
    uint32_t stream = 1;
    for (int i = 0; i < 300; i++, stream += 2) {
        uint8_t block[200];
        size_t size = encode(&frames, REQUEST_TO("/hold"), block, sizeof block);
        const uint8_t head[9] = {0, 0, (uint8_t)size,          NGHTTP2_HEADERS, 5,
                                 0, 0, (uint8_t)(stream >> 8), (uint8_t)stream};
        const uint8_t reset[9] = {0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, (uint8_t)(stream >> 8), (uint8_t)stream};
        memcpy(burst + length, head, 9);
        memcpy(burst + length + 9, block, size);
        memcpy(burst + length + 9 + size, reset, 9);
        memcpy(burst + length + 18 + size, cancel, 4);
        length += 22 + size;
    }
    client_send(&frames.client, burst, length);
    expect_calm();
    assert_true(request_count < 10);
}

static void reset_stream(uint32_t stream)
{
    const uint8_t cancel[] = {0, 0, 0, NGHTTP2_CANCEL};
    send_frame(&frames, NGHTTP2_RST_STREAM, 0, stream, cancel, sizeof cancel);
}

/* libcurl 7.88 resets streams that it has the whole answer of. */
static void test_resets_behind_the_answer_are_no_flood(void **state)
{
    (void)state;
    uint32_t stream = 1;
    for (; stream < 1200; stream += 2) {
        send_headers(&frames, stream, true, REQUEST_TO("/"));
        expect_status(&frames, stream, "200");
        while ((wait_frame(&frames, NGHTTP2_DATA, stream).flags & NGHTTP2_FLAG_END_STREAM) == 0)
            ;
        reset_stream(stream);
    }
    send_headers(&frames, stream, true, REQUEST_TO("/"));
    expect_status(&frames, stream, "200");
    assert_int_equal(http_counters(server)->floods, 0);
}

static void test_resets_of_one_stream_are_a_flood(void **state)
{
    (void)state;
    send_headers(&frames, 1, true, REQUEST_TO("/"));
    while ((wait_frame(&frames, NGHTTP2_DATA, 1).flags & NGHTTP2_FLAG_END_STREAM) == 0)
        ;
    for (int i = 0; i < 300 && !client_ended(&frames.client); i++)
        reset_stream(1);
    expect_calm();
}

static void flood(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t length, int times)
{
    for (int i = 0; i < times && !client_ended(&frames.client); i++)
        send_frame(&frames, type, flags, stream, payload, length);
    expect_calm();
}

static void test_rfc9113_10_5_ping_flood(void **state)
{
    (void)state;
    flood(NGHTTP2_PING, 0, 0, "12345678", 8, 3000);
}

static void test_rfc9113_10_5_settings_flood(void **state)
{
    (void)state;
    flood(NGHTTP2_SETTINGS, 0, 0, NULL, 0, 3000);
}

static void test_rfc9113_10_5_priority_flood(void **state)
{
    (void)state;
    flood(NGHTTP2_PRIORITY, 0, 3, "\0\0\0\x01\x10", 5, 3000);
}

static void test_rfc9113_10_5_empty_data_flood(void **state)
{
    (void)state;
    send_headers(&frames, 1, false, ":method: PUT\n:scheme: https\n:authority: a\n:path: /\n");
    flood(NGHTTP2_DATA, 0, 1, NULL, 0, 3000);
}

static void test_rfc9113_10_5_window_update_flood(void **state)
{
    (void)state;
    flood(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\x01", 4, 5000);
}

/* CVE-2024-28182 */
static void test_rfc9113_10_5_continuation_flood(void **state)
{
    (void)state;
    uint8_t block[1000];
    size_t length = encode(&frames, REQUEST_TO("/"), block, sizeof block);
    send_frame(&frames, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, block, length);
    for (int i = 0; i < 2000 && !client_ended(&frames.client); i++)
        send_frame(&frames, NGHTTP2_CONTINUATION, 0, 1, "\x00\x01x\x01y", 5);
    WAIT_FOR(client_ended(&frames.client));
    assert_int_equal(request_count, 0);
}

static void test_a_stream_and_its_slow_watcher(void **state)
{
    (void)state;
    send_headers(&frames, 1, true, REQUEST_TO("/watch"));
    expect_status(&frames, 1, "200");
    assert_int_equal(http_stream_write(held[0], "piece", 5), 0);
    struct seen seen = wait_frame(&frames, NGHTTP2_DATA, 1);
    assert_memory_equal(seen.payload, "piece", 5);
    char lump[1000] = "";
    size_t written = 0;
    while (http_stream_write(held[0], lump, sizeof lump) == 0) {
        written += sizeof lump;
        assert_true(written < 1000000);
        uv_run(&loop, UV_RUN_NOWAIT);
        client_read(&frames.client);
    }
    assert_true(written >= 65000); /* the window; the queue behind it */
    WAIT_FOR(gone_count == 1);
    expect_reset(&frames, 1, NGHTTP2_CANCEL);
    send_headers(&frames, 3, true, REQUEST_TO("/other"));
    WAIT_FOR(request_count == 2);
}

static void test_a_dropped_exchange_resets_its_stream_only(void **state)
{
    (void)state;
    send_headers(&frames, 1, true, REQUEST_TO("/hold"));
    send_headers(&frames, 3, true, REQUEST_TO("/hold"));
    WAIT_FOR(held_count == 2);
    http_drop(held[0]);
    expect_reset(&frames, 1, NGHTTP2_CANCEL);
    http_respond(held[1], 200, NULL, 0, "whole", 5);
    held_count = 0;
    expect_status(&frames, 3, "200");
    expect_body(3, "whole");
    assert_int_equal(gone_count, 0);
}

static ssize_t make_some(void *arg, uint8_t *to, size_t size)
{
    size_t *left = arg;
    if (*left == 0)
        return -1;
    size = size < *left ? size : *left;
    memset(to, 'm', size);
    *left -= size;
    return (ssize_t)size;
}

static void test_a_body_that_breaks_off_resets_its_stream(void **state)
{
    (void)state;
    size_t left = 20000;
    send_headers(&frames, 1, true, REQUEST_TO("/hold"));
    WAIT_FOR(held_count == 1);
    http_respond_source(held[0], 200, NULL, 0, &(struct http_source){.read = make_some, .arg = &left});
    held_count = 0;
    expect_status(&frames, 1, "200");
    expect_reset(&frames, 1, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(left, 0);
    WAIT_FOR(http_counters(server)->memory == 0);
}

static void test_a_stream_that_is_reset_is_told(void **state)
{
    (void)state;
    send_headers(&frames, 1, true, REQUEST_TO("/hold"));
    WAIT_FOR(held_count == 1);
    send_frame(&frames, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\x08", 4);
    WAIT_FOR(gone_count == 1);
    http_respond(held[0], 200, NULL, 0, "x", 1);
    held[0] = NULL;
    assert_int_equal(http_counters(server)->memory, 0);
}

static void test_rfc9113_6_8_closing_lets_streams_end(void **state)
{
    (void)state;
    send_headers(&frames, 1, true, REQUEST_TO("/hold"));
    WAIT_FOR(held_count == 1);
    http_close(server, 20000, on_server_closed, NULL);
    expect_goaway(&frames, NGHTTP2_NO_ERROR);
    send_headers(&frames, 3, true, REQUEST_TO("/late"));
    http_respond(held[0], 200, NULL, 0, "last", 4);
    held[0] = NULL;
    expect_status(&frames, 1, "200");
    expect_body(1, "last");
    WAIT_FOR(client_ended(&frames.client));
    shutdown(frames.client.fd, SHUT_RDWR);
    WAIT_FOR(server_closed);
    assert_int_equal(request_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rfc9113_6_5_2_what_the_server_bounds),
        TEST(test_requests),
        TEST(test_rfc9113_8_1_trailers_are_not_header_fields),
        TEST(test_rfc9113_8_2_fields_that_are_forbidden),
        TEST(test_rfc9113_8_3_pseudo_header_fields),
        TEST(test_rfc9113_8_3_1_targets),
        TEST(test_rfc9113_8_1_1_content_length_must_agree),
        TEST(test_rfc9110_10_1_1_continue),
        TEST(test_rfc9113_8_1_a_body_that_is_too_long),
        TEST(test_rfc9113_10_5_1_header_lists),
        TEST(test_rfc9113_5_1_2_too_many_streams_before_the_bound_is_known),
        TEST(test_rfc9113_5_1_2_too_many_streams),
        TEST(test_rfc9113_10_5_rapid_reset),
        TEST(test_resets_behind_the_answer_are_no_flood),
        TEST(test_resets_of_one_stream_are_a_flood),
        TEST(test_rfc9113_10_5_ping_flood),
        TEST(test_rfc9113_10_5_settings_flood),
        TEST(test_rfc9113_10_5_priority_flood),
        TEST(test_rfc9113_10_5_empty_data_flood),
        TEST(test_rfc9113_10_5_window_update_flood),
        TEST(test_rfc9113_10_5_continuation_flood),
        TEST(test_a_stream_and_its_slow_watcher),
        TEST(test_a_dropped_exchange_resets_its_stream_only),
        TEST(test_a_body_that_breaks_off_resets_its_stream),
        TEST(test_a_stream_that_is_reset_is_told),
        TEST(test_rfc9113_6_8_closing_lets_streams_end),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
