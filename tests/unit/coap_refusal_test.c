/* Handshakes that must fail, and what is said of them. */
/* links: coap log */
#include "tests/unit/coap_fixture.h"

static uint16_t port;

static bool south_failed_and_north_down(void)
{
    return north.downs > 0 && south.failures > 0;
}

static void check_refused(const struct dots_endpoint_settings *of_south, const struct dots_endpoint_settings *of_north,
                          enum dots_transport transport, const char *name, const char *in_south, const char *in_north,
                          enum dots_handshake_failure failure)
{
    south.endpoint = open_endpoint(of_south);
    port = listen_on(south.endpoint, "127.0.0.1", transport);
    north.endpoint = open_endpoint(of_north);
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, name, NULL);
    run_until(south_failed_and_north_down);
    assert_int_equal(north.ups, 0);
    assert_int_equal(south.ups, 0);
    assert_int_equal(south.downs, 0);
    assert_int_equal(north.downs, 1);
    assert_int_equal(south.failures, 1);
    assert_string_equal(dots_handshake_failure_name(south.failed_by), dots_handshake_failure_name(failure));
    assert_ptr_equal(north.last_down, client);
    assert_int_equal(north.reason, DOTS_DOWN_HANDSHAKE);
    if (strstr(south.failure, in_south) == NULL)
        fail_msg("south: %s", south.failure);
    if (strstr(north.why, in_north) == NULL)
        fail_msg("north: %s", north.why);
    assert_false(dots_session_is_up(client));
    assert_int_equal(dots_endpoint_sessions(south.endpoint), 0);
    assert_int_equal(dots_endpoint_sessions(north.endpoint), 0);
}

static void test_client_of_another_ca(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings(), of_north = north_settings();
    of_north.credentials.certificate = pki_stranger.certificate;
    of_north.credentials.private_key = pki_stranger.key;
    check_refused(&of_south, &of_north, transport, SERVER_NAME, "issuer certificate", "unknown",
                  DOTS_HANDSHAKE_CERTIFICATE);
}
BOTH_TRANSPORTS(test_client_of_another_ca)

static void test_server_of_another_ca(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings(), of_north = north_settings();
    of_north.credentials.trust_anchors = pki_other_ca.certificate;
    check_refused(&of_south, &of_north, transport, SERVER_NAME, "unknown", "issuer certificate",
                  DOTS_HANDSHAKE_REFUSED);
}
BOTH_TRANSPORTS(test_server_of_another_ca)

static void test_client_with_expired_certificate(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings(), of_north = north_settings();
    of_north.credentials.certificate = pki_expired.certificate;
    of_north.credentials.private_key = pki_expired.key;
    check_refused(&of_south, &of_north, transport, SERVER_NAME, "certificate has expired", "certificate expired",
                  DOTS_HANDSHAKE_CERTIFICATE_EXPIRED);
}
BOTH_TRANSPORTS(test_client_with_expired_certificate)

static void test_client_without_credentials(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings(), of_north = north_settings();
    of_north.credentials.certificate = of_north.credentials.private_key = NULL;
    check_refused(&of_south, &of_north, transport, SERVER_NAME, "did not return a certificate", "the peer says",
                  DOTS_HANDSHAKE_NO_CERTIFICATE);
}
BOTH_TRANSPORTS(test_client_without_credentials)

static void test_rfc9132_7_1_must_compare_the_name(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings(), of_north = north_settings();
    check_refused(&of_south, &of_north, transport, "another.example", "the peer says", "hostname mismatch",
                  DOTS_HANDSHAKE_REFUSED);
}
BOTH_TRANSPORTS(test_rfc9132_7_1_must_compare_the_name)

static void test_no_name_to_compare(enum dots_transport transport)
{
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    port = listen_on(south.endpoint, "127.0.0.1", transport);
    settings = north_settings();
    north.endpoint = open_endpoint(&settings);
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, NULL, NULL);
    run_until(north_down);
    assert_int_equal(north.ups, 0);
}
BOTH_TRANSPORTS(test_no_name_to_compare)

static void test_unknown_psk_identity(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings(), of_north = psk_settings();
    of_north.credentials.psk_identity = "nobody";
    check_refused(&of_south, &of_north, transport, NULL, "", "", DOTS_HANDSHAKE_PSK_IDENTITY);
}
BOTH_TRANSPORTS(test_unknown_psk_identity)

/* Over DTLS a wrong key is silence: what does not decrypt is dropped, until both sides give up after half a minute. */
static void test_wrong_psk_key_over_tls(void **state)
{
    (void)state;
    struct dots_endpoint_settings of_south = south_settings(), of_north = psk_settings();
    of_north.credentials.psk_key = (const uint8_t *)"another key";
    of_north.credentials.psk_key_length = 11;
    check_refused(&of_south, &of_north, DOTS_TCP, NULL, "", "", DOTS_HANDSHAKE_PSK_KEY);
}

/* A PSK client does not take a server with a certificate for one that knows its key. */
static void test_psk_client_takes_no_certificate(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings(), of_north = psk_settings();
    of_south.psk_lookup = NULL;
    of_north.credentials.trust_anchors = pki_ca.certificate;
    check_refused(&of_south, &of_north, transport, NULL, "", "",
                  transport == DOTS_UDP ? DOTS_HANDSHAKE_PARAMETERS : DOTS_HANDSHAKE_REFUSED);
}
BOTH_TRANSPORTS(test_psk_client_takes_no_certificate)

static void test_sessions_max(enum dots_transport transport)
{
    struct dots_endpoint_settings settings = south_settings();
    settings.sessions_max = 1;
    south.endpoint = open_endpoint(&settings);
    port = listen_on(south.endpoint, "127.0.0.1", transport);
    settings = north_settings();
    north.endpoint = open_endpoint(&settings);
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, SERVER_NAME, NULL);
    run_until(both_up);
    struct dots_session *second = connect_with(north.endpoint, "127.0.0.1", port, transport, SERVER_NAME, NULL);
    run_until(south_failed_and_north_down);
    assert_non_null(strstr(south.failure, "limit of sessions"));
    assert_int_equal(south.failed_by, DOTS_HANDSHAKE_LIMIT);
    assert_ptr_equal(north.last_down, second);
    dots_session_unref(second);
    assert_true(dots_session_is_up(client));
    /* and once there is room again, one may come */
    dots_session_close(client);
    run_until(south_down);
    dots_session_unref(client);
    north.ups = south.ups = 0;
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, SERVER_NAME, NULL);
    run_until(both_up);
}
BOTH_TRANSPORTS(test_sessions_max)

static void test_handshakes_per_source(enum dots_transport transport)
{
    struct dots_endpoint_settings settings = south_settings();
    settings.handshakes_per_source = 1;
    south.endpoint = open_endpoint(&settings);
    port = listen_on(south.endpoint, "127.0.0.1", transport);
    settings = north_settings();
    north.endpoint = open_endpoint(&settings);
    struct dots_session *others[6]; /* on a slow machine a second may pass between two of them */
    for (size_t i = 0; i < 6; i++)
        others[i] = connect_with(north.endpoint, "127.0.0.1", port, transport, SERVER_NAME, NULL);
    run_until(south_failed_and_north_down);
    assert_non_null(strstr(south.failure, "too many handshakes"));
    run_until(both_up);
    for (size_t i = 0; i < 6; i++)
        dots_session_unref(others[i]);
}
BOTH_TRANSPORTS(test_handshakes_per_source)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_both(test_client_of_another_ca),
        with_both(test_server_of_another_ca),
        with_both(test_client_with_expired_certificate),
        with_both(test_client_without_credentials),
        with_both(test_rfc9132_7_1_must_compare_the_name),
        with_both(test_no_name_to_compare),
        with_both(test_unknown_psk_identity),
        with_both(test_psk_client_takes_no_certificate),
        with_both(test_sessions_max),
        with_both(test_handshakes_per_source),
        with_pair(test_wrong_psk_key_over_tls),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
