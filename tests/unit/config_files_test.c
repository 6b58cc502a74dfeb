/* The files around a configuration: where paths start, and what is warned of rather than refused. */
/* links: config */
#include "tests/unit/config_fixture.h"

#define GATEWAY "gateway: { name: gw, state-dir: state }\n"
#define TLS "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n"
#define UPSTREAM "upstreams: [ { name: up, servers: [ { host: a.example } ] } ]\n"
#define MINIMAL GATEWAY TLS UPSTREAM

static void assert_path(const char *found, const char *name)
{
    assert_string_equal(found, fixture_path(name));
}

static void test_load_from_file(void **state)
{
    struct config_error error;
    struct config *config;
    char resolved[256], before[256];

    (void)state;
    fixture_text("dotsgw.yaml", MINIMAL);
    config = config_load(fixture_path("dotsgw.yaml"), &error);
    assert_non_null(config);
    assert_string_equal(config->file, fixture_path("dotsgw.yaml"));
    assert_path(config->tls.certificate, "gw.pem");
    config_free(config);
    /* A bare name: what is made absolute must not change with a later chdir(). */
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(fixture_directory), 0);
    config = config_load("dotsgw.yaml", &error);
    assert_int_equal(chdir(before), 0);
    assert_non_null(config);
    snprintf(resolved, sizeof(resolved), "%s/gw.pem", fixture_directory);
    assert_string_equal(config->tls.certificate, resolved);
    config_free(config);
    config_free(NULL);
}

static void test_open_secrets_are_warned_of(void **state)
{
    (void)state;
    assert_int_equal(chmod(fixture_path("gw.key"), 0640), 0);
    assert_int_equal(chmod(fixture_path("text.psk"), 0644), 0);
    config_free(fixture_accept(
        MINIMAL
        "listeners: [ {} ]\n"
        "clients: [ { name: a, identities: [ { psk: a, key-file: web1.psk }, { psk: b, key-file: text.psk } ] } ]\n"));
    assert_int_equal(chmod(fixture_path("gw.key"), 0600), 0);
    assert_int_equal(chmod(fixture_path("text.psk"), 0600), 0);
    assert_non_null(strstr(log_text, "gw.key holds a secret but its mode is 0640"));
    assert_non_null(strstr(log_text, "text.psk holds a secret but its mode is 0644"));
    assert_null(strstr(log_text, "web1.psk"));
}

/* One mistake of 100,000 files must not be as many lines. */
static void test_many_open_secrets_are_counted(void **state)
{
    char text[4096] = GATEWAY "listeners: [ {} ]\nclients:\n";
    size_t length = strlen(text);

    (void)state;
    for (int i = 0; i < 12; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length,
                                   "  - { name: c%d, identities: [ { psk: c%d, key-file: open.psk } ] }\n", i, i);
    fixture_write("open.psk", "00112233445566778899aabbccddeeff", 32, 0604);
    config_free(fixture_accept(text));
    assert_non_null(strstr(log_text, "12 files with secrets may be used by others than their owner"));
    length = 0;
    for (const char *at = log_text; (at = strstr(at, "open.psk holds a secret")); at++)
        length++;
    assert_int_equal(length, 10);
}

static void test_certificate_with_its_chain(void **state)
{
    char chain[8192];
    size_t length = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(fixture_path(i == 0 ? "gw.pem" : "ca.pem"), "r");

        assert_non_null(file);
        length += fread(chain + length, 1, sizeof(chain) - length, file);
        assert_int_equal(fclose(file), 0);
    }
    fixture_write("chain.pem", chain, length, 0644);
    config_free(fixture_accept(
        GATEWAY "tls: { certificate: chain.pem, private-key: gw.key, trust-anchors: chain.pem }\n" UPSTREAM));
}

static void test_certificates_out_of_date_are_warned_of(void **state)
{
    (void)state;
    fixture_certificate("old", -7200, -3600);
    fixture_certificate("early", 3600, 7200);
    config_free(fixture_accept(GATEWAY "tls: { certificate: old.pem, private-key: old.key, trust-anchors: ca.pem }\n"
                                       "listeners: [ {} ]\n"));
    assert_non_null(strstr(log_text, "config-certificate-expired: "));
    assert_non_null(strstr(log_text, "config-no-clients: "));
    config_free(fixture_accept(
        GATEWAY "tls: { certificate: early.pem, private-key: early.key, trust-anchors: ca.pem }\n" UPSTREAM));
    assert_non_null(strstr(log_text, "config-certificate-early: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_from_file),
        cmocka_unit_test(test_open_secrets_are_warned_of),
        cmocka_unit_test(test_many_open_secrets_are_counted),
        cmocka_unit_test(test_certificate_with_its_chain),
        cmocka_unit_test(test_certificates_out_of_date_are_warned_of),
    };

    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
