/* report: a detector's own JSON. */
#include "gateway/attack/report.h"

#include <stdio.h>
#include <string.h>

#include "aggregation/scope.h"
#include "gateway/attack/private.h"

const char *const attack_figure_names[CONFIG_FIGURES] = {
    [CONFIG_PPS] = "pps", [CONFIG_BPS] = "bps", [CONFIG_CONNECTIONS] = "connections", [CONFIG_SOURCES] = "sources"};

const char *const attack_members[] = {
    "detector",          "target", "pps", "bps", "connections", "sources", "target-protocol",
    "target-port-range", "ended",  NULL};

int attack_target(const char *text, struct attack_report *out, char *reason)
{
    struct wire_target target = {.prefixes = &out->target, .prefix_count = 1};
    char buffer[SCOPE_REASON_MAX];
    const char *invalid;

    if (strlen(text) >= WIRE_PREFIX_TEXT || wire_prefix_parse(text, true, &out->target) != 0) {
        snprintf(reason, ATTACK_REASON_MAX, "target: expected an address or a prefix such as \"203.0.113.7\"");
        return -1;
    }
    invalid = scope_invalid(&target, buffer, sizeof(buffer));
    if (invalid)
        snprintf(reason, ATTACK_REASON_MAX, "%s", invalid);
    return invalid ? -1 : 0;
}

int attack_figure(struct attack_report *out, int figure, double value, char *reason)
{
    if (!(value >= 0)) { /* NaN neither */
        snprintf(reason, ATTACK_REASON_MAX, "%s: expected a number that is not negative", attack_figure_names[figure]);
        return -1;
    }
    out->has[figure] = true;
    out->figures[figure] = value >= (double)ATTACK_FIGURE_MAX ? ATTACK_FIGURE_MAX : (uint64_t)value;
    return 0;
}

static int take_figures(const json_t *body, struct attack_report *out, char *reason)
{
    for (int i = 0; i < CONFIG_FIGURES; i++) {
        const json_t *value = json_object_get(body, attack_figure_names[i]);

        if (!value)
            continue;
        if (!json_is_number(value)) {
            snprintf(reason, ATTACK_REASON_MAX, "%s: expected a number", attack_figure_names[i]);
            return -1;
        }
        if (attack_figure(out, i, json_number_value(value), reason) != 0)
            return -1;
    }
    return 0;
}

static int take_protocols(const json_t *list, struct attack_report *out, char *reason)
{
    size_t count = json_array_size(list);

    if (!json_is_array(list) || count == 0 || count > ATTACK_PROTOCOLS_MAX)
        goto refuse;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);

        if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 255)
            goto refuse;
        out->protocols[out->protocol_count++] = (uint8_t)json_integer_value(value);
    }
    return 0;
refuse:
    snprintf(reason, ATTACK_REASON_MAX, "target-protocol: expected a list of 1 to %u numbers from 0 to 255",
             ATTACK_PROTOCOLS_MAX);
    return -1;
}

static bool is_port(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= 65535;
}

static int take_ports(const json_t *list, struct attack_report *out, char *reason)
{
    size_t count = json_array_size(list);

    if (!json_is_array(list) || count == 0 || count > ATTACK_PORTS_MAX)
        goto refuse;
    for (size_t i = 0; i < count; i++) {
        const json_t *range = json_array_get(list, i), *lower = json_object_get(range, "lower-port"),
                     *upper = json_object_get(range, "upper-port");

        if (!is_port(lower) || (upper && (!is_port(upper) || json_integer_value(upper) < json_integer_value(lower))) ||
            json_object_size(range) > (upper ? 2 : 1))
            goto refuse;
        out->ports[out->port_count].lower = (uint16_t)json_integer_value(lower);
        out->ports[out->port_count++].upper = (uint16_t)json_integer_value(upper ? upper : lower);
    }
    return 0;
refuse:
    snprintf(reason, ATTACK_REASON_MAX,
             "target-port-range: expected a list of 1 to %u such as {\"lower-port\": 80, \"upper-port\": 81}",
             ATTACK_PORTS_MAX);
    return -1;
}

static bool is_member(const char *name)
{
    for (const char *const *member = attack_members; *member; member++) {
        if (strcmp(*member, name) == 0)
            return true;
    }
    return false;
}

static int check_members(const json_t *body, char *reason)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)body, name, value)
    {
        if (!is_member(name)) {
            snprintf(reason, ATTACK_REASON_MAX, "unknown member \"%.64s\"; docs/detectors.md has all of them", name);
            return -1;
        }
    }
    return 0;
}

int attack_report_decode(const json_t *body, struct attack_report *out, char *reason)
{
    const json_t *target = json_object_get(body, "target"), *ended = json_object_get(body, "ended"),
                 *protocols = json_object_get(body, "target-protocol"),
                 *ports = json_object_get(body, "target-port-range");

    memset(out, 0, sizeof(*out));
    if (!json_is_object(body)) {
        snprintf(reason, ATTACK_REASON_MAX, "the body must be a JSON object");
        return -1;
    }
    if (check_members(body, reason) != 0)
        return -1;
    if (!json_is_string(target)) {
        snprintf(reason, ATTACK_REASON_MAX, "target: a string is needed, such as \"203.0.113.7\"");
        return -1;
    }
    if (ended && !json_is_boolean(ended)) {
        snprintf(reason, ATTACK_REASON_MAX, "ended: expected true or false");
        return -1;
    }
    out->ended = json_is_true(ended);
    if (attack_target(json_string_value(target), out, reason) != 0 || take_figures(body, out, reason) != 0 ||
        (protocols && take_protocols(protocols, out, reason) != 0) || (ports && take_ports(ports, out, reason) != 0))
        return -1;
    return 0;
}
