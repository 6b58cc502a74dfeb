/* path: segments, identifiers and keys. */

#include "southbound/data/path.h"

#include <string.h>

#include "gateway/http/http.h"
#include "gateway/wire/text.h"

int data_decode(char *text)
{
    return http_unescape(text) == 0 && wire_text_is_string(text, strlen(text)) ? 0 : -1;
}

bool data_is_identifier(const char *text)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-");

    return text[0] && strchr(first, text[0]) && text[length] == '\0' && length <= 64;
}

static int keys_parse(char *text, struct data_step *step)
{
    for (;;) {
        char *comma = strchr(text, ',');

        if (step->key_count == DATA_KEYS_MAX)
            return -1;
        if (comma)
            *comma = '\0';
        if (data_decode(text) != 0)
            return -1;
        step->keys[step->key_count++] = text;
        if (!comma)
            return 0;
        text = comma + 1;
    }
}

static int step_parse(char *text, struct data_step *step)
{
    char *keys = strchr(text, '='), *colon;

    *step = (struct data_step){0};
    if (keys) {
        *keys = '\0';
        if (keys_parse(keys + 1, step) != 0)
            return -1;
    }
    if (data_decode(text) != 0)
        return -1;
    colon = strchr(text, ':');
    if (colon) {
        *colon = '\0';
        step->module = text;
        text = colon + 1;
    }
    step->name = text;
    return data_is_identifier(text) && (!step->module || data_is_identifier(step->module)) ? 0 : -1;
}

/* "/a/b=c": the slashes are not decoded yet. "" has no steps; a slash at the end is overlooked. */
static int steps_parse(char *text, struct data_path *out, struct data_fault *fault)
{
    while (*text) {
        char *next;

        if (*text != '/')
            return data_refuse(fault, 404, "invalid-value", "there is no such resource");
        *text++ = '\0';
        if (*text == '\0')
            return 0;
        next = strchr(text, '/');
        if (next)
            *next = '\0';
        if (out->step_count == DATA_STEPS_MAX)
            return data_refuse(fault, 404, "invalid-value", "the path is deeper than any resource here");
        if (step_parse(text, &out->steps[out->step_count]) != 0)
            return data_refuse(fault, 400, "invalid-value",
                               "segment %zu of the path is no data resource identifier (RFC 8040 section 3.5.3)",
                               out->step_count + 1);
        out->step_count++;
        if (!next)
            return 0;
        *next = '/';
        text = next;
    }
    return 0;
}

/* What follows a prefix that ends with the path or at a slash; NULL: it is another. */
static char *below(char *path, const char *prefix)
{
    size_t length = strlen(prefix);

    if (strncmp(path, prefix, length) != 0 || (path[length] && path[length] != '/'))
        return NULL;
    return path + length;
}

static bool is_end(const char *rest)
{
    return rest && (rest[0] == '\0' || strcmp(rest, "/") == 0);
}

int data_path_parse(const char *path, struct data_path *out, struct data_fault *fault)
{
    size_t length = strlen(path);
    char *rest;

    out->step_count = 0;
    if (length > DATA_PATH_MAX)
        return data_refuse(fault, 414, "too-big", "the path is longer than %u bytes", DATA_PATH_MAX);
    memcpy(out->text, path, length + 1);
    if (is_end(below(out->text, "/.well-known/host-meta"))) {
        out->root = DATA_ROOT_HOST_META;
        return 0;
    }
    rest = below(out->text, DATA_API_ROOT);
    out->root = DATA_ROOT_API;
    if (is_end(rest))
        return 0;
    out->root = DATA_ROOT_LIBRARY_VERSION;
    if (rest && is_end(below(rest, "/yang-library-version")))
        return 0;
    out->root = DATA_ROOT_DATASTORE;
    if (rest && below(rest, "/data"))
        return steps_parse(below(rest, "/data"), out, fault);
    out->root = DATA_ROOT_OPERATIONS;
    if (rest && below(rest, "/operations"))
        return steps_parse(below(rest, "/operations"), out, fault);
    return data_refuse(fault, 404, "invalid-value", "there is nothing here; the API is below " DATA_API_ROOT);
}
