/*
 * links: bench_support coap wire log
 *
 * anycast: a population of clients, each with a session and a mitigation at one gateway, comes to another one at once,
 * as when the route of an anycast address has moved. The other has none of its state. With a file of ticket keys that
 * both have each resumes its session there; the reference is the same without, where each makes a full handshake.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "tests/bench/support/clients.h"
#include "tests/bench/support/gateway.h"
#include "tests/bench/support/requests.h"

#define TOGETHER 64
#define WINDOW 64
#define KEY 80
#define REPEATS 3

struct figures {
    double up_s, answered_s, cpu_s; /* until all are up, and all have their mitigation there; of the gateway for that */
    double handshake_us;            /* processor of the gateway */
    size_t resumed;
};

static void new_key(char text[128])
{
    unsigned char key[KEY];

    if (RAND_bytes(key, sizeof(key)) != 1)
        exit(1);
    EVP_EncodeBlock((unsigned char *)text, key, sizeof(key));
}

/* Once each: as many requests as clients, in whatever order. */
static struct clients *population(const struct clients_settings *settings)
{
    struct clients *clients = clients_connect(settings);

    clients_ask(clients, settings->count, WINDOW < settings->count ? WINDOW : settings->count);
    return clients;
}

static struct figures move(const struct gateway *first, const struct gateway *second, bool tcp, size_t count,
                           const struct pki *pki)
{
    static const struct requests what = {.mitigations = 1};
    struct clients_settings settings = {.port = first->port,
                                        .tcp = tcp,
                                        .count = count,
                                        .together = TOGETHER,
                                        .pki = pki,
                                        .request = requests_put,
                                        .arg = &what};
    struct clients *before = population(&settings), *after;
    double begun = now_us(), used = process_cpu_us(second->pid);
    struct figures figures;

    settings.port = second->port;
    settings.former = before;
    after = clients_connect(&settings);
    figures.up_s = (now_us() - begun) / 1e6;
    figures.handshake_us = (process_cpu_us(second->pid) - used) / (double)count;
    clients_ask(after, count, WINDOW < count ? WINDOW : count);
    figures.answered_s = (now_us() - begun) / 1e6;
    figures.cpu_s = (process_cpu_us(second->pid) - used) / 1e6;
    figures.resumed = clients_resumed(after);
    clients_close(after);
    clients_close(before);
    return figures;
}

static int by_answered(const void *a, const void *b)
{
    double left = ((const struct figures *)a)->answered_s, right = ((const struct figures *)b)->answered_s;

    return left < right ? -1 : left > right;
}

/* The run whose time is the median. */
static struct figures measure(bool tcp, bool shared, size_t count, const struct pki *pki)
{
    struct figures runs[REPEATS];
    char key[128];

    new_key(key);
    for (int i = 0; i < REPEATS; i++) {
        struct gateway gateways[2];

        for (int j = 0; j < 2; j++) {
            gateway_make_tls(&gateways[j], 0, pki, shared ? key : NULL);
            gateway_start(&gateways[j]);
        }
        runs[i] = move(&gateways[0], &gateways[1], tcp, count, pki);
        for (int j = 0; j < 2; j++) {
            gateway_stop(&gateways[j], SIGKILL);
            gateway_remove(&gateways[j]);
        }
    }
    qsort(runs, REPEATS, sizeof(runs[0]), by_answered);
    return runs[REPEATS / 2];
}

static void tell(bool tcp, bool shared, size_t count, const struct figures *figures, double reference)
{
    printf("{\"name\": \"anycast.%s\", \"transport\": \"%s\", \"clients\": %zu, \"resumed\": %zu, \"figure\": %.2f, "
           "\"unit\": \"s\", \"up_s\": %.2f, \"cpu_s\": %.2f, \"handshakes_per_cpu_s\": %.0f, \"reference\": \"keys of "
           "its own\", \"reference_s\": %.2f}\n",
           shared ? "shared" : "own", tcp ? "tls" : "dtls", count, figures->resumed, figures->answered_s, figures->up_s,
           figures->cpu_s, 1e6 / figures->handshake_us, reference);
    fprintf(stderr, "%-7s %-5s %8zu %8zu %10.2f %12.2f %12.2f %14.0f\n", shared ? "shared" : "own",
            tcp ? "tls" : "dtls", count, figures->resumed, figures->up_s, figures->answered_s, figures->cpu_s,
            1e6 / figures->handshake_us);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
    struct pki pki;

    signal(SIGPIPE, SIG_IGN);
    pki_make(&pki);
    fprintf(stderr, "%-7s %-5s %8s %8s %10s %12s %12s %14s\n", "keys", "", "clients", "resumed", "all up, s",
            "answered, s", "processor, s", "a cpu second");
    for (int tcp = 0; tcp < 2; tcp++) {
        struct figures own = measure(tcp, false, count, &pki), shared = measure(tcp, true, count, &pki);

        tell(tcp, false, count, &own, own.answered_s);
        tell(tcp, true, count, &shared, own.answered_s);
    }
    pki_remove(&pki);
    return 0;
}
