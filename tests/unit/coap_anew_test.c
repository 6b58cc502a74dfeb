/* A client that comes back with the address and port of an association we still have (RFC 6347 section 4.2.8). */
/* links: coap log */
#include "gateway/coap/private.h"
#include "tests/unit/coap_raw.h"

static uv_timer_t repeats;

/* OpenSSL repeats its flights when it is asked to. */
static void repeat(uv_timer_t *timer)
{
    (void)timer;
    if (!raw.connected)
        DTLSv1_handle_timeout(raw.ssl);
}

/* The client is killed, and started again on the same socket: nothing is left of the association on its side. */
static void raw_start_again(void)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    BIO *bio = BIO_new_dgram(raw.descriptor, BIO_NOCLOSE);
    SSL_set_quiet_shutdown(raw.ssl, 1);
    SSL_free(raw.ssl);
    raw.ssl = SSL_new(raw.context);
    assert_int_equal(getpeername(raw.descriptor, (struct sockaddr *)&address, &length), 0);
    BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &address);
    SSL_set_bio(raw.ssl, bio, bio);
    SSL_set_security_level(raw.ssl, 0);
    raw_use_certificate(&pki_client);
    SSL_set_connect_state(raw.ssl);
    raw.connected = false;
    uv_timer_init(&loop, &repeats);
    uv_timer_start(&repeats, repeat, 100, 100);
    raw_step();
}

static void test_rfc6347_4_2_8_a_silent_association_gives_way_to_a_new_one(void **state)
{
    (void)state;
    start_raw();
    raw_start_again();
    run_until(raw_connected);
    assert_int_equal(south.downs, 1);
    assert_int_equal(south.reason, DOTS_DOWN_LOST);
    assert_non_null(strstr(south.why, "anew"));
    uv_close((uv_handle_t *)&repeats, NULL);
}

static bool is_pinged(void)
{
    return raw.received > 0 && raw_type() == RAW_CON && raw_code() == 0;
}

static bool is_trusted(void)
{
    return south.up[0]->doubted == 0;
}

#define RANDOM_AT 27

/* A record of epoch 0 with the beginning of a ClientHello: anybody can send it. */
static void make_hello(uint8_t hello[RANDOM_AT + SSL3_RANDOM_SIZE])
{
    static const uint8_t start[RANDOM_AT] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9,  0,    46,  1,
                                             0,  0,    34,   0, 0, 0, 0, 0, 0, 0, 34, 0xfe, 0xfd};
    memset(hello, 0x5a, RANDOM_AT + SSL3_RANDOM_SIZE);
    memcpy(hello, start, sizeof start);
}

static void test_rfc6347_4_2_8_a_hello_alone_must_not_end_an_association(void **state)
{
    (void)state;
    uint8_t hello[RANDOM_AT + SSL3_RANDOM_SIZE];
    start_raw();
    assert_true(is_trusted());
    make_hello(hello);
    assert_int_equal(send(raw.descriptor, hello, sizeof hello, 0), sizeof hello);
    run_until(is_pinged);
    assert_false(is_trusted());
    uint8_t reset[] = {0x70, 0, raw.last.bytes[2], raw.last.bytes[3]};
    assert_int_equal(SSL_write(raw.ssl, reset, sizeof reset), sizeof reset);
    run_until(is_trusted);
    assert_int_equal(south.downs, 0);
}

/* The client repeated its ClientHello when the answer was on its way already. It may not have our last flight
 * yet: then it could not answer. */
static void test_a_late_hello_of_the_same_handshake_raises_no_doubt(void **state)
{
    (void)state;
    uint8_t hello[RANDOM_AT + SSL3_RANDOM_SIZE];
    start_raw();
    make_hello(hello);
    assert_int_equal(SSL_get_client_random(raw.ssl, hello + RANDOM_AT, SSL3_RANDOM_SIZE), SSL3_RANDOM_SIZE);
    anew_datagram(south.up[0], hello, sizeof hello);
    assert_true(is_trusted());
    hello[RANDOM_AT] ^= 1;
    anew_datagram(south.up[0], hello, sizeof hello - 1);
    assert_true(is_trusted());
    anew_datagram(south.up[0], hello, sizeof hello);
    assert_false(is_trusted());
}

static void test_other_records_raise_no_doubt(void **state)
{
    (void)state;
    static const size_t places[] = {0, 3, 4, 13}; /* content type, epoch, message type */
    start_raw();
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint8_t other[RANDOM_AT + SSL3_RANDOM_SIZE];
        make_hello(other);
        other[places[i]] ^= 1;
        anew_datagram(south.up[0], other, sizeof other);
        assert_true(is_trusted());
    }
}

#define with_raw(test) cmocka_unit_test_setup_teardown(test, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_raw(test_rfc6347_4_2_8_a_silent_association_gives_way_to_a_new_one),
        with_raw(test_rfc6347_4_2_8_a_hello_alone_must_not_end_an_association),
        with_raw(test_a_late_hello_of_the_same_handshake_raises_no_doubt),
        with_raw(test_other_records_raise_no_doubt),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
