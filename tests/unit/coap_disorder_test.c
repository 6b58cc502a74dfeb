/* Records that come in pieces, in the wrong order, or beside errors of others. */
/* links: coap log */
#include "tests/unit/coap_raw.h"

/* From here on the raw client writes into memory. */
static void divert(void)
{
    SSL_set_options(raw.ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(raw.ssl, 1200);
    SSL_set0_wbio(raw.ssl, BIO_new(BIO_s_mem()));
}

static size_t diverted(const uint8_t **bytes)
{
    char *data;
    long length = BIO_get_mem_data(SSL_get_wbio(raw.ssl), &data);
    assert_true(length > 0);
    *bytes = (const uint8_t *)data;
    return (size_t)length;
}

static void send_bytes(const uint8_t *bytes, size_t length)
{
    assert_int_equal(send(raw.descriptor, bytes, length, 0), (ssize_t)length);
}

/* As a stranger's handshake may leave behind: libcoap never clears OpenSSL's queue. */
static void leave_an_error(void)
{
    ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
}

static void settle_down(void)
{
    uint64_t before = uv_now(&loop);
    while (uv_now(&loop) <= before + 20) {
        leave_an_error();
        uv_run(&loop, UV_RUN_NOWAIT);
    }
}

/* Half a record makes OpenSSL wait for more; with an old error in the queue that looked fatal to libcoap. */
static void test_half_a_record_beside_an_error(void **state)
{
    (void)state;
    struct dots_endpoint_settings settings = south_settings();
    struct raw_builder message;
    const uint8_t *bytes;
    south.endpoint = open_endpoint(&settings);
    raw_open(DOTS_TCP, listen_on(south.endpoint, "127.0.0.1", DOTS_TCP));
    raw_use_certificate(&pki_client);
    raw_start();
    run_until(raw_has_csm);
    raw_begin(&message, RAW_CON, DOTS_CODE(7, 1), "");
    raw_send(&message);
    while (south.ups == 0)
        uv_run(&loop, UV_RUN_ONCE);
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "whole");
    divert();
    raw_begin(&message, RAW_CON, DOTS_GET, "t");
    raw_path(&message, "a");
    raw_send(&message);
    size_t length = diverted(&bytes);
    send_bytes(bytes, length / 2);
    settle_down();
    assert_int_equal(south.downs, 0);
    assert_int_equal(south.requests, 0);
    raw_expected = raw.received + 1;
    send_bytes(bytes + length / 2, length - length / 2);
    run_until(raw_has_received);
    assert_raw_payload("whole");
    ERR_clear_error();
}

/* What does not decrypt is dropped, and nothing else. */
static void test_forged_record_beside_an_error(void **state)
{
    (void)state;
    start_raw();
    struct raw_builder message;
    const uint8_t *bytes;
    uint8_t forged[256] = {0};
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "whole");
    divert();
    raw_begin(&message, RAW_NON, DOTS_GET, "t");
    raw_path(&message, "a");
    raw_send(&message);
    size_t length = diverted(&bytes);
    assert_true(length < sizeof forged);
    memcpy(forged, bytes, length);
    forged[length - 1] ^= 1;
    send_bytes(forged, length);
    settle_down();
    assert_int_equal(south.downs, 0);
    assert_int_equal(south.requests, 0);
    raw_expected = raw.received + 1;
    send_bytes(bytes, length);
    run_until(raw_has_received);
    assert_raw_payload("whole");
    /* RFC 9132 section 7.1: replayed records are found out */
    send_bytes(bytes, length);
    settle_down();
    assert_int_equal(south.requests, 1);
    ERR_clear_error();
}

static bool south_up_again(void)
{
    return south.ups == 2;
}

static bool raw_session_ended(void)
{
    return raw.failed && SSL_get_shutdown(raw.ssl) & SSL_RECEIVED_SHUTDOWN;
}

static size_t last_record(const uint8_t *bytes, size_t length)
{
    size_t last = 0, at = 0;
    while (at < length) { /* DTLS records: 13 bytes of header, the length in the last two */
        last = at;
        at += 13 + (size_t)(bytes[at + 11] << 8 | bytes[at + 12]);
    }
    return last;
}

static void ask(const char *token)
{
    struct raw_builder message;
    raw_begin(&message, RAW_NON, DOTS_GET, token);
    raw_path(&message, "a");
    raw_send(&message);
}

/* An abbreviated handshake, whose end the client has in memory, with a request behind it. Returns its length. */
static size_t resume_up_to_the_end(SSL_SESSION **ticket, const uint8_t **bytes)
{
    start_raw();
    *ticket = SSL_get1_session(raw.ssl);
    struct sockaddr_in server = {0};
    socklen_t length = sizeof server;
    assert_int_equal(getpeername(raw.descriptor, (struct sockaddr *)&server, &length), 0);
    SSL_shutdown(raw.ssl);
    run_until(south_down);
    raw_close();
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "x");
    raw_open(DOTS_UDP, ntohs(server.sin_port));
    raw_use_certificate(&pki_client);
    SSL_set_session(raw.ssl, *ticket);
    SSL_set_connect_state(raw.ssl);
    uv_poll_init(&loop, &raw.poll, raw.descriptor);
    SSL_do_handshake(raw.ssl); /* ClientHello; after the cookie once more; then the rest goes to memory */
    while (!raw.connected) {
        uv_run(&loop, UV_RUN_NOWAIT);
        uint8_t peeked[16];
        bool here = recv(raw.descriptor, peeked, sizeof peeked, MSG_PEEK) > 13;
        if (here && peeked[13] == 2 && SSL_get_wbio(raw.ssl) == SSL_get_rbio(raw.ssl)) /* the ServerHello */
            divert();
        raw.connected = SSL_do_handshake(raw.ssl) == 1;
    }
    assert_true(SSL_session_reused(raw.ssl));
    ask("t");
    size_t all = diverted(bytes), last = last_record(*bytes, all);
    assert_int_equal((*bytes)[last], 23); /* application data */
    assert_true(last > 0);
    uv_poll_start(&raw.poll, UV_READABLE, raw_ready);
    return all;
}

/* Dropped, as if it had been lost. Otherwise libcoap never calls the session established. */
static void test_request_before_the_end_of_the_handshake(void **state)
{
    (void)state;
    SSL_SESSION *ticket;
    const uint8_t *bytes;
    size_t length = resume_up_to_the_end(&ticket, &bytes), last = last_record(bytes, length);
    send_bytes(bytes + last, length - last);
    send_bytes(bytes, last);
    run_until(south_up_again);
    assert_int_equal(south.requests, 0);
    ask("u");
    const uint8_t *both;
    size_t more = diverted(&both);
    raw_expected = raw.received + 1;
    send_bytes(both + length, more - length);
    run_until(raw_has_received);
    assert_raw_payload("x");
    assert_int_equal(south.requests, 1);
    SSL_SESSION_free(ticket);
}

/* libcoap takes the request and never calls the session established. It is closed, so that the client comes again. */
static void test_request_in_one_datagram_with_the_end_of_the_handshake(void **state)
{
    (void)state;
    SSL_SESSION *ticket;
    const uint8_t *bytes;
    size_t length = resume_up_to_the_end(&ticket, &bytes);
    send_bytes(bytes, length);
    run_until(raw_session_ended);
    assert_int_equal(south.ups, 1);
    assert_int_equal(south.requests, 0);
    SSL_SESSION_free(ticket);
}

#define with_raw(name) cmocka_unit_test_setup_teardown(name, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_raw(test_half_a_record_beside_an_error),
        with_raw(test_forged_record_beside_an_error),
        with_raw(test_request_before_the_end_of_the_handshake),
        with_raw(test_request_in_one_datagram_with_the_end_of_the_handshake),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
