/* The (D)TLS profile of RFC 9132 section 7.1, seen by a client that is not ours. */
/* links: coap log */
#include "tests/unit/coap_raw.h"

static uint16_t port;

static void start_south(enum dots_transport transport)
{
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    raw_open(transport, listen_on(south.endpoint, "127.0.0.1", transport));
}

static void test_rfc9132_7_1_must_be_tls_1_2_or_later(void **state)
{
    (void)state;
    start_south(DOTS_TCP);
    raw_use_certificate(&pki_client);
    assert_int_equal(SSL_set_min_proto_version(raw.ssl, TLS1_VERSION), 1);
    assert_int_equal(SSL_set_max_proto_version(raw.ssl, TLS1_1_VERSION), 1);
    raw_start();
    run_until(raw_failed);
    run_until(south_failed);
    assert_non_null(strstr(south.failure, "unsupported protocol"));
    assert_int_equal(south.failed_by, DOTS_HANDSHAKE_PARAMETERS);
}

static void test_rfc9132_7_1_must_be_dtls_1_2_or_later(void **state)
{
    (void)state;
    start_south(DOTS_UDP);
    raw_use_certificate(&pki_client);
    assert_int_equal(SSL_set_min_proto_version(raw.ssl, DTLS1_VERSION), 1);
    assert_int_equal(SSL_set_max_proto_version(raw.ssl, DTLS1_VERSION), 1);
    raw_start();
    run_until(raw_failed);
    run_until(south_failed);
    assert_non_null(strstr(south.failure, "unsupported protocol"));
    assert_int_equal(south.failed_by, DOTS_HANDSHAKE_PARAMETERS);
}

static void test_tls_1_2_still_works(void **state)
{
    (void)state;
    start_south(DOTS_TCP);
    raw_use_certificate(&pki_client);
    assert_int_equal(SSL_set_max_proto_version(raw.ssl, TLS1_2_VERSION), 1);
    raw_start();
    run_until(raw_connected);
    assert_int_equal(SSL_version(raw.ssl), TLS1_2_VERSION);
}

static void check_cipher_refused(enum dots_transport transport, const char *ciphers, bool psk)
{
    start_south(transport);
    if (psk)
        SSL_set_psk_client_callback(raw.ssl, raw_psk);
    else
        raw_use_certificate(&pki_client);
    assert_int_equal(SSL_set_cipher_list(raw.ssl, ciphers), 1);
    if (raw.tcp)
        assert_int_equal(SSL_set_max_proto_version(raw.ssl, TLS1_2_VERSION), 1);
    raw_start();
    run_until(raw_failed);
    run_until(south_failed);
    assert_non_null(strstr(south.failure, "no shared cipher"));
    assert_int_equal(south.failed_by, DOTS_HANDSHAKE_PARAMETERS);
}

static void test_cbc_is_refused(void **state)
{
    (void)state;
    check_cipher_refused(DOTS_TCP, "ECDHE-ECDSA-AES128-SHA256", false);
}

static void test_psk_without_ephemeral_keys_is_refused(void **state)
{
    (void)state;
    check_cipher_refused(DOTS_UDP, "PSK-AES128-GCM-SHA256", true);
}

static void test_anonymous_ciphers_are_refused(void **state)
{
    (void)state;
    check_cipher_refused(DOTS_TCP, "AECDH-AES128-SHA:ADH-AES128-GCM-SHA256", false);
}

static void test_ecdhe_psk_is_chosen(void **state)
{
    (void)state;
    start_south(DOTS_UDP);
    SSL_set_psk_client_callback(raw.ssl, raw_psk);
    assert_int_equal(SSL_set_cipher_list(raw.ssl, "PSK"), 1);
    raw_start();
    run_until(raw_connected);
    assert_string_equal(SSL_get_cipher_name(raw.ssl), "ECDHE-PSK-CHACHA20-POLY1305");
}

static void test_rfc8323_8_2_alpn(void **state)
{
    (void)state;
    const unsigned char *selected;
    unsigned length;
    start_south(DOTS_TCP);
    raw_use_certificate(&pki_client);
    SSL_set_alpn_protos(raw.ssl, (const unsigned char *)"\2h2\4coap", 8);
    raw_start();
    run_until(raw_connected);
    SSL_get0_alpn_selected(raw.ssl, &selected, &length);
    assert_int_equal(length, 4);
    assert_memory_equal(selected, "coap", 4);
}

static void test_chain_is_sent(void **state)
{
    (void)state;
    struct dots_endpoint_settings of_south = south_settings(), of_north = north_settings();
    of_south.credentials.certificate = pki_chain;
    of_south.credentials.private_key = pki_below.key;
    south.endpoint = open_endpoint(&of_south);
    port = listen_on(south.endpoint, "127.0.0.1", DOTS_UDP);
    north.endpoint = open_endpoint(&of_north);
    client = connect_with(north.endpoint, "127.0.0.1", port, DOTS_UDP, SERVER_NAME, NULL);
    run_until(both_up);
}

static void test_address_instead_of_name(void **state)
{
    (void)state;
    struct dots_endpoint_settings of_south = south_settings(), of_north = north_settings();
    south.endpoint = open_endpoint(&of_south);
    port = listen_on(south.endpoint, "127.0.0.1", DOTS_TCP);
    north.endpoint = open_endpoint(&of_north);
    client = connect_with(north.endpoint, "127.0.0.1", port, DOTS_TCP, "127.0.0.1", NULL);
    run_until(both_up);
}

static void test_connection_closed_without_handshake(void **state)
{
    (void)state;
    start_south(DOTS_TCP);
    shutdown(raw.descriptor, SHUT_RDWR);
    raw_start();
    run_until(south_failed);
    assert_non_null(strstr(south.failure, "went silent or away"));
}

/* OpenSSL's error queue is shared: what one stranger leaves in it must not end another's session. */
static void test_failures_of_others_do_not_matter(void **state)
{
    (void)state;
    start_pair(DOTS_UDP, false, "127.0.0.1");
    struct sockaddr_in peer;
    memcpy(&peer, dots_session_peer(client), sizeof peer);
    raw_open(DOTS_UDP, ntohs(peer.sin_port));
    uint8_t rubbish[64] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 51, 1, 0xff, 0xff};
    for (int i = 0; i < 20; i++) {
        rubbish[14] = (uint8_t)(i * 13);
        assert_int_equal(send(raw.descriptor, rubbish, sizeof rubbish, 0), sizeof rubbish);
        ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR); /* as if libcoap had left it */
        exchange_once();
    }
    raw_start();
    assert_int_equal(north.downs + south.downs, 0);
}

#define with_raw(name) cmocka_unit_test_setup_teardown(name, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_raw(test_rfc9132_7_1_must_be_tls_1_2_or_later),
        with_raw(test_rfc9132_7_1_must_be_dtls_1_2_or_later),
        with_raw(test_tls_1_2_still_works),
        with_raw(test_cbc_is_refused),
        with_raw(test_psk_without_ephemeral_keys_is_refused),
        with_raw(test_anonymous_ciphers_are_refused),
        with_raw(test_ecdhe_psk_is_chosen),
        with_raw(test_rfc8323_8_2_alpn),
        with_raw(test_chain_is_sent),
        with_raw(test_address_instead_of_name),
        with_raw(test_connection_closed_without_handshake),
        with_raw(test_failures_of_others_do_not_matter),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
