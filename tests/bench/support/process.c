#include "tests/bench/support/process.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_FIRST 20000
#define PORTS 10000
#define POLL 1000      /* us */
#define START_MAX 60e6 /* us */
#define SETTLED 200000 /* us without a change */

static void fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

pid_t process_start(const char *const *command, const char *log)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        fail("cannot fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int descriptor = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    dup2(descriptor, STDOUT_FILENO);
    dup2(descriptor, STDERR_FILENO);
    execvp(command[0], (char *const *)command);
    _exit(127);
}

void process_stop(pid_t pid, int number)
{
    kill(pid, number);
    waitpid(pid, NULL, 0);
}

double process_cpu_us(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        fail("a server has ended");
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

/* A line of /proc/PID/status, in KiB. */
static double status_kib(pid_t pid, const char *line_begins)
{
    char name[64], line[128];
    double kib = 0;
    FILE *file;

    snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
    file = fopen(name, "r");
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, line_begins, strlen(line_begins)) == 0)
            kib = strtod(line + strlen(line_begins), NULL);
    }
    if (kib <= 0)
        fail("a server has ended");
    fclose(file);
    return kib;
}

double process_resident_kib(pid_t pid)
{
    return status_kib(pid, "VmRSS:");
}

double process_settled_kib(pid_t pid)
{
    double kib = process_resident_kib(pid), before;

    do {
        before = kib;
        usleep(SETTLED);
        kib = process_resident_kib(pid);
    } while (kib < before || kib > before);
    return kib;
}

double process_peak_kib(pid_t pid)
{
    return status_kib(pid, "VmHWM:");
}

static bool is_free(uint16_t port, int type)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, descriptor = socket(AF_INET, type, 0);
    bool free = type == SOCK_DGRAM || setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;

    free = free && bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(descriptor);
    return free;
}

uint16_t port_free(unsigned more)
{
    static unsigned next;
    unsigned free = 0;

    for (unsigned tries = 0; tries < PORTS && free <= more; tries++) {
        uint16_t port = (uint16_t)(PORT_FIRST + ((unsigned)getpid() * 31 + next++) % PORTS);
        free = is_free(port, SOCK_DGRAM) && is_free(port, SOCK_STREAM) ? free + 1 : 0;
        if (free > more)
            return (uint16_t)(port - more);
    }
    fail("no free port");
    return 0;
}

int port_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

void port_wait(uint16_t port)
{
    int descriptor;

    for (double begun = now_us(); (descriptor = port_connect(port)) < 0; usleep(POLL)) {
        if (now_us() - begun > START_MAX)
            fail("a server does not start");
    }
    close(descriptor);
}

double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}
