/* Unit tests of aggregation/deadline: order, moves, cancels, and that a failed growth changes nothing. */
/* links: aggregation */
/* wraps: malloc calloc realloc tsearch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "aggregation/deadline.h"
#include "tests/unit/failing_allocation.h"
#include "tests/unit/seeded_random.h"

#define MANY 2000

static int heap_setup(void **state)
{
    *state = deadline_heap_new();
    return *state ? 0 : -1;
}

static int heap_teardown(void **state)
{
    deadline_heap_free(*state);
    return 0;
}

static void test_empty_heap_has_nothing_due(void **state)
{
    assert_int_equal(deadline_next(*state), -1);
    assert_null(deadline_pop_due(*state, INT64_MAX));
    struct deadline idle = {0};
    deadline_cancel(*state, &idle);
    assert_int_equal(deadline_next(*state), -1);
}

static void test_due_ones_come_in_order_and_not_before_their_time(void **state)
{
    struct deadline a = {0}, b = {0}, c = {0};
    assert_int_equal(deadline_set(*state, &b, 20), 0);
    assert_int_equal(deadline_set(*state, &c, 30), 0);
    assert_int_equal(deadline_set(*state, &a, 10), 0);
    assert_int_equal(deadline_next(*state), 10);
    assert_null(deadline_pop_due(*state, 9));
    assert_ptr_equal(deadline_pop_due(*state, 20), &a);
    assert_int_equal(a.position, 0);
    assert_ptr_equal(deadline_pop_due(*state, 20), &b);
    assert_null(deadline_pop_due(*state, 20));
    assert_int_equal(deadline_next(*state), 30);
}

static void test_set_again_moves_both_ways(void **state)
{
    struct deadline a = {0}, b = {0};
    deadline_set(*state, &a, 10);
    deadline_set(*state, &b, 20);
    deadline_set(*state, &a, 30);
    assert_int_equal(deadline_next(*state), 20);
    deadline_set(*state, &a, 5);
    assert_ptr_equal(deadline_pop_due(*state, 100), &a);
    assert_ptr_equal(deadline_pop_due(*state, 100), &b);
    assert_null(deadline_pop_due(*state, 100));
}

static void test_negative_time_is_due_at_once(void **state)
{
    struct deadline a = {0};
    deadline_set(*state, &a, INT64_MIN);
    assert_int_equal(deadline_next(*state), 0);
    assert_ptr_equal(deadline_pop_due(*state, 0), &a);
}

static void test_cancel_takes_out_only_that_one(void **state)
{
    struct deadline a = {0}, b = {0}, c = {0};
    deadline_set(*state, &a, 10);
    deadline_set(*state, &b, 20);
    deadline_set(*state, &c, 30);
    deadline_cancel(*state, &a);
    deadline_cancel(*state, &a);
    deadline_cancel(*state, &c);
    assert_ptr_equal(deadline_pop_due(*state, 100), &b);
    assert_null(deadline_pop_due(*state, 100));
}

/* A table of plain times is the model; next must always be its minimum. */
static void test_random_history_matches_a_plain_table(void **state)
{
    static struct deadline entries[MANY];
    static int64_t model[MANY];
    for (size_t i = 0; i < MANY; i++) {
        entries[i] = (struct deadline){0};
        model[i] = -1;
    }
    for (size_t step = 0; step < 20000; step++) {
        size_t i = random_below(MANY);
        if (random_below(4) == 0) {
            deadline_cancel(*state, &entries[i]);
            model[i] = -1;
        } else {
            model[i] = random_below(5000);
            assert_int_equal(deadline_set(*state, &entries[i], model[i]), 0);
        }
        if (step % 100 != 0)
            continue;
        int64_t least = -1;
        for (size_t j = 0; j < MANY; j++) {
            if (model[j] >= 0 && (least < 0 || model[j] < least))
                least = model[j];
        }
        assert_int_equal(deadline_next(*state), least);
    }
    int64_t before = -1;
    for (struct deadline *due; (due = deadline_pop_due(*state, INT64_MAX)) != NULL; before = due->at_ms) {
        assert_true(due->at_ms >= before);
        assert_int_equal(due->at_ms, model[due - entries]);
        model[due - entries] = -1;
    }
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(model[i], -1);
}

static void test_out_of_memory_leaves_the_entry_unchanged(void **state)
{
    static struct deadline entries[MANY];
    size_t failures = 0;
    for (size_t i = 0; i < MANY; i++) {
        entries[i] = (struct deadline){0};
        allocation_fail_after(0);
        int result = deadline_set(*state, &entries[i], (int64_t)(MANY - i));
        bool failed = allocation_has_failed();
        assert_int_equal(result, failed ? -1 : 0);
        if (failed) {
            failures++;
            assert_int_equal(entries[i].position, 0);
            assert_int_equal(entries[i].at_ms, 0);
            assert_int_equal(deadline_set(*state, &entries[i], (int64_t)(MANY - i)), 0);
        }
        assert_int_equal(deadline_next(*state), MANY - i);
        /* A move takes no memory. */
        allocation_fail_after(0);
        assert_int_equal(deadline_set(*state, &entries[i], (int64_t)(MANY - i)), 0);
        assert_false(allocation_has_failed());
    }
    assert_true(failures > 0);
    for (size_t i = MANY; i-- > 0;)
        assert_ptr_equal(deadline_pop_due(*state, INT64_MAX), &entries[i]);
    allocation_fail_after(0);
    assert_null(deadline_heap_new());
    assert_true(allocation_has_failed());
    deadline_heap_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty_heap_has_nothing_due, heap_setup, heap_teardown),
        cmocka_unit_test_setup_teardown(test_due_ones_come_in_order_and_not_before_their_time, heap_setup,
                                        heap_teardown),
        cmocka_unit_test_setup_teardown(test_set_again_moves_both_ways, heap_setup, heap_teardown),
        cmocka_unit_test_setup_teardown(test_negative_time_is_due_at_once, heap_setup, heap_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_takes_out_only_that_one, heap_setup, heap_teardown),
        cmocka_unit_test_setup_teardown(test_random_history_matches_a_plain_table, heap_setup, heap_teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory_leaves_the_entry_unchanged, heap_setup, heap_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
