/*
 * TLS of the HTTP server: who gets in, what is spoken, and credentials that change.
 * links: http log
 */
#include "tests/unit/http_fixture.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define ALPN_BOTH "\x08http/1.1\x02h2"

static struct client client;

static struct http_tls credentials(enum http_client_certificate policy)
{
    return (struct http_tls){.certificate = pki_server.certificate,
                             .private_key = pki_server.key,
                             .trust_anchors = pki_ca.certificate,
                             .client_certificate = policy};
}

static void begin(enum http_client_certificate policy)
{
    start_server(&(struct http_settings){.tls = credentials(policy)});
    client_open(&client);
}

static int stop(void **state)
{
    (void)state;
    client_close(&client);
    stop_server();
    return 0;
}

static void expect_refused(void)
{
    client_say(&client, GET);
    WAIT_FOR(client_ended(&client));
    assert_int_equal(client.got, 0);
    assert_int_equal(request_count, 0);
    assert_int_equal(http_counters(server)->handshakes_failed, 1);
}

static void expect_answer(const char *certificate)
{
    client_say(&client, GET);
    WAIT_FOR(client_has(&client, "HTTP/1.1 200"));
    assert_string_equal(last_certificate, certificate);
}

static void test_rfc8783_3_1_a_client_with_a_certificate(void **state)
{
    (void)state;
    begin(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    assert_true(client_secure(&client, &pki_client, NULL, NULL));
    expect_answer("client");
}

static void test_rfc8783_3_1_a_client_without_one(void **state)
{
    (void)state;
    begin(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    if (client_secure(&client, NULL, NULL, NULL))
        expect_refused();
}

static void test_a_stranger(void **state)
{
    (void)state;
    begin(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    if (client_secure(&client, &pki_stranger, NULL, NULL))
        expect_refused();
}

static void test_an_expired_certificate(void **state)
{
    (void)state;
    begin(HTTP_CLIENT_CERTIFICATE_OPTIONAL);
    if (client_secure(&client, &pki_expired, NULL, NULL))
        expect_refused();
}

static void test_optional_and_not_asked_for(void **state)
{
    (void)state;
    begin(HTTP_CLIENT_CERTIFICATE_OPTIONAL);
    assert_true(client_secure(&client, NULL, NULL, NULL));
    expect_answer("");
    client_close(&client);
    client_open(&client);
    assert_true(client_secure(&client, &pki_client, NULL, NULL));
    expect_answer("client");
}

static const char *spoken(void)
{
    static char name[16];
    const unsigned char *protocol;
    unsigned length;
    SSL_get0_alpn_selected(client.ssl, &protocol, &length);
    snprintf(name, sizeof name, "%.*s", (int)length, (const char *)protocol);
    return name;
}

static void test_rfc9113_3_2_alpn(void **state)
{
    (void)state;
    begin(HTTP_CLIENT_CERTIFICATE_NONE);
    assert_true(client_secure(&client, NULL, ALPN_BOTH, NULL));
    assert_string_equal(spoken(), "h2");
    client_close(&client);
    client_open(&client);
    assert_true(client_secure(&client, NULL, "\x08http/1.1", NULL));
    assert_string_equal(spoken(), "http/1.1");
    expect_answer("");
    client_close(&client);
    client_open(&client);
    assert_false(client_secure(&client, NULL,
                               "\x04"
                               "coap",
                               NULL)); /* RFC 7301 section 3.2 */
}

static bool connect_with(int least, int most, const char *ciphers)
{
    client.context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(client.context, least);
    SSL_CTX_set_max_proto_version(client.context, most);
    SSL_CTX_set_security_level(client.context, 0);
    if (ciphers != NULL)
        assert_int_equal(SSL_CTX_set_cipher_list(client.context, ciphers), 1);
    client.ssl = SSL_new(client.context);
    SSL_set_fd(client.ssl, client.fd);
    int done;
    while ((done = SSL_connect(client.ssl)) != 1 && SSL_get_error(client.ssl, done) == SSL_ERROR_WANT_READ)
        uv_run(&loop, UV_RUN_NOWAIT);
    return done == 1;
}

static void test_rfc9113_9_2_versions_and_ciphers(void **state)
{
    (void)state;
    begin(HTTP_CLIENT_CERTIFICATE_NONE);
    assert_true(connect_with(TLS1_2_VERSION, TLS1_2_VERSION, NULL));
    expect_answer("");
    client_close(&client);
    client_open(&client);
    assert_false(connect_with(TLS1_VERSION, TLS1_1_VERSION, NULL));
    client_close(&client);
    client_open(&client);
    assert_false(connect_with(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256"));
}

static SSL_SESSION *ticket; /* the last */

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* Connects, with this ticket if any, and takes the next one: whether it was resumed. */
static bool connect_again(SSL_SESSION *session)
{
    client_close(&client);
    client_open(&client);
    client.context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client.context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client.context, on_ticket);
    SSL_CTX_use_certificate_file(client.context, pki_client.certificate, SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(client.context, pki_client.key, SSL_FILETYPE_PEM);
    client.ssl = SSL_new(client.context);
    SSL_set_fd(client.ssl, client.fd);
    if (session != NULL)
        SSL_set_session(client.ssl, session);
    int done;
    while ((done = SSL_connect(client.ssl)) != 1) {
        assert_int_equal(SSL_get_error(client.ssl, done), SSL_ERROR_WANT_READ);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    expect_answer("client");
    return SSL_session_reused(client.ssl) == 1;
}

static void test_tickets_count_until_the_credentials_change(void **state)
{
    (void)state;
    char error[256];
    begin(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    assert_false(connect_again(NULL));
    WAIT_FOR(ticket != NULL);
    SSL_SESSION_up_ref(ticket);
    SSL_SESSION *first = ticket;
    assert_true(connect_again(first)); /* and the certificate is known again */
    SSL_SESSION_free(first);
    struct http_tls tls = credentials(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    assert_int_equal(http_reload_tls(server, &tls, error, sizeof error), 0);
    SSL_SESSION_up_ref(ticket);
    SSL_SESSION *second = ticket;
    assert_false(connect_again(second));
    SSL_SESSION_free(second);
    SSL_SESSION_free(ticket);
    ticket = NULL;
}

/* Whether the last ticket is good after a reload with these. */
static bool resumes_after(const struct http_tls *tls)
{
    char error[256];
    SSL_SESSION *last = ticket;
    SSL_SESSION_up_ref(last);
    assert_int_equal(http_reload_tls(server, tls, error, sizeof error), 0);
    bool resumed = connect_again(last);
    SSL_SESSION_free(last);
    return resumed;
}

/* A reload stands for another server with the same keys, too: nothing of the old one is left. */
static void test_tickets_of_shared_keys_count_while_the_anchors_are_the_same(void **state)
{
    (void)state;
    uint8_t keys[2 * 80];
    char anchors[sizeof pki_folder + 16];
    snprintf(anchors, sizeof anchors, "%s/anchors.pem", pki_folder);
    FILE *both = fopen(anchors, "w");
    append_file(both, pki_ca.certificate);
    append_file(both, pki_other_ca.certificate);
    fclose(both);
    for (size_t i = 0; i < sizeof keys; i++)
        keys[i] = (uint8_t)i;
    struct http_tls tls = credentials(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    tls.ticket_keys = keys;
    tls.ticket_keys_length = sizeof keys;
    start_server(&(struct http_settings){.tls = tls});
    client_open(&client);
    assert_false(connect_again(NULL));
    WAIT_FOR(ticket != NULL);
    assert_true(resumes_after(&tls));
    tls.ticket_keys = keys + 80; /* another one seals, and opens no other's */
    tls.ticket_keys_length = 80;
    assert_false(resumes_after(&tls));
    tls.ticket_keys = keys;
    tls.ticket_keys_length = sizeof keys;
    assert_true(resumes_after(&tls)); /* the second opens */
    tls.trust_anchors = anchors;
    assert_false(resumes_after(&tls));
    assert_true(resumes_after(&tls));
    unlink(anchors);
    SSL_SESSION_free(ticket);
    ticket = NULL;
}

static void test_a_reload_keeps_connections_and_takes_new_anchors(void **state)
{
    (void)state;
    char error[256];
    begin(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    assert_true(client_secure(&client, &pki_client, NULL, NULL));
    expect_answer("client");
    struct http_tls tls = credentials(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    tls.trust_anchors = pki_other_ca.certificate;
    assert_int_equal(http_reload_tls(server, &tls, error, sizeof error), 0);
    client.got = 0;
    expect_answer("client"); /* the same connection */
    client_close(&client);
    client_open(&client);
    if (client_secure(&client, &pki_client, NULL, NULL)) {
        client_say(&client, GET);
        WAIT_FOR(client_ended(&client));
    }
    assert_int_equal(client.got, 0);
    client_close(&client);
    client_open(&client);
    assert_true(client_secure(&client, &pki_stranger, NULL, NULL));
    expect_answer("stranger");
}

static void test_a_reload_that_fails_changes_nothing(void **state)
{
    (void)state;
    char error[256] = "";
    begin(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    struct http_tls tls = credentials(HTTP_CLIENT_CERTIFICATE_REQUIRED);
    tls.private_key = pki_client.key;
    assert_int_equal(http_reload_tls(server, &tls, error, sizeof error), -1);
    assert_non_null(strstr(error, pki_client.key));
    tls = (struct http_tls){.certificate = "/nowhere", .private_key = pki_server.key};
    assert_int_equal(http_reload_tls(server, &tls, error, sizeof error), -1);
    assert_non_null(strstr(error, "/nowhere"));
    assert_true(client_secure(&client, &pki_client, NULL, NULL));
    expect_answer("client");
}

static void test_credentials_that_cannot_be_used(void **state)
{
    (void)state;
    char error[256] = "";
    begin(HTTP_CLIENT_CERTIFICATE_NONE);
    struct http_settings settings = {.tls = credentials(HTTP_CLIENT_CERTIFICATE_REQUIRED)};
    settings.tls.trust_anchors = NULL;
    assert_null(http_open(&loop, &settings, &fixture_handlers, NULL, error, sizeof error));
    assert_non_null(strstr(error, "trust anchors"));
    settings.tls.trust_anchors = pki_server.key;
    assert_null(http_open(&loop, &settings, &fixture_handlers, NULL, error, sizeof error));
    settings.tls.private_key = NULL;
    assert_null(http_open(&loop, &settings, &fixture_handlers, NULL, error, sizeof error));
    assert_non_null(strstr(error, "private key"));
}

static void test_plain_http_to_a_tls_port(void **state)
{
    (void)state;
    begin(HTTP_CLIENT_CERTIFICATE_NONE);
    client_say(&client, GET);
    WAIT_FOR(client_ended(&client));
    assert_int_equal(request_count, 0);
    assert_int_equal(http_counters(server)->handshakes_failed, 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rfc8783_3_1_a_client_with_a_certificate),
        TEST(test_rfc8783_3_1_a_client_without_one),
        TEST(test_a_stranger),
        TEST(test_an_expired_certificate),
        TEST(test_optional_and_not_asked_for),
        TEST(test_rfc9113_3_2_alpn),
        TEST(test_rfc9113_9_2_versions_and_ciphers),
        TEST(test_tickets_count_until_the_credentials_change),
        TEST(test_tickets_of_shared_keys_count_while_the_anchors_are_the_same),
        TEST(test_a_reload_keeps_connections_and_takes_new_anchors),
        TEST(test_a_reload_that_fails_changes_nothing),
        TEST(test_credentials_that_cannot_be_used),
        TEST(test_plain_http_to_a_tls_port),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
