/* Driver exec, with real programs: lines to it, reports from it, its death and its end. */
/* links: mitigator */
#include "tests/unit/mitigator_fixture.h"

#include <errno.h>

#define RECORD "while read -r line; do printf '%s\\n' \"$line\" >>$D/seen; done\n"

static void test_program_is_told_of_jobs(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "record", RECORD "echo end >>$D/seen");
    fixture_open(fixture, false, &quick);
    assert_int_equal(start_job(fixture, "a", 60), 0);
    WAIT(fixture, *contents(fixture, "seen"));
    start_job(fixture, "a", 90);
    WAIT(fixture, count_in(contents(fixture, "seen"), "\n") == 2);
    start_job(fixture, "b", -1);
    WAIT(fixture, count_in(contents(fixture, "seen"), "\n") == 3);
    mitigator_stop(fixture->mitigator, "a");
    mitigator_stop(fixture->mitigator, "a");
    mitigator_stop(fixture->mitigator, "never there");
    WAIT(fixture, count_in(contents(fixture, "seen"), "\n") == 4);
    assert_string_equal(summary(contents(fixture, "seen")), "start a 60, update a 90, start b -1, stop a 0");
    assert_int_equal(count_in(contents(fixture, "seen"), "\"scope\":{\"target-prefix\":[\"192.0.2.0/24\"]}"), 4);
    fixture_close(fixture);
    assert_int_equal(count_in(contents(fixture, "seen"), "end\n"),
                     1); /* b was not stopped, the program ended by itself */
    assert_int_equal(count_in(contents(fixture, "seen"), "\n"), 5);
    assert_int_equal(log_count("warning"), 0);
}

static void test_job_ids_are_checked(void **state)
{
    struct fixture *fixture = *state;
    char id[202];
    write_program(fixture, "record", RECORD);
    fixture_open(fixture, false, &quick);
    memset(id, 'x', sizeof id);
    id[201] = '\0';
    assert_int_equal(start_job(fixture, "", 60), -EINVAL);
    assert_int_equal(start_job(fixture, "a b", 60), -EINVAL);
    assert_int_equal(start_job(fixture, "a\"", 60), -EINVAL);
    assert_int_equal(start_job(fixture, id, 60), -EINVAL);
    id[200] = '\0';
    assert_int_equal(start_job(fixture, id, 60), 0);
    struct mitigator_settings settings = {fixture->spawner, "none", NULL, false};
    assert_null(mitigator_open(&fixture->loop, &settings, reported, fixture));
}

static void test_reports_come_back(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "answer",
                  "read -r line\n"
                  "echo '{\"id\":\"a\",\"status\":\"attack-successfully-mitigated\",\"bytes-dropped\":\"99\"}'\n"
                  "read -r line\n"
                  "echo '{\"id\":\"nobody\",\"status\":2}'\n"
                  "printf '{\"id\":\"b\",\"pps-'\n"
                  "printf 'dropped\":7}\\n'\n"
                  "read -r line");
    fixture_open(fixture, false, &quick);
    start_job(fixture, "a", 60);
    WAIT(fixture, fixture->reports == 1);
    assert_string_equal(fixture->last_job, "a");
    assert_int_equal(fixture->last.status, WIRE_STATUS_MITIGATED);
    assert_true(fixture->last.has_bytes);
    assert_int_equal(fixture->last.bytes_dropped, 99);
    start_job(fixture, "b", 60);
    WAIT(fixture, fixture->reports == 2);
    assert_string_equal(fixture->last_job, "b");
    assert_int_equal(fixture->last.status, 0);
    assert_int_equal(fixture->last.pps_dropped, 7);
    assert_string_equal(strstr(log_text, "warning") ? log_text : "", "");
}

static void test_bad_lines_are_said_and_ignored(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "babble",
                  "read -r line\n"
                  "echo hello\n"
                  "echo '{\"id\":\"a\",\"status\":5}'\n"
                  "head -c 200000 /dev/zero | tr '\\0' x; echo\n"
                  "printf '\\377\\000\\n'\n"
                  "echo '{\"id\":\"a\",\"status\":3}'\n"
                  "read -r line");
    fixture_open(fixture, false, &quick);
    start_job(fixture, "a", 60);
    WAIT(fixture, fixture->reports == 1);
    assert_int_equal(fixture->last.status, WIRE_STATUS_STOPPED);
    assert_int_equal(log_count("warning mitigator-report-bad: mitigator ops: "), 4);
    assert_int_equal(log_count(": hello\n"), 1);
    assert_int_equal(log_count("is ignored, it is too long: xxx"), 1);
    assert_true(strlen(log_text) < 2000);
}

static void test_dead_program_is_started_again_with_live_jobs(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "mortal",
                  "echo run >>$D/runs\n"
                  "if [ $(wc -l <$D/runs) = 1 ]; then read -r line; read -r line; read -r line; exit 3; fi\n" RECORD);
    fixture_open(fixture, false, &quick);
    start_job(fixture, "a", 60);
    start_job(fixture, "b", -1);
    WAIT(fixture, log_count("mitigator-started") == 1);
    mitigator_stop(fixture->mitigator, "a");
    WAIT(fixture, log_count("has ended with status 3; it is started again in 0.005 s and gets all 1 jobs anew") == 1);
    start_job(fixture, "c", 50);
    WAIT(fixture, count_in(contents(fixture, "seen"), "\n") == 2);
    assert_string_equal(summary(contents(fixture, "seen")), "start b -1, start c 50");
}

static void test_pauses_double_to_a_bound(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "fail", "exit 1");
    fixture_open(fixture, false, &quick);
    WAIT(fixture, log_count("mitigator-ended") >= 5);
    assert_int_equal(log_count("again in 0.005 s"), 1);
    assert_int_equal(log_count("again in 0.01 s"), 1);
    assert_int_equal(log_count("again in 0.02 s"), log_count("mitigator-ended") - 2);
}

static void test_steady_run_makes_the_pause_short_again(void **state)
{
    struct fixture *fixture = *state;
    struct mitigator_timers timers = quick;
    timers.steady = 0; /* every run counts as long */
    write_program(fixture, "fail", "exit 1");
    fixture_open(fixture, false, &timers);
    WAIT(fixture, log_count("mitigator-ended") >= 4);
    assert_int_equal(log_count("again in 0.005 s"), log_count("mitigator-ended"));
}

static void test_missing_program_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    snprintf(fixture->program, sizeof fixture->program, "%s/late", fixture->directory);
    fixture_open(fixture, false, &quick);
    start_job(fixture, "a", 60);
    WAIT(fixture, log_count("mitigator-not-started") >= 3);
    unsigned tries = log_count("mitigator-not-started");
    assert_int_equal(log_count("cannot be run: no such file or directory"), tries);
    assert_int_equal(log_count("1 jobs wait for it"), tries);
    write_program(fixture, "late.new", RECORD);
    char late[128];
    snprintf(late, sizeof late, "%s/late", fixture->directory);
    assert_int_equal(rename(fixture->program, late), 0);
    WAIT(fixture, *contents(fixture, "seen"));
    assert_string_equal(summary(contents(fixture, "seen")), "start a 60");
}

/* Garbage without end: the loop goes on, the log stays small, a report among it arrives. */
static void test_flood_is_borne(void **state)
{
    struct fixture *fixture = *state;
    struct mitigator_timers timers = quick;
    timers.end = 1;
    write_program(fixture, "flood",
                  "yes garbage | head -n 100000\n"
                  "echo '{\"id\":\"a\",\"status\":2}'\n"
                  "exec yes garbage");
    fixture_open(fixture, false, &timers);
    start_job(fixture, "a", 60);
    WAIT(fixture, fixture->reports == 1);
    WAIT(fixture, log_count("warning mitigator-output-suppressed: mitigator ops: ") >= 2);
    unsigned ticks = fixture->ticks;
    WAIT(fixture, fixture->ticks > ticks + 20);
    unsigned seconds = log_count("mitigator-output-suppressed") + 1;
    assert_true(log_count("mitigator-report-bad") <= seconds * OUTPUT_LINES_PER_SECOND);
    fixture_close(fixture); /* it never reads: stopped */
    assert_int_equal(log_count("warning mitigator-stopped: "), 1);
}

/* Lines that the log says it does not show. */
static unsigned suppressed(void)
{
    unsigned sum = 0;
    for (const char *at = log_text; (at = strstr(at, "mitigator-output-suppressed: mitigator ops: ")); at++)
        sum += (unsigned)strtoul(strstr(at, "ops: ") + 5, NULL, 10);
    return sum;
}

static void test_standard_error_is_logged_at_a_bounded_rate(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "complain",
                  "seq -f 'line %g' 0 49 >&2\n"
                  "printf '%05000d\\n' 0 >&2\n" RECORD);
    fixture_open(fixture, false, &quick);
    WAIT(fixture, log_count("notice mitigator-output: ") + suppressed() >= 51);
    assert_int_equal(log_count("notice mitigator-output: ") + suppressed(), 51);
    assert_true(suppressed() > 0);
    assert_true(log_count("notice mitigator-output: ") <=
                (log_count("mitigator-output-suppressed") + 1) * OUTPUT_LINES_PER_SECOND);
    assert_int_equal(log_count("mitigator ops: line 19\n"), 1);
}

/* The lifetime that each job-N was told of last. */
static void read_last_lifetimes(const char *lines, json_int_t last[200])
{
    for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) {
        const char *id;
        json_int_t lifetime;
        json_t *line = json_loadb(lines, (size_t)(end - lines), 0, NULL);
        assert_int_equal(json_unpack(line, "{s:s,s:I}", "id", &id, "lifetime", &lifetime), 0);
        long number = strtol(id + strlen("job-"), NULL, 10);
        assert_in_range(number, 0, 199);
        last[number] = lifetime;
        json_decref(line);
    }
}

/* What it cannot be told becomes one line for each job, and memory stays what the jobs are. */
static void test_program_that_does_not_read_gets_the_latest(void **state)
{
    struct fixture *fixture = *state;
    struct mitigator_timers timers = quick;
    char id[16];
    timers.stall = 20;
    write_program(fixture, "deaf", "while [ ! -e $D/go ]; do sleep 0.01; done\nexec cat >$D/seen");
    fixture_open(fixture, false, &timers);
    for (int round = 1; round <= 50; round++) {
        for (int i = 0; i < 200; i++) {
            snprintf(id, sizeof id, "job-%d", i);
            start_job(fixture, id, round * 1000);
        }
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
    }
    for (int i = 100; i < 200; i++) {
        snprintf(id, sizeof id, "job-%d", i);
        mitigator_stop(fixture->mitigator, id);
    }
    WAIT(fixture, log_count("warning mitigator-stalled: mitigator ops: ") >= 1);
    assert_true(fixture->mitigator->jobs.waiting_count <= 200);
    unsigned ticks = fixture->ticks;
    WAIT(fixture, fixture->ticks > ticks + 60);
    unsigned stalls = log_count("mitigator-stalled");
    WAIT(fixture, fixture->ticks > ticks + 120);
    assert_int_equal(log_count("mitigator-stalled"), stalls); /* said once */
    make_file(fixture, "go");
    WAIT(fixture, fixture->mitigator->jobs.waiting_count == 0);
    fixture_close(fixture);
    assert_true(count_in(contents(fixture, "seen"), "\n") < 3000); /* of 10,100 events: what the pipe held, and 200 */
    json_int_t last[200] = {0};
    read_last_lifetimes(contents(fixture, "seen"), last);
    for (int i = 0; i < 200; i++)
        assert_in_range(last[i], i < 100 ? 49001 : 0, i < 100 ? 50000 : 0);
}

static void test_program_that_closes_its_input_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "deaf",
                  "[ -e $D/ran ] && exec cat >$D/seen\n"
                  "touch $D/ran; exec 0<&-; exec sleep 1000");
    fixture_open(fixture, false, &quick);
    WAIT(fixture, log_count("mitigator-started") == 1);
    for (int64_t lifetime = 1; log_count("warning mitigator-deaf: ") == 0; lifetime++) {
        start_job(fixture, "a", lifetime);
        uv_run(&fixture->loop, UV_RUN_ONCE);
    }
    WAIT(fixture, log_count("has ended with signal 15") == 1);
    WAIT(fixture, *contents(fixture, "seen"));
    assert_string_equal(strstr(summary(contents(fixture, "seen")), "start a "), summary(contents(fixture, "seen")));
}

/* A zombie that nobody has waited for is dead. */
static bool is_alive(long pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    const char *name_end = length ? strrchr(text, ')') : NULL;
    return name_end && name_end[2] != 'Z';
}

/* A report that lies in the pipe behind more than one read when the program is dead already. */
static void test_last_words_are_heard(void **state)
{
    struct fixture *fixture = *state;
    long pid;
    write_program(fixture, "last",
                  "[ -e $D/pid ] && exec cat\n"
                  "read -r line\n"
                  "head -c 50000 /dev/zero | tr '\\0' x; echo\n"
                  "echo '{\"id\":\"a\",\"status\":2}'\n"
                  "echo $$ >$D/pid");
    fixture_open(fixture, false, &quick);
    start_job(fixture, "a", 60);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    while ((pid = strtol(contents(fixture, "pid"), NULL, 10)) == 0 || is_alive(pid))
        uv_sleep(1); /* without the loop */
    WAIT(fixture, log_count("mitigator-ended") == 1);
    assert_int_equal(fixture->reports, 1);
}

static void test_output_that_outlives_the_program_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "parent",
                  "[ -e $D/ran ] && { echo x >$D/again; exec cat; }\ntouch $D/ran\nsleep 20 &\nexit 0");
    fixture_open(fixture, false, &quick);
    WAIT(fixture, *contents(fixture, "again"));
    assert_int_equal(log_count("has ended with status 0"), 1);
}

static void test_closing_tells_all_that_waits(void **state)
{
    struct fixture *fixture = *state;
    char id[16];
    write_program(fixture, "slow", "while [ ! -e $D/go ]; do sleep 0.01; done\ncat >$D/seen\necho end >>$D/seen");
    fixture_open(fixture, false, &quick);
    WAIT(fixture, log_count("mitigator-started") == 1);
    for (int i = 0; i < 3000; i++) {
        snprintf(id, sizeof id, "job-%d", i);
        start_job(fixture, id, 60);
    }
    struct mitigator *mitigator = fixture->mitigator;
    mitigator_close(mitigator, closed, fixture);
    assert_int_equal(start_job(fixture, "late", 60), -EINVAL);
    mitigator_stop(mitigator, "job-1");
    fixture->mitigator = NULL;
    make_file(fixture, "go");
    WAIT(fixture, fixture->closed);
    assert_int_equal(count_in(contents(fixture, "seen"), "\"op\":\"start\""), 3000);
    assert_int_equal(count_in(contents(fixture, "seen"), "\n"), 3001);
}

static void test_program_that_ignores_sigterm_is_killed(void **state)
{
    struct fixture *fixture = *state;
    struct mitigator_timers timers = quick;
    long pid;
    timers.end = timers.kill = 10;
    write_program(fixture, "stubborn", "trap '' TERM\nsleep 1000 &\necho $! >$D/child\nwhile :; do wait; done");
    fixture_open(fixture, false, &timers);
    start_job(fixture, "a", 60);
    WAIT(fixture, (pid = strtol(contents(fixture, "child"), NULL, 10)) > 0);
    fixture_close(fixture);
    assert_int_equal(log_count("warning mitigator-stopped: "), 1);
    WAIT(fixture, !is_alive(pid)); /* what it had started, too */
}

static void test_closing_while_it_is_not_running(void **state)
{
    struct fixture *fixture = *state;
    struct mitigator_timers timers = quick;
    timers.restart = timers.restart_most = PATIENCE_MS;
    write_program(fixture, "fail", "exit 1");
    fixture_open(fixture, false, &timers);
    start_job(fixture, "a", 60);
    WAIT(fixture, log_count("mitigator-ended") == 1);
    fixture_close(fixture);
}

static void test_closing_at_once(void **state)
{
    struct fixture *fixture = *state;
    write_program(fixture, "record", RECORD);
    fixture_open(fixture, false, &quick);
    fixture_close(fixture);
    assert_int_equal(log_count("mitigator-started"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_program_is_told_of_jobs),
        TEST(test_job_ids_are_checked),
        TEST(test_reports_come_back),
        TEST(test_bad_lines_are_said_and_ignored),
        TEST(test_dead_program_is_started_again_with_live_jobs),
        TEST(test_pauses_double_to_a_bound),
        TEST(test_steady_run_makes_the_pause_short_again),
        TEST(test_missing_program_is_tried_again),
        TEST(test_flood_is_borne),
        TEST(test_standard_error_is_logged_at_a_bounded_rate),
        TEST(test_program_that_does_not_read_gets_the_latest),
        TEST(test_program_that_closes_its_input_is_replaced),
        TEST(test_last_words_are_heard),
        TEST(test_output_that_outlives_the_program_is_not_waited_for),
        TEST(test_closing_tells_all_that_waits),
        TEST(test_program_that_ignores_sigterm_is_killed),
        TEST(test_closing_while_it_is_not_running),
        TEST(test_closing_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
