/* What accepted configurations mean: the example, the defaults, and each way to write a value. */
/* links: config */
#include "tests/unit/config_fixture.h"

#define GATEWAY "gateway: { name: gw, state-dir: state }\n"
#define TLS "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n"
#define UPSTREAM "upstreams: [ { name: up, servers: [ { host: a.example } ] } ]\n"
#define MINIMAL GATEWAY TLS UPSTREAM
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"

static const char example[] =
    "gateway:\n"
    "  name: gw1.example.com            # in 5.08 payloads and Via\n"
    "  domain-side: client              # client | server\n"
    "  state-dir: /var/lib/dotsgw\n"
    "  hop-limit: 16\n"
    "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }   # defaults\n"
    "listeners:\n"
    "  - { channel: signal, address: \"::\", port: 4646, transports: [udp, tcp] }\n"
    "clients:\n"
    "  - name: web-farm\n"
    "    identities: [ { san: www1.example.com }, { spki-sha256: \"" HASH "\" },\n"
    "                  { psk: web1, key-file: web1.psk } ]\n"
    "    domain: example.com\n"
    "    scopes: { prefixes: [203.0.113.0/24, \"2001:db8:6401::/48\"], fqdns: [www.example.com], uris: [] }\n"
    "    limits: { mitigations: 64, requests-per-second: 20, max-lifetime: 86400 }\n"
    "upstreams:\n"
    "  - name: isp-a\n"
    "    servers: [ { host: dots1.example.net, port: 4646, addresses: [192.0.2.10] } ]\n"
    "    transports: [udp, tcp]\n"
    "    credentials: { psk: id, key-file: text.psk }\n"
    "    identity: gateway              # gateway | client\n"
    "    sessions: shared               # shared | per-client\n"
    "    owns: [203.0.113.0/24]         # for by-prefix\n"
    "fan-out: all                       # all | by-prefix | serial\n"
    "recursion: always                  # never | manual | on-exceeded | always\n"
    "response-wait: 1s\n"
    "mitigators:\n"
    "  - { name: ops, driver: notify, exec: page.sh }\n"
    "session-config:\n"
    "  heartbeat-interval: { min: 15, max: 240, current: 30 }\n"
    "  missing-hb-allowed: { min: 3, max: 9, current: 4 }\n"
    "log: { level: info, format: text }\n";

static void assert_path(const char *found, const char *name)
{
    assert_string_equal(found, fixture_path(name));
}

static void assert_prefix(const struct config_prefix *prefix, unsigned family, unsigned length, const char *bytes,
                          size_t count)
{
    static const uint8_t zero[16];

    assert_int_equal(prefix->family, family);
    assert_int_equal(prefix->length, length);
    assert_memory_equal(prefix->addr, bytes, count);
    assert_memory_equal(prefix->addr + count, zero, 16 - count);
}

static void assert_range(const struct config_range *range, unsigned min, unsigned max, unsigned current)
{
    assert_int_equal(range->min, min);
    assert_int_equal(range->max, max);
    assert_int_equal(range->current, current);
}

static void assert_example_client(const struct config_client *client)
{
    static const uint8_t hash[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

    assert_string_equal(client->name, "web-farm");
    assert_int_equal(client->identity_count, 3);
    assert_int_equal(client->identities[0].kind, CONFIG_IDENTITY_SAN);
    assert_string_equal(client->identities[0].name, "www1.example.com");
    assert_int_equal(client->identities[0].line, 11);
    assert_int_equal(client->identities[0].column, 26);
    assert_int_equal(client->identities[1].kind, CONFIG_IDENTITY_SPKI);
    assert_null(client->identities[1].name);
    for (size_t i = 0; i < 32; i += sizeof(hash))
        assert_memory_equal(client->identities[1].spki + i, hash, sizeof(hash));
    assert_int_equal(client->identities[2].kind, CONFIG_IDENTITY_PSK);
    assert_string_equal(client->identities[2].name, "web1");
    assert_int_equal(client->identities[2].line, 12);
    assert_int_equal(client->identities[2].psk_key.length, 16);
    assert_memory_equal(client->identities[2].psk_key.at,
                        "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
    assert_string_equal(client->domain, "example.com");
    assert_int_equal(client->prefixes.count, 2);
    assert_prefix(&client->prefixes.at[0], 4, 24, "\xcb\x00\x71", 3);
    assert_prefix(&client->prefixes.at[1], 6, 48, "\x20\x01\x0d\xb8\x64\x01", 6);
    assert_int_equal(client->fqdns.count, 1);
    assert_string_equal(client->fqdns.at[0], "www.example.com");
    assert_int_equal(client->uris.count, 0);
    assert_int_equal(client->limits.mitigations, 64);
    assert_int_equal(client->limits.requests_per_second, 20);
    assert_int_equal(client->limits.max_lifetime, 86400);
    assert_int_equal(client->limits.cuids, 16);
    assert_false(client->limits.indefinite_lifetime);
    assert_false(client->supplies_cdid);
}

static void assert_example_upstream(const struct config_upstream *upstream)
{
    assert_string_equal(upstream->name, "isp-a");
    assert_int_equal(upstream->server_count, 1);
    assert_string_equal(upstream->servers[0].host, "dots1.example.net");
    assert_int_equal(upstream->servers[0].port, 4646);
    assert_int_equal(upstream->servers[0].addresses.count, 1);
    assert_string_equal(upstream->servers[0].addresses.at[0], "192.0.2.10");
    assert_int_equal(upstream->transports, CONFIG_UDP | CONFIG_TCP);
    assert_null(upstream->credentials.certificate);
    assert_null(upstream->credentials.private_key);
    assert_null(upstream->credentials.trust_anchors);
    assert_string_equal(upstream->credentials.psk_identity, "id");
    assert_int_equal(upstream->credentials.psk_key.length, 28);
    assert_memory_equal(upstream->credentials.psk_key.at, "correct horse battery staple", 28);
    assert_int_equal(upstream->identity, CONFIG_IDENTITY_GATEWAY);
    assert_int_equal(upstream->sessions, CONFIG_SESSIONS_SHARED);
    assert_int_equal(upstream->owns.count, 1);
    assert_prefix(&upstream->owns.at[0], 4, 24, "\xcb\x00\x71", 3);
    assert_false(upstream->insert_cdid);
    assert_int_equal(upstream->mtu, 1280);
}

static void test_example(void **state)
{
    struct config *config = fixture_accept(example);

    (void)state;
    assert_string_equal(config->file, "dotsgw.yaml");
    assert_string_equal(config->gateway.name, "gw1.example.com");
    assert_false(config->gateway.domain_side_server);
    assert_string_equal(config->gateway.state_dir, "/var/lib/dotsgw");
    assert_int_equal(config->gateway.hop_limit, 16);
    assert_path(config->tls.certificate, "gw.pem");
    assert_path(config->tls.private_key, "gw.key");
    assert_path(config->tls.trust_anchors, "ca.pem");
    assert_null(config->tls.psk_identity);
    assert_int_equal(config->listener_count, 1);
    assert_int_equal(config->listeners[0].channel, CONFIG_CHANNEL_SIGNAL);
    assert_string_equal(config->listeners[0].address, "::");
    assert_int_equal(config->listeners[0].port, 4646);
    assert_int_equal(config->listeners[0].transports, CONFIG_UDP | CONFIG_TCP);
    assert_int_equal(config->client_count, 1);
    assert_example_client(&config->clients[0]);
    assert_int_equal(config->upstream_count, 1);
    assert_example_upstream(&config->upstreams[0]);
    assert_int_equal(config->fan_out, CONFIG_FAN_OUT_ALL);
    assert_int_equal(config->recursion, CONFIG_RECURSION_ALWAYS);
    assert_int_equal(config->response_wait_ms, 1000);
    assert_int_equal(config->mitigator_count, 1);
    assert_string_equal(config->mitigators[0].name, "ops");
    assert_int_equal(config->mitigators[0].driver, CONFIG_DRIVER_NOTIFY);
    assert_path(config->mitigators[0].exec, "page.sh");
    assert_range(&config->mitigating.heartbeat_interval, 15, 240, 30);
    assert_range(&config->idle.missing_hb_allowed, 3, 9, 4);
    assert_int_equal(config->log.level, LOG_LEVEL_INFO);
    assert_int_equal(config->log.format, LOG_FORMAT_TEXT);
    assert_string_equal(log_text, "");
    config_free(config);
}

static void test_fan_out_serial(void **state)
{
    struct config *config = fixture_accept(MINIMAL "fan-out: serial\nfailover-wait: 3s\n");

    (void)state;
    assert_int_equal(config->fan_out, CONFIG_FAN_OUT_SERIAL);
    assert_int_equal(config->failover_wait_ms, 3000);
    config_free(config);
}

static void test_defaults(void **state)
{
    struct config *config = fixture_accept(MINIMAL);

    (void)state;
    assert_path(config->gateway.state_dir, "state");
    assert_false(config->gateway.domain_side_server);
    assert_int_equal(config->gateway.hop_limit, 16);
    assert_int_equal(config->listener_count, 0);
    assert_int_equal(config->client_count, 0);
    assert_int_equal(config->upstreams[0].servers[0].port, 4646);
    assert_int_equal(config->upstreams[0].servers[0].addresses.count, 0);
    assert_int_equal(config->upstreams[0].transports, CONFIG_UDP | CONFIG_TCP);
    assert_path(config->upstreams[0].credentials.certificate, "gw.pem");
    assert_path(config->upstreams[0].credentials.private_key, "gw.key");
    assert_path(config->upstreams[0].credentials.trust_anchors, "ca.pem");
    assert_ptr_not_equal(config->upstreams[0].credentials.certificate, config->tls.certificate);
    assert_null(config->upstreams[0].credentials.psk_identity);
    assert_int_equal(config->upstreams[0].identity, CONFIG_IDENTITY_GATEWAY);
    assert_int_equal(config->upstreams[0].sessions, CONFIG_SESSIONS_SHARED);
    assert_int_equal(config->upstreams[0].owns.count, 0);
    assert_int_equal(config->fan_out, CONFIG_FAN_OUT_ALL);
    assert_int_equal(config->recursion, CONFIG_RECURSION_ALWAYS);
    assert_int_equal(config->conflicts, CONFIG_CONFLICTS_REJECT);
    assert_int_equal(config->failover_wait_ms, 10000);
    assert_int_equal(config->response_wait_ms, 1000);
    assert_int_equal(config->mitigator_count, 0);
    assert_int_equal(config->nat_count, 0);
    assert_int_equal(config->session_config_max_age, 86400);
    assert_int_equal(config->status_interval_ms, 15000);
    assert_null(config->redirect.alt_server);
    assert_int_equal(config->limits.sessions, 100000);
    assert_int_equal(config->limits.handshakes, 1000);
    assert_int_equal(config->limits.handshakes_per_source, 20);
    assert_int_equal(config->limits.mitigations, 200000);
    assert_int_equal(config->limits.body_size, 8192);
    assert_int_equal(config->limits.requests_per_source, 200);
    assert_null(config->admin.socket);
    assert_null(config->admin.metrics);
    assert_null(config->admin.detectors_listen);
    assert_int_equal(config->detector_count + config->attack_rule_count, 0);
    assert_int_equal(config->log.level, LOG_LEVEL_INFO);
    assert_int_equal(config->log.format, LOG_FORMAT_TEXT);
    config_free(config);
}

static void test_rfc9132_c_default_values(void **state)
{
    struct config *config = fixture_accept(MINIMAL);
    const struct config_session *sets[] = {&config->mitigating, &config->idle};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_range(&sets[i]->heartbeat_interval, 15, 240, 30);
        assert_range(&sets[i]->missing_hb_allowed, 3, 20, 15);
        assert_range(&sets[i]->probing_rate, 5, 20, 5);
        assert_range(&sets[i]->max_retransmit, 2, 15, 3);
        assert_range(&sets[i]->ack_timeout, 100, 3000, 200);
        assert_range(&sets[i]->ack_random_factor, 110, 400, 150);
    }
    assert_int_equal(config->terminating.initial_ms, 120000);
    assert_int_equal(config->terminating.max_ms, 300000);
    config_free(config);
}

static void test_defaults_of_lists(void **state)
{
    struct config *config =
        fixture_accept(GATEWAY TLS "listeners: [ {} ]\n"
                                   "clients: [ { name: a, identities: [ { san: a.example } ] } ]\n");

    (void)state;
    assert_int_equal(config->listeners[0].channel, CONFIG_CHANNEL_SIGNAL);
    assert_string_equal(config->listeners[0].address, "::");
    assert_int_equal(config->listeners[0].port, 4646);
    assert_int_equal(config->listeners[0].transports, CONFIG_UDP | CONFIG_TCP);
    assert_null(config->clients[0].domain);
    assert_int_equal(config->clients[0].prefixes.count + config->clients[0].fqdns.count + config->clients[0].uris.count,
                     0);
    assert_int_equal(config->clients[0].limits.mitigations, 64);
    assert_int_equal(config->clients[0].limits.cuids, 16);
    assert_int_equal(config->clients[0].limits.requests_per_second, 20);
    assert_int_equal(config->clients[0].limits.max_lifetime, 86400);
    assert_false(config->clients[0].limits.indefinite_lifetime);
    config_free(config);
}

static void test_defaults_that_depend(void **state)
{
    struct config *config =
        fixture_accept("gateway: { name: gw, state-dir: /s, domain-side: server }\n" TLS "listeners: [ {} ]\n"
                       "clients:\n"
                       "  - { name: a, identities: [ { san: a } ], supplies-cdid: true }\n"
                       "  - { name: b, identities: [ { san: b } ], supplies-cdid: true,"
                       " limits: { cuids: 5, indefinite-lifetime: true } }\n"
                       "upstreams:\n"
                       "  - { name: a, servers: [ { host: a } ], identity: client }\n"
                       "  - { name: b, servers: [ { host: b } ] }\n"
                       "  - { name: c, servers: [ { host: c } ], identity: client,"
                       " insert-cdid: false, sessions: per-client, transports: [tcp], mtu: 1500 }\n"
                       "  - { name: d, servers: [ { host: d } ], insert-cdid: true }\n");

    (void)state;
    assert_true(config->gateway.domain_side_server);
    assert_int_equal(config->clients[0].limits.cuids, 1000000);
    assert_int_equal(config->clients[1].limits.cuids, 5);
    assert_true(config->clients[1].limits.indefinite_lifetime);
    assert_true(config->upstreams[0].insert_cdid);
    assert_false(config->upstreams[1].insert_cdid);
    assert_false(config->upstreams[2].insert_cdid);
    assert_int_equal(config->upstreams[2].sessions, CONFIG_SESSIONS_PER_CLIENT);
    assert_int_equal(config->upstreams[2].transports, CONFIG_TCP);
    assert_int_equal(config->upstreams[2].mtu, 1500);
    assert_true(config->upstreams[3].insert_cdid);
    config_free(config);
}

static void test_credentials_inherit_what_they_lack(void **state)
{
    struct config *config =
        fixture_accept(GATEWAY TLS "upstreams:\n"
                                   "  - { name: a, servers: [ { host: a } ], credentials: { trust-anchors: gw.pem } }\n"
                                   "  - { name: b, servers: [ { host: b } ],"
                                   " credentials: { certificate: ca.pem, private-key: ca.key } }\n");

    (void)state;
    assert_path(config->upstreams[0].credentials.certificate, "gw.pem");
    assert_path(config->upstreams[0].credentials.trust_anchors, "gw.pem");
    assert_path(config->upstreams[1].credentials.certificate, "ca.pem");
    assert_path(config->upstreams[1].credentials.private_key, "ca.key");
    assert_path(config->upstreams[1].credentials.trust_anchors, "ca.pem");
    config_free(config);
}

static void test_session_config(void **state)
{
    struct config *config = fixture_accept(MINIMAL "session-config:\n"
                                                   "  idle: { heartbeat-interval: 300, max-retransmit: 1 }\n"
                                                   "  mitigating: { heartbeat-interval: { min: 1, current: 1 } }\n"
                                                   "  max-age: 10m\n"
                                                   "  heartbeat-interval: 60\n"
                                                   "  missing-hb-allowed: 2\n"
                                                   "  ack-timeout: 0.5\n"
                                                   "  ack-random-factor: { max: 5, current: 1.05 }\n");

    (void)state;
    assert_int_equal(config->session_config_max_age, 600);
    assert_range(&config->mitigating.heartbeat_interval, 1, 240, 1);
    assert_range(&config->idle.heartbeat_interval, 15, 300, 300);
    assert_range(&config->mitigating.missing_hb_allowed, 2, 20, 2);
    assert_range(&config->idle.missing_hb_allowed, 2, 20, 2);
    assert_range(&config->mitigating.max_retransmit, 2, 15, 3);
    assert_range(&config->idle.max_retransmit, 1, 15, 1);
    assert_range(&config->idle.ack_timeout, 50, 3000, 50);
    assert_range(&config->mitigating.ack_random_factor, 105, 500, 105);
    config_free(config);
    config =
        fixture_accept(MINIMAL "session-config: { heartbeat-interval: { min: 1 }, idle: { heartbeat-interval: 5 } }\n");
    assert_range(&config->mitigating.heartbeat_interval, 1, 240, 30);
    assert_range(&config->idle.heartbeat_interval, 1, 240, 5);
    config_free(config);
}

static void test_ways_to_write(void **state)
{
    struct config *config =
        fixture_accept("\xef\xbb\xbf" MINIMAL "response-wait: 250ms\n"
                       "status-interval: \"5\"\n"
                       "active-but-terminating: { initial: 0, max: 1m }\n"
                       "redirect: { alt-server: b.example, addresses: [\"::1\", 192.0.2.1], ttl: 0 }\n"
                       "conflicts: accept\n"
                       "recursion: never\n"
                       "nat: { mappings: [] }\n"
                       "limits: { sessions: 5, body-size: 65536 }\n"
                       "log:\n  level: debug\n  format: json\n...\n");

    (void)state;
    assert_int_equal(config->response_wait_ms, 250);
    assert_int_equal(config->status_interval_ms, 5000);
    assert_int_equal(config->terminating.initial_ms, 0);
    assert_int_equal(config->terminating.max_ms, 60000);
    assert_string_equal(config->redirect.alt_server, "b.example");
    assert_int_equal(config->redirect.addresses.count, 2);
    assert_string_equal(config->redirect.addresses.at[0], "::1");
    assert_int_equal(config->redirect.ttl, 0);
    assert_int_equal(config->conflicts, CONFIG_CONFLICTS_ACCEPT);
    assert_int_equal(config->recursion, CONFIG_RECURSION_NEVER);
    assert_int_equal(config->limits.sessions, 5);
    assert_int_equal(config->limits.body_size, 65536);
    assert_int_equal(config->log.level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->log.format, LOG_FORMAT_JSON);
    config_free(config);
}

/* A policy that this version lacks is no fault where it would have nothing to decide. */
static void test_recursion_matters_with_both_sides_only(void **state)
{
    (void)state;
    config_free(fixture_accept(MINIMAL "recursion: manual\n"));
}

static void test_spki_in_base64(void **state)
{
    static const char text[] = GATEWAY TLS "listeners: [ {} ]\n"
                                           "clients: [ { name: a, identities: [ { spki-sha256: "
                                           "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8= } ] } ]\n";
    struct config *config = fixture_accept(text), *hex = fixture_accept(example);

    (void)state;
    assert_memory_equal(config->clients[0].identities[0].spki, hex->clients[0].identities[1].spki, 32);
    config_free(config);
    config_free(hex);
}

static void test_listeners_by_psk_alone(void **state)
{
    struct config *config = fixture_accept(
        GATEWAY "listeners: [ { address: 127.0.0.1, port: 4000, transports: [udp] }, { address: 127.0.0.1, port: 4000,"
                " transports: [tcp] } ]\n"
                "clients: [ { name: a, identities: [ { psk: a b, key-file: web1.psk } ] } ]\n");

    (void)state;
    assert_null(config->tls.certificate);
    assert_string_equal(config->clients[0].identities[0].name, "a b");
    assert_int_equal(config->listeners[0].transports, CONFIG_UDP);
    config_free(config);
}

/* URIs that differ in case are two identities; host names are not (config_broken_test). */
static void test_uri_identities_keep_their_case(void **state)
{
    (void)state;
    config_free(fixture_accept(GATEWAY TLS "listeners: [ {} ]\n"
                                           "clients:\n"
                                           "  - { name: a, identities: [ { san: \"urn:dots:a\" } ] }\n"
                                           "  - { name: b, identities: [ { san: \"urn:dots:A\" } ] }\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_fan_out_serial),
        cmocka_unit_test(test_rfc9132_c_default_values),
        cmocka_unit_test(test_defaults_of_lists),
        cmocka_unit_test(test_defaults_that_depend),
        cmocka_unit_test(test_credentials_inherit_what_they_lack),
        cmocka_unit_test(test_session_config),
        cmocka_unit_test(test_ways_to_write),
        cmocka_unit_test(test_recursion_matters_with_both_sides_only),
        cmocka_unit_test(test_spki_in_base64),
        cmocka_unit_test(test_listeners_by_psk_alone),
        cmocka_unit_test(test_uri_identities_keep_their_case),
    };

    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
