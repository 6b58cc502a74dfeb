/* What the supervisor hears, what privileges are left, and what the filter lets through. */
/* links: service */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/service/calls.h"
#include "gateway/service/filter.h"
#include "gateway/service/supervisor.h"
#include "gateway/service/privileges.h"

/* ---- The supervisor ---- */

struct listener {
    uv_loop_t loop;
    uv_timer_t other; /* what the loop turns for: the supervisor does not hold it */
    int socket;
    char name[64], heard[256];
};

/* Abstract, so that nothing is left behind. */
static void listen_for(struct listener *listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(listener->name, sizeof listener->name, "@dotsgw-test-%ld", (long)getpid());
    memcpy(address.sun_path + 1, listener->name + 1, (size_t)length - 1);
    listener->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener->socket, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
                     0);
    assert_int_equal(uv_loop_init(&listener->loop), 0);
    setenv("NOTIFY_SOCKET", listener->name, 1);
}

static void nothing(uv_timer_t *timer)
{
    (void)timer;
}

static void turn_for_long(struct listener *listener)
{
    uv_timer_init(&listener->loop, &listener->other);
    uv_timer_start(&listener->other, nothing, 0, 1);
}

static const char *hear(struct listener *listener, int flags)
{
    ssize_t length = recv(listener->socket, listener->heard, sizeof listener->heard - 1, flags);
    listener->heard[length > 0 ? length : 0] = '\0';
    return listener->heard;
}

static void end(struct listener *listener, struct supervisor *supervisor)
{
    if (uv_handle_get_type((uv_handle_t *)&listener->other) == UV_TIMER)
        uv_close((uv_handle_t *)&listener->other, NULL);
    supervisor_close(supervisor);
    uv_run(&listener->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&listener->loop), 0);
    close(listener->socket);
}

static void test_supervisor_hears_of_the_life(void **state)
{
    struct listener listener = {0};
    (void)state;
    listen_for(&listener);
    struct supervisor *supervisor = supervisor_open(&listener.loop);
    assert_non_null(supervisor);
    assert_null(getenv("NOTIFY_SOCKET"));
    supervisor_ready(supervisor, "Serving as gw");
    assert_string_equal(hear(&listener, 0), "READY=1\nSTATUS=Serving as gw");
    uint64_t before = uv_hrtime() / 1000, told = 0;
    supervisor_reloading(supervisor);
    static const char begin[] = "RELOADING=1\nMONOTONIC_USEC=";
    assert_memory_equal(hear(&listener, 0), begin, sizeof begin - 1);
    told = strtoull(listener.heard + sizeof begin - 1, NULL, 10);
    assert_true(told >= before && told <= uv_hrtime() / 1000);
    supervisor_stopping(supervisor);
    assert_non_null(strstr(hear(&listener, 0), "STOPPING=1\n"));
    assert_string_equal(hear(&listener, MSG_DONTWAIT), ""); /* no watchdog was asked for */
    end(&listener, supervisor);
}

static void test_watchdog_hears_that_the_loop_turns(void **state)
{
    struct listener listener = {0};
    (void)state;
    listen_for(&listener);
    setenv("WATCHDOG_USEC", "20000", 1);
    struct supervisor *supervisor = supervisor_open(&listener.loop);
    assert_null(getenv("WATCHDOG_USEC"));
    turn_for_long(&listener);
    for (unsigned count = 0; count < 5;) {
        uv_run(&listener.loop, UV_RUN_NOWAIT);
        count += strcmp(hear(&listener, MSG_DONTWAIT), "WATCHDOG=1") == 0;
    }
    end(&listener, supervisor);
}

static void test_watchdog_of_another_process_is_not_ours(void **state)
{
    struct listener listener = {0};
    (void)state;
    listen_for(&listener);
    setenv("WATCHDOG_USEC", "2000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    struct supervisor *supervisor = supervisor_open(&listener.loop);
    turn_for_long(&listener);
    for (unsigned turns = 0; turns < 20; turns++)
        uv_run(&listener.loop, UV_RUN_ONCE); /* 1 ms each, which is the period halved */
    assert_string_equal(hear(&listener, MSG_DONTWAIT), "");
    end(&listener, supervisor);
}

static void test_without_a_supervisor_nothing_happens(void **state)
{
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    unsetenv("NOTIFY_SOCKET");
    assert_null(supervisor_open(&loop));
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    assert_null(supervisor_open(&loop));
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_null(supervisor_open(&loop));
    supervisor_ready(NULL, "");
    supervisor_reloading(NULL);
    supervisor_stopping(NULL);
    supervisor_close(NULL);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- In a process of its own ---- */

/* The exit status of what a child does, or 256 + the signal that ended it. */
static int in_child(int (*act)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(act());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A line of /proc/self/status, as a number. */
static unsigned long long status_of(const char *name)
{
    char line[256];
    unsigned long long value = ~0ull;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoull(line + strlen(name) + 1, NULL, strncmp(name, "Cap", 3) == 0 ? 16 : 10);
    }
    if (file)
        fclose(file);
    return value;
}

#define BIND_ONLY (1ull << 10) /* CAP_NET_BIND_SERVICE */

static int become_nobody(void)
{
    char error[256];
    if (privileges_drop("nobody", error, sizeof error) != 0)
        return 1;
    if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || setuid(0) == 0)
        return 2;
    if (status_of("CapEff") != BIND_ONLY || status_of("CapPrm") != BIND_ONLY)
        return 3;
    return status_of("CapBnd") != BIND_ONLY || status_of("CapInh") != 0 || status_of("CapAmb") != 0 ? 4 : 0;
}

static int stay_root(void)
{
    char error[256];
    if (privileges_drop(NULL, error, sizeof error) != 0)
        return 1;
    return getuid() != 0 || status_of("CapEff") != BIND_ONLY ? 2 : 0;
}

static int drop_all(void)
{
    char error[256];
    if (privileges_drop_all("nobody", error, sizeof error) != 0)
        return 1;
    return getuid() == 0 || status_of("CapEff") != 0 || status_of("CapPrm") != 0 ? 2 : 0;
}

static int drop_twice(void)
{
    char error[256];
    if (privileges_drop("nobody", error, sizeof error) != 0)
        return 1;
    if (privileges_drop("nobody", error, sizeof error) != 0 || status_of("CapEff") != BIND_ONLY)
        return 2;
    return privileges_drop("root", error, sizeof error) == -1 && strstr(error, "start dotsgw as root") ? 0 : 3;
}

static int become_nobody_known(void)
{
    char error[256];
    return privileges_drop("no-such-user", error, sizeof error) == -1 && strstr(error, "no user no-such-user") ? 0 : 1;
}

static void test_privileges(void **state)
{
    (void)state;
    assert_int_equal(in_child(become_nobody_known), 0);
    if (geteuid() != 0)
        skip(); /* the rest needs somebody who has privileges to give up */
    assert_int_equal(in_child(become_nobody), 0);
    assert_int_equal(in_child(stay_root), 0);
    assert_int_equal(in_child(drop_all), 0);
    assert_int_equal(in_child(drop_twice), 0);
}

/* ---- The filter ---- */

static uv_loop_t filtered;

static void apply(void)
{
    char error[256];
    struct filter *filter;
    filter_refuse_rings();
    uv_loop_init(&filtered);
    filter = filter_apply(&filtered, error, sizeof error);
    if (!filter)
        _exit(error[0] ? 100 : 101);
    (void)filter; /* stays until the end of the process */
}

static int do_nothing(void)
{
    apply();
    return 0;
}

static void thread_body(void *arg)
{
    (void)arg;
}

static int do_work(void)
{
    uv_thread_t thread;
    apply();
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ) != 0 || munmap(memory, 4096) != 0)
        return 1;
    if (uv_thread_create(&thread, thread_body, NULL) != 0 || uv_thread_join(&thread) != 0)
        return 2;
    int descriptor = socket(AF_INET6, SOCK_DGRAM, 0);
    if (descriptor < 0 || close(descriptor) != 0)
        return 3;
    return prctl(PR_GET_SECCOMP) == 2 ? 4 : 0; /* the call is refused, too */
}

static int do_exec(void)
{
    apply();
    execl("/bin/true", "true", NULL);
    return 0;
}

static int do_fork(void)
{
    apply();
    return fork() == 0 ? 0 : 1;
}

static int do_ptrace(void)
{
    apply();
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    return 0;
}

static int do_unknown(void)
{
    apply();
    if (syscall(SYS_sethostname, "", 0) == 0)
        return 1;
    return 0;
}

static int do_unusual(void)
{
    filter_refuse_rings();
    if (syscall(SYS_io_uring_setup, 8, NULL) != -1 || errno != ENOSYS)
        return 5;
    apply();
    errno = 0;
    if (syscall(SYS_getpriority, 0, 0) != -1 || errno != ENOSYS)
        return 1;
    errno = 0;
    if (socket(AF_PACKET, SOCK_RAW, 0) != -1 || errno != ENOSYS)
        return 2;
    errno = 0;
    void *memory = mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED || errno != ENOSYS)
        return 3;
    errno = 0;
    return kill(getppid(), 0) != -1 || errno != ENOSYS ? 4 : 0;
}

static void test_filter(void **state)
{
    (void)state;
    if (in_child(do_nothing) == 101)
        skip(); /* the plain build has the filter */
    assert_int_equal(in_child(do_work), 0);
    assert_int_equal(in_child(do_unusual), 0);
    assert_int_equal(in_child(do_exec), 256 + SIGSYS);
    assert_int_equal(in_child(do_fork), 256 + SIGSYS);
    assert_int_equal(in_child(do_ptrace), 256 + SIGSYS);
    assert_int_equal(in_child(do_unknown), 256 + SIGSYS);
}

/* A misspelt name would be passed over in silence. */
static void test_lists_name_real_calls(void **state)
{
    (void)state;
    const char *const *const lists[] = {calls_allowed, calls_deadly};
    for (size_t i = 0; i < 2; i++) {
        for (const char *const *name = lists[i]; *name; name++) {
            if (seccomp_syscall_resolve_name(*name) == __NR_SCMP_ERROR)
                fail_msg("libseccomp knows no system call %s", *name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_supervisor_hears_of_the_life),
        cmocka_unit_test(test_watchdog_hears_that_the_loop_turns),
        cmocka_unit_test(test_watchdog_of_another_process_is_not_ours),
        cmocka_unit_test(test_without_a_supervisor_nothing_happens),
        cmocka_unit_test(test_privileges),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_lists_name_real_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
