/* counts: what ACLs matched at an upstream, read when a client wants to know; taken apart on libuv's thread pool. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/json_memory.h"
#include "northbound/data/canonical.h"
#include "northbound/data/data_state.h"

#define FRESH_MS 10000 /* nobody is asked more often */
#define TIMEOUT_MS 5000u
#define ANSWER_MAX ((size_t)16 * 1024 * 1024)

struct counted {
    char *name, *json; /* of the ACL there; as catalog_counts has it */
};

struct counting {
    struct northbound_data *data;
    struct account *account; /* NULL: gone meanwhile */
    struct restconf_call *call;
    uv_work_t work;
    char *body;
    size_t length;
    struct counted *acls;
    size_t count;
};

static void counting_free(struct counting *counting)
{
    for (size_t i = 0; i < counting->count; i++) {
        free(counting->acls[i].name);
        free(counting->acls[i].json);
    }
    free(counting->acls);
    free(counting->body);
    free(counting);
}

static void finish(struct counting *counting)
{
    struct northbound_data *data = counting->data;

    if (counting->account)
        counting->account->counting = NULL;
    counting_free(counting);
    if (data->settings.counted && !data->closing)
        data->settings.counted(data->settings.arg);
}

void counts_drop(struct account *account)
{
    struct counting *counting = account->counting;

    account->counting = NULL;
    if (!counting)
        return;
    counting->account = NULL;
    if (!counting->call)
        return; /* in the pool: it ends by itself */
    restconf_cancel(counting->call);
    counting_free(counting);
}

/* ---- In the pool; the text is an upstream's ---- */

static void take_counter(const json_t *statistics, const char *name, json_t *out)
{
    json_t *value = canonical_member(statistics, name) ? json_object_get(statistics, name) : NULL;
    const char *text = json_string_value(value);

    if (text && text[0] && strlen(text) <= 20 && strspn(text, "0123456789") == strlen(text))
        json_object_set(out, name, value);
}

/* NULL: nothing was counted. */
static char *counts_of(const json_t *acl)
{
    const json_t *aces = canonical_member(canonical_member(acl, "aces"), "ace"), *ace;
    json_t *all = json_object();
    char *text = NULL;
    size_t i;

    json_array_foreach(aces, i, ace)
    {
        const char *name = json_string_value(canonical_member(ace, "name"));
        const json_t *statistics = canonical_member(ace, "statistics");
        json_t *counted = json_object();

        take_counter(statistics, "matched-packets", counted);
        take_counter(statistics, "matched-octets", counted);
        if (name && json_object_size(counted) > 0)
            json_object_set(all, name, counted);
        json_decref(counted);
    }
    if (json_object_size(all) > 0)
        text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return text;
}

static void run(uv_work_t *work)
{
    struct counting *counting = work->data;
    const json_t *list, *acl;
    json_t *root;
    size_t i;

    wire_json_memory_watch();
    root = json_loadb(counting->body, counting->length, JSON_REJECT_DUPLICATES, NULL);
    list = canonical_member(canonical_member(root, "acls"), "acl");
    counting->acls = calloc(json_array_size(list) + 1, sizeof(*counting->acls));
    json_array_foreach(list, i, acl)
    {
        const char *name = json_string_value(canonical_member(acl, "name"));
        struct counted *to = &counting->acls[counting->count];

        if (!counting->acls || !name)
            continue;
        to->json = counts_of(acl);
        to->name = to->json ? strdup(name) : NULL;
        if (to->name)
            counting->count++;
        else
            free(to->json);
    }
    json_decref(root);
}

/* ---- On the loop ---- */

static void apply(const struct counting *counting)
{
    const struct account *account = counting->account;
    const struct catalog *catalog = counting->data->settings.catalog;
    const struct catalog_client *client = account->client ? account_client(account) : NULL;

    for (size_t i = 0; i < counting->count; i++) {
        const struct counted *counted = &counting->acls[i];
        struct catalog_entry *entry = account->client == 0 ? catalog_upstream_find(catalog, CATALOG_ACL, counted->name)
                                      : client             ? catalog_entry_find(client, CATALOG_ACL, counted->name)
                                                           : NULL;

        if (entry)
            catalog_entry_count(entry, account->upstream->place, counted->json); /* else it is told next time */
    }
}

static void ended(uv_work_t *work, int status)
{
    struct counting *counting = work->data;
    struct northbound_data *data = counting->data;

    if (status == 0 && counting->account)
        apply(counting);
    finish(counting);
    data_working(data, -1);
}

static void answered(void *arg, const struct transfer_response *response)
{
    struct counting *counting = arg;

    counting->call = NULL;
    if (response->status == 200)
        counting->body = malloc(response->length + 1);
    if (!counting->body) {
        finish(counting);
        return;
    }
    memcpy(counting->body, response->body, response->length + 1);
    counting->length = response->length;
    counting->work.data = counting;
    if (uv_queue_work(counting->data->settings.loop, &counting->work, run, ended) == 0)
        data_working(counting->data, 1);
    else
        finish(counting);
}

static bool ask(struct account *account, int64_t now, uint64_t cause)
{
    struct counting *counting = calloc(1, sizeof(*counting));
    char *path = path_client(account->cuid, "/acls?content=nonconfig");
    const struct restconf_request request = {
        .method = "GET", .path = path, .cause = cause, .answer_max = ANSWER_MAX, .timeout_ms = TIMEOUT_MS};

    account->counted_ms = now;
    if (counting && path) {
        counting->data = account->upstream->data;
        counting->account = account;
        counting->call = restconf_call(account->upstream->restconf, &request, answered, counting);
    }
    free(path);
    if (!counting || !counting->call) {
        free(counting);
        return false;
    }
    account->counting = counting;
    return true;
}

bool counts_ask(void *arg, const struct catalog_client *client, uint64_t request)
{
    struct northbound_data *data = arg;
    int64_t now = data->settings.now();
    bool waits = false;

    for (size_t i = 0; i < data->upstream_count; i++) {
        struct data_upstream *upstream = &data->upstreams[i];
        struct account *account = account_find(upstream, client->id);

        if (!account || !upstream->up || !account->registered)
            continue;
        if (account->counting ||
            ((account->counted_ms == 0 || now - account->counted_ms >= FRESH_MS) && ask(account, now, request)))
            waits = true;
    }
    return waits;
}
