/* Sessions: handshakes that work and that must not, identities, ends. */
/* links: coap log */
#include "tests/unit/coap_raw.h"

static void check_pair(enum dots_transport transport, bool psk, const char *address)
{
    start_pair(transport, psk, address);
    check_identities(psk);
    assert_true(dots_session_is_up(client));
    assert_false(dots_session_is_server(client));
    assert_true(dots_session_is_server(south.up[0]));
    assert_int_equal(dots_session_transport(south.up[0]), transport);
    assert_int_equal(dots_endpoint_sessions(south.endpoint), 1);
    const char *text = dots_session_text(south.up[0]);
    assert_non_null(strstr(text, transport == DOTS_TCP ? "/tcp" : "/udp"));
    assert_non_null(strstr(text, address));
    assert_int_equal(south.failures, 0);
}

static void test_dtls_with_certificates(void **state)
{
    (void)state;
    check_pair(DOTS_UDP, false, "127.0.0.1");
}

static void test_dtls_with_psk(void **state)
{
    (void)state;
    check_pair(DOTS_UDP, true, "127.0.0.1");
}

static void test_tls_with_certificates(void **state)
{
    (void)state;
    check_pair(DOTS_TCP, false, "127.0.0.1");
}

static void test_tls_with_psk(void **state)
{
    (void)state;
    check_pair(DOTS_TCP, true, "127.0.0.1");
}

static void test_dtls_over_ipv6(void **state)
{
    (void)state;
    check_pair(DOTS_UDP, false, "::1");
}

static void test_tls_over_ipv6(void **state)
{
    (void)state;
    check_pair(DOTS_TCP, false, "::1");
}

static void test_server_closes(enum dots_transport transport)
{
    start_pair(transport, false, "127.0.0.1");
    struct dots_session *other = dots_session_ref(south.up[0]);
    dots_session_close(other);
    assert_int_equal(south.downs, 0); /* not from inside */
    assert_false(dots_session_is_up(other));
    dots_session_close(other);
    run_until(north_down_and_south_down);
    assert_int_equal(north.reason, DOTS_DOWN_CLOSED);
    assert_int_equal(south.reason, DOTS_DOWN_CLOSED);
    assert_int_equal(dots_endpoint_sessions(south.endpoint), 0);
    struct dots_request get = make_request(DOTS_GET, NULL, NULL);
    struct dots_token token;
    dots_token_new(&token);
    assert_int_equal(dots_send(other, &token, &get), -1);
    assert_int_equal(dots_send(client, &token, &get), -1);
    assert_non_null(dots_session_identity(other));
    assert_non_null(dots_session_text(other));
    dots_session_unref(other);
}
BOTH_TRANSPORTS(test_server_closes)

static void test_endpoint_closes_its_sessions(enum dots_transport transport)
{
    start_pair(transport, false, "127.0.0.1");
    dots_endpoint_close(south.endpoint, on_side_closed, &south);
    south.endpoint = NULL;
    run_until(north_down_and_south_down);
    assert_int_equal(north.reason, DOTS_DOWN_CLOSED);
    assert_int_equal(south.reason, DOTS_DOWN_CLOSED);
}
BOTH_TRANSPORTS(test_endpoint_closes_its_sessions)

/* A peer that is gone without a word: over TCP the kernel says so. */
static void test_connection_lost(void **state)
{
    (void)state;
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    raw_open(DOTS_TCP, listen_on(south.endpoint, "127.0.0.1", DOTS_TCP));
    raw_use_certificate(&pki_client);
    raw_start();
    run_until(raw_connected);
    static const uint8_t csm[] = {0x00, 0xe1}; /* RFC 8323 section 5.3: length 0, no token, 7.01 */
    assert_int_equal(SSL_write(raw.ssl, csm, sizeof csm), sizeof csm);
    while (south.ups == 0)
        uv_run(&loop, UV_RUN_ONCE);
    struct linger linger = {.l_onoff = 1};
    setsockopt(raw.descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    uv_poll_stop(&raw.poll);
    shutdown(raw.descriptor, SHUT_RDWR);
    run_until(south_down);
    assert_int_equal(south.reason, DOTS_DOWN_LOST);
}

/* A port that was free a moment ago. */
static uint16_t unused_port(int type)
{
    struct sockaddr_storage address;
    socklen_t length = fill_address(&address, "127.0.0.1", 0);
    int descriptor = socket(AF_INET, type, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    close(descriptor);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static void test_nobody_there(enum dots_transport transport)
{
    struct dots_endpoint_settings settings = north_settings();
    north.endpoint = open_endpoint(&settings);
    uint16_t nobody = unused_port(transport == DOTS_TCP ? SOCK_STREAM : SOCK_DGRAM);
    client = connect_with(north.endpoint, "127.0.0.1", nobody, transport, SERVER_NAME, NULL);
    run_until(north_down);
    assert_int_equal(north.reason, DOTS_DOWN_REFUSED);
    assert_int_equal(north.downs, 1);
    assert_int_equal(north.ups, 0);
}
BOTH_TRANSPORTS(test_nobody_there)

/* Given up before it is up: down comes all the same, and no up. */
static void test_closed_while_connecting(enum dots_transport transport)
{
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    uint16_t there = listen_on(south.endpoint, "127.0.0.1", transport);
    settings = north_settings();
    north.endpoint = open_endpoint(&settings);
    client = connect_with(north.endpoint, "127.0.0.1", there, transport, SERVER_NAME, NULL);
    dots_session_close(client);
    run_until(north_down);
    assert_int_equal(north.reason, DOTS_DOWN_CLOSED);
    assert_int_equal(north.ups, 0);
}
BOTH_TRANSPORTS(test_closed_while_connecting)

static void check_open_fails(const struct dots_endpoint_settings *settings, const char *expected)
{
    char error[256] = "";
    assert_null(dots_endpoint_open(&loop, settings, error, sizeof error));
    if (strstr(error, expected) == NULL)
        fail_msg("%s", error);
}

static void test_bad_credentials_are_named(void **state)
{
    (void)state;
    struct dots_endpoint_settings settings = south_settings();
    settings.credentials.certificate = "/nowhere/gw.pem";
    check_open_fails(&settings, "/nowhere/gw.pem: no certificate chain in PEM: No such file");
    settings.credentials.certificate = pki_server.key;
    check_open_fails(&settings, "no certificate chain in PEM");
    settings = south_settings();
    settings.credentials.private_key = pki_client.key;
    check_open_fails(&settings, "fits the certificate");
    settings.credentials.private_key = NULL;
    check_open_fails(&settings, "needs its private key");
    settings = south_settings();
    settings.credentials.trust_anchors = pki_server.key;
    check_open_fails(&settings, "no trust anchors in PEM");
}

static void test_listen_errors_are_named(void **state)
{
    (void)state;
    char error[256] = "";
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    assert_int_equal(dots_endpoint_listen(south.endpoint, "dots.example", 0, DOTS_UDP, error, sizeof error), -1);
    assert_non_null(strstr(error, "not an IPv4 or IPv6 address"));
    uint16_t taken = listen_on(south.endpoint, "127.0.0.1", DOTS_TCP);
    assert_int_equal(dots_endpoint_listen(south.endpoint, "127.0.0.1", taken, DOTS_TCP, error, sizeof error), -1);
    assert_non_null(strstr(error, "Address already in use"));
}

static void test_wildcard_takes_ipv4(enum dots_transport transport)
{
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    uint16_t there = listen_on(south.endpoint, "::", transport);
    settings = north_settings();
    north.endpoint = open_endpoint(&settings);
    client = connect_with(north.endpoint, "127.0.0.1", there, transport, SERVER_NAME, NULL);
    run_until(both_up);
    assert_non_null(strstr(dots_session_text(south.up[0]), "127.0.0.1:"));
    assert_null(strstr(dots_session_text(south.up[0]), "ffff"));
    assert_int_equal(dots_session_peer(south.up[0])->sa_family, AF_INET);
}
BOTH_TRANSPORTS(test_wildcard_takes_ipv4)

#define with_raw(name) cmocka_unit_test_setup_teardown(name, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_pair(test_dtls_with_certificates),
        with_pair(test_dtls_with_psk),
        with_pair(test_tls_with_certificates),
        with_pair(test_tls_with_psk),
        with_pair(test_dtls_over_ipv6),
        with_pair(test_tls_over_ipv6),
        with_pair(test_bad_credentials_are_named),
        with_pair(test_listen_errors_are_named),
        with_both(test_server_closes),
        with_both(test_endpoint_closes_its_sessions),
        with_both(test_nobody_there),
        with_both(test_closed_while_connecting),
        with_both(test_wildcard_takes_ipv4),
        with_raw(test_connection_lost),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
