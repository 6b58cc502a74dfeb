/* Requests of a client that is not ours: odd options, hop limits, retransmissions; and libcoap's own client. */
/* links: coap log */
#include "tests/unit/coap_raw.h"

static struct raw_builder message;

static void begin_request(unsigned type, uint8_t method)
{
    raw_begin(&message, type, method, "tok");
}

static void ask_path(unsigned type, const char *path)
{
    begin_request(type, DOTS_GET);
    raw_path(&message, path);
    raw_exchange(&message);
}

static void start(void)
{
    start_raw();
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "ours");
}

/* Nothing of libcoap's own answers. */
static void test_well_known_core_is_ours(void **state)
{
    (void)state;
    start();
    ask_path(RAW_CON, ".well-known/core");
    assert_int_equal(raw_code(), DOTS_CODE(2, 5));
    assert_int_equal(raw_type(), RAW_ACK);
    assert_raw_payload("ours");
    assert_string_equal(south.request.path, ".well-known/core");
    begin_request(RAW_NON, DOTS_PUT);
    raw_path(&message, ".well-known/core");
    raw_exchange(&message);
    assert_int_equal(south.requests, 2);
    assert_int_equal(south.request.method, DOTS_PUT);
}

static void test_every_method_comes(void **state)
{
    (void)state;
    start();
    for (int method = DOTS_GET; method <= DOTS_IPATCH; method++) {
        begin_request(RAW_CON, (uint8_t)method);
        raw_path(&message, "any/path");
        raw_number(&message, 12, DOTS_CONTENT_FORMAT);
        raw_payload(&message, "x", 1);
        raw_exchange(&message);
        assert_int_equal(south.requests, method);
        assert_int_equal(south.request.method, method);
    }
}

static void test_empty_path(void **state)
{
    (void)state;
    start();
    ask_path(RAW_CON, "");
    assert_int_equal(south.requests, 1);
    assert_string_equal(south.request.path, "");
}

static void test_path_of_sixteen_and_seventeen(void **state)
{
    (void)state;
    start();
    ask_path(RAW_CON, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16");
    assert_int_equal(raw_code(), DOTS_CODE(2, 5));
    assert_string_equal(south.request.path, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16");
    ask_path(RAW_CON, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17");
    assert_int_equal(raw_code(), DOTS_CODE(4, 0));
    assert_int_equal(south.requests, 1);
}

static void test_too_many_queries(void **state)
{
    (void)state;
    start();
    begin_request(RAW_CON, DOTS_GET);
    for (int i = 0; i <= DOTS_QUERY_MAX; i++)
        raw_option(&message, 15, "c=a", 3);
    raw_exchange(&message);
    assert_int_equal(raw_code(), DOTS_CODE(4, 0));
    assert_int_equal(south.requests, 0);
}

/* RFC 7252 section 5.4.1: 4.02 for what is critical and not understood; If-None-Match is not. */
static void test_rfc7252_5_4_1_critical_options_must_be_understood(void **state)
{
    (void)state;
    start();
    static const unsigned critical[] = {5, 9, 19, 31, 65001};
    for (size_t i = 0; i < sizeof critical / sizeof critical[0]; i++) {
        begin_request(RAW_CON, DOTS_GET);
        raw_option(&message, critical[i], "x", critical[i] == 5 ? 0 : 1);
        raw_exchange(&message);
        assert_int_equal(raw_code(), DOTS_CODE(4, 2));
    }
    assert_int_equal(south.requests, 0);
    begin_request(RAW_CON, DOTS_GET);
    raw_option(&message, 65000, "elective", 8);
    raw_exchange(&message);
    assert_int_equal(raw_code(), DOTS_CODE(2, 5));
}

static void test_options_are_read(void **state)
{
    (void)state;
    start();
    begin_request(RAW_CON, DOTS_GET);
    raw_option(&message, 1, "", 0);
    raw_option(&message, 3, "dots.example", 12);
    raw_number(&message, 6, 1);
    raw_option(&message, 11, "a", 1);
    raw_option(&message, 11, "", 0);
    raw_option(&message, 11, "mid=1", 5);
    raw_option(&message, 15, "c=n", 3);
    raw_number(&message, 16, 255);
    raw_number(&message, 17, DOTS_CONTENT_FORMAT);
    raw_exchange(&message);
    assert_true(south.request.if_match && south.request.if_match_empty);
    assert_int_equal(south.request.observe, 1);
    assert_string_equal(south.request.path, "a//mid=1");
    assert_string_equal(south.request.query, "c=n");
    assert_int_equal(south.request.hop_limit, 254);
    assert_int_equal(south.request.accept, DOTS_CONTENT_FORMAT);
    assert_int_equal(south.request.token.length, 3);
}

/* RFC 8768 section 3: 5.08 at 1, and section 4: with the gateway's name, not its address. */
static void check_hop_limit_name(const char *name, const char *expected)
{
    struct dots_endpoint_settings settings = south_settings();
    settings.name = name;
    south.endpoint = open_endpoint(&settings);
    raw_open(DOTS_UDP, listen_on(south.endpoint, "127.0.0.1", DOTS_UDP));
    raw_use_certificate(&pki_client);
    raw_start();
    run_until(raw_connected);
    begin_request(RAW_CON, DOTS_PUT);
    raw_path(&message, "mid=1");
    raw_number(&message, 16, 1);
    raw_exchange(&message);
    assert_int_equal(raw_code(), DOTS_CODE(5, 8));
    assert_int_equal(raw_type(), RAW_ACK);
    assert_raw_payload(expected);
    assert_int_equal(south.requests, 0);
}

static void test_rfc8768_4_hop_limit_answer_has_the_name(void **state)
{
    (void)state;
    check_hop_limit_name("gw1.example", "gw1.example");
}

static void test_rfc8768_4_longest_name(void **state)
{
    (void)state;
    check_hop_limit_name("a.very.long.name.of.a.gateway.example.com.", "a.very.long.name.of.a.gateway.example.com.");
}

static void test_rfc8768_4_name_too_long_for_libcoap(void **state)
{
    (void)state;
    check_hop_limit_name("an.even.longer.name.of.a.gateway.in.the.country.example.com",
                         "an.even.longer.name.of.a.gateway.in.the.co");
}

static void test_rfc8768_4_name_with_colons(void **state)
{
    (void)state;
    check_hop_limit_name("2001:db8::1", "2001:db8::1");
}

static void test_rfc8768_3_bad_hop_limits(void **state)
{
    (void)state;
    start();
    static const uint32_t bad[] = {0, 256};
    for (size_t i = 0; i < 2; i++) {
        begin_request(RAW_CON, DOTS_PUT);
        raw_number(&message, 16, bad[i]);
        raw_exchange(&message);
        assert_true(raw_code() == DOTS_CODE(4, 0) || raw_type() == RAW_RST); /* malformed to libcoap 4.3.1 */
    }
    assert_int_equal(south.requests, 0);
}

static struct dots_response names_response(const char *names)
{
    struct dots_response response = text_response(DOTS_CODE(5, 8), names);
    response.content_format = -1;
    return response;
}

/* Our own 5.08s: of a loop found by the gateway, or passed on from upstream. */
static void check_own_508(unsigned type)
{
    start();
    south.answer = names_response("");
    ask_path(type, "a");
    assert_int_equal(raw_code(), DOTS_CODE(5, 8));
    assert_raw_payload("gw1.example");
    south.answer = names_response("gw2.example gw3.example");
    ask_path(type, "a");
    assert_raw_payload("gw1.example gw2.example gw3.example");
    south.answer = names_response("gw1.example.com");
    ask_path(type, "a");
    assert_raw_payload("gw1.example gw1.example.com");
}

static void test_rfc8768_4_name_is_prepended(void **state)
{
    (void)state;
    check_own_508(RAW_CON);
}

static void test_rfc8768_4_name_is_prepended_non_confirmable(void **state)
{
    (void)state;
    check_own_508(RAW_NON);
}

static bool south_holds(void)
{
    return south.held_count > 0;
}

static void test_rfc8768_4_name_is_prepended_later(void **state)
{
    (void)state;
    start();
    south.on_request = answer_later;
    begin_request(RAW_NON, DOTS_GET);
    raw_send(&message);
    run_until(south_holds);
    struct dots_response response = names_response("gw2.example");
    raw_expected = 1;
    assert_int_equal(dots_reply(south.held[0], &response), 0);
    run_until(raw_has_received);
    assert_raw_payload("gw1.example gw2.example");
}

/* A response that already passed us is in a loop: it is not sent. */
static void test_rfc8768_4_own_name_is_not_passed_on(void **state)
{
    (void)state;
    start();
    south.answer = names_response("gw2.example gw1.example gw3.example");
    ask_path(RAW_CON, "a");
    assert_int_equal(raw_type(), RAW_ACK);
    assert_int_equal(raw_code(), 0);
    /* and the next Hop-Limit answer of libcoap's is whole again */
    begin_request(RAW_CON, DOTS_PUT);
    raw_number(&message, 16, 1);
    raw_exchange(&message);
    assert_raw_payload("gw1.example");
}

/* RFC 7252 section 4.2: each copy is acknowledged, one is handled while the answer is not there yet. */
static void test_rfc7252_4_2_retransmission_of_a_held_request(void **state)
{
    (void)state;
    start();
    south.on_request = answer_later;
    begin_request(RAW_CON, DOTS_PUT);
    raw_exchange(&message);
    assert_int_equal(raw_type(), RAW_ACK);
    assert_int_equal(raw_code(), 0);
    assert_int_equal(raw.last.length, 4);
    raw_exchange(&message);
    assert_int_equal(raw_type(), RAW_ACK);
    assert_int_equal(south.requests, 1);
    struct dots_response response = text_response(DOTS_CODE(2, 1), "done");
    raw_expected = raw.received + 1;
    assert_int_equal(dots_reply(south.held[0], &response), 0);
    run_until(raw_has_received);
    assert_int_equal(raw_type(), RAW_CON); /* section 5.2.2: a separate response */
    assert_int_equal(raw_code(), DOTS_CODE(2, 1));
}

static void test_dropped_request_gets_no_answer(void **state)
{
    (void)state;
    start();
    south.on_request = NULL;
    begin_request(RAW_NON, DOTS_PUT);
    raw_send(&message);
    run_until(south_asked);
    south.on_request = answer_now;
    ask_path(RAW_NON, "a"); /* its answer is the first thing to come */
    assert_int_equal(raw.received, 1);
    assert_raw_payload("ours");
}

static void test_held_answer_after_the_end(void **state)
{
    (void)state;
    start();
    south.on_request = answer_later;
    begin_request(RAW_NON, DOTS_PUT);
    raw_send(&message);
    run_until(south_holds);
    dots_session_close(south.up[0]);
    run_until(south_down);
    struct dots_response response = text_response(DOTS_CODE(2, 1), "too late");
    assert_int_equal(dots_reply(south.held[0], &response), -1);
}

/* ---- libcoap's own client ---- */

static bool foreign_done;
static int64_t foreign_status;

static void on_foreign_exit(uv_process_t *process, int64_t status, int signal)
{
    foreign_done = true;
    foreign_status = signal != 0 ? -signal : status;
    uv_close((uv_handle_t *)process, NULL);
}

static bool foreign_has_ended(void)
{
    return foreign_done;
}

static void check_foreign_client(enum dots_transport transport, const char *scheme)
{
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 1), "made");
    char uri[128], key[64], file[128], text[16] = "";
    snprintf(uri, sizeof uri, "%s://127.0.0.1:%u/.well-known/dots/mitigate/mid=1", scheme,
             listen_on(south.endpoint, "127.0.0.1", transport));
    snprintf(key, sizeof key, "%s", (const char *)psk_key);
    snprintf(file, sizeof file, "%s/answer", pki_folder);
    const char *args[] = {"coap-client-openssl",
                          "-m",
                          "put",
                          "-B",
                          "10",
                          "-u",
                          "web1",
                          "-k",
                          key,
                          "-t",
                          "271",
                          "-e",
                          "hello",
                          "-o",
                          file,
                          uri,
                          NULL};
    uv_process_t process;
    uv_process_options_t options = {.file = "coap-client-openssl", .args = (char **)args, .exit_cb = on_foreign_exit};
    foreign_done = false;
    if (uv_spawn(&loop, &process, &options) != 0) {
        uv_close((uv_handle_t *)&process, NULL);
        uv_run(&loop, UV_RUN_NOWAIT);
        skip(); /* package libcoap3-bin */
    }
    run_until(foreign_has_ended);
    assert_int_equal(foreign_status, 0);
    assert_int_equal(south.requests, 1);
    assert_string_equal(south.request.path, ".well-known/dots/mitigate/mid=1");
    assert_int_equal(south.request.content_format, DOTS_CONTENT_FORMAT);
    assert_memory_equal(south.request.body, "hello", 5);
    assert_int_equal(south.ups, 1);
    FILE *answer = fopen(file, "r");
    assert_non_null(answer);
    assert_int_equal(fread(text, 1, sizeof text, answer), 4);
    fclose(answer);
    unlink(file);
    assert_string_equal(text, "made");
}

static void test_libcoap_client_over_dtls(void **state)
{
    (void)state;
    check_foreign_client(DOTS_UDP, "coaps");
}

static void test_libcoap_client_over_tls(void **state)
{
    (void)state;
    check_foreign_client(DOTS_TCP, "coaps+tcp");
}

#define with_raw(name) cmocka_unit_test_setup_teardown(name, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_raw(test_well_known_core_is_ours),
        with_raw(test_every_method_comes),
        with_raw(test_empty_path),
        with_raw(test_path_of_sixteen_and_seventeen),
        with_raw(test_too_many_queries),
        with_raw(test_rfc7252_5_4_1_critical_options_must_be_understood),
        with_raw(test_options_are_read),
        with_raw(test_rfc8768_4_hop_limit_answer_has_the_name),
        with_raw(test_rfc8768_4_longest_name),
        with_raw(test_rfc8768_4_name_too_long_for_libcoap),
        with_raw(test_rfc8768_4_name_with_colons),
        with_raw(test_rfc8768_3_bad_hop_limits),
        with_raw(test_rfc8768_4_name_is_prepended),
        with_raw(test_rfc8768_4_name_is_prepended_non_confirmable),
        with_raw(test_rfc8768_4_name_is_prepended_later),
        with_raw(test_rfc8768_4_own_name_is_not_passed_on),
        with_raw(test_rfc7252_4_2_retransmission_of_a_held_request),
        with_raw(test_dropped_request_gets_no_answer),
        with_raw(test_held_answer_after_the_end),
        with_pair(test_libcoap_client_over_dtls),
        with_pair(test_libcoap_client_over_tls),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
