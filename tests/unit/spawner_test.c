/* The spawner, with real programs: what it starts, what it refuses, and what it believes. */
/* links: spawner */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/spawner/message.h"
#include "gateway/spawner/spawner.h"

struct run {
    struct spawned spawned;
    int error, signal;
    int64_t status;
    bool started, exited;
    char output[512];
};

static void on_started(struct spawned *spawned, int error)
{
    struct run *run = (struct run *)spawned;
    run->started = true;
    run->error = error;
}

static void on_exited(struct spawned *spawned, int64_t status, int signal)
{
    struct run *run = (struct run *)spawned;
    run->exited = true;
    run->status = status;
    run->signal = signal;
}

static bool allows(void *arg, const char *program)
{
    (void)arg;
    return strcmp(program, "/bin/rm") != 0;
}

struct fixture {
    uv_loop_t loop;
    struct spawner *spawner;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->spawner = spawner_fork(&(struct spawner_settings){.allows = allows});
    assert_non_null(fixture->spawner);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_int_equal(spawner_open(fixture->spawner, &fixture->loop), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    spawner_close(fixture->spawner);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    free(fixture);
    return 0;
}

/* Asks for a program and gives it a script on its standard input. */
static void ask(const struct fixture *fixture, struct run *run, const char *program, const char *script, int output)
{
    int input[2];
    *run = (struct run){.spawned = {.started = on_started, .exited = on_exited}};
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(write(input[1], script, strlen(script)), (ssize_t)strlen(script));
    const int ends[3] = {input[0], output, output};
    assert_int_equal(spawner_start(fixture->spawner, &run->spawned, program, "ops", ends), 0);
    close(input[0]);
    close(input[1]);
}

static struct run run_script(struct fixture *fixture, const char *program, const char *script)
{
    struct run run;
    int output[2];
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    ask(fixture, &run, program, script, output[1]);
    close(output[1]);
    uv_run(&fixture->loop, UV_RUN_DEFAULT); /* it holds the loop while the program runs, and no longer */
    assert_true(run.started);
    ssize_t length = read(output[0], run.output, sizeof run.output - 1);
    run.output[length > 0 ? length : 0] = '\0';
    close(output[0]);
    return run;
}

static void test_status_and_signal_come_back(void **state)
{
    struct run run = run_script(*state, "/bin/sh", "exit 7");
    assert_int_equal(run.error, 0);
    assert_true(run.exited && run.status == 7 && run.signal == 0 && run.spawned.pid > 0);
    run = run_script(*state, "/bin/sh", "kill -USR1 $$");
    assert_true(run.exited && run.signal == SIGUSR1);
}

static void test_program_that_cannot_be_run(void **state)
{
    struct run run = run_script(*state, "/nonexistent", "");
    assert_int_equal(run.error, UV_ENOENT);
    assert_false(run.exited);
    run = run_script(*state, "/etc/passwd", "");
    assert_int_equal(run.error, UV_EACCES);
}

static void test_program_that_is_not_allowed(void **state)
{
    struct run run = run_script(*state, "/bin/rm", "");
    assert_int_equal(run.error, UV_EPERM);
}

/* Before the fork, as a service manager or a careless shell leaves them. */
static void test_nothing_of_ours_is_inherited(void **state)
{
    struct fixture *fixture = *state;
    int leaked = open("/dev/null", O_RDONLY);
    assert_int_equal(dup2(leaked, 77), 77);
    setenv("DOTSGW_SECRET", "x", 1);
    spawner_close(fixture->spawner);
    signal(SIGPIPE, SIG_IGN);
    fixture->spawner = spawner_fork(&(struct spawner_settings){.allows = allows});
    assert_int_equal(spawner_open(fixture->spawner, &fixture->loop), 0);
    struct run run = run_script(fixture, "/bin/sh",
                                "[ -e /proc/$$/fd/77 ] && echo descriptor\n"
                                "[ \"$DOTSGW_SECRET\" ] && echo variable\n"
                                /* but for two that the C library keeps for itself */
                                "grep -q 'SigIgn:.00000001\\{0,1\\}[08]0*$' /proc/$$/status || echo signals\n"
                                "grep -q 'SigBlk:.0*$' /proc/self/status || echo mask\n"
                                "[ $PWD = / ] || echo directory\n"
                                "read -r pid a b c d session e </proc/$$/stat\n"
                                "[ $session = $$ ] || echo session\n"
                                "echo $DOTSGW_MITIGATOR");
    assert_string_equal(run.output, "ops\n");
    close(77);
    close(leaked);
    unsetenv("DOTSGW_SECRET");
}

static void test_signal_reaches_what_the_program_started(void **state)
{
    struct fixture *fixture = *state;
    struct run run;
    char line[16];
    int output[2];
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    ask(fixture, &run, "/bin/sh", "sleep 1000 & echo; wait", output[1]);
    close(output[1]);
    assert_int_equal(read(output[0], line, sizeof line), 1);
    spawner_signal(fixture->spawner, &run.spawned, SIGTERM);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_true(run.exited && run.signal == SIGTERM);
    assert_int_equal(read(output[0], line, sizeof line), 0); /* the sleeper held the other end */
    close(output[0]);
}

static void test_programs_at_once_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    static struct run runs[SPAWNER_PROGRAMS_MAX + 1];
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    unsigned refused = 0;
    for (size_t i = 0; i < SPAWNER_PROGRAMS_MAX + 1; i++) {
        ask(fixture, &runs[i], "/bin/sh", "exec sleep 1000", null);
        while (!runs[i].started)
            uv_run(&fixture->loop, UV_RUN_ONCE);
        refused += runs[i].error == UV_EAGAIN;
    }
    assert_int_equal(refused, 1);
    for (size_t i = 0; i < SPAWNER_PROGRAMS_MAX; i++)
        spawner_signal(fixture->spawner, &runs[i].spawned, SIGKILL);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < SPAWNER_PROGRAMS_MAX; i++)
        assert_true(runs[i].exited);
    close(null);
}

static void test_lost_spawner_ends_all_runs(void **state)
{
    struct fixture *fixture = *state;
    struct run run, second = {.spawned = {.started = on_started, .exited = on_exited}};
    const int ends[3] = {0, 1, 2};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ask(fixture, &run, "/bin/sh", "kill -KILL $PPID; exec sleep 1", null);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_true(run.started && (run.exited || run.error == UV_EPIPE)); /* as fast as the shell was */
    assert_int_equal(spawner_start(fixture->spawner, &second.spawned, "/bin/sh", "ops", ends), UV_EPIPE);
    close(null);
}

/* A gateway that has been taken over: the spawner goes on, and neither starts nor signals anything. */
static void test_malformed_requests_change_nothing(void **state)
{
    struct {
        struct spawner_request request;
        size_t length;
    } cases[] = {
        {{.op = 99, .id = 1}, SPAWNER_REQUEST_FIXED},
        {{.op = SPAWNER_START, .id = 1, .text = "/bin/sh\0ops"}, SPAWNER_REQUEST_FIXED + 12}, /* no descriptors */
        {{.op = SPAWNER_SIGNAL, .id = 0, .signal = SIGKILL}, SPAWNER_REQUEST_FIXED},
        {{.op = SPAWNER_SIGNAL, .id = 12345, .signal = SIGKILL}, SPAWNER_REQUEST_FIXED},
        {{.op = SPAWNER_START, .id = 1, .text = "/bin/sh"}, SPAWNER_REQUEST_FIXED + 7},
        {{.op = SPAWNER_START}, 3},
    };
    struct spawner_settings settings = {.allows = allows};
    struct spawner_report report;
    unsigned failures = 0;
    int ends[2], status;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        spawner_serve(ends[1], &settings);
    }
    close(ends[1]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(send(ends[0], &cases[i].request, cases[i].length, MSG_NOSIGNAL), (ssize_t)cases[i].length);
    shutdown(ends[0], SHUT_WR);
    while (recv(ends[0], &report, sizeof report, 0) == (ssize_t)sizeof report) {
        assert_int_equal(report.event, SPAWNER_FAILED);
        failures++;
    }
    assert_int_equal(failures, 2);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_status_and_signal_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_program_that_cannot_be_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_program_that_is_not_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_of_ours_is_inherited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signal_reaches_what_the_program_started, setup, teardown),
        cmocka_unit_test_setup_teardown(test_programs_at_once_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_spawner_ends_all_runs, setup, teardown),
        cmocka_unit_test(test_malformed_requests_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
