/*
 * The whole way north with nothing played: relay, northbound, coap, (D)TLS, sockets on loopback, and a
 * server endpoint in the same process that plays a script. Only waits for conditions.
 */
#pragma once

#include <dirent.h>

#include "tests/unit/coap_pki.h"

#include "northbound/signal/northbound_state.h"

#define WAIT_MS 20000
#define MIDS_MAX 1000
#define OBSERVERS_MAX 64

struct upstream_server {
    struct dots_endpoint *endpoint;
    uint16_t port;
    unsigned sessions, resumed, closed_in_order, lost;
    struct dots_session *session; /* the last one that came up */
    bool installed[MIDS_MAX];
    unsigned puts, deletes, lists, config_gets, config_puts, heartbeats;
    unsigned drop_puts;     /* so many are not answered */
    unsigned refuse_config; /* so many get 4.22 */
    bool no_config;         /* 4.04 */
    bool hold;              /* answers wait */
    struct dots_exchange *held;
    const char *redirect_to, *redirect_record;
    char identity[64];
    struct {
        struct dots_session *session;
        struct dots_token token;
        uint32_t mid;
    } observers[OBSERVERS_MAX];
    size_t observer_count;
    uint32_t sequence;
    unsigned heartbeat_answers;
    bool closed;
};

static struct {
    uv_loop_t loop;
    uv_timer_t tick;
    struct upstream_server servers[2];
    struct config config;
    struct config_upstream upstream;
    struct config_server server_config[2];
    char *addresses[4];
    struct relay_policy policy;
    struct relay_target target;
    struct relay *relay;
    struct store *store;
    struct northbound *northbound;
    char folder[64];
    int answer_code;
    char diagnostic[512], log[8192];
    unsigned answers;
    struct certificate alt;
    bool closed;
} way;

/* ---- Log ---- */

void log_configure(enum log_level level, enum log_format format)
{
    (void)level, (void)format;
}

bool log_enabled(enum log_level level)
{
    (void)level;
    return false;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    size_t length = strlen(way.log);
    va_list list;

    if (level > LOG_LEVEL_NOTICE || sizeof(way.log) - length < 600)
        return;
    length += (size_t)snprintf(way.log + length, sizeof(way.log) - length, "%s: ", event);
    va_start(list, format);
    vsnprintf(way.log + length, sizeof(way.log) - length - 2, format, list);
    va_end(list);
    memcpy(way.log + strlen(way.log), "\n", 2);
}

/* ---- The server ---- */

static void reply(struct dots_exchange *exchange, uint8_t code, const struct wire_message *body, int64_t max_age,
                  int32_t observe)
{
    static uint8_t buffer[65536];
    struct dots_response response = {.code = code,
                                     .content_format = body ? DOTS_CONTENT_FORMAT : -1,
                                     .max_age = max_age,
                                     .observe = observe,
                                     .body = buffer,
                                     .body_length = body ? wire_encode_cbor(body, buffer, sizeof(buffer)) : 0};

    dots_reply(exchange, &response);
}

static uint32_t mid_in(const struct dots_request *request)
{
    const struct dots_option *last = &request->path[request->path_count - 1];
    char text[32] = "";

    if (last->length < 5 || last->length >= sizeof(text) || memcmp(last->at, "mid=", 4) != 0)
        return 0;
    memcpy(text, last->at + 4, last->length - 4);
    return (uint32_t)strtoul(text, NULL, 10);
}

static size_t scopes_of(const struct upstream_server *server, uint32_t mid, struct wire_scope *scopes,
                        enum wire_status status)
{
    size_t count = 0;

    for (uint32_t i = 1; i < MIDS_MAX; i++) {
        if (server->installed[i] && (mid == 0 || mid == i))
            scopes[count++] = (struct wire_scope){
                .has_mid = true, .mid = i, .has_lifetime = true, .lifetime = 3600, .trigger = true, .status = status};
    }
    return count;
}

static void serve_config(struct upstream_server *server, const struct dots_request *request)
{
    struct wire_message message = {.type = WIRE_SIGNAL_CONFIG, .config = {.has_mitigating = true}};

    message.config.mitigating[WIRE_HEARTBEAT_INTERVAL] = (struct wire_config_value){true, true, true, 240, 15, 30};
    if (server->no_config) {
        reply(request->exchange, DOTS_CODE(4, 4), NULL, -1, -1);
    } else if (request->method == DOTS_GET) {
        server->config_gets++;
        reply(request->exchange, DOTS_CODE(2, 5), &message, 3600, request->observe == 0 ? 1 : -1);
    } else {
        server->config_puts++;
        reply(request->exchange, server->refuse_config ? DOTS_CODE(4, 22) : DOTS_CODE(2, 1), NULL, -1, -1);
        server->refuse_config -= server->refuse_config > 0;
    }
}

static void serve_get(struct upstream_server *server, const struct dots_request *request)
{
    static struct wire_scope scopes[MIDS_MAX];
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = scopes};
    uint32_t mid = mid_in(request);

    message.scope_count = scopes_of(server, mid, scopes, WIRE_STATUS_IN_PROGRESS);
    server->lists += mid == 0;
    if (message.scope_count == 0) {
        reply(request->exchange, DOTS_CODE(4, 4), NULL, -1, -1);
        return;
    }
    if (request->observe == 0 && server->observer_count < OBSERVERS_MAX) {
        server->observers[server->observer_count].session = dots_exchange_session(request->exchange);
        server->observers[server->observer_count].token = *dots_exchange_token(request->exchange);
        server->observers[server->observer_count++].mid = mid;
    }
    reply(request->exchange, DOTS_CODE(2, 5), &message, -1, request->observe == 0 ? (int32_t)++server->sequence : -1);
}

static void serve_put(struct upstream_server *server, const struct dots_request *request)
{
    const char *records[] = {server->redirect_record};
    struct wire_message redirect = {.type = WIRE_REDIRECT,
                                    .redirect = {.alt_server = server->redirect_to, .records = {records, 1}}};
    struct wire_scope scope = {
        .has_mid = true, .mid = mid_in(request), .has_lifetime = true, .lifetime = 3600, .trigger = true};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};

    server->puts++;
    if (server->drop_puts > 0) {
        server->drop_puts--;
        dots_drop(request->exchange);
    } else if (server->redirect_to) {
        reply(request->exchange, DOTS_CODE(5, 3), &redirect, 3600, -1);
    } else if (server->hold && !server->held) {
        server->held = dots_hold(request->exchange);
    } else {
        server->installed[mid_in(request) % MIDS_MAX] = true;
        reply(request->exchange, DOTS_CODE(2, 1), &message, -1, -1);
    }
}

static void server_request(void *arg, struct dots_session *session, const struct dots_request *request)
{
    struct upstream_server *server = arg;
    const struct dots_option *what = &request->path[2];

    (void)session;
    if (request->path_count < 3) {
        reply(request->exchange, DOTS_CODE(4, 4), NULL, -1, -1);
    } else if (what->length == 6 && memcmp(what->at, "config", 6) == 0) {
        serve_config(server, request);
    } else if (what->length == 2 && memcmp(what->at, "hb", 2) == 0) {
        server->heartbeats++;
        reply(request->exchange, DOTS_CODE(2, 4), NULL, -1, -1);
    } else if (request->method == DOTS_PUT) {
        serve_put(server, request);
    } else if (request->method == DOTS_DELETE) {
        server->deletes++;
        server->installed[mid_in(request) % MIDS_MAX] = false;
        reply(request->exchange, DOTS_CODE(2, 2), NULL, -1, -1);
    } else {
        serve_get(server, request);
    }
}

static void server_up(void *arg, struct dots_session *session)
{
    struct upstream_server *server = arg;
    const struct dots_identity *identity = dots_session_identity(session);

    server->sessions++;
    server->session = session;
    server->resumed += identity->resumed;
    snprintf(server->identity, sizeof(server->identity), "%s", identity->psk ? identity->psk_identity : identity->hash);
}

static void server_down(void *arg, struct dots_session *session, enum dots_down reason, const char *text)
{
    struct upstream_server *server = arg;

    (void)text;
    if (reason == DOTS_DOWN_CLOSED)
        server->closed_in_order++;
    else
        server->lost++;
    if (server->session == session)
        server->session = NULL;
    for (size_t i = 0; i < server->observer_count; i++) {
        if (server->observers[i].session == session)
            server->observers[i--] = server->observers[--server->observer_count];
    }
}

static bool server_response(void *arg, struct dots_session *session, const struct dots_token *token,
                            const struct dots_response *response)
{
    (void)session, (void)token;
    ((struct upstream_server *)arg)->heartbeat_answers += response->code == DOTS_CODE(2, 4);
    return true;
}

static void server_nack(void *arg, struct dots_session *session, const struct dots_token *token, enum dots_nack reason)
{
    (void)arg, (void)session, (void)token, (void)reason;
}

static void server_handshake_failed(void *arg, const struct sockaddr *peer, enum dots_handshake_failure failure,
                                    const char *text)
{
    (void)arg, (void)peer, (void)failure, (void)text;
}

static const uint8_t psk_key[] = "a key of sixteen";

static const uint8_t *psk_lookup(void *arg, const char *identity, size_t length, size_t *key_length)
{
    (void)arg;
    if (length != 2 || memcmp(identity, "gw", 2) != 0)
        return NULL;
    *key_length = sizeof(psk_key) - 1;
    return psk_key;
}

static bool server_listen(struct upstream_server *server, const char *address, uint16_t port, unsigned transports,
                          char *error, size_t error_size)
{
    server->port = port;
    for (unsigned transport = DOTS_UDP; transport <= DOTS_TCP; transport <<= 1) {
        int got;

        if (!(transports & transport))
            continue;
        got = dots_endpoint_listen(server->endpoint, address, server->port, transport, error, error_size);
        if (got <= 0)
            return false;
        server->port = (uint16_t)got;
    }
    return true;
}

/* transports: bits; port 0 picks one. */
static __attribute__((unused)) void server_open(struct upstream_server *server, const struct certificate *certificate,
                                                const char *address, uint16_t port, unsigned transports)
{
    static const struct dots_handlers handlers = {server_up,       server_down, server_request,
                                                  server_response, server_nack, server_handshake_failed};
    const struct dots_endpoint_settings settings = {.handlers = &handlers,
                                                    .arg = server,
                                                    .name = "upstream.example",
                                                    .credentials = {.certificate = certificate->certificate,
                                                                    .private_key = certificate->key,
                                                                    .trust_anchors = pki_ca.certificate},
                                                    .psk_lookup = psk_lookup,
                                                    .body_max = 65536};
    char error[256] = "";

    server->endpoint = dots_endpoint_open(&way.loop, &settings, error, sizeof(error));
    if (!server->endpoint)
        fail_msg("%s", error);
    /* A port that is free for one transport may be taken for the other. */
    for (unsigned attempt = 0; !server_listen(server, address, port, transports, error, sizeof(error)); attempt++) {
        if (port != 0 || attempt == 10)
            fail_msg("%s", error);
    }
}

static void server_closed(void *arg)
{
    ((struct upstream_server *)arg)->closed = true;
}

/* ---- The loop ---- */

static void on_late(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void wait_for_at(bool (*condition)(void), const char *text, int line)
{
    bool late = false;
    uv_timer_t *timer = malloc(sizeof(*timer));

    assert_non_null(timer);
    uv_timer_init(&way.loop, timer);
    timer->data = &late;
    uv_timer_start(timer, on_late, WAIT_MS, 0);
    while (!condition() && !late)
        uv_run(&way.loop, UV_RUN_ONCE);
    uv_timer_stop(timer);
    uv_close((uv_handle_t *)timer, on_timer_closed);
    uv_run(&way.loop, UV_RUN_NOWAIT);
    if (late)
        fail_msg("line %d: %s did not come; log:\n%s", line, text, way.log);
}

#define wait_for(condition) wait_for_at(condition, #condition, __LINE__)

static bool server_is_closed(void)
{
    return way.servers[0].closed;
}

static bool alternate_is_closed(void)
{
    return way.servers[1].closed;
}

static __attribute__((unused)) void server_close(struct upstream_server *server)
{
    server->closed = false;
    if (server->held)
        dots_drop(server->held);
    server->held = NULL;
    dots_endpoint_close(server->endpoint, server_closed, server);
    if (server == &way.servers[0])
        wait_for(server_is_closed);
    else
        wait_for(alternate_is_closed);
    server->endpoint = NULL;
    server->observer_count = 0;
}

/* ---- The gateway without its south side ---- */

static int64_t wall(void)
{
    return (int64_t)uv_now(&way.loop) + 1700000000000;
}

static void effect_answer(void *arg, void *exchange, const struct relay_answer *answer)
{
    (void)arg, (void)exchange;
    way.answers++;
    way.answer_code = answer->code;
    snprintf(way.diagnostic, sizeof(way.diagnostic), "%s", answer->diagnostic ? answer->diagnostic : "");
}

static void effect_ignore(void *arg, void *exchange)
{
    (void)arg, (void)exchange;
}

static void effect_changed(void *arg, const struct mitigation *mitigation, bool gone)
{
    (void)arg, (void)mitigation, (void)gone;
}

static void effect_requester_gone(void *arg, struct requester *requester)
{
    (void)arg, (void)requester;
}

static void effect_install(void *arg, struct install *install)
{
    (void)arg;
    northbound_install(way.northbound, install);
}

static void effect_withdraw(void *arg, struct install *install)
{
    (void)arg;
    northbound_withdraw(way.northbound, install);
}

static void effect_forget(void *arg, struct install *install)
{
    (void)arg;
    northbound_forget(way.northbound, install);
}

static void effect_upstream_cuid_gone(void *arg, struct upstream_cuid *cuid)
{
    (void)arg;
    northbound_upstream_cuid_gone(way.northbound, cuid);
}

static int effect_make_cuid(void *arg, size_t target, const struct requester *owner, uint32_t attempt, char cuid[23])
{
    (void)arg;
    return northbound_make_cuid(way.northbound, target, owner, attempt, cuid);
}

static int effect_store_put(void *arg, int table, const char *key, size_t key_length, const uint8_t *value,
                            size_t length)
{
    (void)arg;
    return store_put(way.store, (enum store_table)table, key, key_length, value, length);
}

static int effect_store_delete(void *arg, int table, const char *key, size_t key_length)
{
    (void)arg;
    return store_delete(way.store, (enum store_table)table, key, key_length);
}

static uint64_t effect_store_submit(void *arg)
{
    (void)arg;
    return store_submit(way.store);
}

static void effect_alert(void *arg, const char *event, const char *text)
{
    (void)arg;
    log_warning(event, "%s", text);
}

static const struct relay_effects effects = {.answer = effect_answer,
                                             .ignore = effect_ignore,
                                             .changed = effect_changed,
                                             .requester_gone = effect_requester_gone,
                                             .install = effect_install,
                                             .withdraw = effect_withdraw,
                                             .forget = effect_forget,
                                             .upstream_cuid_gone = effect_upstream_cuid_gone,
                                             .make_cuid = effect_make_cuid,
                                             .store_put = effect_store_put,
                                             .store_delete = effect_store_delete,
                                             .store_submit = effect_store_submit,
                                             .alert = effect_alert};

static void on_commit(void *arg, uint64_t sequence)
{
    (void)arg;
    if (!way.relay)
        return;
    relay_committed(way.relay, wall(), sequence);
    northbound_committed(way.northbound, sequence);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    relay_tick(way.relay, wall());
}
