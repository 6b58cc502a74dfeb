#include "tests/bench/support/crew.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/support/process.h"

#define SPARE 100 /* descriptors that are not a client's */
#define CREW_MAX 16

struct order {
    size_t requests, window;
};

struct report {
    size_t repeated;
    double cpu_us;
};

struct member {
    pid_t pid;
    int orders, reports; /* ends of pipes */
};

struct crew {
    struct member members[CREW_MAX];
    size_t count;
};

static void fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

size_t crew_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1000;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur - SPARE;
}

/* Does not return. The first report says that all are up. */
static void work(const struct clients_settings *settings, int orders, int reports)
{
    struct clients *clients = clients_connect(settings);
    struct report report = {0};
    struct order order;

    for (;;) {
        double used = process_cpu_us(getpid());

        if (write(reports, &report, sizeof(report)) != (ssize_t)sizeof(report) ||
            read(orders, &order, sizeof(order)) != (ssize_t)sizeof(order))
            break;
        report.repeated = clients_ask(clients, order.requests, order.window);
        report.cpu_us = process_cpu_us(getpid()) - used;
    }
    clients_close(clients);
    exit(0);
}

static struct report hear(const struct member *member)
{
    struct report report;

    if (read(member->reports, &report, sizeof(report)) != (ssize_t)sizeof(report))
        fail("a process of clients ended"); /* and has said why */
    return report;
}

static void start(struct crew *crew, const struct clients_settings *settings)
{
    struct member *member = &crew->members[crew->count++];
    int orders[2], reports[2];
    pid_t parent = getpid();

    if (pipe(orders) != 0 || pipe(reports) != 0 || (member->pid = fork()) < 0)
        fail("cannot start a process");
    if (member->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            exit(1);
        for (size_t i = 0; i + 1 < crew->count; i++)
            close(crew->members[i].orders); /* whose end is how they hear that it is over */
        close(orders[1]);
        work(settings, orders[0], reports[1]);
    }
    close(orders[0]);
    close(reports[1]);
    member->orders = orders[1];
    member->reports = reports[0];
}

struct crew *crew_connect(const struct clients_settings *settings)
{
    size_t most = crew_descriptors(), members = (settings->count + most - 1) / most;
    struct crew *crew = calloc(1, sizeof(*crew));

    if (members > CREW_MAX)
        fail("too many clients for so few descriptors: ulimit -n");
    for (size_t i = 0; i < members; i++) {
        struct clients_settings own = *settings;
        own.count = settings->count / members + (i < settings->count % members ? 1 : 0);
        own.source = INADDR_LOOPBACK + 1 + (uint32_t)i;
        start(crew, &own);
    }
    for (size_t i = 0; i < members; i++)
        hear(&crew->members[i]);
    return crew;
}

size_t crew_ask(struct crew *crew, size_t requests, size_t window, double *cpu_us)
{
    size_t repeated = 0;

    *cpu_us = 0;
    for (size_t i = 0; i < crew->count; i++) {
        struct order order = {requests / crew->count, window / crew->count};
        if (write(crew->members[i].orders, &order, sizeof(order)) != (ssize_t)sizeof(order))
            fail("a process of clients ended");
    }
    for (size_t i = 0; i < crew->count; i++) {
        struct report report = hear(&crew->members[i]);
        repeated += report.repeated;
        *cpu_us += report.cpu_us;
    }
    return repeated;
}

void crew_close(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        close(crew->members[i].orders);
        waitpid(crew->members[i].pid, NULL, 0);
        close(crew->members[i].reports);
    }
    free(crew);
}
