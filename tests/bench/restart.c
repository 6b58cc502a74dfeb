/*
 * links: bench_support coap wire log
 *
 * restart: a gateway with so many stored requests is killed and started again: how long until it listens, and until a
 * client that comes at once has its answer. The reference is the same without any request. restart [MOST [CLIENTS]]:
 * so many requests at most, of so many clients.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/support/clients.h"
#include "tests/bench/support/gateway.h"
#include "tests/bench/support/requests.h"
#include "tests/bench/support/served.h"

#define CLIENTS 2000
#define WINDOW 64
#define REPEATS 3
#define LATE 1000000 /* number of the client that comes then */

static void fill(const struct gateway *gateway, size_t count, size_t clients_most)
{
    size_t clients_count = count < clients_most ? count : clients_most;
    const struct requests what = {.mitigations = 1000000, .lifetime = 86400};
    struct clients_settings settings = {.port = gateway->port,
                                        .tcp = true,
                                        .count = clients_count,
                                        .together = WINDOW,
                                        .request = requests_put,
                                        .arg = &what};
    struct clients *clients;

    if (count == 0)
        return;
    clients = clients_connect(&settings);
    clients_ask(clients, count, WINDOW);
    clients_close(clients);
}

/* s from the start of the program: until it listens, and until it has answered. */
static void restart(struct gateway *gateway, double *listens, double *answers)
{
    const struct requests what = {.first = LATE};
    struct clients_settings settings = {
        .port = gateway->port, .tcp = true, .count = 1, .together = 1, .request = requests_put, .arg = &what};
    double begun = now_us();
    struct clients *clients;

    gateway_start(gateway);
    *listens = (now_us() - begun) / 1e6;
    clients = clients_connect(&settings);
    clients_ask(clients, 1, 1);
    *answers = (now_us() - begun) / 1e6;
    clients_close(clients);
}

static double measure(size_t count, size_t clients_most, double reference)
{
    struct served upstream = served_start(SERVED_UPSTREAM, false, NULL);
    double listens[REPEATS], answers[REPEATS], used[REPEATS], each, mib;
    struct gateway gateway;

    gateway_make(&gateway, upstream.port);
    gateway_start(&gateway);
    fill(&gateway, count, clients_most);
    for (size_t i = 0; i < REPEATS; i++) {
        gateway_stop(&gateway, SIGKILL);
        restart(&gateway, &listens[i], &answers[i]);
        used[i] = process_cpu_us(gateway.pid) / 1e6;
    }
    mib = process_resident_kib(gateway.pid) / 1024;
    gateway_stop(&gateway, SIGKILL);
    gateway_remove(&gateway);
    served_stop(&upstream);
    each = median_of(answers, REPEATS);
    if (reference < 0)
        reference = each;
    printf(
        "{\"name\": \"restart\", \"requests\": %zu, \"clients\": %zu, \"figure\": %.3f, \"unit\": \"s\", \"listens_s\": %.3f, \"cpu_s\": "
        "%.3f, \"resident_mib\": %.1f, \"reference\": \"no requests\", \"reference_s\": %.3f}\n",
        count, clients_most, each, median_of(listens, REPEATS), median_of(used, REPEATS), mib, reference);
    fprintf(stderr, "%9zu %12.3f %12.3f %12.3f %12.1f\n", count, listens[REPEATS / 2], each, used[REPEATS / 2], mib);
    fflush(stdout);
    return reference;
}

int main(int argc, char **argv)
{
    static const size_t counts[] = {0, 1000, 10000, 100000};
    size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    size_t clients_most = argc > 2 ? strtoul(argv[2], NULL, 10) : CLIENTS;
    double reference = -1;

    served_become(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    fprintf(stderr, "%9s %12s %12s %12s %12s\n", "requests", "listens, s", "answers, s", "processor, s", "MiB");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]) && counts[i] <= most; i++)
        reference = measure(counts[i], clients_most, reference);
    return 0;
}
