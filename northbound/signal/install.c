/* install: installs of the relay become exchanges of a link, and their answers come back (RFC 9132 section 4.4). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/signal/northbound_state.h"

#define DIAGNOSTIC_MAX 512u

void dots_path_of(struct dots_path *path, const struct upstream_cuid *cuid, int64_t mid)
{
    path->count = 0;
    path->at[path->count++] = ".well-known";
    path->at[path->count++] = "dots";
    path->at[path->count++] = "mitigate";
    if (cuid->cdid[0]) { /* 'cdid' MUST be positioned before 'cuid': section 4.4.1.2 */
        snprintf(path->cdid, sizeof(path->cdid), "cdid=%s", cuid->cdid);
        path->at[path->count++] = path->cdid;
    }
    snprintf(path->cuid, sizeof(path->cuid), "cuid=%s", cuid->cuid);
    path->at[path->count++] = path->cuid;
    if (mid >= 0) { /* 'mid' MUST follow 'cuid': section 4.4.1.1 */
        snprintf(path->mid, sizeof(path->mid), "mid=%u", (unsigned)mid);
        path->at[path->count++] = path->mid;
    }
}

struct wire_message *response_body(const struct leg *leg, const struct dots_response *response)
{
    struct wire_message *message = NULL;
    struct wire_error error;
    char note[LOG_NOTE];

    if (response->body_length == 0 || response->content_format != DOTS_CONTENT_FORMAT)
        return NULL;
    if (wire_decode_cbor(response->body, response->body_length, WIRE_TO_CLIENT, &message, &error) == 0)
        return message;
    if (log_repeat(&leg->upstream->unread, leg->upstream->northbound->now(), note))
        log_warning("upstream-answer", "upstream %s: the body of a %u.%02u cannot be used: %s%s",
                    leg->upstream->config->name, DOTS_CODE_CLASS(response->code), DOTS_CODE_DETAIL(response->code),
                    error.text, note);
    return NULL;
}

/* ---- Life of a delivery ---- */

struct delivery *delivery_of(struct northbound *northbound, struct install *install)
{
    struct delivery *delivery = install_user(install);
    struct upstream_cuid *cuid = install_cuid(install);
    struct leg *leg;

    if (delivery)
        return delivery;
    leg = upstream_leg(northbound->upstreams[cuid->target], cuid);
    delivery = leg && listing_of(leg, cuid) ? calloc(1, sizeof(*delivery)) : NULL;
    if (!delivery) {
        if (!northbound->closing)
            log_error("out-of-memory", "upstream %s: mid %u is sent when memory is to be had and the session is new",
                      northbound->upstreams[cuid->target]->config->name, (unsigned)install_mid(install));
        return NULL;
    }
    delivery->install = install;
    delivery->leg = leg;
    leg->deliveries++;
    install_set_user(install, delivery);
    return delivery;
}

static void forget_failure(struct delivery *delivery)
{
    if (delivery->failure == 0)
        return;
    delivery->failure = 0;
    DL_DELETE2(delivery->leg->failed, delivery, failed_prev, failed_next);
}

/* Whatever is under way gives way to what comes now. */
static void supersede(struct delivery *delivery)
{
    forget_failure(delivery);
    if (delivery->request && !delivery->leg->closing)
        link_cancel(delivery->request, false);
    delivery->request = NULL;
}

void northbound_forget(struct northbound *northbound, struct install *install)
{
    struct delivery *delivery = install_user(install);
    struct leg *leg;

    if (!delivery)
        return;
    leg = delivery->leg;
    supersede(delivery);
    observe_stop(delivery, true);
    install_set_user(install, NULL);
    free(delivery);
    if (--leg->deliveries == 0)
        leg->idle_since = uv_now(northbound->loop);
    leg_kick(leg);
}

/* ---- Answers ---- */

/* Reported on the next turn: the relay may be above us on the stack. */
static void fail(struct delivery *delivery, int code)
{
    if (delivery->failure == 0)
        DL_APPEND2(delivery->leg->failed, delivery, failed_prev, failed_next);
    delivery->failure = code;
    leg_kick(delivery->leg);
}

static void report(struct delivery *delivery, int code, const struct wire_message *body, const char *diagnostic,
                   int64_t max_age)
{
    struct northbound *northbound = delivery->leg->upstream->northbound;
    struct relay_upstream_answer answer = {
        .code = code, .body = body, .diagnostic = diagnostic, .max_age = max_age, .repeated = delivery->repeated};

    leg_kick(delivery->leg);
    relay_install_answer(northbound->relay, northbound->now(), delivery->install, &answer);
}

static void report_too_large(struct delivery *delivery)
{
    char text[DIAGNOSTIC_MAX];

    snprintf(text, sizeof(text),
             "a request of %zu bytes does not fit one datagram to upstream %s, which takes %zu with its headers: ask "
             "for fewer targets in one request",
             delivery->length, delivery->leg->upstream->config->name, link_message_max(delivery->leg->link));
    report(delivery, 413, NULL, text, -1);
}

void delivery_failures(struct leg *leg)
{
    for (unsigned i = 0; i < NORTH_TURN_WORK && leg->failed && !leg->closing; i++) {
        struct delivery *delivery = leg->failed;
        int code = delivery->failure;

        forget_failure(delivery);
        if (code == 413)
            report_too_large(delivery);
        else
            report(delivery, 503, NULL, "the gateway is out of memory", 60);
    }
}

/* A diagnostic payload is anybody's text: only what prints is passed on. */
static const char *diagnostic_of(const struct dots_response *response, const struct wire_message *body,
                                 char text[DIAGNOSTIC_MAX])
{
    size_t length = response->body_length < DIAGNOSTIC_MAX - 1 ? response->body_length : DIAGNOSTIC_MAX - 1;

    if (body && body->type == WIRE_REDIRECT) {
        snprintf(text, DIAGNOSTIC_MAX, "sent away to %.200s, which cannot be followed now", body->redirect.alt_server);
        return text;
    }
    if (length == 0 || response->content_format == DOTS_CONTENT_FORMAT)
        return NULL;
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(response->body[i] >= 0x20 && response->body[i] < 0x7f ? response->body[i] : '?');
    text[length] = '\0';
    return text;
}

static uint64_t number_of(const struct delivery *delivery)
{
    struct install_request request;
    struct wire_scope scratch;

    relay_install_request(delivery->install, 0, &request, &scratch);
    return request.request;
}

static void log_answer(const struct delivery *delivery, enum link_result result, const struct dots_response *response)
{
    const char *name = delivery->leg->upstream->config->name;
    uint32_t mid = install_mid(delivery->install);

    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    if (result == LINK_TIMEOUT || result == LINK_TOO_LARGE)
        log_debug("upstream-answer", LOG_REQUEST " upstream %s: mid %u: %s", number_of(delivery), name, mid,
                  result == LINK_TIMEOUT ? "none" : "it does not fit a datagram");
    else
        log_debug("upstream-answer", LOG_REQUEST " upstream %s: mid %u: %d.%02d", number_of(delivery), name, mid,
                  DOTS_CODE_CLASS(response->code), DOTS_CODE_DETAIL(response->code));
}

static void answered(void *arg, enum link_result result, const struct dots_response *response)
{
    struct delivery *delivery = arg;
    struct wire_message *body;
    char text[DIAGNOSTIC_MAX];
    const char *diagnostic;

    delivery->repeated = link_repeated(delivery->request);
    delivery->request = NULL;
    log_answer(delivery, result, response);
    if (result == LINK_TOO_LARGE) {
        report_too_large(delivery);
        return;
    }
    if (result == LINK_TIMEOUT) {
        /* Section 4.4.3: an efficacy update that matches nothing is silently ignored. Is it still there? */
        delivery->doubted = true;
        observe_soon(delivery);
        return;
    }
    if (delivery->withdrawing)
        observe_stop(delivery, true);
    else if (DOTS_CODE_CLASS(response->code) == 2 && (response->code != DOTS_CODE(2, 4) || !observe_holds(delivery)))
        observe_soon(delivery);
    body = response_body(delivery->leg, response);
    diagnostic = diagnostic_of(response, body, text);
    report(delivery, DOTS_CODE_CLASS(response->code) * 100 + DOTS_CODE_DETAIL(response->code),
           body && body->type == WIRE_MITIGATION ? body : NULL, diagnostic,
           body && body->type == WIRE_REDIRECT ? 60 : response->max_age);
    wire_free(body);
}

/* ---- Requests ---- */

static void submit(struct delivery *delivery, const struct link_request *request)
{
    if (log_enabled(LOG_LEVEL_DEBUG))
        log_debug("upstream-request", LOG_REQUEST " upstream %s: %s mid %u, %zu bytes", number_of(delivery),
                  delivery->leg->upstream->config->name, request->method == DOTS_PUT ? "PUT" : "DELETE",
                  install_mid(delivery->install), request->body_length);
    delivery->length = request->body_length;
    delivery->request = link_request(delivery->leg->link, request, answered, delivery);
    if (!delivery->request)
        fail(delivery, 503);
    leg_kick(delivery->leg);
}

void delivery_put(struct northbound *northbound, struct install *install)
{
    struct delivery *delivery = delivery_of(northbound, install);
    struct install_request wanted;
    struct wire_scope scope;
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    struct dots_path path;

    if (!delivery || delivery->leg->closing)
        return;
    supersede(delivery);
    delivery->withdrawing = delivery->doubted = false;
    relay_install_request(install, northbound->now(), &wanted, &scope);
    dots_path_of(&path, install_cuid(install), wanted.mid);
    delivery->length = wire_encode_cbor(&message, northbound->body, WIRE_BODY_MAX);
    if (delivery->length == 0) {
        delivery->length = WIRE_BODY_MAX;
        fail(delivery, 413);
        return;
    }
    submit(delivery, &(struct link_request){.method = DOTS_PUT,
                                            .path = path.at,
                                            .path_count = path.count,
                                            .body = northbound->body,
                                            .body_length = delivery->length,
                                            .if_match = wanted.if_match,
                                            .hop_limit = wanted.hop_limit,
                                            .give_up_ms = wanted.if_match ? NORTH_EFFICACY_MS : 0,
                                            .priority = LINK_MITIGATION});
}

void northbound_install(struct northbound *northbound, struct install *install)
{
    delivery_put(northbound, install);
}

void northbound_withdraw(struct northbound *northbound, struct install *install)
{
    struct delivery *delivery = delivery_of(northbound, install);
    struct dots_path path;

    if (!delivery || delivery->leg->closing)
        return;
    supersede(delivery);
    delivery->withdrawing = true;
    delivery->doubted = false;
    dots_path_of(&path, install_cuid(install), install_mid(install));
    submit(delivery,
           &(struct link_request){
               .method = DOTS_DELETE, .path = path.at, .path_count = path.count, .priority = LINK_MITIGATION});
}
