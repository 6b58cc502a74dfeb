/*
 * links: bench_support coap wire log
 *
 * relay: what the gateway takes for a request that goes through it, from clients over TLS or DTLS to an upstream over
 * DTLS, and by how much its answer comes later. Beside it, in the same run, Debian's coap-server-openssl: answering the
 * same request directly over DTLS, and as a proxy.
 *
 * Kinds of requests: *new* replaces the client's last one (a higher mid); *efficacy* is an update of one that is there.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/support/clients.h"
#include "tests/bench/support/gateway.h"
#include "tests/bench/support/requests.h"
#include "tests/bench/support/served.h"

#define CLIENTS 200
#define WINDOW window
#define REPEATS 5
#define SLOW 2000 /* requests at light load */

static size_t window = 150;

struct figures {
    double server_us, client_us, upstream_us; /* of processor time, a request */
    double per_second;
    double p50, p99, p999;     /* us; one request at a time */
    double commits, commit_us; /* of the store: how many a request meanwhile, and what one takes on average */
};

/* What answers: its process, and the upstream's, or 0. */
struct target {
    pid_t pid, upstream;
    uint16_t port;
    bool tcp;
    const struct gateway *gateway; /* NULL: it is none */
};

#define COMMITS "dotsgw_store_commit_seconds_count"
#define COMMIT_SECONDS "dotsgw_store_commit_seconds_sum"

static double quantile(const double *sorted, size_t count, double q)
{
    return sorted[(size_t)((double)(count - 1) * q)];
}

static void measure(const struct target *target, const struct clients_settings *how, size_t requests,
                    struct figures *figures)
{
    struct clients_settings settings = *how;
    double server[REPEATS], own[REPEATS], upstream[REPEATS], rate[REPEATS], took[SLOW];
    struct clients *clients;

    settings.port = target->port;
    settings.tcp = target->tcp;
    settings.count = CLIENTS;
    settings.together = WINDOW;
    clients = clients_connect(&settings);
    clients_ask(clients, requests, WINDOW);
    for (size_t i = 0; i < REPEATS; i++) {
        double begun = now_us(), used = process_cpu_us(target->pid), client = process_cpu_us(getpid());
        double above = target->upstream ? process_cpu_us(target->upstream) : 0;

        clients_ask(clients, requests, WINDOW);
        server[i] = (process_cpu_us(target->pid) - used) / (double)requests;
        own[i] = (process_cpu_us(getpid()) - client) / (double)requests;
        upstream[i] = target->upstream ? (process_cpu_us(target->upstream) - above) / (double)requests : 0;
        rate[i] = (double)requests / (now_us() - begun) * 1e6;
    }
    figures->commits = figures->commit_us = 0;
    if (target->gateway) {
        figures->commits = -gateway_metric(target->gateway, COMMITS);
        figures->commit_us = -gateway_metric(target->gateway, COMMIT_SECONDS);
    }
    clients_ask_slowly(clients, SLOW, took);
    if (target->gateway) {
        figures->commits += gateway_metric(target->gateway, COMMITS);
        figures->commit_us += gateway_metric(target->gateway, COMMIT_SECONDS);
        figures->commit_us *= 1e6 / figures->commits;
        figures->commits /= SLOW;
    }
    clients_close(clients);
    figures->server_us = median_of(server, REPEATS);
    figures->client_us = median_of(own, REPEATS);
    figures->upstream_us = median_of(upstream, REPEATS);
    figures->per_second = median_of(rate, REPEATS);
    figures->p50 = median_of(took, SLOW);
    figures->p99 = quantile(took, SLOW, 0.99);
    figures->p999 = quantile(took, SLOW, 0.999);
}

static void tell(const char *what, const char *kind, const struct figures *figures, const struct figures *direct)
{
    const char *bottleneck = figures->server_us < figures->client_us     ? "clients"
                             : figures->server_us < figures->upstream_us ? "upstream"
                                                                         : "server";

    printf(
        "{\"name\": \"relay.%s\", \"requests\": \"%s\", \"clients\": %d, \"window\": %zu, \"figure\": %.1f, "
        "\"unit\": \"us of processor\", \"requests_per_s\": %.0f, \"requests_per_processor_s\": %.0f, \"ratio\": %.2f, "
        "\"client_us\": %.1f, \"upstream_us\": %.1f, \"bottleneck\": \"%s\", \"p50_us\": %.0f, \"p99_us\": %.0f, "
        "\"p999_us\": %.0f, \"added_p50_us\": %.0f, \"added_p99_us\": %.0f, \"added_p999_us\": %.0f, \"commits\": %.2f, "
        "\"commit_us\": %.0f, \"reference\": \"coap-server-openssl over DTLS\", \"reference_us\": %.1f}\n",
        what, kind, CLIENTS, WINDOW, figures->server_us, figures->per_second, 1e6 / figures->server_us,
        direct->server_us / figures->server_us, figures->client_us, figures->upstream_us, bottleneck, figures->p50,
        figures->p99, figures->p999, figures->p50 - direct->p50, figures->p99 - direct->p99,
        figures->p999 - direct->p999, figures->commits, figures->commit_us, direct->server_us);
    fprintf(stderr, "%-16s %-9s %8.1f %9.0f %6.2f %8.1f %9.1f %7.0f %7.0f %7.0f %7.2f %9.0f  %s\n", what, kind,
            figures->server_us, figures->per_second, direct->server_us / figures->server_us, figures->client_us,
            figures->upstream_us, figures->p50, figures->p99, figures->p999, figures->commits, figures->commit_us,
            bottleneck);
}

/* ---- coap-server-openssl ---- */

static pid_t start_debians(uint16_t port, bool proxy)
{
    pid_t pid;
    char text[16];
    const char *direct[] = {
        "coap-server-openssl", "-A", "127.0.0.1", "-p", text, "-v", "0", "-d", "1000", "-k", SERVED_PSK, NULL};
    const char *relay[] = {
        "coap-server-openssl", "-A", "127.0.0.1", "-p", text, "-v", "0", "-k", SERVED_PSK, "-u", "bench", "-P",
        ",proxy.example",      NULL};

    snprintf(text, sizeof(text), "%u", (unsigned)port);
    pid = process_start(proxy ? relay : direct, "/dev/null");
    port_wait((uint16_t)(port + 1)); /* which it opens last */
    return pid;
}

static void measure_debians(bool tcp, size_t requests, struct figures *figures)
{
    uint16_t port = port_free(1);
    struct target target = {.pid = start_debians(port, false), .port = (uint16_t)(port + 1), .tcp = tcp};
    struct clients_settings how = {.request = requests_same};

    measure(&target, &how, requests, figures);
    process_stop(target.pid, SIGKILL);
}

/* coap-server-openssl as the proxy, to the same program that answers. */
static void measure_proxy(bool tcp, size_t requests, struct figures *figures)
{
    uint16_t port = port_free(1), upstream = port_free(1);
    struct requests through = {.proxied_to = (uint16_t)(upstream + 1)};
    struct clients_settings how = {.request = requests_same, .arg = &through};
    struct target target = {.port = (uint16_t)(port + 1), .tcp = tcp};

    target.upstream = start_debians(upstream, false);
    target.pid = start_debians(port, true);
    measure(&target, &how, requests, figures);
    process_stop(target.pid, SIGKILL);
    process_stop(target.upstream, SIGKILL);
}

/* ---- the gateway ---- */

static void measure_gateway(bool tcp, bool efficacy, size_t requests, struct figures *figures)
{
    struct served upstream = served_start(SERVED_UPSTREAM, false, NULL);
    struct gateway gateway;
    struct clients_settings how = {.request = efficacy ? requests_efficacy : requests_put};

    gateway_make(&gateway, upstream.port);
    gateway_start(&gateway);
    const struct target target = {gateway.pid, upstream.pid, gateway.port, tcp, &gateway};
    measure(&target, &how, requests, figures);
    gateway_stop(&gateway, SIGTERM);
    gateway_remove(&gateway);
    served_stop(&upstream);
}

int main(int argc, char **argv)
{
    size_t requests = argc > 1 ? strtoul(argv[1], NULL, 10) : 4000;
    struct figures direct, figures;

    served_become(argc, argv);
    window = argc > 2 ? strtoul(argv[2], NULL, 10) : 150;
    signal(SIGPIPE, SIG_IGN);
    fprintf(stderr, "%-16s %-9s %8s %9s %6s %8s %9s %7s %7s %7s %7s %9s  %s\n", "", "", "us", "a second", "ratio",
            "clients", "upstream", "p50, us", "p99", "p99.9", "commits", "each, us", "bottleneck");
    measure_debians(false, requests, &direct);
    tell("direct-dtls", "same", &direct, &direct);
    for (int tcp = 1; tcp >= 0; tcp--) {
        for (int efficacy = 0; efficacy < 2; efficacy++) {
            measure_gateway(tcp, efficacy, requests, &figures);
            tell(tcp ? "gateway-tls-dtls" : "gateway-dtls-dtls", efficacy ? "efficacy" : "new", &figures, &direct);
        }
        measure_proxy(tcp, requests, &figures);
        tell(tcp ? "proxy-tls-dtls" : "proxy-dtls-dtls", "same", &figures, &direct);
    }
    return 0;
}
