/* Shared ticket keys: what one endpoint has sealed another one opens, and judges by what it knows itself. */
/* links: coap log */
#include "tests/unit/coap_fixture.h"

#define KEY 80

static struct dots_resumption *resumption;
static struct side former;
static enum dots_transport transport;
static bool psk;
static uint8_t keys[3 * KEY], swapped[2 * KEY]; /* the second of keys, then the first */
static const uint8_t *psk_known;                /* the key of web1, NULL: it is removed */

static const uint8_t *look_up(void *arg, const char *identity, size_t length, size_t *key_length)
{
    return psk_known != NULL && lookup(arg, identity, length, key_length) != NULL ? psk_known : NULL;
}

static struct dots_endpoint_settings settings_with(const uint8_t *given, size_t count)
{
    struct dots_endpoint_settings settings = south_settings();
    settings.psk_lookup = look_up;
    settings.credentials.ticket_keys = given;
    settings.credentials.ticket_keys_length = count * KEY;
    return settings;
}

static void connect_to(uint16_t port)
{
    north.ups = north.downs = south.ups = south.downs = 0;
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, psk ? NULL : SERVER_NAME, resumption);
}

static void leave(void)
{
    exchange_once();
    dots_session_close(client);
    run_until(north_down_and_south_down);
    dots_session_unref(client);
    client = NULL;
}

/* A client with a ticket of one endpoint. */
static void begin_at(enum dots_transport wanted, bool with_psk, const uint8_t *given, size_t count)
{
    struct dots_endpoint_settings settings = settings_with(given, count);
    transport = wanted;
    psk = with_psk;
    psk_known = psk_key;
    for (size_t i = 0; i < sizeof keys; i++)
        keys[i] = (uint8_t)(i * 7 + 1);
    memcpy(swapped, keys + KEY, KEY);
    memcpy(swapped + KEY, keys, KEY);
    south.endpoint = open_endpoint(&settings);
    settings = psk ? psk_settings() : north_settings();
    north.endpoint = open_endpoint(&settings);
    resumption = dots_resumption_new();
    connect_to(listen_on(south.endpoint, "127.0.0.1", transport));
    run_until(both_up);
    assert_false(dots_session_identity(south.up[0])->resumed);
    leave();
}

static bool former_closed(void)
{
    return former.closed;
}

/* Another endpoint takes its place, and the client comes there. */
static void come_to(const struct dots_endpoint_settings *settings)
{
    former = (struct side){.endpoint = south.endpoint};
    close_side(&former);
    run_until(former_closed);
    south.endpoint = open_endpoint(settings);
    connect_to(listen_on(south.endpoint, "127.0.0.1", transport));
}

static bool resumes_at(const struct dots_endpoint_settings *settings)
{
    come_to(settings);
    run_until(both_up);
    const struct dots_identity *identity = dots_session_identity(south.up[0]);
    assert_int_equal(identity->psk, psk);
    if (psk)
        assert_string_equal(identity->psk_identity, "web1");
    else
        assert_string_equal(identity->sans[0], "www1.example");
    bool resumed = identity->resumed;
    leave();
    return resumed;
}

static bool resumes_with(const uint8_t *given, size_t count)
{
    const struct dots_endpoint_settings settings = settings_with(given, count);
    return resumes_at(&settings);
}

static int forget(void **state)
{
    int done = end(state);
    dots_resumption_free(resumption);
    return done;
}

/* The rotation that docs/scaling.md describes, with gateways that are not at the same step. */
static void rotate(enum dots_transport wanted, bool with_psk)
{
    begin_at(wanted, with_psk, keys, 1);
    assert_true(resumes_with(keys, 1));
    assert_true(resumes_with(keys, 2));    /* the new one is second */
    assert_true(resumes_with(keys, 1));    /* at one that does not have it yet */
    assert_true(resumes_with(swapped, 2)); /* it seals */
    assert_true(resumes_with(keys, 2));    /* at one where it is still second */
}

static void test_rfc9132_7_1_certificate_through_a_rotation(enum dots_transport wanted)
{
    rotate(wanted, false);
}

static void test_rfc9132_7_1_psk_through_a_rotation(enum dots_transport wanted)
{
    rotate(wanted, true);
}

/* Who came when the new one sealed does not need the old one. */
static void test_rfc9132_7_1_the_end_of_a_rotation(enum dots_transport wanted)
{
    begin_at(wanted, false, swapped, 2);
    assert_true(resumes_with(swapped, 1));
}

static void test_other_keys_open_nothing(enum dots_transport wanted)
{
    begin_at(wanted, false, keys, 2);
    assert_false(resumes_with(keys + 2 * KEY, 1));
    assert_false(resumes_with(NULL, 0));
    assert_false(resumes_with(keys, 2));
}

/* The same name, another secret: as if there were no ticket. */
static void test_a_key_of_the_same_name_opens_nothing(enum dots_transport wanted)
{
    uint8_t other[KEY];
    begin_at(wanted, false, keys, 1);
    memcpy(other, keys, KEY);
    other[KEY - 1] ^= 1;
    assert_false(resumes_with(other, 1));
}

static void test_a_certificate_counts_only_by_the_anchors_that_verified_it(enum dots_transport wanted)
{
    begin_at(wanted, false, keys, 1);
    struct dots_endpoint_settings settings = settings_with(keys, 1);
    settings.credentials.trust_anchors = pki_other_ca.certificate;
    come_to(&settings);
    run_until(north_down);
    assert_int_equal(south.ups, 0);
    dots_session_unref(client);
    assert_true(resumes_with(keys, 1));
}

static void test_a_psk_that_is_removed_does_not_come_back(enum dots_transport wanted)
{
    begin_at(wanted, true, keys, 1);
    const struct dots_endpoint_settings settings = settings_with(keys, 1);
    psk_known = NULL;
    come_to(&settings);
    run_until(north_down);
    assert_int_equal(south.ups, 0);
    assert_int_equal(north.reason, DOTS_DOWN_HANDSHAKE);
}

/* What was proved with the old key does not count: neither does the client, which has no other. */
static void test_a_psk_with_another_key_does_not_come_back(enum dots_transport wanted)
{
    begin_at(wanted, true, keys, 1);
    const struct dots_endpoint_settings settings = settings_with(keys, 1);
    psk_known = (const uint8_t *)"another key, too";
    come_to(&settings);
    assert_false(run_until_for(both_up, 2000));
    assert_int_equal(south.ups, 0);
}

static void renew(const uint8_t *given, size_t count, const struct certificate *shown)
{
    char error[256] = "";
    const struct dots_credentials credentials = {.certificate = shown->certificate,
                                                 .private_key = shown->key,
                                                 .trust_anchors = pki_ca.certificate,
                                                 .ticket_keys = given,
                                                 .ticket_keys_length = count * KEY};
    struct dots_material *material = dots_material_load(&credentials, error, sizeof error);
    if (material == NULL)
        fail_msg("%s", error);
    dots_endpoint_renew(south.endpoint, material);
    dots_material_free(material);
}

static bool resumes_here(uint16_t port)
{
    connect_to(port);
    run_until(both_up);
    bool resumed = dots_session_identity(south.up[0])->resumed;
    leave();
    return resumed;
}

static void test_a_reload_takes_keys_and_gives_them_up(enum dots_transport wanted)
{
    begin_at(wanted, false, NULL, 0);
    uint16_t port = listen_on(south.endpoint, "127.0.0.1", transport);
    assert_true(resumes_here(port));
    renew(keys, 1, &pki_server);
    assert_false(resumes_here(port));
    assert_true(resumes_here(port));
    renew(keys + KEY, 2, &pki_server);
    assert_false(resumes_here(port));
    renew(keys, 3, &pki_server);
    assert_true(resumes_here(port));
    dots_endpoint_forget_tickets(south.endpoint); /* they are not ours alone */
    assert_true(resumes_here(port));
    renew(NULL, 0, &pki_server);
    assert_false(resumes_here(port));
    assert_true(resumes_here(port));
}

BOTH_TRANSPORTS(test_rfc9132_7_1_certificate_through_a_rotation)
BOTH_TRANSPORTS(test_rfc9132_7_1_psk_through_a_rotation)
BOTH_TRANSPORTS(test_rfc9132_7_1_the_end_of_a_rotation)
BOTH_TRANSPORTS(test_other_keys_open_nothing)
BOTH_TRANSPORTS(test_a_key_of_the_same_name_opens_nothing)
BOTH_TRANSPORTS(test_a_certificate_counts_only_by_the_anchors_that_verified_it)
BOTH_TRANSPORTS(test_a_psk_that_is_removed_does_not_come_back)
BOTH_TRANSPORTS(test_a_psk_with_another_key_does_not_come_back)
BOTH_TRANSPORTS(test_a_reload_takes_keys_and_gives_them_up)

#define shared(name)                                                  \
    cmocka_unit_test_setup_teardown(name##_over_dtls, begin, forget), \
        cmocka_unit_test_setup_teardown(name##_over_tls, begin, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        shared(test_rfc9132_7_1_certificate_through_a_rotation),
        shared(test_rfc9132_7_1_psk_through_a_rotation),
        shared(test_rfc9132_7_1_the_end_of_a_rotation),
        shared(test_other_keys_open_nothing),
        shared(test_a_key_of_the_same_name_opens_nothing),
        shared(test_a_certificate_counts_only_by_the_anchors_that_verified_it),
        shared(test_a_psk_that_is_removed_does_not_come_back),
        shared(test_a_psk_with_another_key_does_not_come_back),
        shared(test_a_reload_takes_keys_and_gives_them_up),
    };
    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
