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
#include <unistd.h>

#include "tests/bench/support/clients.h"
#include "tests/bench/support/crew.h"
#include "tests/bench/support/served.h"

#define REPEATS 5

static const char *const kinds[] = {"gateway", "libcoap"};

struct figures {
    double server_us, client_us; /* a request */
    double handshake_us;         /* a full handshake, while they came one by one */
    size_t repeated;
};

static struct figures measure(enum served_kind kind, bool tcp, size_t count, size_t window, const struct pki *pki)
{
    struct served served = served_start(kind, tcp, pki);
    double begun = process_cpu_us(served.pid);
    struct clients_settings settings = {.port = served.port, .tcp = tcp, .count = count, .together = 32, .pki = pki};
    struct crew *crew = crew_connect(&settings);
    size_t requests = count > 4000 ? count : 4000;
    double servers[REPEATS], own[REPEATS];
    struct figures figures = {.handshake_us = (process_cpu_us(served.pid) - begun) / (double)count};

    crew_ask(crew, requests, window, &own[0]);
    for (size_t i = 0; i < REPEATS; i++) {
        double server = process_cpu_us(served.pid);

        figures.repeated += crew_ask(crew, requests, window, &own[i]);
        servers[i] = (process_cpu_us(served.pid) - server) / (double)requests;
        own[i] /= (double)requests;
    }
    figures.server_us = median_of(servers, REPEATS);
    figures.client_us = median_of(own, REPEATS);
    crew_close(crew);
    served_stop(&served);
    return figures;
}

static void tell(enum served_kind kind, bool tcp, size_t count, size_t window, const struct figures *figures,
                 double at_least)
{
    const char *bottleneck = figures->server_us > figures->client_us ? "server" : "clients";

    printf(
        "{\"name\": \"sessions.%s\", \"transport\": \"%s\", \"sessions\": %zu, \"window\": %zu, \"figure\": %.2f, "
        "\"unit\": \"us\", \"ratio\": %.2f, \"client_us\": %.2f, \"handshake_us\": %.0f, \"repeated\": %zu, \"bottleneck\": \"%s\"}\n",
        kinds[kind], tcp ? "tls" : "dtls", count, window, figures->server_us, figures->server_us / at_least,
        figures->client_us, figures->handshake_us, figures->repeated, bottleneck);
    fprintf(stderr, "%-8s %-5s %9zu %7zu %12.2f %7.2f %12.2f %13.0f  %s\n", kinds[kind], tcp ? "tls" : "dtls", count,
            window, figures->server_us, figures->server_us / at_least, figures->client_us, figures->handshake_us,
            bottleneck);
}

int main(int argc, char **argv)
{
    static const size_t counts[] = {100, 1000, 10000, 50000};
    size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : 50000;
    size_t stock_most = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
    size_t window = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
    struct pki pki;

    served_become(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    pki_make(&pki);
    fprintf(stderr, "%-8s %-5s %9s %7s %12s %7s %12s %13s  %s\n", "", "", "sessions", "window", "us a request", "ratio",
            "clients, us", "handshake, us", "bottleneck");
    for (int kind = SERVED_GATEWAY; kind <= SERVED_STOCK; kind++) {
        for (int tcp = 0; tcp < 2; tcp++) {
            double first = 0;

            for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
                if (counts[i] > most || (kind == SERVED_STOCK && counts[i] > stock_most))
                    break;
                if (tcp && counts[i] > crew_descriptors()) {
                    fprintf(stderr, "%-8s tls %11zu: a server may have descriptors for %zu here: ulimit -n\n",
                            kinds[kind], counts[i], crew_descriptors());
                    break;
                }
                struct figures figures = measure(kind, tcp, counts[i], window, &pki);
                first = first > 0 ? first : figures.server_us;
                tell(kind, tcp, counts[i], window, &figures, first);
            }
        }
    }
    pki_remove(&pki);
    return 0;
}
