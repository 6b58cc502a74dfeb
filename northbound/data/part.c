/* part: the changes of an ask at one upstream, forward and, when another upstream refuses, back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/data/data_state.h"

static void advance(struct part *part);
static void retreat(struct part *part);

/* What is there is found by comparing, for the same request. */
void part_doubt(struct part *part)
{
    part->account->dirty = true;
    part->account->cause = part->ask->write->request;
}

int part_init(struct part *part, struct ask *ask, struct account *account)
{
    part->ask = ask;
    part->account = account;
    part->changes = calloc(ask->change_count + 1, sizeof(*part->changes));
    part->operations = calloc(ask->change_count + 1, sizeof(struct operation *)); /* the last: registration */
    if (!part->changes || !part->operations) {
        free(part->changes);
        free(part->operations);
        part->changes = NULL;
        part->operations = NULL;
        return -1;
    }
    account->parts++;
    account->serial++;
    return 0;
}

void part_free(struct part *part)
{
    struct account *account = part->account;

    if (!part->changes)
        return;
    for (size_t i = 0; i <= part->ask->change_count; i++)
        if (part->operations[i]) {
            operation_cancel(part->operations[i]);
            part_doubt(part);
        }
    if (part->prev)
        DL_DELETE2(account->waiting, part, prev, next_waiting);
    free(part->changes);
    free(part->operations);
    part->changes = NULL;
    account->parts--;
    if (account->dirty)
        account_dirty(account, DATA_SOON_MS);
    if (account->parts == 0)
        resync_continue(account);
}

/* ---- What came back ---- */

/* Entries of a client as it knows them; those of others are not its business. */
static const char *entry_name(void *arg, const char *token)
{
    const struct part *part = arg;

    for (unsigned kind = 0; kind < CATALOG_KINDS; kind++) {
        const struct catalog_entry *entry =
            catalog_upstream_find(part->ask->data->settings.catalog, (enum catalog_kind)kind, token);

        if (entry)
            return entry->client && entry->client->id == part->ask->write->client ? entry->name
                                                                                  : "an entry of another client";
    }
    for (size_t i = 0; i < part->next; i++) { /* those that are not in the catalog yet */
        const struct catalog_change *change = &part->ask->changes[i];
        char name[CATALOG_NAME_MAX + 1];

        account_entry_name(part->account, part->ask->write->client, change->id, change->name, name);
        if (strcmp(name, token) == 0)
            return change->name;
    }
    return NULL;
}

static void note_refusal(struct part *part, const struct transfer_response *response)
{
    const struct northbound_data_settings *settings = &part->ask->data->settings;
    const struct account *account = part->account;
    const struct refusal_terms terms = {
        .entry_name = account->client == 0 ? entry_name : NULL,
        .arg = part,
        .upstream_cuid = account->cuid,
        .cuid = part->ask->write->cuid,
        .gateway = settings->config->gateway.domain_side_server ? NULL : settings->config->gateway.name,
    };

    char note[LOG_NOTE];

    if (part->refused || part->silent)
        return;
    if (response->status == 0) {
        part->silent = true;
        refusal_unreachable(restconf_retry_after(account->upstream->restconf), &part->refusal);
        return;
    }
    part->refused = true;
    refusal_translate(&terms, response->status, response->retry_after, response->body, response->length,
                      &part->refusal);
    if (log_repeat(&account->upstream->refused, settings->now(), note))
        log_notice("upstream-refused",
                   LOG_REQUEST " upstream %s: %d to what client %s asks for on the data channel: %s%s",
                   part->ask->write->request, account->upstream->config->name, response->status,
                   part->ask->write->owner, part->refusal.message, note);
}

static void refuse_here(struct part *part, int status, const char *tag, const char *message)
{
    if (part->refused || part->silent)
        return;
    part->refused = true;
    part->refusal = (struct refusal){.status = status, .tag = tag};
    snprintf(part->refusal.message, sizeof(part->refusal.message), "%s", message);
}

static bool has_failed(const struct part *part)
{
    return part->refused || part->silent;
}

static void changed(struct operation *operation, const struct transfer_response *response)
{
    struct part *part = operation->arg;
    size_t i = operation->index;
    bool good = response->status >= 200 && response->status < 300;

    part->operations[i] = NULL;
    part->under_way--;
    part->acl_under_way = false;
    if (i == part->ask->change_count) { /* the registration */
        if (good && part->ask->write->registers)
            part->registered_here = response->status == 201;
    } else {
        part->changes[i].state = good ? CHANGE_MADE : response->status == 0 ? CHANGE_NOT_KNOWN : CHANGE_UNTOUCHED;
    }
    if (response->status == 0)
        part_doubt(part);
    if (good)
        part->acknowledged = true;
    else
        note_refusal(part, response);
    advance(part);
}

/* ---- Forward ---- */

static enum catalog_insert insert_of(const struct catalog_change *change)
{
    return change->kind == CATALOG_ACL ? change->insert : CATALOG_KEEP;
}

static char *path_of(const struct part *part, const struct catalog_change *change, bool placed)
{
    char name[CATALOG_NAME_MAX + 1], point[CATALOG_NAME_MAX + 1] = "";
    const struct ask *ask = part->ask;
    const struct account *account = part->account;
    const struct catalog_client *client = catalog_client_find(ask->data->settings.catalog, ask->write->cuid);
    const struct catalog_entry *entry =
        placed && change->point && client ? catalog_entry_find(client, CATALOG_ACL, change->point) : NULL;

    account_entry_name(account, ask->write->client, change->id, change->name, name);
    if (entry)
        account_entry_name(account, ask->write->client, entry->id, entry->name, point);
    return path_entry(account->cuid, change->kind, name,
                      placed && (!change->point || entry) ? insert_of(change) : CATALOG_KEEP, entry ? point : NULL);
}

/* Sends a PUT of an entry, or the DELETE that takes its place where none of it is this upstream's. -1: it is not sent;
 * unless the part has failed, there was nothing to send. */
static int send_put(struct part *part, size_t i, const char *json, size_t length, bool placed,
                    void (*done)(struct operation *, const struct transfer_response *))
{
    const struct catalog_change *change = &part->ask->changes[i];
    struct portion_terms terms = account_terms(part->account);
    char name[CATALOG_NAME_MAX + 1], reason[PORTION_REASON_MAX];
    enum portion_result result;
    json_t *entry;
    char *body;

    account_entry_name(part->account, part->ask->write->client, change->id, change->name, name);
    terms.name = name;
    result = portion_make(change->kind, json, length, &terms, &entry, reason);
    if (result == PORTION_NOTHING && change->existed) {
        part->operations[i] = operation_start(part->account, OPERATION_DELETE, path_of(part, change, false), NULL,
                                              part->ask->via, part->ask->write->request, done, part, i);
    } else if (result == PORTION_NOTHING) {
        part->changes[i].others = true;
        return -1;
    } else if (result == PORTION_REFUSED) {
        refuse_here(part, 403, "access-denied", reason);
        return -1;
    } else if (result == PORTION_MADE) {
        body = portion_body(change->kind, entry);
        json_decref(entry);
        part->operations[i] = operation_start(part->account, OPERATION_PUT, path_of(part, change, placed), body,
                                              part->ask->via, part->ask->write->request, done, part, i);
    }
    part->changes[i].others = result == PORTION_NOTHING;
    if (!part->operations[i])
        refuse_here(part, 503, "operation-failed", "The gateway is out of memory.");
    return part->operations[i] ? 0 : -1;
}

static void send_change(struct part *part, size_t i)
{
    const struct catalog_change *change = &part->ask->changes[i];

    if (change->op == CATALOG_PUT) {
        if (send_put(part, i, change->json, change->json_length, true, changed) != 0)
            return;
    } else {
        part->operations[i] = operation_start(part->account, OPERATION_DELETE, path_of(part, change, false), NULL,
                                              part->ask->via, part->ask->write->request, changed, part, i);
        if (!part->operations[i]) {
            refuse_here(part, 503, "operation-failed", "The gateway is out of memory.");
            return;
        }
    }
    part->changes[i].state = CHANGE_UNDER_WAY;
    part->under_way++;
    part->acl_under_way = change->kind == CATALOG_ACL;
}

/* A dots-client of its own comes and goes; the one for all stays, and is registered when it turns out to be missing. */
static bool send_registration(struct part *part)
{
    const struct catalog_write *write = part->ask->write;
    struct account *account = part->account;
    size_t last = part->ask->change_count;
    bool leaves = write->deregisters && account->client != 0, comes = write->registers;

    part->began = true;
    if (!leaves && !(comes && (account->client != 0 || !account->registered)))
        return false;
    part->operations[last] = operation_start(account, leaves ? OPERATION_UNREGISTER : OPERATION_REGISTER,
                                             leaves ? path_client(account->cuid, "") : NULL, NULL, part->ask->via,
                                             part->ask->write->request, changed, part, last);
    if (part->operations[last])
        part->under_way++;
    else
        refuse_here(part, 503, "operation-failed", "The gateway is out of memory.");
    return true;
}

/* ACLs are an ordered list: one after the other; aliases are not. */
static bool may_send(const struct part *part)
{
    const struct ask *ask = part->ask;

    if (has_failed(part) || part->next >= ask->change_count || part->acl_under_way)
        return false;
    return part->under_way == 0 ||
           (ask->changes[part->next].kind == CATALOG_ALIAS && part->under_way < account_window(part->account));
}

static void measure(const struct part *part)
{
    const struct northbound_data_settings *settings = &part->ask->data->settings;
    uint64_t arrived_ns = part->ask->write->arrived_ns;

    if (part->acknowledged && !has_failed(part) && arrived_ns > 0 && settings->accepted)
        settings->accepted(settings->arg, part->account->upstream->place, arrived_ns);
}

static void advance(struct part *part)
{
    if (!part->began && send_registration(part) && !has_failed(part))
        return;
    /* Its resource goes with all it holds. */
    if (part->ask->write->deregisters && part->account->client != 0)
        part->next = part->ask->change_count;
    while (may_send(part))
        send_change(part, part->next++);
    if (part->under_way == 0) {
        part->state = PART_STOPPED;
        measure(part);
        ask_part_stopped(part->ask);
    }
}

void part_start(struct part *part)
{
    if (resync_holds(part->account)) {
        DL_APPEND2(part->account->waiting, part, prev, next_waiting);
        return;
    }
    part->state = PART_FORWARD;
    advance(part);
}

/* ---- Back ---- */

static void undone(struct operation *operation, const struct transfer_response *response)
{
    struct part *part = operation->arg;
    size_t i = operation->index;

    part->operations[i] = NULL;
    part->under_way--;
    part->acl_under_way = false;
    if (response->status < 200 || response->status >= 300)
        part_doubt(part);
    if (i < part->ask->change_count)
        part->changes[i].state = CHANGE_UNTOUCHED;
    retreat(part);
}

/* To what the catalog has, which is as it was before. */
static void undo_change(struct part *part, size_t i)
{
    const struct catalog_change *change = &part->ask->changes[i];
    const struct catalog_client *client =
        catalog_client_find(part->ask->data->settings.catalog, part->ask->write->cuid);
    const struct catalog_entry *entry = client ? catalog_entry_find(client, change->kind, change->name) : NULL;

    if (entry)
        send_put(part, i, entry->json, entry->json_length, false, undone);
    else
        part->operations[i] = operation_start(part->account, OPERATION_DELETE, path_of(part, change, false), NULL,
                                              part->ask->via, part->ask->write->request, undone, part, i);
    if (change->kind == CATALOG_ACL && (entry || change->insert != CATALOG_KEEP))
        part_doubt(part); /* its place is not told */
    if (part->operations[i])
        part->under_way++;
    else
        part_doubt(part);
}

static void undo_registration(struct part *part)
{
    size_t last = part->ask->change_count;

    part->registered_here = false;
    if (part->account->client == 0)
        return;
    part->operations[last] = operation_start(part->account, OPERATION_UNREGISTER, path_client(part->account->cuid, ""),
                                             NULL, part->ask->via, part->ask->write->request, undone, part, last);
    if (part->operations[last])
        part->under_way++;
    else
        part_doubt(part);
}

static void retreat(struct part *part)
{
    while (part->next > 0 && part->under_way < DATA_WINDOW) {
        size_t i = --part->next;

        if (part->changes[i].state == CHANGE_MADE)
            undo_change(part, i);
    }
    if (part->next == 0 && part->under_way == 0 && part->registered_here)
        undo_registration(part);
    if (part->next == 0 && part->under_way == 0) {
        part->state = PART_ENDED;
        ask_part_stopped(part->ask);
    }
}

void part_undo(struct part *part)
{
    part->state = PART_UNDOING;
    if (part->ask->write->deregisters && part->account->client != 0 && !has_failed(part))
        part_doubt(part); /* all of it has to come back */
    retreat(part);
}
