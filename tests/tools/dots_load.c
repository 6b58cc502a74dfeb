/*
 * dots_load: many DOTS clients in one process, told what to ask by lines on standard input, each
 * answer one JSON object on standard output. For tests that need more clients, or quicker ones, than
 * dots-client gives: what carries the requests is the same link.
 *
 * Words: a *session* is one client with its own PSK identity and cuid (load0, load1, ...); an *ask*
 * is one request of it, repeated until it is answered, over new sessions as well.
 *
 * links: northbound_signal wire coap log
 */

#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "gateway/log/log.h"
#include "northbound/signal/link.h"

#define SESSIONS_MAX 1000u
#define LINE_MAX_BYTES 4096u
#define PREFIXES_MAX 64u
#define BODY_MAX 4096u

static const char help[] =
    "usage: dots_load -s HOST:PORT -a ADDRESS -K PSKFILE [-n SESSIONS] [-T udp|tcp]\n"
    "                 [--heartbeat SECONDS --missing COUNT]\n"
    "\n"
    "PSKFILE: hexadecimal digits. --heartbeat: negotiate such a configuration.\n"
    "\n"
    "standard input, S being a session from 0:\n"
    "  put S MID LIFETIME PREFIX[,PREFIX...]    with a ! after LIFETIME: preconfigured\n"
    "  delete S MID\n"
    "  get S                                    all mitigations\n"
    "  observe S MID\n"
    "  reconnect [S]                            forget the (D)TLS session, keep what is asked\n"
    "standard output: {\"event\": \"up\"|\"down\"|\"alert\"|\"answer\"|\"status\"|\"too-large\", \"session\": S, ...};\n"
    "\"status\" is what comes for an observe. The end of standard input ends it.\n";

struct load;

struct session {
    struct load *load;
    unsigned number;
    char identity[16]; /* also its cuid */
    struct link_endpoint *endpoint;
    struct link *link;
    struct ask *asks;
    uint32_t sid;
};

struct ask {
    struct ask *prev, *next;
    struct session *session;
    struct exchange *exchange;
    enum dots_method method;
    bool observe;
    const char *name;
    bool has_mid;
    uint32_t mid;
    uint64_t asked_at;
    size_t body_length;
    uint8_t body[];
};

struct load {
    uv_loop_t loop;
    uv_pipe_t input;
    char host[256], line[LINE_MAX_BYTES], chunk[65536];
    size_t line_length;
    const char *address, *key_file;
    unsigned transports, count;
    uint16_t port;
    uint8_t key[64];
    size_t key_length;
    struct link_settings link;
    struct session *sessions;
    bool ending;
};

/* ---- Output ---- */

static void print(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    if (text) {
        puts(text);
        fflush(stdout);
    }
    free(text);
    json_decref(object);
}

static json_t *event(const char *name, const struct session *session)
{
    return json_pack("{s:s, s:i}", "event", name, "session", (int)session->number);
}

static void set_body(json_t *object, const struct dots_response *response)
{
    struct wire_message *message = NULL;
    struct wire_error error;
    char *text;

    if (response->body_length == 0)
        return;
    if (response->content_format != DOTS_CONTENT_FORMAT) {
        json_object_set_new(object, "diagnostic", json_stringn((const char *)response->body, response->body_length));
        return;
    }
    if (wire_decode_cbor(response->body, response->body_length, WIRE_TO_CLIENT, &message, &error) != 0) {
        json_object_set_new(object, "malformed", json_string(error.text));
        return;
    }
    text = wire_encode_json(message);
    wire_free(message);
    if (text)
        json_object_set_new(object, "body", json_loads(text, 0, NULL));
    free(text);
}

/* ---- Asks ---- */

static void ask_free(struct ask *ask)
{
    DL_DELETE(ask->session->asks, ask);
    free(ask);
}

static void answered(void *arg, enum link_result result, const struct dots_response *response)
{
    struct ask *ask = arg;
    json_t *object = event(result == LINK_TOO_LARGE ? "too-large" : ask->observe ? "status" : "answer", ask->session);

    json_object_set_new(object, "op", json_string(ask->name));
    if (ask->has_mid)
        json_object_set_new(object, "mid", json_integer(ask->mid));
    if (result == LINK_ANSWERED) {
        json_object_set_new(object, "code",
                            json_integer(DOTS_CODE_CLASS(response->code) * 100 + DOTS_CODE_DETAIL(response->code)));
        json_object_set_new(object, "ms",
                            json_integer((json_int_t)(uv_now(&ask->session->load->loop) - ask->asked_at)));
        set_body(object, response);
    }
    print(object);
    if (!ask->observe)
        ask_free(ask);
}

static void ask_send(struct ask *ask)
{
    char cuid[24], mid[16];
    const char *path[] = {".well-known", "dots", "mitigate", cuid, mid};
    struct link_request request = {
        .method = ask->method,
        .path = path,
        .path_count = ask->has_mid ? 5 : 4,
        .body = ask->body_length ? ask->body : NULL,
        .body_length = ask->body_length,
        .observe = ask->observe,
        .priority = LINK_MITIGATION,
    };

    snprintf(cuid, sizeof(cuid), "cuid=%s", ask->session->identity);
    snprintf(mid, sizeof(mid), "mid=%u", (unsigned)ask->mid);
    ask->exchange = link_request(ask->session->link, &request, answered, ask);
    if (!ask->exchange)
        abort();
}

static struct ask *ask_new(struct session *session, enum dots_method method, const char *name, const uint8_t *body,
                           size_t body_length)
{
    struct ask *ask = calloc(1, sizeof(*ask) + body_length);

    if (!ask)
        abort();
    ask->session = session;
    ask->method = method;
    ask->name = name;
    ask->asked_at = uv_now(&session->load->loop);
    ask->body_length = body_length;
    if (body_length)
        memcpy(ask->body, body, body_length);
    DL_APPEND(session->asks, ask);
    return ask;
}

/* ---- Sessions ---- */

/* A new session: nothing is observed there. */
static void link_is_in_use(void *arg)
{
    struct session *session = arg;
    struct ask *ask;

    print(event("up", session));
    DL_FOREACH(session->asks, ask)
    {
        if (ask->observe)
            link_repeat(ask->exchange);
    }
}

static void link_is_down(void *arg, const char *text)
{
    json_t *object = event("down", arg);

    json_object_set_new(object, "text", json_string(text));
    print(object);
}

static void sid_wanted(void *arg)
{
    struct session *session = arg;

    link_set_sid(session->link, ++session->sid);
}

static void alert(void *arg, const char *name, const char *text)
{
    json_t *object = event("alert", arg);

    json_object_set_new(object, "alert", json_string(name));
    json_object_set_new(object, "text", json_string(text));
    print(object);
}

static void session_connect(struct session *session)
{
    struct link_settings settings = session->load->link;

    settings.arg = session;
    session->link = link_open(session->endpoint, &settings);
    if (!session->link)
        abort();
}

static void session_reconnect(struct session *session)
{
    struct ask *ask;

    link_close(session->link);
    session_connect(session);
    DL_FOREACH(session->asks, ask)
    {
        ask_send(ask);
    }
}

static int session_open(struct load *load, struct session *session, unsigned number)
{
    struct link_server server = {load->host, load->port, &load->address, 1};
    struct link_endpoint_settings settings = {
        .name = "dots_load",
        .servers = &server,
        .server_count = 1,
        .transports = load->transports,
        .credentials = {.psk_identity = session->identity, .psk_key = load->key, .psk_key_length = load->key_length},
    };
    char error[512];

    session->load = load;
    session->number = number;
    snprintf(session->identity, sizeof(session->identity), "load%u", number);
    session->endpoint = link_endpoint_open(&load->loop, &settings, error, sizeof(error));
    if (!session->endpoint) {
        fprintf(stderr, "dots_load: %s\n", error);
        return -1;
    }
    session_connect(session);
    return 0;
}

static void session_close(struct session *session)
{
    link_endpoint_close(session->endpoint, NULL, NULL);
    for (struct ask *ask = session->asks, *next; ask; ask = next) {
        next = ask->next;
        free(ask);
    }
    session->asks = NULL;
}

/* ---- Commands ---- */

static size_t encode_put(char *prefixes, const char *lifetime, uint8_t *body, size_t size)
{
    struct wire_prefix list[PREFIXES_MAX];
    struct wire_scope scope = {.target.prefixes = list, .has_lifetime = true};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    char *rest = NULL, *end;

    scope.lifetime = strtoll(lifetime, &end, 10);
    scope.has_trigger = *end == '!';
    for (char *text = strtok_r(prefixes, ",", &rest); text; text = strtok_r(NULL, ",", &rest)) {
        if (scope.target.prefix_count == PREFIXES_MAX ||
            wire_prefix_parse(text, true, &list[scope.target.prefix_count++]) != 0)
            return 0;
    }
    return wire_encode_cbor(&message, body, size);
}

/* False: it is not understood. */
static bool run_ask(struct session *session, const char *name, char *words[3])
{
    static const struct {
        const char *name;
        enum dots_method method;
    } asks[] = {{"put", DOTS_PUT}, {"delete", DOTS_DELETE}, {"observe", DOTS_GET}, {"get", DOTS_GET}};
    bool has_mid = strcmp(name, "get") != 0;
    uint8_t body[BODY_MAX];
    size_t i = 0, length = 0;
    struct ask *ask;

    while (strcmp(asks[i].name, name) != 0) {
        if (++i == sizeof(asks) / sizeof(asks[0]))
            return false;
    }
    if (asks[i].method == DOTS_PUT)
        length = words[2] ? encode_put(words[2], words[1], body, sizeof(body)) : 0;
    if ((has_mid && !words[0]) || (asks[i].method == DOTS_PUT && length == 0))
        return false;
    ask = ask_new(session, asks[i].method, asks[i].name, body, length);
    ask->observe = strcmp(name, "observe") == 0;
    ask->has_mid = has_mid;
    ask->mid = has_mid ? (uint32_t)strtoul(words[0], NULL, 10) : 0;
    ask_send(ask);
    return true;
}

static bool run_line(struct load *load, char *line)
{
    char *rest = NULL, *name = strtok_r(line, " ", &rest), *number = strtok_r(NULL, " ", &rest);
    char *words[3];
    unsigned long index = number ? strtoul(number, NULL, 10) : 0;

    for (size_t i = 0; i < 3; i++)
        words[i] = strtok_r(NULL, " ", &rest);
    if (!name || index >= load->count)
        return false;
    if (strcmp(name, "reconnect") != 0)
        return number && run_ask(&load->sessions[index], name, words);
    for (unsigned i = 0; i < load->count; i++) {
        if (!number || i == index)
            session_reconnect(&load->sessions[i]);
    }
    return true;
}

static void end(struct load *load)
{
    uv_close((uv_handle_t *)&load->input, NULL);
    for (unsigned i = 0; i < load->count; i++)
        session_close(&load->sessions[i]);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct load *load = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(load->chunk, sizeof(load->chunk));
}

static void input(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct load *load = stream->data;

    if (length < 0) {
        end(load);
        return;
    }
    for (ssize_t i = 0; i < length; i++) {
        if (buffer->base[i] != '\n') {
            if (load->line_length < LINE_MAX_BYTES - 1)
                load->line[load->line_length++] = buffer->base[i];
            continue;
        }
        load->line[load->line_length] = '\0';
        load->line_length = 0;
        if (!run_line(load, load->line))
            fprintf(stderr, "dots_load: \"%s\" is not understood\n", load->line);
    }
}

/* ---- Start ---- */

static int read_key(struct load *load)
{
    FILE *file = fopen(load->key_file, "r");
    char octet[3], *end;

    if (!file)
        return -1;
    while (load->key_length < sizeof(load->key) && fgets(octet, sizeof(octet), file)) {
        load->key[load->key_length] = (uint8_t)strtoul(octet, &end, 16);
        if (end != octet + 2)
            break;
        load->key_length++;
    }
    fclose(file);
    return load->key_length ? 0 : -1;
}

static int parse_option(struct load *load, int option, const char *value)
{
    const char *colon = strrchr(value, ':');

    switch (option) {
    case 's':
        load->port = colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
        snprintf(load->host, sizeof(load->host), "%.*s", colon ? (int)(colon - value) : 0, value);
        return load->port ? 0 : -1;
    case 'a':
        load->address = value;
        return 0;
    case 'K':
        load->key_file = value;
        return 0;
    case 'n':
        load->count = (unsigned)strtoul(value, NULL, 10);
        return load->count > 0 && load->count <= SESSIONS_MAX ? 0 : -1;
    case 'T':
        load->transports = strcmp(value, "udp") == 0 ? DOTS_UDP : DOTS_TCP;
        return 0;
    case 'H':
        load->link.negotiate = true;
        load->link.wanted.mitigating[WIRE_HEARTBEAT_INTERVAL] = (uint32_t)strtoul(value, NULL, 10);
        return 0;
    case 'M':
        load->link.wanted.mitigating[WIRE_MISSING_HB_ALLOWED] = (uint32_t)strtoul(value, NULL, 10);
        return 0;
    default:
        return -1;
    }
}

static int parse(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"server", required_argument, NULL, 's'},    {"address", required_argument, NULL, 'a'},
        {"key", required_argument, NULL, 'K'},       {"sessions", required_argument, NULL, 'n'},

        {"transport", required_argument, NULL, 'T'}, {"heartbeat", required_argument, NULL, 'H'},
        {"missing", required_argument, NULL, 'M'},   {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "s:a:K:n:T:", options, NULL)) != -1) {
        if (option == '?' || parse_option(load, option, optarg) != 0)
            return -1;
    }
    return optind == argc && load->address && load->key_file && load->port ? 0 : -1;
}

int main(int argc, char **argv)
{
    static const struct link_handlers handlers = {
        .up = link_is_in_use, .down = link_is_down, .sid_wanted = sid_wanted, .alert = alert};
    static const uint32_t wanted[] = {30, 15, 5, 3, 200, 150}; /* RFC 9132 section 4.5.2 */
    static struct load load = {.count = 1, .transports = DOTS_UDP, .link = {.handlers = &handlers, .mitigating = true}};

    memcpy(load.link.wanted.mitigating, wanted, sizeof(wanted));
    if (parse(&load, argc, argv) != 0) {
        fputs(help, stderr);
        return 2;
    }
    if (read_key(&load) != 0) {
        fprintf(stderr, "dots_load: %s: no key\n", load.key_file);
        return 1;
    }
    memcpy(load.link.wanted.idle, load.link.wanted.mitigating, sizeof(wanted));
    signal(SIGPIPE, SIG_IGN);
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    uv_loop_init(&load.loop);
    load.sessions = calloc(load.count, sizeof(*load.sessions));
    if (!load.sessions)
        return 1;
    for (unsigned i = 0; i < load.count; i++) {
        if (session_open(&load, &load.sessions[i], i) != 0)
            return 1;
    }
    uv_pipe_init(&load.loop, &load.input, 0);
    load.input.data = &load;
    if (uv_pipe_open(&load.input, STDIN_FILENO) != 0 ||
        uv_read_start((uv_stream_t *)&load.input, allocate, input) != 0) {
        fputs("dots_load: standard input must be a pipe\n", stderr);
        return 1;
    }
    uv_run(&load.loop, UV_RUN_DEFAULT);
    uv_loop_close(&load.loop);
    free(load.sessions);
    return 0;
}
