#include "tests/bench/support/served.h"

#include <coap3/coap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/coap/coap.h"
#include "gateway/log/log.h"
#include "tests/bench/support/requests.h"

static const uint8_t body[32] = "thirty-two bytes of an answer...";

static void fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

/* ---- gateway/coap ---- */

static void on_up(void *arg, struct dots_session *session)
{
    (void)arg, (void)session;
}

static void on_down(void *arg, struct dots_session *session, enum dots_down reason, const char *text)
{
    (void)arg, (void)session, (void)reason, (void)text;
}

static void on_request(void *arg, struct dots_session *session, const struct dots_request *request)
{
    const struct dots_response response = {.code = DOTS_CODE(2, 5),
                                           .content_format = -1,
                                           .max_age = DOTS_NO_MAX_AGE,
                                           .observe = -1,
                                           .body = body,
                                           .body_length = sizeof(body)};

    (void)arg, (void)session;
    dots_reply(request->exchange, &response);
}

/* What a DOTS server says to a gateway, at once: each mitigation is as asked for, and has begun. */
static void on_dots_request(void *arg, struct dots_session *session, const struct dots_request *request)
{
    static uint8_t status[CLIENTS_REQUEST_MAX];
    struct dots_response response = {
        .code = DOTS_CODE(2, 4), .content_format = -1, .max_age = DOTS_NO_MAX_AGE, .observe = -1};
    unsigned long mid = 0;

    (void)arg, (void)session;
    if (request->path_count) {
        const struct dots_option *last = &request->path[request->path_count - 1];
        char text[16] = "";
        memcpy(text, last->at, last->length < sizeof(text) ? last->length : sizeof(text) - 1);
        mid = strncmp(text, "mid=", 4) == 0 ? strtoul(text + 4, NULL, 10) : 0;
    }
    if (mid && request->method != DOTS_DELETE) {
        response.code = request->method == DOTS_GET ? DOTS_CODE(2, 5) : DOTS_CODE(2, request->if_match ? 4 : 1);
        response.observe = request->method == DOTS_GET && request->observe == 0 ? 1 : -1;
        response.content_format = DOTS_CONTENT_FORMAT;
        response.body = status;
        response.body_length = requests_status((uint32_t)mid, request->method == DOTS_GET, status);
    } else if (request->method == DOTS_GET) {
        response.code = DOTS_CODE(4, 4);
    }
    dots_reply(request->exchange, &response);
}

static bool on_response(void *arg, struct dots_session *session, const struct dots_token *token,
                        const struct dots_response *response)
{
    (void)arg, (void)session, (void)token, (void)response;
    return true;
}

static void on_nack(void *arg, struct dots_session *session, const struct dots_token *token, enum dots_nack reason)
{
    (void)arg, (void)session, (void)token, (void)reason;
}

static const uint8_t *lookup(void *arg, const char *identity, size_t length, size_t *key_length)
{
    (void)arg, (void)identity, (void)length;
    *key_length = sizeof(SERVED_PSK) - 1;
    return (const uint8_t *)SERVED_PSK;
}

static void serve_gateway(bool dots, bool tcp, const struct pki *pki, int tell)
{
    static const struct dots_handlers handlers = {on_up, on_down, on_request, on_response, on_nack, NULL};
    static const struct dots_handlers responder = {on_up, on_down, on_dots_request, on_response, on_nack, NULL};
    struct dots_endpoint_settings settings = {
        .handlers = dots ? &responder : &handlers,
        .name = "bench.example",
        .credentials = {.certificate = pki->server[0] ? pki->server : NULL,
                        .private_key = pki->server[0] ? pki->server_key : NULL,
                        .trust_anchors = pki->server[0] ? pki->ca : NULL},
        .psk_lookup = lookup,
        .body_max = 8192,
        .handshakes_max = 100000,
    };
    char error[256];
    uv_loop_t loop;
    uint16_t port;
    int bound;

    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    uv_loop_init(&loop);
    struct dots_endpoint *endpoint = dots_endpoint_open(&loop, &settings, error, sizeof(error));
    if (!endpoint)
        fail(error);
    bound = dots_endpoint_listen(endpoint, "127.0.0.1", 0, tcp ? DOTS_TCP : DOTS_UDP, error, sizeof(error));
    if (bound <= 0)
        fail(error);
    port = (uint16_t)bound;
    if (write(tell, &port, sizeof(port)) != sizeof(port))
        exit(1);
    uv_run(&loop, UV_RUN_DEFAULT);
}

/* ---- libcoap alone ---- */

static void answer(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                   const coap_string_t *query, coap_pdu_t *response)
{
    (void)resource, (void)session, (void)request, (void)query;
    coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
    coap_add_data(response, sizeof(body), body);
}

/* libcoap's own is 5: connections would wait a second for their turn. */
static void lengthen_backlog(void)
{
    for (int descriptor = 3; descriptor < 64; descriptor++) {
        int listens = 0;
        socklen_t size = sizeof(listens);

        if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens)
            listen(descriptor, 1024);
    }
}

static void serve_stock(bool tcp, const struct pki *pki, int tell)
{
    coap_dtls_pki_t setup = {
        .version = COAP_DTLS_PKI_SETUP_VERSION,
        .verify_peer_cert = 1,
        .check_common_ca = 1,
        .allow_no_crl = 1,
        .pki_key = {.key_type = COAP_PKI_KEY_PEM,
                    .key.pem = {.ca_file = pki->ca, .public_cert = pki->server, .private_key = pki->server_key}}};
    coap_dtls_spsk_t psk = {.version = COAP_DTLS_SPSK_SETUP_VERSION,
                            .psk_info.key = {sizeof(SERVED_PSK) - 1, (const uint8_t *)SERVED_PSK}};
    coap_address_t address;
    uint16_t port;

    coap_startup();
    coap_set_log_level((coap_log_t)2);
    coap_context_t *context = coap_new_context(NULL);
    coap_resource_t *unknown = coap_resource_unknown_init(answer);
    coap_register_request_handler(unknown, COAP_REQUEST_GET, answer);
    coap_add_resource(context, unknown);
    coap_context_set_max_handshake_sessions(context, 1000);
    if (pki->server[0])
        coap_context_set_pki(context, &setup);
    else
        coap_context_set_psk2(context, &psk);
    coap_address_init(&address);
    address.addr.sin.sin_family = AF_INET;
    address.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.size = sizeof(address.addr.sin);
    coap_endpoint_t *endpoint = coap_new_endpoint(context, &address, tcp ? COAP_PROTO_TLS : COAP_PROTO_DTLS);
    if (!endpoint)
        fail("libcoap does not listen");
    lengthen_backlog();
    port = (uint16_t)strtoul(strrchr(coap_endpoint_str(endpoint), ':') + 1, NULL, 10);
    if (write(tell, &port, sizeof(port)) != sizeof(port))
        exit(1);
    for (;;)
        coap_io_process(context, COAP_IO_WAIT);
}

/* ---- processes ---- */

static const char *const kinds[] = {"gateway", "libcoap", "upstream"};

/* --serve KIND TRANSPORT CA CERTIFICATE KEY, the port goes to standard output. */
void served_become(int argc, char **argv)
{
    struct pki pki;

    if (argc != 7 || strcmp(argv[1], "--serve") != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    snprintf(pki.ca, sizeof(pki.ca), "%s", argv[4]);
    snprintf(pki.server, sizeof(pki.server), "%s", argv[5]);
    snprintf(pki.server_key, sizeof(pki.server_key), "%s", argv[6]);
    if (strcmp(argv[2], kinds[SERVED_STOCK]) == 0)
        serve_stock(strcmp(argv[3], "tls") == 0, &pki, STDOUT_FILENO);
    else
        serve_gateway(strcmp(argv[2], kinds[SERVED_UPSTREAM]) == 0, strcmp(argv[3], "tls") == 0, &pki, STDOUT_FILENO);
    exit(0);
}

struct served served_start(enum served_kind kind, bool tcp, const struct pki *pki)
{
    struct served served;
    int pipes[2];

    if (pipe(pipes) != 0)
        fail("no pipe");
    fflush(NULL);
    served.pid = fork();
    if (served.pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        execl("/proc/self/exe", "bench", "--serve", kinds[kind], tcp ? "tls" : "dtls", pki ? pki->ca : "",
              pki ? pki->server : "", pki ? pki->server_key : "", (char *)NULL);
        _exit(1);
    }
    close(pipes[1]);
    if (served.pid < 0 || read(pipes[0], &served.port, sizeof(served.port)) != sizeof(served.port))
        fail("a server did not start");
    close(pipes[0]);
    return served;
}

void served_stop(const struct served *served)
{
    kill(served->pid, SIGKILL);
    waitpid(served->pid, NULL, 0);
}
