/*
 * alertmanager: the body of Alertmanager's webhook. Labels and annotations are texts; the target is a label, because it
 * tells alerts apart; figures change from one notification to the next, so they are annotations, or labels.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/attack/private.h"

#define VERSION "4"
#define NUMBER_MAX 64u /* characters */

int attack_alerts(const json_t *body, char *reason)
{
    const char *version = json_string_value(json_object_get(body, "version"));
    const json_t *alerts = json_object_get(body, "alerts");

    if (!version || strcmp(version, VERSION) != 0) {
        snprintf(reason, ATTACK_REASON_MAX, "version: expected \"" VERSION "\", as Alertmanager's webhook has it");
        return -1;
    }
    if (!json_is_array(alerts) || json_array_size(alerts) > ATTACK_ALERTS_MAX) {
        snprintf(reason, ATTACK_REASON_MAX, "alerts: expected a list of at most %u; set max_alerts in Alertmanager",
                 ATTACK_ALERTS_MAX);
        return -1;
    }
    return (int)json_array_size(alerts);
}

static const char *text_of(const json_t *alert, const char *name)
{
    const char *annotation = json_string_value(json_object_get(json_object_get(alert, "annotations"), name));

    return annotation ? annotation : json_string_value(json_object_get(json_object_get(alert, "labels"), name));
}

/* "1.5e+06" as well: templates of Prometheus print floats so, and "NaN" where there is no sample. */
static int take_figure(const json_t *alert, int figure, struct attack_report *out, char *reason)
{
    const char *text = text_of(alert, attack_figure_names[figure]);
    char *end = NULL;
    double value;

    if (!text || !*text)
        return 0;
    value = strlen(text) <= NUMBER_MAX ? strtod(text, &end) : -1;
    if (!end || *end)
        value = -1;
    return isnan(value) ? 0 : attack_figure(out, figure, value, reason);
}

static int take_protocol(const json_t *alert, struct attack_report *out, char *reason)
{
    static const struct {
        const char *name;
        uint8_t number;
    } known[] = {{"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"gre", 47}, {"esp", 50}, {"icmpv6", 58}};
    const char *text = text_of(alert, "protocol");
    char *end = NULL;
    unsigned long number;

    if (!text || !*text)
        return 0;
    out->protocol_count = 1;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(known[i].name, text) == 0) {
            out->protocols[0] = known[i].number;
            return 0;
        }
    }
    number = strtoul(text, &end, 10);
    if (strspn(text, "0123456789") == strlen(text) && number <= 255) {
        out->protocols[0] = (uint8_t)number;
        return 0;
    }
    snprintf(reason, ATTACK_REASON_MAX, "protocol: expected tcp, udp, icmp, icmpv6, gre, esp or a number to 255");
    return -1;
}

static int take_port(const json_t *alert, struct attack_report *out, char *reason)
{
    const char *text = text_of(alert, "port");
    char *end = NULL;
    unsigned long number;

    if (!text || !*text)
        return 0;
    number = strtoul(text, &end, 10);
    if (strspn(text, "0123456789") != strlen(text) || number > 65535) {
        snprintf(reason, ATTACK_REASON_MAX, "port: expected a number to 65535");
        return -1;
    }
    out->port_count = 1;
    out->ports[0] = (struct wire_port_range){(uint16_t)number, (uint16_t)number};
    return 0;
}

static int take_alert(const json_t *alert, struct attack_report *out, char *reason)
{
    const char *status = json_string_value(json_object_get(alert, "status"));
    const char *target = json_string_value(json_object_get(json_object_get(alert, "labels"), "target"));

    if (!status || (strcmp(status, "firing") != 0 && strcmp(status, "resolved") != 0)) {
        snprintf(reason, ATTACK_REASON_MAX, "status: expected firing or resolved");
        return -1;
    }
    if (!target) {
        snprintf(reason, ATTACK_REASON_MAX, "the label target is missing, which says what is attacked");
        return -1;
    }
    out->ended = strcmp(status, "resolved") == 0;
    if (attack_target(target, out, reason) != 0)
        return -1;
    for (int i = 0; i < CONFIG_FIGURES; i++) {
        if (take_figure(alert, i, out, reason) != 0)
            return -1;
    }
    return take_protocol(alert, out, reason) != 0 || take_port(alert, out, reason) != 0 ? -1 : 0;
}

int attack_alert_decode(const json_t *body, size_t index, struct attack_report *out, char *reason)
{
    char why[ATTACK_REASON_MAX] = "";

    memset(out, 0, sizeof(*out));
    if (take_alert(json_array_get(json_object_get(body, "alerts"), index), out, why) == 0)
        return 0;
    snprintf(reason, ATTACK_REASON_MAX, "alert %zu: %.*s", index + 1, (int)ATTACK_REASON_MAX - 32, why);
    return -1;
}
