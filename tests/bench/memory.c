/*
 * links: bench_support coap log
 *
 * memory: resident memory of a server for each idle session, with certificates on both sides and with PSK, and of a
 * stock libcoap server, in the same run. The kernel's own, for a TCP socket, is not in it.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/support/clients.h"
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
    sleep(1); /* what closes has closed */
    each = (process_resident_kib(served.pid) - resident) / (double)count;
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

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
    struct pki pki;

    served_become(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    pki_make(&pki);
    fprintf(stderr, "%-6s %-12s %9s %16s %16s\n", "", "", "sessions", "KiB a session", "stock libcoap");
    for (int tcp = 0; tcp < 2; tcp++) {
        tell(tcp, count, &pki);
        tell(tcp, count, NULL);
    }
    pki_remove(&pki);
    return 0;
}
