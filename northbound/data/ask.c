/* ask: one write of a client at all upstreams, all or nothing. */
#include <stdlib.h>
#include <string.h>

#include "northbound/data/data_state.h"

static void ask_begin(struct ask *ask);

/* ---- Lanes ---- */

static struct lane *lane_of(struct northbound_data *data, uint64_t client)
{
    struct lane *lane;

    HASH_FIND(hh, data->lanes, &client, sizeof(client), lane);
    if (lane)
        return lane;
    lane = calloc(1, sizeof(*lane));
    if (!lane)
        return NULL;
    lane->client = client;
    HASH_ADD(hh, data->lanes, client, sizeof(lane->client), lane);
    if (!lane->hh.tbl) {
        free(lane);
        return NULL;
    }
    return lane;
}

/* The first of the lane has gone: the next one begins. */
static void lane_advance(struct northbound_data *data, struct lane *lane)
{
    if (lane->asks) {
        ask_begin(lane->asks);
    } else {
        HASH_DEL(data->lanes, lane);
        free(lane);
    }
}

static void ask_free(struct ask *ask)
{
    for (size_t i = 0; i < ask->part_count; i++)
        part_free(&ask->parts[i]);
    free(ask->parts);
    free(ask->own);
    free(ask);
}

/* ---- The verdict ---- */

static void tell(struct ask *ask, const struct catalog_verdict *verdict)
{
    struct northbound_data *data = ask->data;
    struct lane *lane = ask->lane;
    bool first = lane->asks == ask;

    DL_DELETE(lane->asks, ask);
    ask->done(ask->done_arg, verdict);
    ask_free(ask);
    if (first)
        lane_advance(data, lane);
}

static void tell_refusal(struct ask *ask, const struct refusal *refusal)
{
    const struct catalog_verdict verdict = {
        .status = refusal->status,
        .error_tag = refusal->tag,
        .app_tag = refusal->app_tag,
        .message = refusal->message[0] ? refusal->message : NULL,
        .via = refusal->via[0] ? refusal->via : NULL,
        .retry_after = refusal->retry_after > 0 ? (int64_t)refusal->retry_after : -1,
    };

    tell(ask, &verdict);
}

static void tell_no_memory(struct ask *ask)
{
    tell_refusal(ask, &(struct refusal){.status = 503,
                                        .retry_after = 10,
                                        .tag = "operation-failed",
                                        .message = "The gateway is out of memory."});
}

/* What decides: a refusal before a silence. Under fan-out serial the silent ones are repaired when they are back, as
 * long as one is there that says yes: all must know what they will be asked for by name when it is their turn. */
static const struct part *decisive(const struct ask *ask)
{
    const struct part *silent = NULL;
    bool taken = false;

    for (size_t i = 0; i < ask->part_count; i++) {
        if (ask->parts[i].refused)
            return &ask->parts[i];
        if (ask->parts[i].silent && !silent)
            silent = &ask->parts[i];
        else if (!ask->parts[i].silent)
            taken = true;
    }
    return silent && taken && ask->data->settings.config->fan_out == CONFIG_FAN_OUT_SERIAL ? NULL : silent;
}

/* A change that all upstreams take for one another's. */
static bool nobody_owns(const struct ask *ask)
{
    for (size_t i = 0; i < ask->change_count; i++) {
        bool somebody = ask->changes[i].op == CATALOG_DELETE;

        for (size_t j = 0; j < ask->part_count && !somebody; j++)
            somebody = !ask->parts[j].changes[i].others;
        if (!somebody)
            return true;
    }
    return false;
}

static void refuse_unowned(struct part *part)
{
    part->refused = true;
    part->refusal = (struct refusal){
        .status = 403, .tag = "access-denied", .message = "No upstream server owns the prefixes of this entry."};
}

void ask_part_stopped(struct ask *ask)
{
    if (--ask->running > 0)
        return;
    if (!ask->undoing && !decisive(ask) && nobody_owns(ask))
        refuse_unowned(&ask->parts[0]);
    if (!decisive(ask)) {
        tell(ask, &(struct catalog_verdict){.status = 200, .retry_after = -1});
    } else if (ask->undoing) {
        tell_refusal(ask, &decisive(ask)->refusal);
    } else {
        ask->undoing = true;
        ask->running = ask->part_count + 1; /* this call */
        for (size_t i = 0; i < ask->part_count; i++)
            part_undo(&ask->parts[i]);
        ask_part_stopped(ask);
    }
}

/* ---- Beginning ---- */

/* For the account that all share, a client that goes takes its entries along, one by one. */
static int take_entries(struct ask *ask)
{
    const struct catalog_client *client = catalog_client_find(ask->data->settings.catalog, ask->write->cuid);
    size_t count = 0, room = 0;
    char *names;

    for (unsigned kind = 0; client && kind < CATALOG_KINDS; kind++)
        for (const struct catalog_entry *entry = client->entries[kind]; entry; entry = entry->next) {
            count++;
            room += strlen(entry->name) + 1;
        }
    ask->own = calloc(1, (count + 1) * sizeof(*ask->own) + room);
    if (!ask->own)
        return -1;
    names = (char *)(ask->own + count + 1);
    for (unsigned kind = 0; client && kind < CATALOG_KINDS; kind++)
        for (const struct catalog_entry *entry = client->entries[kind]; entry; entry = entry->next) {
            memcpy(names, entry->name, strlen(entry->name) + 1);
            ask->own[ask->change_count++] = (struct catalog_change){
                .op = CATALOG_DELETE, .kind = entry->kind, .existed = true, .id = entry->id, .name = names};
            names += strlen(names) + 1;
        }
    ask->changes = ask->own;
    return 0;
}

/* Hops south of a boundary are not the provider's business (RFC 8783 section 3.4). */
static int write_via(struct ask *ask)
{
    const struct config *config = ask->data->settings.config;

    return via_append(config->gateway.domain_side_server ? ask->write->via : NULL, "1.1", config->gateway.name,
                      ask->via, sizeof(ask->via));
}

static int make_parts(struct ask *ask)
{
    struct northbound_data *data = ask->data;
    const struct catalog_write *write = ask->write;

    ask->parts = calloc(data->upstream_count, sizeof(*ask->parts));
    for (size_t i = 0; ask->parts && i < data->upstream_count; i++) {
        struct account *account = account_of(&data->upstreams[i], write->client, write->owner, write->cdid, write->cuid,
                                             write->identity_hash);

        if (!account || part_init(&ask->parts[i], ask, account) != 0)
            return -1;
        ask->part_count++;
    }
    return ask->parts ? 0 : -1;
}

static void ask_begin(struct ask *ask)
{
    ask->changes = ask->write->changes;
    ask->change_count = ask->write->change_count;
    if (write_via(ask) != 0) {
        tell_refusal(ask, &(struct refusal){.status = 508,
                                            .tag = "operation-failed",
                                            .app_tag = "loop-detected",
                                            .message = "The Via header field names more hops than there can be."});
        return;
    }
    if ((ask->write->deregisters && take_entries(ask) != 0) || make_parts(ask) != 0) {
        tell_no_memory(ask);
        return;
    }
    ask->running = ask->part_count + 1; /* this call */
    for (size_t i = 0; i < ask->part_count; i++)
        part_start(&ask->parts[i]);
    ask_part_stopped(ask);
}

/* Nobody waits: what differs is found by comparing. */
static void compare_soon(struct northbound_data *data, uint64_t client)
{
    for (size_t i = 0; i < data->upstream_count; i++) {
        struct account *account = account_find(&data->upstreams[i], client);

        if (account)
            account_dirty(account, DATA_SOON_MS);
    }
}

void ask_write(void *arg, const struct catalog_write *write, catalog_verdict_h *done, void *done_arg)
{
    struct northbound_data *data = arg;
    struct lane *lane;
    struct ask *ask;

    if (!done) {
        compare_soon(data, write->client);
        return;
    }
    ask = calloc(1, sizeof(*ask));
    lane = ask ? lane_of(data, write->client) : NULL;
    if (!lane) {
        free(ask);
        done(done_arg, &(struct catalog_verdict){.status = 503, .error_tag = "operation-failed", .retry_after = 10});
        return;
    }
    *ask = (struct ask){.data = data, .write = write, .done = done, .done_arg = done_arg, .lane = lane};
    DL_APPEND(lane->asks, ask);
    if (lane->asks == ask)
        ask_begin(ask);
}

void ask_cancel(void *arg, const struct catalog_write *write)
{
    struct northbound_data *data = arg;
    struct lane *lane;
    struct ask *ask;
    bool first;

    HASH_FIND(hh, data->lanes, &write->client, sizeof(write->client), lane);
    if (!lane)
        return;
    DL_FOREACH(lane->asks, ask)
    {
        if (ask->write == write)
            break;
    }
    if (!ask)
        return;
    for (size_t i = 0; i < ask->part_count; i++)
        part_doubt(&ask->parts[i]); /* what was done is kept by nobody */
    first = lane->asks == ask;
    DL_DELETE(lane->asks, ask);
    ask_free(ask);
    if (first)
        lane_advance(data, lane);
}

void ask_kept(void *arg, const struct catalog_write *write)
{
    struct northbound_data *data = arg;

    if (!write->deregisters)
        return;
    for (size_t i = 0; i < data->upstream_count; i++) {
        struct account *account = account_find(&data->upstreams[i], write->client);

        if (!account || account->client == 0)
            continue;
        if (account->parts > 0 || account->dirty || account->repairing || account->registered)
            account_dirty(account, DATA_SOON_MS); /* it is gone when that has found it gone there */
        else
            account_free(account);
    }
}

void ask_drop_all(struct northbound_data *data)
{
    struct lane *first = data->lanes, *lane, *next_lane;
    struct ask *ask, *next;

    HASH_CLEAR(hh, data->lanes);
    for (lane = first; lane; lane = next_lane) {
        next_lane = lane->hh.next;
        DL_FOREACH_SAFE(lane->asks, ask, next)
        {
            ask_free(ask);
        }
        free(lane);
    }
}
