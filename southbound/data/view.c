/* view: cutting JSON down. */

#include "southbound/data/view.h"

#include <string.h>

const char *data_view_key(const char *list)
{
    static const char *const keys[][2] = {
        {"dots-client", "cuid"},
        {"alias", "name"},
        {"acl", "name"},
        {"ace", "name"},
        {"target-port-range", "lower-port"},
        {"module", "name"},
    };

    for (size_t i = 0; list && i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i][0], list) == 0)
            return keys[i][1];
    }
    return NULL;
}

bool data_view_whole(const struct data_query *query)
{
    return !query->has_fields && query->depth == 0;
}

unsigned data_view_field(const struct data_query *query, unsigned parent, const char *name, bool *all)
{
    const char *colon = strchr(name, ':');
    unsigned field;

    *all = !query->has_fields || query->fields[parent].child == 0;
    if (*all)
        return 0;
    if (colon)
        name = colon + 1;
    for (field = query->fields[parent].child; field; field = query->fields[field].sibling) {
        if (strcmp(query->fields[field].name, name) == 0)
            return field;
    }
    return 0;
}

static void view_all(json_t *value, const char *list, unsigned depth)
{
    static const struct data_query whole = {0};

    data_view(value, list, &whole, 0, depth);
}

static void view_member(json_t *member, const char *name, const struct data_query *query, unsigned field, bool all,
                        unsigned depth)
{
    json_t *entry;
    size_t i;

    if (!json_is_array(member)) {
        if (all)
            view_all(member, NULL, depth);
        else
            data_view(member, NULL, query, field, depth);
        return;
    }
    json_array_foreach(member, i, entry)
    {
        if (all)
            view_all(entry, name, depth);
        else
            data_view(entry, name, query, field, depth);
    }
}

void data_view(json_t *value, const char *list, const struct data_query *query, unsigned field, unsigned depth)
{
    const char *name, *key = data_view_key(list);
    json_t *member;
    void *next;

    if (!json_is_object(value))
        return;
    json_object_foreach_safe(value, next, name, member)
    {
        bool all;
        unsigned below = data_view_field(query, field, name, &all);

        if (key && strcmp(name, key) == 0)
            continue;
        if (depth == 1 || (!all && !below))
            json_object_del(value, name);
        else
            view_member(member, name, query, below, all, depth ? depth - 1 : 0);
    }
}
