/* intake: a report from JSON to the rules, and its answer: when what it led to is committed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/detectors/state.h"

#define REFUSALS_MOST 5u /* lines of the log in ten seconds, of one detector */

static const struct http_header json_header[] = {{"content-type", "application/json"}, {"cache-control", "no-store"}};

static void answer_json(struct http_exchange *exchange, unsigned status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    json_decref(body);
    if (text)
        http_respond_with(exchange, status, json_header, 2, text, strlen(text), free, text);
    else
        http_respond(exchange, 503, json_header, 2, "{\"error\": \"out of memory\"}", 26);
}

void answer_error(struct http_exchange *exchange, unsigned status, const char *reason)
{
    json_t *sentence = json_string(reason); /* NULL when what was quoted is not UTF-8 */

    answer_json(exchange, status, json_pack("{s:o}", "error", sentence ? sentence : json_string("malformed request")));
}

/* ---- Waiting ---- */

static struct waiter *waiter_new(struct detectors *detectors, struct http_exchange *exchange)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (!waiter) {
        answer_error(exchange, 503, "out of memory");
        return NULL;
    }
    waiter->exchange = exchange;
    waiter->pending = 1;
    detectors->waiter = waiter;
    return waiter;
}

void waiter_problem(struct waiter *waiter, unsigned status, const char *reason)
{
    if (waiter->status)
        return;
    waiter->status = status;
    snprintf(waiter->reason, sizeof(waiter->reason), "%s", reason);
}

void waiter_done(struct waiter *waiter)
{
    json_t *sentence;

    if (--waiter->pending > 0)
        return;
    if (waiter->status) {
        sentence = json_string(waiter->reason);
        answer_json(waiter->exchange, waiter->status,
                    json_pack("{s:o, s:I}", "error", sentence ? sentence : json_string("malformed request"), "noted",
                              (json_int_t)waiter->noted));
    } else {
        answer_json(waiter->exchange, waiter->asked ? 200 : 202,
                    json_pack("{s:I, s:b}", "noted", (json_int_t)waiter->noted, "mitigation-asked", waiter->asked));
    }
    free(waiter);
}

/* The report is read. */
static void waiter_end(struct detectors *detectors)
{
    struct waiter *waiter = detectors->waiter;

    detectors->waiter = NULL;
    detectors_arm(detectors);
    waiter_done(waiter);
}

/* ---- Reports ---- */

static void problem(struct detectors *detectors, const char *detector, const char *peer, enum detectors_outcome outcome,
                    unsigned status, const char *reason)
{
    struct tally *tally = tally_of(detectors, detector, false);
    char note[LOG_NOTE] = "";

    if (tally)
        tally->counts[outcome]++;
    if (!detectors->waiter->status && /* of a body the first one */
        (!tally || log_burst(&tally->refused, REFUSALS_MOST, detectors->settings.now(), note)))
        log_warning("attack-report-refused", "%s (detector %s): %s%s", peer, detector, reason, note);
    waiter_problem(detectors->waiter, status, reason);
}

static void note(struct detectors *detectors, const char *detector, const char *peer,
                 const struct attack_report *report)
{
    static const struct {
        enum detectors_outcome outcome;
        unsigned status;
    } results[] = {[ATTACK_NOTED] = {REPORT_NOTED, 0},
                   [ATTACK_UNKNOWN] = {REPORT_OUTSIDE, 403},
                   [ATTACK_OUTSIDE] = {REPORT_OUTSIDE, 403},
                   [ATTACK_TOO_MANY] = {REPORT_TOO_MANY, 429},
                   [ATTACK_NO_MEMORY] = {REPORT_FAILED, 503}};
    char reason[ATTACK_REASON_MAX] = "";
    struct tally *tally;
    enum attack_verdict verdict =
        attacks_report(detectors->attacks, detectors->settings.now(), detector, report, reason);

    if (verdict != ATTACK_NOTED) {
        problem(detectors, detector, peer, results[verdict].outcome, results[verdict].status, reason);
        return;
    }
    tally = tally_of(detectors, detector, false);
    if (tally)
        tally->counts[REPORT_NOTED]++;
    detectors->waiter->noted++;
}

/* Before anything is looked at or logged. A refusal that is not logged is counted. */
static bool allowed(struct detectors *detectors, struct http_exchange *exchange, const char *detector, const char *peer)
{
    int64_t now = detectors->settings.now();
    struct tally *tally;

    if (attacks_allow(detectors->attacks, now, detector))
        return true;
    tally = tally_of(detectors, detector, false);
    if (tally)
        tally->counts[REPORT_TOO_MANY]++;
    if (now - detectors->limit_told_ms >= TOLD_MS) {
        log_warning("attack-report-refused", "%s (detector %s): more than its requests-per-second", peer, detector);
        detectors->limit_told_ms = now;
    }
    answer_error(exchange, 429, "more than the requests-per-second of this detector");
    return false;
}

void intake_report(struct detectors *detectors, struct http_exchange *exchange, const char *detector,
                   const json_t *body, const char *peer)
{
    char reason[ATTACK_REASON_MAX];
    struct attack_report report;

    if (!allowed(detectors, exchange, detector, peer) || !waiter_new(detectors, exchange))
        return;
    if (attack_report_decode(body, &report, reason) != 0)
        problem(detectors, detector, peer, REPORT_MALFORMED, 400, reason);
    else
        note(detectors, detector, peer, &report);
    waiter_end(detectors);
}

/* An alert that cannot be taken does not hold up the others; the answer tells the first such. */
void intake_webhook(struct detectors *detectors, struct http_exchange *exchange, const char *detector,
                    const json_t *body, const char *peer)
{
    char reason[ATTACK_REASON_MAX];
    struct attack_report report;
    int count;

    if (!allowed(detectors, exchange, detector, peer) || !waiter_new(detectors, exchange))
        return;
    count = attack_alerts(body, reason);
    if (count < 0)
        problem(detectors, detector, peer, REPORT_MALFORMED, 400, reason);
    for (int i = 0; i < count; i++) {
        if (attack_alert_decode(body, (size_t)i, &report, reason) != 0)
            problem(detectors, detector, peer, REPORT_MALFORMED, 400, reason);
        else
            note(detectors, detector, peer, &report);
    }
    if (count >= 0 && json_integer_value(json_object_get(body, "truncatedAlerts")) > 0)
        log_warning(
            "attack-alerts-truncated",
            "%s (detector %s): Alertmanager left alerts out of a notification; group them so that there are fewer "
            "than max_alerts",
            peer, detector);
    waiter_end(detectors);
}

static bool is_configured(const struct detectors *detectors, const char *name)
{
    const struct config *config = detectors->settings.config;

    for (size_t i = 0; name && i < config->detector_count; i++) {
        if (strcmp(config->detectors[i].name, name) == 0)
            return true;
    }
    return false;
}

void detectors_report(struct detectors *detectors, struct http_exchange *exchange, const json_t *body, const char *peer)
{
    const char *detector = json_string_value(json_object_get(body, "detector"));

    if (!detector)
        answer_error(exchange, 400, "detector: a string is needed, the name of a detector of the configuration");
    else if (!is_configured(detectors, detector))
        answer_error(exchange, 403, "detector: the configuration has no detector of this name");
    else
        intake_report(detectors, exchange, detector, body, peer);
}
