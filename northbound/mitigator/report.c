/* report: jansson parses, this file checks. */
#include "northbound/mitigator/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/json_memory.h"

bool job_id_valid(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    size_t length = strspn(id, allowed);
    return length >= 1 && length <= JOB_ID_MAX && id[length] == '\0';
}

static bool is_drivers(long long status)
{
    return status >= WIRE_STATUS_IN_PROGRESS && status <= WIRE_STATUS_WITHDRAWN &&
           status != WIRE_STATUS_CLIENT_WITHDRAWN;
}

static bool read_status(const json_t *value, enum wire_status *status)
{
    if (!value)
        return true;
    if (json_is_integer(value)) {
        long long number = json_integer_value(value);
        *status = is_drivers(number) ? (enum wire_status)number : 0;
        return *status != 0;
    }
    for (int number = WIRE_STATUS_IN_PROGRESS; json_is_string(value) && number <= WIRE_STATUS_WITHDRAWN; number++) {
        if (is_drivers(number) && strcmp(json_string_value(value), wire_status_name((enum wire_status)number)) == 0) {
            *status = (enum wire_status)number;
            return true;
        }
    }
    return false;
}

static bool read_digits(const char *text, uint64_t *out)
{
    uint64_t number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        unsigned digit = (unsigned)(*text - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

static bool read_counter(const json_t *value, bool *has, uint64_t *out)
{
    if (!value)
        return true;
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *out = (uint64_t)json_integer_value(value);
    else if (!json_is_string(value) || !read_digits(json_string_value(value), out))
        return false;
    *has = true;
    return true;
}

/* ---- Of a filter ---- */

static bool read_matched(const json_t *statistics, const char *name, json_t *out)
{
    bool has = false;
    uint64_t number;
    char digits[24];

    if (!read_counter(json_object_get(statistics, name), &has, &number))
        return false;
    if (has) {
        snprintf(digits, sizeof digits, "%" PRIu64, number);
        json_object_set_new(out, name, json_string(digits));
    }
    return true;
}

static bool read_ace(const json_t *ace, json_t *out)
{
    const char *name = json_string_value(json_object_get(ace, "name"));
    const json_t *statistics = json_object_get(ace, "statistics");
    json_t *matched = json_object();
    bool good = name && matched && (!statistics || json_is_object(statistics)) &&
                read_matched(statistics, "matched-packets", matched) &&
                read_matched(statistics, "matched-octets", matched);

    if (good && json_object_size(matched) > 0)
        good = json_object_set(out, name, matched) == 0;
    json_decref(matched);
    return good;
}

/* NULL: all is well. */
static const char *read_aces(const json_t *aces, struct mitigator_report *report)
{
    const json_t *list = json_object_get(aces, "ace");
    json_t *out, *ace;
    bool good = json_is_array(list);
    size_t i;

    if (!aces)
        return NULL;
    out = json_object();
    json_array_foreach(list, i, ace)
    {
        good = good && read_ace(ace, out);
    }
    if (good)
        report->matched = json_dumps(out, JSON_COMPACT);
    json_decref(out);
    return good && report->matched ? NULL
                                   : "\"aces\" must be as in RFC 8783, each ace with its name and statistics, whose "
                                     "counters are numbers of 0 to 2^64-1";
}

/* NULL: all is well. */
static const char *read_members(const json_t *object, struct mitigator_report *report)
{
    if (!read_status(json_object_get(object, "status"), &report->status))
        return "\"status\" must be 1, 2, 3, 4, 6 or 7, or the name of one of them";
    if (!read_counter(json_object_get(object, "bytes-dropped"), &report->has_bytes, &report->bytes_dropped))
        return "\"bytes-dropped\" must be a number of 0 to 2^64-1";
    if (!read_counter(json_object_get(object, "bps-dropped"), &report->has_bps, &report->bps_dropped))
        return "\"bps-dropped\" must be a number of 0 to 2^64-1";
    if (!read_counter(json_object_get(object, "pkts-dropped"), &report->has_pkts, &report->pkts_dropped))
        return "\"pkts-dropped\" must be a number of 0 to 2^64-1";
    if (!read_counter(json_object_get(object, "pps-dropped"), &report->has_pps, &report->pps_dropped))
        return "\"pps-dropped\" must be a number of 0 to 2^64-1";
    const char *wrong = read_aces(json_object_get(object, "aces"), report);
    if (wrong)
        return wrong;
    if (!report->status && !report->matched && !report->has_bytes && !report->has_bps && !report->has_pkts &&
        !report->has_pps)
        return "it has neither a status nor a counter";
    return NULL;
}

/* NULL: all is well. */
static const char *read_report(const json_t *object, char id[JOB_ID_MAX + 1], struct mitigator_report *report)
{
    const json_t *name = json_object_get(object, "id");
    if (!json_is_object(object))
        return "it is not a JSON object";
    if (!json_is_string(name) || !job_id_valid(json_string_value(name)))
        return "\"id\" must be that of a job";
    memcpy(id, json_string_value(name), json_string_length(name) + 1);
    return read_members(object, report);
}

void report_free(struct mitigator_report *report)
{
    free(report->matched);
    report->matched = NULL;
}

int report_decode(const char *line, size_t length, char id[JOB_ID_MAX + 1], struct mitigator_report *report,
                  char *error, size_t error_size)
{
    json_error_t parser;
    memset(report, 0, sizeof *report);
    if (length > REPORT_LINE_MAX) {
        snprintf(error, error_size, "it is longer than %u bytes", REPORT_LINE_MAX);
        return -1;
    }
    wire_json_memory_watch();
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &parser);
    if (!object) {
        snprintf(error, error_size, "it is not JSON (%s at byte %d)", parser.text, parser.position);
        return -1;
    }
    const char *wrong = wire_json_memory_failed() ? "there was no memory to read it" : read_report(object, id, report);
    if (wrong)
        snprintf(error, error_size, "%s", wrong);
    if (wrong)
        report_free(report);
    json_decref(object);
    return wrong ? -1 : 0;
}
