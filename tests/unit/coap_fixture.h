/* coap_fixture: one loop, and two sides (south listens, north connects) that write down what they hear.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/coap/coap.h"
#include "tests/unit/coap_pki.h"

#define DEADLINE 20000 /* ms for one condition */
#define BODY_MAX 16384

/* ---- a side ---- */

struct heard_request {
    uint8_t method;
    bool confirmable;
    char path[256], query[256];
    int32_t observe, content_format, accept, hop_limit;
    bool if_match, if_match_empty;
    struct dots_block block2;
    uint8_t body[BODY_MAX];
    size_t body_length;
    struct dots_token token;
    struct dots_session *session;
};

struct heard_response {
    uint8_t code;
    int32_t content_format, observe;
    int64_t max_age;
    struct dots_etag etag;
    uint8_t body[BODY_MAX];
    size_t body_length;
    struct dots_token token;
    struct dots_session *session;
};

#define SESSIONS_SEEN 8
struct side {
    struct dots_endpoint *endpoint;
    unsigned ups, downs, requests, responses, nacks, failures;
    struct dots_session *up[SESSIONS_SEEN], *last_down;
    enum dots_down reason;
    char why[200], failure[200];
    enum dots_handshake_failure failed_by;
    enum dots_nack nack;
    struct dots_token nacked;
    struct heard_request request;
    struct heard_response response;
    bool unwanted; /* responses are rejected */
    void (*on_request)(struct side *side, const struct dots_request *request);
    struct dots_exchange *held[16];
    unsigned held_count;
    struct dots_response answer; /* of answer_now and answer_held */
    unsigned lookups;
    bool closed;
};

static uv_loop_t loop;
static struct side south, north;

static UNUSED void join(char *to, size_t size, const struct dots_option *list, size_t count, char separator)
{
    size_t length = 0;
    to[0] = '\0';
    for (size_t i = 0; i < count && length + list[i].length + 2 < size; i++) {
        if (i > 0)
            to[length++] = separator;
        memcpy(to + length, list[i].at, list[i].length);
        length += list[i].length;
        to[length] = '\0';
    }
}

static void on_up(void *arg, struct dots_session *session)
{
    struct side *side = arg;
    if (side->ups < SESSIONS_SEEN)
        side->up[side->ups] = session;
    side->ups++;
}

static void on_down(void *arg, struct dots_session *session, enum dots_down reason, const char *text)
{
    struct side *side = arg;
    side->downs++;
    side->last_down = session;
    side->reason = reason;
    snprintf(side->why, sizeof side->why, "%s", text);
}

static void on_request(void *arg, struct dots_session *session, const struct dots_request *request)
{
    struct side *side = arg;
    struct heard_request *heard = &side->request;
    side->requests++;
    memset(heard, 0, sizeof *heard);
    heard->method = (uint8_t)request->method;
    heard->confirmable = request->confirmable;
    join(heard->path, sizeof heard->path, request->path, request->path_count, '/');
    join(heard->query, sizeof heard->query, request->query, request->query_count, '&');
    heard->observe = request->observe;
    heard->content_format = request->content_format;
    heard->accept = request->accept;
    heard->hop_limit = request->hop_limit;
    heard->if_match = request->if_match;
    heard->if_match_empty = request->if_match_empty;
    heard->block2 = request->block2;
    heard->body_length = request->body_length;
    assert_true(request->body_length <= sizeof heard->body);
    if (request->body_length > 0)
        memcpy(heard->body, request->body, request->body_length);
    heard->token = *dots_exchange_token(request->exchange);
    heard->session = session;
    assert_ptr_equal(dots_exchange_session(request->exchange), session);
    if (side->on_request != NULL)
        side->on_request(side, request);
    else
        dots_drop(request->exchange);
}

static bool on_response(void *arg, struct dots_session *session, const struct dots_token *token,
                        const struct dots_response *response)
{
    struct side *side = arg;
    struct heard_response *heard = &side->response;
    side->responses++;
    memset(heard, 0, sizeof *heard);
    heard->code = response->code;
    heard->content_format = response->content_format;
    heard->observe = response->observe;
    heard->max_age = response->max_age;
    heard->etag = response->etag;
    heard->body_length = response->body_length;
    assert_true(response->body_length <= sizeof heard->body);
    if (response->body_length > 0)
        memcpy(heard->body, response->body, response->body_length);
    heard->token = *token;
    heard->session = session;
    return !side->unwanted;
}

static void on_nack(void *arg, struct dots_session *session, const struct dots_token *token, enum dots_nack reason)
{
    (void)session;
    struct side *side = arg;
    side->nacks++;
    side->nack = reason;
    side->nacked = *token;
}

static void on_handshake_failed(void *arg, const struct sockaddr *peer, enum dots_handshake_failure failure,
                                const char *text)
{
    struct side *side = arg;
    side->failed_by = failure;
    assert_true(peer->sa_family == AF_INET || peer->sa_family == AF_INET6);
    side->failures++;
    snprintf(side->failure, sizeof side->failure, "%s", text);
}

static const struct dots_handlers handlers = {on_up, on_down, on_request, on_response, on_nack, on_handshake_failed};

static UNUSED void answer_now(struct side *side, const struct dots_request *request)
{
    dots_reply(request->exchange, &side->answer);
}

static UNUSED void answer_later(struct side *side, const struct dots_request *request)
{
    side->held[side->held_count++ % 16] = dots_hold(request->exchange);
}

static UNUSED struct dots_response text_response(uint8_t code, const char *text)
{
    return (struct dots_response){.code = code,
                                  .content_format = DOTS_CONTENT_FORMAT,
                                  .max_age = DOTS_NO_MAX_AGE,
                                  .observe = -1,
                                  .body = (const uint8_t *)text,
                                  .body_length = strlen(text)};
}

/* ---- the loop ---- */

static void on_deadline(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static UNUSED bool run_until_for(bool (*condition)(void), uint64_t milliseconds)
{
    bool late = false;
    uv_timer_t *timer = malloc(sizeof *timer);
    uv_timer_init(&loop, timer);
    timer->data = &late;
    uv_timer_start(timer, on_deadline, milliseconds, 0);
    while (!condition() && !late)
        uv_run(&loop, UV_RUN_ONCE);
    uv_timer_stop(timer);
    uv_close((uv_handle_t *)timer, on_timer_closed);
    uv_run(&loop, UV_RUN_NOWAIT);
    return condition();
}

static UNUSED void run_until_at(bool (*condition)(void), const char *text, int line)
{
    if (!run_until_for(condition, DEADLINE))
        fail_msg("line %d: %s did not come; south: %s; north: %s", line, text, south.failure, north.why);
}

#define run_until(condition) run_until_at(condition, #condition, __LINE__)

static const uint8_t psk_key[] = "a key of sixteen";

static const uint8_t *lookup(void *arg, const char *identity, size_t length, size_t *key_length)
{
    ((struct side *)arg)->lookups++;
    if (length != 4 || memcmp(identity, "web1", 4) != 0)
        return NULL;
    *key_length = sizeof psk_key - 1;
    return psk_key;
}

static UNUSED struct dots_endpoint_settings south_settings(void)
{
    return (struct dots_endpoint_settings){
        .handlers = &handlers,
        .arg = &south,
        .name = "gw1.example",
        .credentials = {.certificate = pki_server.certificate,
                        .private_key = pki_server.key,
                        .trust_anchors = pki_ca.certificate},
        .psk_lookup = lookup,
        .body_max = 8192,
    };
}

static UNUSED struct dots_endpoint_settings north_settings(void)
{
    return (struct dots_endpoint_settings){
        .handlers = &handlers,
        .arg = &north,
        .name = "client.example",
        .credentials = {.certificate = pki_client.certificate,
                        .private_key = pki_client.key,
                        .trust_anchors = pki_ca.certificate},
        .body_max = 8192,
        .client_only = true,
    };
}

static UNUSED struct dots_endpoint_settings psk_settings(void)
{
    struct dots_endpoint_settings settings = north_settings();
    settings.credentials =
        (struct dots_credentials){.psk_identity = "web1", .psk_key = psk_key, .psk_key_length = sizeof psk_key - 1};
    return settings;
}

static UNUSED struct dots_endpoint *open_endpoint(const struct dots_endpoint_settings *settings)
{
    char error[256] = "";
    struct dots_endpoint *endpoint = dots_endpoint_open(&loop, settings, error, sizeof error);
    if (endpoint == NULL)
        fail_msg("%s", error);
    return endpoint;
}

static UNUSED uint16_t listen_on(struct dots_endpoint *endpoint, const char *address, enum dots_transport transport)
{
    char error[256] = "";
    int port = dots_endpoint_listen(endpoint, address, 0, transport, error, sizeof error);
    if (port <= 0)
        fail_msg("%s", error);
    return (uint16_t)port;
}

static UNUSED socklen_t fill_address(struct sockaddr_storage *to, const char *text, uint16_t port)
{
    memset(to, 0, sizeof *to);
    struct sockaddr_in *v4 = (struct sockaddr_in *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof *v6;
}

static UNUSED struct dots_session *connect_with(struct dots_endpoint *endpoint, const char *address, uint16_t port,
                                                enum dots_transport transport, const char *name,
                                                struct dots_resumption *resumption)
{
    struct sockaddr_storage storage;
    socklen_t length = fill_address(&storage, address, port);
    const struct dots_connect connect = {.address = (const struct sockaddr *)&storage,
                                         .address_length = length,
                                         .transport = transport,
                                         .server_name = name,
                                         .resumption = resumption};
    unsigned before = north.ups + north.downs;
    struct dots_session *session = dots_connect(endpoint, &connect);
    assert_non_null(session);
    assert_int_equal(north.ups + north.downs, before); /* no callback from inside */
    return session;
}

static UNUSED bool both_up(void)
{
    return north.ups > 0 && south.ups > 0;
}

static UNUSED bool north_down(void)
{
    return north.downs > 0;
}

static UNUSED bool south_down(void)
{
    return south.downs > 0;
}

static UNUSED bool north_answered(void)
{
    return north.responses > 0;
}

static UNUSED bool south_failed(void)
{
    return south.failures > 0;
}

static UNUSED bool south_asked(void)
{
    return south.requests > 0;
}

/* ---- a pair: each test starts with a fresh one ---- */

static struct dots_session *client; /* north's reference */

static UNUSED void start_pair(enum dots_transport transport, bool psk, const char *address)
{
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    uint16_t port = listen_on(south.endpoint, address, transport);
    settings = psk ? psk_settings() : north_settings();
    north.endpoint = open_endpoint(&settings);
    client = connect_with(north.endpoint, address, port, transport, psk ? NULL : SERVER_NAME, NULL);
    run_until(both_up);
}

static void on_side_closed(void *arg)
{
    ((struct side *)arg)->closed = true;
}

static UNUSED void close_side(struct side *side)
{
    if (side->endpoint != NULL)
        dots_endpoint_close(side->endpoint, on_side_closed, side);
    else
        side->closed = true;
}

static UNUSED bool both_closed(void)
{
    return north.closed && south.closed;
}

static UNUSED int begin(void **state)
{
    (void)state;
    memset(&south, 0, sizeof south);
    memset(&north, 0, sizeof north);
    client = NULL;
    return uv_loop_init(&loop);
}

/* Everything is let go of: the loop has no handles left, which uv_loop_close checks. */
static UNUSED int end(void **state)
{
    (void)state;
    close_side(&north);
    close_side(&south);
    if (!run_until_for(both_closed, DEADLINE))
        return -1;
    dots_session_unref(client);
    uv_run(&loop, UV_RUN_NOWAIT);
    return uv_loop_close(&loop);
}

static UNUSED struct dots_request make_request(enum dots_method method, const char *last, const char *body)
{
    struct dots_request request = {.method = method,
                                   .confirmable = true,
                                   .path = {{".well-known", 11}, {"dots", 4}, {"mitigate", 8}},
                                   .path_count = 3,
                                   .observe = -1,
                                   .content_format = body != NULL ? DOTS_CONTENT_FORMAT : -1,
                                   .accept = -1,
                                   .hop_limit = -1,
                                   .body = (const uint8_t *)body,
                                   .body_length = body != NULL ? strlen(body) : 0};
    if (last != NULL)
        request.path[request.path_count++] = (struct dots_option){last, strlen(last)};
    return request;
}

static UNUSED bool north_down_and_south_down(void)
{
    return north.downs == 1 && south.downs == 1;
}

/* A GET and its answer. TLS 1.3 tickets come after the handshake: with the answer they have arrived. */
static UNUSED void exchange_once(void)
{
    struct dots_token token;
    struct dots_request get = make_request(DOTS_GET, NULL, NULL);
    south.on_request = answer_now;
    south.answer = text_response(DOTS_CODE(2, 5), "x");
    north.responses = 0;
    dots_token_new(&token);
    assert_int_equal(dots_send(client, &token, &get), 0);
    run_until(north_answered);
}

/* Each over both transports. */
#define BOTH_TRANSPORTS(name)                  \
    static void name##_over_dtls(void **state) \
    {                                          \
        (void)state;                           \
        name(DOTS_UDP);                        \
    }                                          \
    static void name##_over_tls(void **state)  \
    {                                          \
        (void)state;                           \
        name(DOTS_TCP);                        \
    }

static UNUSED void check_identities(bool psk)
{
    const struct dots_identity *peer = dots_session_identity(south.up[0]);
    char hash[23];
    assert_non_null(peer);
    assert_int_equal(peer->psk, psk);
    assert_false(peer->resumed);
    if (psk) {
        const struct dots_credentials own = {.psk_identity = "web1"};
        assert_string_equal(peer->psk_identity, "web1");
        assert_int_equal(peer->san_count, 0);
        assert_int_equal(dots_credentials_hash(&own, hash), 0);
    } else {
        const struct dots_credentials own = {.certificate = pki_client.certificate};
        assert_null(peer->psk_identity);
        assert_int_equal(peer->san_count, 4);
        assert_string_equal(peer->sans[0], "www1.example");
        assert_string_equal(peer->sans[1], "192.0.2.1");
        assert_string_equal(peer->sans[2], "2001:db8::1");
        assert_string_equal(peer->sans[3], "dots:client");
        assert_int_equal(dots_credentials_hash(&own, hash), 0);
    }
    assert_string_equal(peer->hash, hash);
    assert_int_equal(strlen(hash), 22);
    assert_non_null(dots_session_identity(north.up[0]));
}

#define with_pair(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define with_both(name) with_pair(name##_over_dtls), with_pair(name##_over_tls)
