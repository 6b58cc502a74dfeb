/*
 * links: bench_support coap log
 *
 * sessions: processor time of a server for one request, with few and many live sessions, each asking in its turn; and
 * the same of libcoap's own coap_io_process() loop, in the same run. The servers are processes of their own: what the
 * clients cost is told, and is not in the figure.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/support/clients.h"
#include "tests/bench/support/served.h"

#define REPEATS 5
#define DESCRIPTORS 100 /* that are not a client's */

static const char *const kinds[] = {"gateway", "libcoap"};

struct figures {
    double server_us, client_us; /* a request */
    size_t repeated;
};

static struct figures measure(enum served_kind kind, bool tcp, size_t count, size_t window, const struct pki *pki)
{
    struct served served = served_start(kind, tcp, pki);
    struct clients_settings settings = {.port = served.port, .tcp = tcp, .count = count, .together = 32, .pki = pki};
    struct clients *clients = clients_connect(&settings);
    size_t requests = count > 4000 ? count : 4000;
    double servers[REPEATS], own[REPEATS];
    struct figures figures = {0};

    clients_ask(clients, requests, window);
    for (size_t i = 0; i < REPEATS; i++) {
        double server = process_cpu_us(served.pid), client = process_cpu_us(getpid());

        figures.repeated += clients_ask(clients, requests, window);
        servers[i] = (process_cpu_us(served.pid) - server) / (double)requests;
        own[i] = (process_cpu_us(getpid()) - client) / (double)requests;
    }
    figures.server_us = median_of(servers, REPEATS);
    figures.client_us = median_of(own, REPEATS);
    clients_close(clients);
    served_stop(&served);
    return figures;
}

static void tell(enum served_kind kind, bool tcp, size_t count, size_t window, const struct figures *figures,
                 double at_least)
{
    const char *bottleneck = figures->server_us > figures->client_us ? "server" : "clients";

    printf("{\"name\": \"sessions.%s\", \"transport\": \"%s\", \"sessions\": %zu, \"window\": %zu, \"figure\": %.2f, "
           "\"unit\": \"us\", \"ratio\": %.2f, \"client_us\": %.2f, \"repeated\": %zu, \"bottleneck\": \"%s\"}\n",
           kinds[kind], tcp ? "tls" : "dtls", count, window, figures->server_us, figures->server_us / at_least,
           figures->client_us, figures->repeated, bottleneck);
    fprintf(stderr, "%-8s %-5s %9zu %7zu %12.2f %7.2f %12.2f  %s\n", kinds[kind], tcp ? "tls" : "dtls", count, window,
            figures->server_us, figures->server_us / at_least, figures->client_us, bottleneck);
}

static size_t descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1000;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur - DESCRIPTORS;
}

int main(int argc, char **argv)
{
    static const size_t counts[] = {100, 1000, 10000, 50000};
    size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    size_t stock_most = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    size_t window = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
    struct pki pki;

    served_become(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (most > descriptors()) {
        most = descriptors();
        fprintf(stderr, "sessions: no more than %zu for want of descriptors\n", most);
    }
    pki_make(&pki);
    fprintf(stderr, "%-8s %-5s %9s %7s %12s %7s %12s  %s\n", "", "", "sessions", "window", "us a request", "ratio",
            "clients, us", "bottleneck");
    for (int kind = SERVED_GATEWAY; kind <= SERVED_STOCK; kind++) {
        for (int tcp = 0; tcp < 2; tcp++) {
            double first = 0;

            for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
                if (counts[i] > most || (kind == SERVED_STOCK && counts[i] > stock_most))
                    break;
                struct figures figures = measure(kind, tcp, counts[i], window, &pki);
                first = first > 0 ? first : figures.server_us;
                tell(kind, tcp, counts[i], window, &figures, first);
            }
        }
    }
    pki_remove(&pki);
    return 0;
}
