/*
 * A world for the northbound code in which time and network are played: the coap module, libuv's
 * clock, timers and name look-ups are replaced at link time. Nothing sleeps; a day passes in no time.
 *
 * Words: a *path* says what happens to a connection attempt to an address and transport; *sent* is
 * one request as the network saw it; the *server* of a test answers it by fake_answer, or does not.
 */
#pragma once

#include "tests/unit/northbound_fake_world.h"

/* ---- The coap module ---- */

struct dots_endpoint *dots_endpoint_open(uv_loop_t *loop, const struct dots_endpoint_settings *settings, char *error,
                                         size_t error_size)
{
    struct dots_endpoint *endpoint = calloc(1, sizeof(*endpoint));

    (void)loop, (void)error, (void)error_size;
    assert_non_null(endpoint);
    endpoint->handlers = settings->handlers;
    endpoint->arg = settings->arg;
    return endpoint;
}

static void fake_release(struct dots_session *session)
{
    if (session->references > 0 || !session->told_down)
        return;
    for (struct dots_session **at = &fake.sessions; *at; at = &(*at)->next) {
        if (*at == session) {
            *at = session->next;
            break;
        }
    }
    for (struct fake_event *event = fake.events; event; event = event->next) {
        if (event->session == session) {
            event->session = NULL;
            event->dead = true;
        }
    }
    free(session);
}

struct dots_material {
    int nothing;
};

struct dots_material *dots_material_load(const struct dots_credentials *credentials, char *error, size_t error_size)
{
    static struct dots_material material;

    (void)credentials, (void)error, (void)error_size;
    return &material;
}

void dots_material_free(struct dots_material *material)
{
    (void)material;
}

static bool fake_renews; /* the next renewal brings something else */

bool dots_endpoint_renew(struct dots_endpoint *endpoint, const struct dots_material *material)
{
    (void)endpoint, (void)material;
    return fake_renews;
}

void dots_endpoint_close(struct dots_endpoint *endpoint, void (*on_closed)(void *arg), void *arg)
{
    for (struct dots_session *session = fake.sessions, *next; session; session = next) {
        next = session->next;
        if (session->endpoint == endpoint) {
            session->closed = session->told_down = true;
            fake_release(session);
        }
    }
    free(endpoint);
    on_closed(arg);
}

struct dots_resumption *dots_resumption_new(void)
{
    return calloc(1, sizeof(struct dots_resumption));
}

void dots_resumption_free(struct dots_resumption *resumption)
{
    free(resumption);
}

static void fake_down(struct dots_session *session, enum dots_down reason, const char *text, uint64_t delay)
{
    struct fake_event *event = fake_event(FAKE_EVENT_DOWN, delay);

    event->session = session;
    event->reason = reason;
    snprintf(event->text, sizeof(event->text), "%s", text);
}

struct dots_session *dots_connect(struct dots_endpoint *endpoint, const struct dots_connect *connect)
{
    struct dots_session *session = calloc(1, sizeof(*session));
    char address[64];
    uint16_t port;

    assert_non_null(session);
    session->endpoint = endpoint;
    memcpy(&session->address, connect->address, connect->address_length);
    session->transport = connect->transport;
    session->user = connect->user;
    session->resumption = connect->resumption;
    if (connect->resumption)
        connect->resumption->used++;
    session->connected_at = fake.now;
    session->references = 1;
    session->next = fake.sessions;
    fake.sessions = session;
    snprintf(session->host, sizeof(session->host), "%s", connect->server_name);
    if (connect->address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((struct sockaddr_in *)&session->address)->sin_addr, address, sizeof(address));
        port = ntohs(((struct sockaddr_in *)&session->address)->sin_port);
    } else {
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&session->address)->sin6_addr, address, sizeof(address));
        port = ntohs(((struct sockaddr_in6 *)&session->address)->sin6_port);
    }
    snprintf(session->text, sizeof(session->text), "%s:%u/%s", address, port,
             connect->transport == DOTS_UDP ? "udp" : "tcp");
    for (size_t i = 0; i < fake.path_count; i++) {
        if (strcmp(fake.paths[i].address, address) != 0 || fake.paths[i].transport != connect->transport)
            continue;
        if (fake.paths[i].way == FAKE_UP)
            fake_event(FAKE_EVENT_UP, fake.paths[i].delay)->session = session;
        else if (fake.paths[i].way == FAKE_REFUSED)
            fake_down(session, DOTS_DOWN_REFUSED, "connection refused", fake.paths[i].delay);
        if (fake.paths[i].way != FAKE_SILENT)
            return session;
    }
    fake_down(session, DOTS_DOWN_HANDSHAKE, "handshake timed out", 32000);
    return session;
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
    fake_release(session);
}

void dots_session_close(struct dots_session *session)
{
    if (session->closed || session->told_down)
        return;
    session->closed = true;
    fake_down(session, DOTS_DOWN_CLOSED, "closed", 0);
}

void dots_session_set_user(struct dots_session *session, void *user)
{
    session->user = user;
}

void *dots_session_user(const struct dots_session *session)
{
    return session->user;
}

enum dots_transport dots_session_transport(const struct dots_session *session)
{
    return session->transport;
}

const char *dots_session_text(const struct dots_session *session)
{
    return session->text;
}

uint64_t dots_session_heard(const struct dots_session *session)
{
    return session->heard;
}

void dots_session_set_mtu(struct dots_session *session, unsigned mtu)
{
    (void)session, (void)mtu;
}

size_t dots_session_message_max(const struct dots_session *session)
{
    (void)session;
    return fake.message_max;
}

void dots_session_set_transmission(struct dots_session *session, const struct dots_transmission *transmission)
{
    assert_int_equal(session->transport, DOTS_UDP);
    session->transmission = *transmission;
}

void dots_token_new(struct dots_token *token)
{
    static uint64_t counter = 88172645463325252ull;

    counter ^= counter << 13, counter ^= counter >> 7, counter ^= counter << 17;
    token->length = 8;
    memcpy(token->bytes, &counter, 8);
}

static void fake_join(char *to, size_t size, const struct dots_option *options, size_t count)
{
    size_t at = 0;

    to[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(to + at, size - at, "%s%.*s", i ? "/" : "", (int)options[i].length, options[i].at);
}

int dots_send(struct dots_session *session, const struct dots_token *token, const struct dots_request *request)
{
    struct fake_sent *sent = &fake.sent[fake.sent_count];

    assert_true(session->up); /* nothing is sent before the handshake is complete */
    if (session->closed || session->told_down)
        return -1;
    if (fake.message_max && session->transport == DOTS_UDP && request->body_length + 60 > fake.message_max)
        return -2;
    assert_true(fake.sent_count < FAKE_SENT_MAX);
    fake.sent_count++;
    sent->at = fake.now;
    sent->session = session;
    memcpy(sent->host, session->host, sizeof(sent->host));
    memcpy(sent->text, session->text, sizeof(sent->text));
    sent->token = *token;
    sent->method = request->method;
    fake_join(sent->path, sizeof(sent->path), request->path, request->path_count);
    fake_join(sent->query, sizeof(sent->query), request->query, request->query_count);
    sent->confirmable = request->confirmable;
    sent->if_match = request->if_match && request->if_match_empty;
    sent->observe = request->observe;
    sent->hop_limit = request->hop_limit;
    sent->content_format = request->content_format;
    sent->body_length = request->body_length;
    sent->body = malloc(request->body_length + 1);
    assert_non_null(sent->body);
    if (request->body_length)
        memcpy(sent->body, request->body, request->body_length);
    if (fake.server)
        fake.server(sent);
    return 0;
}

void dots_forget(struct dots_session *session, const struct dots_token *token)
{
    (void)session, (void)token;
}

int dots_reply(struct dots_exchange *exchange, const struct dots_response *response)
{
    (void)exchange;
    fake.reply = *response;
    fake.replied = true;
    return 0;
}

void dots_drop(struct dots_exchange *exchange)
{
    (void)exchange;
}

int dots_credentials_hash(const struct dots_credentials *credentials, char hash[23])
{
    (void)credentials;
    memcpy(hash, "dz6pHjaADkaFTbjr0JGBpw", 23);
    return 0;
}

/* ---- Answers ---- */

static struct fake_event *fake_answer(const struct fake_sent *sent, uint8_t code, const struct wire_message *body,
                                      uint64_t delay)
{
    struct fake_event *event = fake_event(FAKE_EVENT_RESPONSE, delay);

    event->session = sent->session;
    event->token = sent->token;
    event->response.code = code;
    event->response.content_format = body ? DOTS_CONTENT_FORMAT : -1;
    event->response.max_age = DOTS_NO_MAX_AGE;
    event->response.observe = -1;
    if (body) {
        event->response.body_length = wire_encode_cbor(body, event->body, sizeof(event->body));
        assert_true(event->response.body_length > 0);
    }
    return event;
}

/* A request of the server to us: a heartbeat, or what should not be. */
static __attribute__((unused)) void fake_request(struct dots_session *session, const char *last,
                                                 enum dots_method method, const struct wire_message *body)
{
    uint8_t buffer[256];
    struct dots_request request = {.method = method,
                                   .observe = -1,
                                   .content_format = body ? DOTS_CONTENT_FORMAT : -1,
                                   .accept = -1,
                                   .hop_limit = -1,
                                   .path = {{".well-known", 11}, {"dots", 4}, {last, strlen(last)}},
                                   .path_count = 3};

    if (body) {
        request.body = buffer;
        request.body_length = wire_encode_cbor(body, buffer, sizeof(buffer));
    }
    fake.replied = false;
    session->heard = fake.now;
    session->endpoint->handlers->request(session->endpoint->arg, session, &request);
}

/* ---- What was sent ---- */

static unsigned fake_count(enum dots_method method, const char *path)
{
    unsigned count = 0;

    for (size_t i = 0; i < fake.sent_count; i++)
        count += fake.sent[i].method == method && strstr(fake.sent[i].path, path) != NULL;
    return count;
}

/* The nth (from 0) of this kind; NULL: there are fewer. */
static struct fake_sent *fake_find(enum dots_method method, const char *path, unsigned nth)
{
    for (size_t i = 0; i < fake.sent_count; i++) {
        if (fake.sent[i].method == method && strstr(fake.sent[i].path, path) && nth-- == 0)
            return &fake.sent[i];
    }
    return NULL;
}

static __attribute__((unused)) struct fake_sent *fake_last(enum dots_method method, const char *path)
{
    unsigned count = fake_count(method, path);

    return count ? fake_find(method, path, count - 1) : NULL;
}

static __attribute__((unused)) unsigned fake_sessions(void)
{
    unsigned count = 0;

    for (struct dots_session *session = fake.sessions; session; session = session->next)
        count += !session->closed && !session->told_down;
    return count;
}

static __attribute__((unused)) struct dots_session *fake_session(const char *text)
{
    for (struct dots_session *session = fake.sessions; session; session = session->next) {
        if (!session->closed && !session->told_down && strstr(session->text, text))
            return session;
    }
    return NULL;
}
