/* The gate before the UDP listeners: cookies, forged floods, rubbish. */
/* links: coap log */
#include "tests/unit/coap_raw.h"

#include "gateway/coap/private.h"

static uint8_t hello[512];
static size_t hello_size;
static uint16_t port;

static void make_hello(void)
{
    SSL_CTX *context = SSL_CTX_new(DTLS_client_method());
    SSL *ssl = SSL_new(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(ssl, 1200);
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    hello_size = (size_t)BIO_read(SSL_get_wbio(ssl), hello, sizeof hello);
    assert_true(hello_size > 60 && hello_size < sizeof hello - COOKIE_SIZE);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* The same ClientHello with this cookie in it. */
static size_t with_cookie(uint8_t to[512], const uint8_t *cookie, size_t length)
{
    size_t at = 13 + 12 + 34 + 1 + hello[13 + 12 + 34];
    assert_int_equal(hello[at], 0);
    memcpy(to, hello, at);
    to[at] = (uint8_t)length;
    memcpy(to + at + 1, cookie, length);
    memcpy(to + at + 1 + length, hello + at + 1, hello_size - at - 1);
    size_t record = hello_size - 13 + length, body = record - 12;
    to[11] = (uint8_t)(record >> 8);
    to[12] = (uint8_t)record;
    to[15] = to[23] = (uint8_t)(body >> 8);
    to[16] = to[24] = (uint8_t)body;
    return hello_size + length;
}

static struct sockaddr_in6 peer_of(const char *address, uint16_t number)
{
    struct sockaddr_storage storage;
    struct sockaddr_in6 peer;
    fill_address(&storage, address, number);
    session_copy_peer(&peer, (const struct sockaddr *)&storage);
    return peer;
}

static void test_cookie_belongs_to_one_address(void **state)
{
    (void)state;
    struct cookie_secrets secrets = {0};
    struct sockaddr_in6 mine = peer_of("192.0.2.1", 4000), port_of_other = peer_of("192.0.2.1", 4001),
                        other = peer_of("192.0.2.2", 4000);
    uint8_t request[COOKIE_REQUEST_SIZE], second[512];
    make_hello();
    assert_int_equal(cookie_judge(&secrets, &mine, hello, hello_size, 1000), HELLO_UNPROVEN);
    hello[10] = 7; /* record sequence number */
    assert_int_equal(cookie_request(&secrets, &mine, hello, request), COOKIE_REQUEST_SIZE);
    assert_memory_equal(request + 5, hello + 5, 6);
    size_t size = with_cookie(second, request + 28, COOKIE_SIZE);
    assert_int_equal(cookie_judge(&secrets, &mine, second, size, 1000), HELLO_PROVEN);
    assert_int_equal(cookie_judge(&secrets, &port_of_other, second, size, 1000), HELLO_UNPROVEN);
    assert_int_equal(cookie_judge(&secrets, &other, second, size, 1000), HELLO_UNPROVEN);
    second[size - 1] ^= 1; /* what follows the cookie is not ours to check */
    assert_int_equal(cookie_judge(&secrets, &mine, second, size, 1000), HELLO_PROVEN);
    size = with_cookie(second, request + 28, COOKIE_SIZE - 1);
    assert_int_equal(cookie_judge(&secrets, &mine, second, size, 1000), HELLO_UNPROVEN);
    request[28] ^= 1;
    size = with_cookie(second, request + 28, COOKIE_SIZE);
    assert_int_equal(cookie_judge(&secrets, &mine, second, size, 1000), HELLO_UNPROVEN);
}

static void test_cookie_expires(void **state)
{
    (void)state;
    struct cookie_secrets secrets = {0};
    struct sockaddr_in6 mine = peer_of("2001:db8::1", 4000);
    uint8_t request[COOKIE_REQUEST_SIZE], second[512];
    make_hello();
    cookie_judge(&secrets, &mine, hello, hello_size, 0);
    cookie_request(&secrets, &mine, hello, request);
    size_t size = with_cookie(second, request + 28, COOKIE_SIZE);
    assert_int_equal(cookie_judge(&secrets, &mine, second, size, 29000), HELLO_PROVEN);
    assert_int_equal(cookie_judge(&secrets, &mine, second, size, 31000), HELLO_PROVEN); /* under the previous secret */
    assert_int_equal(cookie_judge(&secrets, &mine, second, size, 62000), HELLO_UNPROVEN);
}

/* Cut anywhere, and with every byte changed: judged without reading beyond its end, which ASan watches. */
static void test_odd_hellos(void **state)
{
    (void)state;
    struct cookie_secrets secrets = {0};
    struct sockaddr_in6 mine = peer_of("192.0.2.1", 4000);
    make_hello();
    for (size_t size = 0; size < hello_size; size++) {
        uint8_t *cut = malloc(size + 1);
        memcpy(cut + 1, hello, size); /* its end is the end of the memory */
        assert_int_equal(cookie_judge(&secrets, &mine, cut + 1, size, 1000), HELLO_NONE);
        free(cut);
    }
    for (size_t i = 0; i < hello_size; i++) {
        uint8_t *changed = malloc(hello_size);
        memcpy(changed, hello, hello_size);
        for (unsigned value = 0; value < 256; value++) {
            changed[i] = (uint8_t)value;
            assert_int_not_equal(cookie_judge(&secrets, &mine, changed, hello_size, 1000), HELLO_PROVEN);
        }
        free(changed);
    }
    hello[20] = 1; /* a fragment that starts at 65536 */
    assert_int_equal(cookie_judge(&secrets, &mine, hello, hello_size, 1000), HELLO_NONE);
}

static void listen_south(void)
{
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    port = listen_on(south.endpoint, "127.0.0.1", DOTS_UDP);
    settings = north_settings();
    north.endpoint = open_endpoint(&settings);
    make_hello();
}

static int datagram_socket(void)
{
    struct sockaddr_storage address;
    socklen_t length = fill_address(&address, "127.0.0.1", port);
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, length), 0);
    return descriptor;
}

static int asking;
static uint8_t answer_bytes[512];
static ssize_t answer_size;

static bool answered(void)
{
    answer_size = recv(asking, answer_bytes, sizeof answer_bytes, 0);
    return answer_size > 0;
}

static void ask_gate(const uint8_t *bytes, size_t size)
{
    assert_int_equal(send(asking, bytes, size, 0), (ssize_t)size);
    for (int i = 0; i < 1000 && !answered(); i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void test_rfc6347_4_2_1_hello_verify_request(void **state)
{
    (void)state;
    uint8_t second[512];
    listen_south();
    asking = datagram_socket();
    ask_gate(hello, hello_size);
    assert_int_equal(answer_size, COOKIE_REQUEST_SIZE);
    assert_true((size_t)answer_size < hello_size); /* no amplification */
    assert_int_equal(answer_bytes[13], 3);
    assert_memory_equal(answer_bytes + 3, hello + 3, 8); /* epoch and sequence number */
    static const uint8_t wrong[COOKIE_SIZE];
    size_t size = with_cookie(second, wrong, sizeof wrong);
    ask_gate(second, size);
    assert_int_equal(answer_bytes[13], 3); /* asked again */
    size = with_cookie(second, answer_bytes + 28, COOKIE_SIZE);
    second[18] = 1; /* message sequence number of the second ClientHello */
    second[10] = 1;
    ask_gate(second, size);
    assert_int_equal(answer_bytes[13], 2); /* ServerHello */
    close(asking);
}

static void test_rubbish_gets_nothing(void **state)
{
    (void)state;
    uint8_t rubbish[600];
    listen_south();
    asking = datagram_socket();
    for (int i = 0; i < 200; i++) {
        memset(rubbish, i, sizeof rubbish);
        memcpy(rubbish, hello, (size_t)(i % 40));
        ask_gate(rubbish, 1 + (size_t)i);
        assert_true(answer_size <= 0);
    }
    close(asking);
    client = connect_with(north.endpoint, "127.0.0.1", port, DOTS_UDP, SERVER_NAME, NULL);
    run_until(both_up);
}

/* Far more forged ClientHellos than handshakes are allowed leave nothing behind: the next client gets in at once. */
static void test_flood_shuts_nobody_out(void **state)
{
    (void)state;
    listen_south();
    for (int i = 0; i < 5000; i++) {
        int descriptor = datagram_socket();
        assert_int_equal(send(descriptor, hello, hello_size, 0), (ssize_t)hello_size);
        close(descriptor);
        if (i % 50 == 0)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
    uint64_t before = uv_now(&loop);
    client = connect_with(north.endpoint, "127.0.0.1", port, DOTS_UDP, SERVER_NAME, NULL);
    run_until(both_up);
    assert_true(uv_now(&loop) - before < 5000);
    assert_int_equal(south.failures, 0);
}

/* The source of an established session is not asked for cookies, and rubbish from it ends nothing. */
static void test_known_source_passes(void **state)
{
    (void)state;
    start_raw();
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "x");
    make_hello();
    assert_int_equal(send(raw.descriptor, "rubbish", 7, 0), 7);
    struct raw_builder message;
    raw_begin(&message, RAW_NON, DOTS_GET, "t");
    raw_path(&message, "a");
    raw_exchange(&message);
    assert_int_equal(south.requests, 1);
    assert_int_equal(south.downs, 0);
}

#define with_raw(name) cmocka_unit_test_setup_teardown(name, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookie_belongs_to_one_address),
        cmocka_unit_test(test_cookie_expires),
        cmocka_unit_test(test_odd_hellos),
        with_pair(test_rfc6347_4_2_1_hello_verify_request),
        with_pair(test_rubbish_gets_nothing),
        with_pair(test_flood_shuts_nobody_out),
        with_raw(test_known_source_passes),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
