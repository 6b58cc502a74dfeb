/* path: Uri-Path and Uri-Query of a request to operation and parameters. */

#include <stdio.h>
#include <string.h>

#include "southbound/signal/path.h"

#define PREFIX_SEGMENTS 2 /* ".well-known", "dots" */

static bool option_is(const struct dots_option *option, const char *text)
{
    return option->length == strlen(text) && memcmp(option->at, text, option->length) == 0;
}

/* The value after "name=", or NULL when the segment is another parameter. */
static const char *value_of(const struct dots_option *segment, const char *name, size_t *length)
{
    size_t name_length = strlen(name);

    if (segment->length <= name_length || memcmp(segment->at, name, name_length) != 0 ||
        segment->at[name_length] != '=')
        return NULL;
    *length = segment->length - name_length - 1;
    return segment->at + name_length + 1;
}

/* Quotes what a peer sent, bounded and printable. */
static const char *quote(const struct dots_option *option, char out[40])
{
    size_t length = option->length < 32 ? option->length : 32;

    for (size_t i = 0; i < length; i++)
        out[i] = (char)(option->at[i] >= ' ' && option->at[i] <= '~' ? option->at[i] : '?');
    out[length] = '\0';
    if (option->length > length)
        memcpy(out + length, "...", 4);
    return out;
}

static uint8_t bad(char reason[SOUTH_REASON_MAX], const char *name, const char *what)
{
    snprintf(reason, SOUTH_REASON_MAX, "%s: %s", name, what);
    return DOTS_CODE(4, 0);
}

/* One way to write a number only, so that one mitigation has one name. */
static int parse_number(const char *at, size_t length, uint32_t *number)
{
    uint64_t value = 0;

    if (length == 0 || length > 10 || (at[0] == '0' && length > 1))
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        value = value * 10 + (uint64_t)(at[i] - '0');
    }
    if (value > UINT32_MAX)
        return -1;
    *number = (uint32_t)value;
    return 0;
}

static uint8_t take_number(const char *name, const char *at, size_t length, bool *has, uint32_t *number,
                           char reason[SOUTH_REASON_MAX])
{
    if (*has)
        return bad(reason, name, "given twice in Uri-Path");
    if (length == 0)
        return bad(reason, name, "empty in Uri-Path; leave it out or give it a value (RFC 9132 section 4.4.1.1)");
    if (parse_number(at, length, number) != 0)
        return bad(reason, name, "expected a decimal number from 0 to 4294967295 without sign or leading zeros");
    *has = true;
    return 0;
}

static uint8_t take_text(const char *name, const char *at, size_t length, char out[RELAY_CUID_MAX + 1],
                         char reason[SOUTH_REASON_MAX])
{
    if (out[0])
        return bad(reason, name, "given twice in Uri-Path");
    if (length == 0)
        return bad(reason, name, "empty in Uri-Path; leave it out or give it a value (RFC 9132 section 4.4.1.1)");
    if (length > RELAY_CUID_MAX)
        return bad(reason, name, "longer than 128 bytes");
    for (size_t i = 0; i < length; i++) {
        if (at[i] < ' ' || at[i] > '~')
            return bad(reason, name, "expected printable ASCII characters");
    }
    memcpy(out, at, length);
    out[length] = '\0';
    return 0;
}

static uint8_t unknown(const struct dots_option *segment, char reason[SOUTH_REASON_MAX])
{
    char quoted[40];

    if (segment->length == 0)
        snprintf(reason, SOUTH_REASON_MAX, "Uri-Path: empty segment");
    else
        snprintf(reason, SOUTH_REASON_MAX, "Uri-Path: unknown parameter \"%s\"", quote(segment, quoted));
    return DOTS_CODE(4, 0);
}

/* The order defines the resource: cdid, cuid, mid (RFC 9132 sections 4.4.1.1 and 4.4.1.2). */
static uint8_t mitigate_segment(const struct dots_option *segment, struct south_path *path,
                                char reason[SOUTH_REASON_MAX])
{
    size_t length;
    const char *at = value_of(segment, "cdid", &length);

    if (at) {
        if (path->cuid[0] || path->has_mid)
            return bad(reason, "cdid", "must come before cuid in Uri-Path (RFC 9132 section 4.4.1.2)");
        return take_text("cdid", at, length, path->cdid, reason);
    }
    at = value_of(segment, "cuid", &length);
    if (at) {
        if (path->has_mid)
            return bad(reason, "mid", "must follow cuid in Uri-Path (RFC 9132 section 4.4.1.1)");
        return take_text("cuid", at, length, path->cuid, reason);
    }
    at = value_of(segment, "mid", &length);
    if (at)
        return take_number("mid", at, length, &path->has_mid, &path->mid, reason);
    return unknown(segment, reason);
}

static uint8_t config_segment(const struct dots_option *segment, struct south_path *path, char reason[SOUTH_REASON_MAX])
{
    static const char *const foreign[] = {"cuid", "cdid", "mid"};
    size_t length;
    const char *at;

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (value_of(segment, foreign[i], &length))
            return bad(reason, foreign[i], "must not be used with config (RFC 9132 section 4.5.2)");
    }
    at = value_of(segment, "sid", &length);
    if (at)
        return take_number("sid", at, length, &path->has_sid, &path->sid, reason);
    return unknown(segment, reason);
}

static uint8_t heartbeat_segment(const struct dots_option *segment, char reason[SOUTH_REASON_MAX])
{
    static const char *const foreign[] = {"cuid", "cdid", "mid"};
    size_t length;

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (value_of(segment, foreign[i], &length))
            return bad(reason, foreign[i], "must not be used with hb (RFC 9132 section 4.7)");
    }
    return unknown(segment, reason);
}

static uint8_t parse_operation(const struct dots_request *request, struct south_path *path,
                               char reason[SOUTH_REASON_MAX])
{
    static const char *const names[] = {
        [SOUTH_MITIGATE] = "mitigate", [SOUTH_CONFIG] = "config", [SOUTH_HEARTBEAT] = "hb"};

    if (request->path_count > PREFIX_SEGMENTS && option_is(&request->path[0], ".well-known") &&
        option_is(&request->path[1], "dots")) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (option_is(&request->path[PREFIX_SEGMENTS], names[i])) {
                path->operation = (enum south_operation)i;
                return 0;
            }
        }
    }
    snprintf(reason, SOUTH_REASON_MAX,
             "no such resource; this server has mitigate, config and hb below /.well-known/dots");
    return DOTS_CODE(4, 4);
}

static uint8_t check_method(const struct dots_request *request, const struct south_path *path,
                            char reason[SOUTH_REASON_MAX])
{
    bool allowed = request->method == DOTS_PUT;

    if (path->operation != SOUTH_HEARTBEAT)
        allowed = allowed || request->method == DOTS_GET || request->method == DOTS_DELETE;
    if (allowed)
        return 0;
    snprintf(reason, SOUTH_REASON_MAX, "method not allowed; %s",
             path->operation == SOUTH_HEARTBEAT ? "hb takes PUT" : "use GET, PUT or DELETE");
    return DOTS_CODE(4, 5);
}

/* 'c' selects what a GET of mitigations returns (RFC 9132 section 4.4.2, table 2). */
static uint8_t parse_query(const struct dots_request *request, struct south_path *path, char reason[SOUTH_REASON_MAX])
{
    static const struct {
        const char *text;
        enum mitigation_content content;
    } values[] = {{"c=a", MITIGATION_ALL}, {"c=c", MITIGATION_CONFIG}, {"c=n", MITIGATION_NONCONFIG}};
    char quoted[40];

    path->content = MITIGATION_ALL;
    if (request->query_count == 0)
        return 0;
    if (path->operation != SOUTH_MITIGATE || request->method != DOTS_GET) {
        snprintf(reason, SOUTH_REASON_MAX, "Uri-Query: not used here, got \"%s\"", quote(&request->query[0], quoted));
        return DOTS_CODE(4, 0);
    }
    if (request->query_count > 1)
        return bad(reason, "Uri-Query", "expected one at most: c=a, c=c or c=n");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (option_is(&request->query[0], values[i].text)) {
            path->content = values[i].content;
            return 0;
        }
    }
    snprintf(reason, SOUTH_REASON_MAX, "Uri-Query: expected c=a, c=c or c=n, got \"%s\"",
             quote(&request->query[0], quoted));
    return DOTS_CODE(4, 0);
}

static uint8_t check_mandatory(const struct dots_request *request, const struct south_path *path,
                               char reason[SOUTH_REASON_MAX])
{
    if (path->operation == SOUTH_MITIGATE) {
        if (!path->cuid[0])
            return bad(reason, "cuid", "missing in Uri-Path; it is mandatory (RFC 9132 section 4.4)");
        if (!path->has_mid && request->method != DOTS_GET)
            return bad(reason, "mid", "missing in Uri-Path; it is mandatory (RFC 9132 section 4.4)");
    }
    if (path->operation == SOUTH_CONFIG && request->method == DOTS_PUT && !path->has_sid)
        return bad(reason, "sid", "missing in Uri-Path; it is mandatory (RFC 9132 section 4.5.2)");
    return 0;
}

uint8_t south_path_parse(const struct dots_request *request, struct south_path *path, char reason[SOUTH_REASON_MAX])
{
    uint8_t code;

    memset(path, 0, sizeof(*path));
    code = parse_operation(request, path, reason);
    if (code == 0)
        code = check_method(request, path, reason);
    for (size_t i = PREFIX_SEGMENTS + 1; i < request->path_count && code == 0; i++) {
        const struct dots_option *segment = &request->path[i];

        if (path->operation == SOUTH_MITIGATE)
            code = mitigate_segment(segment, path, reason);
        else if (path->operation == SOUTH_CONFIG)
            code = config_segment(segment, path, reason);
        else
            code = heartbeat_segment(segment, reason);
    }
    if (code == 0)
        code = check_mandatory(request, path, reason);
    if (code == 0)
        code = parse_query(request, path, reason);
    return code;
}
