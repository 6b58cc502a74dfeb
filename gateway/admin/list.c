/* list: long lists, whole or by the page, one item after the other, made while they are sent. */

#include <stdlib.h>
#include <string.h>

#include "gateway/admin/state.h"

#define LOOKED_AT 256 /* items that are passed over in one piece */

struct list {
    struct admin *admin;
    json_t *(*next)(struct list *list, bool *end); /* NULL and not end: passed over */
    void (*end_walk)(struct list *list);
    void *walk;
    char *client; /* only its own; NULL: all */
    char *piece;  /* that is being sent */
    size_t at, length;
    size_t skip, left; /* of a page: items before it, and of it; left SIZE_MAX: all */
    bool begun, ended, failed;
};

/* Does one that could be shown belong to a page before? */
static bool passed(struct list *list)
{
    if (list->skip == 0)
        return false;
    list->skip--;
    return true;
}

static json_t *next_mitigation(struct list *list, bool *end)
{
    const struct mitigation *mitigation = relay_walk_mitigation(list->walk);
    json_t *item;

    *end = mitigation == NULL;
    if (*end || (list->client && strcmp(mitigation_requester(mitigation)->client, list->client) != 0))
        return NULL;
    item = view_mitigation(mitigation, list->admin->settings.now());
    list->failed = item == NULL;
    return item;
}

static json_t *next_bundle(struct list *list, bool *end)
{
    const struct install *install = relay_walk_install(list->walk);
    json_t *item;

    *end = install == NULL;
    if (*end)
        return NULL;
    item = view_bundle(list->admin->settings.relay, install);
    list->failed = item == NULL;
    return item;
}

static json_t *next_attack(struct list *list, bool *end)
{
    const struct admin_settings *settings = &list->admin->settings;
    const struct install *install = relay_walk_install(list->walk);
    json_t *item;

    *end = install == NULL;
    if (*end || !overview_mitigates(settings->relay, install) || passed(list))
        return NULL;
    item = overview_attack(settings->relay, install, settings->now());
    list->failed = item == NULL;
    return item;
}

static json_t *next_session(struct list *list, bool *end)
{
    struct admin_session session;
    json_t *item;

    *end = !list->admin->settings.sources->sessions_next(list->walk, &session);
    if (*end || (list->client && (!session.client || strcmp(session.client, list->client) != 0)) || passed(list))
        return NULL;
    item = view_session(&session);
    list->failed = item == NULL;
    return item;
}

/* The next index is all there is to the walk: when a reload comes meanwhile, it goes on in the new configuration. */
static json_t *next_client(struct list *list, bool *end)
{
    const struct admin_settings *settings = &list->admin->settings;
    const struct config_client *client;
    size_t *index = list->walk;
    json_t *item;

    *end = *index >= settings->config->client_count;
    if (*end)
        return NULL;
    client = &settings->config->clients[(*index)++];
    item = view_client(client, settings->actions->redirected(settings->arg, client->name));
    list->failed = item == NULL;
    return item;
}

static void end_clients(struct list *list)
{
    free(list->walk);
}

static void end_relay_walk(struct list *list)
{
    relay_walk_end(list->walk);
}

static void end_sessions(struct list *list)
{
    list->admin->settings.sources->sessions_end(list->walk);
}

/* Takes text. */
static void set_piece(struct list *list, char *text)
{
    free(list->piece);
    list->piece = text;
    list->at = 0;
    list->length = text ? strlen(text) : 0;
    list->failed = list->failed || !text;
}

static char *item_text(struct list *list, json_t *item)
{
    char *text = json_dumps(item, JSON_COMPACT), *whole = NULL;

    if (text && asprintf(&whole, "%s\n%s", list->begun ? "," : "", text) < 0)
        whole = NULL;
    list->begun = list->begun || whole;
    free(text);
    json_decref(item);
    return whole;
}

static void make_piece(struct list *list)
{
    for (int i = 0; i < LOOKED_AT; i++) {
        json_t *item = list->next(list, &list->ended);

        if (list->ended) {
            set_piece(list, strdup(list->left == SIZE_MAX ? "\n]}\n" : "\n], \"more\": false}\n"));
        } else if (item && list->left == 0) {
            json_decref(item);
            list->ended = true;
            set_piece(list, strdup("\n], \"more\": true}\n"));
        } else if (item) {
            list->left -= list->left != SIZE_MAX;
            set_piece(list, item_text(list, item));
        }
        if (list->ended || item || list->failed)
            return;
    }
    set_piece(list, strdup(" ")); /* white space: the loop goes on meanwhile */
}

static ssize_t list_read(void *arg, uint8_t *to, size_t size)
{
    struct list *list = arg;
    size_t part;

    if (list->at == list->length && !list->ended)
        make_piece(list);
    if (list->failed)
        return -1;
    part = list->length - list->at < size ? list->length - list->at : size;
    memcpy(to, list->piece + list->at, part);
    list->at += part;
    return (ssize_t)part;
}

static void list_release(void *arg)
{
    struct list *list = arg;

    list->end_walk(list);
    free(list->piece);
    free(list->client);
    free(list);
}

/* from.left 0: all of it. */
static void respond(struct call *call, struct list from, const char *head)
{
    static const struct http_header header[] = {{"content-type", "application/json"},
                                                {"cache-control", "no-store"},
                                                {"x-content-type-options", "nosniff"},
                                                {"cross-origin-resource-policy", "same-origin"}};
    struct list *list = from.walk ? malloc(sizeof(*list)) : NULL;
    struct http_source source = {.read = list_read, .release = list_release, .arg = list};

    from.admin = call->admin;
    from.skip = call->from;
    if (from.left == 0)
        from.left = SIZE_MAX;
    if (!list) {
        if (from.walk)
            from.end_walk(&from);
        reply_error(call->exchange, 503, "out of memory");
        return;
    }
    *list = from;
    list->client = call->client ? strdup(call->client) : NULL;
    list->failed = call->client && !list->client;
    set_piece(list, strdup(head));
    http_respond_source(call->exchange, 200, header, 4, &source);
}

void list_mitigations(struct call *call)
{
    respond(call,
            (struct list){.next = next_mitigation,
                          .end_walk = end_relay_walk,
                          .walk = relay_walk_begin(call->admin->settings.relay)},
            "{\"mitigations\": [");
}

void list_bundles(struct call *call)
{
    respond(call,
            (struct list){
                .next = next_bundle, .end_walk = end_relay_walk, .walk = relay_walk_begin(call->admin->settings.relay)},
            "{\"bundles\": [");
}

void list_sessions(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;

    respond(call,
            (struct list){.next = next_session,
                          .end_walk = end_sessions,
                          .walk = settings->sources->sessions_begin(settings->arg)},
            "{\"sessions\": [");
}

void list_attacks(struct call *call)
{
    respond(call,
            (struct list){.next = next_attack,
                          .end_walk = end_relay_walk,
                          .walk = relay_walk_begin(call->admin->settings.relay),
                          .left = ADMIN_ROWS},
            "{\"mitigations\": [");
}

void list_some_sessions(struct call *call)
{
    const struct admin_settings *settings = &call->admin->settings;

    respond(call,
            (struct list){.next = next_session,
                          .end_walk = end_sessions,
                          .walk = settings->sources->sessions_begin(settings->arg),
                          .left = ADMIN_ROWS},
            "{\"sessions\": [");
}

void list_clients(struct call *call)
{
    respond(call, (struct list){.next = next_client, .end_walk = end_clients, .walk = calloc(1, sizeof(size_t))},
            "{\"clients\": [");
}
