/* Which configured client a peer is (docs/behaviour.md): by key hash, name in the certificate, PSK identity. */
/* links: southbound_signal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "southbound/signal/client.h"

static char web[] = "web", mail[] = "mail", fleet[] = "fleet";
static char www[] = "WWW.Example.com", v4[] = "192.0.2.7", v6[] = "2001:DB8:0::7", uri[] = "urn:Dots:web",
            www2[] = "www2.example.com", web_psk[] = "web-psk", mail_psk[] = "mail-psk";
static uint8_t web_key[] = "0123456789abcdef", mail_key[] = "fedcba9876543210";

static struct config_client_identity web_identities[] = {
    {.kind = CONFIG_IDENTITY_SAN, .name = www},
    {.kind = CONFIG_IDENTITY_SAN, .name = v4},
    {.kind = CONFIG_IDENTITY_SAN, .name = v6},
    {.kind = CONFIG_IDENTITY_SAN, .name = uri},
    {.kind = CONFIG_IDENTITY_PSK, .name = web_psk, .psk_key = {web_key, 16}},
};
static struct config_client_identity mail_identities[] = {
    {.kind = CONFIG_IDENTITY_SPKI, .spki = {1, 2, 3}},
    {.kind = CONFIG_IDENTITY_SAN, .name = www2},
    {.kind = CONFIG_IDENTITY_PSK, .name = mail_psk, .psk_key = {mail_key, 16}},
};
static struct config_client clients[] = {
    {.name = web, .identities = web_identities, .identity_count = 5},
    {.name = mail, .identities = mail_identities, .identity_count = 3},
    {.name = fleet},
};
static struct config config = {.clients = clients, .client_count = 3};

static const char *match(const struct dots_identity *identity)
{
    struct south_clients *table = south_clients_new(&config);
    struct south_client *client;
    const char *name;

    assert_non_null(table);
    client = south_clients_match(table, identity);
    name = client ? client->config->name : "nobody";
    south_clients_free(table);
    return name;
}

static const char *match_san(const char *san)
{
    const char *sans[] = {san};
    struct dots_identity identity = {.sans = sans, .san_count = 1};

    return match(&identity);
}

static void test_dns_names_compare_without_case(void **state)
{
    (void)state;
    assert_string_equal(match_san("www.example.com"), "web");
    assert_string_equal(match_san("WwW.eXample.COM"), "web");
    assert_string_equal(match_san("www.example.com."), "web");
    assert_string_equal(match_san("www2.example.com"), "mail");
    assert_string_equal(match_san("w.example.com"), "nobody");
    assert_string_equal(match_san("www.example.com.evil.net"), "nobody");
    assert_string_equal(match_san("*.example.com"), "nobody");
    assert_string_equal(match_san(""), "nobody");
}

static void test_addresses_compare_by_value_and_uris_exactly(void **state)
{
    (void)state;
    assert_string_equal(match_san("192.0.2.7"), "web");
    assert_string_equal(match_san("192.0.2.70"), "nobody");
    assert_string_equal(match_san("2001:db8::7"), "web");
    assert_string_equal(match_san("2001:db8:0:0:0:0:0:7"), "web");
    assert_string_equal(match_san("urn:Dots:web"), "web");
    assert_string_equal(match_san("urn:dots:web"), "nobody");
}

static void test_the_key_counts_before_the_names(void **state)
{
    const char *sans[] = {"nobody.example.com", "www.example.com"};
    struct dots_identity identity = {.spki_sha256 = {1, 2, 3}, .sans = sans, .san_count = 2};

    (void)state;
    assert_string_equal(match(&identity), "mail");
    identity.spki_sha256[31] = 1;
    assert_string_equal(match(&identity), "web");
    identity.san_count = 1;
    assert_string_equal(match(&identity), "nobody");
}

static void test_a_psk_identity_is_no_name_and_a_name_is_no_psk_identity(void **state)
{
    struct dots_identity identity = {.psk = true, .psk_identity = "web-psk"};

    (void)state;
    assert_string_equal(match(&identity), "web");
    identity.psk_identity = "mail-psk";
    assert_string_equal(match(&identity), "mail");
    identity.psk_identity = "www.example.com";
    assert_string_equal(match(&identity), "nobody");
    identity.psk_identity = "Web-psk";
    assert_string_equal(match(&identity), "nobody");
    assert_string_equal(match_san("web-psk"), "nobody");
}

static void test_psk_lookup_gives_the_key_of_exactly_that_identity(void **state)
{
    struct south_clients *table = south_clients_new(&config);
    size_t length = 0;

    (void)state;
    assert_non_null(table);
    assert_ptr_equal(south_clients_psk(table, "web-psk", 7, &length), web_key);
    assert_int_equal(length, 16);
    assert_ptr_equal(south_clients_psk(table, "mail-psk", 8, &length), mail_key);
    assert_null(south_clients_psk(table, "web-ps", 6, &length));
    assert_null(south_clients_psk(table, "web-psk\0", 8, &length));
    assert_null(south_clients_psk(table, "", 0, &length));
    south_clients_free(table);
}

static void test_an_overlong_name_in_a_certificate_matches_nobody(void **state)
{
    char name[4000];

    (void)state;
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_string_equal(match_san(name), "nobody");
}

#define MANY 100000

static void test_a_hundred_thousand_clients(void **state)
{
    struct config_client *many = calloc(MANY, sizeof(*many));
    struct config_client_identity *identities = calloc(MANY, sizeof(*identities));
    struct config large = {.clients = many, .client_count = MANY};
    struct south_clients *table;

    (void)state;
    assert_non_null(many);
    assert_non_null(identities);
    for (size_t i = 0; i < MANY; i++) {
        char text[32];

        snprintf(text, sizeof(text), "cpe%zu.example.net", i * 7919 % MANY);
        many[i].name = identities[i].name = strdup(text);
        identities[i].kind = CONFIG_IDENTITY_SAN;
        many[i].identities = &identities[i];
        many[i].identity_count = 1;
    }
    table = south_clients_new(&large);
    assert_non_null(table);
    for (size_t i = 0; i < MANY; i += 37) {
        char text[32];
        const char *sans[] = {text};
        struct dots_identity identity = {.sans = sans, .san_count = 1};
        struct south_client *client;

        snprintf(text, sizeof(text), "CPE%zu.example.net", i);
        client = south_clients_match(table, &identity);
        assert_non_null(client);
        snprintf(text, sizeof(text), "cpe%zu.example.net", i);
        assert_string_equal(client->config->name, text);
        assert_ptr_equal(south_clients_named(table, text), client);
    }
    assert_null(south_clients_named(table, "cpe100000.example.net"));
    south_clients_free(table);
    for (size_t i = 0; i < MANY; i++)
        free(many[i].name);
    free(identities);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dns_names_compare_without_case),
        cmocka_unit_test(test_addresses_compare_by_value_and_uris_exactly),
        cmocka_unit_test(test_the_key_counts_before_the_names),
        cmocka_unit_test(test_a_psk_identity_is_no_name_and_a_name_is_no_psk_identity),
        cmocka_unit_test(test_psk_lookup_gives_the_key_of_exactly_that_identity),
        cmocka_unit_test(test_an_overlong_name_in_a_certificate_matches_nobody),
        cmocka_unit_test(test_a_hundred_thousand_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
