/* Opening the store: who may, and which files are refused with which sentence. */
/* links: store */
#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void assert_refused(struct fixture *fixture, const char *first, const char *second)
{
    if (fixture_try_open(fixture))
        fail_msg("opened");
    if (!strstr(fixture->error, first) || !strstr(fixture->error, second))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", fixture->error, first, second);
}

static void fill(struct fixture *fixture, int records)
{
    fixture_open(fixture);
    for (int i = 0; i < records; i++) {
        char key[16];
        snprintf(key, sizeof key, "%06d", i);
        put_text(fixture->store, STORE_MITIGATION, key, "a value that takes some room in the file");
    }
    store_submit(fixture->store);
    fixture_close(fixture);
}

static void run_sql(const struct fixture *fixture, const char *sql)
{
    char path[128];
    sqlite3 *sqlite;
    fixture_path(fixture, "state.db", path);
    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

static void overwrite(const struct fixture *fixture, off_t offset, size_t length)
{
    char path[128], noise[8192];
    assert_true(length <= sizeof noise);
    memset(noise, 0x5a, sizeof noise);
    fixture_path(fixture, "state.db", path);
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, noise, length, offset), length);
    close(file);
}

static void test_second_opener_in_this_process_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char error[512] = "", pid[32];
    fixture_open(fixture);
    put_text(fixture->store, STORE_META, "k", "1");
    fixture_commit(fixture);
    assert_null(store_open(&fixture->loop, fixture->directory, fixture_committed, fixture, error, sizeof error));
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(error, fixture->directory));
    assert_non_null(strstr(error, pid));
    /* The first is not disturbed, and gone it makes room. */
    put_text(fixture->store, STORE_META, "k", "2");
    fixture_commit(fixture);
    fixture_reopen(fixture);
    assert_table(fixture->store, STORE_META, "k=2 ");
}

static void test_second_process_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char pid[32];
    int ready[2], status;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        uv_loop_t loop;
        uv_loop_init(&loop);
        if (!store_open(&loop, fixture->directory, fixture_committed, NULL, fixture->error, sizeof fixture->error))
            _exit(1);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(pid, sizeof pid, "pid %ld", (long)child);
    assert_refused(fixture, fixture->directory, pid);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ready[0]);
    close(ready[1]);
    fixture_open(fixture); /* the lock died with its process */
}

static void test_other_programs_are_kept_out(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    sqlite3 *sqlite;
    fixture_open(fixture);
    fixture_path(fixture, "state.db", path);
    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, "SELECT * FROM record", NULL, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(sqlite3_exec(sqlite, "DELETE FROM record", NULL, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

static void test_file_held_by_another_program_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    sqlite3 *sqlite;
    fill(fixture, 1);
    fixture_path(fixture, "state.db", path);
    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_refused(fixture, "state.db", "another program");
    assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
    fixture_open(fixture);
}

static void test_damaged_header_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 10);
    overwrite(fixture, 0, 100);
    assert_refused(fixture, "state.db is damaged", "restore a copy");
}

static void test_damaged_page_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 2000);
    overwrite(fixture, 5 * 4096, 4096);
    assert_refused(fixture, "state.db is damaged", "restore a copy");
}

static void test_cut_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    fill(fixture, 2000);
    fixture_path(fixture, "state.db", path);
    assert_int_equal(truncate(path, 7 * 4096 + 100), 0);
    assert_refused(fixture, "state.db is damaged", "restore a copy");
}

/* Values beyond the limits that somebody else wrote are damage too. */
static void test_record_beyond_limits_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 1);
    run_sql(fixture, "PRAGMA ignore_check_constraints=ON; INSERT INTO record VALUES (1, zeroblob(513), x'00')");
    assert_refused(fixture, "state.db is damaged", "restore a copy");
}

static void test_newer_schema_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 10);
    run_sql(fixture, "PRAGMA user_version=2");
    assert_refused(fixture, "newer dotsgw", "schema 2, this one knows 1");
    run_sql(fixture, "PRAGMA user_version=1");
    fixture_open(fixture); /* it was left as it was */
    assert_int_equal(store_delete(fixture->store, STORE_MITIGATION, "000000", 6), 0);
    fixture_commit(fixture);
}

static void test_schema_nobody_wrote_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 10);
    run_sql(fixture, "PRAGMA user_version=0");
    assert_refused(fixture, "state.db", "schema 0");
}

static void test_missing_table_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 10);
    run_sql(fixture, "DROP TABLE record");
    assert_refused(fixture, "state.db", "no such table");
}

static void test_foreign_database_is_refused_and_left_alone(void **state)
{
    struct fixture *fixture = *state;
    run_sql(fixture, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    assert_refused(fixture, "state.db", "not a store of dotsgw");
    run_sql(fixture, "INSERT INTO t VALUES (2)");
}

static void test_unusable_directories_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char directory[sizeof fixture->directory], path[128];
    memcpy(directory, fixture->directory, sizeof directory);
    size_t length = strlen(directory);

    memcpy(fixture->directory + length, "/a/b", sizeof "/a/b");
    assert_refused(fixture, "cannot create the state directory", "a/b");

    memcpy(fixture->directory + length, "/file", sizeof "/file");
    FILE *file = fopen(fixture->directory, "w");
    assert_non_null(file);
    fclose(file);
    assert_refused(fixture, "cannot use the state directory", "Not a directory");

    memcpy(fixture->directory, directory, sizeof directory);
    assert_int_equal(chmod(directory, 0777), 0);
    assert_refused(fixture, "can be written by everyone", "chmod o-w");
    assert_int_equal(chmod(directory, 0700), 0);

    fixture_path(fixture, "state.db", path);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_refused(fixture, "cannot create", "state.db");
}

static void test_files_open_to_others_are_closed_to_them(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    struct stat status;
    fill(fixture, 1);
    fixture_path(fixture, "state.db", path);
    assert_int_equal(chmod(path, 0644), 0);
    fixture_open(fixture);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

/* Killed between making the file and the schema: made anew. */
static void test_empty_file_is_taken(void **state)
{
    struct fixture *fixture = *state;
    run_sql(fixture, "PRAGMA journal_mode=WAL");
    fixture_open(fixture);
    put_text(fixture->store, STORE_META, "k", "v");
    fixture_commit(fixture);
    assert_table(fixture->store, STORE_META, "k=v ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_second_opener_in_this_process_is_refused),
        TEST(test_second_process_is_refused),
        TEST(test_other_programs_are_kept_out),
        TEST(test_file_held_by_another_program_is_refused),
        TEST(test_damaged_header_is_refused),
        TEST(test_damaged_page_is_refused),
        TEST(test_cut_file_is_refused),
        TEST(test_record_beyond_limits_is_refused),
        TEST(test_newer_schema_is_refused),
        TEST(test_schema_nobody_wrote_is_refused),
        TEST(test_missing_table_is_refused),
        TEST(test_foreign_database_is_refused_and_left_alone),
        TEST(test_unusable_directories_are_refused),
        TEST(test_files_open_to_others_are_closed_to_them),
        TEST(test_empty_file_is_taken),
    };
    return fixture_run(tests, sizeof tests / sizeof *tests);
}
