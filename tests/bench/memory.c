/*
 * links: bench_support coap wire log
 *
 * memory: resident memory of a server for each idle session, with certificates on both sides and with PSK, and of a
 * stock libcoap server, in the same run. The kernel's own, for a TCP socket, is not in it. And of the gateway for each
 * active mitigation, which it has installed upstream and observes there.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/support/clients.h"
#include "tests/bench/support/gateway.h"
#include "tests/bench/support/requests.h"
#include "tests/bench/support/served.h"

#define FIRST 200 /* sessions that are there before: pools and tables have grown */

static double measure(enum served_kind kind, bool tcp, size_t count, const struct pki *pki)
{
    struct served served = served_start(kind, tcp, pki);
    struct clients_settings settings = {.port = served.port, .tcp = tcp, .count = FIRST, .together = 32, .pki = pki};
    struct clients *before = clients_connect(&settings), *more;
    double resident, each;

    clients_ask(before, FIRST, 32);
    resident = process_resident_kib(served.pid);
    settings.count = count;
    more = clients_connect(&settings);
    clients_ask(more, count, 32);
    each = (process_settled_kib(served.pid) - resident) / (double)count;
    clients_close(before);
    clients_close(more);
    served_stop(&served);
    return each;
}

static void tell(bool tcp, size_t count, const struct pki *pki)
{
    const char *transport = tcp ? "tls" : "dtls", *credentials = pki ? "certificates" : "psk";
    double each = measure(SERVED_GATEWAY, tcp, count, pki), stock = measure(SERVED_STOCK, tcp, count, pki);

    printf("{\"name\": \"memory.session\", \"transport\": \"%s\", \"credentials\": \"%s\", \"sessions\": %zu, "
           "\"figure\": %.1f, \"unit\": \"KiB\", \"reference\": \"libcoap\", \"reference_kib\": %.1f}\n",
           transport, credentials, count, each, stock);
    fprintf(stderr, "%-6s %-12s %9zu %16.1f %16.1f\n", transport, credentials, count, each, stock);
}

/* ---- mitigations ---- */

#define MITIGATIONS 20 /* of each client */

static double resident_after(const struct gateway *gateway, size_t first, size_t clients_count)
{
    const struct requests what = {.first = first, .mitigations = 1000000};
    struct clients_settings settings = {.port = gateway->port,
                                        .tcp = true,
                                        .count = clients_count,
                                        .together = 32,
                                        .request = requests_put,
                                        .arg = &what};
    struct clients *clients = clients_connect(&settings);

    clients_ask(clients, clients_count * MITIGATIONS, 32);
    clients_close(clients);
    return process_settled_kib(gateway->pid); /* all is observed upstream, and committed */
}

static void tell_mitigation(size_t count)
{
    struct served upstream = served_start(SERVED_UPSTREAM, false, NULL);
    struct gateway gateway;
    double before, each;

    gateway_make(&gateway, upstream.port);
    gateway_start(&gateway);
    before = resident_after(&gateway, 0, FIRST);
    each = (resident_after(&gateway, FIRST, count / MITIGATIONS) - before) / (double)count;
    gateway_stop(&gateway, SIGKILL);
    gateway_remove(&gateway);
    served_stop(&upstream);
    printf("{\"name\": \"memory.mitigation\", \"mitigations\": %zu, \"figure\": %.2f, \"unit\": \"KiB\"}\n", count,
           each);
    fprintf(stderr, "%-6s %-12s %9zu %16.2f\n", "", "mitigation", count, each);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
    struct pki pki;

    served_become(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    pki_make(&pki);
    fprintf(stderr, "%-6s %-12s %9s %16s %16s\n", "", "", "of them", "KiB each", "stock libcoap");
    for (int tcp = 0; tcp < 2; tcp++) {
        tell(tcp, count, &pki);
        tell(tcp, count, NULL);
    }
    pki_remove(&pki);
    tell_mitigation(count * 10);
    return 0;
}
