/* resync: accounts are compared with the catalog one after the other, and repaired step by step. */
#include <stdlib.h>
#include <string.h>

#include "northbound/data/data_state.h"

struct repairing {
    struct account *account;
    struct restconf_call *call;    /* the listing */
    struct operation *leaving;     /* of an account whose client is gone */
    struct comparison *comparison; /* in the pool, then with steps */
    bool compared, acl_under_way, failed;
    unsigned generation; /* of the cuid whose listing this is */
    uint64_t cause;      /* number of the request whose changes are in doubt; 0: of none */
    uint64_t serial;     /* parts that had begun when the listing was asked for */
    size_t next, under_way, put, deleted, refused;
    struct operation *operations[DATA_WINDOW];
};

static void run_steps(struct repairing *repairing);

/* ---- Its end ---- */

static void repairing_free(struct repairing *repairing)
{
    if (repairing->call)
        restconf_cancel(repairing->call);
    if (repairing->leaving)
        operation_cancel(repairing->leaving);
    for (size_t i = 0; i < DATA_WINDOW; i++)
        if (repairing->operations[i])
            operation_cancel(repairing->operations[i]);
    if (repairing->comparison && !repairing->compared)
        repairing->comparison->arg = NULL; /* it frees itself */
    else
        comparison_free(repairing->comparison);
    repairing->account->repairing = NULL;
    repairing->account->upstream->comparing--;
    free(repairing);
}

/* A day, less up to four hours by who it is: ten thousand do not ask in the same minute. */
static int64_t next_comparison(const struct account *account)
{
    uint64_t spread = account->client * UINT64_C(0x9e3779b97f4a7c15);

    return DATA_COMPARE_MS - (int64_t)((spread >> 40) % DATA_SPREAD_MS);
}

static void start_waiting(struct account *account)
{
    struct part *part;

    while ((part = account->waiting) != NULL) {
        DL_DELETE2(account->waiting, part, prev, next_waiting);
        part->prev = part->next_waiting = NULL;
        part_start(part);
    }
}

static void finish(struct repairing *repairing)
{
    struct account *account = repairing->account;
    struct data_upstream *upstream = account->upstream;
    bool good = !repairing->failed, gone = account->client != 0 && !account_client(account);

    if (repairing->put + repairing->deleted + repairing->refused > 0)
        log_notice("data-repaired", "%s: of its aliases and ACLs of %s, %zu put, %zu deleted, %zu refused",
                   upstream->config->name, account->client ? account->client_cuid : "this gateway", repairing->put,
                   repairing->deleted, repairing->refused);
    if (!good && account->cause == 0)
        account->cause = repairing->cause; /* it is tried again for that */
    repairing_free(repairing);
    start_waiting(account);
    if (good && gone && account->parts == 0 && !account->dirty)
        account_free(account);
    else if (account->dirty || !good)
        account_dirty(account, good ? DATA_SOON_MS : DATA_AGAIN_MS);
    else
        deadline_set(upstream->data->deadlines, &account->deadline,
                     upstream->data->settings.now() + next_comparison(account));
    resync_run(upstream);
}

static void fail(struct repairing *repairing, const char *why)
{
    const struct account *account = repairing->account;
    char note[LOG_NOTE];

    if (log_repeat(&account->upstream->not_compared, account->upstream->data->settings.now(), note))
        log_warning(
            "data-not-compared", "%s: its aliases and ACLs of %s are not compared with ours: %s; again in a minute%s",
            account->upstream->config->name, account->client ? account->client_cuid : "this gateway", why, note);
    repairing->failed = true;
    finish(repairing);
}

/* ---- Steps ---- */

static void count_step(struct repairing *repairing, const struct operation *operation, int status)
{
    if (status == 0)
        repairing->failed = true;
    else if (status >= 300)
        repairing->refused++;
    else if (operation->kind == OPERATION_PUT)
        repairing->put++;
    else
        repairing->deleted++;
}

static void stepped(struct operation *operation, const struct transfer_response *response);

/* A server that does not know insert and point gets it without: better at another place than not at all. */
static bool send_without_place(struct repairing *repairing, struct operation *operation)
{
    struct operation **slot = &repairing->operations[operation->index];
    char *query = operation->path ? strchr(operation->path, '?') : NULL, *path, *body;

    if (!query)
        return false;
    *query = '\0';
    path = operation->path;
    body = operation->body;
    operation->path = operation->body = NULL;
    *slot = operation_start(operation->account, OPERATION_PUT, path, body, NULL, repairing->cause, stepped, repairing,
                            operation->index);
    return *slot != NULL;
}

static void stepped(struct operation *operation, const struct transfer_response *response)
{
    struct repairing *repairing = operation->arg;
    const struct account *account = repairing->account;

    repairing->operations[operation->index] = NULL;
    if (response->status >= 400 && response->status < 600 && send_without_place(repairing, operation))
        return;
    if (response->status >= 300 && repairing->refused == 0) /* how many there are, data-repaired says */
        log_warning("data-repair-refused", "%s answers %d to %s %s; it is left so until tomorrow",
                    account->upstream->config->name, response->status,
                    operation->kind == OPERATION_PUT ? "PUT" : "DELETE", operation->path ? operation->path : "");
    count_step(repairing, operation, response->status);
    repairing->under_way--;
    repairing->acl_under_way = false;
    run_steps(repairing);
}

static enum catalog_insert insert_of(const struct repair_step *step)
{
    return step->place == REPAIR_BEFORE ? CATALOG_BEFORE : step->place == REPAIR_AFTER ? CATALOG_AFTER : CATALOG_KEEP;
}

static struct operation *start_put(struct repairing *repairing, const struct repair_step *step, size_t slot)
{
    struct comparison *comparison = repairing->comparison;
    const struct compare_entry *from = &comparison->entries[comparison->origin[step->index]];
    struct portion_terms terms = comparison->terms;
    char reason[PORTION_REASON_MAX], *body;
    json_t *entry;

    if (!from->entry->client)
        return NULL; /* replaced or removed meanwhile, and who did that has told the upstream */
    terms.name = from->name;
    if (portion_make(from->entry->kind, from->entry->json, from->entry->json_length, &terms, &entry, reason) !=
        PORTION_MADE)
        return NULL;
    body = portion_body(from->entry->kind, entry);
    json_decref(entry);
    return operation_start(repairing->account, OPERATION_PUT,
                           path_entry(repairing->account->cuid, from->entry->kind, from->name, insert_of(step),
                                      step->place == REPAIR_ANYWHERE ? NULL : comparison->wanted[step->neighbour].name),
                           body, NULL, repairing->cause, stepped, repairing, slot);
}

/* One that came while the listing was under way is not a stray. */
static bool is_stray(struct repairing *repairing, enum catalog_kind kind, const char *name)
{
    struct account *account = repairing->account;
    const struct catalog_client *client = account->client ? account_client(account) : NULL;

    if (repairing->serial != account->serial) {
        account->dirty = true;
        return false;
    }
    return account->client == 0 ? !catalog_upstream_find(account->upstream->data->settings.catalog, kind, name)
                                : !client || !catalog_entry_find(client, kind, name);
}

static struct operation *start_deletion(struct repairing *repairing, const struct repair_step *step, size_t slot)
{
    const char *name = repairing->comparison->installed.entries[step->index].name;
    enum catalog_kind kind = step->kind == REPAIR_ALIAS ? CATALOG_ALIAS : CATALOG_ACL;

    if (!is_stray(repairing, kind, name))
        return NULL;
    return operation_start(repairing->account, OPERATION_DELETE,
                           path_entry(repairing->account->cuid, kind, name, CATALOG_KEEP, NULL), NULL, NULL,
                           repairing->cause, stepped, repairing, slot);
}

static void start_step(struct repairing *repairing, const struct repair_step *step)
{
    size_t slot = 0;

    while (repairing->operations[slot])
        slot++;
    repairing->operations[slot] = step->put ? start_put(repairing, step, slot) : start_deletion(repairing, step, slot);
    if (!repairing->operations[slot])
        return;
    repairing->under_way++;
    repairing->acl_under_way = step->kind == REPAIR_ACL;
}

/* Bounded by the window; what is passed over costs nothing but the look at it. */
static void run_steps(struct repairing *repairing)
{
    struct account *account = repairing->account;
    const struct comparison *comparison = repairing->comparison;

    while (account->parts == 0 && !repairing->failed && repairing->next < comparison->step_count &&
           !repairing->acl_under_way && repairing->under_way < account_window(account)) {
        const struct repair_step *step = &comparison->steps[repairing->next];

        if (step->kind == REPAIR_ACL && repairing->under_way > 0)
            break;
        repairing->next++;
        start_step(repairing, step);
    }
    if (repairing->under_way > 0)
        return;
    if (repairing->failed || repairing->next == comparison->step_count)
        finish(repairing);
    else
        start_waiting(account);
}

bool resync_holds(const struct account *account)
{
    return account->repairing && account->repairing->under_way > 0;
}

void resync_continue(struct account *account)
{
    if (account->repairing && account->repairing->compared && account->repairing->under_way == 0)
        run_steps(account->repairing);
}

/* ---- Comparing ---- */

static void compared(struct comparison *comparison)
{
    struct repairing *repairing = comparison->arg;
    struct northbound_data *data;

    if (!repairing) {
        data = comparison->loop_data;
        comparison_free(comparison);
        data_working(data, -1);
        return;
    }
    repairing->compared = true;
    data_working(repairing->account->upstream->data, -1);
    if (comparison->failed)
        fail(repairing, comparison->error);
    else
        run_steps(repairing);
}

struct gathering {
    const struct account *account;
    struct compare_entry *entries;
    size_t count, room;
};

static int gather(void *arg, struct catalog_client *client)
{
    struct gathering *gathering = arg;

    for (unsigned kind = 0; kind < CATALOG_KINDS; kind++)
        for (struct catalog_entry *entry = client->entries[kind]; entry && gathering->count < gathering->room;
             entry = entry->next) {
            struct compare_entry *to = &gathering->entries[gathering->count++];

            to->entry = catalog_entry_ref(entry);
            to->client = client->id;
            account_entry_name(gathering->account, client->id, entry->id, entry->name, to->name);
        }
    return 0;
}

static int count_entries(void *arg, struct catalog_client *client)
{
    *(size_t *)arg += client->counts[CATALOG_ALIAS] + client->counts[CATALOG_ACL];
    return 0;
}

/* What is wanted is taken as it is now, by reference. */
static int take_wanted(const struct account *account, struct comparison *comparison)
{
    struct catalog *catalog = account->upstream->data->settings.catalog;
    struct catalog_client *client = account->client ? account_client(account) : NULL;
    struct gathering gathering = {.account = account};

    if (client)
        count_entries(&gathering.room, client);
    else if (account->client == 0)
        catalog_client_each(catalog, count_entries, &gathering.room);
    gathering.entries = calloc(gathering.room + 1, sizeof(*gathering.entries));
    if (!gathering.entries)
        return -1;
    if (client)
        gather(&gathering, client);
    else if (account->client == 0)
        catalog_client_each(catalog, gather, &gathering);
    comparison->entries = gathering.entries;
    comparison->entry_count = gathering.count;
    return 0;
}

static void compare(struct repairing *repairing, const struct transfer_response *response)
{
    struct account *account = repairing->account;
    struct northbound_data *data = account->upstream->data;
    struct comparison *comparison = calloc(1, sizeof(*comparison));
    const struct portion_terms terms = account_terms(account);

    repairing->comparison = comparison;
    repairing->compared = true; /* not in the pool yet */
    if (comparison && response->status == 200) {
        comparison->body = malloc(response->length + 1);
        comparison->body_length = response->length;
        if (comparison->body)
            memcpy(comparison->body, response->body, response->length + 1);
    }
    if (!comparison || (response->status == 200 && !comparison->body) ||
        comparison_take_terms(comparison, &terms) != 0 || take_wanted(account, comparison) != 0) {
        fail(repairing, "out of memory");
        return;
    }
    comparison->refresh_minutes = DATA_REFRESH_MINUTES;
    comparison->done = compared;
    comparison->arg = repairing;
    comparison->loop_data = data;
    if (comparison_start(data->settings.loop, comparison) != 0) {
        fail(repairing, "out of memory");
        return;
    }
    repairing->compared = false;
    data_working(data, 1);
}

static void listed(void *arg, const struct transfer_response *response)
{
    struct repairing *repairing = arg;
    char why[64];

    repairing->call = NULL;
    if (response->status == 200 || response->status == 404) {
        account_seen(repairing->account, repairing->generation, response->status == 200);
        compare(repairing, response);
    } else if (response->status == 0) {
        fail(repairing, response->failure);
    } else {
        snprintf(why, sizeof(why), "it answers %d to a GET of them", response->status);
        fail(repairing, why);
    }
}

static void left(struct operation *operation, const struct transfer_response *response)
{
    struct repairing *repairing = operation->arg;

    repairing->leaving = NULL;
    if (response->status < 200 || response->status >= 300)
        fail(repairing, "it does not take its deletion");
    else
        finish(repairing);
}

/* ---- Beginning ---- */

static void go_on(struct repairing *repairing);

/* Only what is silent, or has no time, is asked again: who refuses it has it until it expires. */
static void left_former(void *arg, const struct transfer_response *response)
{
    struct repairing *repairing = arg;
    struct account *account = repairing->account;
    const char *former = held_former(account);

    repairing->call = NULL;
    if (response->status == 0 || response->status == 429 || response->status >= 500) {
        fail(repairing, "it does not take the deletion of what is under a former cuid");
        return;
    }
    if (former && response->status >= 300 && response->status != 404)
        log_warning("data-cuid",
                    "%s answers %d to the deletion of what it has under our former cuid %s; it is left to "
                    "expire there",
                    account->upstream->config->name, response->status, former);
    if (former)
        held_drop(account, former);
    go_on(repairing);
}

static void call(struct repairing *repairing, const char *method, const char *cuid, const char *query,
                 void (*done)(void *arg, const struct transfer_response *response))
{
    char *path = path_client(cuid, query);
    const struct restconf_request request = {.method = method,
                                             .path = path,
                                             .cause = repairing->cause,
                                             .answer_max = DATA_LISTING_MAX,
                                             .timeout_ms = DATA_LISTING_TIMEOUT_MS};

    if (path)
        repairing->call = restconf_call(repairing->account->upstream->restconf, &request, done, repairing);
    free(path);
}

/* What is under another cuid goes first (RFC 9132 section 4.4.1.1): the new entries may be too many beside the old. */
static void go_on(struct repairing *repairing)
{
    struct account *account = repairing->account;
    const char *former = held_former(account);

    repairing->generation = account->generation;
    if (former)
        call(repairing, "DELETE", former, "", left_former);
    else if (account->client != 0 && !account_client(account) && account->parts == 0)
        repairing->leaving = operation_start(account, OPERATION_UNREGISTER, path_client(account->cuid, ""), NULL, NULL,
                                             repairing->cause, left, repairing, 0);
    else
        call(repairing, "GET", account->cuid, "?content=all", listed);
    if (!repairing->leaving && !repairing->call)
        fail(repairing, "out of memory");
}

static void begin(struct account *account)
{
    struct repairing *repairing = calloc(1, sizeof(*repairing));

    account->dirty = false;
    if (!repairing || account_name(account) != 0) {
        free(repairing);
        account_dirty(account, DATA_AGAIN_MS);
        return;
    }
    repairing->account = account;
    repairing->serial = account->serial;
    repairing->cause = account->cause;
    account->cause = 0;
    account->repairing = repairing;
    account->upstream->comparing++;
    go_on(repairing);
}

void resync_run(struct data_upstream *upstream)
{
    struct account *account;

    while (upstream->up && upstream->comparing < DATA_COMPARISONS && (account = upstream->to_compare) != NULL) {
        DL_DELETE(upstream->to_compare, account);
        account->queued = false;
        if (account->repairing)
            account_dirty(account, DATA_SOON_MS);
        else
            begin(account);
    }
}

void resync_drop(struct account *account)
{
    if (account->repairing)
        repairing_free(account->repairing);
}
