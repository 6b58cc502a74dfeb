/*
 * The coap module for the tests of southbound/signal, played: replaced at link time. Included once by a
 * program.
 *
 * Words: an *exchange* is a request of the test and what it was answered; *sent* is what southbound
 * sent by itself: heartbeats and notifications.
 */
#pragma once

#include "gateway/coap/coap.h"
#include "tests/unit/southbound_fake_system.h"

struct dots_endpoint {
    const struct dots_handlers *handlers;
    void *arg;
    struct dots_endpoint_settings settings;
    unsigned listening;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

struct dots_session {
    struct dots_identity identity;
    struct sockaddr_in peer;
    enum dots_transport transport;
    char text[64];
    void *user;
    unsigned references;
    bool closed, told_down;
    uint64_t heard;
    struct dots_transmission transmission;
    bool has_transmission;
    const char *sans[1];
    char name[64];
    struct dots_session *next;
};

struct dots_exchange {
    struct dots_session *session;
    struct dots_token token;
    enum dots_method method;
    unsigned answers;
    bool held, dropped;
    struct dots_response response;
    uint8_t *body;
    struct dots_exchange *next;
};

struct fake_sent {
    int64_t at;
    struct dots_session *session;
    bool notification;
    struct dots_token token;
    char path[512], query[32];
    struct dots_response response;
    int32_t content_format; /* of a request */
    uint8_t *body;
    size_t body_length;
};

#define FAKE_SENT_MAX 4096

static struct dots_endpoint fake_endpoint;
static struct dots_session *fake_sessions;
static struct dots_exchange *fake_exchanges;
static struct fake_sent fake_sent[FAKE_SENT_MAX];
static size_t fake_sent_count;
static uint32_t fake_tokens;
/* What the network does meanwhile: sending may end a session. */
static void (*fake_on_send)(struct dots_session *session);

/* ---- Endpoint and sessions ---- */

struct dots_endpoint *dots_endpoint_open(uv_loop_t *loop, const struct dots_endpoint_settings *settings, char *error,
                                         size_t error_size)
{
    (void)loop;
    (void)error;
    (void)error_size;
    fake_endpoint = (struct dots_endpoint){.handlers = settings->handlers, .arg = settings->arg, .settings = *settings};
    return &fake_endpoint;
}

int dots_endpoint_listen(struct dots_endpoint *endpoint, const char *address, uint16_t port,
                         enum dots_transport transport, char *error, size_t error_size)
{
    (void)address;
    (void)transport;
    (void)error;
    (void)error_size;
    endpoint->listening++;
    return port;
}

/* ---- Reload: what it takes is counted ---- */

struct dots_material {
    int nothing;
};
static struct {
    unsigned renewed, forgotten, limited, undone;
} fake_reloads;
static bool fake_material_bad, fake_material_same;

struct dots_material *dots_material_load(const struct dots_credentials *credentials, char *error, size_t error_size)
{
    static struct dots_material material;

    (void)credentials;
    snprintf(error, error_size, "%s", "no certificate there");
    return fake_material_bad ? NULL : &material;
}

void dots_material_free(struct dots_material *material)
{
    (void)material;
}

bool dots_endpoint_renew(struct dots_endpoint *endpoint, const struct dots_material *material)
{
    (void)endpoint, (void)material;
    fake_reloads.renewed++;
    return !fake_material_same;
}

void dots_endpoint_forget_tickets(struct dots_endpoint *endpoint)
{
    (void)endpoint;
    fake_reloads.forgotten++;
}

void dots_endpoint_set_limits(struct dots_endpoint *endpoint, size_t body_max, unsigned sessions_max,
                              unsigned handshakes_max, unsigned handshakes_per_source)
{
    (void)endpoint, (void)body_max, (void)sessions_max, (void)handshakes_max, (void)handshakes_per_source;
    fake_reloads.limited++;
}

void dots_endpoint_listen_undo(struct dots_endpoint *endpoint)
{
    (void)endpoint;
    fake_reloads.undone++;
}

unsigned dots_endpoint_sessions(const struct dots_endpoint *endpoint)
{
    unsigned count = 0;

    (void)endpoint;
    for (const struct dots_session *session = fake_sessions; session; session = session->next)
        count++;
    return count;
}

void dots_endpoint_close(struct dots_endpoint *endpoint, void (*on_closed)(void *arg), void *arg)
{
    endpoint->on_closed = on_closed;
    endpoint->on_closed_arg = arg;
}

struct dots_session *dots_session_ref(struct dots_session *session)
{
    session->references++;
    return session;
}

void dots_session_unref(struct dots_session *session)
{
    assert_true(session->references > 0);
    session->references--;
}

void dots_session_close(struct dots_session *session)
{
    session->closed = true;
}

void dots_session_set_user(struct dots_session *session, void *user)
{
    session->user = user;
}

void *dots_session_user(const struct dots_session *session)
{
    return session->user;
}

const struct dots_identity *dots_session_identity(struct dots_session *session)
{
    return &session->identity;
}

enum dots_transport dots_session_transport(const struct dots_session *session)
{
    return session->transport;
}

const struct sockaddr *dots_session_peer(const struct dots_session *session)
{
    return (const struct sockaddr *)&session->peer;
}

const char *dots_session_text(const struct dots_session *session)
{
    return session->text;
}

uint64_t dots_session_heard(const struct dots_session *session)
{
    return session->heard;
}

void dots_session_set_transmission(struct dots_session *session, const struct dots_transmission *transmission)
{
    assert_int_equal(session->transport, DOTS_UDP);
    session->transmission = *transmission;
    session->has_transmission = true;
}

/* ---- Messages ---- */

void dots_token_new(struct dots_token *token)
{
    *token = (struct dots_token){.length = 4};
    fake_tokens++;
    memcpy(token->bytes, &fake_tokens, 4);
}

static inline void fake_path(const struct dots_request *request, char path[512], char query[32])
{
    size_t length = 0;

    path[0] = query[0] = '\0';
    for (size_t i = 0; i < request->path_count; i++)
        length +=
            (size_t)snprintf(path + length, 512 - length, "/%.*s", (int)request->path[i].length, request->path[i].at);
    for (size_t i = 0; i < request->query_count; i++)
        snprintf(query, 32, "%.*s", (int)request->query[i].length, request->query[i].at);
}

static inline uint8_t *fake_copy(const uint8_t *body, size_t length)
{
    uint8_t *copy = fake_calloc(1, length + 1);

    if (length)
        memcpy(copy, body, length);
    return copy;
}

static inline struct fake_sent *fake_note(struct dots_session *session, const struct dots_token *token,
                                          const struct dots_request *request, const uint8_t *body, size_t length)
{
    struct fake_sent *sent = &fake_sent[fake_sent_count++];

    assert_true(fake_sent_count <= FAKE_SENT_MAX);
    assert_false(session->told_down);
    *sent = (struct fake_sent){.at = fake_ms, .session = session, .token = *token};
    fake_path(request, sent->path, sent->query);
    sent->content_format = request->content_format;
    sent->body = fake_copy(body, length);
    sent->body_length = length;
    return sent;
}

int dots_send(struct dots_session *session, const struct dots_token *token, const struct dots_request *request)
{
    assert_false(request->confirmable);
    fake_note(session, token, request, request->body, request->body_length);
    if (fake_on_send)
        fake_on_send(session);
    return 0;
}

void dots_forget(struct dots_session *session, const struct dots_token *token)
{
    (void)session;
    (void)token;
}

int dots_notify(struct dots_session *session, const struct dots_token *token, const struct dots_request *observed,
                const struct dots_response *response)
{
    struct fake_sent *sent = fake_note(session, token, observed, response->body, response->body_length);

    sent->notification = true;
    sent->response = *response;
    if (fake_on_send)
        fake_on_send(session);
    return 0;
}

int dots_reply(struct dots_exchange *exchange, const struct dots_response *response)
{
    assert_int_equal(exchange->answers, 0);
    assert_false(exchange->dropped);
    exchange->answers++;
    exchange->response = *response;
    exchange->body = fake_copy(response->body, response->body_length);
    if (fake_on_send && !exchange->session->told_down)
        fake_on_send(exchange->session);
    return 0;
}

struct dots_exchange *dots_hold(struct dots_exchange *exchange)
{
    exchange->held = true;
    return exchange;
}

void dots_drop(struct dots_exchange *exchange)
{
    assert_int_equal(exchange->answers, 0);
    assert_false(exchange->dropped);
    exchange->dropped = true;
}

const struct dots_token *dots_exchange_token(const struct dots_exchange *exchange)
{
    return &exchange->token;
}

uint64_t dots_exchange_number(const struct dots_exchange *exchange)
{
    (void)exchange;
    return 1;
}

struct dots_session *dots_exchange_session(const struct dots_exchange *exchange)
{
    return exchange->session;
}

enum dots_method dots_exchange_method(const struct dots_exchange *exchange)
{
    return exchange->method;
}

/* ---- What the network does ---- */

static inline struct dots_session *fake_new_session(const char *address, enum dots_transport transport)
{
    struct dots_session *session = fake_calloc(1, sizeof(*session));

    session->transport = transport;
    session->heard = (uint64_t)fake_ms;
    session->peer.sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, address, &session->peer.sin_addr), 1);
    snprintf(session->text, sizeof(session->text), "%s/%s", address, transport == DOTS_UDP ? "udp" : "tcp");
    session->next = fake_sessions;
    fake_sessions = session;
    return session;
}

/* A certificate with this DNS name, and a key of this hash. */
static inline struct dots_session *fake_up_as(const char *san, const char *hash, const char *address,
                                              enum dots_transport transport)
{
    struct dots_session *session = fake_new_session(address, transport);

    snprintf(session->name, sizeof(session->name), "%s", san);
    session->sans[0] = session->name;
    session->identity.sans = session->sans;
    session->identity.san_count = 1;
    snprintf(session->identity.hash, sizeof(session->identity.hash), "%.22s", hash);
    fake_endpoint.handlers->up(fake_endpoint.arg, session);
    return session;
}

static inline struct dots_session *fake_up(const char *san, const char *address, enum dots_transport transport)
{
    return fake_up_as(san, san, address, transport);
}

static inline void fake_down(struct dots_session *session, enum dots_down reason)
{
    if (session->told_down)
        return;
    fake_endpoint.handlers->down(fake_endpoint.arg, session, reason, "played");
    session->told_down = true;
}

/* Sessions that southbound closed go down on a later turn. */
static inline void fake_closes(void)
{
    for (struct dots_session *session = fake_sessions; session; session = session->next) {
        if (session->closed)
            fake_down(session, DOTS_DOWN_CLOSED);
    }
}

static inline void fake_answer(struct dots_session *session, const struct dots_token *token, uint8_t code)
{
    struct dots_response response = {.code = code, .content_format = -1, .max_age = -1, .observe = -1};

    session->heard = (uint64_t)fake_ms;
    fake_endpoint.handlers->response(fake_endpoint.arg, session, token, &response);
}

static inline void fake_forget_sent(void)
{
    for (size_t i = 0; i < fake_sent_count; i++)
        free(fake_sent[i].body);
    fake_sent_count = 0;
}

static inline void fake_reset(void)
{
    fake_forget_sent();
    while (fake_exchanges) {
        struct dots_exchange *exchange = fake_exchanges;

        fake_exchanges = exchange->next;
        free(exchange->body);
        free(exchange);
    }
    while (fake_sessions) {
        struct dots_session *session = fake_sessions;

        fake_sessions = session->next;
        assert_int_equal(session->references, 0);
        free(session);
    }
    memset(&fake_endpoint, 0, sizeof(fake_endpoint));
    fake_system_reset();
    fake_on_send = NULL;
}
