/*
 * nat: targets through mappings, out and back, and what is refused.
 * links: aggregation wire
 * wraps: malloc calloc realloc tsearch
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/nat.h"
#include "tests/unit/failing_allocation.h"
#include "tests/unit/target_fixture.h"

#define MAPPINGS_MAX 8

/* Mappings as text: "10.1.0.0/24=203.0.113.0/24", with ports "10.1.0.1:80=203.0.113.1:8080". */
struct mappings {
    struct nat_mapping at[MAPPINGS_MAX];
    size_t count;
};

static void read_side(char *text, struct wire_prefix *prefix, uint16_t *port)
{
    char *colon = strchr(text, '.') ? strchr(text, ':') : NULL;

    if (colon) {
        *colon = '\0';
        *port = (uint16_t)strtoul(colon + 1, NULL, 10);
    }
    assert_int_equal(wire_prefix_parse(text, true, prefix), 0);
}

static struct mappings mappings_of(const char *text)
{
    struct mappings mappings = {.count = 0};
    char *words = strdup(text), *rest = words;

    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        struct nat_mapping *mapping = &mappings.at[mappings.count++];
        char *external = strchr(word, '=');

        assert_true(mappings.count <= MAPPINGS_MAX);
        *external++ = '\0';
        read_side(word, &mapping->internal, &mapping->internal_port);
        read_side(external, &mapping->external, &mapping->external_port);
    }
    free(words);
    return mappings;
}

static void translates(const char *mappings_text, const char *in, const char *out)
{
    struct mappings mappings = mappings_of(mappings_text);
    char reason[SCOPE_REASON_MAX] = "not touched", *text;
    struct scope *scope = nat_translate(mappings.at, mappings.count, target_of(in), reason, sizeof(reason));

    if (!scope)
        fail_msg("%s: %s is refused: %s", mappings_text, in, reason);
    text = target_text(&scope->target);
    assert_string_equal(text + (text[0] == ' '), out);
    free(text);
    scope_unref(scope);
    targets_forget();
}

static void refuses(const char *mappings_text, const char *in, const char *why)
{
    struct mappings mappings = mappings_of(mappings_text);
    char reason[SCOPE_REASON_MAX] = "";
    struct scope *scope = nat_translate(mappings.at, mappings.count, target_of(in), reason, sizeof(reason));

    if (scope)
        fail_msg("%s: %s is not refused", mappings_text, in);
    assert_string_equal(reason, why);
    targets_forget();
}

static void reverses(const char *mappings_text, const char *in, const char *own, const char *out)
{
    struct mappings mappings = mappings_of(mappings_text);
    const struct wire_target *asked = target_of(own);
    struct scope *scope = nat_reverse(mappings.at, mappings.count, target_of(in), asked);
    struct scope_common common;
    char *text;

    assert_non_null(scope);
    assert_int_equal(scope_intersect(&scope->target, asked, &common), 0);
    text = target_text(&common.target);
    assert_string_equal(text + (text[0] == ' '), out);
    free(text);
    free(common.block);
    scope_unref(scope);
    targets_forget();
}

#define ONE "10.1.0.0/24=203.0.113.0/24"
#define TWO "10.1.0.0/25=203.0.113.128/25 10.1.0.128/25=198.51.100.0/25"
#define SIX "fd00:1::/48=2001:db8:1::/48"
#define WEB "10.1.0.1:80=203.0.113.1:8080 10.1.0.1:443=203.0.113.1:8443 10.1.0.2:80=203.0.113.1:8081"

static void test_rfc9132_3_prefixes_must_be_external(void **state)
{
    (void)state;
    translates(ONE, "10.1.0.0/24", "203.0.113.0/24");
    translates(ONE, "10.1.0.64/26", "203.0.113.64/26");
    translates(ONE, "10.1.0.7", "203.0.113.7/32");
    translates(ONE, "10.1.0.7 10.1.0.6 10.1.0.7", "203.0.113.6/31");
    translates(ONE, "10.1.0.7 port=80 proto=6", "203.0.113.7/32 port=80-80 proto=6");
    translates(SIX, "fd00:1:0:ff::/64", "2001:db8:1:ff::/64");
    translates(ONE " " SIX, "10.1.0.1 fd00:1::1", "203.0.113.1/32 2001:db8:1::1/128");
    translates("10.16.0.0/12=100.80.0.0/12", "10.23.45.67", "100.87.45.67/32");
    translates("0.0.0.0/0=0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/8");
}

static void test_a_wide_prefix_maps_to_several(void **state)
{
    (void)state;
    translates(TWO, "10.1.0.0/24", "198.51.100.0/25 203.0.113.128/25");
    translates(TWO, "10.1.0.64/26 10.1.0.128/26", "198.51.100.0/26 203.0.113.192/26");
    refuses(TWO, "10.1.0.0/23", "target-prefix: 10.1.1.0/24 is not mapped to external addresses");
    refuses("10.1.0.0/25=203.0.113.0/25", "10.1.0.0/24",
            "target-prefix: 10.1.0.128/25 is not mapped to external addresses");
    refuses(TWO, "0.0.0.0/0", "target-prefix: 0.0.0.0/5 is not mapped to external addresses");
}

static void test_rfc9132_3_unmapped_prefixes_must_not_leave(void **state)
{
    (void)state;
    refuses(ONE, "10.2.0.0/24", "target-prefix: 10.2.0.0/24 is not mapped to external addresses");
    refuses(ONE, "10.1.0.1 192.168.0.1", "target-prefix: 192.168.0.1/32 is not mapped to external addresses");
    refuses(ONE, "198.51.100.1", "target-prefix: 198.51.100.1/32 is not mapped to external addresses");
    refuses(SIX, "fd00:2::/48", "target-prefix: fd00:2::/48 is not mapped to external addresses");
}

static void test_external_prefixes_pass(void **state)
{
    (void)state;
    translates(ONE, "203.0.113.9", "203.0.113.9/32");
    translates(ONE, "10.1.0.8 203.0.113.9", "203.0.113.8/31");
    translates(ONE " 198.51.100.0/24=198.51.100.0/24", "198.51.100.0/24 10.1.0.1", "198.51.100.0/24 203.0.113.1/32");
    translates(WEB, "203.0.113.1", "203.0.113.1/32");
    translates("203.0.113.1:80=203.0.113.1:80", "203.0.113.1", "203.0.113.1/32 port=80-80");
    refuses(ONE, "203.0.112.0/23", "target-prefix: 203.0.112.0/24 is not mapped to external addresses");
}

static void test_a_family_without_mappings_passes(void **state)
{
    (void)state;
    translates(ONE, "2001:db8::/32 10.1.0.1", "203.0.113.1/32 2001:db8::/32");
    translates(SIX, "198.51.100.0/24", "198.51.100.0/24");
}

static void test_rfc9132_3_private_addresses_must_not_leave_in_any_family(void **state)
{
    (void)state;
    refuses(SIX, "10.0.0.0/8", "target-prefix: 10.0.0.0/8 is not mapped to external addresses");
    refuses(SIX, "172.31.255.255", "target-prefix: 172.31.255.255/32 is not mapped to external addresses");
    refuses(SIX, "100.64.0.0/16", "target-prefix: 100.64.0.0/16 is not mapped to external addresses");
    refuses(ONE, "fd00::1", "target-prefix: fd00::1/128 is not mapped to external addresses");
    refuses(SIX, "192.0.0.0/8", "target-prefix: 192.0.0.0/8 is not mapped to external addresses"); /* and more */
    translates(SIX, "172.32.0.0/16 100.128.0.0/16", "100.128.0.0/16 172.32.0.0/16");
}

static void test_rfc9132_3_ports_must_be_external(void **state)
{
    (void)state;
    translates(WEB, "10.1.0.1 port=80", "203.0.113.1/32 port=8080-8080");
    translates(WEB, "10.1.0.1 port=443 port=80", "203.0.113.1/32 port=8080-8080 port=8443-8443");
    translates(WEB, "10.1.0.1", "203.0.113.1/32 port=8080-8080 port=8443-8443");
    translates(WEB, "10.1.0.2", "203.0.113.1/32 port=8081-8081");
    translates(WEB, "10.1.0.1 10.1.0.2", "203.0.113.1/32 port=8080-8081 port=8443-8443");
    translates(WEB, "10.1.0.1 10.1.0.2 port=80", "203.0.113.1/32 port=8080-8081");
    refuses(WEB, "10.1.0.1 port=22", "target-port-range: port 22 of 10.1.0.1/32 is not mapped to an external port");
    refuses(WEB, "10.1.0.1 port=80-81", "target-port-range: port 81 of 10.1.0.1/32 is not mapped to an external port");
    refuses(WEB, "10.1.0.1 port=0-65535", "target-port-range: port 0 of 10.1.0.1/32 is not mapped to an external port");
    refuses(WEB, "10.1.0.2 port=443", "target-port-range: port 443 of 10.1.0.2/32 is not mapped to an external port");
    refuses(WEB, "10.1.0.3", "target-prefix: 10.1.0.3/32 is not mapped to external addresses");
}

#define DIFFER "target-port-range: the external ports of these targets differ; ask for each in a request of its own"

static void test_ports_that_differ_are_refused_not_widened(void **state)
{
    static const char apart[] = "10.1.0.1:80=203.0.113.1:8080 10.1.0.2:80=203.0.113.2:8081";

    (void)state;
    refuses(apart, "10.1.0.1 10.1.0.2", DIFFER);
    refuses(WEB " 10.9.0.0/24=198.51.100.0/24", "10.1.0.1 10.9.0.1", DIFFER);
    refuses(WEB " 10.9.0.0/24=198.51.100.0/24", "10.1.0.1 10.9.0.1 port=80", DIFFER);
    translates("10.1.0.1:80=203.0.113.1:80 10.9.0.0/24=198.51.100.0/24", "10.1.0.1 10.9.0.1 port=80",
               "198.51.100.1/32 203.0.113.1/32 port=80-80");
    refuses(WEB, "10.1.0.1 fqdn=www.example.com port=80", DIFFER);
    refuses("10.1.0.1:80=203.0.113.1:80", "10.1.0.1 fqdn=www.example.com", DIFFER);
    translates("10.1.0.1:80=203.0.113.1:80", "10.1.0.1 fqdn=www.example.com port=80",
               "203.0.113.1/32 fqdn=www.example.com port=80-80");
    /* The same address by two of its names. */
    translates(WEB, "10.1.0.1 203.0.113.1 port=80", "203.0.113.1/32 port=80-80 port=8080-8080");
    translates(WEB, "10.1.0.1 203.0.113.1", "203.0.113.1/32");
}

/* One that has more ports lies in one that has fewer. */
static void test_nested_mappings_of_ports(void **state)
{
    static const char nested[] = "10.1.0.0/24:80=203.0.113.0/24:8080 10.1.0.1:443=203.0.113.1:443";

    (void)state;
    translates(nested, "10.1.0.1", "203.0.113.1/32 port=443-443 port=8080-8080");
    translates(nested, "10.1.0.1 port=443", "203.0.113.1/32 port=443-443");
    translates(nested, "10.1.0.0/24 port=80", "203.0.113.0/24 port=8080-8080");
    translates(nested, "10.1.0.2", "203.0.113.2/32 port=8080-8080");
    refuses(nested, "10.1.0.0/24", DIFFER);
}

static void test_names_pass_and_addresses_in_their_place_do_not(void **state)
{
    (void)state;
    translates(ONE, "fqdn=www.example.com uri=https://www.example.com:8443/a alias=web port=443",
               "fqdn=www.example.com uri=https://www.example.com:8443/a alias=web port=443-443");
    translates(WEB, "fqdn=www.example.com port=80", "fqdn=www.example.com port=80-80");
    translates(ONE, "uri=https://203.0.113.7/", "uri=https://203.0.113.7/");
    translates(ONE, "uri=https://[2001:db8::1]/", "uri=https://[2001:db8::1]/");
    refuses(ONE, "uri=https://10.1.0.1/",
            "target-uri: the host of https://10.1.0.1/ is not an external address; use a name, or target-prefix");
    refuses(ONE, "uri=https://192.168.0.1:8080/x",
            "target-uri: the host of https://192.168.0.1:8080/x is not an external address; use a name, or "
            "target-prefix");
    refuses(SIX, "uri=https://[fd00:1::1]/",
            "target-uri: the host of https://[fd00:1::1]/ is not an external address; use a name, or target-prefix");
    refuses(ONE, "uri=https://10.1/",
            "target-uri: the host of https://10.1/ is not an external address; use a name, or target-prefix");
    refuses(ONE, "fqdn=10.1.0.1", "target-fqdn: 10.1.0.1 is no name that is known outside");
    refuses(ONE, "fqdn=10.1.0.1.", "target-fqdn: 10.1.0.1. is no name that is known outside");
    refuses(ONE, "fqdn=0x0a.1", "target-fqdn: 0x0a.1 is no name that is known outside");
}

static void test_back_in_the_terms_of_who_asked(void **state)
{
    (void)state;
    reverses(ONE, "203.0.113.7", "10.1.0.0/24", "10.1.0.7/32");
    reverses(ONE, "203.0.112.0/23", "10.1.0.0/25", "10.1.0.0/25");
    reverses(ONE, "203.0.113.7", "203.0.113.0/28", "203.0.113.7/32");
    reverses(ONE, "203.0.113.7", "10.2.0.0/24", "");
    reverses(ONE, "198.51.100.1", "10.1.0.0/24", "");
    reverses(TWO, "0.0.0.0/0", "10.1.0.0/24", "10.1.0.0/24");
    reverses(ONE, "203.0.113.7 port=53 proto=17", "10.1.0.0/24", "10.1.0.7/32 port=53-53 proto=17");
    reverses(ONE, "2001:db8::1", "2001:db8::/32 10.1.0.1", "2001:db8::1/128");
    reverses(ONE, "fqdn=www.example.com", "fqdn=www.example.com fqdn=mail.example.com", "fqdn=www.example.com");
}

static void test_back_through_mappings_of_ports(void **state)
{
    (void)state;
    reverses(WEB, "203.0.113.1 port=8080", "10.1.0.1", "10.1.0.1/32 port=80-80");
    reverses(WEB, "203.0.113.1", "10.1.0.1", "10.1.0.1/32 port=80-80 port=443-443");
    /* Never what is another client's behind the same external address. */
    reverses(WEB, "203.0.113.1", "10.1.0.2", "10.1.0.2/32 port=80-80");
    reverses(WEB, "203.0.113.1 port=8443", "10.1.0.2", "");
    reverses(WEB, "203.0.113.1 port=8443", "10.1.0.1 port=80", "");
    reverses(WEB, "203.0.113.1 port=8080-8090", "10.1.0.1 10.1.0.2", "10.1.0.1/32 10.1.0.2/32 port=80-80");
}

static void test_out_of_memory_has_no_reason_and_leaks_nothing(void **state)
{
    struct mappings mappings = mappings_of(WEB " 10.9.0.0/24=198.51.100.0/24");
    const struct wire_target *in = target_of("10.1.0.1 10.1.0.2 port=80"), *there = target_of("203.0.113.1");
    char reason[SCOPE_REASON_MAX];
    bool failed = true;

    (void)state;
    for (size_t i = 0; failed; i++) {
        struct scope *scope;

        allocation_fail_after(i);
        scope = nat_translate(mappings.at, mappings.count, in, reason, sizeof(reason));
        failed = allocation_has_failed();
        assert_int_equal(!scope, failed);
        assert_string_equal(reason, "");
        scope_unref(scope);
    }
    failed = true;
    for (size_t i = 0; failed; i++) {
        struct scope *scope;

        allocation_fail_after(i);
        scope = nat_reverse(mappings.at, mappings.count, there, in);
        failed = allocation_has_failed();
        assert_int_equal(!scope, failed);
        scope_unref(scope);
    }
    targets_forget();
}

/* Many addresses with many ports: bounded, with a reason. */
static void test_too_many_pieces_are_refused(void **state)
{
    enum { PORTS = 200, ADDRESSES = 200 };
    static struct nat_mapping mappings[PORTS];
    static struct wire_prefix prefixes[ADDRESSES];
    struct wire_target target = {.prefixes = prefixes, .prefix_count = ADDRESSES};
    char reason[SCOPE_REASON_MAX];

    (void)state;
    for (unsigned i = 0; i < PORTS; i++) {
        wire_prefix_parse("10.0.0.0/8", true, &mappings[i].internal);
        wire_prefix_parse("100.0.0.0/8", true, &mappings[i].external);
        mappings[i].internal_port = mappings[i].external_port = (uint16_t)(1 + 2 * i);
    }
    for (unsigned i = 0; i < ADDRESSES; i++)
        prefixes[i] = (struct wire_prefix){.addr = {10, 0, (uint8_t)i, 1}, .family = 4, .length = 32};
    assert_null(nat_translate(mappings, PORTS, &target, reason, sizeof(reason)));
    assert_string_equal(
        reason, "target-prefix: this is more than 16384 prefixes and ports outside; ask for less in one request");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_3_prefixes_must_be_external),
        cmocka_unit_test(test_a_wide_prefix_maps_to_several),
        cmocka_unit_test(test_rfc9132_3_unmapped_prefixes_must_not_leave),
        cmocka_unit_test(test_external_prefixes_pass),
        cmocka_unit_test(test_a_family_without_mappings_passes),
        cmocka_unit_test(test_rfc9132_3_private_addresses_must_not_leave_in_any_family),
        cmocka_unit_test(test_rfc9132_3_ports_must_be_external),
        cmocka_unit_test(test_ports_that_differ_are_refused_not_widened),
        cmocka_unit_test(test_nested_mappings_of_ports),
        cmocka_unit_test(test_names_pass_and_addresses_in_their_place_do_not),
        cmocka_unit_test(test_back_in_the_terms_of_who_asked),
        cmocka_unit_test(test_back_through_mappings_of_ports),
        cmocka_unit_test(test_out_of_memory_has_no_reason_and_leaks_nothing),
        cmocka_unit_test(test_too_many_pieces_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
