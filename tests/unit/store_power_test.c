/*
 * A power failure, unlike SIGKILL, also takes what the kernel had not written. After every one the
 * store holds each batch that it reported, and no part of another.
 */
/* links: store */
#include "tests/unit/store_disk.h"

#define BATCHES 1500u
#define IN_FLIGHT 16u

/* Opens what a new start would find, in a directory of its own and on a disk that works. */
static void check_after(struct fixture *after, uint64_t reported)
{
    struct history *history = calloc(1, sizeof *history);
    assert_non_null(history);
    disk.keeps_images = false;
    fixture_open(after);
    history_assert(history, after->store, reported);
    fixture_close(after);
    disk.keeps_images = true;
    free(history);
}

static void test_every_reported_batch_survives_a_power_failure(void **state)
{
    struct fixture *fixture = *state, *after;
    assert_int_equal(fixture_setup((void **)&after), 0);
    disk.keeps_images = true;
    fixture_open(fixture);
    unsigned cuts = 0;
    for (uint64_t batch = 1; batch <= BATCHES; batch++) {
        uint64_t sequence = history_submit(fixture->store, batch);
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
        while (sequence - store_committed(fixture->store) > mix(batch) % IN_FLIGHT)
            uv_run(&fixture->loop, UV_RUN_ONCE);
        if (mix(~batch) % 12 != 0)
            continue;
        uint64_t reported = store_committed(fixture->store);
        disk_cut(after->directory, mix(batch));
        check_after(after, reported);
        cuts++;
    }
    assert_true(cuts > BATCHES / 24);
    fixture_close(fixture);
    disk_forget();
    assert_int_equal(fixture_teardown((void **)&after), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_reported_batch_survives_a_power_failure, fixture_setup,
                                        fixture_teardown),
    };
    disk_register();
    return fixture_run(tests, sizeof tests / sizeof *tests);
}
