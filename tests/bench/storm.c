/*
 * links: bench_support coap wire log
 *
 * storm: clients that are all attacked at once. Each asks for a mitigation within the same second, over DTLS, while of
 * the datagrams a quarter is lost, each way, and between the gateway and its upstream as well. How long it takes until
 * the last is answered, what memory it takes at most, and for how long the gateway's loop did not come round: one more
 * client asks over a path without loss all the time, and waits so long for each answer.
 *
 * The reference is how long it takes when nothing is lost.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/support/clients.h"
#include "tests/bench/support/gateway.h"
#include "tests/bench/support/requests.h"
#include "tests/bench/support/served.h"

#define LOSS 0.25
#define WITHIN 1.0 /* s, in which all ask */
#define TOGETHER 64
#define PROBE_FIRST 100000000 /* number of the client that probes */
#define PROBE_GAP 5000        /* us */
#define QUICK 500e3           /* us: an answer that did not wait for the upstream in vain */

struct figures {
    struct storm storm;
    double peak_kib, stall_ms, server_s, client_s;
};

static void fail(const char *why)
{
    fprintf(stderr, "storm: %s\n", why);
    exit(1);
}

/* ---- how long the loop does not come round ---- */

struct probe {
    pid_t pid;
    int says;
};

/* It has a mitigation, and asks for that. */
static size_t request_of_probe(const void *arg, size_t client, unsigned number, uint8_t to[CLIENTS_REQUEST_MAX])
{
    return number == 1 ? requests_same(arg, client, number, to) : requests_get(arg, client, number, to);
}

/* A process of its own: asks until it is told to end; says the longest wait in us. */
static struct probe probe_start(uint16_t port)
{
    struct probe probe;
    int pipes[2];

    if (pipe(pipes) != 0)
        fail("no pipe");
    fflush(NULL);
    probe.pid = fork();
    probe.says = pipes[0];
    if (probe.pid != 0) {
        close(pipes[1]);
        return probe;
    }
    const struct requests what = {.first = PROBE_FIRST};
    struct clients_settings settings = {
        .port = port, .tcp = true, .count = 1, .together = 1, .request = request_of_probe, .arg = &what};
    double longest = 0, took;
    sigset_t ended;

    sigemptyset(&ended);
    sigaddset(&ended, SIGTERM);
    sigprocmask(SIG_BLOCK, &ended, NULL);
    struct clients *clients = clients_connect(&settings);
    clients_ask_slowly(clients, 1, &took);
    for (;;) {
        clients_ask_slowly(clients, 1, &took);
        longest = took > longest ? took : longest;
        if (sigtimedwait(&ended, NULL, &(struct timespec){.tv_nsec = PROBE_GAP * 1000L}) == SIGTERM)
            break;
    }
    if (write(pipes[1], &longest, sizeof(longest)) != sizeof(longest))
        _exit(1);
    _exit(0);
}

static double probe_stop(const struct probe *probe)
{
    double longest = 0;

    kill(probe->pid, SIGTERM);
    if (read(probe->says, &longest, sizeof(longest)) != sizeof(longest))
        fail("the probe has ended");
    close(probe->says);
    waitpid(probe->pid, NULL, 0);
    return longest;
}

/* ---- the path to the upstream ---- */

static pid_t start_path(uint16_t port, uint16_t upstream, double lost)
{
    char program[256] = "", listens[32], target[32], loss[16];
    const char *command[] = {program, "-l", listens, "-t", target, "--loss", loss, "--seed", "1", NULL};

    if (readlink("/proc/self/exe", program, sizeof(program) - 16) < 0)
        fail("cannot read /proc/self/exe");
    strcpy(strrchr(program, '/') + 1, "lossy_relay"); /* NOLINT: there is room for it */
    snprintf(listens, sizeof(listens), "127.0.0.1:%u", (unsigned)port);
    snprintf(target, sizeof(target), "127.0.0.1:%u", (unsigned)upstream);
    snprintf(loss, sizeof(loss), "%.2f", lost);
    return process_start(command, "/dev/null");
}

/* Until the gateway has a session with its upstream. */
static void wait_upstream(uint16_t port)
{
    const struct requests what = {.first = PROBE_FIRST + 1};
    struct clients_settings settings = {
        .port = port, .tcp = true, .count = 1, .together = 1, .request = requests_put, .arg = &what};
    struct clients *clients = clients_connect(&settings);
    double took = QUICK;

    while (took >= QUICK)
        clients_ask_slowly(clients, 1, &took);
    clients_close(clients);
}

static void measure(size_t count, double loss, struct figures *figures)
{
    static const struct requests what = {.mitigations = 1};
    struct served upstream = served_start(SERVED_UPSTREAM, false, NULL);
    uint16_t between = port_free(0);
    int held[2]; /* lossy_relay ends with its standard input */

    if (pipe2(held, O_CLOEXEC) != 0 || dup2(held[0], STDIN_FILENO) < 0)
        fail("no pipe");
    pid_t path = start_path(between, upstream.port, loss);
    struct gateway gateway;
    gateway_make(&gateway, between);
    gateway_start(&gateway);
    wait_upstream(gateway.port);
    struct probe probe = probe_start(gateway.port);
    struct clients_settings settings = {.port = gateway.port,
                                        .count = count,
                                        .together = TOGETHER,
                                        .request = requests_put,
                                        .arg = &what,
                                        .loss = loss};
    struct clients *clients = clients_connect(&settings);
    double server = process_cpu_us(gateway.pid), own = process_cpu_us(getpid());

    clients_storm(clients, WITHIN, &figures->storm);
    figures->server_s = (process_cpu_us(gateway.pid) - server) / 1e6;
    figures->client_s = (process_cpu_us(getpid()) - own) / 1e6;
    figures->stall_ms = probe_stop(&probe) / 1e3;
    figures->peak_kib = process_peak_kib(gateway.pid);
    clients_close(clients);
    gateway_stop(&gateway, SIGKILL);
    gateway_remove(&gateway);
    close(held[0]);
    close(held[1]);
    process_stop(path, SIGTERM);
    served_stop(&upstream);
}

static void tell(size_t count, double loss, const struct figures *figures, const struct figures *none)
{
    const char *bottleneck = figures->server_s > figures->client_s ? "server" : "clients";

    printf(
        "{\"name\": \"storm\", \"clients\": %zu, \"loss\": %.2f, \"figure\": %.2f, \"unit\": \"s\", \"median_s\": %.3f, "
        "\"tries\": %zu, \"peak_mib\": %.1f, \"stall_ms\": %.1f, \"server_cpu_s\": %.2f, \"clients_cpu_s\": %.2f, "
        "\"bottleneck\": \"%s\", \"reference\": \"no loss\", \"reference_s\": %.2f}\n",
        count, loss, figures->storm.last, figures->storm.median, figures->storm.tries, figures->peak_kib / 1024,
        figures->stall_ms, figures->server_s, figures->client_s, bottleneck, none->storm.last);
    fprintf(stderr, "%9zu %6.2f %10.2f %10.3f %9zu %9.1f %10.1f %10.2f %10.2f  %s\n", count, loss, figures->storm.last,
            figures->storm.median, figures->storm.tries, figures->peak_kib / 1024, figures->stall_ms, figures->server_s,
            figures->client_s, bottleneck);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    struct figures none, lossy;
    struct rlimit limit;

    served_become(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    fprintf(stderr, "%9s %6s %10s %10s %9s %9s %10s %10s %10s  %s\n", "clients", "loss", "last, s", "median, s",
            "tries", "peak MiB", "stall, ms", "server, s", "clients, s", "bottleneck");
    measure(count, 0, &none);
    tell(count, 0, &none, &none);
    measure(count, LOSS, &lossy);
    tell(count, LOSS, &lossy, &none);
    return 0;
}
