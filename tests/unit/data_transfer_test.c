/* transfer, restconf: who is spoken to, and what is not believed. */
/* links: northbound_data http */
#include "northbound/data/restconf.h"
#include "tests/unit/data_fixture.h"

#define FIRST (&world->fakes[0])

static struct transfer_response heard;
static bool answered;
static struct restconf *restconf;

static void hear(void *arg, const struct transfer_response *response)
{
    (void)arg;
    heard = *response;
    heard.body = NULL;
    answered = true;
}

static void went_up(void *arg, uint64_t outage_ms)
{
    (void)arg, (void)outage_ms;
}

static void restconf_gone(void *arg)
{
    *(bool *)arg = true;
}

static void ask(size_t answer_max)
{
    const struct restconf_request request = {.method = "GET",
                                             .path = "/data/ietf-dots-data-channel:dots-data/capabilities",
                                             .answer_max = answer_max,
                                             .timeout_ms = 20000};

    answered = false;
    assert_non_null(restconf_call(restconf, &request, hear, NULL));
    assert_false(answered); /* never from inside */
    WAIT_UNTIL(answered);
}

static void open_it(void)
{
    const struct restconf_settings settings = {.loop = &world->loop, .config = &world->upstreams[0], .up = went_up};
    char error[256] = "";

    restconf = restconf_open(&settings, error, sizeof(error));
    if (!restconf)
        fail_msg("%s", error);
}

static void close_it(void)
{
    bool gone = false;

    restconf_close(restconf, restconf_gone, &gone);
    WAIT_UNTIL(gone);
    world_end();
}

static void expect_silence(const char *why)
{
    ask(10000);
    assert_int_equal(heard.status, 0);
    if (!strstr(heard.failure, why))
        fail_msg("'%s' does not say '%s'", heard.failure, why);
    assert_true(restconf_retry_after(restconf) > 0);
}

static void test_http2_where_the_server_has_it(void **state)
{
    (void)state;
    world_make(1);
    open_it();
    ask(10000);
    assert_int_equal(heard.status, 200);
    assert_true(heard.http2);
    assert_int_equal(restconf_retry_after(restconf), 0);
    close_it();
}

/* RFC 9132 section 8, RFC 6125: the name that was configured, in a subjectAltName, below a trust anchor. */
static void refuse_certificate(const char *host, const struct certificate *shown, const char *why)
{
    world_make(1);
    fake_close(FIRST);
    fake_open(FIRST, &world->loop, 0, shown);
    world->upstreams[0].data.port = (uint16_t)FIRST->port;
    world->upstreams[0].data.host = (char *)host;
    open_it();
    expect_silence(why);
    close_it();
}

static void test_rfc8783_10_must_check_who_the_server_is(void **state)
{
    struct certificate cn = {0}, wild = {0};

    (void)state;
    make_certificate(&cn, SERVER_NAME, &pki_ca, "IP:127.0.0.1", 30); /* the name is in the subject only */
    make_certificate(&wild, "partial", &pki_ca, "DNS:do*.example", 30);
    refuse_certificate("other.example", &pki_server, "host");
    refuse_certificate(SERVER_NAME, &cn, "host");
    refuse_certificate(SERVER_NAME, &wild, "host");
    refuse_certificate("old.example", &pki_expired, "expired");
    forget_certificate(&cn);
    forget_certificate(&wild);
}

static void test_another_authority_is_not_trusted(void **state)
{
    (void)state;
    world_make(1);
    world->upstreams[0].credentials.trust_anchors = pki_other_ca.certificate;
    open_it();
    expect_silence("issuer");
    close_it();
}

/* The server asks for a certificate of an authority that it knows. */
static void test_a_gateway_without_a_good_certificate_gets_nowhere(void **state)
{
    (void)state;
    world_make(1);
    world->upstreams[0].credentials.certificate = pki_stranger.certificate;
    world->upstreams[0].credentials.private_key = pki_stranger.key;
    open_it();
    expect_silence("");
    close_it();
}

static void test_redirects_are_not_followed(void **state)
{
    (void)state;
    world_make(1);
    FIRST->host_meta_status = 301;
    open_it();
    expect_silence("redirect");
    close_it();
}

static void test_a_root_elsewhere_is_not_believed(void **state)
{
    (void)state;
    world_make(1);
    FIRST->host_meta = "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>"
                       "<Link rel='restconf' href='https://evil.example/restconf'/></XRD>";
    open_it();
    expect_silence("not a path");
    close_it();
}

static void test_answers_are_bounded(void **state)
{
    (void)state;
    world_make(1);
    open_it();
    ask(10);
    assert_int_equal(heard.status, 0);
    assert_string_equal(heard.failure, "it answers with more than is taken");
    close_it();
}

static void test_calls_of_an_outage_fail_at_once_and_it_ends(void **state)
{
    uint64_t before;

    (void)state;
    world_make(1);
    fake_close(FIRST);
    open_it();
    expect_silence("connect");
    before = uv_hrtime();
    ask(10000);
    assert_int_equal(heard.status, 0);
    assert_true(uv_hrtime() - before < UINT64_C(900000000)); /* the probe comes after a second */
    fake_open(FIRST, &world->loop, FIRST->port, &pki_server);
    WAIT_UNTIL(restconf_retry_after(restconf) == 0);
    ask(10000);
    assert_int_equal(heard.status, 200);
    close_it();
}

static void test_files_that_cannot_be_read_are_named(void **state)
{
    struct restconf_settings settings = {.up = went_up};
    char error[256] = "";

    (void)state;
    world_make(1);
    settings.loop = &world->loop;
    settings.config = &world->upstreams[0];
    world->upstreams[0].credentials.private_key = (char *)"/nowhere/key.pem";
    assert_null(restconf_open(&settings, error, sizeof(error)));
    assert_string_equal(error, "/nowhere/key.pem: cannot be read as PEM");
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http2_where_the_server_has_it),
        cmocka_unit_test(test_rfc8783_10_must_check_who_the_server_is),
        cmocka_unit_test(test_another_authority_is_not_trusted),
        cmocka_unit_test(test_a_gateway_without_a_good_certificate_gets_nowhere),
        cmocka_unit_test(test_redirects_are_not_followed),
        cmocka_unit_test(test_a_root_elsewhere_is_not_believed),
        cmocka_unit_test(test_answers_are_bounded),
        cmocka_unit_test(test_calls_of_an_outage_fail_at_once_and_it_ends),
        cmocka_unit_test(test_files_that_cannot_be_read_are_named),
    };

    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
