#include "tests/bench/support/clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/support/served.h"

#define EVENTS 256
#define STALLED 1000 /* ms: then what is under way is repeated */
#define PATIENCE 60  /* times that it may stall */
#define AGAIN 3e6    /* us: a request that is not answered is repeated, RFC 9132 section 4.4.1 */
#define HEADER 8     /* bytes before the code of a message, and its token */
#define STRIDE 7919  /* a prime: neighbours in memory are not asked one after the other */

struct client {
    SSL *ssl;
    int descriptor;
    uint16_t token;
    bool up, asking;
    double asked; /* us; a storm: at first, and due for the next try */
    double due;
};

struct clients {
    struct clients_settings settings;
    SSL_CTX *context;
    struct client *all;
    struct epoll_event events[EVENTS];
    int epoll;
    size_t up, started, answered, sent, repeated, requests;
    size_t next;
    uint64_t random;
};

static void fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

/* ---- handshakes ---- */

static unsigned int give_psk(SSL *ssl, const char *hint, char *identity, unsigned int identity_size, unsigned char *key,
                             unsigned int key_size)
{
    (void)ssl, (void)hint;
    if (key_size < sizeof(SERVED_PSK) - 1)
        return 0;
    snprintf(identity, identity_size, "bench");
    memcpy(key, SERVED_PSK, sizeof(SERVED_PSK) - 1);
    return sizeof(SERVED_PSK) - 1;
}

SSL_CTX *clients_context(bool tcp, const struct pki *pki)
{
    SSL_CTX *context = SSL_CTX_new(tcp ? TLS_client_method() : DTLS_client_method());

    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!pki) {
        SSL_CTX_set_psk_client_callback(context, give_psk);
        SSL_CTX_set_cipher_list(context, "ECDHE-PSK-CHACHA20-POLY1305");
    } else if (SSL_CTX_use_certificate_file(context, pki->client, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_use_PrivateKey_file(context, pki->client_key, SSL_FILETYPE_PEM) != 1) {
        fail("the client's certificate cannot be used");
    }
    return context;
}

static void open_socket(struct clients *clients, struct client *client)
{
    struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(clients->settings.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    client->descriptor = socket(AF_INET, clients->settings.tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    if (client->descriptor < 0)
        fail("out of descriptors: ulimit -n");
    if (clients->settings.source != 0) {
        struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(clients->settings.source)};
        setsockopt(client->descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(client->descriptor, (struct sockaddr *)&own, sizeof(own)) != 0)
            fail("cannot bind");
    }
    if (connect(client->descriptor, (struct sockaddr *)&server, sizeof(server)) != 0)
        fail("cannot connect");
    fcntl(client->descriptor, F_SETFL, O_NONBLOCK);
    if (clients->settings.tcp)
        setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void say(struct client *client, const uint8_t *bytes, size_t length)
{
    SSL_alloc_buffers(client->ssl);
    SSL_write(client->ssl, bytes, (int)length);
}

static void advance(struct clients *clients, struct client *client)
{
    static const uint8_t csm[] = {0x00, 0xe1}; /* RFC 8323 section 5.3 */
    int result = SSL_connect(client->ssl);

    if (result != 1) {
        int error = SSL_get_error(client->ssl, result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            fail("a handshake failed");
        return;
    }
    client->up = true;
    clients->up++;
    if (clients->settings.tcp)
        say(client, csm, sizeof(csm));
    SSL_free_buffers(client->ssl);
}

static void start(struct clients *clients, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    open_socket(clients, client);
    client->ssl = SSL_new(clients->context);
    if (clients->settings.tcp) {
        SSL_set_fd(client->ssl, client->descriptor);
    } else {
        struct sockaddr_in peer;
        socklen_t length = sizeof(peer);
        BIO *bio = BIO_new_dgram(client->descriptor, BIO_NOCLOSE);
        getpeername(client->descriptor, (struct sockaddr *)&peer, &length);
        BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &peer);
        SSL_set_bio(client->ssl, bio, bio);
        SSL_set_mtu(client->ssl, 1400);
    }
    SSL_SESSION *session = clients->settings.resume;
    if (clients->settings.former)
        session = SSL_get0_session(clients->settings.former->all[client - clients->all].ssl);
    if (session) {
        SSL_SESSION *copy = SSL_SESSION_dup(session);
        SSL_set_session(client->ssl, copy);
        SSL_SESSION_free(copy);
    }
    epoll_ctl(clients->epoll, EPOLL_CTL_ADD, client->descriptor, &event);
    clients->started++;
    advance(clients, client);
}

/* ---- requests ---- */

static bool is_lost(struct clients *clients)
{
    clients->random ^= clients->random << 13;
    clients->random ^= clients->random >> 7;
    clients->random ^= clients->random << 17;
    return (double)(clients->random >> 11) * 0x1p-53 < clients->settings.loss;
}

static size_t write_request(const struct clients *clients, const struct client *client, uint8_t *to)
{
    static const uint8_t get[] = {0x01, 0xb1, 'x'};

    if (clients->settings.request)
        return clients->settings.request(clients->settings.arg, (size_t)(client - clients->all), client->token, to);
    memcpy(to, get, sizeof(get));
    return sizeof(get);
}

/* A NON of RFC 7252 section 3, or its form of RFC 8323 section 3.2, with a token of two bytes. */
static void ask(struct clients *clients, struct client *client)
{
    uint8_t message[HEADER + CLIENTS_REQUEST_MAX], request[CLIENTS_REQUEST_MAX];
    uint8_t high = (uint8_t)(client->token >> 8), low = (uint8_t)client->token;
    size_t length = write_request(clients, client, request), head = 0, rest = length - 1;

    client->asking = true;
    if (is_lost(clients))
        return;
    if (!clients->settings.tcp) {
        const uint8_t start[] = {0x52, request[0], high, low};
        memcpy(message, start, head = sizeof(start));
    } else {
        message[head++] = (uint8_t)((rest < 13 ? rest : rest < 269 ? 13 : 14) << 4 | 2);
        if (rest >= 269)
            message[head++] = (uint8_t)((rest - 269) >> 8);
        if (rest >= 13)
            message[head++] = (uint8_t)(rest - (rest < 269 ? 13 : 269));
        message[head++] = request[0];
    }
    message[head++] = high;
    message[head++] = low;
    memcpy(message + head, request + 1, rest);
    say(client, message, head + rest);
}

static void ask_next(struct clients *clients)
{
    struct client *client;

    if (clients->sent == clients->requests)
        return;
    do {
        client = &clients->all[clients->next];
        clients->next = (clients->next + STRIDE) % clients->settings.count;
    } while (client->asking);
    clients->sent++;
    client->token++;
    client->asked = now_us();
    ask(clients, client);
}

/* One message in a record; heartbeats and notifications are others. Ends the program when it is an error. */
static bool is_answer(const struct clients *clients, const struct client *client, const uint8_t *message, int length)
{
    int extended = message[0] >> 4 < 13 ? 0 : message[0] >> 4 == 13 ? 1 : 2;
    int token = clients->settings.tcp ? 2 + extended : 4, code = clients->settings.tcp ? token - 1 : 1;

    if (length < token + 2 || (message[0] & 15) != 2 || (message[token] << 8 | message[token + 1]) != client->token ||
        message[code] >> 5 == 0)
        return false;
    if (message[code] >> 5 != 2) {
        fprintf(stderr, "bench: an answer of %d.%02d: %.*s\n", message[code] >> 5, message[code] & 31,
                length - token - 2, (const char *)message + token + 2);
        exit(1);
    }
    return true;
}

static void hear(struct clients *clients, struct client *client)
{
    uint8_t message[2048];
    int length;

    if (!client->up) {
        advance(clients, client);
        return;
    }
    while ((length = SSL_read(client->ssl, message, sizeof(message))) > 0) {
        if (is_lost(clients) || !client->asking || !is_answer(clients, client, message, length))
            continue;
        client->asking = false;
        clients->answered++;
        client->asked = now_us() - client->asked;
        ask_next(clients);
    }
    if (SSL_get_error(client->ssl, length) != SSL_ERROR_WANT_READ)
        fail("a session ended");
    if (!client->asking)
        SSL_free_buffers(client->ssl);
}

static void repeat(struct clients *clients)
{
    for (size_t i = 0; i < clients->settings.count; i++) {
        struct client *client = &clients->all[i];

        if (client->ssl && !client->up && !clients->settings.tcp)
            DTLSv1_handle_timeout(client->ssl);
        if (client->asking && !clients->settings.tcp) {
            clients->repeated++;
            ask(clients, client);
        }
    }
}

/* ---- the loop ---- */

static void turn(struct clients *clients, unsigned *stalls)
{
    int count = epoll_wait(clients->epoll, clients->events, EVENTS, STALLED);

    if (count == 0) {
        if (++*stalls > PATIENCE)
            fail("the server does not answer");
        repeat(clients);
    }
    for (int i = 0; i < count; i++)
        hear(clients, clients->events[i].data.ptr);
}

struct clients *clients_connect(const struct clients_settings *settings)
{
    struct clients *clients = calloc(1, sizeof(*clients));
    unsigned stalls = 0;

    clients->settings = *settings;
    clients->random = 88172645463325252U; /* the same losses in every run */
    clients->all = calloc(settings->count, sizeof(*clients->all));
    clients->context = clients_context(settings->tcp, settings->pki);
    clients->epoll = epoll_create1(EPOLL_CLOEXEC);
    while (clients->up < settings->count) {
        while (clients->started < settings->count && clients->started - clients->up < settings->together)
            start(clients, &clients->all[clients->started]);
        if (clients->up < settings->count)
            turn(clients, &stalls);
    }
    return clients;
}

size_t clients_ask(struct clients *clients, size_t requests, size_t window)
{
    unsigned stalls = 0;

    clients->requests = requests;
    clients->sent = clients->answered = clients->repeated = 0;
    for (size_t i = 0; i < window && i < clients->settings.count; i++)
        ask_next(clients);
    while (clients->answered < requests)
        turn(clients, &stalls);
    return clients->repeated;
}

void clients_ask_slowly(struct clients *clients, size_t requests, double *took)
{
    for (size_t i = 0; i < requests; i++) {
        clients->next = 0;
        clients_ask(clients, 1, 1);
        took[i] = clients->all[0].asked;
    }
}

/* Those whose time has come; returns ms until somebody else's. */
static int ask_due(struct clients *clients, struct storm *storm)
{
    double now = now_us(), next = now + STALLED * 1e3;

    for (size_t i = 0; i < clients->settings.count; i++) {
        struct client *client = &clients->all[i];
        bool first = client->due == client->asked;

        if (client->due <= now && (first || client->asking)) {
            client->token += first;
            client->due = now + AGAIN;
            storm->tries++;
            ask(clients, client);
        }
        if ((client->asking || client->due == client->asked) && client->due < next)
            next = client->due;
    }
    return next > now ? (int)((next - now) / 1e3) + 1 : 0;
}

void clients_storm(struct clients *clients, double seconds, struct storm *storm)
{
    size_t count = clients->settings.count;
    double begun = now_us(), *took = calloc(count, sizeof(*took));
    int count_ready;

    memset(storm, 0, sizeof(*storm));
    clients->requests = clients->sent = clients->answered = 0; /* nobody asks when another is answered */
    for (size_t i = 0; i < count; i++)
        clients->all[i].asked = clients->all[i].due = begun + seconds * 1e6 * (double)i / (double)count;
    while (clients->answered < count) {
        if (now_us() - begun > PATIENCE * AGAIN)
            fail("the server does not answer");
        count_ready = epoll_wait(clients->epoll, clients->events, EVENTS, ask_due(clients, storm));
        for (int i = 0; i < count_ready; i++)
            hear(clients, clients->events[i].data.ptr);
    }
    storm->last = (now_us() - begun) / 1e6;
    for (size_t i = 0; i < count; i++)
        took[i] = clients->all[i].asked / 1e6;
    storm->median = median_of(took, count);
    free(took);
}

SSL_SESSION *clients_session(struct clients *clients)
{
    return SSL_get1_session(clients->all[0].ssl);
}

size_t clients_resumed(const struct clients *clients)
{
    size_t resumed = 0;

    for (size_t i = 0; i < clients->settings.count; i++)
        resumed += SSL_session_reused(clients->all[i].ssl) == 1;
    return resumed;
}

void clients_close(struct clients *clients)
{
    for (size_t i = 0; i < clients->settings.count; i++) {
        struct client *client = &clients->all[i];
        SSL_alloc_buffers(client->ssl);
        SSL_shutdown(client->ssl);
        SSL_free(client->ssl);
        close(client->descriptor);
    }
    close(clients->epoll);
    SSL_CTX_free(clients->context);
    free(clients->all);
    free(clients);
}
