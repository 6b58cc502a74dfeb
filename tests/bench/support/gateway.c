#include "tests/bench/support/gateway.h"

#include <libgen.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/support/requests.h"

#define CONFIGURATION                                                                                               \
    "gateway: {name: gw.example, domain-side: server, state-dir: state}\n"                                          \
    "listeners: [{address: 127.0.0.1, port: %u, transports: [udp, tcp]}]\n"                                         \
    "clients:\n"                                                                                                    \
    "- {name: bench, identities: [{psk: bench, key-file: bench.psk}%s], scopes: {prefixes: ['" REQUESTS_PREFIX      \
    "']},\n"                                                                                                        \
    "   limits: {mitigations: 1000000, requests-per-second: 1000000, cuids: 1000000}}\n"                            \
    "limits: {sessions: 200000, handshakes: 100000, handshakes-per-source: 100000, requests-per-source: 1000000,\n" \
    "   mitigations: 1000000}\n"                                                                                    \
    "log: {level: error}\n"                                                                                         \
    "admin: {metrics: '127.0.0.1:%u'}\n"
#define TLS "tls: {certificate: %s, private-key: %s, trust-anchors: %s"
#define CERTIFICATE ", {san: " PKI_CLIENT_NAME "}"
#define UPSTREAM                                                                                                     \
    "upstreams: [{name: up, servers: [{host: dots.example, port: %u, addresses: [127.0.0.1]}], transports: [udp],\n" \
    "   identity: client, credentials: {psk: gateway, key-file: bench.psk}}]\n"
#define MITIGATOR "mitigators: [{name: none, driver: notify, exec: /bin/true}]\n"

static void fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

static FILE *create(const struct gateway *gateway, const char *name)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", gateway->folder, name);
    file = fopen(path, "w");
    if (!file || chmod(path, 0600) != 0)
        fail("cannot write into /dev/shm");
    return file;
}

/* build/tests/bench_NAME -> build/dotsgw */
static void find_program(struct gateway *gateway)
{
    char path[224] = "";

    if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
        fail("cannot read /proc/self/exe");
    snprintf(gateway->command, sizeof(gateway->command), "%s/dotsgw", dirname(dirname(path)));
    if (access(gateway->command, X_OK) != 0)
        fail("dotsgw is not built");
}

void gateway_make(struct gateway *gateway, uint16_t upstream)
{
    gateway_make_tls(gateway, upstream, NULL, NULL);
}

static void write_tls(const struct gateway *gateway, FILE *file, const struct pki *pki, const char *ticket_keys)
{
    fprintf(file, TLS, pki->server, pki->server_key, pki->ca);
    if (ticket_keys) {
        FILE *keys = create(gateway, "tickets");
        fputs(ticket_keys, keys);
        fclose(keys);
        fputs(", ticket-keys-file: tickets", file);
    }
    fputs("}\n", file);
}

void gateway_make_tls(struct gateway *gateway, uint16_t upstream, const struct pki *pki, const char *ticket_keys)
{
    FILE *file;

    find_program(gateway);
    snprintf(gateway->folder, sizeof(gateway->folder), "/dev/shm/dotsgw-bench-XXXXXX");
    if (!mkdtemp(gateway->folder))
        fail("cannot make a folder in /dev/shm");
    gateway->port = port_free(0);
    gateway->metrics = port_free(0);
    file = create(gateway, "bench.psk");
    for (const char *at = SERVED_PSK; *at; at++)
        fprintf(file, "%02x", (unsigned)*at);
    fputc('\n', file);
    fclose(file);
    file = create(gateway, "dotsgw.yaml");
    fprintf(file, CONFIGURATION, gateway->port, pki ? CERTIFICATE : "", gateway->metrics);
    if (pki)
        write_tls(gateway, file, pki, ticket_keys);
    if (upstream)
        fprintf(file, UPSTREAM, upstream);
    else
        fputs(MITIGATOR, file);
    fclose(file);
}

double gateway_metric(const struct gateway *gateway, const char *name)
{
    static const char get[] = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    static char page[1 << 18];
    int descriptor = port_connect(gateway->metrics);
    size_t length = 0, name_length = strlen(name);
    ssize_t got = 0;

    if (descriptor < 0 || write(descriptor, get, sizeof(get) - 1) != (ssize_t)sizeof(get) - 1)
        fail("the metrics cannot be asked for");
    while (length < sizeof(page) - 1 && (got = read(descriptor, page + length, sizeof(page) - 1 - length)) > 0)
        length += (size_t)got;
    close(descriptor);
    page[length] = '\0';
    for (const char *line = strchr(page, '\n'); line; line = strchr(line + 1, '\n')) {
        if (strncmp(line + 1, name, name_length) == 0 && line[1 + name_length] == ' ')
            return strtod(line + 1 + name_length, NULL);
    }
    fail("there is no such metric");
    return 0;
}

void gateway_start(struct gateway *gateway)
{
    char file[128], log[128];
    const char *command[] = {gateway->command, "-c", file, NULL};

    snprintf(file, sizeof(file), "%s/dotsgw.yaml", gateway->folder);
    snprintf(log, sizeof(log), "%s/log", gateway->folder);
    gateway->pid = process_start(command, log);
    port_wait(gateway->port);
}

void gateway_stop(const struct gateway *gateway, int signal)
{
    process_stop(gateway->pid, signal);
}

void gateway_remove(const struct gateway *gateway)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", gateway->folder);
    if (system(command) != 0) /* NOLINT(cert-env33-c): the folder is ours */
        fprintf(stderr, "bench: %s is still there\n", gateway->folder);
}
