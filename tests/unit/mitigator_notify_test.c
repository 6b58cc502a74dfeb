/* Driver notify, with real programs: one run for each event, in order for a job, a few at once. */
/* links: mitigator */
#include "tests/unit/mitigator_fixture.h"

#include <fcntl.h>

/* Says that it began, waits until it may go on, takes its line. */
#define GATED "echo x >>$D/begun\nwhile [ ! -e $D/go ]; do sleep 0.01; done\ncat >>$D/seen\n"

static unsigned lines_of(const struct fixture *fixture, const char *name)
{
    return count_in(contents(fixture, name), "\n");
}

static void test_events_are_logged_without_a_program(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture, true, &quick);
    start_job(fixture, "a", 60);
    start_job(fixture, "a", -1);
    mitigator_stop(fixture->mitigator, "a");
    mitigator_stop(fixture->mitigator, "a");
    assert_int_equal(log_count("\n"), 3);
    assert_int_equal(log_count("notice mitigation-start: mitigator ops: start job a (lifetime 60 s) "
                               "\"client\":\"web\",\"scope\":{\"target-prefix\":[\"192.0.2.0/24\"]}; "
                               "its status is set with dotsgwctl\n"),
                     1);
    assert_int_equal(log_count("notice mitigation-update: mitigator ops: update job a (lifetime -1 s) "), 1);
    assert_int_equal(log_count("notice mitigation-stop: mitigator ops: stop job a "), 1);
    assert_null(TAILQ_FIRST(&fixture->mitigator->jobs.all));
}

static void test_large_scope_is_cut_in_the_log_only(void **state)
{
    struct fixture *fixture = *state;
    struct wire_prefix prefixes[1000];
    struct wire_target target = {.prefixes = prefixes, .prefix_count = 1000};
    struct mitigator_job job = {"a", "web", &target, NULL, 60, 0};
    for (unsigned i = 0; i < 1000; i++)
        prefixes[i] = (struct wire_prefix){{10, (uint8_t)(i >> 8), (uint8_t)i, 0}, 4, 24};
    write_program(fixture, "record", "cat >>$D/seen");
    fixture_open(fixture, true, &quick);
    assert_int_equal(mitigator_start(fixture->mitigator, &job), 0);
    assert_int_equal(log_count("... (cut); its status"), 1);
    assert_true(strlen(log_text) < 1000);
    WAIT(fixture, lines_of(fixture, "seen") == 1);
    assert_int_equal(count_in(contents(fixture, "seen"), "/24\""), 1000);
}

static void test_one_run_for_each_event(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "record", "echo x >>$D/begun\ncat >>$D/seen");
    fixture_open(fixture, true, &quick);
    start_job(fixture, "a", 60);
    WAIT(fixture, lines_of(fixture, "seen") == 1);
    start_job(fixture, "a", 70);
    WAIT(fixture, lines_of(fixture, "seen") == 2);
    mitigator_stop(fixture->mitigator, "a");
    WAIT(fixture, lines_of(fixture, "seen") == 3);
    assert_string_equal(summary(contents(fixture, "seen")), "start a 60, update a 70, stop a 0");
    assert_int_equal(lines_of(fixture, "begun"), 3);
    assert_int_equal(log_count("warning"), 0);
}

static void test_at_most_four_run_at_once(void **state)
{
    struct fixture *fixture = *state;
    char id[16];
    write_program(fixture, "gated", GATED);
    fixture_open(fixture, true, &quick);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "%d", i);
        start_job(fixture, id, 60);
    }
    assert_int_equal(fixture->mitigator->jobs.waiting_count, 6);
    WAIT(fixture, lines_of(fixture, "begun") == 4);
    unsigned ticks = fixture->ticks;
    WAIT(fixture, fixture->ticks > ticks + 20);
    assert_int_equal(lines_of(fixture, "begun"), 4);
    make_file(fixture, "go");
    WAIT(fixture, lines_of(fixture, "seen") == 10);
}

/* What follows waits for what runs, and becomes one event. */
static void test_events_of_a_job_keep_their_order(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "gated", GATED);
    fixture_open(fixture, true, &quick);
    start_job(fixture, "a", 60);
    WAIT(fixture, lines_of(fixture, "begun") == 1);
    start_job(fixture, "a", 70);
    start_job(fixture, "a", 80);
    start_job(fixture, "b", 60); /* is run at once: its stop waits for that */
    mitigator_stop(fixture->mitigator, "b");
    WAIT(fixture, lines_of(fixture, "begun") == 2);
    unsigned ticks = fixture->ticks;
    WAIT(fixture, fixture->ticks > ticks + 20);
    assert_int_equal(lines_of(fixture, "begun"), 2);
    make_file(fixture, "go");
    WAIT(fixture, lines_of(fixture, "seen") == 4);
    const char *seen = summary(contents(fixture, "seen"));
    assert_true(strstr(seen, "start a 60") < strstr(seen, "update a 80"));
    assert_true(strstr(seen, "start b 60") < strstr(seen, "stop b 0"));
    assert_null(strstr(seen, "70"));
    mitigator_stop(fixture->mitigator, "a");
    WAIT(fixture, lines_of(fixture, "seen") == 5);
    assert_null(TAILQ_FIRST(&fixture->mitigator->jobs.waiting));
}

static void test_failing_program_is_said(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "fail", "echo no pager >&2; echo at all; exit 7");
    fixture_open(fixture, true, &quick);
    start_job(fixture, "a", 60);
    WAIT(fixture, log_count("ended with status 7 for start of job a") == 1);
    assert_int_equal(log_count("notice mitigator-output: mitigator ops: no pager\n"), 1);
    assert_int_equal(log_count("notice mitigator-output: mitigator ops: at all\n"), 1);
}

static void test_missing_program_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    char late[128];
    snprintf(late, sizeof late, "%s/late", fixture->directory);
    memcpy(fixture->program, late, sizeof late);
    fixture_open(fixture, true, &quick);
    start_job(fixture, "a", 60);
    start_job(fixture, "b", 60);
    start_job(fixture, "c", 60);
    mitigator_stop(fixture->mitigator, "c");
    WAIT(fixture, log_count("mitigator-not-started") >= 4);
    assert_int_equal(log_count("tried again in 0.02 s, 2 jobs wait"), log_count("mitigator-not-started") - 2);
    write_program(fixture, "late.new", "cat >>$D/seen");
    assert_int_equal(rename(fixture->program, late), 0);
    WAIT(fixture, lines_of(fixture, "seen") == 2);
    start_job(fixture, "a", 70);
    WAIT(fixture, lines_of(fixture, "seen") == 3);
    assert_null(strstr(contents(fixture, "seen"), "\"id\":\"c\""));
}

static void test_program_that_hangs_is_stopped(void **state)
{
    struct fixture *fixture = *state;
    struct mitigator_timers timers = quick;
    timers.run = timers.kill = 20;
    write_program(fixture, "hang", "while :; do sleep 0.01; done");
    fixture_open(fixture, true, &timers);
    start_job(fixture, "a", 60);
    WAIT(fixture, log_count("for job a takes longer than 0.02 s: stopped") == 1);
    WAIT(fixture, log_count("ended with signal 15 for start of job a") == 1);
}

static void test_environment_is_minimal(void **state)
{
    struct fixture *fixture = *state;
    setenv("DOTSGW_SECRET", "1", 1);
    snprintf(fixture->program, sizeof fixture->program, "/usr/bin/env");
    fixture_open(fixture, true, &quick);
    start_job(fixture, "a", 60);
    WAIT(fixture, log_count("mitigator-output") == 3);
    fixture_close(fixture);
    assert_int_equal(log_count("mitigator-output"), 3);
    assert_int_equal(log_count("mitigator ops: PATH="), 1);
    assert_int_equal(log_count("mitigator ops: LANG="), 1);
    assert_int_equal(log_count("mitigator ops: DOTSGW_MITIGATOR=ops\n"), 1);
}

/* Libraries leave descriptors open over exec: a program must not get a client's session. */
static void test_no_descriptor_is_inherited(void **state)
{
    struct fixture *fixture = *state;
    int leaked = open("/dev/null", O_RDONLY);
    assert_true(dup2(leaked, 77) == 77);
    write_program(fixture, "list",
                  "for f in /proc/$$/fd/*; do echo \"fd ${f##*/}\"; done; readlink /proc/$$/fd/0 /proc/$$/cwd");
    fixture_open(fixture, true, &quick);
    start_job(fixture, "a", 60);
    fixture_close(fixture);
    for (int descriptor = 0; descriptor < 3; descriptor++) {
        char line[32];
        snprintf(line, sizeof line, "ops: fd %d\n", descriptor);
        assert_int_equal(log_count(line), 1);
    }
    assert_in_range(log_count("ops: fd "), 3, 5); /* the shell has its script open as 10, the listing as 3 */
    assert_int_equal(log_count("ops: fd 77\n"), 0);
    assert_int_equal(log_count("mitigator ops: pipe:"), 1);
    assert_int_equal(log_count("mitigator ops: /\n"), 1);
    close(77);
    close(leaked);
}

static void test_program_need_not_read(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "ignore", "exec 0<&-\necho x >>$D/begun");
    fixture_open(fixture, true, &quick);
    for (int i = 1; i <= 20; i++) {
        start_job(fixture, "a", i);
        WAIT(fixture, lines_of(fixture, "begun") == (unsigned)i);
    }
    assert_int_equal(log_count("warning"), 0);
}

static void test_closing_runs_all_that_waits(void **state)
{
    struct fixture *fixture = *state;
    char id[16];
    write_program(fixture, "record", "cat >>$D/seen");
    fixture_open(fixture, true, &quick);
    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "%d", i);
        start_job(fixture, id, 60);
    }
    fixture_close(fixture);
    assert_int_equal(lines_of(fixture, "seen"), 12);
}

static void test_closing_gives_up(void **state)
{
    struct fixture *fixture = *state;
    struct mitigator_timers timers = quick;
    char id[16];
    timers.end = timers.kill = 20;
    write_program(fixture, "hang", "trap '' TERM; while :; do sleep 0.01; done");
    fixture_open(fixture, true, &timers);
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "%d", i);
        start_job(fixture, id, 60);
    }
    fixture_close(fixture);
    assert_int_equal(log_count("was not run for 2 events"), 1);
}

static void test_closing_while_it_cannot_be_started(void **state)
{
    struct fixture *fixture = *state;
    struct mitigator_timers timers = quick;
    timers.restart = timers.restart_most = PATIENCE_MS;
    timers.end = 20;
    snprintf(fixture->program, sizeof fixture->program, "%s/none", fixture->directory);
    fixture_open(fixture, true, &timers);
    start_job(fixture, "a", 60);
    fixture_close(fixture);
    assert_int_equal(log_count("was not run for 1 events"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_events_are_logged_without_a_program),
        TEST(test_large_scope_is_cut_in_the_log_only),
        TEST(test_one_run_for_each_event),
        TEST(test_at_most_four_run_at_once),
        TEST(test_events_of_a_job_keep_their_order),
        TEST(test_failing_program_is_said),
        TEST(test_missing_program_is_tried_again),
        TEST(test_program_that_hangs_is_stopped),
        TEST(test_environment_is_minimal),
        TEST(test_no_descriptor_is_inherited),
        TEST(test_program_need_not_read),
        TEST(test_closing_runs_all_that_waits),
        TEST(test_closing_gives_up),
        TEST(test_closing_while_it_cannot_be_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
