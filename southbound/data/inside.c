/* inside: along the steps within one entry. */

#include "southbound/data/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int absent(struct data_fault *fault, const struct data_step *step)
{
    return data_refuse(fault, 404, "invalid-value", "there is no %s%s%.128s", step->name, step->key_count ? "=" : "",
                       step->key_count ? step->keys[0] : "");
}

/* The node of the entry itself, and then along the steps. */
static void begin(const struct yang *yang, const struct data_target *target, struct yang_node *node)
{
    *node = (struct yang_node){0};
    for (size_t i = 0; i < (target->inside ? target->inside : target->step_count); i++) {
        struct yang_node next;

        if (yang_child(yang, i ? node : NULL, target->steps[i].name, &next) == 0)
            *node = next;
    }
}

/* One step down. create: containers that are not there are made, they are there by nature. NULL with a fault. */
static json_t *step_down(json_t *at, const struct yang_node *node, const struct data_step *step, bool create,
                         struct data_fault *fault)
{
    json_t *member = json_object_get(at, step->name);

    if (!member && create && node->kind == YANG_CONTAINER) {
        member = json_object();
        json_object_set_new(at, step->name, member);
    }
    if (member && (node->kind == YANG_LIST || node->kind == YANG_LEAF_LIST))
        member = json_array_get(member, data_list_find(member, node->key, step->keys[0]));
    if (!member)
        absent(fault, step);
    return member;
}

static json_t *walk(const struct yang *yang, json_t *entry, const struct data_target *target, size_t end, bool create,
                    struct yang_node *node, struct data_fault *fault)
{
    begin(yang, target, node);
    for (size_t i = target->inside; target->inside && i < end; i++) {
        struct yang_node next;

        if (yang_child(yang, node, target->steps[i].name, &next) != 0) {
            absent(fault, &target->steps[i]);
            return NULL;
        }
        *node = next;
        entry = step_down(entry, node, &target->steps[i], create, fault);
        if (!entry)
            return NULL;
    }
    return entry;
}

json_t *data_inside_get(const struct yang *yang, json_t *entry, const struct data_target *target,
                        struct data_fault *fault)
{
    struct yang_node node;

    return walk(yang, entry, target, target->step_count, false, &node, fault);
}

/* ---- Changes ---- */

/* Where in the list (RFC 8040 section 4.8.5); -1 with a fault. */
static int place(const json_t *list, const struct yang_node *node, const struct data_query *query, size_t *at,
                 struct data_fault *fault)
{
    const struct data_path *point = &query->point;
    size_t found;

    *at = query->insert == CATALOG_FIRST ? 0 : json_array_size(list);
    if (!query->has_insert)
        return 0;
    if (!node->ordered_by_user)
        return data_refuse(fault, 400, "invalid-value", "insert: %s has no order of the client", node->name);
    if (!query->has_point)
        return 0;
    if (point->steps[point->step_count - 1].key_count != 1 ||
        strcmp(point->steps[point->step_count - 1].name, node->name) != 0)
        return data_refuse(fault, 400, "invalid-value", "point: names no %s", node->name);
    found = data_list_find(list, node->key, point->steps[point->step_count - 1].keys[0]);
    if (found == json_array_size(list))
        return data_refuse(fault, 400, "invalid-value", "point: there is no such %s", node->name);
    *at = found + (query->insert == CATALOG_AFTER ? 1 : 0);
    return 0;
}

/* Text of the key of a list entry, or of a value of a leaf-list. */
static int key_text(const json_t *value, const struct yang_node *node, char *out, size_t size)
{
    const json_t *key = node->kind == YANG_LIST ? json_object_get(value, node->key) : value;

    if (json_is_string(key))
        return (size_t)snprintf(out, size, "%s", json_string_value(key)) < size ? 0 : -1;
    if (!json_is_integer(key))
        return -1;
    snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(key));
    return 0;
}

/* value: the array of one that stands in the body. wanted: the key of the path; NULL: any. */
static int put_listed(json_t *at, const struct yang_node *node, const char *wanted, struct data_inside_change *change,
                      struct data_fault *fault)
{
    json_t *list = json_object_get(at, node->name), *value = json_array_get(change->value, 0);
    size_t found, before;

    if (json_array_size(change->value) != 1)
        return data_refuse(fault, 400, "invalid-value", "%s: an array of exactly one is wanted", node->name);
    if (key_text(value, node, change->key, sizeof(change->key)) != 0)
        return data_refuse(fault, 400, "missing-attribute", "%s: its key is missing", node->name);
    if (wanted && strcmp(wanted, change->key) != 0)
        return data_refuse(fault, 400, "invalid-value", "%s: the key in the body is not that of the path", node->name);
    if (!list) {
        list = json_array();
        json_object_set_new(at, node->name, list);
    }
    found = data_list_find(list, node->key, change->key);
    change->created = found == json_array_size(list);
    if (!change->created && change->method == DATA_POST)
        return data_refuse(fault, 409, "resource-denied", "%s \"%.64s\" is there already", node->name, change->key);
    if (!change->created && !change->query->has_insert) {
        json_array_set(list, found, value);
        return 0;
    }
    if (!change->created)
        json_array_remove(list, found);
    if (place(list, node, change->query, &before, fault) != 0)
        return -1;
    return json_array_insert(list, before, value) == 0 ? 0
                                                       : data_refuse(fault, 500, "operation-failed", "out of memory");
}

static int put(json_t *at, const struct yang_node *node, const char *key, struct data_inside_change *change,
               struct data_fault *fault)
{
    if (strcmp(change->name, node->name) != 0)
        return data_refuse(fault, 400, "unknown-element", "the body must have \"" DATA_MODULE ":%s\"", node->name);
    if (node->kind == YANG_LIST || node->kind == YANG_LEAF_LIST)
        return put_listed(at, node, key, change, fault);
    if (change->query->has_insert)
        return data_refuse(fault, 400, "invalid-value", "insert: %s is no list", node->name);
    change->created = json_object_get(at, node->name) == NULL;
    if (!change->created && change->method == DATA_POST)
        return data_refuse(fault, 409, "resource-denied", "%s is there already", node->name);
    json_object_set(at, node->name, change->value);
    return 0;
}

static int drop(json_t *at, const struct yang_node *node, const struct data_step *step, struct data_fault *fault)
{
    json_t *member = json_object_get(at, step->name);
    size_t found;

    if (!member)
        return absent(fault, step);
    if (node->kind != YANG_LIST && node->kind != YANG_LEAF_LIST) {
        json_object_del(at, step->name);
        return 0;
    }
    found = data_list_find(member, node->key, step->keys[0]);
    if (found == json_array_size(member))
        return absent(fault, step);
    json_array_remove(member, found);
    return 0;
}

int data_inside_edit(const struct yang *yang, json_t *entry, const struct data_target *target,
                     struct data_inside_change *change, struct data_fault *fault)
{
    bool post = change->method == DATA_POST;
    const struct data_step *last = &target->steps[target->step_count - 1];
    struct yang_node node, child;
    json_t *at =
        walk(yang, entry, target, target->step_count - (post ? 0 : 1), change->method != DATA_DELETE, &node, fault);

    if (!at)
        return -1;
    if (yang_child(yang, &node, post ? change->name : last->name, &child) != 0)
        return data_refuse(fault, 400, "unknown-element", "%.64s: there is no such node there",
                           post ? change->name : last->name);
    if (!child.config)
        return data_refuse(fault, 405, "operation-not-supported", "%s is state and cannot be written", child.name);
    if (change->method == DATA_DELETE)
        return drop(at, &child, last, fault);
    return put(at, &child, post ? NULL : last->keys[0], change, fault);
}

json_t *data_inside_wrap(const struct yang *yang, const struct data_target *target, json_t *value)
{
    json_t *entry = json_pack("{s:s}", "name", target->name), *at = entry;
    struct yang_node node;

    begin(yang, target, &node);
    for (size_t i = target->inside; at && i < target->step_count; i++) {
        const struct data_step *step = &target->steps[i];
        bool last = i + 1 == target->step_count;
        struct yang_node next;
        json_t *below;

        if (yang_child(yang, &node, step->name, &next) != 0)
            break;
        node = next;
        if (last) {
            json_object_set(at, step->name, value);
            break;
        }
        if (node.kind == YANG_LIST) {
            /* A key that is a number stays one: only 'target-port-range' has such, and has nothing below. */
            below = json_pack("{s:s}", node.key, step->keys[0]);
            json_object_set_new(at, step->name, json_pack("[O]", below));
            json_decref(below);
            at = json_array_get(json_object_get(at, step->name), 0);
        } else {
            below = json_object();
            json_object_set_new(at, step->name, below);
            at = below;
        }
    }
    return entry;
}
