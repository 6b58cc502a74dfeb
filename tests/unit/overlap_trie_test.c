/* Unit tests of the trie under the overlap index: its shape after removals, and that a query walks nothing twice. */
/* links: aggregation */
/* wraps: malloc calloc realloc tsearch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/overlap_names.h"
#include "aggregation/overlap_trie.h"
#include "tests/unit/failing_allocation.h"
#include "tests/unit/seeded_random.h"
#include "tests/unit/target_fixture.h"

#define MANY 2000

static int forget(void **state)
{
    (void)state;
    targets_forget();
    return 0;
}

struct counter {
    struct overlap_visit visit; /* first */
    size_t visited;
};

static int count(struct overlap_visit *visit, struct attachment *attachment)
{
    (void)attachment;
    ((struct counter *)visit)->visited++;
    return 0;
}

static void attach(struct trie_node **root, struct attachment *attachment, const struct wire_prefix *prefix)
{
    struct overlap_place *place = overlap_trie_place(root, prefix);
    assert_non_null(place);
    overlap_attach(place, attachment, NULL);
}

static void detach(struct trie_node **root, struct attachment *attachment)
{
    struct overlap_place *place = attachment->place;
    overlap_detach(attachment);
    overlap_trie_prune(root, place);
}

static size_t visited(struct trie_node *root, const char *text, uint64_t turn)
{
    const struct wire_target *query = target_of(text);
    struct counter counter = {{turn, count}, 0};
    for (size_t i = 0; i < query->prefix_count; i++)
        assert_int_equal(overlap_trie_visit(root, &query->prefixes[i], &counter.visit), 0);
    return counter.visited;
}

static void test_what_contains_or_lies_inside_is_visited(void **state)
{
    (void)state;
    struct trie_node *root = NULL;
    struct attachment attachments[8];
    const struct wire_target *target =
        target_of("10.0.0.0/8 10.1.0.0/16 10.1.1.0/24 10.1.1.1/32 10.1.1.1/32 10.2.0.0/16 11.0.0.0/8 0.0.0.0/0");
    for (size_t i = 0; i < target->prefix_count; i++)
        attach(&root, &attachments[i], &target->prefixes[i]);
    assert_int_equal(visited(root, "10.1.0.0/16", 1), 6);
    assert_int_equal(visited(root, "10.1.1.1/32", 2), 6);
    assert_int_equal(visited(root, "10.1.1.2/32", 3), 4);
    assert_int_equal(visited(root, "10.3.0.0/16", 4), 2);
    assert_int_equal(visited(root, "10.0.0.0/7", 5), 8);
    assert_int_equal(visited(root, "12.0.0.0/8", 6), 1);
    assert_int_equal(visited(root, "0.0.0.0/0", 7), 8);
    assert_int_equal(visited(NULL, "0.0.0.0/0", 8), 0);
    overlap_trie_free(root);
}

/* Else a query of 4096 prefixes would walk a large branch 4096 times. */
static void test_a_query_walks_nothing_twice(void **state)
{
    (void)state;
    static struct attachment attachments[MANY + 1];
    struct trie_node *root = NULL;
    struct wire_prefix wide = {{10}, 4, 8};
    for (unsigned i = 0; i < MANY; i++) {
        struct wire_prefix prefix = {{10, 0, (uint8_t)(i >> 8), (uint8_t)i}, 4, 32};
        attach(&root, &attachments[i], &prefix);
    }
    attach(&root, &attachments[MANY], &wide);
    assert_int_equal(visited(root, "10.0.0.0/8 10.0.0.0/8 10.0.0.0/16 10.0.0.1", 1), MANY + 1);
    assert_int_equal(visited(root, "10.0.0.1 10.0.0.0/16 10.0.0.0/9 10.0.0.0/8", 2), MANY + 1);
    assert_int_equal(visited(root, "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.1", 3), 4);
    assert_int_equal(visited(root, "10.0.0.0/31 10.0.0.0/30 10.0.0.0/29 10.0.0.4/30", 4), 9);
    overlap_trie_free(root);
}

/* Not only are places skipped: the branches are not entered. Seen by what came into one meanwhile. */
static void test_a_query_does_not_enter_a_branch_twice(void **state)
{
    (void)state;
    struct attachment attachments[5];
    struct trie_node *root = NULL;
    const struct wire_target *target = target_of("10.0.0.0/8 10.1.0.0/16 10.1.1.0/24 11.0.0.0/8 10.1.1.1/32");
    for (size_t i = 0; i < 4; i++)
        attach(&root, &attachments[i], &target->prefixes[i]);
    assert_int_equal(visited(root, "10.0.0.0/8", 1), 3);
    attach(&root, &attachments[4], &target->prefixes[4]);
    assert_int_equal(visited(root, "10.0.0.0/8", 1), 0);
    assert_int_equal(visited(root, "10.1.1.1/32", 1), 0);
    assert_int_equal(visited(root, "10.1.0.0/16", 1), 0);
    assert_int_equal(visited(root, "10.0.0.0/7", 1), 1);
    assert_int_equal(visited(root, "10.0.0.0/7", 2), 5);
    overlap_trie_free(root);
}

static struct wire_prefix random_prefix(uint8_t family)
{
    struct wire_prefix prefix = {.family = family};
    unsigned bytes = family == 4 ? 4 : 16;
    prefix.length = (uint8_t)random_below(8 * bytes + 1);
    /* Sparse bits, so that prefixes often share a beginning of any length. */
    for (unsigned bit = 0; bit < prefix.length; bit++) {
        if (random_below(8) == 0)
            prefix.addr[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    return prefix;
}

static void check_removals_leave_nothing(uint8_t family)
{
    static struct attachment attachments[MANY];
    static bool attached[MANY];
    struct trie_node *root = NULL;
    size_t total = 0;
    for (uint64_t step = 1; step < 20000; step++) {
        size_t i = random_below(MANY);
        if (attached[i]) {
            detach(&root, &attachments[i]);
        } else {
            struct wire_prefix prefix = random_prefix(family);
            attach(&root, &attachments[i], &prefix);
        }
        attached[i] = !attached[i];
        total = attached[i] ? total + 1 : total - 1;
        if (step % 500 == 0)
            assert_int_equal(visited(root, family == 4 ? "0.0.0.0/0" : "::/0", step), total);
        targets_forget();
    }
    for (size_t i = 0; i < MANY; i++) {
        if (attached[i])
            detach(&root, &attachments[i]);
        attached[i] = false;
    }
    assert_null(root);
}

static void test_removals_in_any_order_leave_nothing(void **state)
{
    (void)state;
    check_removals_leave_nothing(4);
    check_removals_leave_nothing(6);
}

static void test_out_of_memory_leaves_the_trie_as_it_was(void **state)
{
    (void)state;
    const struct wire_target *target =
        target_of("10.0.0.0/8 10.1.0.0/16 10.2.0.0/16 10.1.1.0/24 10.0.0.0/15 2.0.0.0/7");
    struct attachment attachments[6];
    struct trie_node *root = NULL;
    size_t failures = 0;
    for (size_t i = 0; i < target->prefix_count; i++) {
        for (size_t failing = 0;; failing++) {
            allocation_fail_after(failing);
            struct overlap_place *place = overlap_trie_place(&root, &target->prefixes[i]);
            if (!allocation_has_failed()) {
                assert_non_null(place);
                overlap_attach(place, &attachments[i], NULL);
                break;
            }
            failures++;
            assert_null(place);
            assert_int_equal(visited(root, "0.0.0.0/0", failures), i);
        }
    }
    /* One node each, and where 10.1 parts from 10.2 and 10 from 2 one more; 10.0/15 finds its own on an edge. */
    assert_int_equal(failures, 6 + 2);
    for (size_t i = 0; i < target->prefix_count; i++)
        detach(&root, &attachments[i]);
    assert_null(root);
}

static void test_names_of_a_kind_meet_and_leave(void **state)
{
    (void)state;
    void *root = NULL;
    struct attachment attachments[3];
    struct overlap_place *web = overlap_names_place(&root, OVERLAP_FQDN, "www.example.com");
    overlap_attach(web, &attachments[0], NULL);
    assert_ptr_equal(overlap_names_place(&root, OVERLAP_FQDN, "WWW.EXAMPLE.COM."), web);
    struct overlap_place *alias = overlap_names_place(&root, OVERLAP_ALIAS, "www.example.com");
    assert_ptr_not_equal(alias, web);
    overlap_attach(alias, &attachments[1], NULL);
    struct overlap_place *other = overlap_names_place(&root, OVERLAP_ALIAS, "WWW.example.com");
    assert_ptr_not_equal(other, alias);
    overlap_attach(other, &attachments[2], NULL);
    struct counter counter = {{1, count}, 0};
    assert_int_equal(overlap_names_visit(&root, OVERLAP_FQDN, "www.example.com", &counter.visit), 0);
    assert_int_equal(overlap_names_visit(&root, OVERLAP_FQDN, "www.EXAMPLE.com", &counter.visit), 0);
    assert_int_equal(overlap_names_visit(&root, OVERLAP_URI, "www.example.com", &counter.visit), 0);
    assert_int_equal(counter.visited, 1);
    for (size_t i = 0; i < 3; i++) {
        struct overlap_place *place = attachments[i].place;
        overlap_names_prune(&root, place); /* not while something is attached */
        overlap_detach(&attachments[i]);
        overlap_names_prune(&root, place);
    }
    assert_null(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_what_contains_or_lies_inside_is_visited, forget),
        cmocka_unit_test_teardown(test_a_query_walks_nothing_twice, forget),
        cmocka_unit_test_teardown(test_a_query_does_not_enter_a_branch_twice, forget),
        cmocka_unit_test_teardown(test_removals_in_any_order_leave_nothing, forget),
        cmocka_unit_test_teardown(test_out_of_memory_leaves_the_trie_as_it_was, forget),
        cmocka_unit_test_teardown(test_names_of_a_kind_meet_and_leave, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
