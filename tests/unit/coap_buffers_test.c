/* Buffers of idle DTLS sessions go back to the system; whatever a peer does then, and for everybody else, nothing
 * changes. */
/* links: coap log */
#include <openssl/bio.h>
#include <openssl/buffer.h>

#include "gateway/coap/private.h"
#include "tests/unit/coap_fixture.h"
#include "tests/unit/coap_raw.h"

static const uint8_t ask[] = {0x40, 0x01, 0x00, 0x00, 0xb1, 'x'}; /* CON GET /x, RFC 7252 section 3 */

static void prepare_raw(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings();
    south.endpoint = open_endpoint(&of_south);
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "here");
    raw_open(transport, listen_on(south.endpoint, "127.0.0.1", transport));
    SSL_set_psk_client_callback(raw.ssl, raw_psk);
    assert_int_equal(SSL_set_cipher_list(raw.ssl, "ECDHE-PSK-CHACHA20-POLY1305"), 1);
}

static void connect_raw(enum dots_transport transport)
{
    prepare_raw(transport);
    raw_start();
    run_until(raw_connected);
}

static bool received_more(void)
{
    return raw.received > 0;
}

static void ask_once(void)
{
    uint8_t message[sizeof ask];
    memcpy(message, ask, sizeof ask);
    message[3] = (uint8_t)++raw.mid;
    raw.received = 0;
    assert_int_equal(SSL_write(raw.ssl, message, sizeof message), sizeof message);
    run_until(received_more);
}

static const struct handshake *ours(void)
{
    return handshake_of(coap_session_get_tls(south.up[0]->coap, NULL));
}

/* The turn that gives the buffers back is over, and it did. */
static void be_idle(void)
{
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    if (south.downs == 0) {
        assert_non_null(ours()->messages);
        assert_null(ours()->messages->data);
        assert_null(south.up[0]->links[LIST_BUFFERED].back);
    }
}

/* What the peer sends as it stands, in front of its socket. */
static void send_bytes(const void *bytes, size_t length)
{
    assert_int_equal(send(raw.descriptor, bytes, length, 0), (ssize_t)length);
    be_idle();
}

static void test_answers_from_idle(void **state)
{
    (void)state;
    connect_raw(DOTS_UDP);
    for (int i = 0; i < 20; i++) {
        be_idle();
        ask_once();
    }
}

/* RFC 5246 section 7.4.1.1: we refuse with an alert, which needs a buffer, and go on. */
static void test_renegotiation_from_idle_is_refused(void **state)
{
    (void)state;
    connect_raw(DOTS_UDP);
    ask_once();
    be_idle();
    assert_int_equal(SSL_renegotiate(raw.ssl), 1);
    SSL_do_handshake(raw.ssl); /* the ClientHello */
    for (int i = 0; i < 100 && !raw.failed; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        raw_step();
    }
    assert_int_equal(south.ups, 1);
    assert_true(south.downs <= 1);
}

/* Our last flight is lost: the client repeats its own, and OpenSSL answers from the buffer of messages. */
static void test_rfc6347_4_2_4_last_flight_again_from_idle(void **state)
{
    (void)state;
    char lost[1500];
    prepare_raw(DOTS_UDP);
    SSL_set_connect_state(raw.ssl);
    while (south.ups == 0) {
        SSL_do_handshake(raw.ssl);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_true(recv(raw.descriptor, lost, sizeof lost, MSG_DONTWAIT) > 0);
    be_idle();
    assert_false(SSL_is_init_finished(raw.ssl));
    while (DTLSv1_handle_timeout(raw.ssl) == 0) /* after a second */
        uv_run(&loop, UV_RUN_NOWAIT);
    uv_poll_init(&loop, &raw.poll, raw.descriptor);
    uv_poll_start(&raw.poll, UV_READABLE, raw_ready);
    run_until(raw_connected);
    ask_once();
    be_idle();
}

/* A write without anything read before. */
static void test_we_ask_from_idle(void **state)
{
    (void)state;
    struct dots_token token;
    connect_raw(DOTS_UDP);
    ask_once();
    for (int i = 0; i < 3; i++) {
        struct dots_request request = make_request(DOTS_GET, "x", "");
        be_idle();
        raw.received = 0;
        dots_token_new(&token);
        assert_int_equal(dots_send(south.up[0], &token, &request), 0);
        run_until(received_more);
    }
}

static void test_hostile_datagrams_to_idle(void **state)
{
    (void)state;
    static const uint8_t types[] = {0, 20, 21, 22, 23, 24, 255};
    uint8_t datagram[1400];
    connect_raw(DOTS_UDP);
    ask_once();
    for (size_t type = 0; type < sizeof types; type++) {
        for (size_t length = 1; length < sizeof datagram; length = length * 3 + 1) {
            memset(datagram, (int)length, sizeof datagram);
            const uint8_t head[] = {types[type], 0xfe, 0xfd, 0, (uint8_t)(length & 1), 0, 0, 0, 0, 1, 0, 4, 20};
            memcpy(datagram, head, length < sizeof head ? length : sizeof head);
            be_idle();
            send_bytes(datagram, length);
        }
        ask_once();
    }
}

static void test_close_from_idle(void **state)
{
    (void)state;
    connect_raw(DOTS_UDP);
    ask_once();
    be_idle();
    SSL_shutdown(raw.ssl);
    run_until(south_down);
}

static bool raw_ended(void)
{
    return raw.failed || SSL_get_shutdown(raw.ssl) & SSL_RECEIVED_SHUTDOWN;
}

static void test_we_close_from_idle(void **state)
{
    (void)state;
    connect_raw(DOTS_UDP);
    ask_once();
    be_idle();
    dots_session_close(south.up[0]);
    run_until(raw_ended);
}

/* ---- SSLs that are not ours, in the same process and thread ---- */

static SSL *foreign(SSL_CTX *context, BIO *in, BIO *out, const struct certificate *certificate)
{
    SSL *ssl = SSL_new(context);
    SSL_set_bio(ssl, in, out);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    if (certificate == NULL) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    assert_int_equal(SSL_use_certificate_file(ssl, certificate->certificate, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_use_PrivateKey_file(ssl, certificate->key, SSL_FILETYPE_PEM), 1);
    SSL_set_accept_state(ssl);
    return ssl;
}

/* TLS as libcurl and our HTTP server use it: partial writes that wait, tickets after the handshake, new keys, the end.
 */
static void test_other_tls_is_left_alone(void **state)
{
    (void)state;
    static uint8_t sent[100000], got[sizeof sent];
    BIO *near, *far;
    size_t written = 0, read = 0;
    connect_raw(DOTS_UDP); /* something of ours is idle all the time */
    SSL_CTX *contexts[] = {SSL_CTX_new(TLS_client_method()), SSL_CTX_new(TLS_server_method())};
    assert_int_equal(BIO_new_bio_pair(&near, 4096, &far, 4096), 1); /* less than a record: writes wait */
    SSL *client_side = foreign(contexts[0], near, near, NULL);
    SSL *server_side = foreign(contexts[1], far, far, &pki_server);
    for (int i = 0; i < 1000 && !(SSL_is_init_finished(client_side) && SSL_is_init_finished(server_side)); i++) {
        SSL_do_handshake(client_side);
        SSL_do_handshake(server_side);
    }
    assert_true(SSL_is_init_finished(server_side));
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * 7);
    for (int i = 0; i < 100000 && read < sizeof sent; i++) {
        if (i == 5)
            SSL_key_update(server_side, SSL_KEY_UPDATE_REQUESTED);
        if (written < sizeof sent) {
            int length = SSL_write(server_side, sent + written, (int)(sizeof sent - written));
            written += length > 0 ? (size_t)length : 0;
        }
        int length = SSL_read(client_side, got + read, (int)(sizeof got - read));
        read += length > 0 ? (size_t)length : 0;
        SSL_read(server_side, got, 0); /* the answer to new keys */
        if (i % 16 == 0)
            be_idle();
    }
    assert_int_equal(read, sizeof sent);
    assert_memory_equal(got, sent, sizeof sent);
    ERR_clear_error();
    SSL_shutdown(server_side);
    assert_int_equal(SSL_read(client_side, got, 1), 0);
    assert_int_equal(SSL_get_shutdown(client_side), SSL_RECEIVED_SHUTDOWN);
    ask_once();
    ERR_clear_error();
    SSL_free(client_side);
    SSL_free(server_side);
    SSL_CTX_free(contexts[0]);
    SSL_CTX_free(contexts[1]);
}

#define with_raw(test) cmocka_unit_test_setup_teardown(test, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_raw(test_answers_from_idle),
        with_raw(test_renegotiation_from_idle_is_refused),
        with_raw(test_rfc6347_4_2_4_last_flight_again_from_idle),
        with_raw(test_we_ask_from_idle),
        with_raw(test_hostile_datagrams_to_idle),
        with_raw(test_close_from_idle),
        with_raw(test_we_close_from_idle),
        with_raw(test_other_tls_is_left_alone),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
