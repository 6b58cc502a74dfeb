/*
 * http_fixture: a server of gateway/http and clients of raw bytes, on one thread: whoever waits runs the loop.
 *
 * Paths of the server: /hold keeps the exchange in held; /watch begins a stream there; all others are answered with
 * what was asked. HTTP_TEST_LOG shows the log.
 */
#pragma once

#include "tests/unit/coap_pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "gateway/http/http.h"

#define WAIT_MS 20000
#define INPUT_MAX ((size_t)4 << 20)

static uv_loop_t loop;
static struct http_server *server;
static int server_port;
static bool server_closed;
static struct http_exchange *held[64];
static unsigned held_count, gone_count, request_count;
static struct http_exchange *last_gone;
static size_t wanted_body_max = SIZE_MAX;
static char last_certificate[64];

static UNUSED void fixture_request(void *arg, struct http_exchange *exchange, const struct http_request *request)
{
    (void)arg;
    char text[2048];
    request_count++;
    last_certificate[0] = '\0';
    if (request->peer->certificate != NULL)
        X509_NAME_get_text_by_NID(X509_get_subject_name(request->peer->certificate), NID_commonName, last_certificate,
                                  sizeof last_certificate);
    if (strcmp(request->path, "/hold") == 0 || strcmp(request->path, "/watch") == 0) {
        assert_true(held_count < 64);
        held[held_count++] = exchange;
        if (request->path[1] == 'w')
            http_stream_begin(exchange, 200, NULL, 0);
        return;
    }
    int length = snprintf(text, sizeof text, "[%s %s %s %.*s %s]", request->method, request->path,
                          request->query != NULL ? request->query : "-",
                          request->body_length < 1000 ? (int)request->body_length : 0,
                          request->body != NULL ? (const char *)request->body : "",
                          http_header_find(request, "x-test") != NULL ? http_header_find(request, "x-test") : "-");
    http_respond(exchange, 200, NULL, 0, text, (size_t)length);
}

static UNUSED void fixture_gone(void *arg, struct http_exchange *exchange)
{
    (void)arg;
    gone_count++;
    last_gone = exchange;
}

static UNUSED size_t fixture_body_max(void *arg, const struct http_request *request)
{
    (void)arg;
    assert_null(request->body);
    return wanted_body_max;
}

static bool wanted_refusal; /* else refusals have the text of the library */

static UNUSED size_t fixture_refusal(void *arg, unsigned status, const char *text, char *body, size_t size,
                                     const char **type)
{
    (void)arg;
    *type = "application/json";
    int length = snprintf(body, size, "{\"%u\":\"%s\"}", status, text);
    return wanted_refusal && length > 0 ? (size_t)length : 0;
}

static const struct http_handlers fixture_handlers = {
    .request = fixture_request, .gone = fixture_gone, .body_max = fixture_body_max, .refusal = fixture_refusal};

static UNUSED void start_server(const struct http_settings *settings)
{
    char error[256] = "";
    held_count = gone_count = request_count = 0;
    last_gone = NULL;
    wanted_body_max = SIZE_MAX;
    log_configure(getenv("HTTP_TEST_LOG") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&loop), 0);
    server = http_open(&loop, settings, &fixture_handlers, NULL, error, sizeof error);
    if (server == NULL)
        fail_msg("%s", error);
    server_port = http_listen_tcp(server, "127.0.0.1", 0, error, sizeof error);
    if (server_port <= 0)
        fail_msg("%s", error);
    server_closed = false;
}

static UNUSED void on_server_closed(void *arg)
{
    (void)arg;
    server_closed = true;
    server = NULL;
}

static UNUSED uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* Runs the loop until the condition holds. */
#define WAIT_FOR(condition)                                                          \
    do {                                                                             \
        uint64_t until_ = now_ms() + WAIT_MS;                                        \
        while (!(condition)) {                                                       \
            if (now_ms() > until_)                                                   \
                fail_msg("%s:%d: never: %s", __FILE__, __LINE__, #condition);        \
            if (uv_run(&loop, UV_RUN_NOWAIT) == 0 || uv_backend_timeout(&loop) != 0) \
                poll(NULL, 0, 1);                                                    \
        }                                                                            \
    } while (0)

static UNUSED void stop_server(void)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] != NULL)
            http_drop(held[i]);
    held_count = 0;
    if (server != NULL)
        http_close(server, 0, on_server_closed, NULL);
    WAIT_FOR(server_closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

struct client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    char *in; /* NUL behind it */
    size_t got;
    bool ended; /* by the server */
};

static UNUSED void client_open(struct client *client)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)server_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .in = calloc(1, INPUT_MAX + 1)};
    assert_true(client->fd >= 0 && client->in != NULL);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0);
    assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
}

static UNUSED void client_close(struct client *client)
{
    if (client->ssl != NULL) /* or its tickets would not count any more */
        SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    if (client->fd >= 0)
        close(client->fd);
    free(client->in);
    *client = (struct client){.fd = -1};
}

/* Takes what there is. */
static UNUSED void client_read(struct client *client)
{
    if (client->ended || client->got == INPUT_MAX)
        return;
    ssize_t got;
    bool nothing;
    if (client->ssl != NULL) {
        ERR_clear_error();
        got = SSL_read(client->ssl, client->in + client->got, (int)(INPUT_MAX - client->got));
        nothing = got <= 0 && SSL_get_error(client->ssl, (int)got) == SSL_ERROR_WANT_READ;
    } else {
        got = read(client->fd, client->in + client->got, INPUT_MAX - client->got);
        nothing = got < 0 && errno == EAGAIN;
    }
    if (got > 0)
        client->got += (size_t)got;
    else if (!nothing)
        client->ended = true;
    client->in[client->got] = '\0';
}

/* Sends all of it, while the server works; less when the server ends. */
static UNUSED void client_send(struct client *client, const void *data, size_t length)
{
    const char *from = data;
    uint64_t until = now_ms() + WAIT_MS;
    while (length > 0 && !client->ended) {
        ssize_t sent = client->ssl != NULL ? SSL_write(client->ssl, from, (int)length)
                                           : send(client->fd, from, length, MSG_NOSIGNAL);
        if (sent > 0) {
            from += sent;
            length -= (size_t)sent;
        } else if (client->ssl == NULL && errno != EAGAIN) {
            return;
        }
        uv_run(&loop, UV_RUN_NOWAIT);
        client_read(client);
        assert_true(now_ms() < until);
    }
}

static UNUSED void client_say(struct client *client, const char *text)
{
    client_send(client, text, strlen(text));
}

static UNUSED bool client_has(struct client *client, const char *text)
{
    client_read(client);
    return strstr(client->in, text) != NULL;
}

static UNUSED bool client_ended(struct client *client)
{
    client_read(client);
    return client->ended;
}

static UNUSED unsigned client_count(struct client *client, const char *text)
{
    client_read(client);
    unsigned count = 0;
    for (const char *at = client->in; (at = strstr(at, text)) != NULL; at += strlen(text))
        count++;
    return count;
}

/* A TLS handshake with this ALPN (wire format, may be NULL) and certificate (may be NULL): false when it failed. */
static UNUSED bool client_secure(struct client *client, const struct certificate *certificate, const char *alpn,
                                 SSL_SESSION *session)
{
    client->context = SSL_CTX_new(TLS_client_method());
    assert_non_null(client->context);
    if (certificate != NULL) {
        assert_int_equal(SSL_CTX_use_certificate_file(client->context, certificate->certificate, SSL_FILETYPE_PEM), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(client->context, certificate->key, SSL_FILETYPE_PEM), 1);
    }
    client->ssl = SSL_new(client->context);
    SSL_set_mode(client->ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_set_fd(client->ssl, client->fd);
    if (alpn != NULL)
        assert_int_equal(SSL_set_alpn_protos(client->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn)), 0);
    if (session != NULL)
        SSL_set_session(client->ssl, session);
    uint64_t until = now_ms() + WAIT_MS;
    int done;
    while ((done = SSL_connect(client->ssl)) != 1) {
        if (SSL_get_error(client->ssl, done) != SSL_ERROR_WANT_READ)
            return false;
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_true(now_ms() < until);
    }
    return true;
}

/* One exchange of raw bytes on a connection of its own. */
static UNUSED void expect_reply(const char *request, size_t length, const char *reply, bool ends)
{
    struct client client;
    client_open(&client);
    client_send(&client, request, length);
    uint64_t until = now_ms() + WAIT_MS;
    while (!client_has(&client, reply) || (ends && !client_ended(&client))) {
        if (now_ms() > until || (client.ended && !client_has(&client, reply)))
            fail_msg("to \"%s\" came \"%s\" (%s), not \"%s\"", request, client.in, client.ended ? "ended" : "open",
                     reply);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    client_close(&client);
}
