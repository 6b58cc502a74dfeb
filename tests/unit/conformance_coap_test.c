/* docs/conformance.md, what CoAP and (D)TLS owe and no other test shows. */
/* links: coap log */
#include "tests/unit/coap_raw.h"

#include <coap3/coap.h>

#define OPTION_OBSERVE 6
#define OPTION_URI_PATH 11
#define OPTION_HOP_LIMIT 16
#define OPTION_BLOCK2 23
#define OPTION_BLOCK1 27
#define HEADERS 28 /* IPv4 and UDP */
#define PMTU 1280

static struct raw_builder message;

static bool north_down_and_south_failed(void)
{
    return north.downs > 0 && south.failures > 0;
}

/* ---- Section 3: errors have a reason ---- */

static void check_reason(uint8_t code)
{
    size_t length;
    assert_int_equal(raw_code(), code);
    assert_non_null(raw_find(0xffff, &length));
}

static void test_rfc9132_3_errors_of_the_coap_layer_must_have_a_diagnostic_payload(void **state)
{
    (void)state;
    start_raw();
    raw_begin(&message, RAW_CON, DOTS_GET, "tok");
    for (int i = 0; i <= DOTS_PATH_MAX; i++)
        raw_option(&message, OPTION_URI_PATH, "x", 1);
    raw_exchange(&message);
    check_reason(DOTS_CODE(4, 0));
    raw_begin(&message, RAW_CON, DOTS_GET, "tok");
    raw_option(&message, 65001, "x", 1);
    raw_exchange(&message);
    check_reason(DOTS_CODE(4, 2));
    raw_begin(&message, RAW_CON, DOTS_PUT, "tok");
    raw_path(&message, "mid=1");
    raw_number(&message, OPTION_BLOCK1, 1 << 4 | 2);
    raw_payload(&message, "x", 1);
    raw_exchange(&message);
    check_reason(DOTS_CODE(4, 8));
    static const char block[1024];
    for (uint32_t i = 0; i <= 8192 / sizeof block; i++) {
        raw_begin(&message, RAW_CON, DOTS_PUT, "tok");
        raw_path(&message, "mid=1");
        raw_number(&message, OPTION_BLOCK1, i << 4 | 8 | 6);
        raw_payload(&message, block, sizeof block);
        raw_exchange(&message);
        if (raw_code() != DOTS_CODE(2, 31))
            break;
    }
    check_reason(DOTS_CODE(4, 13));
    assert_int_equal(south.requests, 0);
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "short");
    raw_begin(&message, RAW_CON, DOTS_GET, "tok");
    raw_path(&message, "mid=1");
    raw_number(&message, OPTION_BLOCK2, 9 << 4 | 6);
    raw_exchange(&message);
    check_reason(DOTS_CODE(4, 0)); /* beyond the end */
}

/* ---- RFC 8768 ---- */

static void test_rfc8768_3_only_the_first_hop_limit_must_count(void **state)
{
    (void)state;
    start_raw();
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 4), "x");
    raw_begin(&message, RAW_CON, DOTS_PUT, "tok");
    raw_number(&message, OPTION_HOP_LIMIT, 9);
    raw_number(&message, OPTION_HOP_LIMIT, 200);
    raw_exchange(&message);
    if (raw_code() == DOTS_CODE(4, 2) && LIBCOAP_VERSION >= 4003004U) {
        assert_int_equal(south.requests, 0); /* no option that libcoap knows may be repeated: it answers itself */
        return;
    }
    assert_int_equal(raw_code(), DOTS_CODE(2, 4));
    assert_int_equal(south.request.hop_limit, 8);
}

/* ---- Section 4.4 ---- */

static void test_rfc9132_4_4_probing_rate_must_not_delay_mitigation_requests(void **state)
{
    (void)state;
    start_raw();
    const struct dots_transmission slow = {
        .ack_timeout = 200, .ack_random_factor = 150, .max_retransmit = 3, .probing_rate = 1}; /* byte/s */
    dots_session_set_transmission(south.up[0], &slow);
    struct dots_request put = make_request(DOTS_PUT, "mid=1", "a body of some length, to a peer that says nothing");
    put.confirmable = false;
    raw_expected = 8; /* more bytes than the whole deadline of the test has seconds */
    for (unsigned i = 0; i < raw_expected; i++) {
        struct dots_token token;
        dots_token_new(&token);
        assert_int_equal(dots_send(south.up[0], &token, &put), 0);
    }
    run_until(raw_has_received);
}

/* ---- Section 4.4.1.2: the hash that a gateway supplies as cdid, by the procedure of section 4.4.1.1 ---- */

static void test_rfc9132_4_4_1_2_cdid_must_be_the_hash_of_the_psk_identity(void **state)
{
    (void)state;
    start_pair(DOTS_UDP, true, "127.0.0.1");
    /* base64url(SHA-256("web1") to 16 bytes) */
    assert_string_equal(dots_session_identity(south.up[0])->hash, "ZZp_sq9Hb65ojXESE9kdwQ");
}

static void test_rfc9132_4_4_1_2_cdid_must_be_the_spki_hash_of_the_certificate(void **state)
{
    (void)state;
    uint8_t *spki = NULL, digest[32], text[32] = "";
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(pki_client.x509), &spki);
    assert_true(length > 0);
    assert_int_equal(EVP_Digest(spki, (size_t)length, digest, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(spki);
    EVP_EncodeBlock(text, digest, 16);
    text[22] = '\0'; /* without "==" */
    for (size_t i = 0; text[i] != '\0'; i++)
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    start_pair(DOTS_TCP, false, "127.0.0.1");
    assert_string_equal(dots_session_identity(south.up[0])->hash, (const char *)text);
}

/* ---- Section 4.4.2.1 ---- */

static void test_rfc9132_4_4_2_1_no_notification_must_be_confirmable(void **state)
{
    (void)state;
    static char large[5000];
    memset(large, 'x', sizeof large - 1);
    start_raw();
    for (int32_t i = 1; i <= 40; i++) {
        const struct dots_token token = {.bytes = {'t', 'o', 'k'}, .length = 3};
        struct dots_request observed = make_request(DOTS_GET, "mid=1", NULL);
        struct dots_response news = text_response(DOTS_CODE(2, 5), i % 2 ? "news" : large);
        news.observe = i;
        raw_expected = raw.received + 1;
        assert_int_equal(dots_notify(south.up[0], &token, &observed, &news), 0);
        run_until(raw_has_received);
        assert_int_equal(raw_type(), RAW_NON);
        assert_int_equal(raw_find_number(OPTION_OBSERVE), i);
    }
}

/* ---- Section 7.1 ---- */

static void check_server_refused(enum dots_transport transport, const char *name, const char *why)
{
    struct dots_endpoint_settings of_north = north_settings();
    uint16_t port = listen_on(south.endpoint, "127.0.0.1", transport);
    north.endpoint = open_endpoint(&of_north);
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, name, NULL);
    run_until(north_down_and_south_failed);
    assert_int_equal(north.ups, 0);
    assert_int_equal(north.reason, DOTS_DOWN_HANDSHAKE);
    if (strstr(north.why, why) == NULL)
        fail_msg("north: %s", north.why);
}

static void test_rfc9132_7_1_must_verify_the_validity_of_the_certification_path(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings();
    of_south.credentials.certificate = pki_expired.certificate;
    of_south.credentials.private_key = pki_expired.key;
    south.endpoint = open_endpoint(&of_south);
    check_server_refused(transport, "old.example", "certificate has expired");
}
BOTH_TRANSPORTS(test_rfc9132_7_1_must_verify_the_validity_of_the_certification_path)

/* RFC 6125 section 6.4.4: with a DNS-ID in the certificate its common name ("server") is none. */
static void test_rfc9132_7_1_must_not_take_a_common_name_for_a_dns_id(enum dots_transport transport)
{
    struct dots_endpoint_settings of_south = south_settings();
    south.endpoint = open_endpoint(&of_south);
    check_server_refused(transport, "server", "hostname mismatch");
}
BOTH_TRANSPORTS(test_rfc9132_7_1_must_not_take_a_common_name_for_a_dns_id)

static struct {
    uint8_t bytes[2048];
    size_t length;
} sent;

static long keep_datagram(BIO *bio, int operation, const char *bytes, size_t length, int argument, long number,
                          int result, size_t *processed)
{
    (void)bio, (void)argument, (void)number, (void)processed;
    if (operation == BIO_CB_WRITE && length <= sizeof sent.bytes) {
        memcpy(sent.bytes, bytes, length);
        sent.length = length;
    }
    return result;
}

/* libcoap hands a second datagram of a non-confirmable request on: that none comes is DTLS's doing. */
static void test_rfc9132_7_1_must_detect_replayed_records(void **state)
{
    (void)state;
    start_raw();
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "ours");
    BIO_set_callback_ex(SSL_get_wbio(raw.ssl), keep_datagram);
    raw_begin(&message, RAW_NON, DOTS_PUT, "one");
    raw_path(&message, "mid=1");
    raw_exchange(&message);
    assert_int_equal(south.requests, 1);
    assert_true(sent.length > 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(raw.descriptor, sent.bytes, sent.length, 0), (ssize_t)sent.length);
    raw_exchange(&message); /* the same request in a record of its own: comes after them, and is let through */
    assert_int_equal(south.requests, 2);
    assert_int_equal(raw.received, 2);
}

/* ---- Section 7.2 ---- */

static void test_rfc9132_7_2_early_data_is_not_accepted(void **state)
{
    (void)state;
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    raw_open(DOTS_TCP, listen_on(south.endpoint, "127.0.0.1", DOTS_TCP));
    raw_use_certificate(&pki_client);
    raw_start();
    run_until(raw_has_csm); /* tickets came before it */
    assert_int_equal(SSL_version(raw.ssl), TLS1_3_VERSION);
    const SSL_SESSION *session = SSL_get0_session(raw.ssl);
    assert_true(SSL_SESSION_has_ticket(session));
    assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
}

/* ---- Section 7.3 ---- */

static size_t largest;

static long measure_datagram(BIO *bio, int operation, const char *bytes, size_t length, int argument, long number,
                             int result, size_t *processed)
{
    (void)bio, (void)bytes, (void)length, (void)argument, (void)number;
    if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0 && processed != NULL && *processed > largest)
        largest = *processed;
    return result;
}

static void test_rfc9132_7_3_must_assume_a_pmtu_of_1280(void **state)
{
    (void)state;
    static char body[1400];
    size_t refused = 0;
    start_raw();
    largest = 0;
    BIO_set_callback_ex(SSL_get_rbio(raw.ssl), measure_datagram);
    memset(body, 'x', sizeof body - 1);
    for (size_t length = 1000; length < sizeof body - 1 && refused == 0; length++) {
        struct dots_token token;
        struct dots_request put = make_request(DOTS_PUT, "mid=1", body);
        put.body_length = length;
        put.confirmable = false;
        dots_token_new(&token);
        raw_expected = raw.received + 1;
        int result = dots_send(south.up[0], &token, &put);
        if (result == -2)
            refused = length;
        else
            run_until(raw_has_received);
    }
    assert_true(refused > 0); /* what is larger is not sent */
    assert_in_range(largest + HEADERS, PMTU - 100, PMTU);
    /* and responses: the largest come in blocks */
    south.on_request = answer_now;
    for (size_t length = 900; length < sizeof body - 1; length += 10) {
        south.answer = text_response(DOTS_CODE(2, 5), body);
        south.answer.body_length = length;
        raw_begin(&message, RAW_CON, DOTS_GET, "tok");
        raw_path(&message, "c");
        raw_exchange(&message);
    }
    assert_in_range(largest + HEADERS, PMTU - 100, PMTU);
}

/* ---- RFC 7641 ---- */

static void test_rfc7641_3_5_unknown_confirmable_notification_must_not_be_acknowledged(void **state)
{
    (void)state;
    start_raw();
    raw_begin(&message, RAW_CON, DOTS_CODE(2, 5), "nobody's");
    raw_number(&message, OPTION_OBSERVE, 5);
    raw_payload(&message, "news", 4);
    raw_exchange(&message);
    assert_int_equal(raw_type(), RAW_RST);
    assert_int_equal(raw_mid(), raw.mid);
    assert_int_equal(south.responses, 0);
}

#define with_raw(name) cmocka_unit_test_setup_teardown(name, begin, end_raw)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_raw(test_rfc9132_3_errors_of_the_coap_layer_must_have_a_diagnostic_payload),
        with_raw(test_rfc8768_3_only_the_first_hop_limit_must_count),
        with_raw(test_rfc9132_4_4_probing_rate_must_not_delay_mitigation_requests),
        with_pair(test_rfc9132_4_4_1_2_cdid_must_be_the_hash_of_the_psk_identity),
        with_pair(test_rfc9132_4_4_1_2_cdid_must_be_the_spki_hash_of_the_certificate),
        with_raw(test_rfc9132_4_4_2_1_no_notification_must_be_confirmable),
        with_both(test_rfc9132_7_1_must_verify_the_validity_of_the_certification_path),
        with_both(test_rfc9132_7_1_must_not_take_a_common_name_for_a_dns_id),
        with_raw(test_rfc9132_7_1_must_detect_replayed_records),
        with_raw(test_rfc9132_7_2_early_data_is_not_accepted),
        with_raw(test_rfc9132_7_3_must_assume_a_pmtu_of_1280),
        with_raw(test_rfc7641_3_5_unknown_confirmable_notification_must_not_be_acknowledged),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
