/*
 * links: bench_support coap log
 *
 * handshake: processor time of the gateway for one handshake, full with certificates on both sides, resumed by ticket,
 * and ECDHE-PSK; with its sockets, cookies and sessions. The reference is what the server's side of the same handshake
 * takes with bare OpenSSL over memory BIOs, in the same run.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/support/clients.h"
#include "tests/bench/support/served.h"

#define REPEATS 5
#define TOGETHER 32

enum how { FULL, RESUMED, PSK };

static const char *const names[] = {"full", "resumed", "psk"};

static void fail(const char *why)
{
    fprintf(stderr, "handshake: %s\n", why);
    exit(1);
}

/* ---- bare OpenSSL ---- */

static unsigned int find_psk(SSL *ssl, const char *identity, unsigned char *key, unsigned int size)
{
    (void)ssl, (void)identity, (void)size;
    memcpy(key, SERVED_PSK, sizeof(SERVED_PSK) - 1);
    return sizeof(SERVED_PSK) - 1;
}

static SSL_CTX *server_context(bool tcp, const struct pki *pki)
{
    SSL_CTX *context = SSL_CTX_new(tcp ? TLS_server_method() : DTLS_server_method());

    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"bench", 5);
    if (!pki) {
        SSL_CTX_set_psk_server_callback(context, find_psk);
        SSL_CTX_set_cipher_list(context, "ECDHE-PSK-CHACHA20-POLY1305");
        return context;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (SSL_CTX_use_certificate_file(context, pki->server, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, pki->server_key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_file(context, pki->ca) != 1)
        fail("the certificates cannot be used");
    return context;
}

static double thread_us(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static BIO *memory(void)
{
    BIO *bio = BIO_new(BIO_s_mem());

    BIO_set_mem_eof_return(bio, -1);
    return bio;
}

/* One handshake; the time of the server's side alone. *session: resumed when there is one, and left there. */
static double shake(SSL_CTX *client_context, SSL_CTX *context, enum how how, SSL_SESSION **session)
{
    SSL *client = SSL_new(client_context), *server;
    BIO *up = memory(), *down = memory();
    double used = thread_us();
    char octet;

    server = SSL_new(context);
    SSL_set_mtu(server, 1400);
    used = thread_us() - used;
    BIO_up_ref(up);
    BIO_up_ref(down);
    SSL_set_bio(client, down, up);
    SSL_set_bio(server, up, down);
    SSL_set_mtu(client, 1400);
    if (*session)
        SSL_set_session(client, *session);
    for (int i = 0; i < 20 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
        SSL_connect(client);
        double begun = thread_us();
        SSL_accept(server);
        used += thread_us() - begun;
    }
    SSL_read(client, &octet, 1); /* tickets */
    /* In TLS 1.3 a PSK counts as reused. */
    if (!SSL_is_init_finished(server) || (how != PSK && SSL_session_reused(server) != (*session != NULL)))
        fail("a handshake went otherwise than it should");
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(client);
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    double begun = thread_us();
    SSL_free(server);
    return used + thread_us() - begun;
}

static double measure_bare(bool tcp, enum how how, size_t count, const struct pki *pki)
{
    SSL_CTX *client = clients_context(tcp, pki), *server = server_context(tcp, pki);
    SSL_SESSION *session = NULL;
    double used = 0;

    if (how == RESUMED)
        shake(client, server, how, &session);
    for (size_t i = 0; i < count; i++) {
        if (how != RESUMED) {
            SSL_SESSION_free(session);
            session = NULL;
        }
        used += shake(client, server, how, &session);
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return used / (double)count;
}

/* ---- the gateway ---- */

static double measure_gateway(const struct served *served, const struct clients_settings *settings)
{
    double used = process_cpu_us(served->pid);
    struct clients *clients = clients_connect(settings);

    used = process_cpu_us(served->pid) - used;
    clients_close(clients);
    return used / (double)settings->count;
}

static SSL_SESSION *ticket(const struct clients_settings *settings)
{
    struct clients_settings one = *settings;
    struct clients *clients;
    SSL_SESSION *session;

    one.count = 1;
    clients = clients_connect(&one);
    clients_ask(clients, 1, 1);
    session = clients_session(clients);
    clients_close(clients);
    return session;
}

static void measure(bool tcp, enum how how, size_t count, const struct pki *pki)
{
    struct served served = served_start(SERVED_GATEWAY, tcp, pki);
    struct clients_settings settings = {
        .port = served.port, .tcp = tcp, .count = count, .together = TOGETHER, .pki = pki};
    double gateway[REPEATS], bare[REPEATS], each, reference;

    if (how == RESUMED)
        settings.resume = ticket(&settings);
    for (size_t i = 0; i < REPEATS; i++) {
        gateway[i] = measure_gateway(&served, &settings);
        bare[i] = measure_bare(tcp, how, count, pki);
    }
    each = median_of(gateway, REPEATS);
    reference = median_of(bare, REPEATS);
    SSL_SESSION_free(settings.resume);
    served_stop(&served);
    printf(
        "{\"name\": \"handshake.%s\", \"transport\": \"%s\", \"figure\": %.0f, \"unit\": \"per second of processor\", "
        "\"reference\": \"openssl\", \"reference_figure\": %.0f, \"ratio\": %.2f}\n",
        names[how], tcp ? "tls" : "dtls", 1e6 / each, 1e6 / reference, reference / each);
    fprintf(stderr, "%-8s %-5s %14.0f %14.0f %7.2f\n", names[how], tcp ? "tls" : "dtls", 1e6 / each, 1e6 / reference,
            reference / each);
}

int main(int argc, char **argv)
{
    size_t count;
    struct pki pki;

    served_become(argc, argv);
    count = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
    signal(SIGPIPE, SIG_IGN);
    pki_make(&pki);
    fprintf(stderr, "%-8s %-5s %14s %14s %7s\n", "", "", "a cpu second", "bare OpenSSL", "ratio");
    for (int tcp = 0; tcp < 2; tcp++) {
        measure(tcp, FULL, count, &pki);
        measure(tcp, RESUMED, count, &pki);
        measure(tcp, PSK, count, NULL);
    }
    pki_remove(&pki);
    return 0;
}
