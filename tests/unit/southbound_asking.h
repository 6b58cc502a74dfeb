/*
 * What a client does in the tests of southbound/signal, and what it expects.
 */
#pragma once

#include "tests/unit/southbound_world.h"

#define SCOPE_JSON(inner) "{\"ietf-dots-signal-channel:mitigation-scope\":{\"scope\":[{" inner "}]}}"
#define PREFIX_JSON(prefix) SCOPE_JSON("\"target-prefix\":[\"" prefix "\"],\"lifetime\":3600")
#define CONFIG_JSON(inner) "{\"ietf-dots-signal-channel:signal-config\":{" inner "}}"
#define HEARTBEAT_JSON(status) "{\"ietf-dots-signal-channel:heartbeat\":{\"peer-hb-status\":" status "}}"

struct asking {
    const char *body;     /* JSON; NULL: none */
    const uint8_t *bytes; /* instead of it */
    size_t bytes_length;
    const char *query;
    int32_t observe; /* value + 1; 0: absent */
    bool if_match, if_match_full;
    int32_t content_format; /* 0: 271 with a body, -1: absent */
    int32_t accept;         /* 0: absent */
    int32_t hop_limit;      /* 0: absent */
    uint32_t token;         /* 0: a fresh one */
};

static inline size_t encode_json(const char *json, uint8_t *body, size_t size)
{
    struct wire_message *message = NULL;
    struct wire_error error;
    size_t length;

    if (fake_outside)
        fake_outside(true);
    if (wire_decode_json(json, strlen(json), WIRE_TO_SERVER, &message, &error) != 0)
        fail_msg("%s: %s", json, error.text);
    length = wire_encode_cbor(message, body, size);
    wire_free(message);
    if (fake_outside)
        fake_outside(false);
    return length;
}

/* A request as it arrives; path without /.well-known/dots. */
static inline struct dots_exchange *ask_with(struct dots_session *session, enum dots_method method, const char *path,
                                             struct asking with)
{
    struct dots_exchange *exchange = fake_calloc(1, sizeof(*exchange));
    uint8_t body[8192];
    struct dots_request request = {
        .method = method,
        .confirmable = true,
        .path = {{".well-known", 11}, {"dots", 4}},
        .path_count = 2,
        .observe = with.observe - 1,
        .if_match = with.if_match || with.if_match_full,
        .if_match_empty = !with.if_match_full,
        .content_format = with.content_format       ? with.content_format
                          : with.body || with.bytes ? DOTS_CONTENT_FORMAT
                                                    : -1,
        .accept = with.accept ? with.accept : -1,
        .hop_limit = with.hop_limit ? with.hop_limit : -1,
        .body = with.bytes,
        .body_length = with.bytes_length,
        .exchange = exchange,
    };

    exchange->session = session;
    exchange->next = fake_exchanges;
    fake_exchanges = exchange;
    dots_token_new(&exchange->token);
    if (with.token)
        memcpy(exchange->token.bytes, &with.token, 4);
    for (const char *at = path; *at == '/';) {
        size_t length = strcspn(++at, "/");

        request.path[request.path_count++] = (struct dots_option){.at = at, .length = length};
        at += length;
    }
    if (with.query)
        request.query[request.query_count++] = (struct dots_option){.at = with.query, .length = strlen(with.query)};
    if (with.body) {
        request.body_length = encode_json(with.body, body, sizeof(body));
        request.body = body;
    }
    session->heard = (uint64_t)fake_ms;
    fake_endpoint.handlers->request(fake_endpoint.arg, session, &request);
    world_settle();
    return exchange;
}

static inline struct dots_exchange *ask(struct dots_session *session, enum dots_method method, const char *path,
                                        const char *body)
{
    return ask_with(session, method, path, (struct asking){.body = body});
}

static inline const char *answer_text(const struct dots_exchange *exchange)
{
    return exchange->body ? (const char *)exchange->body : "";
}

/* code as a number: 201. text: part of the diagnostic payload, NULL when there is to be none. */
static inline void expect_at(const struct dots_exchange *exchange, int code, const char *text, int line)
{
    int got = exchange->answers == 0
                  ? 0
                  : DOTS_CODE_CLASS(exchange->response.code) * 100 + DOTS_CODE_DETAIL(exchange->response.code);

    if (got != code)
        fail_msg("line %d: answered %d \"%s\", expected %d", line, got,
                 exchange->response.content_format < 0 ? answer_text(exchange) : "", code);
    if (text && (exchange->response.content_format != -1 || !strstr(answer_text(exchange), text)))
        fail_msg("line %d: \"%s\" does not say \"%s\"", line, answer_text(exchange), text);
    if (code >= 400 && exchange->response.body_length == 0)
        fail_msg("line %d: %d without a diagnostic payload (RFC 9132 section 3)", line, code);
    if (code && code < 400 && exchange->response.body_length > 0)
        assert_int_equal(exchange->response.content_format, DOTS_CONTENT_FORMAT);
}
#define expect(exchange, code, text) expect_at(exchange, code, text, __LINE__)

/* The body of an answer or notification; freed with wire_free. */
static inline struct wire_message *decode(const uint8_t *body, size_t length)
{
    struct wire_message *message = NULL;
    struct wire_error error;

    if (wire_decode_cbor(body, length, WIRE_TO_CLIENT, &message, &error) != 0)
        fail_msg("%s", error.text);
    return message;
}

static inline struct wire_message *answer_body(const struct dots_exchange *exchange)
{
    assert_int_equal(exchange->response.content_format, DOTS_CONTENT_FORMAT);
    return decode(exchange->body, exchange->response.body_length);
}

static inline void report(enum wire_status status, uint64_t bytes)
{
    struct relay_report what = {.status = status, .counters = {.has_bytes = bytes > 0, .bytes = bytes}};

    relay_job_report(world.relay, fake_ms, 0, world.job, &what);
    world_settle();
}

/* Notifications (or heartbeats) since the last fake_forget_sent. */
static inline size_t sent_count(bool notifications)
{
    size_t count = 0;

    for (size_t i = 0; i < fake_sent_count; i++)
        count += fake_sent[i].notification == notifications;
    return count;
}

static inline const struct fake_sent *sent_at(bool notifications, size_t index)
{
    for (size_t i = 0; i < fake_sent_count; i++) {
        if (fake_sent[i].notification == notifications && index-- == 0)
            return &fake_sent[i];
    }
    fail_msg("not that much was sent");
    return NULL;
}

static inline enum wire_status sent_status(const struct fake_sent *sent)
{
    struct wire_message *message = decode(sent->body, sent->body_length);
    enum wire_status status = message->scopes[0].status;

    wire_free(message);
    return status;
}
