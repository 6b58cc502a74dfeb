/* fault: refusals, and their body. */

#include "southbound/data/fault.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int data_refuse(struct data_fault *fault, unsigned status, const char *tag, const char *format, ...)
{
    va_list arguments;

    *fault = (struct data_fault){.status = status, .tag = tag};
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof(fault->message), format, arguments);
    va_end(arguments);
    return -1;
}

const char *data_tag_of(unsigned status)
{
    switch (status) {
    case 400:
    case 404:
        return "invalid-value";
    case 401:
    case 403:
        return "access-denied";
    case 405:
    case 501:
        return "operation-not-supported";
    case 409:
        return "resource-denied";
    case 413:
    case 414:
    case 431:
        return "too-big";
    default:
        return "operation-failed";
    }
}

/* What a peer sent is quoted in a message and may have been cut within a character. */
static json_t *text(const char *value)
{
    json_t *string = json_string(value);
    size_t length = strlen(value);
    char copy[DATA_MESSAGE_MAX];

    if (string || length >= sizeof(copy))
        return string;
    for (size_t i = 0; i <= length; i++)
        copy[i] = (char)(value[i] & 0x80 ? '?' : value[i]);
    return json_string(copy);
}

char *data_fault_body(const struct data_fault *fault)
{
    json_t *error = json_object(), *body;
    char *out;

    json_object_set_new(error, "error-type", json_string(fault->transport ? "transport" : "application"));
    json_object_set_new(error, "error-tag", json_string(fault->tag));
    if (fault->app_tag)
        json_object_set_new(error, "error-app-tag", json_string(fault->app_tag));
    if (fault->path[0])
        json_object_set_new(error, "error-path", text(fault->path));
    if (fault->message[0])
        json_object_set_new(error, "error-message", text(fault->message));
    if (fault->via[0])
        json_object_set_new(error, "error-info", json_pack("{s:o}", "via-header", text(fault->via)));
    body = json_pack("{s:{s:[o]}}", "ietf-restconf:errors", "error", error);
    out = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return out;
}
