/* Mappings of nat: what is accepted, and what is refused because an address would have two places. */
/* links: config */
#include "tests/unit/config_fixture.h"

#define GATEWAY "gateway: { name: gw, state-dir: /tmp }\n"
#define TLS "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n"
#define UPSTREAM "upstreams: [ { name: up, servers: [ { host: a.example } ] } ]\n"
#define MAPPINGS(LIST) GATEWAY TLS UPSTREAM "nat:\n  mappings:\n" LIST
#define NAT_CLIENT                                                                                     \
    GATEWAY TLS "upstreams: [ { name: isp, servers: [ { host: isp.example } ], identity: client } ]\n" \
                "nat:\n  mappings:\n"

struct broken {
    const char *text;
    int line, column;
    const char *fragment;
};

static void test_nat_mappings(void **state)
{
    struct config *config =
        fixture_accept(MAPPINGS("    - { internal: 10.1.0.0/24, external: 203.0.113.0/24 }\n"
                                "    - { internal: 192.0.2.0/24, external: 192.0.2.0/24 }\n"
                                "    - { internal: \"fd00::/48\", external: \"2001:db8:1::/48\" }\n"
                                "    - { internal: 10.2.0.1/32, external: 198.51.100.1/32, internal-port: 80,"
                                " external-port: 8080 }\n"
                                "    - { internal: 10.2.0.2/32, external: 198.51.100.1/32, internal-port: 80,"
                                " external-port: 8081 }\n"
                                "    - { internal: 10.2.0.2/32, external: 198.51.100.1/32, internal-port: 443,"
                                " external-port: 443 }\n"));

    (void)state;
    assert_int_equal(config->nat_count, 6);
    assert_int_equal(config->nat[0].internal.addr[0], 10);
    assert_int_equal(config->nat[0].external.addr[0], 203);
    assert_int_equal(config->nat[0].internal_port, 0);
    assert_int_equal(config->nat[4].internal_port, 80);
    assert_int_equal(config->nat[4].external_port, 8081);
    config_free(config);
}

static void test_nat_mappings_are_never_ambiguous(void **state)
{
    static const struct broken rows[] = {
        {MAPPINGS("    - { internal: 10.1.0.0/24, external: 203.0.112.0/23 }\n"), 6, 7,
         "internal and external must be prefixes of one family and one length"},
        {MAPPINGS("    - { internal: 10.1.0.0/24, external: 203.0.113.0/24, internal-port: 80 }\n"), 6, 7,
         "external-port is missing here"},
        {MAPPINGS("    - { internal: 10.1.0.0/24, external: 203.0.113.0/24, external-port: 80 }\n"), 6, 7,
         "internal-port is missing here"},
        {MAPPINGS("    - { internal: 192.0.2.1/32, external: 192.0.2.1/32, internal-port: 80, external-port: 81 }\n"),
         6, 7, "the same addresses, but the ports differ"},
        {MAPPINGS("    - { internal: 10.1.0.0/24, external: 203.0.113.0/24 }\n"
                  "    - { internal: 10.1.0.7/32, external: 192.0.2.7/32 }\n"),
         7, 7, "mappings 1 and 2 have the same internal addresses and ports"},
        {MAPPINGS("    - { internal: 10.1.0.7/32, external: 192.0.2.7/32, internal-port: 80, external-port: 80 }\n"
                  "    - { internal: 10.1.0.0/24, external: 203.0.113.0/24 }\n"),
         7, 7, "the same internal addresses and ports"},
        {MAPPINGS("    - { internal: 10.1.0.7/32, external: 192.0.2.7/32, internal-port: 80, external-port: 80 }\n"
                  "    - { internal: 10.1.0.7/32, external: 192.0.2.7/32, internal-port: 80, external-port: 81 }\n"),
         7, 7, "the same internal addresses and ports"},
        {MAPPINGS("    - { internal: 10.1.0.7/32, external: 192.0.2.7/32, internal-port: 80, external-port: 80 }\n"
                  "    - { internal: 10.1.0.8/32, external: 192.0.2.7/32, internal-port: 443, external-port: 80 }\n"),
         7, 7, "the same external addresses and ports"},
        {MAPPINGS("    - { internal: \"2001:db8:1::/48\", external: \"2001:db8:2::/48\" }\n"
                  "    - { internal: \"2001:db8:3::/48\", external: \"2001:db8:1::/48\" }\n"),
         7, 7, "addresses that are internal in one and external in the other"},
        {NAT_CLIENT "    - { internal: 10.1.0.7/32, external: 192.0.2.7/32, internal-port: 80, external-port: 80 }\n",
         6, 7, "a mapping of ports needs identity: gateway at each upstream, and isp has client"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config_error error;
        struct config *config = fixture_load(rows[i].text, &error);

        if (config || !strstr(error.text, rows[i].fragment))
            fail_msg("%s%s", rows[i].text, config ? "is accepted" : error.text);
        assert_int_equal(error.line, rows[i].line);
        assert_int_equal(error.column, rows[i].column);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nat_mappings),
        cmocka_unit_test(test_nat_mappings_are_never_ambiguous),
    };

    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
