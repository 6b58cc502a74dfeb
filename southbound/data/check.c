/* check: what has to be there before a write is looked at any closer, and what must not have changed. */

#include <string.h>

#include "southbound/data/data.h"

static int absent(struct data_fault *fault, const char *what, const char *name)
{
    return data_refuse(fault, 404, "invalid-value", "there is no %s \"%.128s\"", what, name);
}

/* RFC 8783 sections 6.1 and 7.2: a trusted gateway has to have told the domain. */
static int check_client(const struct data_write *write, const struct catalog_client *client, struct data_fault *fault)
{
    bool own = write->target.level == DATA_LEVEL_CLIENT && write->method == DATA_PUT;

    if (write->owner->config->supplies_cdid && !own && (!client || !client->cdid[0]))
        return data_refuse(fault, 403, "access-denied", "the 'cdid' of this 'cuid' is not known here: register first");
    if (!client && !own)
        return absent(fault, "dots-client", write->target.cuid);
    return 0;
}

static int check_entry(const struct data_write *write, const struct catalog_client *client, struct data_fault *fault)
{
    const struct data_target *target = &write->target;
    bool creates = target->level == DATA_LEVEL_ENTRY && write->method == DATA_PUT;

    if (!target->name || creates || catalog_entry_find(client, target->kind, target->name))
        return 0;
    return absent(fault, data_list_name(target->kind), target->name);
}

static int check_method(const struct data_write *write, struct data_fault *fault)
{
    const struct data_target *target = &write->target;
    bool allowed = target->level != DATA_LEVEL_STATE && !target->of_client;

    if (target->level == DATA_LEVEL_STORE)
        allowed = write->method == DATA_PATCH;
    if (target->level == DATA_LEVEL_DATA)
        allowed = write->method == DATA_POST || write->method == DATA_PATCH;
    if (target->level == DATA_LEVEL_INSIDE)
        allowed = allowed && target->node.config;
    return allowed ? 0 : data_refuse(fault, 405, "operation-not-supported", "this resource does not take this method");
}

/* Whether the target is there, for If-Match: * and for PUT. */
static bool exists(const struct data_write *write, const struct catalog_client *client)
{
    const struct data_target *target = &write->target;

    if (!target->cuid)
        return true;
    return client && (!target->name || catalog_entry_find(client, target->kind, target->name));
}

int data_check(const struct data_write *write, struct data_fault *fault)
{
    const struct data_server *server = write->server;
    const struct catalog_client *client =
        write->target.cuid ? data_client(server, write->owner, write->target.cuid) : NULL;
    uint64_t stamp = client ? client->stamp : catalog_owner_stamp(server->catalog, write->owner->config->name);
    int64_t modified_ms =
        client ? client->modified_ms : catalog_owner_modified(server->catalog, write->owner->config->name);

    if (check_method(write, fault) != 0)
        return -1;
    if (write->target.cuid && (check_client(write, client, fault) != 0 || check_entry(write, client, fault) != 0))
        return -1;
    if (write->query.has_content || write->query.has_depth || write->query.has_fields)
        return data_refuse(fault, 400, "invalid-value", "content, depth and fields are for GET");
    if (data_precondition(write->request, exists(write, client), stamp, modified_ms) != 0)
        return data_refuse(fault, 412, "operation-failed",
                           "the resource is not as If-Match, If-None-Match or If-Unmodified-Since want it");
    if (store_failing(server->store)) {
        data_refuse(fault, 503, "operation-failed", "this server cannot write its state at the moment; try again");
        fault->retry_after = DATA_RETRY_S;
        return -1;
    }
    return 0;
}
