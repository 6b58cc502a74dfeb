/* Detectors, their tokens, and rules about attacks: what is read, and what is refused with its place. */
/* links: config */
#include "tests/unit/config_fixture.h"

#include <openssl/sha.h>

#include "gateway/config/difference.h"

#define HEAD                                                                     \
    "gateway: { name: gw, state-dir: /tmp }\n"                                   \
    "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n" \
    "upstreams: [ { name: up, servers: [ { host: a.example } ] } ]\n"
#define PORT "admin: { detectors: { listen: \"[::]:9647\", tokens-file: tokens } }\n"
#define DETECTORS "detectors: [ { name: fnm, targets: [192.0.2.0/24] }, { name: ids, targets: [192.0.2.0/25] } ]\n"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"

static void expect(const char *text, int line, int column, const char *says)
{
    struct config_error error;
    struct config *config = fixture_load(text, &error);

    if (config)
        fail_msg("accepted:\n%s", text);
    if (error.line != line || error.column != column || !strstr(error.text, says))
        fail_msg("expected %d:%d \"%s\", found %d:%d \"%s\" in\n%s", line, column, says, error.line, error.column,
                 error.text, text);
    assert_null(strstr(error.text, TOKEN));
}

static void test_values(void **state)
{
    struct config *config;
    const struct config_attack_rule *rule;

    (void)state;
    fixture_text("tokens", "# who\n\nfnm  " TOKEN "\r\nids\t" OTHER);
    config =
        fixture_accept(HEAD PORT "detectors:\n"
                                 "  - { name: fnm, targets: [192.0.2.0/24], targets-max: 5, san: f.test }\n"
                                 "  - { name: ids, targets: [\"2001:db8::/32\"] }\n"
                                 "attack-rules:\n"
                                 "  - { name: a, detectors: [ids], targets: [\"2001:db8::/48\"], hold: 5s,\n"
                                 "      when: [ { pps: 200k, sources: 7 }, { bps: 2G } ], narrow: true }\n"
                                 "  - { name: b, when: [ { connections: 9 } ], until-below: [ { connections: 3 } ] }\n"
                                 "  - { name: c }\n");
    assert_int_equal(config->detector_count, 2);
    assert_int_equal(config->detectors[0].targets_max, 5);
    assert_string_equal(config->detectors[0].san, "f.test");
    assert_false(config->detectors[0].has_spki);
    assert_int_equal(config->detectors[1].targets_max, 1000);
    rule = &config->attack_rules[0];
    assert_int_equal(rule->when_count, 2);
    assert_int_equal(rule->when[0].figures[CONFIG_PPS], 200000);
    assert_int_equal(rule->when[1].figures[CONFIG_BPS], 2000000000);
    assert_int_equal(rule->until[0].figures[CONFIG_PPS], 160000);
    assert_int_equal(rule->until[0].figures[CONFIG_SOURCES], 6); /* 5.6 */
    assert_int_equal(rule->hold_ms, 5000);
    assert_true(rule->narrow);
    rule = &config->attack_rules[1];
    assert_int_equal(rule->until[0].figures[CONFIG_CONNECTIONS], 3);
    assert_int_equal(rule->lifetime, 900);
    assert_int_equal(rule->length4, 32);
    assert_int_equal(config->attack_rules[2].when_count + config->attack_rules[2].until_count, 0);
    config_free(config);
}

static void test_tokens_are_kept_as_hashes(void **state)
{
    uint8_t hash[32];
    char digits[65], text[256];
    struct config *config;

    (void)state;
    SHA256((const unsigned char *)OTHER, strlen(OTHER), hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(digits + 2 * i, 3, "%02x", hash[i]);
    snprintf(text, sizeof(text), "fnm " TOKEN "\nfnm sha256:%s\n", digits);
    fixture_text("tokens", text);
    config = fixture_accept(HEAD PORT DETECTORS);
    assert_int_equal(config->detectors[0].token_count, 2);
    assert_int_equal(config->detectors[1].token_count, 0);
    assert_memory_equal(config->detectors[0].tokens[1], hash, sizeof(hash));
    config_free(config);
}

static void test_open_tokens_file_is_warned_of(void **state)
{
    (void)state;
    fixture_write("tokens", "fnm " TOKEN "\n", strlen("fnm " TOKEN "\n"), 0644);
    config_free(fixture_accept(HEAD PORT DETECTORS));
    assert_non_null(strstr(log_text, "config-secret-open"));
}

static void test_broken_tokens_file(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"fnm\n", "line 1: expected a detector's name and its token"},
        {"\nnobody " TOKEN "\n", "line 2: its first word is the name of no detector"},
        {"fnm short\n", "line 1: the token must have 32 to 256"},
        {"fnm 0123456789abcdef0123456789ab\"def\n", "line 1: the token must have"},
        {"fnm " TOKEN " x\n", "line 1: there is more than a name and a token"},
        {"fnm " TOKEN "\nids " TOKEN "\n", "line 2: the token is given twice"},
        {"fnm " TOKEN "\nfnm " OTHER "\nfnm 0" OTHER "\n", "line 3: detector fnm has 2 tokens already"},
        {"fnm sha256:12\n", "line 1: expected 64 hexadecimal digits"},
        {"fnm sha256:" TOKEN OTHER "zz\n", "line 1: expected 64 hexadecimal digits"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture_text("tokens", rows[i].text);
        expect(HEAD PORT DETECTORS, 4, 57, rows[i].says);
    }
}

#define RULE(MEMBERS) HEAD DETECTORS "attack-rules: [ { name: r, " MEMBERS " } ]\n"

static void test_broken(void **state)
{
    (void)state;
    fixture_text("tokens", "");
    expect(HEAD PORT, 4, 31, "there are no detectors");
    expect("gateway: { name: gw, state-dir: /tmp }\nupstreams: [ { name: up, servers: [ { host: a.example } ],\n"
           "  credentials: { psk: a, key-file: web1.psk, trust-anchors: ca.pem } } ]\n" PORT DETECTORS,
           4, 31, "HTTPS needs tls");
    expect(HEAD "admin: { detectors: { listen: \"[::]:9647\", tokens-file: gone } }\n" DETECTORS, 4, 57,
           "cannot be read");
    expect(HEAD "detectors: [ { name: a, targets: [] } ]\n", 4, 34, "at least 1");
    expect(HEAD "detectors: [ { name: a } ]\n", 4, 14, "targets is missing here");
    expect(HEAD "detectors: [ { name: a, targets: [192.0.2.0/24], san: a.test } ]\n", 4, 55,
           "a detector shows its certificate at admin.detectors.listen");
    expect(HEAD "detectors: [ { name: a, targets: [192.0.2.0/24] }, { name: a, targets: [192.0.2.0/24] } ]\n", 4, 60,
           "detector a is given twice");
    expect(HEAD PORT "detectors:\n  - { name: a, targets: [192.0.2.0/24], san: a.test }\n"
                     "  - { name: b, targets: [192.0.2.0/24], san: A.test }\n",
           7, 5, "detectors a and b have the same certificate");
    expect(HEAD "attack-rules: [ { name: r } ]\n", 4, 17, "there are no detectors");
    expect(RULE("detectors: [ids, nobody]"), 5, 45, "there is no detector \"nobody\"");
    expect(RULE("when: [ { } ]"), 5, 36, "one or more of pps, bps, connections, sources");
    expect(RULE("when: [ ]"), 5, 34, "at least 1");
    expect(RULE("when: [ { pps: 0 } ]"), 5, 43, "number from 1 to 1000T");
    expect(RULE("when: [ { pps: 1001T } ]"), 5, 43, "number from 1 to 1000T");
    expect(RULE("when: [ { pps: 10m } ]"), 5, 43, "such as 500, 200k, 30M or 2G");
    expect(RULE("when: [ { ppm: 10 } ]"), 5, 38, "did you mean \"pps\"");
    expect(RULE("until-below: [ { pps: 10 } ]"), 5, 41, "when is missing");
    expect(RULE("when: [ { pps: 10 } ], until-below: [ { pps: 11 } ]"), 5, 64, "entry 1 of when can be true");
    expect(RULE("when: [ { pps: 10 }, { bps: 5 } ], until-below: [ { pps: 9 } ]"), 5, 76, "entry 2 of when");
    expect(RULE("when: [ { pps: 10 } ], until-below: [ { pps: 9, bps: 1 } ]"), 5, 64, "entry 1 of when");
    expect(RULE("hold: 10m"), 5, 34, "not be longer than half of lifetime (900 s)");
    expect(RULE("lifetime: 10s"), 5, 17, "not be longer than half of lifetime (10 s)");
    expect(RULE("silence: 0s"), 5, 37, "duration from 1s");
    expect(RULE("ipv4-length: 33"), 5, 41, "integer from 8 to 32");
}

static void test_differences(void **state)
{
    struct config_difference difference;
    char text[256];
    struct config *before, *after;

    (void)state;
    fixture_text("tokens", "fnm " TOKEN "\n");
    before = fixture_accept(HEAD PORT DETECTORS "attack-rules: [ { name: a, when: [ { pps: 5 } ] }, { name: b } ]\n");
    fixture_text("tokens", "fnm " OTHER "\n");
    after = fixture_accept(HEAD PORT "detectors: [ { name: fnm, targets: [192.0.2.0/24], targets-max: 7 } ]\n"
                                     "attack-rules: [ { name: a, when: [ { pps: 6 } ] }, { name: b } ]\n");
    assert_int_equal(config_difference(before, after, &difference), 0);
    assert_string_equal(config_difference_text(&difference, text, sizeof(text)),
                        "detectors: 1 removed, 1 changed; attack-rules: 1 changed");
    assert_string_equal(difference.refused, "");
    config_difference_free(&difference);
    config_free(after);
    after = fixture_accept(HEAD);
    assert_int_equal(config_difference(before, after, &difference), 0);
    assert_non_null(strstr(difference.refused, "admin"));
    config_difference_free(&difference);
    config_free(before);
    config_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_tokens_are_kept_as_hashes),
        cmocka_unit_test(test_open_tokens_file_is_warned_of),
        cmocka_unit_test(test_broken_tokens_file),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_differences),
    };

    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
