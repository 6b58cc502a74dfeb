/* edit: bodies. */

#include "southbound/data/edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX DATA_MODULE ":"

static int no_memory(struct data_edit *edit)
{
    return data_refuse(&edit->fault, 500, "operation-failed", "out of memory");
}

/* ---- Text to JSON ---- */

/* Brackets outside of strings. */
static bool too_deep(const char *text, size_t length)
{
    unsigned depth = 0;
    bool string = false;

    for (size_t i = 0; i < length; i++) {
        if (string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            string = !string;
        else if (!string && (text[i] == '{' || text[i] == '[') && ++depth > DATA_JSON_DEPTH)
            return true;
        else if (!string && (text[i] == '}' || text[i] == ']') && depth > 0)
            depth--;
    }
    return false;
}

static json_t *load(struct data_edit *edit)
{
    json_error_t error;
    json_t *root;

    if (too_deep(edit->body, edit->body_length)) {
        data_refuse(&edit->fault, 400, "malformed-message", "the body is nested deeper than %d", DATA_JSON_DEPTH);
        return NULL;
    }
    root = json_loadb(edit->body, edit->body_length, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        data_refuse(&edit->fault, 400, "malformed-message", "line %d, column %d: %s", error.line, error.column,
                    error.text);
    return root;
}

/* The one member of the body, its name without the module; borrowed. */
static json_t *top_member(struct data_edit *edit, json_t *root, const char **name)
{
    void *member = json_object_iter(root);

    if (!json_is_object(root) || json_object_size(root) != 1) {
        data_refuse(&edit->fault, 400, "malformed-message", "the body must be an object with one member");
        return NULL;
    }
    *name = json_object_iter_key(member);
    if (edit->target->level == DATA_LEVEL_STORE && strcmp(*name, "ietf-restconf:data") == 0) {
        json_t *data = json_object_iter_value(member);

        member = json_object_iter(data);
        if (json_object_size(data) != 1) {
            data_refuse(&edit->fault, 400, "unknown-element",
                        "the datastore takes " PREFIX "dots-data, and nothing else");
            return NULL;
        }
        *name = json_object_iter_key(member);
    }
    if (strncmp(*name, PREFIX, sizeof(PREFIX) - 1) != 0) {
        data_refuse(&edit->fault, 400, "unknown-element", "\"%.64s\": the member must be of module " DATA_MODULE,
                    *name);
        return NULL;
    }
    *name += sizeof(PREFIX) - 1;
    return json_object_iter_value(member);
}

static int unexpected(struct data_edit *edit, const char *name, const char *wanted)
{
    return data_refuse(&edit->fault, 400, "unknown-element",
                       "\"%.64s\" is not what this resource takes: it takes \"%s\"", name, wanted);
}

/* ---- To the object of a client: {"cuid":..., "aliases":..., "acls":...} ---- */

/* The one entry of an array, with the key that the path wants (NULL: any). Borrowed. */
static json_t *single(struct data_edit *edit, const json_t *list, const char *name, const char *key, const char *wanted)
{
    json_t *entry = json_array_get(list, 0);
    const char *found = json_string_value(json_object_get(entry, key));

    if (json_array_size(list) != 1)
        data_refuse(&edit->fault, 400, "invalid-value", "%s: an array of exactly one is wanted", name);
    else if (!found)
        data_refuse(&edit->fault, 400, json_object_get(entry, key) ? "invalid-value" : "missing-attribute",
                    "%s: '%s' is missing, or no text", name, key);
    else if (wanted && strcmp(found, wanted) != 0)
        data_refuse(&edit->fault, 400, "invalid-value", "%s: '%s' in the body is not that of the path", name, key);
    else
        return entry;
    return NULL;
}

static json_t *client_new(const char *cuid)
{
    return json_pack("{s:s}", "cuid", cuid);
}

/* A body at the level of the client, or above it. */
static json_t *client_from_whole(struct data_edit *edit, const char *name, json_t *value)
{
    const char *cuid = edit->target->level == DATA_LEVEL_CLIENT ? edit->target->cuid : NULL;
    json_t *client;

    if (edit->method == DATA_PATCH && edit->target->level <= DATA_LEVEL_DATA) {
        if (strcmp(name, "dots-data") != 0) {
            unexpected(edit, name, PREFIX "dots-data");
            return NULL;
        }
        name = "dots-client";
        value = json_object_get(value, "dots-client");
    }
    if (strcmp(name, "dots-client") != 0) {
        unexpected(edit, name, PREFIX "dots-client");
        return NULL;
    }
    client = single(edit, value, name, "cuid", cuid);
    return client ? json_incref(client) : NULL;
}

static json_t *client_from_list(struct data_edit *edit, json_t *list)
{
    enum catalog_kind kind = edit->target->kind;
    json_t *entry = single(edit, list, data_list_name(kind), "name", edit->target->name);

    if (!entry)
        return NULL;
    return json_pack("{s:s, s:{s:[O]}}", "cuid", edit->target->cuid, data_set_name(kind), data_list_name(kind), entry);
}

/* PUT and PATCH of an alias or an ACL: the list entry, or as RFC 8783 prints it (figure 25) in the container. */
static json_t *client_from_entry(struct data_edit *edit, const char *name, json_t *value)
{
    enum catalog_kind kind = edit->target->kind;

    if (strcmp(name, data_list_name(kind)) == 0)
        return client_from_list(edit, value);
    if (edit->target->level == DATA_LEVEL_ENTRY && strcmp(name, data_set_name(kind)) == 0 &&
        json_object_size(value) == 1)
        return client_from_list(edit, json_object_get(value, data_list_name(kind)));
    unexpected(edit, name, kind == CATALOG_ALIAS ? PREFIX "alias" : PREFIX "acl");
    return NULL;
}

static json_t *client_from_set(struct data_edit *edit, const char *name, json_t *value)
{
    json_t *client;
    bool expected = edit->target->level == DATA_LEVEL_CLIENT ? strcmp(name, "aliases") == 0 || strcmp(name, "acls") == 0
                                                             : strcmp(name, data_set_name(edit->target->kind)) == 0;

    if (!expected) {
        unexpected(edit, name,
                   edit->target->level == DATA_LEVEL_CLIENT ? "aliases or acls" : data_set_name(edit->target->kind));
        return NULL;
    }
    client = client_new(edit->target->cuid);
    json_object_set(client, name, value);
    return client;
}

static json_t *base_entry(const struct data_edit *edit, json_t *client)
{
    enum catalog_kind kind = edit->target->kind;

    return json_array_get(json_object_get(json_object_get(client, data_set_name(kind)), data_list_name(kind)), 0);
}

/* The base, with the cuid that it has not. */
static json_t *base_client(const struct data_edit *edit)
{
    json_t *client = json_loads(edit->base, 0, NULL);

    if (client && edit->target->cuid)
        json_object_set_new(client, "cuid", json_string(edit->target->cuid));
    return client;
}

/* What the client's entry is after a change inside it; without merging. */
static json_t *client_from_inside(struct data_edit *edit, const char *name, json_t *value)
{
    json_t *client = base_client(edit);
    struct data_inside_change change = {.method = edit->method, .name = name, .value = value, .query = edit->query};

    if (!client) {
        no_memory(edit);
        return NULL;
    }
    if (data_inside_edit(edit->yang, base_entry(edit, client), edit->target, &change, &edit->fault) != 0) {
        json_decref(client);
        return NULL;
    }
    edit->created = change.created;
    snprintf(edit->key, sizeof(edit->key), "%s", change.key);
    if (name)
        snprintf(edit->child, sizeof(edit->child), "%s", name);
    return client;
}

static json_t *patch_inside(struct data_edit *edit, const char *name, json_t *value)
{
    const struct data_target *target = edit->target;
    json_t *entry, *client;

    if (strcmp(name, target->node.name) != 0) {
        unexpected(edit, name, target->node.name);
        return NULL;
    }
    entry = data_inside_wrap(edit->yang, target, value);
    client = json_pack("{s:s, s:{s:[o]}}", "cuid", target->cuid, data_set_name(target->kind),
                       data_list_name(target->kind), entry);
    return client;
}

static json_t *to_client(struct data_edit *edit, const char *name, json_t *value)
{
    bool post = edit->method == DATA_POST;

    if (!name) /* DELETE has no body */
        return client_from_inside(edit, name, value);
    switch (edit->target->level) {
    case DATA_LEVEL_STORE:
    case DATA_LEVEL_DATA:
        return client_from_whole(edit, name, value);
    case DATA_LEVEL_CLIENT:
        return post ? client_from_set(edit, name, value) : client_from_whole(edit, name, value);
    case DATA_LEVEL_SET:
        return post ? client_from_entry(edit, name, value) : client_from_set(edit, name, value);
    case DATA_LEVEL_ENTRY:
        return post ? client_from_inside(edit, name, value) : client_from_entry(edit, name, value);
    case DATA_LEVEL_INSIDE:
        return edit->method == DATA_PATCH ? patch_inside(edit, name, value) : client_from_inside(edit, name, value);
    default:
        data_refuse(&edit->fault, 405, "operation-not-supported", "this cannot be written");
        return NULL;
    }
}

/* ---- Validation ---- */

/* The document around a client. */
static char *document(json_t *client, bool *bare)
{
    json_t *acls = json_object_get(client, "acls"), *tree;
    char *text;

    if (data_identities_qualify(acls ? acls : json_object_get(client, PREFIX "acls")))
        *bare = true;
    tree = json_pack("{s:{s:[O]}}", PREFIX "dots-data", "dots-client", client);
    text = tree ? json_dumps(tree, JSON_COMPACT) : NULL;
    json_decref(tree);
    return text;
}

/* The client in its canonical form. bare: identities as RFC 8783 prints them. */
static json_t *validate(struct data_edit *edit, json_t *client, bool merge, bool *bare)
{
    struct yang_fault fault;
    char *change = document(client, bare), *base = NULL, *canonical = NULL;
    json_t *tree, *result;

    if (change && merge) {
        json_t *before = base_client(edit);

        base = before ? document(before, bare) : NULL;
        json_decref(before);
        canonical = base ? yang_merge(edit->yang, base, change, &fault) : NULL;
    } else if (change) {
        canonical = yang_validate(edit->yang, change, &fault);
    }
    if (!canonical && change && (base || !merge)) {
        data_refuse(&edit->fault, strcmp(fault.tag, "operation-failed") == 0 ? 500 : 400, fault.tag, "%s",
                    fault.message);
        snprintf(edit->fault.path, sizeof(edit->fault.path), "%s", fault.path);
    } else if (!canonical) {
        no_memory(edit);
    }
    tree = canonical ? json_loads(canonical, 0, NULL) : NULL;
    result = json_incref(json_array_get(json_object_get(json_object_get(tree, PREFIX "dots-data"), "dots-client"), 0));
    json_decref(tree);
    free(change);
    free(base);
    free(canonical);
    return result;
}

/* ---- Apart ---- */

/* Entries of one kind; asked: the list of a patch that says which; NULL: all. */
static int take_items(struct data_edit *edit, enum catalog_kind kind, const json_t *client, const json_t *asked)
{
    json_t *list = json_object_get(json_object_get(client, data_set_name(kind)), data_list_name(kind)), *entry;
    size_t count = json_array_size(list), i;
    struct data_item *items;

    if (count == 0)
        return 0;
    items = realloc(edit->items, (edit->item_count + count) * sizeof(*items));
    if (!items)
        return no_memory(edit);
    edit->items = items;
    json_array_foreach(list, i, entry)
    {
        if (asked && !json_object_get(asked, json_string_value(json_object_get(entry, "name"))))
            continue;
        if (data_item_take(kind, entry, &items[edit->item_count++], &edit->fault) != 0)
            return -1;
    }
    return 0;
}

/* {"NAME": true, ...} of the entries of a patch. */
static json_t *names_of(const json_t *client, enum catalog_kind kind)
{
    const json_t *set = json_object_get(client, data_set_name(kind));
    json_t *names = json_object(), *entry;
    size_t i;

    json_array_foreach(json_object_get(set, data_list_name(kind)), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));

        if (name)
            json_object_set_new(names, name, json_true());
    }
    return names;
}

static void take(struct data_edit *edit, const json_t *client, const json_t *patch)
{
    const char *cuid = json_string_value(json_object_get(client, "cuid"));
    const char *cdid = json_string_value(json_object_get(client, "cdid"));

    edit->cuid = cuid ? strdup(cuid) : NULL;
    edit->cdid = cdid ? strdup(cdid) : NULL;
    for (int kind = 0; kind < CATALOG_KINDS && edit->fault.status == 0; kind++) {
        json_t *asked = patch ? names_of(patch, (enum catalog_kind)kind) : NULL;

        take_items(edit, (enum catalog_kind)kind, client, asked);
        json_decref(asked);
    }
}

static void run(struct data_edit *edit, const char *name, json_t *value)
{
    json_t *client = to_client(edit, name, value), *valid;
    bool bare = false, merge = edit->method == DATA_PATCH && edit->base;

    if (!client) {
        if (edit->fault.status == 0)
            no_memory(edit);
        return;
    }
    if (edit->method == DATA_PATCH && !edit->target->cuid) {
        /* What it is merged into is not known yet: by itself it need not be valid. */
        edit->cuid = strdup(json_string_value(json_object_get(client, "cuid")));
        json_decref(client);
        return;
    }
    valid = validate(edit, client, merge, &bare);
    if (valid) {
        if (bare)
            data_identities_strip(json_object_get(valid, "acls"));
        take(edit, valid, merge ? client : NULL);
    }
    json_decref(valid);
    json_decref(client);
}

void data_edit_run(struct data_edit *edit)
{
    const char *name = NULL;
    json_t *root, *value;

    if (edit->method == DATA_DELETE) {
        run(edit, NULL, NULL);
        return;
    }
    root = load(edit);
    value = root ? top_member(edit, root, &name) : NULL;
    if (value)
        run(edit, name, value);
    json_decref(root);
}

void data_edit_free(struct data_edit *edit)
{
    for (size_t i = 0; i < edit->item_count; i++)
        data_item_free(&edit->items[i]);
    free(edit->items);
    free(edit->cuid);
    free(edit->cdid);
    free(edit->base);
}
