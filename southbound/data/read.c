/* read: GET (RFC 8040 section 4.3; RFC 8783 sections 6.2, 7.1, 7.3). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "southbound/data/body.h"
#include "southbound/data/data.h"
#include "southbound/data/view.h"

static void refuse(struct data_read *read, const struct data_fault *fault)
{
    data_reply_fault(read->server, read->exchange, read->owner, fault);
}

static void absent(struct data_read *read, const char *what)
{
    struct data_fault fault;

    data_refuse(&fault, 404, "invalid-value", "there is no such %s", what);
    refuse(read, &fault);
}

static void no_memory(struct data_read *read)
{
    struct data_fault fault;

    data_refuse(&fault, 500, "operation-failed", "out of memory");
    refuse(read, &fault);
}

/* ---- Answers ---- */

/* True: answered, 304 or 412. State has no tag: it changes without anybody writing. */
static bool unchanged(struct data_read *read, uint64_t stamp, int64_t modified_ms)
{
    struct http_header headers[DATA_TAG_HEADERS];
    struct data_tag tag;
    struct data_fault fault;
    unsigned status = data_precondition(read->request, true, stamp, modified_ms);

    if (status == 412) {
        data_refuse(&fault, 412, "operation-failed", "the resource is not as If-Match or If-Unmodified-Since want it");
        refuse(read, &fault);
        return true;
    }
    /* pending-lifetime goes on while the configuration stays as it is. */
    if (status != 304 || read->query.content != DATA_CONTENT_CONFIG)
        return false;
    data_tag_headers(stamp, modified_ms, &tag, headers);
    data_respond(read->exchange, 304, headers, DATA_TAG_HEADERS, NULL, 0);
    return true;
}

static void answer_body(struct data_read *read, struct data_body *body, uint64_t stamp, int64_t modified_ms)
{
    struct http_header headers[DATA_TAG_HEADERS + 1];
    struct http_source source = data_body_source(body);
    struct data_tag tag;
    size_t count = data_tag_headers(stamp, modified_ms, &tag, headers);

    headers[count++] = (struct http_header){"Content-Type", DATA_JSON};
    data_respond_source(read->exchange, 200, headers, count, &source);
}

/* Takes value over. */
static void answer_json(struct data_read *read, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

    json_decref(value);
    if (!text) {
        no_memory(read);
        return;
    }
    data_reply_text(read->exchange, 200, DATA_JSON, text);
    free(text);
}

/* ---- Trees of entries ---- */

/* What of a level is wanted: a field, or all; and how deep. */
struct scope_of {
    unsigned field, depth; /* depth 0: unbounded, 1: no children */
    bool all;
};

/* Into a member; false: it is not wanted. */
static bool into(const struct data_query *query, const struct scope_of *from, const char *name, struct scope_of *out)
{
    bool all = from->all;
    unsigned field = 0;

    if (from->depth == 1)
        return false;
    if (!all)
        field = data_view_field(query, from->field, name, &all);
    *out = (struct scope_of){.field = field, .depth = from->depth ? from->depth - 1 : 0, .all = all};
    return all || field;
}

static int add_set(struct data_body *body, const struct data_query *query, const struct catalog_client *client,
                   enum catalog_kind kind, const struct scope_of *scope)
{
    struct scope_of entry;
    char text[32];

    if (client->counts[kind] == 0 || !into(query, scope, data_list_name(kind), &entry))
        return data_body_text(body, "{}");
    snprintf(text, sizeof(text), "{\"%s\":[", data_list_name(kind));
    if (data_body_text(body, text) != 0 ||
        data_body_entries(body, client, kind, entry.field, entry.all, entry.depth) != 0)
        return -1;
    return data_body_text(body, "]}");
}

/* Takes a member's value as text; frees it. */
static int add_member(struct data_body *body, const char *name, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    int result = text ? data_body_text(body, name) : -1;

    if (result == 0)
        result = data_body_text(body, text);
    free(text);
    json_decref(value);
    return result;
}

static int add_client(struct data_body *body, const struct data_query *query, const struct catalog_client *client,
                      bool show_cdid, const struct scope_of *scope)
{
    struct scope_of inner;

    if (add_member(body, "{\"cuid\":", json_string(client->cuid)) != 0)
        return -1;
    if (show_cdid && client->cdid[0] && query->content != DATA_CONTENT_NONCONFIG &&
        into(query, scope, "cdid", &inner) && add_member(body, ",\"cdid\":", json_string(client->cdid)) != 0)
        return -1;
    for (int kind = 0; kind < CATALOG_KINDS; kind++) {
        char text[32];

        if (client->counts[kind] == 0 || !into(query, scope, data_set_name((enum catalog_kind)kind), &inner))
            continue;
        snprintf(text, sizeof(text), ",\"%s\":", data_set_name((enum catalog_kind)kind));
        if (data_body_text(body, text) != 0 || add_set(body, query, client, (enum catalog_kind)kind, &inner) != 0)
            return -1;
    }
    return data_body_text(body, "}");
}

struct clients {
    struct data_read *read;
    struct data_body *body;
    struct scope_of scope;
    bool any;
};

static int each_client(void *arg, struct catalog_client *client)
{
    struct clients *clients = arg;
    struct data_read *read = clients->read;

    if (data_client(read->server, read->owner, client->cuid) != client)
        return 0;
    if (data_body_text(clients->body, clients->any ? "," : "\"dots-client\":[") != 0 ||
        add_client(clients->body, &read->query, client, read->owner->config->supplies_cdid, &clients->scope) != 0)
        return -1;
    clients->any = true;
    return 0;
}

/* dots-data without its name. */
static int add_data(struct data_read *read, struct data_body *body, const struct scope_of *scope)
{
    struct clients clients = {.read = read, .body = body};
    struct scope_of inner;

    if (data_body_text(body, "{") != 0)
        return -1;
    if (into(&read->query, scope, "dots-client", &clients.scope) &&
        (catalog_client_each(read->server->catalog, each_client, &clients) != 0 ||
         (clients.any && data_body_text(body, "]") != 0)))
        return -1;
    if (read->query.content != DATA_CONTENT_CONFIG && into(&read->query, scope, "capabilities", &inner)) {
        json_t *value = data_capabilities(read->server);

        if (inner.all)
            data_view(value, NULL, &(struct data_query){0}, 0, inner.depth);
        else
            data_view(value, NULL, &read->query, inner.field, inner.depth);
        if (add_member(body, clients.any ? ",\"capabilities\":" : "\"capabilities\":", value) != 0)
            return -1;
    }
    return data_body_text(body, "}");
}

static int add_store(struct data_read *read, struct data_body *body, const struct scope_of *scope)
{
    json_t *state = data_state(read->server, DATA_ROOT_DATASTORE), *value;
    struct scope_of inner;
    const char *name;
    bool any = into(&read->query, scope, "dots-data", &inner);
    int result = data_body_text(body, "{\"ietf-restconf:data\":{");

    if (result == 0 && any)
        result = data_body_text(body, "\"" DATA_MODULE ":dots-data\":");
    if (result == 0 && any)
        result = add_data(read, body, &inner);
    json_object_del(state, DATA_MODULE ":dots-data");
    json_object_foreach(state, name, value)
    {
        char text[80];

        if (result != 0 || read->query.content == DATA_CONTENT_CONFIG || !into(&read->query, scope, name, &inner))
            continue;
        snprintf(text, sizeof(text), "%s\"%s\":", any ? "," : "", name);
        any = true;
        if (inner.all)
            data_view(value, NULL, &(struct data_query){0}, 0, inner.depth);
        else
            data_view(value, NULL, &read->query, inner.field, inner.depth);
        result = add_member(body, text, json_incref(value));
    }
    json_decref(state);
    return result == 0 ? data_body_text(body, "}}") : -1;
}

/* ---- Levels ---- */

static int fill(struct data_read *read, struct data_body *body, const struct catalog_client *client,
                struct catalog_entry *entry)
{
    const struct data_target *target = &read->target;
    struct scope_of scope = {.depth = read->query.depth, .all = !read->query.has_fields};
    char text[96];

    if (target->level >= DATA_LEVEL_CLIENT && !client)
        return -1;
    switch (target->level) {
    case DATA_LEVEL_STORE:
        return add_store(read, body, &scope);
    case DATA_LEVEL_DATA:
        return data_body_text(body, "{\"" DATA_MODULE ":dots-data\":") || add_data(read, body, &scope) ||
               data_body_text(body, "}");
    case DATA_LEVEL_CLIENT:
        return data_body_text(body, "{\"" DATA_MODULE ":dots-client\":[") ||
               add_client(body, &read->query, client, read->owner->config->supplies_cdid, &scope) ||
               data_body_text(body, "]}");
    case DATA_LEVEL_SET:
        snprintf(text, sizeof(text), "{\"" DATA_MODULE ":%s\":", data_set_name(target->kind));
        return data_body_text(body, text) || add_set(body, &read->query, client, target->kind, &scope) ||
               data_body_text(body, "}");
    default:
        /* An alias or an ACL, in its container as RFC 8783 prints it (figures 29 and 31). */
        snprintf(text, sizeof(text), "{\"" DATA_MODULE ":%s\":{\"%s\":[", data_set_name(target->kind),
                 data_list_name(target->kind));
        return data_body_text(body, text) || data_body_entry(body, entry, scope.field, scope.all, scope.depth) ||
               data_body_text(body, "]}}");
    }
}

static void get_tree(struct data_read *read, const struct catalog_client *client, struct catalog_entry *entry)
{
    const char *owner = read->owner->config->name;
    uint64_t stamp = client ? client->stamp : catalog_owner_stamp(read->server->catalog, owner);
    int64_t modified_ms = client ? client->modified_ms : catalog_owner_modified(read->server->catalog, owner);
    struct data_body *body;

    if (unchanged(read, stamp, modified_ms))
        return;
    body = data_body_new(&read->query, read->server->now());
    if (!body || fill(read, body, client, entry) != 0) {
        data_body_free(body);
        no_memory(read);
        return;
    }
    answer_body(read, body, stamp, modified_ms);
}

/* ---- Inside one entry ---- */

static json_t *named(const char *name, const struct data_target *target, json_t *value)
{
    bool list = target->node.kind == YANG_LIST || target->node.kind == YANG_LEAF_LIST;
    char full[128];

    snprintf(full, sizeof(full), DATA_MODULE ":%s", name);
    return list ? json_pack("{s:[O]}", full, value) : json_pack("{s:O}", full, value);
}

static void get_inside(struct data_read *read, const struct catalog_client *client, const struct catalog_entry *entry)
{
    const struct data_target *target = &read->target;
    const char *name = target->node.name;
    struct data_fault fault;
    json_t *whole, *value;

    if (target->of_client) {
        const char *text = strcmp(name, "cuid") == 0 ? client->cuid : client->cdid;

        if (text != client->cuid && (!text[0] || !read->owner->config->supplies_cdid))
            absent(read, name);
        else
            answer_json(read,
                        json_pack("{s:s}", text == client->cuid ? DATA_MODULE ":cuid" : DATA_MODULE ":cdid", text));
        return;
    }
    whole = data_entry_json(entry, read->query.content, read->server->now());
    value = whole ? data_inside_get(read->server->yang, whole, target, &fault) : NULL;
    if (value) {
        data_view(value, target->node.kind == YANG_LIST ? name : NULL, &read->query, 0, read->query.depth);
        if (!unchanged(read, client->stamp, client->modified_ms))
            answer_json(read, named(name, target, value));
    } else if (whole) {
        refuse(read, &fault);
    } else {
        no_memory(read);
    }
    json_decref(whole);
}

/* ---- State ---- */

static bool matches_keys(const json_t *entry, const char *list, const struct data_step *step)
{
    static const char *const module_keys[] = {"name", "revision"};
    bool module = strcmp(list, "module") == 0;
    size_t count = module ? 2 : 1;

    if (step->key_count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *key = module ? module_keys[i] : data_view_key(list);
        const char *value = json_string_value(key ? json_object_get(entry, key) : entry);

        if (!value || strcmp(value, step->keys[i]) != 0)
            return false;
    }
    return true;
}

/* Borrowed; NULL: there is none. */
static json_t *state_step(json_t *at, const struct data_step *step, bool first, const char **name)
{
    char full[160];
    json_t *member, *entry;
    size_t i;

    snprintf(full, sizeof(full), "%s%s%s", first ? step->module : "", first ? ":" : "", step->name);
    *name = step->name;
    member = json_object_get(at, full);
    if (step->key_count == 0)
        return json_is_array(member) ? NULL : member;
    json_array_foreach(member, i, entry)
    {
        if (matches_keys(entry, step->name, step))
            return entry;
    }
    return NULL;
}

/* The YANG library, the capabilities of RESTCONF, those of RFC 8783. */
static void get_state(struct data_read *read)
{
    json_t *root = data_state(read->server, DATA_ROOT_DATASTORE), *at = root;
    const struct data_path *path = &read->path;
    const char *name = NULL;
    char full[160];

    for (size_t i = 0; at && i < path->step_count; i++)
        at = state_step(at, &path->steps[i], i == 0, &name);
    if (!at || read->query.content == DATA_CONTENT_CONFIG) {
        json_decref(root);
        absent(read, name ? name : "resource");
        return;
    }
    data_view(at, path->steps[path->step_count - 1].key_count ? name : NULL, &read->query, 0, read->query.depth);
    snprintf(full, sizeof(full), "%s:%s", path->steps[0].module, name);
    answer_json(read, path->steps[path->step_count - 1].key_count ? json_pack("{s:[O]}", full, at)
                                                                  : json_pack("{s:O}", full, at));
    json_decref(root);
}

bool data_get(struct data_read *read)
{
    const struct data_target *target = &read->target;
    struct catalog_client *client = NULL;
    struct catalog_entry *entry = NULL;

    if (read->query.has_insert || read->query.has_point) {
        struct data_fault fault;

        data_refuse(&fault, 400, "invalid-value", "insert and point are for POST and PUT");
        refuse(read, &fault);
        return false;
    }
    if (target->level == DATA_LEVEL_STATE) {
        get_state(read);
        return false;
    }
    if (target->cuid && (client = data_client(read->server, read->owner, target->cuid)) == NULL) {
        absent(read, "dots-client");
        return false;
    }
    if (target->name && (entry = catalog_entry_find(client, target->kind, target->name)) == NULL) {
        absent(read, data_list_name(target->kind));
        return false;
    }
    if (data_read_waits(read, client))
        return true;
    if (target->level == DATA_LEVEL_INSIDE && client)
        get_inside(read, client, entry);
    else
        get_tree(read, client, entry);
    return false;
}
