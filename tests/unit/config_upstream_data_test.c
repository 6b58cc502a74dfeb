/* upstreams[].data: what is taken from the signal channel, and what cannot be. */
/* links: config */
#include "tests/unit/config_fixture.h"

#define GATEWAY "gateway: { name: gw, state-dir: /tmp }\n"
#define TLS "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n"
#define UPSTREAM(MORE)                                                                                   \
    GATEWAY TLS "upstreams:\n  - name: isp\n    servers: [ { host: a.example, addresses: [192.0.2.1] }," \
                " { host: b.example } ]\n" MORE

static void test_without_it_there_is_no_data_channel(void **state)
{
    struct config *config = fixture_accept(UPSTREAM(""));

    (void)state;
    assert_false(config->upstreams[0].data.given);
    config_free(config);
}

static void test_the_host_is_that_of_the_signal_channel(void **state)
{
    struct config *config = fixture_accept(UPSTREAM("    data: { port: 443 }\n"));
    const struct config_upstream_data *data = &config->upstreams[0].data;

    (void)state;
    assert_true(data->given);
    assert_string_equal(data->host, "a.example");
    assert_int_equal(data->port, 443);
    assert_int_equal(data->addresses.count, 1);
    assert_string_equal(data->addresses.at[0], "192.0.2.1");
    config_free(config);
}

/* Another host has other addresses. */
static void test_a_host_of_its_own(void **state)
{
    struct config *config = fixture_accept(UPSTREAM("    data: { host: data.example, port: 8443 }\n"));
    const struct config_upstream_data *data = &config->upstreams[0].data;

    (void)state;
    assert_string_equal(data->host, "data.example");
    assert_int_equal(data->port, 8443);
    assert_int_equal(data->addresses.count, 0);
    config_free(config);
    config = fixture_accept(UPSTREAM("    data: { addresses: [192.0.2.7, \"2001:db8::7\"] }\n"));
    data = &config->upstreams[0].data;
    assert_string_equal(data->host, "a.example");
    assert_int_equal(data->addresses.count, 2);
    assert_string_equal(data->addresses.at[1], "2001:db8::7");
    config_free(config);
}

static void test_a_psk_cannot_be_shown_there(void **state)
{
    struct config_error error;
    struct config *config =
        fixture_load(UPSTREAM("    credentials: { psk: id, key-file: web1.psk }\n    data: { port: 443 }\n"), &error);

    (void)state;
    assert_null(config);
    assert_non_null(strstr(error.text, "needs a certificate"));
    assert_int_equal(error.line, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_it_there_is_no_data_channel),
        cmocka_unit_test(test_the_host_is_that_of_the_signal_channel),
        cmocka_unit_test(test_a_host_of_its_own),
        cmocka_unit_test(test_a_psk_cannot_be_shown_there),
    };

    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
