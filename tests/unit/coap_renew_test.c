/* Renewal: certificates, keys and trust anchors change under sessions that are up. */
/* links: coap log */
#include "tests/unit/coap_fixture.h"

static struct dots_resumption *resumption;
static enum dots_transport transport;
static uint16_t port;
static struct certificate rsa;

static void renew(struct dots_endpoint *endpoint, const struct certificate *shown, const char *anchors, bool changes)
{
    const struct dots_credentials credentials = {
        .certificate = shown->certificate, .private_key = shown->key, .trust_anchors = anchors};
    char error[256] = "";
    struct dots_material *material = dots_material_load(&credentials, error, sizeof error);
    if (material == NULL)
        fail_msg("%s", error);
    assert_int_equal(dots_endpoint_renew(endpoint, material), changes);
    dots_material_free(material);
}

static void open_both(enum dots_transport wanted)
{
    struct dots_endpoint_settings settings = south_settings();
    transport = wanted;
    south.endpoint = open_endpoint(&settings);
    port = listen_on(south.endpoint, "127.0.0.1", transport);
    settings = north_settings();
    north.endpoint = open_endpoint(&settings);
    resumption = dots_resumption_new();
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, SERVER_NAME, resumption);
    run_until(both_up);
    exchange_once();
}

static void come_again(void)
{
    dots_session_close(client);
    run_until(north_down_and_south_down);
    dots_session_unref(client);
    north.ups = north.downs = south.ups = south.downs = 0;
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, SERVER_NAME, resumption);
}

static int forget_resumption(void **state)
{
    int done = end(state);
    dots_resumption_free(resumption);
    return done;
}

static void hash_of(const struct certificate *certificate, char hash[23])
{
    const struct dots_credentials own = {.certificate = certificate->certificate};
    assert_int_equal(dots_credentials_hash(&own, hash), 0);
}

/* Who is shown: the peer sees it, whatever kind of key it has. */
static void check_shown(enum dots_transport wanted, const struct certificate *next)
{
    char hash[23];
    open_both(wanted);
    renew(south.endpoint, &pki_server, pki_ca.certificate, false);
    renew(south.endpoint, next, pki_ca.certificate, true);
    exchange_once(); /* the session that is up goes on */
    come_again();
    run_until(both_up);
    exchange_once();
    assert_false(dots_session_identity(south.up[0])->resumed);
    hash_of(next, hash);
    assert_string_equal(dots_session_identity(north.up[0])->hash, hash);
    renew(south.endpoint, &pki_server, pki_ca.certificate, true);
    come_again();
    run_until(both_up);
    hash_of(&pki_server, hash);
    assert_string_equal(dots_session_identity(north.up[0])->hash, hash);
}

static void test_new_handshakes_show_the_new_certificate(enum dots_transport wanted)
{
    check_shown(wanted, &pki_below);
}

static void test_a_key_of_another_kind_takes_the_place_of_the_old_one(enum dots_transport wanted)
{
    check_shown(wanted, &rsa);
}

static void test_the_client_side_shows_the_new_one_too(enum dots_transport wanted)
{
    char hash[23];
    open_both(wanted);
    renew(north.endpoint, &rsa, pki_ca.certificate, true);
    exchange_once();
    dots_endpoint_forget_tickets(south.endpoint);
    come_again();
    run_until(both_up);
    hash_of(&rsa, hash);
    assert_string_equal(dots_session_identity(south.up[0])->hash, hash);
}

/* Whose authority is not trusted any more comes back neither with its certificate nor with a ticket. */
static void test_tickets_end_with_the_trust_they_rest_on(enum dots_transport wanted)
{
    open_both(wanted);
    renew(south.endpoint, &pki_server, pki_other_ca.certificate, true);
    exchange_once();
    come_again();
    run_until(north_down);
    assert_int_equal(south.ups, 0);
    renew(south.endpoint, &pki_server, pki_ca.certificate, true);
    dots_session_unref(client);
    north.ups = north.downs = south.ups = south.downs = 0;
    client = connect_with(north.endpoint, "127.0.0.1", port, transport, SERVER_NAME, resumption);
    run_until(both_up);
}

static void test_forgotten_tickets_cost_a_full_handshake(enum dots_transport wanted)
{
    open_both(wanted);
    come_again();
    run_until(both_up);
    exchange_once();
    assert_true(dots_session_identity(south.up[0])->resumed);
    dots_endpoint_forget_tickets(south.endpoint);
    come_again();
    run_until(both_up);
    assert_false(dots_session_identity(south.up[0])->resumed);
}

static void test_material_that_does_not_fit_is_refused_with_its_file(void **state)
{
    const struct dots_credentials credentials = {
        .certificate = pki_server.certificate, .private_key = pki_client.key, .trust_anchors = pki_ca.certificate};
    char error[256] = "";
    (void)state;
    assert_null(dots_material_load(&credentials, error, sizeof error));
    assert_non_null(strstr(error, pki_client.key));
}

BOTH_TRANSPORTS(test_new_handshakes_show_the_new_certificate)
BOTH_TRANSPORTS(test_a_key_of_another_kind_takes_the_place_of_the_old_one)
BOTH_TRANSPORTS(test_the_client_side_shows_the_new_one_too)
BOTH_TRANSPORTS(test_tickets_end_with_the_trust_they_rest_on)
BOTH_TRANSPORTS(test_forgotten_tickets_cost_a_full_handshake)

static int make_all(void **state)
{
    if (make_pki(state) != 0)
        return -1;
    /* below: without its intermediate nobody would believe it, so it is signed by the CA here. */
    forget_certificate(&pki_below);
    make_certificate(&pki_below, "below", &pki_ca, "DNS:" SERVER_NAME, 30);
    make_certificate(&rsa, "rsa", &pki_ca, "DNS:" SERVER_NAME ",URI:dots:rsa", 30);
    EVP_PKEY_free(rsa.pkey);
    rsa.pkey = EVP_RSA_gen(2048);
    X509_set_pubkey(rsa.x509, rsa.pkey);
    X509_sign(rsa.x509, pki_ca.pkey, EVP_sha256());
    write_pem(&rsa, "rsa");
    return 0;
}

static int remove_all(void **state)
{
    forget_certificate(&rsa);
    return remove_pki(state);
}

#define with_resumption(name)                                                    \
    cmocka_unit_test_setup_teardown(name##_over_dtls, begin, forget_resumption), \
        cmocka_unit_test_setup_teardown(name##_over_tls, begin, forget_resumption)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_resumption(test_new_handshakes_show_the_new_certificate),
        with_resumption(test_a_key_of_another_kind_takes_the_place_of_the_old_one),
        with_resumption(test_the_client_side_shows_the_new_one_too),
        with_resumption(test_tickets_end_with_the_trust_they_rest_on),
        with_resumption(test_forgotten_tickets_cost_a_full_handshake),
        cmocka_unit_test(test_material_that_does_not_fit_is_refused_with_its_file),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
