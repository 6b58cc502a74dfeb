/* Unit tests of the overlap index: who is reported, how often, and what a failed add leaves behind. */
/* links: aggregation */
/* wraps: malloc calloc realloc tsearch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/overlap.h"
#include "tests/unit/failing_allocation.h"
#include "tests/unit/target_fixture.h"

#define OWNERS 26

/* Owners are letters; the scope of one lives as long as the fixture. */
struct fixture {
    struct overlap_index *index;
    struct scope *scopes[OWNERS];
    char owners[OWNERS];
};

static int index_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    if (fixture)
        fixture->index = overlap_index_new();
    return fixture && fixture->index ? 0 : -1;
}

static int index_teardown(void **state)
{
    struct fixture *fixture = *state;
    overlap_index_free(fixture->index);
    for (size_t i = 0; i < OWNERS; i++)
        scope_unref(fixture->scopes[i]);
    free(fixture);
    targets_forget();
    return 0;
}

static int add(struct fixture *fixture, char owner, const char *target)
{
    size_t i = (size_t)(owner - 'a');
    if (!fixture->scopes[i])
        fixture->scopes[i] = scope_new(target_of(target));
    return overlap_index_add(fixture->index, fixture->scopes[i], &fixture->owners[i]);
}

static void take_out(struct fixture *fixture, char owner)
{
    size_t i = (size_t)(owner - 'a');
    overlap_index_remove(fixture->index, fixture->scopes[i], &fixture->owners[i]);
    scope_unref(fixture->scopes[i]);
    fixture->scopes[i] = NULL;
}

struct found {
    const struct fixture *fixture;
    unsigned times[OWNERS];
    unsigned until; /* the hit that ends the query; 0: none */
};

static int hit(void *arg, void *owner)
{
    struct found *found = arg;
    found->times[(char *)owner - found->fixture->owners]++;
    return found->until > 0 && --found->until == 0 ? 77 : 0;
}

/* expected: letters in order. */
static void assert_found(struct fixture *fixture, const char *target, const char *expected)
{
    struct found found = {.fixture = fixture};
    char letters[OWNERS + 1] = "";
    assert_int_equal(overlap_index_query(fixture->index, target_of(target), hit, &found), 0);
    for (size_t i = 0, length = 0; i < OWNERS; i++) {
        assert_in_range(found.times[i], 0, 1);
        if (found.times[i] > 0)
            letters[length++] = (char)('a' + i);
    }
    if (strcmp(letters, expected) != 0)
        fail_msg("%s: %s instead of %s", target, letters, expected);
}

static void test_rfc9132_4_4_1_3_overlapping_ones_are_found(void **state)
{
    add(*state, 'a', "10.0.0.0/8 port=80 proto=6");
    add(*state, 'b', "10.1.1.1 192.0.2.0/24");
    add(*state, 'c', "2001:db8::/32");
    add(*state, 'd', "fqdn=www.example.com alias=web");
    add(*state, 'e', "uri=https://www.example.com/ 2001:db8:1::/48");
    add(*state, 'f', "0.0.0.0/0");
    assert_int_equal(overlap_index_size(((struct fixture *)*state)->index), 6);
    assert_found(*state, "10.1.0.0/16 port=443 proto=17", "abf");
    assert_found(*state, "10.2.0.0/16", "af");
    assert_found(*state, "192.0.2.1", "bf");
    assert_found(*state, "2001:db8:1::1", "ce");
    assert_found(*state, "2001:db8:2::1", "c");
    assert_found(*state, "::/0", "ce");
    assert_found(*state, "0.0.0.0/0", "abf");
    assert_found(*state, "fqdn=WWW.example.com.", "d");
    assert_found(*state, "alias=web", "d");
    assert_found(*state, "alias=www.example.com", "");
    assert_found(*state, "uri=HTTPS://www.example.com/", "e");
    assert_found(*state, "fqdn=www.example.com uri=https://www.example.com/ ::/0 0.0.0.0/0", "abcdef");
    assert_found(*state, "", "");
    assert_found(*state, "port=80 proto=6", "");
}

static void test_an_owner_is_reported_once_for_many_common_targets(void **state)
{
    add(*state, 'a', "10.0.0.0/8 10.1.0.0/16 10.1.1.1 10.1.1.1 192.0.2.1 fqdn=x fqdn=X. alias=x uri=u:x");
    assert_found(*state, "10.1.1.1 10.0.0.0/7 192.0.2.0/24 10.1.1.1 fqdn=x fqdn=x alias=x uri=u:x", "a");
    assert_found(*state, "10.1.1.1 10.0.0.0/7 192.0.2.0/24 10.1.1.1 fqdn=x fqdn=x alias=x uri=u:x", "a");
}

static void test_removal_takes_out_one_and_leaves_the_rest(void **state)
{
    add(*state, 'a', "10.0.0.0/8 10.0.0.0/8 fqdn=x uri=u:x alias=x 2001:db8::/32");
    add(*state, 'b', "10.0.0.0/8 fqdn=X uri=U:x alias=x 2001:db8::/32");
    add(*state, 'c', "");
    take_out(*state, 'a');
    assert_found(*state, "10.1.1.1 fqdn=x", "b");
    assert_found(*state, "uri=u:x", "b");
    assert_found(*state, "alias=x", "b");
    assert_found(*state, "2001:db8::1", "b");
    add(*state, 'a', "10.1.1.1");
    assert_found(*state, "10.1.0.0/16", "ab");
    take_out(*state, 'b');
    take_out(*state, 'c');
    assert_found(*state, "0.0.0.0/0 ::/0 fqdn=x uri=u:x alias=x", "a");
    assert_int_equal(overlap_index_size(((struct fixture *)*state)->index), 1);
    take_out(*state, 'a');
    take_out(*state, 'a');
    assert_found(*state, "0.0.0.0/0 ::/0 fqdn=x uri=u:x alias=x", "");
    assert_int_equal(overlap_index_size(((struct fixture *)*state)->index), 0);
}

static void test_an_owner_is_added_once(void **state)
{
    assert_int_equal(add(*state, 'a', "10.0.0.0/8"), 0);
    assert_int_equal(add(*state, 'a', "10.0.0.0/8"), -1);
    assert_int_equal(overlap_index_size(((struct fixture *)*state)->index), 1);
    assert_found(*state, "10.0.0.0/8", "a");
}

static void test_a_hit_can_end_the_query(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, 'a', "10.0.0.0/8 fqdn=x");
    add(fixture, 'b', "10.1.0.0/16 fqdn=x");
    add(fixture, 'c', "10.1.1.0/24 10.1.2.0/24");
    for (unsigned until = 1; until <= 3; until++) {
        struct found found = {.fixture = fixture, .until = until};
        assert_int_equal(overlap_index_query(fixture->index, target_of("10.1.0.0/16 fqdn=x"), hit, &found), 77);
        assert_int_equal(found.times[0] + found.times[1] + found.times[2], until);
    }
    assert_found(fixture, "10.1.0.0/16 fqdn=x", "abc");
}

#define EVERYTHING "10.0.0.0/8 10.1.0.0/16 10.2.0.0/16 2001:db8::/32 fqdn=x fqdn=y uri=u:x alias=x"

static void test_out_of_memory_adds_nothing(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, 'a', "10.1.0.0/17 fqdn=x");
    fixture->scopes[1] = scope_new(target_of(EVERYTHING));
    size_t failures = 0;
    for (;; failures++) {
        allocation_fail_after(failures);
        int result = add(fixture, 'b', EVERYTHING);
        if (!allocation_has_failed()) {
            assert_int_equal(result, 0);
            break;
        }
        assert_int_equal(result, -1);
        assert_int_equal(overlap_index_size(fixture->index), 1);
        assert_found(fixture, EVERYTHING, "a");
    }
    /* Entry, owner, 10/8, 10.1/16, 10.2/16 and its fork, 2001:db8::/32, and two for each of three new names. */
    assert_int_equal(failures, 2 + 3 + 1 + 1 + 2 * 3);
    assert_found(fixture, EVERYTHING, "ab");
    allocation_fail_after(0);
    assert_null(overlap_index_new());
    assert_true(allocation_has_failed());
    overlap_index_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, index_setup, index_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rfc9132_4_4_1_3_overlapping_ones_are_found),
        TEST(test_an_owner_is_reported_once_for_many_common_targets),
        TEST(test_removal_takes_out_one_and_leaves_the_rest),
        TEST(test_an_owner_is_added_once),
        TEST(test_a_hit_can_end_the_query),
        TEST(test_out_of_memory_adds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
