/* target: steps along the schema. */

#include "southbound/data/target.h"

#include <stdio.h>
#include <string.h>

const char *data_set_name(enum catalog_kind kind)
{
    return kind == CATALOG_ALIAS ? "aliases" : "acls";
}

const char *data_list_name(enum catalog_kind kind)
{
    return kind == CATALOG_ALIAS ? "alias" : "acl";
}

static bool is_value(const json_t *value, const char *text)
{
    char number[32];

    if (json_is_string(value))
        return strcmp(json_string_value(value), text) == 0;
    if (!json_is_integer(value))
        return false;
    snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return strcmp(number, text) == 0;
}

size_t data_list_find(const json_t *list, const char *key, const char *value)
{
    size_t i;
    json_t *entry;

    json_array_foreach(list, i, entry)
    {
        if (is_value(key ? json_object_get(entry, key) : entry, value))
            return i;
    }
    return json_array_size(list);
}

/* Level of the node that a step leads to, by the names of RFC 8783. */
static void enter(struct data_target *out, size_t depth, const struct data_step *step)
{
    static const enum data_level levels[] = {DATA_LEVEL_DATA, DATA_LEVEL_CLIENT, DATA_LEVEL_SET, DATA_LEVEL_ENTRY};

    if (!out->node.config && depth == 1)
        out->level = DATA_LEVEL_STATE;
    if (out->level == DATA_LEVEL_STATE)
        return;
    out->level = depth < 4 ? levels[depth] : DATA_LEVEL_INSIDE;
    if (depth == 1)
        out->cuid = step->keys[0];
    if (depth == 2 && out->node.kind == YANG_LEAF) {
        out->level = DATA_LEVEL_INSIDE;
        out->of_client = true;
    }
    if (depth == 2)
        out->kind = strcmp(step->name, "acls") == 0 ? CATALOG_ACL : CATALOG_ALIAS;
    if (depth == 3)
        out->name = step->keys[0];
    if (depth == 4)
        out->inside = depth;
}

static int check_keys(const struct yang_node *node, const struct data_step *step, struct data_fault *fault)
{
    size_t wanted = node->kind == YANG_LIST || node->kind == YANG_LEAF_LIST ? 1 : 0;

    if (step->key_count == wanted)
        return 0;
    if (wanted)
        return data_refuse(fault, 400, step->key_count ? "invalid-value" : "missing-attribute",
                           "%s: one of a list is meant: write %s=KEY, with one key", step->name, step->name);
    return data_refuse(fault, 400, "invalid-value", "%s: has no key", step->name);
}

int data_target_find(const struct yang *yang, const struct data_path *path, struct data_target *out,
                     struct data_fault *fault)
{
    *out = (struct data_target){.level = DATA_LEVEL_STORE, .steps = path->steps, .step_count = path->step_count};
    if (path->step_count == 0)
        return 0;
    if (!path->steps[0].module)
        return data_refuse(fault, 400, "invalid-value",
                           "%.64s: the first node of a path needs its module: MODULE:%.64s", path->steps[0].name,
                           path->steps[0].name);
    if (strcmp(path->steps[0].module, DATA_MODULE) != 0) {
        out->level = DATA_LEVEL_STATE;
        return 0;
    }
    for (size_t i = 0; i < path->step_count; i++) {
        const struct data_step *step = &path->steps[i];
        struct yang_node node;

        if ((step->module && strcmp(step->module, DATA_MODULE) != 0) ||
            yang_child(yang, i ? &out->node : NULL, step->name, &node) != 0)
            return data_refuse(fault, 404, "invalid-value", "there is no %.64s there", step->name);
        if (check_keys(&node, step, fault) != 0)
            return -1;
        out->node = node;
        enter(out, i, step);
    }
    return 0;
}
