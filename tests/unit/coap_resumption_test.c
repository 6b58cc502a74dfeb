/* Resumption: stateless tickets of TLS 1.3 and DTLS 1.2, with certificates and PSK. */
/* links: coap log */
#include "tests/unit/coap_fixture.h"

static struct dots_resumption *resumption;
static enum dots_transport transport_wanted;
static uint16_t port;

static void come_again(bool psk)
{
    exchange_once();
    dots_session_close(client);
    run_until(north_down_and_south_down);
    assert_int_equal(north.reason, DOTS_DOWN_CLOSED);
    assert_int_equal(south.reason, DOTS_DOWN_CLOSED);
    dots_session_unref(client);
    north.ups = north.downs = south.ups = south.downs = 0;
    client = connect_with(north.endpoint, "127.0.0.1", port, transport_wanted, psk ? NULL : SERVER_NAME, resumption);
    run_until(both_up);
}

static void check_resumption(enum dots_transport transport, bool psk)
{
    struct dots_endpoint_settings settings = south_settings();
    transport_wanted = transport;
    south.endpoint = open_endpoint(&settings);
    port = listen_on(south.endpoint, "127.0.0.1", transport);
    settings = psk ? psk_settings() : north_settings();
    north.endpoint = open_endpoint(&settings);
    resumption = dots_resumption_new();
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, psk ? NULL : SERVER_NAME, resumption);
    run_until(both_up);
    check_identities(psk);
    struct dots_identity first = *dots_session_identity(south.up[0]);
    for (int round = 0; round < 3; round++) {
        come_again(psk);
        const struct dots_identity *again = dots_session_identity(south.up[0]);
        assert_true(again->resumed);
        assert_true(dots_session_identity(client)->resumed);
        assert_int_equal(again->psk, psk);
        assert_string_equal(again->hash, first.hash);
        assert_int_equal(again->san_count, psk ? 0 : 4);
        assert_int_equal(dots_session_identity(client)->psk, psk);
    }
}

static int forget_resumption(void **state)
{
    int done = end(state);
    dots_resumption_free(resumption);
    return done;
}

static void test_rfc9132_7_1_dtls_resumption_with_certificate(void **state)
{
    (void)state;
    check_resumption(DOTS_UDP, false);
}

static void test_rfc9132_7_1_dtls_resumption_with_psk(void **state)
{
    (void)state;
    check_resumption(DOTS_UDP, true);
}

static void test_rfc9132_7_1_tls_resumption_with_certificate(void **state)
{
    (void)state;
    check_resumption(DOTS_TCP, false);
}

static void test_rfc9132_7_1_tls_resumption_with_psk(void **state)
{
    (void)state;
    check_resumption(DOTS_TCP, true);
}

/* Ends the TCP connection of the client under its feet: no close_notify. */
static void cut_connection(void)
{
    for (int descriptor = 3; descriptor < 256; descriptor++) {
        struct sockaddr_in peer = {0};
        socklen_t length = sizeof peer;
        if (getpeername(descriptor, (struct sockaddr *)&peer, &length) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == port)
            shutdown(descriptor, SHUT_RDWR);
    }
}

static void test_resumption_after_a_loss(void **state)
{
    (void)state;
    check_resumption(DOTS_TCP, false);
    exchange_once();
    cut_connection();
    run_until(north_down_and_south_down);
    assert_int_equal(north.reason, DOTS_DOWN_LOST);
    assert_int_equal(south.reason, DOTS_DOWN_LOST);
    dots_session_unref(client);
    north.ups = south.ups = 0;
    client = connect_with(north.endpoint, "127.0.0.1", port, DOTS_TCP, SERVER_NAME, resumption);
    run_until(both_up);
    assert_true(dots_session_identity(south.up[0])->resumed);
}

static const uint8_t *know_nobody(void *arg, const char *identity, size_t length, size_t *key_length)
{
    (void)arg, (void)identity, (void)length, (void)key_length;
    return NULL;
}

static bool psk_revoked;

static const uint8_t *lookup_until_revoked(void *arg, const char *identity, size_t length, size_t *key_length)
{
    return psk_revoked ? know_nobody(arg, identity, length, key_length) : lookup(arg, identity, length, key_length);
}

/* Whose PSK is gone from the configuration does not come back with a ticket. */
static void check_revoked(enum dots_transport transport)
{
    struct dots_endpoint_settings settings = south_settings();
    psk_revoked = false;
    settings.psk_lookup = lookup_until_revoked;
    south.endpoint = open_endpoint(&settings);
    port = listen_on(south.endpoint, "127.0.0.1", transport);
    settings = psk_settings();
    north.endpoint = open_endpoint(&settings);
    resumption = dots_resumption_new();
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, NULL, resumption);
    run_until(both_up);
    exchange_once();
    dots_session_close(client);
    run_until(north_down_and_south_down);
    dots_session_unref(client);
    psk_revoked = true;
    north.ups = north.downs = 0;
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, NULL, resumption);
    run_until(north_down);
    assert_int_equal(north.ups, 0);
    assert_int_equal(north.reason, DOTS_DOWN_HANDSHAKE);
}

static void test_revoked_psk_does_not_resume_over_dtls(void **state)
{
    (void)state;
    check_revoked(DOTS_UDP);
}

static void test_revoked_psk_does_not_resume_over_tls(void **state)
{
    (void)state;
    check_revoked(DOTS_TCP);
}

#define with_resumption(name) cmocka_unit_test_setup_teardown(name, begin, forget_resumption)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_resumption(test_rfc9132_7_1_dtls_resumption_with_certificate),
        with_resumption(test_rfc9132_7_1_dtls_resumption_with_psk),
        with_resumption(test_rfc9132_7_1_tls_resumption_with_certificate),
        with_resumption(test_rfc9132_7_1_tls_resumption_with_psk),
        with_resumption(test_resumption_after_a_loss),
        with_resumption(test_revoked_psk_does_not_resume_over_dtls),
        with_resumption(test_revoked_psk_does_not_resume_over_tls),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
