/* A disk that fails: nothing is reported before it is written, nothing is lost, and it recovers. */
/* links: store */
#include "tests/unit/store_disk.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "gateway/store/retry.h"

#define ALL 1000000u

static void wait_for_failing(struct fixture *fixture, bool failing)
{
    while (!store_failing(fixture->store) == failing) {
        uv_run(&fixture->loop, UV_RUN_NOWAIT); /* what was submitted goes to the writer when a turn ends */
        uv_sleep(1);
    }
}

static void test_failing_is_said_once_and_recovered_from(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    store_retry_every(fixture->store, 1);
    put_text(fixture->store, STORE_META, "before", "1");
    fixture_commit(fixture);
    disk_fail(1, ALL, SQLITE_FULL);
    put_text(fixture->store, STORE_META, "during", "1");
    store_submit(fixture->store);
    wait_for_failing(fixture, true);
    put_text(fixture->store, STORE_META, "during", "2");
    delete_text(fixture->store, STORE_META, "before");
    store_submit(fixture->store);
    while (disk_operations() < 20) /* tried again and again */
        uv_sleep(1);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    assert_int_equal(fixture->told, 1);
    assert_int_equal(store_committed(fixture->store), 1);
    assert_true(store_queued(fixture->store) > 0);
    assert_int_equal(log_count("store-failing"), 1);
    assert_int_equal(log_count("disk is full; free space on that file system"), 1);
    assert_int_equal(log_count(fixture->directory), 1);
    disk_fail(0, 0, SQLITE_OK);
    fixture_commit(fixture);
    assert_int_equal(fixture->told, 3);
    assert_false(store_failing(fixture->store));
    assert_int_equal(store_queued(fixture->store), 0);
    assert_int_equal(log_count("store-recovered"), 1);
    assert_table(fixture->store, STORE_META, "during=2 ");
    fixture_reopen(fixture);
    assert_table(fixture->store, STORE_META, "during=2 ");
}

static void run_history(struct fixture *fixture, uint64_t batches)
{
    struct history *history = calloc(1, sizeof *history);
    assert_non_null(history);
    store_retry_every(fixture->store, 1);
    for (uint64_t batch = 1; batch <= batches; batch++) {
        history_submit(fixture->store, batch);
        if (batch % 3 == 0)
            fixture_commit(fixture);
    }
    fixture_commit(fixture);
    history_assert(history, fixture->store, batches);
    fixture_close(fixture);
    fixture_open(fixture);
    history_assert(history, fixture->store, batches);
    fixture_close(fixture);
    free(history);
}

static void empty_directory(const struct fixture *fixture)
{
    static const char *const names[] = {"lock", "state.db", "state.db-wal", "state.db-journal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        fixture_path(fixture, names[i], path);
        unlink(path);
    }
}

/* Lets operations first .. first + count - 1 of the life of a store fail; false when it has fewer. */
static bool survive(struct fixture *fixture, unsigned first, unsigned count, int code, uint64_t batches)
{
    disk_fail(first, count, code);
    if (!fixture_try_open(fixture)) {
        assert_true(fixture->error[0]);
        disk_fail(0, 0, SQLITE_OK);
        fixture_open(fixture);
    }
    run_history(fixture, batches);
    bool failed = disk_operations() >= first;
    disk_fail(0, 0, SQLITE_OK);
    empty_directory(fixture);
    return failed;
}

static void test_any_single_operation_may_fail(void **state)
{
    struct fixture *fixture = *state;
    unsigned first = 1;
    while (survive(fixture, first, 1, first % 2 ? SQLITE_IOERR_WRITE : SQLITE_FULL, 12))
        first++;
    assert_true(first > 30);
}

static void test_a_few_operations_in_a_row_may_fail(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned first = 1; survive(fixture, first, 7, SQLITE_IOERR_FSYNC, 12); first += 3)
        ;
}

/* Long enough for checkpoints, which may fail too. */
static void test_checkpoints_may_fail(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned round = 0; round < 12; round++)
        survive(fixture, 1 + (unsigned)(mix(round) % 5000), 1 + round % 5 * 10, SQLITE_IOERR_WRITE, 400);
}

static void test_memory_may_run_out(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t value[STORE_VALUE_MAX];
    fixture_open(fixture);
    store_retry_every(fixture->store, 1);
    put_text(fixture->store, STORE_META, "k", "1");
    fixture_commit(fixture);
    sqlite3_hard_heap_limit64(sqlite3_memory_used() + 1024);
    assert_int_equal(store_put(fixture->store, STORE_META, "large", 5, value, sizeof value), 0);
    store_submit(fixture->store);
    wait_for_failing(fixture, true);
    assert_int_equal(log_count("out of memory"), 2); /* what happened, what to do */
    sqlite3_hard_heap_limit64(0);
    fixture_commit(fixture);
    assert_false(store_failing(fixture->store));
}

/* The real thing: the kernel refuses to let files grow. */
static void test_file_size_limit(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before, small = {65536, RLIM_INFINITY};
    static uint8_t value[STORE_VALUE_MAX];
    signal(SIGXFSZ, SIG_IGN);
    fixture_open(fixture);
    store_retry_every(fixture->store, 1);
    put_text(fixture->store, STORE_META, "k", "1");
    fixture_commit(fixture);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(store_put(fixture->store, STORE_META, "large", 5, value, sizeof value), 0);
    store_submit(fixture->store);
    wait_for_failing(fixture, true);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(log_count("File too large"), 1);
    fixture_commit(fixture);
    assert_int_equal(fixture->told, 2);
    assert_int_equal(store_delete(fixture->store, STORE_META, "large", 5), 0);
    fixture_commit(fixture);
    assert_table(fixture->store, STORE_META, "k=1 ");
}

static void test_closing_gives_up_on_a_dead_disk(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    store_retry_every(fixture->store, 1);
    put_text(fixture->store, STORE_META, "k", "1");
    fixture_commit(fixture);
    disk_fail(1, ALL, SQLITE_IOERR_FSYNC);
    put_text(fixture->store, STORE_META, "k", "2");
    store_submit(fixture->store);
    put_text(fixture->store, STORE_META, "k", "3");
    store_submit(fixture->store);
    fixture_close(fixture);
    disk_fail(0, 0, SQLITE_OK);
    assert_int_equal(fixture->told, 1);
    assert_int_equal(log_count("store-lost: 2 batches"), 1);
    fixture_open(fixture);
    assert_table(fixture->store, STORE_META, "k=1 ");
}

static void test_closing_waits_for_a_disk_that_comes_back(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    store_retry_every(fixture->store, 1);
    disk_fail(1, 3, SQLITE_FULL);
    put_text(fixture->store, STORE_META, "k", "1");
    store_submit(fixture->store);
    fixture_close(fixture);
    assert_true(disk_operations() > 3);
    assert_int_equal(log_count("store-lost"), 0);
    fixture_open(fixture);
    assert_table(fixture->store, STORE_META, "k=1 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_failing_is_said_once_and_recovered_from),
        TEST(test_any_single_operation_may_fail),
        TEST(test_a_few_operations_in_a_row_may_fail),
        TEST(test_checkpoints_may_fail),
        TEST(test_memory_may_run_out),
        TEST(test_file_size_limit),
        TEST(test_closing_gives_up_on_a_dead_disk),
        TEST(test_closing_waits_for_a_disk_that_comes_back),
    };
    disk_register();
    return fixture_run(tests, sizeof tests / sizeof *tests);
}
