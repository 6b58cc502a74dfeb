/* What changed between two configurations, and what of it needs a restart. */
/* links: config */
#include "tests/unit/config_fixture.h"

#include "gateway/config/difference.h"

static const char head[] = "gateway: { name: gw, state-dir: /tmp }\n"
                           "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n";
static const char listener[] = "listeners: [ {} ]\n";
static const char clients[] =
    "clients:\n"
    "  - { name: web, identities: [ { san: web.test } ], scopes: { prefixes: [192.0.2.0/24] } }\n"
    "  - { name: shop, identities: [ { psk: shop, key-file: web1.psk } ] }\n";

static struct config *before, *after;
static struct config_difference difference;

static struct config *join(const char *a, const char *b, const char *c)
{
    char text[4096];

    snprintf(text, sizeof(text), "%s%s%s", a, b, c);
    return fixture_accept(text);
}

static const char *compare(struct config *left, struct config *right)
{
    static char text[512];

    before = left;
    after = right;
    assert_int_equal(config_difference(before, after, &difference), 0);
    return config_difference_text(&difference, text, sizeof(text));
}

static int forget(void **state)
{
    (void)state;
    config_difference_free(&difference);
    config_free(before);
    config_free(after);
    before = after = NULL;
    return 0;
}

/* Sections after the head and the listener. */
static const char *change(const char *left, const char *right)
{
    char text[4096];
    struct config *first;

    snprintf(text, sizeof(text), "%s%s%s", head, listener, left);
    first = fixture_accept(text);
    return compare(first, join(head, listener, right));
}

static void test_the_same_file_has_no_difference(void **state)
{
    (void)state;
    assert_string_equal(change(clients, clients), "nothing in the file has changed");
    assert_int_equal(difference.count, 0);
    assert_string_equal(difference.refused, "");
}

static void test_clients_are_known_by_their_names_wherever_they_stand(void **state)
{
    (void)state;
    assert_string_equal(
        change(clients,
               "clients:\n"
               "  - { name: shop, identities: [ { psk: shop, key-file: text.psk } ] }\n"
               "  - { name: late, identities: [ { san: late.test } ], scopes: { prefixes: [192.0.2.0/24] } }\n"),
        "clients: 1 added, 1 removed, 1 changed");
    assert_int_equal(difference.count, 3);
    assert_string_equal(difference.at[0].name, "late");
    assert_int_equal(difference.at[0].kind, CONFIG_ADDED);
    assert_string_equal(difference.at[1].name, "shop"); /* another key */
    assert_int_equal(difference.at[1].kind, CONFIG_CHANGED);
    assert_string_equal(difference.at[2].name, "web");
    assert_int_equal(difference.at[2].kind, CONFIG_REMOVED);
}

static void test_their_order_alone_is_no_change(void **state)
{
    (void)state;
    assert_string_equal(
        change(clients, "clients:\n"
                        "  - { name: shop, identities: [ { psk: shop, key-file: web1.psk } ] }\n"
                        "  - { name: web, identities: [ { san: web.test } ], scopes: { prefixes: [192.0.2.0/24] } }\n"),
        "nothing in the file has changed");
}

static void test_every_part_of_an_item_counts(void **state)
{
    static const char *const others[] = {
        "{ name: web, identities: [ { san: web2.test } ], scopes: { prefixes: [192.0.2.0/24] } }",
        "{ name: web, identities: [ { san: web.test }, { san: w.test } ], scopes: { prefixes: [192.0.2.0/24] } }",
        "{ name: web, identities: [ { san: web.test } ], scopes: { prefixes: [192.0.2.0/25] } }",
        "{ name: web, identities: [ { san: web.test } ], scopes: { fqdns: [web.test] } }",
        "{ name: web, identities: [ { san: web.test } ], limits: { mitigations: 3 } }",
        "{ name: web, identities: [ { san: web.test } ], scopes: { prefixes: [192.0.2.0/24] }, supplies-cdid: true }",
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char text[1024];

        snprintf(text, sizeof(text),
                 "clients:\n  - %s\n  - { name: shop, identities: [ { psk: shop, key-file: web1.psk } ] }\n",
                 others[i]);
        assert_string_equal(change(clients, text), "clients: 1 changed");
        forget(state);
    }
}

static void test_sections_are_named(void **state)
{
    (void)state;
    assert_string_equal(change("", "limits: { sessions: 5 }\nsession-config: { heartbeat-interval: 20 }\n"
                                   "redirect: { alt-server: other.test }\nlog: { level: debug }\n"
                                   "nat: { mappings: [ { internal: 10.0.0.0/24, external: 192.0.2.0/24 } ] }\n"),
                        "nat; session-config; redirect; limits; log");
    assert_string_equal(difference.refused, "");
}

static void test_upstreams_and_mitigators(void **state)
{
    static const char up[] = "upstreams: [ { name: isp, servers: [ { host: a.test } ] } ]\n";

    (void)state;
    assert_string_equal(
        change(up, "upstreams: [ { name: isp, servers: [ { host: a.test }, { host: b.test } ] }, { name: two, "
                   "servers: [ { host: c.test } ] } ]\nmitigators: [ { name: ops, driver: notify } ]\n"),
        "upstreams: 1 added, 1 changed; mitigators: 1 added");
    assert_string_equal(difference.refused, "");
}

static void expect_refused(struct config *left, struct config *right, const char *says)
{
    compare(left, right);
    if (!strstr(difference.refused, says))
        fail_msg("expected \"%s\" in \"%s\"", says, difference.refused);
    forget(NULL);
}

static void test_what_needs_a_restart_says_so(void **state)
{
    static const char tls[] = "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n";

    (void)state;
    expect_refused(join(head, listener, ""), join("gateway: { name: gw2, state-dir: /tmp }\n", tls, listener),
                   "gateway.name: it cannot change from gw to gw2");
    expect_refused(join(head, listener, ""), join("gateway: { name: gw, state-dir: /var }\n", tls, listener),
                   "gateway.state-dir");
    expect_refused(join(head, listener, ""), join(head, "listeners: [ { port: 4647 } ]\n", ""), "port 4646");
    expect_refused(join(head, listener, ""), join(head, "listeners: [ { transports: [udp] } ]\n", ""), "port 4646");
    expect_refused(join(head, "upstreams: [ { name: isp, servers: [ { host: a.test } ] } ]\n", ""),
                   join(head, listener, "upstreams: [ { name: isp, servers: [ { host: a.test } ] } ]\n"),
                   "the first listener");
}

static void test_what_the_process_gave_up_stays(void **state)
{
    static const char tls[] = "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n";

    (void)state;
    expect_refused(join(head, listener, ""),
                   join("gateway: { name: gw, state-dir: /tmp, user: nobody }\n", tls, listener), "gateway.user");
    expect_refused(join(head, listener, ""),
                   join("gateway: { name: gw, state-dir: /tmp, seccomp: false }\n", tls, listener), "gateway.seccomp");
}

static void test_data_channels_need_a_restart(void **state)
{
    static const char tls[] = "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n";
    static const char both[] = "listeners: [ { }, { channel: data, port: 4443 } ]\n";
    static const char plain[] = "upstreams: [ { name: isp, servers: [ { host: a.test } ] } ]\n";
    static const char data[] = "upstreams: [ { name: isp, servers: [ { host: a.test } ], data: { port: 4443 } } ]\n";

    (void)state;
    expect_refused(join(head, listener, ""), join(head, both, ""), "listener of the data channel");
    expect_refused(join(head, both, ""), join(head, listener, ""), "cannot be closed");
    expect_refused(join(head, both, ""), join(head, both, "limits: { data-connections: 9 }\n"),
                   "limits.data-connections");
    expect_refused(join(head, listener, plain), join(head, listener, data), "a change of upstreams");
    expect_refused(join(head, listener, data), join(head, listener, plain), "a change of upstreams");
    expect_refused(join(head, data, ""),
                   join("gateway: { name: gw, state-dir: /tmp, domain-side: server }\n", tls, data),
                   "gateway.domain-side");
    assert_string_equal(compare(join(head, both, data), join(head, both, data)), "nothing in the file has changed");
    assert_string_equal(difference.refused, "");
    forget(NULL);
    assert_string_equal(compare(join(head, both, ""), join(head, both, "log: { level: debug }\n")), "log");
    assert_string_equal(difference.refused, "");
}

static void test_listeners_may_be_added(void **state)
{
    (void)state;
    assert_string_equal(compare(join(head, "listeners: [ { transports: [udp] } ]\n", ""),
                                join(head, "listeners: [ { port: 4647 }, { } ]\n", "")),
                        "listeners");
    assert_string_equal(difference.refused, "");
}

#define with_files(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_files(test_the_same_file_has_no_difference),
        with_files(test_clients_are_known_by_their_names_wherever_they_stand),
        with_files(test_their_order_alone_is_no_change),
        with_files(test_every_part_of_an_item_counts),
        with_files(test_sections_are_named),
        with_files(test_upstreams_and_mitigators),
        with_files(test_what_needs_a_restart_says_so),
        with_files(test_what_the_process_gave_up_stays),
        with_files(test_data_channels_need_a_restart),
        with_files(test_listeners_may_be_added),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
