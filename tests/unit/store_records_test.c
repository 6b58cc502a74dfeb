/* Records of the store: what is put is there, in order, also after closing and opening again. */
/* links: store */
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <sys/stat.h>

static void test_records_load_in_key_order(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    put_text(fixture->store, STORE_ALIAS, "b", "2");
    put_text(fixture->store, STORE_ALIAS, "a", "1");
    put_text(fixture->store, STORE_ALIAS, "ab", "3");
    put_text(fixture->store, STORE_ALIAS, "B", "4");
    assert_table(fixture->store, STORE_ALIAS, "");
    fixture_commit(fixture);
    assert_table(fixture->store, STORE_ALIAS, "B=4 a=1 ab=3 b=2 ");
    fixture_reopen(fixture);
    assert_table(fixture->store, STORE_ALIAS, "B=4 a=1 ab=3 b=2 ");
}

static void test_tables_are_apart(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    put_text(fixture->store, STORE_BINDING, "k", "binding");
    put_text(fixture->store, STORE_COUNTER, "k", "counter");
    put_text(fixture->store, STORE_ACL, "k", "acl");
    delete_text(fixture->store, STORE_ACL, "k");
    fixture_commit(fixture);
    assert_table(fixture->store, STORE_BINDING, "k=binding ");
    assert_table(fixture->store, STORE_COUNTER, "k=counter ");
    assert_table(fixture->store, STORE_ACL, "");
    assert_table(fixture->store, STORE_META, "");
}

static void test_last_change_to_a_key_wins(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    put_text(fixture->store, STORE_META, "put twice", "1");
    put_text(fixture->store, STORE_META, "put twice", "2");
    put_text(fixture->store, STORE_META, "put, deleted", "1");
    delete_text(fixture->store, STORE_META, "put, deleted");
    delete_text(fixture->store, STORE_META, "deleted, put");
    put_text(fixture->store, STORE_META, "deleted, put", "1");
    delete_text(fixture->store, STORE_META, "never there");
    fixture_commit(fixture);
    assert_table(fixture->store, STORE_META, "deleted, put=1 put twice=2 ");
}

static void test_a_range_ends_before_its_end_and_what_is_put_after_it_stays(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    put_text(fixture->store, STORE_ALIAS, "a/x", "1");
    put_text(fixture->store, STORE_ALIAS, "b", "2");
    put_text(fixture->store, STORE_ALIAS, "b/", "3");
    put_text(fixture->store, STORE_ALIAS, "b/x", "4");
    put_text(fixture->store, STORE_ALIAS, "b/\xff", "5");
    put_text(fixture->store, STORE_ALIAS, "b0", "6");
    put_text(fixture->store, STORE_ACL, "b/x", "7");
    assert_int_equal(store_delete_range(fixture->store, STORE_ALIAS, "b/", 2, "b0", 2), 0);
    put_text(fixture->store, STORE_ALIAS, "b/y", "8");
    fixture_commit(fixture);
    assert_table(fixture->store, STORE_ALIAS, "a/x=1 b=2 b/y=8 b0=6 ");
    assert_table(fixture->store, STORE_ACL, "b/x=7 ");
    assert_int_equal(store_delete_range(fixture->store, STORE_ALIAS, "", 0, "b/y", STORE_KEY_MAX + 1), -E2BIG);
    assert_int_equal(store_delete_range(fixture->store, STORE_ALIAS, "", 0, "b/y", 3), 0);
    fixture_commit(fixture);
    fixture_reopen(fixture);
    assert_table(fixture->store, STORE_ALIAS, "b/y=8 b0=6 ");
}

/* Batches that the writer takes together keep their order. */
static void test_last_batch_wins(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    for (int i = 0; i < 200; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        put_text(fixture->store, STORE_META, "k", value);
        assert_int_equal(store_submit(fixture->store), i + 1);
    }
    delete_text(fixture->store, STORE_META, "gone");
    fixture_commit(fixture);
    assert_table(fixture->store, STORE_META, "k=199 ");
}

static void test_keys_and_values_are_bytes(void **state)
{
    struct fixture *fixture = *state;
    static const char keys[][3] = {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {(char)0xff, 0, 0}};
    fixture_open(fixture);
    for (int i = 3; i >= 0; i--)
        assert_int_equal(store_put(fixture->store, STORE_META, keys[i], 3, (const uint8_t *)keys[i], 3), 0);
    assert_int_equal(store_put(fixture->store, STORE_META, NULL, 0, NULL, 0), 0);
    fixture_commit(fixture);
    fixture_reopen(fixture);
    struct dump dump = {"", 0};
    assert_int_equal(store_load(fixture->store, STORE_META, dump_record, &dump), 0);
    assert_int_equal(strncmp(dump.text, "= ", 2), 0); /* the empty key comes first, with its empty value */
    assert_int_equal(store_delete(fixture->store, STORE_META, NULL, 0), 0);
    assert_int_equal(store_delete(fixture->store, STORE_META, keys[1], 3), 0);
    for (int i = 0; i < 4; i += 2)
        assert_int_equal(store_delete(fixture->store, STORE_META, keys[i], 3), 0);
    fixture_commit(fixture);
    assert_table(fixture->store, STORE_META, "\xff=\xff ");
}

static int check_largest(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length)
{
    (void)key;
    assert_int_equal(key_length, STORE_KEY_MAX);
    assert_int_equal(value_length, STORE_VALUE_MAX);
    assert_int_equal(value[0], 0xa5);
    assert_int_equal(value[STORE_VALUE_MAX - 1], 0xa5);
    ++*(int *)arg;
    return 0;
}

static void test_limits(void **state)
{
    struct fixture *fixture = *state;
    char key[STORE_KEY_MAX + 1];
    uint8_t *value = malloc(STORE_VALUE_MAX + 1);
    assert_non_null(value);
    memset(key, 'k', sizeof key);
    memset(value, 0xa5, STORE_VALUE_MAX + 1);
    fixture_open(fixture);
    assert_int_equal(store_put(fixture->store, STORE_META, key, STORE_KEY_MAX + 1, value, 1), -E2BIG);
    assert_int_equal(store_put(fixture->store, STORE_META, key, 1, value, STORE_VALUE_MAX + 1), -E2BIG);
    assert_int_equal(store_delete(fixture->store, STORE_META, key, STORE_KEY_MAX + 1), -E2BIG);
    assert_int_equal(store_submit(fixture->store), 0);
    assert_int_equal(store_put(fixture->store, STORE_META, key, STORE_KEY_MAX, value, STORE_VALUE_MAX), 0);
    fixture_commit(fixture);
    free(value);
    int count = 0;
    assert_int_equal(store_load(fixture->store, STORE_META, check_largest, &count), 0);
    assert_int_equal(count, 1);
}

static void test_sequences_count_batches(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    assert_int_equal(store_submit(fixture->store), 0);
    assert_int_equal(store_committed(fixture->store), 0);
    put_text(fixture->store, STORE_META, "a", "1");
    assert_int_equal(store_submit(fixture->store), 1);
    assert_int_equal(store_submit(fixture->store), 1);
    put_text(fixture->store, STORE_META, "b", "1");
    fixture_commit(fixture);
    assert_int_equal(fixture->told, 2);
    assert_int_equal(store_committed(fixture->store), 2);
    assert_int_equal(store_submit(fixture->store), 2);
    fixture_reopen(fixture);
    assert_int_equal(store_submit(fixture->store), 0);
}

/* One report for all that gathered: far fewer than batches, and never two in a turn of the loop. */
static void test_commits_are_reported_once_a_turn(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    for (int i = 0; fixture->told < 1000; i++) {
        unsigned before = fixture->calls;
        if (i < 1000) {
            put_text(fixture->store, STORE_META, "k", "v");
            store_submit(fixture->store);
        }
        uv_run(&fixture->loop, i < 1000 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        assert_true(fixture->calls - before <= 1);
    }
}

/* The writer hears of them when the turn ends, and not of each. */
static void test_what_a_turn_submits_is_committed_together(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    for (unsigned turn = 1; turn <= 100; turn++) {
        for (int batch = 0; batch < 50; batch++) {
            put_text(fixture->store, STORE_META, "k", "v");
            store_submit(fixture->store);
        }
        fixture_commit(fixture);
        assert_int_equal(fixture->calls, turn);
    }
}

static void test_an_open_batch_is_not_written(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    put_text(fixture->store, STORE_META, "submitted", "1");
    store_submit(fixture->store);
    put_text(fixture->store, STORE_META, "open", "1");
    fixture_reopen(fixture);
    assert_table(fixture->store, STORE_META, "submitted=1 ");
}

static void test_closing_commits_what_was_submitted(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    for (int i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        put_text(fixture->store, STORE_COUNTER, key, "v");
        store_submit(fixture->store);
    }
    put_text(fixture->store, STORE_META, "last", "1");
    store_submit(fixture->store);
    unsigned calls = fixture->calls;
    fixture_close(fixture);
    assert_int_equal(fixture->calls, calls); /* none while closing */
    fixture_open(fixture);
    assert_table(fixture->store, STORE_META, "last=1 ");
}

static int stop_at_second(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length)
{
    (void)key, (void)key_length, (void)value, (void)value_length;
    return ++*(int *)arg == 2 ? 42 : 0;
}

static int load_another(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length)
{
    (void)key, (void)key_length, (void)value, (void)value_length;
    assert_table(arg, STORE_ALIAS, "x=y ");
    return 0;
}

static void test_load_ends_when_told_to(void **state)
{
    struct fixture *fixture = *state;
    int count = 0;
    fixture_open(fixture);
    put_text(fixture->store, STORE_META, "a", "1");
    put_text(fixture->store, STORE_META, "b", "1");
    put_text(fixture->store, STORE_META, "c", "1");
    put_text(fixture->store, STORE_ALIAS, "x", "y");
    fixture_commit(fixture);
    assert_int_equal(store_load(fixture->store, STORE_META, stop_at_second, &count), 42);
    assert_int_equal(count, 2);
    assert_int_equal(store_load(fixture->store, STORE_META, load_another, fixture->store), 0);
}

/* While a table is walked the writer waits: what is submitted then stays queued. */
static int submit_half_a_megabyte(void *arg, const char *key, size_t key_length, const uint8_t *value,
                                  size_t value_length)
{
    static const uint8_t large[10000];
    struct fixture *fixture = arg;
    (void)key, (void)key_length, (void)value, (void)value_length;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(store_put(fixture->store, STORE_META, "k", 1, large, sizeof large), 0);
        store_submit(fixture->store);
    }
    assert_in_range(store_queued(fixture->store), 50 * sizeof large, 50 * 2 * sizeof large);
    assert_int_equal(store_committed(fixture->store), 1);
    return 0;
}

static void test_queued_memory_is_counted(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    put_text(fixture->store, STORE_META, "k", "v");
    fixture_commit(fixture);
    assert_int_equal(store_queued(fixture->store), 0);
    assert_int_equal(store_load(fixture->store, STORE_META, submit_half_a_megabyte, fixture), 0);
    fixture_commit(fixture);
    assert_int_equal(store_queued(fixture->store), 0);
}

static void test_directory_and_files_are_private(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"", "lock", "state.db", "state.db-wal"};
    assert_int_equal(rmdir(fixture->directory), 0);
    fixture_open(fixture);
    put_text(fixture->store, STORE_META, "k", "v");
    fixture_commit(fixture);
    for (size_t i = 0; i < 4; i++) {
        char path[128];
        struct stat status;
        fixture_path(fixture, names[i], path);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, i == 0 ? 0700 : 0600);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_records_load_in_key_order),
        TEST(test_tables_are_apart),
        TEST(test_last_change_to_a_key_wins),
        TEST(test_last_batch_wins),
        TEST(test_keys_and_values_are_bytes),
        TEST(test_limits),
        TEST(test_sequences_count_batches),
        TEST(test_commits_are_reported_once_a_turn),
        TEST(test_what_a_turn_submits_is_committed_together),
        TEST(test_an_open_batch_is_not_written),
        TEST(test_closing_commits_what_was_submitted),
        TEST(test_load_ends_when_told_to),
        TEST(test_queued_memory_is_counted),
        TEST(test_directory_and_files_are_private),
        TEST(test_a_range_ends_before_its_end_and_what_is_put_after_it_stays),
    };
    return fixture_run(tests, sizeof tests / sizeof *tests);
}
