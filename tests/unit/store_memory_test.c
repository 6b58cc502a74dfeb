/* The store when memory runs out: a change is refused whole, opening is refused with a sentence. */
/* links: store */
/* wraps: malloc calloc realloc tsearch */
#include "tests/unit/store_fixture.h"
#include "tests/unit/failing_allocation.h"

#include <errno.h>

static int count_whole(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length)
{
    (void)key, (void)value;
    assert_int_equal(key_length, 2);
    assert_int_equal(value_length, 3000);
    ++*(unsigned *)arg;
    return 0;
}

static void test_a_refused_change_leaves_the_batch_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t value[3000];
    unsigned refused = 0;
    fixture_open(fixture);
    for (unsigned i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "%02u", i);
        allocation_fail_after(0);
        int result = store_put(fixture->store, STORE_META, key, 2, value, sizeof value);
        bool failed = allocation_has_failed();
        assert_int_equal(result, failed ? -ENOMEM : 0);
        refused += failed;
        if (failed)
            assert_int_equal(store_put(fixture->store, STORE_META, key, 2, value, sizeof value), 0);
    }
    assert_in_range(refused, 2, 39);
    fixture_commit(fixture);
    unsigned count = 0;
    assert_int_equal(store_load(fixture->store, STORE_META, count_whole, &count), 0);
    assert_int_equal(count, 40);
}

static void test_opening_is_refused_with_a_sentence(void **state)
{
    struct fixture *fixture = *state;
    unsigned refused = 0;
    for (size_t count = 0;; count++) {
        allocation_fail_after(count);
        bool opened = fixture_try_open(fixture);
        if (!allocation_has_failed()) {
            assert_true(opened);
            break;
        }
        if (opened) {
            fixture_close(fixture);
            continue;
        }
        assert_non_null(strstr(fixture->error, "memory"));
        assert_non_null(strstr(fixture->error, fixture->directory));
        refused++;
    }
    assert_true(refused >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_refused_change_leaves_the_batch_as_it_was, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_opening_is_refused_with_a_sentence, fixture_setup, fixture_teardown),
    };
    return fixture_run(tests, sizeof tests / sizeof *tests);
}
