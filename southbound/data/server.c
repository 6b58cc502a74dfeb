/* server: requests from HTTP to reads and writes; opening, loading, closing. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "southbound/data/data.h"

#define REAPED 200                    /* entries in one turn of the loop: some 100 us */
#define GRACE_MS 2000                 /* for exchanges under way, when closing */
#define BODY_MAX ((size_t)256 * 1024) /* some thousand aliases: what the loop does with them is a few milliseconds */

/* ---- Time ---- */

int64_t data_expiry(const struct data_server *server)
{
    return server->now() + (int64_t)server->config->data_lifetime * 1000;
}

static void due(uv_timer_t *timer)
{
    struct data_server *server = timer->data;

    data_expire(server);
    data_arm(server);
}

void data_arm(struct data_server *server)
{
    int64_t next = catalog_next(server->catalog), now = server->now();

    if (server->closing)
        return;
    if (next == INT64_MAX)
        uv_timer_stop(&server->timer);
    else
        uv_timer_start(&server->timer, due, next > now ? (uint64_t)(next - now) : 0, 0);
}

/* Thousands of entries at once would take the loop from the signal channel. */
static void reap(uv_timer_t *timer)
{
    struct data_server *server = timer->data;

    if (!catalog_reap(server->catalog, REAPED))
        uv_timer_stop(timer);
}

void data_reap(struct data_server *server)
{
    if (!server->closing && catalog_reap(server->catalog, 0))
        uv_timer_start(&server->reaper, reap, 1, 1);
}

/* ---- Requests ---- */

static const char allow_read[] = "GET, HEAD, OPTIONS";
static const char allow_all[] = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

static void reply_options(struct http_exchange *exchange, bool writable)
{
    struct http_header headers[] = {
        {"Allow", writable ? allow_all : allow_read}, {"Cache-Control", "no-cache"}, {"Accept-Patch", DATA_JSON}};

    data_respond(exchange, 200, headers, writable ? 3 : 2, NULL, 0);
}

/* Media types of a list; parameters are passed over, and so is "q=0". */
static bool accepts(const char *accept, const char *type)
{
    size_t length = strlen(type);

    if (!accept)
        return true;
    for (const char *at = accept; *at;) {
        at += strspn(at, " \t,");
        if (strncmp(at, "*/*", 3) == 0 || strncmp(at, "application/*", 13) == 0 ||
            (strncasecmp(at, type, length) == 0 && strchr(",; \t", at[length])))
            return true;
        at += strcspn(at, ",");
    }
    return false;
}

static bool is_type(const char *value, const char *type)
{
    size_t length = strlen(type);

    return value && strncasecmp(value, type, length) == 0 && strchr("; \t", value[length]) != NULL;
}

static enum data_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum data_method method;
    } methods[] = {{"POST", DATA_POST}, {"PUT", DATA_PUT}, {"PATCH", DATA_PATCH}, {"DELETE", DATA_DELETE}};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    }
    return DATA_GET; /* and HEAD */
}

/* All fields as one. What does not fit is cut off, and that is as good as a loop upstream. */
static void gather_via(struct data_write *write)
{
    size_t length = 0;

    for (size_t i = 0; i < write->request->header_count; i++) {
        const struct http_header *header = &write->request->headers[i];

        if (strcmp(header->name, "via") == 0 && length < VIA_MAX)
            length += (size_t)snprintf(write->via + length, sizeof(write->via) - length, "%s%s", length ? ", " : "",
                                       header->value);
    }
}

/* Neither a loop (RFC 8783 section 3.4), nor XML. */
static int check_headers(struct data_write *write, struct data_fault *fault)
{
    const struct http_request *request = write->request;
    enum data_method method = write->method;

    gather_via(write);
    if (via_has(write->via, write->server->config->gateway.name)) {
        data_refuse(fault, 508, "operation-failed",
                    "An infinite loop has been detected when forwarding a requests via a proxy.");
        fault->app_tag = "loop-detected";
        fault->transport = true;
        snprintf(fault->via, sizeof(fault->via), "%.250s", write->via);
        return -1;
    }
    if (!accepts(http_header_find(request, "accept"), DATA_JSON))
        return data_refuse(fault, 406, "invalid-value", "there is " DATA_JSON " only");
    if ((method == DATA_POST || method == DATA_PUT || method == DATA_PATCH) &&
        !is_type(http_header_find(request, "content-type"), DATA_JSON))
        return data_refuse(fault, 415, "invalid-value", "Content-Type: must be " DATA_JSON);
    return 0;
}

/* What is not the datastore. True: answered. */
static bool answer_root(struct data_server *server, struct http_exchange *exchange, const struct http_request *request,
                        const struct data_path *path, enum data_method method)
{
    const char *accept = http_header_find(request, "accept");
    struct data_fault fault;
    json_t *value;
    char *text;

    if (path->root == DATA_ROOT_DATASTORE)
        return false;
    if (strcmp(request->method, "OPTIONS") == 0) {
        reply_options(exchange, false);
    } else if (method != DATA_GET) {
        data_refuse(&fault, 405, "operation-not-supported", "this resource is read-only");
        data_reply_fault(server, exchange, NULL, &fault);
    } else if (path->root == DATA_ROOT_HOST_META) {
        data_reply_text(exchange, 200, "application/xrd+xml", data_host_meta);
    } else if (path->step_count > 0 || !accepts(accept, DATA_JSON)) {
        data_refuse(&fault, path->step_count > 0 ? 404 : 406, "invalid-value",
                    path->step_count > 0 ? "there are no operations here" : "there is " DATA_JSON " only");
        data_reply_fault(server, exchange, NULL, &fault);
    } else {
        value = data_state(server, path->root);
        text = value ? json_dumps(value, JSON_COMPACT) : NULL;
        data_reply_text(exchange, text ? 200 : 500, DATA_JSON, text ? text : "");
        free(text);
        json_decref(value);
    }
    return true;
}

static void answer_read(struct data_server *server, struct http_exchange *exchange, const struct http_request *request,
                        struct data_write *write)
{
    struct data_read *read = calloc(1, sizeof(*read));
    struct data_fault fault;

    if (!read) {
        data_refuse(&fault, 500, "operation-failed", "out of memory");
    } else {
        read->server = server;
        read->exchange = exchange;
        read->request = request;
        read->owner = write->owner;
        south_client_ref(read->owner);
        if (data_path_parse(request->path, &read->path, &fault) == 0 &&
            data_query_parse(request->query, &read->query, &fault) == 0 &&
            data_target_find(server->yang, &read->path, &read->target, &fault) == 0) {
            if (strcmp(request->method, "OPTIONS") == 0)
                reply_options(exchange, read->target.level != DATA_LEVEL_STATE);
            else if (data_get(read))
                return;
            data_read_free(read);
            return;
        }
        data_read_free(read);
    }
    data_reply_fault(server, exchange, write->owner, &fault);
}

/* The peer's configured client; NULL with a fault. */
static struct south_client *identify(struct data_server *server, const struct http_request *request, char hash[23],
                                     struct data_fault *fault)
{
    struct dots_identity *identity =
        request->peer->certificate ? dots_identity_of_certificate(request->peer->certificate) : NULL;
    struct south_client *owner = identity ? south_clients_match(server->owners, identity) : NULL;

    if (!owner)
        data_refuse(fault, 401, "access-denied", "the certificate is that of no configured client");
    else
        memcpy(hash, identity->hash, 23);
    dots_identity_free(identity);
    if (owner && !south_bucket_take(&owner->requests, owner->config->limits.data_requests_per_second, server->now())) {
        data_refuse(fault, 429, "resource-denied", "this client may make %u requests a second",
                    owner->config->limits.data_requests_per_second);
        fault->retry_after = 1;
        return NULL;
    }
    return owner;
}

static int prepare(struct data_write *write, struct data_fault *fault)
{
    struct data_server *server = write->server;
    const struct http_request *request = write->request;

    write->owner = identify(server, request, write->hash, fault);
    if (!write->owner)
        return -1;
    south_client_ref(write->owner);
    write->method = method_of(request->method);
    return data_path_parse(request->path, &write->path, fault);
}

static void on_request(void *arg, struct http_exchange *exchange, const struct http_request *request)
{
    struct data_server *server = arg;
    struct data_write *write = calloc(1, sizeof(*write));
    struct data_fault fault;
    bool good;

    if (!data_request_begin(server, exchange, request)) {
        free(write);
        http_drop(exchange);
        return;
    }
    if (!write) {
        data_drop(exchange);
        return;
    }
    *write = (struct data_write){
        .server = server, .exchange = exchange, .request = request, .number = data_request_number(exchange)};
    good = prepare(write, &fault) == 0;
    data_request_log(exchange, request, write->owner, good ? &write->path : NULL);
    if (!good) {
        data_write_refuse(write, &fault);
        return;
    }
    if (answer_root(server, exchange, request, &write->path, write->method)) {
        write->exchange = NULL;
    } else if (check_headers(write, &fault) != 0) {
        data_write_refuse(write, &fault);
        return;
    } else if (write->method == DATA_GET) {
        answer_read(server, exchange, request, write);
        write->exchange = NULL;
    } else {
        if (data_query_parse(request->query, &write->query, &fault) != 0 ||
            data_target_find(server->yang, &write->path, &write->target, &fault) != 0)
            data_write_refuse(write, &fault);
        else
            data_write_begin(write);
        return;
    }
    data_write_free(write);
}

static size_t on_body_max(void *arg, const struct http_request *request)
{
    (void)arg;
    return method_of(request->method) == DATA_GET ? 0 : BODY_MAX;
}

/* RFC 8040 section 7.1 */
static size_t on_refusal(void *arg, unsigned status, const char *text, char *body, size_t size, const char **type)
{
    struct data_fault fault;
    char *json;
    size_t length;

    (void)arg;
    data_refuse(&fault, status, data_tag_of(status), "%s", text);
    fault.transport = true;
    json = data_fault_body(&fault);
    length = json ? strlen(json) : 0;
    *type = DATA_JSON;
    if (length > size)
        length = 0;
    if (length > 0)
        memcpy(body, json, length);
    free(json);
    return length;
}

static const struct http_handlers handlers = {.request = on_request, .body_max = on_body_max, .refusal = on_refusal};

/* ---- Opening ---- */

static bool has_listener(const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].channel == CONFIG_CHANNEL_DATA)
            return true;
    }
    return false;
}

static int open_http(struct data_server *server, char *error, size_t error_size)
{
    const struct config *config = server->config;
    struct http_settings settings = {
        .name = "data channel",
        .tls = data_tls(config),
        .limits = {.connections = config->limits.data_connections, .body_bytes = BODY_MAX},
    };

    server->http = http_open(server->loop, &settings, &handlers, server, error, error_size);
    if (!server->http)
        return -1;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (listener->channel == CONFIG_CHANNEL_DATA &&
            http_listen_tcp(server->http, listener->address, listener->port, error, error_size) < 0)
            return -1;
    }
    return 0;
}

struct data_server *data_open(uv_loop_t *loop, const struct config *config, struct relay *relay, struct store *store,
                              struct catalog *catalog, const struct catalog_upstream *upstream, int64_t (*now)(void),
                              char *error, size_t error_size)
{
    struct data_server *server = calloc(1, sizeof(*server));

    snprintf(error, error_size, "out of memory");
    if (!server)
        return NULL;
    *server = (struct data_server){.loop = loop,
                                   .config = config,
                                   .relay = relay,
                                   .store = store,
                                   .catalog = catalog,
                                   .upstream = upstream,
                                   .now = now};
    uv_timer_init(loop, &server->timer);
    uv_timer_init(loop, &server->reaper);
    uv_timer_init(loop, &server->patience);
    server->timer.data = server->reaper.data = server->patience.data = server;
    server->record = malloc(STORE_VALUE_MAX);
    server->owners = south_clients_new(config);
    if (!server->record || !server->owners)
        goto fail;
    server->yang = yang_open(error, error_size);
    if (!server->yang || (has_listener(config) && open_http(server, error, error_size) != 0))
        goto fail;
    return server;
fail:
    data_close(server, NULL, NULL);
    return NULL;
}

void data_on_change(struct data_server *server, void (*changed)(void *arg, const char *cuid), void *arg)
{
    server->changed = changed;
    server->changed_arg = arg;
}

const struct http_counters *data_http_counters(const struct data_server *server)
{
    return server->http ? http_counters(server->http) : NULL;
}

/* ---- Loading ---- */

static int load_entry(struct data_server *server, enum catalog_kind kind, const char *key, size_t key_length,
                      const uint8_t *value, size_t length)
{
    struct catalog_entry_values values, taken;
    struct catalog_client *client;
    struct catalog_entry *entry = NULL;
    struct data_item item = {0};
    struct data_fault fault;
    char name[CATALOG_NAME_MAX + 1];
    json_t *json;
    int result = -1;

    if (catalog_entry_decode(server->catalog, kind, key, key_length, value, length, &client, &values, name) != 0)
        return -1;
    json = json_loadb(values.json, values.json_length, 0, NULL);
    if (json && data_item_take(kind, json, &item, &fault) == 0) {
        taken = data_item_values(&item, values.expires_ms);
        taken.id = values.id;
        taken.order = values.order;
        entry = catalog_entry_new(server->catalog, &taken);
    }
    if (entry && catalog_entry_put(server->catalog, client, entry, CATALOG_KEEP, NULL) == 0)
        result = 0;
    else
        catalog_entry_unref(entry);
    data_item_free(&item);
    json_decref(json);
    return result;
}

int data_load(struct data_server *server, enum store_table table, const char *key, size_t key_length,
              const uint8_t *value, size_t value_length, char *error, size_t error_size)
{
    int result = table == STORE_DATA_CLIENT ? catalog_client_load(server->catalog, key, key_length, value, value_length)
                                            : load_entry(server, table == STORE_ALIAS ? CATALOG_ALIAS : CATALOG_ACL,
                                                         key, key_length, value, value_length);

    if (result != 0)
        snprintf(error, error_size,
                 "record \"%.*s\" of table %d of the store (data channel) cannot be understood: restore a copy of the "
                 "store, or remove the record",
                 (int)key_length, key, (int)table);
    return result;
}

void data_start(struct data_server *server)
{
    data_arm(server);
}

void data_committed(struct data_server *server, uint64_t sequence)
{
    data_write_committed(server, sequence);
}

/* ---- Closing ---- */

void data_part_closed(struct data_server *server)
{
    if (server->handles > 0 || server->working > 0)
        return;
    yang_close(server->yang);
    south_clients_free(server->owners);
    free(server->record);
    if (server->on_closed)
        server->on_closed(server->on_closed_arg);
    free(server);
}

static void on_http_closed(void *arg)
{
    struct data_server *server = arg;

    server->handles--;
    data_part_closed(server);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct data_server *server = handle->data;

    server->handles--;
    data_part_closed(server);
}

void data_close(struct data_server *server, void (*on_closed)(void *arg), void *arg)
{
    server->on_closed = on_closed;
    server->on_closed_arg = arg;
    server->closing = true;
    data_writes_drop(server);
    data_reads_drop(server);
    server->handles = 3;
    if (server->http) {
        server->handles++;
        http_close(server->http, GRACE_MS, on_http_closed, server);
    }
    uv_close((uv_handle_t *)&server->timer, on_timer_closed);
    uv_close((uv_handle_t *)&server->reaper, on_timer_closed);
    uv_close((uv_handle_t *)&server->patience, on_timer_closed);
}
