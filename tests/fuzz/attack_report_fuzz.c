/* What detectors post: any bytes, as a report of their own form and as the webhook of Alertmanager. */
/* links: attack aggregation wire config log */
#include <stdlib.h>
#include <string.h>

#include "aggregation/scope.h"
#include "gateway/attack/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken can be asked for. */
static void check(const struct attack_report *report)
{
    struct wire_prefix prefix = report->target;
    struct wire_target target = {.prefixes = &prefix, .prefix_count = 1};
    char reason[SCOPE_REASON_MAX];

    if (scope_invalid(&target, reason, sizeof(reason)) || !scope_prefix_contains(&prefix, &prefix))
        abort();
    if (report->protocol_count > ATTACK_PROTOCOLS_MAX || report->port_count > ATTACK_PORTS_MAX)
        abort();
    for (int i = 0; i < CONFIG_FIGURES; i++) {
        if (report->figures[i] > ATTACK_FIGURE_MAX || (!report->has[i] && report->figures[i]))
            abort();
    }
    for (size_t i = 0; i < report->port_count; i++) {
        if (report->ports[i].lower > report->ports[i].upper)
            abort();
    }
}

static void decode(int status, const struct attack_report *report, const char *reason)
{
    if (status == 0)
        check(report);
    else if (!reason[0] || strlen(reason) >= ATTACK_REASON_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *body = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    char reason[ATTACK_REASON_MAX] = "";
    struct attack_report report;
    int count;

    if (!body)
        return 0;
    decode(attack_report_decode(body, &report, reason), &report, reason);
    count = attack_alerts(body, reason);
    if (count < 0 && !reason[0])
        abort();
    for (int i = 0; i < count; i++) {
        reason[0] = '\0';
        decode(attack_alert_decode(body, (size_t)i, &report, reason), &report, reason);
    }
    json_decref(body);
    return 0;
}
