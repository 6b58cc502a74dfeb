/* port: what detectors are served over HTTPS: two paths to report to, and nothing else. */
#include <stdio.h>
#include <string.h>

#include "gateway/detectors/state.h"

#define PATH_REPORT "/attacks"
#define PATH_WEBHOOK "/attacks/alertmanager"

static bool is_webhook(const struct http_request *request)
{
    return strcmp(request->path, PATH_WEBHOOK) == 0;
}

static bool is_ours(const struct http_request *request)
{
    return is_webhook(request) || strcmp(request->path, PATH_REPORT) == 0;
}

static void refuse_stranger(struct detectors *detectors, struct http_exchange *exchange,
                            const struct http_request *request)
{
    static const struct http_header headers[] = {{"content-type", "application/json"},
                                                 {"www-authenticate", "Bearer realm=\"dotsgw detectors\""}};
    static const char body[] = "{\"error\": \"the token or certificate is that of no detector\"}";
    int64_t now = detectors->settings.now();

    detectors->strangers++;
    if (now - detectors->strangers_told_ms >= TOLD_MS) {
        log_warning("detector-unknown",
                    "%s shows neither the token nor the certificate of a detector (%llu such requests since this was "
                    "said last); compare admin.detectors.tokens-file with what it sends",
                    request->peer->text, (unsigned long long)(detectors->strangers - detectors->strangers_told));
        detectors->strangers_told = detectors->strangers;
        detectors->strangers_told_ms = now;
    }
    http_respond(exchange, 401, headers, 2, body, sizeof(body) - 1);
}

static void refuse_method(struct http_exchange *exchange)
{
    static const struct http_header headers[] = {{"content-type", "application/json"}, {"allow", "POST"}};
    static const char body[] = "{\"error\": \"attacks are reported by POST\"}";

    http_respond(exchange, 405, headers, 2, body, sizeof(body) - 1);
}

static void take(struct detectors *detectors, struct http_exchange *exchange, const struct http_request *request,
                 const struct config_detector *detector)
{
    char reason[ATTACK_REASON_MAX];
    json_error_t error;
    json_t *body = json_loadb((const char *)request->body, request->body_length, JSON_REJECT_DUPLICATES, &error);

    if (body && is_webhook(request)) {
        intake_webhook(detectors, exchange, detector->name, body, request->peer->text);
    } else if (body) {
        intake_report(detectors, exchange, detector->name, body, request->peer->text);
    } else {
        struct tally *tally = tally_of(detectors, detector->name, false);

        if (tally)
            tally->counts[REPORT_MALFORMED]++;
        snprintf(reason, sizeof(reason), "the body is not JSON: line %d, column %d: %.128s", error.line, error.column,
                 error.text);
        answer_error(exchange, 400, reason);
    }
    json_decref(body);
}

static void on_request(void *arg, struct http_exchange *exchange, const struct http_request *request)
{
    struct detectors *detectors = arg;
    const struct config_detector *detector;

    if (!is_ours(request)) {
        answer_error(exchange, 404,
                     "attacks are reported to " PATH_REPORT " or " PATH_WEBHOOK "; there is nothing else");
        return;
    }
    detector = who_asks(detectors->settings.config, request);
    if (!detector)
        refuse_stranger(detectors, exchange, request);
    else if (strcmp(request->method, "POST") != 0)
        refuse_method(exchange);
    else if (request->query)
        answer_error(exchange, 400, "this path takes no query");
    else if (detectors->ends)
        answer_error(exchange, 503, "the gateway is shutting down");
    else
        take(detectors, exchange, request, detector);
}

static size_t on_body_max(void *arg, const struct http_request *request)
{
    struct detectors *detectors = arg;

    if (!is_ours(request) || !who_asks(detectors->settings.config, request))
        return STRANGER_BODY_MAX;
    return is_webhook(request) ? WEBHOOK_BODY_MAX : REPORT_BODY_MAX;
}

static size_t on_refusal(void *arg, unsigned status, const char *text, char *body, size_t size, const char **type)
{
    int length = snprintf(body, size, "{\"error\": \"%s\"}", text);

    (void)arg;
    (void)status;
    *type = "application/json";
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

const struct http_handlers detectors_handlers = {.request = on_request, .body_max = on_body_max, .refusal = on_refusal};
