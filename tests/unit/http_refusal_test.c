/*
 * What an HTTP/1.1 client may not send: every form that another hop could read differently.
 * links: http log
 */
#include "tests/unit/http_fixture.h"

static int start(void **state)
{
    (void)state;
    start_server(&(struct http_settings){.limits = {.header_bytes = 2000, .header_count = 10, .body_bytes = 100}});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stop_server();
    return 0;
}

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n"

static void refused(const char *request, const char *status)
{
    char line[64];
    unsigned before = request_count;
    snprintf(line, sizeof line, "HTTP/1.1 %s", status);
    expect_reply(request, strlen(request), line, true);
    assert_int_equal(request_count, before);
}

static void accepted(const char *request)
{
    expect_reply(request, strlen(request), "HTTP/1.1 200", false);
}

static void test_rfc9112_6_3_length_and_coding_together(void **state)
{
    (void)state;
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400");
    refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", "400");
}

static void test_rfc9112_6_3_lengths(void **state)
{
    (void)state;
    static const char *const lengths[] = {"+5", "-1", "0x5", "5,5", "5 5", "", "99999999999999999999", "5a"};
    char request[200];
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        snprintf(request, sizeof request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\nhello", lengths[i]);
        refused(request, "400");
    }
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400");
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400");
}

static void test_rfc9112_6_1_codings(void **state)
{
    (void)state;
    static const char *const codings[] = {"gzip",     "chunked, gzip", "gzip, chunked",
                                          "identity", "xchunked",      "chunked\x0b"};
    char request[200];
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        snprintf(request, sizeof request, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %s\r\n\r\n0\r\n\r\n",
                 codings[i]);
        expect_reply(request, strlen(request), i < 5 ? "HTTP/1.1 " : "HTTP/1.1 400", true);
        assert_int_equal(request_count, 0);
    }
    refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400");
    refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400");
}

static void test_rfc9112_7_1_chunks(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "g\r\nx\r\n0\r\n\r\n",
        "\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1 \r\nx\r\n0\r\n\r\n",
        "1\r\nxx\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        "1\r\rx\r\n0\r\n\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n",
        "ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
        "0\r\n a: b\r\n\r\n",
        "0\r\na b: c\r\n\r\n",
        "0\r\na: b\n\r\n",
        "0\r\n\n",
    };
    char request[300];
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        snprintf(request, sizeof request, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                 bodies[i]);
        refused(request, "400");
    }
}

static void test_rfc9112_2_2_line_ends(void **state)
{
    (void)state;
    refused("GET / HTTP/1.1\nHost: a\n\n", "400");
    refused("GET / HTTP/1.1\r\nHost: a\n\r\n", "400");
    refused("GET / HTTP/1.1\rHost: a\r\n\r\n", "400");
    refused(REQUEST "A: b\rC: d\r\n\r\n", "400");
    refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400");
    refused("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400");
    accepted("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void test_rfc9112_5_fields(void **state)
{
    (void)state;
    refused(REQUEST "A : b\r\n\r\n", "400");
    refused(REQUEST "A\t: b\r\n\r\n", "400");
    refused(REQUEST ": b\r\n\r\n", "400");
    refused(REQUEST "A\r\n\r\n", "400");
    refused(REQUEST "A: b\r\n c\r\n\r\n", "400"); /* section 5.2 */
    refused(REQUEST "A: b\r\n\tc\r\n\r\n", "400");
    refused(" " REQUEST "\r\n", "400");
    refused("GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", "400");
    refused(REQUEST "A: b\x01\r\n\r\n", "400");
    refused(REQUEST "A: b\x7f\r\n\r\n", "400");
    refused(REQUEST "(A): b\r\n\r\n", "400");
    expect_reply(REQUEST "A: b\0c\r\n\r\n", sizeof(REQUEST "A: b\0c\r\n\r\n") - 1, "HTTP/1.1 400", true);
    accepted(REQUEST "Empty:\r\nOther:  \r\nX-Test: \t v \t\r\n\r\n");
}

static void test_rfc9112_3_request_line(void **state)
{
    (void)state;
    refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400");
    refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400");
    refused("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400");
    refused("GET /\r\nHost: a\r\n\r\n", "400");
    refused("GET / \r\nHost: a\r\n\r\n", "400");
    refused("GET  \r\nHost: a\r\n\r\n", "400");
    refused("  HTTP/1.1\r\nHost: a\r\n\r\n", "400");
    refused("GET / http/1.1\r\nHost: a\r\n\r\n", "400");
    refused("GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400");
    refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505");
    refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505");
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505");
    refused("G{T / HTTP/1.1\r\nHost: a\r\n\r\n", "400");
    refused("\x16\x03\x01\x02\x01\x01", "400");
}

static void test_rfc9110_9_methods_that_are_not_served(void **state)
{
    (void)state;
    refused("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "501");
    refused("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501");
    refused("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "501");
    refused("get / HTTP/1.1\r\nHost: a\r\n\r\n", "501");
    refused("MITIGATE / HTTP/1.1\r\nHost: a\r\n\r\n", "501");
}

static void test_rfc9112_3_2_host(void **state)
{
    (void)state;
    refused("GET / HTTP/1.1\r\n\r\n", "400");
    refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400");
    refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400");
    refused("GET / HTTP/1.1\r\nHost:\r\n\r\n", "400");
    refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400");
    refused("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", "400");
    refused("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "400");
    accepted("GET http://a:80/x HTTP/1.1\r\nHost: A:80\r\n\r\n");
    accepted("GET / HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
    accepted("GET / HTTP/1.0\r\n\r\n");
}

static void test_rfc3986_targets(void **state)
{
    (void)state;
    static const char *const targets[] = {"x",        "//a\"b",   "/a b", "/%",       "/%4",   "/%g0",
                                          "/#a",      "/a\\b",    "/{a}", "/a^b",     "/\x80", "http://",
                                          "http://a", "http:///", "*",    "ftp://a/", "/?a#b", "/?%zz"};
    char request[200];
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
        refused(request, "400");
    }
    accepted(
        "GET /restconf/data/ietf-dots-data-channel:dots-data/dots-client=a%2Fb?content=config&x=/? HTTP/1.1\r\nHost: "
        "a\r\n\r\n");
    accepted("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void test_rfc9110_10_1_1_expectations(void **state)
{
    (void)state;
    refused("POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\nx", "417");
}

static void test_a_head_that_is_too_long(void **state)
{
    (void)state;
    char filler[3000], request[4000];
    memset(filler, 'a', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    snprintf(request, sizeof request, "GET /%s", filler);
    refused(request, "414");
    snprintf(request, sizeof request, REQUEST "%s", filler);
    refused(request, "431");
    refused(REQUEST "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\nA: 8\r\nA: 9\r\nA: 10\r\n\r\n", "431");
    accepted(REQUEST "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\nA: 8\r\nA: 9\r\n\r\n");
}

static void test_a_body_that_is_too_long(void **state)
{
    (void)state;
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", "413");
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n", "413");
    refused(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "413");
    wanted_body_max = 4; /* of this request only */
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "413");
    wanted_body_max = SIZE_MAX;
    accepted("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
}

/* After a refusal nothing that follows counts as a request. */
static void test_nothing_is_read_behind_a_refusal(void **state)
{
    (void)state;
    struct client client;
    client_open(&client);
    client_say(&client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(client_ended(&client));
    assert_int_equal(client_count(&client, "HTTP/1.1 "), 1);
    assert_true(client_has(&client, "connection: close"));
    assert_int_equal(request_count, 0);
    client_close(&client);
}

static void test_the_owner_words_refusals(void **state)
{
    (void)state;
    const char *request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n";
    struct client client;
    for (int own = 0; own < 2; own++) {
        wanted_refusal = own;
        client_open(&client);
        client_say(&client, request);
        WAIT_FOR(client_ended(&client));
        assert_true(client_has(&client, own ? "content-type: application/json" : "content-type: text/plain"));
        assert_true(client_has(&client, own ? "\r\n\r\n{\"413\":\"Content Too Large\"}" : "\r\n\r\n413 Content"));
        client_close(&client);
    }
    wanted_refusal = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rfc9112_6_3_length_and_coding_together),
        TEST(test_rfc9112_6_3_lengths),
        TEST(test_rfc9112_6_1_codings),
        TEST(test_rfc9112_7_1_chunks),
        TEST(test_rfc9112_2_2_line_ends),
        TEST(test_rfc9112_5_fields),
        TEST(test_rfc9112_3_request_line),
        TEST(test_rfc9110_9_methods_that_are_not_served),
        TEST(test_rfc9112_3_2_host),
        TEST(test_rfc3986_targets),
        TEST(test_rfc9110_10_1_1_expectations),
        TEST(test_a_head_that_is_too_long),
        TEST(test_a_body_that_is_too_long),
        TEST(test_nothing_is_read_behind_a_refusal),
        TEST(test_the_owner_words_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
