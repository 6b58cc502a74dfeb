/*
 * store_fixture: what the tests of the store share: a directory of its own for each test, an open
 * store on a loop of its own, and the log in memory. Included once by each program: it defines
 * log_write in place of the log module's.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "gateway/log/log.h"
#include "gateway/store/store.h"

struct fixture {
    char directory[64];
    uv_loop_t loop;
    struct store *store;
    uint64_t told;  /* last sequence of on_commit */
    unsigned calls; /* of on_commit */
    bool closed;
    char error[512];
};

static uv_mutex_t log_lock;
static char log_text[65536];

static inline void log_clear(void)
{
    uv_mutex_lock(&log_lock);
    log_text[0] = '\0';
    uv_mutex_unlock(&log_lock);
}

static inline unsigned log_count(const char *word)
{
    unsigned count = 0;
    uv_mutex_lock(&log_lock);
    for (const char *at = log_text; (at = strstr(at, word)); at++)
        count++;
    uv_mutex_unlock(&log_lock);
    return count;
}

bool log_enabled(enum log_level level)
{
    return level < LOG_LEVEL_DEBUG;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    (void)level;
    uv_mutex_lock(&log_lock);
    size_t length = strlen(log_text);
    if (length < sizeof log_text - 4096) {
        length += (size_t)snprintf(log_text + length, 1024, "%s: ", event);
        va_list arguments;
        va_start(arguments, format);
        length += (size_t)vsnprintf(log_text + length, 2048, format, arguments);
        va_end(arguments);
        snprintf(log_text + length, 2, "\n");
    }
    uv_mutex_unlock(&log_lock);
}

static inline int fixture_run(const struct CMUnitTest *tests, size_t count)
{
    uv_mutex_init(&log_lock);
    return _cmocka_run_group_tests("store", tests, count, NULL, NULL);
}

static inline void fixture_path(const struct fixture *fixture, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", fixture->directory, name);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/dotsgw-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    log_clear();
    *state = fixture;
    return 0;
}

static inline void fixture_committed(void *arg, uint64_t sequence)
{
    struct fixture *fixture = arg;
    assert_true(sequence > fixture->told);
    fixture->told = sequence;
    fixture->calls++;
}

static inline bool fixture_try_open(struct fixture *fixture)
{
    fixture->told = 0;
    fixture->calls = 0;
    fixture->error[0] = '\0';
    fixture->store = store_open(&fixture->loop, fixture->directory, fixture_committed, fixture, fixture->error,
                                sizeof fixture->error);
    return fixture->store != NULL;
}

static inline void fixture_open(struct fixture *fixture)
{
    if (!fixture_try_open(fixture))
        fail_msg("store_open: %s", fixture->error);
}

static inline void fixture_closed(void *arg)
{
    ((struct fixture *)arg)->closed = true;
}

static inline void fixture_close(struct fixture *fixture)
{
    fixture->closed = false;
    store_close(fixture->store, fixture_closed, fixture);
    fixture->store = NULL;
    while (!fixture->closed)
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

static inline void fixture_reopen(struct fixture *fixture)
{
    fixture_close(fixture);
    fixture_open(fixture);
}

/* Submits the open batch and waits until it is reported. */
static inline void fixture_commit(struct fixture *fixture)
{
    uint64_t sequence = store_submit(fixture->store);
    while (fixture->told < sequence)
        uv_run(&fixture->loop, UV_RUN_ONCE);
}

static inline void fixture_remove(const char *directory)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->store)
        fixture_close(fixture);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    fixture_remove(fixture->directory);
    free(fixture);
    return 0;
}

static inline void put_text(struct store *store, enum store_table table, const char *key, const char *value)
{
    assert_int_equal(store_put(store, table, key, strlen(key), (const uint8_t *)value, strlen(value)), 0);
}

static inline void delete_text(struct store *store, enum store_table table, const char *key)
{
    assert_int_equal(store_delete(store, table, key, strlen(key)), 0);
}

struct dump {
    char text[4096];
    size_t length;
};

static inline int dump_record(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length)
{
    struct dump *dump = arg;
    assert_non_null(key);
    assert_non_null(value);
    assert_true(dump->length + key_length + value_length + 3 < sizeof dump->text);
    dump->length += (size_t)sprintf(dump->text + dump->length, "%.*s=%.*s ", (int)key_length, key, (int)value_length,
                                    (const char *)value);
    return 0;
}

/* "key=value key=value " in the order of store_load. */
static inline void assert_table(struct store *store, enum store_table table, const char *expected)
{
    struct dump dump = {"", 0};
    assert_int_equal(store_load(store, table, dump_record, &dump), 0);
    assert_string_equal(dump.text, expected);
}
