/* path: all that is not unreserved (RFC 3986) is escaped. */
#include "northbound/data/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPED 3u /* bytes of one */

static const char *const lists[CATALOG_KINDS] = {"/aliases/alias=", "/acls/acl="};

static size_t escape(const char *text, char *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t at = 0;

    for (; *text; text++) {
        if (strchr(plain, *text))
            out[at++] = *text;
        else
            at += (size_t)sprintf(out + at, "%%%02X", (unsigned)(unsigned char)*text);
    }
    out[at] = '\0';
    return at;
}

char *path_client(const char *cuid, const char *more)
{
    static const char start[] = PATH_DATA PATH_DOTS "/dots-client=";
    char *path = malloc(sizeof(start) + ESCAPED * strlen(cuid) + strlen(more));

    if (path) {
        memcpy(path, start, sizeof(start));
        memcpy(path + sizeof(start) - 1 + escape(cuid, path + sizeof(start) - 1), more, strlen(more) + 1);
    }
    return path;
}

/* As the value of point: the resource, escaped once more because it stands in a query. */
static char *point_value(const char *cuid, enum catalog_kind kind, const char *name)
{
    char *path = path_entry(cuid, kind, name, CATALOG_KEEP, NULL), *value = NULL;

    if (path)
        value = malloc(ESCAPED * strlen(path) + 1);
    if (value)
        escape(path + sizeof(PATH_DATA) - 1, value);
    free(path);
    return value;
}

char *path_entry(const char *cuid, enum catalog_kind kind, const char *name, enum catalog_insert insert,
                 const char *point)
{
    static const char *const words[] = {
        [CATALOG_FIRST] = "first", [CATALOG_LAST] = "last", [CATALOG_BEFORE] = "before", [CATALOG_AFTER] = "after"};
    bool pointed = insert == CATALOG_BEFORE || insert == CATALOG_AFTER;
    char *value = pointed && point ? point_value(cuid, kind, point) : NULL;
    size_t size =
        strlen(lists[kind]) + ESCAPED * strlen(name) + (value ? strlen(value) : 0) + sizeof("?insert=before&point=");
    char *more = malloc(size), *path = NULL;
    size_t at;

    if (more && (!pointed || value)) {
        at = (size_t)snprintf(more, size, "%s", lists[kind]);
        at += escape(name, more + at);
        if (insert != CATALOG_KEEP)
            at += (size_t)snprintf(more + at, size - at, "?insert=%s", words[insert]);
        if (value)
            snprintf(more + at, size - at, "&point=%s", value);
        path = path_client(cuid, more);
    }
    free(more);
    free(value);
    return path;
}
