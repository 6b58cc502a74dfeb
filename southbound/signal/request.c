/* request: every request passes here: who is it, may it, what is it about (docs/behaviour.md). */

#include <stdio.h>

#include "gateway/log/log.h"
#include "southbound/signal/signal.h"

#define HEARTBEAT_FREE_MS 1000 /* heartbeats no faster than this are not counted against a limit */

void south_log_refusal(struct southbound *southbound, const struct south_client *client,
                       const struct dots_exchange *exchange, uint8_t code, const char *reason)
{
    const char *name = client ? client->config->name : "unknown";
    uint64_t number = dots_exchange_number(exchange);
    uint32_t left_out;

    if (!south_refusal_note(&southbound->refusals, client, code, southbound->now(), &left_out))
        return;
    if (left_out)
        log_notice("request-refused", LOG_REQUEST " client %s: %d.%02d, %s (%u such lines were left out before)",
                   number, name, DOTS_CODE_CLASS(code), DOTS_CODE_DETAIL(code), reason, left_out);
    else
        log_notice("request-refused", LOG_REQUEST " client %s: %d.%02d, %s", number, name, DOTS_CODE_CLASS(code),
                   DOTS_CODE_DETAIL(code), reason);
}

void south_refuse(struct south_session *session, struct dots_exchange *exchange, uint8_t code, int64_t max_age,
                  const char *reason)
{
    south_log_refusal(session->southbound, session->client, exchange, code, reason);
    south_reply_text(exchange, code, max_age, reason);
}

bool south_format_allowed(struct south_session *session, const struct dots_request *request)
{
    if (request->content_format == DOTS_CONTENT_FORMAT)
        return true;
    south_refuse(session, request->exchange, DOTS_CODE(4, 15), DOTS_NO_MAX_AGE,
                 request->content_format < 0
                     ? "Content-Format: missing; expected application/dots+cbor (271)"
                     : "Content-Format: expected application/dots+cbor (271), RFC 9132 section 9");
    return false;
}

struct wire_message *south_decode(struct south_session *session, const struct dots_request *request,
                                  enum wire_type type, const char *name)
{
    struct wire_message *message = NULL;
    char reason[SOUTH_REASON_MAX];
    struct wire_error error;
    int result;

    if (request->body_length == 0) {
        snprintf(reason, sizeof(reason), "%s: missing; the request has no body", name);
        south_refuse(session, request->exchange, DOTS_CODE(4, 0), DOTS_NO_MAX_AGE, reason);
        return NULL;
    }
    result = wire_decode_cbor(request->body, request->body_length, WIRE_TO_SERVER, &message, &error);
    if (result == 0 && message->type == type)
        return message;
    if (result == 0) {
        wire_free(message);
        snprintf(reason, sizeof(reason), "%s: expected here, got another kind of message", name);
        south_refuse(session, request->exchange, DOTS_CODE(4, 0), DOTS_NO_MAX_AGE, reason);
    } else if (result == -1) {
        south_refuse(session, request->exchange, DOTS_CODE(4, 0), DOTS_NO_MAX_AGE, error.text);
    } else {
        south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_FULL_MAX_AGE, "the server is out of memory");
    }
    return NULL;
}

/* A heartbeat is cheap and keeps a session alive under attack: a steady one is never refused. */
static bool free_heartbeat(struct south_session *session, const struct south_path *path, int64_t now)
{
    if (path->operation != SOUTH_HEARTBEAT || now - session->free_heartbeat_ms < HEARTBEAT_FREE_MS)
        return false;
    session->free_heartbeat_ms = now;
    return true;
}

static bool within_rates(struct south_session *session, const struct dots_request *request)
{
    struct southbound *southbound = session->southbound;
    int64_t now = southbound->now();

    if (!south_sources_take(southbound->sources, dots_session_peer(session->session),
                            southbound->config->limits.requests_per_source, now)) {
        south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_BUSY_MAX_AGE,
                     "more requests from this address than this server takes; slow down");
        return false;
    }
    if (session->client &&
        !south_bucket_take(&session->client->requests, session->client->config->limits.requests_per_second, now)) {
        south_refuse(session, request->exchange, DOTS_CODE(5, 3), SOUTH_BUSY_MAX_AGE,
                     "more requests than this client may make; slow down");
        return false;
    }
    return true;
}

/* Everything but what the request is about. */
static bool admitted(struct south_session *session, const struct dots_request *request)
{
    if (session->generation != session->southbound->generation)
        south_review_session(session);
    if (session->standing == SOUTH_PARTING) {
        south_refuse(session, request->exchange, DOTS_CODE(4, 1), DOTS_NO_MAX_AGE, south_review_reason(session));
        return false;
    }
    if (session->standing == SOUTH_UNKNOWN) {
        south_refuse(session, request->exchange, DOTS_CODE(4, 1), DOTS_NO_MAX_AGE,
                     "this identity belongs to no client of this server; ask its operator to add it");
        return false;
    }
    if (session->standing == SOUTH_SURPLUS)
        south_session_admit(session);
    if (session->standing == SOUTH_SURPLUS) {
        south_redirect(session, request->exchange);
        return false;
    }
    return true;
}

static void dispatch(struct south_session *session, const struct dots_request *request, struct south_path *path)
{
    if (request->accept >= 0 && request->accept != DOTS_CONTENT_FORMAT) {
        south_refuse(session, request->exchange, DOTS_CODE(4, 6), DOTS_NO_MAX_AGE,
                     "Accept: this server answers in application/dots+cbor (271) only");
        return;
    }
    /* RFC 9132 section 4.4.1.2: ignored unless it comes from a gateway that is trusted to send it. */
    if (!session->client->config->supplies_cdid)
        path->cdid[0] = '\0';
    switch (path->operation) {
    case SOUTH_MITIGATE:
        south_mitigate(session, request, path);
        break;
    case SOUTH_CONFIG:
        south_config(session, request, path);
        break;
    case SOUTH_HEARTBEAT:
        south_heartbeat_put(session, request);
        break;
    }
}

static void handle(struct south_session *session, const struct dots_request *request)
{
    char reason[SOUTH_REASON_MAX];
    struct south_path path;
    uint8_t code = south_path_parse(request, &path, reason);

    if ((code != 0 || !free_heartbeat(session, &path, session->southbound->now())) && !within_rates(session, request))
        return;
    if (!admitted(session, request))
        return;
    if (code != 0)
        south_refuse(session, request->exchange, code, DOTS_NO_MAX_AGE, reason);
    else if (south_sent_away(session->southbound, session->client) && south_redirects(session, request, &path))
        south_redirect(session, request->exchange);
    else
        dispatch(session, request, &path);
}

/* As it was sent, so far as that prints. */
static void log_request_line(const struct south_session *session, const struct dots_request *request)
{
    static const char *const methods[] = {
        [DOTS_GET] = "GET", [DOTS_POST] = "POST", [DOTS_PUT] = "PUT", [DOTS_DELETE] = "DELETE"};
    const char *method = (size_t)request->method < sizeof(methods) / sizeof(methods[0]) ? methods[request->method] : "";
    char path[256];
    size_t length = 0;

    path[0] = '\0';
    for (size_t i = 0; i < request->path_count && length < sizeof(path); i++)
        length += (size_t)snprintf(path + length, sizeof(path) - length, "/%.*s", (int)request->path[i].length,
                                   request->path[i].at);
    log_debug("request", LOG_REQUEST " client %s on %s: %s %s, %zu bytes", dots_exchange_number(request->exchange),
              session->client ? session->client->config->name : "unknown", dots_session_text(session->session),
              method ? method : "", path, request->body_length);
}

void south_request(void *arg, struct dots_session *dots_session, const struct dots_request *request)
{
    struct south_session *session = dots_session_user(dots_session);

    (void)arg;
    if (!session || session->southbound->closing) {
        south_reply_text(request->exchange, DOTS_CODE(5, 3), SOUTH_FULL_MAX_AGE, "this server is shutting down");
        return;
    }
    session->southbound->counters.requests[(unsigned)request->method & 7]++;
    if (log_enabled(LOG_LEVEL_DEBUG))
        log_request_line(session, request);
    south_session_ref(session);
    handle(session, request);
    south_session_unref(session);
}
