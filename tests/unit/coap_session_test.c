/* Sessions: handshakes that work and that must not, identities, ends. */
/* links: coap log */
#include "tests/unit/coap_fixture.h"

static void check_identities(bool psk)
{
    const struct dots_identity *peer = dots_session_identity(south.up[0]);
    char hash[23];
    assert_non_null(peer);
    assert_int_equal(peer->psk, psk);
    assert_false(peer->resumed);
    if (psk) {
        const struct dots_credentials own = {.psk_identity = "web1"};
        assert_string_equal(peer->psk_identity, "web1");
        assert_int_equal(peer->san_count, 0);
        assert_int_equal(dots_credentials_hash(&own, hash), 0);
    } else {
        const struct dots_credentials own = {.certificate = pki_client.certificate};
        assert_null(peer->psk_identity);
        assert_int_equal(peer->san_count, 4);
        assert_string_equal(peer->sans[0], "www1.example");
        assert_string_equal(peer->sans[1], "192.0.2.1");
        assert_string_equal(peer->sans[2], "2001:db8::1");
        assert_string_equal(peer->sans[3], "dots:client");
        assert_int_equal(dots_credentials_hash(&own, hash), 0);
    }
    assert_string_equal(peer->hash, hash);
    assert_int_equal(strlen(hash), 22);
    assert_non_null(dots_session_identity(north.up[0]));
}

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

#define with_pair(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_pair(test_dtls_with_certificates), with_pair(test_dtls_with_psk),  with_pair(test_tls_with_certificates),
        with_pair(test_tls_with_psk),           with_pair(test_dtls_over_ipv6), with_pair(test_tls_over_ipv6),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
