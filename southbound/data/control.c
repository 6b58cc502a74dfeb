/* control: activation of ACLs by the signal channel (RFC 9133 section 3.2.1), as a write without HTTP. */

#include <stdlib.h>
#include <string.h>

#include "southbound/data/data.h"

void data_control_free(struct data_write *write)
{
    for (size_t i = 0; i < write->acl_count; i++)
        free((char *)write->acls[i].name);
    free(write->acls);
}

void data_control_done(struct data_write *write, bool kept)
{
    struct south_control *control = write->control;

    if (!control)
        return;
    write->control = NULL;
    control->under_way = NULL;
    control->done(control->arg, kept);
}

void data_control_cancel(void *arg, struct south_control *control)
{
    struct data_write *write = control->under_way;

    (void)arg;
    control->under_way = NULL;
    if (write)
        write->control = NULL;
}

static const char *text_of(enum wire_activation activation)
{
    switch (activation) {
    case WIRE_ACTIVATE_IMMEDIATE:
        return "immediate";
    case WIRE_DEACTIVATE:
        return "deactivate";
    default:
        return "activate-when-mitigating";
    }
}

/* Without 'activation-type' its default counts (RFC 9133 section 3.2.2.2). */
static int take(struct data_write *write, const struct catalog_client *client, const struct wire_acl *acl,
                struct data_fault *fault)
{
    const struct catalog_entry *entry = client ? catalog_entry_find(client, CATALOG_ACL, acl->name) : NULL;
    json_t *value;
    int result;

    if (!entry)
        return data_refuse(fault, 404, "invalid-value", "there is no acl \"%.64s\"", acl->name);
    value = json_loadb(entry->json, entry->json_length, 0, NULL);
    if (value)
        json_object_set_new(value, "activation-type", json_string(text_of(acl->activation)));
    result = value ? data_item_take(CATALOG_ACL, value, &write->edit.items[write->edit.item_count++], fault)
                   : data_refuse(fault, 500, "operation-failed", "out of memory");
    json_decref(value);
    return result;
}

int data_control_prepare(struct data_write *write, struct data_fault *fault)
{
    const struct catalog_client *client = catalog_client_find(write->server->catalog, write->target.cuid);

    if (store_failing(write->server->store))
        return data_refuse(fault, 503, "operation-failed", "this server cannot write its state at the moment");
    write->edit.items = calloc(write->acl_count, sizeof(*write->edit.items));
    if (!write->edit.items)
        return data_refuse(fault, 500, "operation-failed", "out of memory");
    for (size_t i = 0; i < write->acl_count; i++) {
        if (take(write, client, &write->acls[i], fault) != 0)
            return -1;
    }
    return 0;
}

/* -1: out of memory. */
static int copy(struct data_write *write, const char *cuid, const struct wire_acl *acls, size_t count)
{
    write->acls = calloc(count, sizeof(*write->acls));
    if (!write->acls || strlen(cuid) > CATALOG_CUID_MAX)
        return -1;
    memcpy(write->path.text, cuid, strlen(cuid) + 1); /* what target points into */
    for (size_t i = 0; i < count; i++) {
        write->acls[i] = (struct wire_acl){.name = strdup(acls[i].name), .activation = acls[i].activation};
        write->acl_count++;
        if (!write->acls[i].name)
            return -1;
    }
    return 0;
}

void data_control(void *arg, const char *owner, const char *cuid, const struct wire_acl *acls, size_t count,
                  struct south_control *control)
{
    struct data_server *server = arg;
    struct data_write *write = server->closing ? NULL : calloc(1, sizeof(*write));

    if (write) {
        write->server = server;
        write->method = DATA_PATCH;
        write->owner = south_clients_named(server->owners, owner);
        write->target = (struct data_target){.level = DATA_LEVEL_SET, .kind = CATALOG_ACL, .cuid = write->path.text};
    }
    if (write && write->owner)
        south_client_ref(write->owner);
    if (!write || !write->owner || copy(write, cuid, acls, count) != 0) {
        if (write)
            data_write_free(write);
        control->done(control->arg, false);
        return;
    }
    write->control = control;
    write->number = control->request;
    control->under_way = write;
    data_write_begin(write);
}
