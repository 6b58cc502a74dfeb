/* Unit tests of overlap and of what two scopes have in common. */
/* links: aggregation */
/* wraps: malloc calloc realloc tsearch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/scope.h"
#include "tests/unit/failing_allocation.h"
#include "tests/unit/seeded_random.h"
#include "tests/unit/target_fixture.h"

static int forget(void **state)
{
    (void)state;
    targets_forget();
    return 0;
}

static void test_prefix_contains(void **state)
{
    (void)state;
    static const struct {
        const char *outer, *inner;
        bool contains;
    } cases[] = {
        {"192.0.2.0/24", "192.0.2.0/24", true},
        {"192.0.2.0/24", "192.0.2.255/32", true},
        {"192.0.2.0/24", "192.0.3.0/32", false},
        {"192.0.2.0/25", "192.0.2.128/32", false},
        {"192.0.2.0/23", "192.0.3.1/32", true},
        {"192.0.2.1/32", "192.0.2.0/24", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"::/0", "ffff::1", true},
        {"0.0.0.0/0", "::/0", false},
        {"::/0", "192.0.2.1", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::/127", "2001:db8::1", true},
        {"2001:db8::/127", "2001:db8::2", false},
        {"2001:db8::1", "2001:db8::1", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct wire_prefix *outer = target_of(cases[i].outer)->prefixes;
        const struct wire_prefix *inner = target_of(cases[i].inner)->prefixes;
        if (scope_prefix_contains(outer, inner) != cases[i].contains)
            fail_msg("%s, %s", cases[i].outer, cases[i].inner);
    }
}

static void test_rfc9132_4_4_1_3_common_address_prefix_fqdn_uri_or_alias_is_an_overlap(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool overlap;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.0/24", "192.0.2.77", true},
        {"192.0.2.0/25", "192.0.2.128/25", false},
        {"192.0.2.1 198.51.100.1", "203.0.113.1 198.51.100.0/24", true},
        {"0.0.0.0/0", "::/0", false},
        {"fqdn=www.example.com", "fqdn=WWW.EXAMPLE.COM.", true},
        {"fqdn=www.example.com", "fqdn=example.com", false},
        {"fqdn=www.example.com", "uri=https://www.example.com/", false},
        {"fqdn=a", "alias=a", false},
        {"alias=web alias=db", "alias=mail alias=db", true},
        {"alias=web", "alias=WEB", false},
        {"uri=https://www.example.com/a", "uri=HTTPS://WWW.EXAMPLE.COM/a", true},
        {"uri=https://www.example.com/a", "uri=https://www.example.com/A", false},
        {"192.0.2.1", "fqdn=www.example.com", false},
        {"", "192.0.2.1", false},
        {"", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct wire_target *a = target_of(cases[i].a), *b = target_of(cases[i].b);
        if (scope_overlap(a, b) != cases[i].overlap || scope_overlap(b, a) != cases[i].overlap)
            fail_msg("%s and %s: expected %d", cases[i].a, cases[i].b, cases[i].overlap);
        targets_forget();
    }
}

static void test_rfc9132_4_4_1_3_ports_and_protocols_do_not_matter(void **state)
{
    (void)state;
    assert_true(scope_overlap(target_of("192.0.2.1 port=80 proto=6"), target_of("192.0.2.1 port=443 proto=17")));
    assert_true(scope_overlap(target_of("192.0.2.1 port=80 proto=6"), target_of("192.0.2.1")));
    assert_false(scope_overlap(target_of("192.0.2.1 port=80 proto=6"), target_of("192.0.2.2 port=80 proto=6")));
    assert_false(scope_overlap(target_of("port=80 proto=6"), target_of("port=80 proto=6")));
}

static void assert_common(const char *a, const char *b, const char *expected)
{
    struct scope_common common;
    assert_int_equal(scope_intersect(target_of(a), target_of(b), &common), 0);
    targets_forget();
    char *text = target_text(&common.target);
    if (strcmp(text, expected) != 0)
        fail_msg("%s and %s:%s instead of%s", a, b, text, expected);
    free(text);
    free(common.block);
}

static void test_rfc9132_4_4_1_3_conflict_scope_is_what_is_in_common(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *common;
    } cases[] = {
        {"192.0.2.0/24", "192.0.2.1", " 192.0.2.1/32"},
        {"192.0.2.0/24", "192.0.2.0/24 192.0.2.0/24", " 192.0.2.0/24"},
        {"10.0.0.0/8", "10.2.0.0/16 11.0.0.0/8 10.1.0.0/16", " 10.1.0.0/16 10.2.0.0/16"},
        {"10.0.0.0/8 10.1.0.0/16", "10.0.0.0/8 10.1.1.0/24", " 10.0.0.0/8"},
        {"10.0.0.0/16 10.2.0.0/16", "10.0.0.0/12", " 10.0.0.0/16 10.2.0.0/16"},
        {"10.0.0.0/8 12.0.0.0/8", "10.1.0.0/16 12.0.0.0/7", " 10.1.0.0/16 12.0.0.0/8"},
        {"0.0.0.0/0 2001:db8::/32", "2001:db8:1::/48 192.0.2.1", " 192.0.2.1/32 2001:db8:1::/48"},
        {"fqdn=B.example fqdn=a.example fqdn=b.example", "fqdn=b.example. fqdn=c.example", " fqdn=B.example"},
        {"uri=https://a.example/ alias=x alias=y", "uri=https://A.example/ alias=y alias=z",
         " uri=https://a.example/ alias=y"},
        {"192.0.2.1", "192.0.2.2", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_common(cases[i].a, cases[i].b, cases[i].common);
}

static void test_rfc9132_4_4_1_3_ports_are_included_only_with_a_common_target(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *common;
    } cases[] = {
        {"192.0.2.1 port=80 proto=6", "192.0.2.2 port=80 proto=6", ""},
        {"192.0.2.1 port=80-90 proto=6 proto=17", "192.0.2.1 port=85-100 proto=17",
         " 192.0.2.1/32 port=85-90 proto=17"},
        {"192.0.2.1 port=80", "192.0.2.1", " 192.0.2.1/32 port=80-80"},
        {"192.0.2.1", "192.0.2.1 proto=6", " 192.0.2.1/32 proto=6"},
        {"192.0.2.1 port=80", "192.0.2.1 port=443", " 192.0.2.1/32"},
        {"fqdn=a port=443 port=80-89 port=90-99 port=85", "fqdn=a port=1-1000 port=500-65535",
         " fqdn=a port=80-99 port=443-443"},
        {"fqdn=a port=1-10 port=20-30", "fqdn=a port=5-25", " fqdn=a port=5-10 port=20-25"},
        {"fqdn=a port=0-65535 port=65535", "fqdn=a port=65535 port=0-65535", " fqdn=a port=0-65535"},
        {"fqdn=a port=0-65535 port=65535", "fqdn=a port=65535 port=0", " fqdn=a port=0-0 port=65535-65535"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_common(cases[i].a, cases[i].b, cases[i].common);
}

/* It goes into a datagram. */
static void test_intersection_is_bounded(void **state)
{
    (void)state;
    struct wire_target *target = target_of("");
    for (unsigned i = 0; i < 3 * SCOPE_COMMON_MAX; i++) {
        struct wire_prefix prefix = {{10, 0, (uint8_t)i}, 4, 24};
        char name[64];
        target_add_prefix(target, &prefix);
        snprintf(name, sizeof name, "https://h%u.example/", i);
        target_add_string(&target->uris, name);
        target_add_string(&target->fqdns, name + 8);
        target_add_string(&target->aliases, name);
        target_add_ports(target, 2 * i, 2 * i);
        target_add_protocol(target, i);
    }
    struct scope_common common;
    assert_int_equal(scope_intersect(target, target, &common), 0);
    assert_int_equal(common.target.prefix_count, SCOPE_COMMON_MAX);
    assert_int_equal(common.target.uris.count, SCOPE_COMMON_MAX);
    assert_int_equal(common.target.fqdns.count, SCOPE_COMMON_MAX);
    assert_int_equal(common.target.aliases.count, SCOPE_COMMON_MAX);
    assert_int_equal(common.target.port_range_count, SCOPE_COMMON_MAX);
    assert_int_equal(common.target.protocol_count, SCOPE_COMMON_MAX);
    assert_int_equal(common.target.prefixes[SCOPE_COMMON_MAX - 1].addr[2], SCOPE_COMMON_MAX - 1);
    free(common.block);
}

static void test_intersection_out_of_memory_leaves_nothing_to_free(void **state)
{
    (void)state;
    const struct wire_target *a = target_of("192.0.2.0/24 fqdn=a uri=http://a/ alias=a port=80 proto=6");
    size_t failures = 0;
    for (bool failed = true; failed; failures += failed) {
        struct scope_common common;
        allocation_fail_after(failures);
        int result = scope_intersect(a, a, &common);
        failed = allocation_has_failed();
        assert_int_equal(result, failed ? -1 : 0);
        if (failed)
            assert_null(common.block);
        free(common.block);
    }
    assert_int_equal(failures, 6);
}

/* Few distinct values, so that about half of the pairs meet. */
static struct wire_target *random_target(unsigned spread)
{
    struct wire_target *target = target_of("");
    for (unsigned i = random_below(40); i > 0; i--) {
        struct wire_prefix prefix = {{10}, 4, (uint8_t)(32 - random_below(1 + random_below(14)))};
        uint32_t bits = random_below(spread);
        prefix.addr[2] = (uint8_t)(bits >> 8);
        prefix.addr[3] = (uint8_t)bits;
        for (unsigned bit = prefix.length; bit < 32; bit++)
            prefix.addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
        target_add_prefix(target, &prefix);
    }
    for (unsigned i = random_below(40); i > 0; i--) {
        char name[16];
        snprintf(name, sizeof name, random_below(2) ? "h%u.Example" : "H%u.example.", random_below(spread));
        target_add_string(&target->fqdns, name);
    }
    return target;
}

static bool overlap_by_definition(const struct wire_target *a, const struct wire_target *b)
{
    for (size_t i = 0; i < a->prefix_count; i++) {
        for (size_t j = 0; j < b->prefix_count; j++) {
            if (scope_prefix_contains(&a->prefixes[i], &b->prefixes[j]) ||
                scope_prefix_contains(&b->prefixes[j], &a->prefixes[i]))
                return true;
        }
    }
    for (size_t i = 0; i < a->fqdns.count; i++) {
        for (size_t j = 0; j < b->fqdns.count; j++) {
            if (strtoul(a->fqdns.at[i] + 1, NULL, 10) == strtoul(b->fqdns.at[j] + 1, NULL, 10))
                return true;
        }
    }
    return false;
}

static bool covered(const struct wire_target *target, const struct wire_prefix *address)
{
    for (size_t i = 0; i < target->prefix_count; i++) {
        if (scope_prefix_contains(&target->prefixes[i], address))
            return true;
    }
    return false;
}

static void assert_intersection(const struct wire_target *a, const struct wire_target *b)
{
    struct scope_common common;
    assert_int_equal(scope_intersect(a, b, &common), 0);
    assert_int_equal(common.target.prefix_count + common.target.fqdns.count > 0, overlap_by_definition(a, b));
    for (unsigned i = 0; common.target.prefix_count < SCOPE_COMMON_MAX && i < 0x10000; i += 13) {
        struct wire_prefix address = {{10, 0, (uint8_t)(i >> 8), (uint8_t)i}, 4, 32};
        assert_int_equal(covered(&common.target, &address), covered(a, &address) && covered(b, &address));
    }
    free(common.block);
}

/* Large enough for the sorted lists; and the same pairs again without memory for them. */
static void test_random_scopes_overlap_and_intersect_by_definition(void **state)
{
    (void)state;
    unsigned overlapping = 0;
    for (unsigned round = 0; round < 1000; round++) {
        unsigned spread = 1 + random_below(40000);
        const struct wire_target *a = random_target(spread), *b = random_target(spread);
        bool expected = overlap_by_definition(a, b);
        overlapping += expected;
        assert_int_equal(scope_overlap(a, b), expected);
        assert_int_equal(scope_overlap(b, a), expected);
        allocation_fail_after(0);
        assert_int_equal(scope_overlap(a, b), expected);
        allocation_has_failed();
        if (round % 20 == 0)
            assert_intersection(a, b);
        targets_forget();
    }
    assert_in_range(overlapping, 100, 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_prefix_contains, forget),
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_3_common_address_prefix_fqdn_uri_or_alias_is_an_overlap, forget),
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_3_ports_and_protocols_do_not_matter, forget),
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_3_conflict_scope_is_what_is_in_common, forget),
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_3_ports_are_included_only_with_a_common_target, forget),
        cmocka_unit_test_teardown(test_intersection_is_bounded, forget),
        cmocka_unit_test_teardown(test_intersection_out_of_memory_leaves_nothing_to_free, forget),
        cmocka_unit_test_teardown(test_random_scopes_overlap_and_intersect_by_definition, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
