/* query: the query parameters of RFC 8040 section 4.8. */

#include <stdlib.h>
#include <string.h>

#include "southbound/data/path.h"

static int bad(struct data_fault *fault, const char *name, const char *why)
{
    return data_refuse(fault, 400, "invalid-value", "%s: %s", name, why);
}

/* ---- fields ---- */

struct fields {
    struct data_query *query;
    char *at;
    char end;       /* what ended the last name: it was overwritten */
    unsigned depth; /* of brackets */
};

/* The child of a field with this name, which it gets when there is none. 0: no room, or no name. */
static unsigned child_of(struct data_query *query, unsigned parent, const char *name)
{
    unsigned char *link = &query->fields[parent].child;

    while (*link) {
        if (strcmp(query->fields[*link].name, name) == 0)
            return *link;
        link = &query->fields[*link].sibling;
    }
    if (query->field_count == DATA_FIELDS_MAX)
        return 0;
    *link = (unsigned char)query->field_count;
    query->fields[query->field_count] = (struct data_field){.name = name};
    return (unsigned)query->field_count++;
}

static int expression(struct fields *fields, unsigned parent);

static char *name_next(struct fields *fields)
{
    size_t length = strcspn(fields->at, "/;()");
    char *name = fields->at;

    fields->end = name[length];
    fields->at += length + (fields->end != '\0');
    name[length] = '\0';
    return name;
}

/* path ["(" expression ")"] */
static int field_path(struct fields *fields, unsigned parent)
{
    do {
        char *name = name_next(fields), *colon = strchr(name, ':');

        if (colon) {
            *colon = '\0';
            if (!data_is_identifier(name))
                return -1;
            name = colon + 1;
        }
        if (!data_is_identifier(name) || (parent = child_of(fields->query, parent, name)) == 0)
            return -1;
    } while (fields->end == '/');
    if (fields->end != '(')
        return 0;
    if (++fields->depth > DATA_STEPS_MAX || expression(fields, parent) != 0 || fields->end != ')')
        return -1;
    fields->depth--;
    return *name_next(fields) == '\0' && fields->end != '(' && fields->end != '/' ? 0 : -1;
}

static int expression(struct fields *fields, unsigned parent)
{
    do {
        if (field_path(fields, parent) != 0)
            return -1;
    } while (fields->end == ';');
    return 0;
}

static int fields_parse(struct data_query *query, char *value, struct data_fault *fault)
{
    struct fields fields = {.query = query, .at = value};

    query->field_count = 1; /* the target itself */
    query->fields[0] = (struct data_field){0};
    if (query->has_fields || expression(&fields, 0) != 0 || fields.end)
        return bad(fault, "fields", "is no field expression of RFC 8040 section 4.8.3, or a very long one");
    query->has_fields = true;
    return 0;
}

/* ---- The others ---- */

static int content_parse(struct data_query *query, const char *value, struct data_fault *fault)
{
    if (query->has_content)
        return bad(fault, "content", "is given twice");
    query->has_content = true;
    if (strcmp(value, "all") == 0)
        query->content = DATA_CONTENT_ALL;
    else if (strcmp(value, "config") == 0)
        query->content = DATA_CONTENT_CONFIG;
    /* RFC 8040 section 4.8.1, and what RFC 8783 figure 30 makes of it. */
    else if (strcmp(value, "nonconfig") == 0 || strcmp(value, "non-config") == 0)
        query->content = DATA_CONTENT_NONCONFIG;
    else
        return bad(fault, "content", "must be all, config or nonconfig");
    return 0;
}

static int depth_parse(struct data_query *query, const char *value, struct data_fault *fault)
{
    char *end;
    unsigned long depth;

    if (query->has_depth)
        return bad(fault, "depth", "is given twice");
    query->has_depth = true;
    if (strcmp(value, "unbounded") == 0)
        return 0;
    depth = value[0] >= '1' && value[0] <= '9' ? strtoul(value, &end, 10) : 0;
    if (depth == 0 || depth > 65535 || *end)
        return bad(fault, "depth", "must be unbounded, or a number from 1 to 65535");
    query->depth = (unsigned)depth;
    return 0;
}

static int insert_parse(struct data_query *query, const char *value, struct data_fault *fault)
{
    static const struct {
        const char *name;
        enum catalog_insert insert;
    } names[] = {
        {"first", CATALOG_FIRST}, {"last", CATALOG_LAST}, {"before", CATALOG_BEFORE}, {"after", CATALOG_AFTER}};

    if (query->has_insert)
        return bad(fault, "insert", "is given twice");
    query->has_insert = true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i].name) == 0) {
            query->insert = names[i].insert;
            return 0;
        }
    }
    return bad(fault, "insert", "must be first, last, before or after");
}

static int point_parse(struct data_query *query, const char *value, struct data_fault *fault)
{
    char path[DATA_PATH_MAX + sizeof(DATA_API_ROOT "/data")] = DATA_API_ROOT "/data";
    struct data_fault ignored;

    if (query->has_point)
        return bad(fault, "point", "is given twice");
    query->has_point = true;
    /* It may begin with the root of the API as a path does, or as api-path of section 3.5.3.1 with the first node. */
    if (strncmp(value, DATA_API_ROOT "/data/", sizeof(DATA_API_ROOT "/data/") - 1) == 0)
        path[0] = '\0';
    if (strlen(path) + strlen(value) > DATA_PATH_MAX ||
        data_path_parse(strncat(path, value, DATA_PATH_MAX), &query->point, &ignored) != 0 ||
        query->point.step_count == 0)
        return bad(fault, "point", "must be the path of a list entry, from its top node on");
    return 0;
}

static int defaults_parse(struct data_query *query, const char *value, struct data_fault *fault)
{
    if (query->has_defaults)
        return bad(fault, "with-defaults", "is given twice");
    query->has_defaults = true;
    return strcmp(value, "explicit") == 0 ? 0 : bad(fault, "with-defaults", "this server has explicit only");
}

static int parameter_parse(struct data_query *query, char *name, struct data_fault *fault)
{
    char *value = strchr(name, '=');

    if (!value)
        return bad(fault, "query", "a parameter without a value");
    *value++ = '\0';
    if (data_decode(value) != 0 || data_decode(name) != 0)
        return bad(fault, "query", "a bad escape");
    if (strcmp(name, "content") == 0)
        return content_parse(query, value, fault);
    if (strcmp(name, "depth") == 0)
        return depth_parse(query, value, fault);
    if (strcmp(name, "fields") == 0)
        return fields_parse(query, value, fault);
    if (strcmp(name, "insert") == 0)
        return insert_parse(query, value, fault);
    /* A path in a value: keys in it are escaped once more (RFC 8040 section 4.8.6). */
    if (strcmp(name, "point") == 0)
        return point_parse(query, value, fault);
    if (strcmp(name, "with-defaults") == 0)
        return defaults_parse(query, value, fault);
    return data_refuse(fault, 400, "invalid-value", "query: there is no parameter \"%.64s\" here", name);
}

int data_query_parse(const char *query, struct data_query *out, struct data_fault *fault)
{
    size_t length = query ? strlen(query) : 0;
    char *at;

    *out = (struct data_query){.content = DATA_CONTENT_ALL};
    if (length > DATA_PATH_MAX)
        return data_refuse(fault, 414, "too-big", "the query is longer than %u bytes", DATA_PATH_MAX);
    if (length == 0)
        return 0;
    memcpy(out->text, query, length + 1);
    for (at = out->text; at;) {
        char *next = strchr(at, '&');

        if (next)
            *next++ = '\0';
        if (*at && parameter_parse(out, at, fault) != 0)
            return -1;
        at = next;
    }
    if (out->has_point != (out->insert == CATALOG_BEFORE || out->insert == CATALOG_AFTER))
        return bad(fault, "point", "goes with insert=before and insert=after, and only with these");
    return 0;
}
