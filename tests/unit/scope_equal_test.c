/* Unit tests of copies of scopes and of their equality. */
/* links: aggregation */
/* wraps: malloc calloc realloc tsearch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/scope.h"
#include "tests/unit/failing_allocation.h"
#include "tests/unit/target_fixture.h"

#define MANY 3000

static int forget(void **state)
{
    (void)state;
    targets_forget();
    return 0;
}

static void assert_text(const struct wire_target *target, const char *expected)
{
    char *text = target_text(target);
    assert_string_equal(text, expected);
    free(text);
}

#define ALL_CLAUSES                                                                                          \
    " 198.51.100.0/24 192.0.2.1/32 2001:db8::/32 fqdn=WWW.example.com fqdn=a.example uri=https://b.example/" \
    " alias=web alias=db port=443-443 port=80-90 proto=17 proto=6"

static void test_rfc9132_4_4_2_copy_keeps_order_and_text_of_the_sender(void **state)
{
    (void)state;
    struct scope *scope = scope_new(target_of(ALL_CLAUSES));
    assert_non_null(scope);
    targets_forget();
    assert_text(&scope->target, ALL_CLAUSES);
    scope_unref(scope);
}

static void test_copy_of_nothing_is_empty(void **state)
{
    (void)state;
    struct scope *scope = scope_new(target_of(""));
    assert_non_null(scope);
    assert_text(&scope->target, "");
    assert_null(scope->target.prefixes);
    assert_null(scope->target.fqdns.at);
    scope_unref(scope);
}

static void test_references_keep_a_scope(void **state)
{
    (void)state;
    struct scope *scope = scope_new(target_of(ALL_CLAUSES));
    assert_ptr_equal(scope_ref(scope), scope);
    scope_unref(scope);
    assert_text(&scope->target, ALL_CLAUSES);
    scope_unref(scope);
    scope_unref(NULL);
}

static void test_copy_out_of_memory_is_null(void **state)
{
    (void)state;
    const struct wire_target *target = target_of(ALL_CLAUSES);
    allocation_fail_after(0);
    assert_null(scope_new(target));
    assert_true(allocation_has_failed());
}

/* Counts whose sum of sizes does not fit are refused before they are read. */
static void test_copy_of_impossible_counts_is_null(void **state)
{
    (void)state;
    struct wire_target target = {.prefix_count = SIZE_MAX / 2, .port_range_count = SIZE_MAX / 2};
    assert_null(scope_new(&target));
}

static void test_rfc9132_4_4_1_3_refresh_must_repeat_the_target_clauses(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1 192.0.2.2", "192.0.2.2 192.0.2.1", true},
        {"192.0.2.1 192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1 192.0.2.2", "192.0.2.1", false},
        {"192.0.2.1", "192.0.2.1 192.0.2.2", false},
        {"192.0.2.0/24", "192.0.2.0/25", false},
        {"192.0.2.0/25 192.0.2.128/25", "192.0.2.0/24", false},
        {"2001::/16", "32.1.0.0/16", false},
        {"192.0.2.1 port=80", "192.0.2.1 port=80-80", true},
        {"192.0.2.1 port=80-81", "192.0.2.1 port=80 port=81", false},
        {"192.0.2.1 port=80", "192.0.2.1", false},
        {"192.0.2.1 port=80 port=443", "192.0.2.1 port=443 port=80", true},
        {"192.0.2.1 proto=6 proto=17 proto=6", "192.0.2.1 proto=17 proto=6", true},
        {"192.0.2.1 proto=6", "192.0.2.1 proto=6 proto=17", false},
        {"192.0.2.1", "192.0.2.1 proto=0", false},
        {"192.0.2.1 proto=255", "192.0.2.1 proto=0", false},
        {"fqdn=WWW.Example.com", "fqdn=www.example.COM.", true},
        {"fqdn=www.example.com", "fqdn=www.example.co", false},
        {"fqdn=www.example.com", "alias=www.example.com", false},
        {"alias=web", "alias=Web", false},
        {"alias=web", "alias=web", true},
        {"uri=HTTPS://WWW.example.com/A", "uri=https://www.EXAMPLE.com/A", true},
        {"uri=https://www.example.com/A", "uri=https://www.example.com/a", false},
        {"uri=https://www.example.com?A", "uri=https://www.example.com?a", false},
        {"uri=https://User@www.example.com/", "uri=https://user@www.example.com/", false},
        {"uri=https://user@WWW.example.com/", "uri=https://user@www.example.com/", true},
        {"uri=https://www.example.com/", "uri=https://www.example.com", false},
        {"uri=https://www.example.com:443/", "uri=https://www.example.com/", false},
        {"uri=urn:A", "uri=URN:A", true},
        {"uri=urn:A", "uri=urn:a", false},
        {"", "", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct wire_target *a = target_of(cases[i].a), *b = target_of(cases[i].b);
        if (scope_equal(a, b) != cases[i].equal || scope_equal(b, a) != cases[i].equal)
            fail_msg("%s and %s: expected %d", cases[i].a, cases[i].b, cases[i].equal);
        targets_forget();
    }
}

/* MANY prefixes, names and port ranges; the second in reverse order and each twice. */
static struct wire_target *large(bool reversed)
{
    struct wire_target *target = target_of("");
    for (unsigned i = 0; i < (reversed ? 2 * MANY : MANY); i++) {
        unsigned n = reversed ? (2 * MANY - 1 - i) / 2 : i;
        struct wire_prefix prefix = {{10, 0, (uint8_t)(n >> 8), (uint8_t)n}, 4, 32};
        char name[64];
        target_add_prefix(target, &prefix);
        snprintf(name, sizeof name, reversed ? "HOST%u.example.com." : "host%u.example.com", n);
        target_add_string(&target->fqdns, name);
        target_add_ports(target, n, n);
    }
    return target;
}

static void test_large_scopes_compare_by_value(void **state)
{
    (void)state;
    struct wire_target *a = large(false), *b = large(true);
    assert_true(scope_equal(a, b));
    assert_true(scope_equal(b, a));
    uint8_t *changed = &b->prefixes[MANY].addr[1];
    *changed = 1;
    assert_false(scope_equal(a, b));
    *changed = 0;
    a->fqdns.count--;
    assert_false(scope_equal(a, b));
    assert_false(scope_equal(b, a));
    a->fqdns.count++;
}

/* Each list is sorted by itself; one that cannot be is compared pair by pair. */
static void test_large_scopes_compare_without_memory_too(void **state)
{
    (void)state;
    struct wire_target *a = large(false), *b = large(true);
    size_t failures = 0;
    for (bool failed = true; failed; failures += failed) {
        allocation_fail_after(failures);
        bool equal = scope_equal(a, b);
        failed = allocation_has_failed();
        assert_true(equal);
    }
    assert_int_equal(failures, 3);
    a->prefixes[MANY / 2].addr[1] = 1;
    allocation_fail_after(0);
    assert_false(scope_equal(a, b));
    assert_true(allocation_has_failed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rfc9132_4_4_2_copy_keeps_order_and_text_of_the_sender, forget),
        cmocka_unit_test_teardown(test_copy_of_nothing_is_empty, forget),
        cmocka_unit_test_teardown(test_references_keep_a_scope, forget),
        cmocka_unit_test_teardown(test_copy_out_of_memory_is_null, forget),
        cmocka_unit_test_teardown(test_copy_of_impossible_counts_is_null, forget),
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_3_refresh_must_repeat_the_target_clauses, forget),
        cmocka_unit_test_teardown(test_large_scopes_compare_by_value, forget),
        cmocka_unit_test_teardown(test_large_scopes_compare_without_memory_too, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
