/*
 * mitigator_fixture: what the tests of the drivers share: a directory of its own for each test, small
 * programs in it, a mitigator on a loop of its own, and the log in memory. Included once by each
 * program: it defines log_write in place of the log module's.
 */
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>
#include <jansson.h>

#include "gateway/log/log.h"
#include "gateway/spawner/spawner.h"
#include "northbound/mitigator/driver.h"

#define PATIENCE_MS 60000 /* a condition that takes longer never comes */

struct fixture {
    char directory[64], program[128];
    struct spawner *spawner;
    uv_loop_t loop;
    uv_timer_t tick; /* wakes the loop to look at conditions */
    unsigned ticks;
    struct mitigator *mitigator;
    bool closed;
    unsigned reports;
    char last_job[256];
    struct mitigator_report last;
};

static char log_text[1 << 20];

bool log_enabled(enum log_level level)
{
    return level < LOG_LEVEL_DEBUG;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    size_t length = strlen(log_text);
    if (length > sizeof log_text - 4096)
        return;
    length += (size_t)snprintf(log_text + length, 256, "%s %s: ", names[level], event);
    va_list arguments;
    va_start(arguments, format);
    length += (size_t)vsnprintf(log_text + length, 2048, format, arguments);
    va_end(arguments);
    snprintf(log_text + length, 2, "\n");
}

static inline unsigned count_in(const char *text, const char *word)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

static inline unsigned log_count(const char *word)
{
    return count_in(log_text, word);
}

static inline void ticked(uv_timer_t *timer)
{
    ((struct fixture *)timer->data)->ticks++;
}

#define WAIT(fixture, condition)                                      \
    do {                                                              \
        uint64_t end = uv_hrtime() + PATIENCE_MS * UINT64_C(1000000); \
        while (!(condition)) {                                        \
            uv_run(&(fixture)->loop, UV_RUN_ONCE);                    \
            if (uv_hrtime() > end) {                                  \
                fputs(log_text, stderr);                              \
                fail_msg("never: %s", #condition);                    \
            }                                                         \
        }                                                             \
    } while (0)

static inline bool allow_all(void *arg, const char *program)
{
    (void)arg;
    (void)program;
    return true;
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    signal(SIGPIPE, SIG_IGN); /* as main does */
    log_text[0] = '\0';
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/dotsgw-mitigator-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->spawner = spawner_fork(&(struct spawner_settings){.allows = allow_all});
    assert_non_null(fixture->spawner);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_int_equal(spawner_open(fixture->spawner, &fixture->loop), 0);
    uv_timer_init(&fixture->loop, &fixture->tick);
    fixture->tick.data = fixture;
    uv_timer_start(&fixture->tick, ticked, 1, 1);
    *state = fixture;
    return 0;
}

/* A script; $D in it is the test's directory. */
static inline void write_program(struct fixture *fixture, const char *name, const char *script)
{
    snprintf(fixture->program, sizeof fixture->program, "%s/%s", fixture->directory, name);
    FILE *file = fopen(fixture->program, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\nD=%s\n%s\n", fixture->directory, script);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(fixture->program, 0700), 0);
}

/* Contents of a file of the test's directory, "" when there is none; the last call's. */
static inline const char *contents(const struct fixture *fixture, const char *name)
{
    static char text[1 << 20];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[length] = '\0';
    return text;
}

static inline void make_file(const struct fixture *fixture, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static inline void reported(void *arg, const char *job, const struct mitigator_report *report)
{
    struct fixture *fixture = arg;
    fixture->reports++;
    snprintf(fixture->last_job, sizeof fixture->last_job, "%s", job);
    fixture->last = *report;
}

static const struct mitigator_timers quick = {
    .restart = 5,
    .restart_most = 20,
    .steady = PATIENCE_MS,
    .end = PATIENCE_MS,
    .kill = PATIENCE_MS,
    .stall = PATIENCE_MS,
    .run = PATIENCE_MS,
};

static inline void fixture_open(struct fixture *fixture, bool notify, const struct mitigator_timers *timers)
{
    struct mitigator_settings settings = {fixture->spawner, "ops", fixture->program[0] ? fixture->program : NULL,
                                          notify};
    fixture->mitigator = mitigator_open(&fixture->loop, &settings, reported, fixture);
    assert_non_null(fixture->mitigator);
    mitigator_set_timers(fixture->mitigator, timers);
}

static inline void closed(void *arg)
{
    ((struct fixture *)arg)->closed = true;
}

static inline void fixture_close(struct fixture *fixture)
{
    mitigator_close(fixture->mitigator, closed, fixture);
    fixture->mitigator = NULL;
    WAIT(fixture, fixture->closed);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    if (fixture->mitigator)
        fixture_close(fixture);
    spawner_close(fixture->spawner);
    uv_close((uv_handle_t *)&fixture->tick, NULL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    snprintf(command, sizeof command, "rm -rf %s", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static inline int start_job(struct fixture *fixture, const char *id, int64_t lifetime)
{
    struct wire_prefix prefix = {{192, 0, 2, 0}, 4, 24};
    struct wire_target target = {.prefixes = &prefix, .prefix_count = 1};
    struct mitigator_job job = {.id = id, .client = "web", .target = &target, .lifetime = lifetime};
    return mitigator_start(fixture->mitigator, &job);
}

/* "start a 60, stop b 0": op, id and lifetime of lines of JSON; what has passed of a lifetime on a busy
 * machine is rounded away: tests use multiples of 10 s. */
static inline const char *summary(const char *lines)
{
    static char text[65536];
    size_t used = 0;
    text[0] = '\0';
    for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) {
        const char *op, *id;
        json_int_t lifetime;
        json_t *line = json_loadb(lines, (size_t)(end - lines), 0, NULL);
        assert_non_null(line);
        assert_int_equal(json_unpack(line, "{s:s,s:s,s:I}", "op", &op, "id", &id, "lifetime", &lifetime), 0);
        if (lifetime > 0)
            lifetime = (lifetime + 9) / 10 * 10;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %s %lld", used ? ", " : "", op, id,
                                 (long long)lifetime);
        assert_true(used < sizeof text);
        json_decref(line);
    }
    return text;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
