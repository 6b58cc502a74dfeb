/*
 * plan: what a valid body asks for, held against what is there and what this client may do (RFC 8783 sections 5 to 7);
 * the changes that result.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/text.h"
#include "southbound/data/data.h"

/* ---- Client ---- */

const char *data_domain(const struct south_client *owner, const char *cdid)
{
    if (cdid[0])
        return cdid;
    return owner->config->domain ? owner->config->domain : owner->config->name;
}

static bool is_id(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && length <= CATALOG_CUID_MAX && wire_text_is_string(text, length);
}

static int plan_registration(struct data_write *write, struct data_fault *fault)
{
    struct relay_requester requester = {
        .client = write->owner->config->name, .cdid = write->cdid, .cuid = write->cuid, .identity_hash = write->hash};

    if (!is_id(write->cuid) || (write->cdid[0] && !is_id(write->cdid)))
        return data_refuse(fault, 400, "invalid-value", "cuid and cdid must have 1 to %u bytes", CATALOG_CUID_MAX);
    if (write->owner->config->supplies_cdid && !write->cdid[0])
        return data_refuse(fault, 403, "access-denied", "a 'cdid' is expected of this gateway");
    if (!relay_cuid_allowed(write->server->relay, &requester) ||
        catalog_client_find(write->server->catalog, write->cuid))
        return data_refuse(fault, 409, "resource-denied", "cuid: in use by another client");
    write->upstream.registers = true;
    return 0;
}

static int plan_client(struct data_write *write, struct catalog_client **client, struct data_fault *fault)
{
    /* Of others 'cdid' counts for nothing, and is not shown (RFC 9132 section 4.4.1.2). */
    bool trusted = write->owner->config->supplies_cdid;

    write->cuid = write->target.cuid ? write->target.cuid : write->edit.cuid;
    if (!write->cuid)
        return data_refuse(fault, 400, "missing-attribute", "cuid: missing");
    *client = data_client(write->server, write->owner, write->cuid);
    write->cdid = *client ? (*client)->cdid : trusted && write->edit.cdid ? write->edit.cdid : "";
    if (*client && trusted && write->edit.cdid && strcmp(write->edit.cdid, write->cdid) != 0)
        return data_refuse(fault, 409, "resource-denied", "cdid: is another for this 'cuid' already");
    if (*client && write->method == DATA_POST && write->target.level == DATA_LEVEL_DATA)
        return data_refuse(fault, 409, "resource-denied", "dots-client: is registered already");
    if (!*client && (write->method == DATA_PATCH || write->method == DATA_DELETE))
        return data_refuse(fault, 404, "invalid-value", "there is no such dots-client");
    write->client = *client ? (*client)->id : 0;
    return *client ? 0 : plan_registration(write, fault);
}

/* ---- Entries ---- */

static int allowed(const struct data_write *write, const struct data_item *item, struct data_fault *fault)
{
    const char *what = data_list_name(item->kind), *wrong;
    char buffer[SCOPE_REASON_MAX];

    if (item->target.prefix_count + item->target.fqdns.count + item->target.uris.count == 0)
        return 0;
    wrong = scope_invalid(&item->target, buffer, sizeof(buffer));
    if (wrong)
        return data_refuse(fault, 400, "invalid-value", "%s \"%.64s\": %s", what, item->name, wrong);
    wrong = scope_unauthorized_by(&item->target, write->owner->grant, buffer, sizeof(buffer));
    if (wrong)
        return data_refuse(fault, 403, "access-denied", "%s \"%.64s\": %s", what, item->name, wrong);
    return 0;
}

static int conflicts(const struct data_write *write, const struct catalog_client *client, const struct data_item *item,
                     struct data_fault *fault)
{
    struct catalog_client fresh = {0};
    const struct catalog_entry *other;

    if (write->server->config->conflicts == CONFIG_CONFLICTS_ACCEPT)
        return 0;
    if (!client)
        snprintf(fresh.domain, sizeof(fresh.domain), "%s", data_domain(write->owner, write->cdid));
    other = catalog_conflict(write->server->catalog, client ? client : &fresh, item->rules, item->rule_count);
    if (!other)
        return 0;
    return data_refuse(
        fault, 409, "resource-denied",
        "acl \"%.64s\": another client of the domain has a rule for the same packets with another action "
        "(RFC 8783 section 7.2)",
        item->name);
}

static struct catalog_change *add_change(struct data_write *write, struct data_fault *fault)
{
    if (write->change_count == write->change_room) {
        size_t room = write->change_room ? 2 * write->change_room : 4;
        struct catalog_change *changes = realloc(write->changes, room * sizeof(*changes));

        if (!changes) {
            data_refuse(fault, 500, "operation-failed", "out of memory");
            return NULL;
        }
        write->changes = changes;
        write->change_room = room;
    }
    write->changes[write->change_count] = (struct catalog_change){0};
    return &write->changes[write->change_count++];
}

static int plan_item(struct data_write *write, const struct catalog_client *client, struct data_item *item,
                     struct data_fault *fault)
{
    struct catalog_entry *old = client ? catalog_entry_find(client, item->kind, item->name) : NULL;
    struct catalog_entry_values values = data_item_values(item, data_expiry(write->server));
    struct catalog_change *change;

    if (old && write->method == DATA_POST && write->target.level < DATA_LEVEL_ENTRY)
        return data_refuse(fault, 409, "resource-denied", "%s \"%.64s\" is there already", data_list_name(item->kind),
                           item->name);
    if (item->json_length > STORE_VALUE_MAX - CATALOG_ENTRY_OVERHEAD)
        return data_refuse(fault, 413, "too-big", "%s \"%.64s\" is larger than %u bytes", data_list_name(item->kind),
                           item->name, STORE_VALUE_MAX - CATALOG_ENTRY_OVERHEAD);
    if (allowed(write, item, fault) != 0 || conflicts(write, client, item, fault) != 0)
        return -1;
    values.id = old ? old->id : 0;
    item->entry = catalog_entry_new(write->server->catalog, &values);
    change = item->entry ? add_change(write, fault) : NULL;
    if (!change)
        return data_refuse(fault, 500, "operation-failed", "out of memory");
    *change = (struct catalog_change){.op = CATALOG_PUT,
                                      .kind = item->kind,
                                      .existed = old != NULL,
                                      .id = item->entry->id,
                                      .name = item->name,
                                      .json = item->json,
                                      .json_length = item->json_length};
    return 0;
}

static int plan_removal(struct data_write *write, const struct catalog_entry *entry, struct data_fault *fault)
{
    struct catalog_change *change = add_change(write, fault);

    if (!change)
        return -1;
    *change = (struct catalog_change){
        .op = CATALOG_DELETE, .kind = entry->kind, .existed = true, .id = entry->id, .name = entry->name};
    return 0;
}

static int compare_items(const void *left, const void *right)
{
    const struct data_item *const *a = left, *const *b = right;
    int kinds = (int)(*a)->kind - (int)(*b)->kind;

    return kinds ? kinds : strcmp((*a)->name, (*b)->name);
}

/* PUT of a client or a set, DELETE: what is there and not in the body goes. */
static int plan_rest(struct data_write *write, const struct catalog_client *client, enum catalog_kind kind,
                     struct data_fault *fault)
{
    size_t count = write->edit.item_count;
    const struct data_item **sorted = calloc(count + 1, sizeof(*sorted));
    int result = 0;

    if (!sorted)
        return data_refuse(fault, 500, "operation-failed", "out of memory");
    for (size_t i = 0; i < count; i++)
        sorted[i] = &write->edit.items[i];
    qsort((void *)sorted, count, sizeof(*sorted), compare_items);
    for (const struct catalog_entry *entry = client->entries[kind]; entry && result == 0; entry = entry->next) {
        struct data_item wanted = {.kind = kind, .name = (char *)entry->name};
        const struct data_item *key = &wanted;

        if (!bsearch(&key, (const void *)sorted, count, sizeof(*sorted), compare_items))
            result = plan_removal(write, entry, fault);
    }
    free((void *)sorted);
    return result;
}

/* ---- Quotas and order ---- */

static int quota(const struct data_write *write, const struct catalog_client *client, enum catalog_kind kind,
                 struct data_fault *fault)
{
    const struct config_limits *own = &write->owner->config->limits;
    const struct config_server_limits *all = &write->server->config->limits;
    const char *domain = data_domain(write->owner, write->cdid);
    size_t limit = kind == CATALOG_ALIAS ? own->aliases : own->acls;
    size_t domain_limit = kind == CATALOG_ALIAS ? all->domain_aliases : all->domain_acls;
    size_t more = 0, less = 0;

    for (size_t i = 0; i < write->change_count; i++) {
        const struct catalog_change *change = &write->changes[i];

        more += change->kind == kind && change->op == CATALOG_PUT && !change->existed;
        less += change->kind == kind && change->op == CATALOG_DELETE;
    }
    if (more == 0)
        return 0;
    if ((client ? client->counts[kind] : 0) - less + more > limit)
        return data_refuse(fault, 409, "resource-denied", "this client may have %zu %s", limit, data_set_name(kind));
    if (catalog_domain_count(write->server->catalog, domain, kind) - less + more > domain_limit)
        return data_refuse(fault, 409, "resource-denied", "all clients of this domain may have %zu %s", domain_limit,
                           data_set_name(kind));
    return 0;
}

/* insert and point of a whole ACL; those inside an ACL were honoured there. */
static int plan_order(struct data_write *write, const struct catalog_client *client, struct data_fault *fault)
{
    const struct data_query *query = &write->query;
    const struct data_path *point = &query->point;
    const struct data_step *last = point->step_count > 0 ? &point->steps[point->step_count - 1] : NULL;
    struct catalog_change *change = &write->changes[0];

    if (!query->has_insert || write->target.level == DATA_LEVEL_INSIDE ||
        (write->target.level == DATA_LEVEL_ENTRY && write->method == DATA_POST))
        return 0;
    if ((write->method != DATA_POST && write->method != DATA_PUT) || write->change_count != 1 ||
        change->kind != CATALOG_ACL || change->op != CATALOG_PUT)
        return data_refuse(fault, 400, "invalid-value", "insert: is for one ACL, or one entry of an ACL");
    change->insert = query->insert;
    if (!query->has_point)
        return 0;
    if (!last || last->key_count != 1 || strcmp(last->name, "acl") != 0 || !client ||
        !catalog_entry_find(client, CATALOG_ACL, last->keys[0]) || strcmp(last->keys[0], change->name) == 0)
        return data_refuse(fault, 400, "invalid-value", "point: names no other ACL of this client");
    change->point = last->keys[0];
    return 0;
}

/* ---- Answer ---- */

/* Percent-encodes what is not unreserved (RFC 8040 section 3.5.3). */
static void append_key(char *out, size_t size, const char *prefix, const char *key)
{
    size_t at = strlen(out);

    at += (size_t)snprintf(out + at, size - at, "%s", prefix);
    for (; *key && at + 4 < size; key++) {
        bool plain = (*key >= 'a' && *key <= 'z') || (*key >= 'A' && *key <= 'Z') || (*key >= '0' && *key <= '9') ||
                     strchr("-._~", *key);

        at += (size_t)snprintf(out + at, size - at, plain ? "%c" : "%%%02X", (unsigned char)*key);
    }
}

static void locate(struct data_write *write)
{
    char *out = write->location;
    size_t size = sizeof(write->location);
    bool inside = write->target.level >= DATA_LEVEL_ENTRY;
    const struct data_item *item = write->edit.item_count > 0 ? &write->edit.items[0] : NULL;

    snprintf(out, size, "/" DATA_MODULE ":dots-data");
    append_key(out, size, "/dots-client=", write->cuid);
    if (write->target.level == DATA_LEVEL_DATA || !item)
        return;
    strncat(out, item->kind == CATALOG_ALIAS ? "/aliases" : "/acls", size - strlen(out) - 1);
    if (write->edit.item_count == 1)
        append_key(out, size, item->kind == CATALOG_ALIAS ? "/alias=" : "/acl=", item->name);
    if (!inside)
        return;
    for (size_t i = write->target.inside; write->target.inside && i < write->target.step_count; i++) {
        const struct data_step *step = &write->target.steps[i];

        append_key(out, size, "/", step->name);
        if (step->key_count)
            append_key(out, size, "=", step->keys[0]);
    }
    append_key(out, size, "/", write->edit.child);
    if (write->edit.key[0])
        append_key(out, size, "=", write->edit.key);
}

static void plan_answer(struct data_write *write, const struct catalog_client *client)
{
    write->status = 204;
    if (write->method == DATA_POST) {
        write->status = 201;
        locate(write);
    } else if (write->method == DATA_PUT) {
        bool created = write->upstream.registers || write->edit.created;

        if (write->target.level == DATA_LEVEL_ENTRY)
            created = !catalog_entry_find(client, write->target.kind, write->target.name);
        write->status = created ? 201 : 204;
    }
}

/* ---- Whole ---- */

/* Without upstreams nobody has to know what the entries are called, and there may be thousands. */
static int plan_clearing(struct data_write *write, const struct catalog_client *client, enum catalog_kind kind,
                         struct data_fault *fault)
{
    write->clears[kind] = true;
    if (!write->server->upstream || !client) /* the second for the analyzer */
        return 0;
    for (const struct catalog_entry *entry = client->entries[kind]; entry; entry = entry->next) {
        if (plan_removal(write, entry, fault) != 0)
            return -1;
    }
    return 0;
}

static int plan_delete(struct data_write *write, const struct catalog_client *client, struct data_fault *fault)
{
    const struct data_target *target = &write->target;

    if (target->level == DATA_LEVEL_CLIENT)
        write->upstream.deregisters = true;
    else if (target->level == DATA_LEVEL_SET)
        return plan_clearing(write, client, target->kind, fault);
    else
        return plan_removal(write, catalog_entry_find(client, target->kind, target->name), fault);
    return 0;
}

/* What was there when it came in line may have expired, or another gateway of the domain may have written. */
static int still_there(const struct data_write *write, const struct catalog_client *client, struct data_fault *fault)
{
    const struct data_target *target = &write->target;
    bool creates = target->level == DATA_LEVEL_ENTRY && write->method == DATA_PUT;

    if (target->level < DATA_LEVEL_SET)
        return 0;
    if (!client || (target->name && !creates && !catalog_entry_find(client, target->kind, target->name)))
        return data_refuse(fault, 404, "invalid-value", "it is gone meanwhile");
    return 0;
}

static int plan_changes(struct data_write *write, const struct catalog_client *client, struct data_fault *fault)
{
    bool replaces = write->method == DATA_PUT &&
                    (write->target.level == DATA_LEVEL_CLIENT || write->target.level == DATA_LEVEL_SET);

    if (write->method == DATA_DELETE && write->target.level != DATA_LEVEL_INSIDE)
        return plan_delete(write, client, fault);
    for (size_t i = 0; i < write->edit.item_count; i++) {
        if (plan_item(write, client, &write->edit.items[i], fault) != 0)
            return -1;
    }
    for (int kind = 0; kind < CATALOG_KINDS && replaces && client; kind++) {
        if ((write->target.level == DATA_LEVEL_CLIENT || write->target.kind == (enum catalog_kind)kind) &&
            plan_rest(write, client, (enum catalog_kind)kind, fault) != 0)
            return -1;
    }
    return 0;
}

int data_plan(struct data_write *write, struct data_fault *fault)
{
    struct catalog_client *client = NULL;

    if (plan_client(write, &client, fault) != 0 || still_there(write, client, fault) != 0 ||
        plan_changes(write, client, fault) != 0 || quota(write, client, CATALOG_ALIAS, fault) != 0 ||
        quota(write, client, CATALOG_ACL, fault) != 0 || plan_order(write, client, fault) != 0)
        return -1;
    plan_answer(write, client);
    write->upstream.client = client ? client->id : catalog_next_id(write->server->catalog);
    write->client = write->upstream.client;
    write->upstream.owner = write->line->owner;
    write->upstream.cdid = write->cdid;
    write->upstream.cuid = write->cuid;
    write->upstream.identity_hash = client ? client->identity_hash : write->hash;
    write->upstream.changes = write->changes;
    write->upstream.change_count = write->change_count;
    write->upstream.request = write->number;
    write->upstream.arrived_ns = write->exchange ? data_request_arrived(write->exchange) : 0;
    write->upstream.via = write->via[0] ? write->via : NULL;
    return 0;
}
