/* Unit tests of authorization: is every target inside what a client was granted? */
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

/* A grant is written as a target. */
static struct scope_grant grant_of(const struct wire_target *granted)
{
    return (struct scope_grant){
        .prefixes = granted->prefixes,
        .prefix_count = granted->prefix_count,
        .fqdns = granted->fqdns.at,
        .fqdn_count = granted->fqdns.count,
        .uris = granted->uris.at,
        .uri_count = granted->uris.count,
    };
}

struct authorization {
    const char *grant, *target;
    const char *refused; /* NULL: authorized; else the parameter and target that the sentence names */
};

static void check(const struct authorization *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char buffer[SCOPE_REASON_MAX], expected[SCOPE_REASON_MAX];
        struct scope_grant grant = grant_of(target_of(cases[i].grant));
        const char *reason = scope_unauthorized(target_of(cases[i].target), &grant, buffer, sizeof buffer);
        snprintf(expected, sizeof expected, "%s is outside the scopes of this client",
                 cases[i].refused ? cases[i].refused : "");
        if ((reason == NULL) != (cases[i].refused == NULL) || (reason && strcmp(reason, expected) != 0))
            fail_msg("%s under %s: %s", cases[i].target, cases[i].grant, reason ? reason : "authorized");
        targets_forget();
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof(cases)[0])

static void test_rfc9132_4_4_1_1_prefixes_must_be_within_the_scope_of_the_client_domain(void **state)
{
    (void)state;
    static const struct authorization cases[] = {
        {"203.0.113.0/24", "203.0.113.0/24", NULL},
        {"203.0.113.0/24", "203.0.113.255", NULL},
        {"203.0.113.0/24", "198.51.100.0/24", "target-prefix: 198.51.100.0/24"},
        {"203.0.113.0/24", "203.0.112.0/23", "target-prefix: 203.0.112.0/23"},
        {"203.0.113.0/24", "203.0.113.1 203.0.114.1 203.0.115.1", "target-prefix: 203.0.114.1/32"},
        {"2001:db8::/32", "2001:db8:ffff::/48", NULL},
        {"2001:db8::/32", "2001:db9::/48", "target-prefix: 2001:db9::/48"},
        {"0.0.0.0/0", "0.0.0.0/0", NULL},
        {"0.0.0.0/0", "2001:db8::1", "target-prefix: 2001:db8::1/128"},
        {"::/0", "192.0.2.1", "target-prefix: 192.0.2.1/32"},
        {"", "192.0.2.1", "target-prefix: 192.0.2.1/32"},
        {"", "port=80", NULL},
    };
    CHECK(cases);
}

static void test_granted_prefixes_count_together(void **state)
{
    (void)state;
    static const struct authorization cases[] = {
        {"192.0.2.128/25 192.0.2.0/25", "192.0.2.0/24", NULL},
        {"192.0.2.128/25 192.0.2.0/26", "192.0.2.0/24", "target-prefix: 192.0.2.0/24"},
        {"192.0.2.128/25 192.0.2.0/26 192.0.2.64/26", "192.0.2.0/24", NULL},
        {"192.0.2.0/25 192.0.2.0/26 192.0.2.1/32 192.0.2.128/25", "192.0.2.0/24", NULL},
        {"192.0.2.1 192.0.2.2", "192.0.2.0/30", "target-prefix: 192.0.2.0/30"},
        {"10.0.0.0/9 10.128.0.0/9 11.0.0.0/8", "10.0.0.0/7", NULL},
        {"0.0.0.0/1 128.0.0.0/1", "0.0.0.0/0", NULL},
        {"128.0.0.0/1", "255.255.255.255", NULL},
        {"::/1 8000::/1", "::/0", NULL},
        {"2001:db8::/33 2001:db8:8000::/33", "2001:db8::/32", NULL},
        {"2001:db8::/33 2001:db8:8000::/34", "2001:db8::/32", "target-prefix: 2001:db8::/32"},
        /* The end of one family is not next to the beginning of the other. */
        {"128.0.0.0/1 ::/1", "::/0", "target-prefix: ::/0"},
        {"255.255.255.255/32 ::/128", "::/127", "target-prefix: ::/127"},
    };
    CHECK(cases);
}

static void test_fqdns_by_name_and_by_wildcard(void **state)
{
    (void)state;
    static const struct authorization cases[] = {
        {"fqdn=www.example.com", "fqdn=WWW.example.com.", NULL},
        {"fqdn=WWW.example.com.", "fqdn=www.example.com", NULL},
        {"fqdn=www.example.com", "fqdn=a.www.example.com", "target-fqdn: a.www.example.com"},
        {"fqdn=www.example.com", "fqdn=example.com", "target-fqdn: example.com"},
        {"fqdn=*.example.com", "fqdn=www.example.com", NULL},
        {"fqdn=*.example.com", "fqdn=a.b.c.EXAMPLE.com.", NULL},
        {"fqdn=*.example.com.", "fqdn=www.example.com", NULL},
        {"fqdn=*.example.com", "fqdn=example.com", "target-fqdn: example.com"},
        {"fqdn=*.example.com", "fqdn=badexample.com", "target-fqdn: badexample.com"},
        {"fqdn=*.example.com", "fqdn=www.example.com.evil.example", "target-fqdn: www.example.com.evil.example"},
        {"fqdn=*.example.com", "fqdn=*.example.com", "target-fqdn: *.example.com"},
        {"fqdn=*.example.com", "fqdn=.example.com", "target-fqdn: .example.com"},
        {"fqdn=*.com fqdn=a.example fqdn=*.b.example", "fqdn=x.b.example fqdn=a.example fqdn=y.com", NULL},
        {"fqdn=*", "fqdn=www.example.com", "target-fqdn: www.example.com"},
        {"192.0.2.0/24", "fqdn=www.example.com", "target-fqdn: www.example.com"},
    };
    CHECK(cases);
}

static void test_uris_by_uri(void **state)
{
    (void)state;
    static const struct authorization cases[] = {
        {"uri=https://www.example.com", "uri=HTTPS://WWW.example.com", NULL},
        {"uri=https://www.example.com", "uri=https://www.example.com/a/b?c#d", NULL},
        {"uri=https://www.example.com", "uri=https://www.example.com?a", NULL},
        {"uri=https://www.example.com", "uri=https://www.example.com#a", NULL},
        {"uri=https://www.example.com", "uri=https://www.example.com.evil.example/",
         "target-uri: https://www.example.com.evil.example/"},
        {"uri=https://www.example.com", "uri=https://www.example.com:8443/",
         "target-uri: https://www.example.com:8443/"},
        {"uri=https://www.example.com", "uri=https://www.example.com@evil.example/",
         "target-uri: https://www.example.com@evil.example/"},
        {"uri=https://www.example.com", "uri=http://www.example.com/", "target-uri: http://www.example.com/"},
        {"uri=https://www.example.com/app", "uri=https://www.example.com/app/x", NULL},
        {"uri=https://www.example.com/app", "uri=https://www.example.com/application",
         "target-uri: https://www.example.com/application"},
        {"uri=https://www.example.com/app/", "uri=https://www.example.com/app/x", NULL},
        {"uri=https://www.example.com/app/", "uri=https://www.example.com/app",
         "target-uri: https://www.example.com/app"},
        {"uri=https://www.example.com/app", "uri=https://www.example.com/APP",
         "target-uri: https://www.example.com/APP"},
        {"uri=https://www.example.com/app", "uri=https://www.example.com/app/../x",
         "target-uri: https://www.example.com/app/../x"},
        {"uri=https://www.example.com/app/", "uri=https://www.example.com/app/%2e%2E",
         "target-uri: https://www.example.com/app/%2e%2E"},
        {"uri=https://www.example.com/app", "uri=https://www.example.com/app/a/.%2e?x",
         "target-uri: https://www.example.com/app/a/.%2e?x"},
        {"uri=https://www.example.com/app", "uri=https://www.example.com/app/...", NULL},
        {"uri=https://www.example.com/app", "uri=https://www.example.com/app/a?../..", NULL},
        {"uri=https://www.example.com/app?a/", "uri=https://www.example.com/app?a/../b", NULL},
        {"uri=http://", "uri=http://www.example.com/", "target-uri: http://www.example.com/"},
        {"uri=", "uri=http://www.example.com/", "target-uri: http://www.example.com/"},
    };
    CHECK(cases);
}

/* The nearest in order is not the one that grants: the search must go back along what begins it. */
static void test_uris_by_the_shorter_of_nested_ones(void **state)
{
    (void)state;
    static const struct authorization cases[] = {
        {"uri=http://h/a uri=http://h/a/b uri=http://h/a/bc uri=http://h/a/b/d uri=http://g", "uri=http://h/a/bcd",
         NULL},
        {"uri=http://h/a/b uri=http://h/a/bc uri=http://h/a/b/d", "uri=http://h/a/bcd", "target-uri: http://h/a/bcd"},
        {"uri=http://h/a uri=http://h/ab uri=http://h/aa/a", "uri=http://h/a/z", NULL},
        {"uri=http://h/a uri=http://h/a uri=http://h/a!", "uri=http://h/a/", NULL},
    };
    CHECK(cases);
}

static void test_uris_by_host(void **state)
{
    (void)state;
    static const struct authorization cases[] = {
        {"fqdn=www.example.com", "uri=https://WWW.example.com:8443/x", NULL},
        {"fqdn=*.example.com", "uri=https://www.example.com./x", NULL},
        {"fqdn=www.example.com", "uri=https://www.example.com@evil.example/",
         "target-uri: https://www.example.com@evil.example/"},
        {"192.0.2.0/24", "uri=https://192.0.2.1/", NULL},
        {"192.0.2.0/24", "uri=https://192.0.3.1/", "target-uri: https://192.0.3.1/"},
        {"2001:db8::/32", "uri=coaps://[2001:db8::1]:5684/", NULL},
        {"2001:db8::/32", "uri=coaps://[2001:db9::1]/", "target-uri: coaps://[2001:db9::1]/"},
        {"fqdn=192.0.2.1", "uri=https://192.0.2.1/", "target-uri: https://192.0.2.1/"},
        {"0.0.0.0/0 fqdn=*.example.com", "uri=https://www%2eexample.com/", "target-uri: https://www%2eexample.com/"},
    };
    CHECK(cases);
}

static void test_unresolved_alias_is_refused(void **state)
{
    (void)state;
    static const struct authorization cases[] = {
        {"0.0.0.0/0 ::/0 fqdn=web", "192.0.2.1 alias=web", "alias-name: web"},
    };
    CHECK(cases);
}

static struct wire_prefix random_prefix(uint8_t family, unsigned host_bits)
{
    struct wire_prefix prefix = {.family = family};
    unsigned end = family == 4 ? 32 : 128;
    prefix.addr[0] = 32;
    prefix.addr[end / 8 - 1] = (uint8_t)(random_below(256) & 0xffu << host_bits);
    prefix.length = (uint8_t)(end - host_bits);
    return prefix;
}

/* 256 addresses of each family, granted or not one by one: the model. */
static void test_random_unions_match_a_walk_of_addresses(void **state)
{
    (void)state;
    unsigned authorized = 0;
    for (unsigned round = 0; round < 3000; round++) {
        bool granted[2][256] = {{false}};
        struct wire_prefix prefixes[32];
        struct scope_grant grant = {.prefixes = prefixes, .prefix_count = random_below(32)};
        for (size_t i = 0; i < grant.prefix_count; i++) {
            unsigned bits = random_below(7);
            prefixes[i] = random_prefix(random_below(2) ? 4 : 6, bits);
            unsigned first = prefixes[i].addr[prefixes[i].family == 4 ? 3 : 15];
            memset(&granted[prefixes[i].family == 4][first], true, 1u << bits);
        }
        char buffer[SCOPE_REASON_MAX];
        unsigned bits = random_below(7);
        struct wire_prefix asked = random_prefix(random_below(2) ? 4 : 6, bits);
        unsigned first = asked.addr[asked.family == 4 ? 3 : 15];
        bool expected = memchr(&granted[asked.family == 4][first], false, 1u << bits) == NULL;
        struct wire_target target = {.prefixes = &asked, .prefix_count = 1};
        authorized += expected;
        assert_int_equal(scope_unauthorized(&target, &grant, buffer, sizeof buffer) == NULL, expected);
    }
    assert_in_range(authorized, 300, 2700);
}

static void test_thousands_against_thousands_asked_of_a_prepared_grant(void **state)
{
    (void)state;
    char buffer[SCOPE_REASON_MAX], name[64];
    struct wire_target *granted = target_of(""), *target = target_of("");
    for (unsigned i = 4096; i-- > 0;) {
        struct wire_prefix prefix = {{10, (uint8_t)(i >> 7), (uint8_t)(i << 1)}, 4, 24};
        target_add_prefix(granted, &prefix);
        prefix.length = 25;
        target_add_prefix(target, &prefix);
        snprintf(name, sizeof name, "*.h%u.example", i);
        target_add_string(&granted->fqdns, name);
        snprintf(name, sizeof name, "a.b.H%u.example.", i);
        target_add_string(&target->fqdns, name);
        snprintf(name, sizeof name, "https://u%u.example/x", i);
        target_add_string(&granted->uris, name);
        snprintf(name, sizeof name, "https://U%u.example/x/y", i);
        target_add_string(&target->uris, name);
    }
    struct scope_grant grant = grant_of(granted);
    struct scope_grant_prepared *prepared = scope_grant_prepare(&grant);
    assert_non_null(prepared);
    assert_null(scope_unauthorized_by(target, prepared, buffer, sizeof buffer));
    target->prefixes[2048].length = 23;
    assert_non_null(scope_unauthorized_by(target, prepared, buffer, sizeof buffer));
    scope_grant_release(prepared);
    scope_grant_release(NULL);
}

static void test_out_of_memory_refuses(void **state)
{
    (void)state;
    const struct wire_target *target = target_of("192.0.2.1 fqdn=a.example uri=https://b.example/");
    struct scope_grant grant = grant_of(target);
    size_t failures = 0;
    for (bool failed = true; failed; failures += failed) {
        char buffer[SCOPE_REASON_MAX];
        allocation_fail_after(failures);
        const char *reason = scope_unauthorized(target, &grant, buffer, sizeof buffer);
        failed = allocation_has_failed();
        assert_int_equal(reason != NULL, failed);
    }
    assert_int_equal(failures, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_1_prefixes_must_be_within_the_scope_of_the_client_domain, forget),
        cmocka_unit_test_teardown(test_granted_prefixes_count_together, forget),
        cmocka_unit_test_teardown(test_fqdns_by_name_and_by_wildcard, forget),
        cmocka_unit_test_teardown(test_uris_by_uri, forget),
        cmocka_unit_test_teardown(test_uris_by_the_shorter_of_nested_ones, forget),
        cmocka_unit_test_teardown(test_uris_by_host, forget),
        cmocka_unit_test_teardown(test_unresolved_alias_is_refused, forget),
        cmocka_unit_test_teardown(test_random_unions_match_a_walk_of_addresses, forget),
        cmocka_unit_test_teardown(test_thousands_against_thousands_asked_of_a_prepared_grant, forget),
        cmocka_unit_test_teardown(test_out_of_memory_refuses, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
