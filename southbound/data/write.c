/*
 * write: POST, PUT, PATCH and DELETE: in line, validated in a worker, planned, asked upstream, kept, answered.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "southbound/data/data.h"

static void line_next(struct data_line *line, struct data_server *server);
static void write_run(struct data_write *write);

/* ---- Life ---- */

void data_write_free(struct data_write *write)
{
    data_edit_free(&write->edit);
    data_control_free(write);
    free(write->changes);
    south_client_unref(write->owner);
    free(write);
}

/* Out of its line; the next one of the line may go. Does not free it. */
static void leave_line(struct data_write *write)
{
    struct data_line *line = write->line;

    if (!line)
        return;
    DL_DELETE(line->writes, write);
    line->count--;
    write->line = NULL;
    line_next(line, write->server);
}

void data_write_refuse(struct data_write *write, const struct data_fault *fault)
{
    if (write->exchange)
        data_reply_fault(write->server, write->exchange, write->owner, fault);
    write->exchange = NULL;
    data_control_done(write, false);
    leave_line(write);
    data_write_free(write);
}

struct catalog_client *data_client(const struct data_server *server, const struct south_client *owner, const char *cuid)
{
    struct catalog_client *client = catalog_client_find(server->catalog, cuid);

    /* A cdid names a domain whichever trusted gateway it came through (RFC 9132 section 4.4.1.2). */
    if (client &&
        (strcmp(client->owner, owner->config->name) == 0 || (client->cdid[0] && owner->config->supplies_cdid)))
        return client;
    return NULL;
}

/* ---- Line ---- */

static struct data_line *line_of(struct data_server *server, const char *owner)
{
    struct data_line *line;
    size_t length = strlen(owner);

    HASH_FIND_STR(server->lines, owner, line);
    if (line)
        return line;
    line = calloc(1, sizeof(*line) + length + 1);
    if (!line)
        return NULL;
    memcpy(line->owner, owner, length + 1);
    HASH_ADD_KEYPTR(hh, server->lines, line->owner, length, line);
    if (line->hh.tbl)
        return line;
    free(line);
    return NULL;
}

static void line_next(struct data_line *line, struct data_server *server)
{
    if (line->writes) {
        if (!server->closing)
            write_run(line->writes);
        return;
    }
    HASH_DEL(server->lines, line);
    free(line);
}

void data_write_begin(struct data_write *write)
{
    struct data_server *server = write->server;
    struct data_line *line = line_of(server, write->owner->config->name);
    struct data_fault fault;

    if (!line) {
        data_refuse(&fault, 500, "operation-failed", "out of memory");
        data_write_refuse(write, &fault);
    } else if (line->count >= DATA_WRITES_MAX) {
        data_refuse(&fault, 503, "resource-denied", "%u requests of this client wait already", DATA_WRITES_MAX);
        fault.retry_after = 1;
        data_write_refuse(write, &fault);
    } else {
        write->line = line;
        DL_APPEND(line->writes, write);
        if (++line->count == 1)
            write_run(write);
    }
}

/* ---- Validation ---- */

static bool is_base(const struct data_write *write, const struct catalog_entry *entry)
{
    return !write->target.name || (write->target.kind == entry->kind && strcmp(entry->name, write->target.name) == 0);
}

/* The client as a JSON object with what is merged into or edited; put together of the texts that are there, as there
 * may be many. NULL: out of memory. */
static char *base_of(const struct data_write *write, const struct catalog_client *client)
{
    size_t size = 256, at;
    char *text;

    for (int kind = 0; kind < CATALOG_KINDS; kind++) {
        for (const struct catalog_entry *entry = client->entries[kind]; entry; entry = entry->next)
            size += is_base(write, entry) ? entry->json_length + 1 : 0;
    }
    text = malloc(size);
    if (!text)
        return NULL;
    at = (size_t)snprintf(text, size, "{");
    for (int kind = 0; kind < CATALOG_KINDS; kind++) {
        bool any = false;

        at += (size_t)snprintf(text + at, size - at, "%s\"%s\":{\"%s\":[", kind ? "]}," : "",
                               data_set_name((enum catalog_kind)kind), data_list_name((enum catalog_kind)kind));
        for (const struct catalog_entry *entry = client->entries[kind]; entry; entry = entry->next) {
            if (!is_base(write, entry))
                continue;
            if (any)
                text[at++] = ',';
            any = true;
            memcpy(text + at, entry->json, entry->json_length);
            at += entry->json_length;
        }
    }
    snprintf(text + at, size - at, "]}}");
    return text;
}

static bool needs_base(const struct data_write *write)
{
    enum data_level level = write->target.level;

    return level == DATA_LEVEL_INSIDE || (level == DATA_LEVEL_ENTRY && write->method == DATA_POST) ||
           (write->method == DATA_PATCH && level >= DATA_LEVEL_CLIENT);
}

static void work(uv_work_t *request)
{
    struct data_write *write = request->data;

    data_edit_run(&write->edit);
}

static void planned(struct data_write *write);

static void worked(uv_work_t *request, int status);

/* Validates in a worker; base is taken over. 0, or -1. */
static int start_work(struct data_write *write, char *base)
{
    struct data_server *server = write->server;

    data_edit_free(&write->edit);
    write->edit = (struct data_edit){
        .yang = server->yang,
        .method = write->method,
        .target = &write->target,
        .query = &write->query,
        .body = write->request->body ? (const char *)write->request->body : "",
        .body_length = write->request->body_length,
        .base = base,
    };
    write->work.data = write;
    if (uv_queue_work(server->loop, &write->work, work, worked) != 0)
        return -1;
    write->working = true;
    server->working++;
    return 0;
}

/* A patch of the whole tree: whose client it is about is known only now, and what it is merged into. */
static bool patch_again(struct data_write *write)
{
    const struct catalog_client *client;
    char *base;

    if (write->method != DATA_PATCH || write->target.cuid || !write->edit.cuid)
        return false;
    client = data_client(write->server, write->owner, write->edit.cuid);
    base = client ? base_of(write, client) : NULL;
    if (!base)
        return false;
    snprintf(write->cuid_text, sizeof(write->cuid_text), "%s", client->cuid);
    write->target.cuid = write->cuid_text;
    return start_work(write, base) == 0;
}

static void worked(uv_work_t *request, int status)
{
    struct data_write *write = request->data;
    struct data_fault fault;

    (void)status;
    write->working = false;
    write->server->working--;
    if (write->server->closing) {
        struct data_server *server = write->server;

        if (write->exchange)
            data_drop(write->exchange);
        leave_line(write);
        data_write_free(write);
        data_part_closed(server);
        return;
    }
    if (write->edit.fault.status == 0 && patch_again(write))
        return;
    if (write->edit.fault.status != 0) {
        fault = write->edit.fault;
        data_write_refuse(write, &fault);
        return;
    }
    planned(write);
}

static void write_run(struct data_write *write)
{
    struct data_server *server = write->server;
    const struct catalog_client *client;
    struct data_fault fault;
    char *base;

    if ((write->acls ? data_control_prepare(write, &fault) : data_check(write, &fault)) != 0) {
        data_write_refuse(write, &fault);
        return;
    }
    if (write->acls) {
        planned(write);
        return;
    }
    if (write->method == DATA_DELETE && write->target.level != DATA_LEVEL_INSIDE) {
        planned(write);
        return;
    }
    client = write->target.cuid ? data_client(server, write->owner, write->target.cuid) : NULL;
    base = client && needs_base(write) ? base_of(write, client) : NULL;
    if ((client && needs_base(write) && !base) || start_work(write, base) != 0) {
        data_refuse(&fault, 500, "operation-failed", "out of memory");
        data_write_refuse(write, &fault);
    }
}

/* ---- Decision ---- */

static void refuse_upstream(struct data_write *write, const struct catalog_verdict *verdict)
{
    struct data_fault fault;

    data_refuse(&fault, (unsigned)verdict->status,
                verdict->error_tag ? verdict->error_tag : data_tag_of((unsigned)verdict->status), "%s",
                verdict->message ? verdict->message : "refused upstream");
    fault.app_tag = verdict->app_tag;
    fault.transport = verdict->via != NULL;
    fault.retry_after = verdict->retry_after > 0 ? verdict->retry_after : 0;
    snprintf(fault.via, sizeof(fault.via), "%s", verdict->via ? verdict->via : "");
    data_write_refuse(write, &fault);
}

static void decided(void *arg, const struct catalog_verdict *verdict)
{
    struct data_write *write = arg;
    struct data_server *server = write->server;
    struct data_fault fault;

    write->asked = false;
    if (verdict->status < 200 || verdict->status > 299) {
        refuse_upstream(write, verdict);
        return;
    }
    if (data_keep(write) != 0) {
        log_error("out-of-memory", LOG_REQUEST " client %s: its write on the data channel was not kept", write->number,
                  write->owner->config->name);
        data_refuse(&fault, 500, "operation-failed", "out of memory");
        data_write_refuse(write, &fault);
        return;
    }
    if (server->upstream && server->upstream->kept)
        server->upstream->kept(server->upstream->arg, &write->upstream);
    write->sequence = store_submit(server->store);
    leave_line(write);
    DL_APPEND(server->storing, write);
    data_arm(server);
    if (write->sequence <= store_committed(server->store)) /* nothing had to be written */
        data_write_committed(server, store_committed(server->store));
}

static void planned(struct data_write *write)
{
    static const struct catalog_verdict taken = {.status = 200, .retry_after = -1};
    struct data_server *server = write->server;
    struct data_fault fault;

    /* There may have been a reload meanwhile. */
    if (write->owner->gone ? data_refuse(&fault, 401, "access-denied", "this client is not configured here any more")
                           : data_plan(write, &fault)) {
        data_write_refuse(write, &fault);
        return;
    }
    if (!server->upstream) {
        decided(write, &taken);
        return;
    }
    write->asked = true;
    server->upstream->ask(server->upstream->arg, &write->upstream, decided, write);
}

/* ---- Answer ---- */

static void answer(struct data_write *write)
{
    struct http_header headers[DATA_TAG_HEADERS + 1];
    struct data_tag tag;
    char location[sizeof(write->location) + 300];
    size_t count = 1;

    headers[0] = (struct http_header){"Cache-Control", "no-cache"};
    if (write->stamp)
        count = data_tag_headers(write->stamp, write->modified_ms, &tag, headers);
    if (write->location[0]) {
        snprintf(location, sizeof(location), "https://%.255s" DATA_API_ROOT "/data%s", write->request->authority,
                 write->location);
        headers[count++] = (struct http_header){"Location", location};
    }
    data_respond(write->exchange, write->status, headers, count, NULL, 0);
    write->exchange = NULL;
}

void data_write_committed(struct data_server *server, uint64_t sequence)
{
    while (server->storing && server->storing->sequence <= sequence) {
        struct data_write *write = server->storing;

        DL_DELETE(server->storing, write);
        if (write->exchange)
            answer(write);
        data_control_done(write, true);
        data_write_free(write);
    }
}

/* ---- Closing ---- */

static void drop_exchange(struct data_write *write)
{
    if (write->exchange)
        data_drop(write->exchange);
    write->exchange = NULL;
}

static void drop_line(struct data_server *server, struct data_line *line)
{
    struct data_write *write, *next;

    for (write = line->writes; write && line->writes; write = next) { /* the second for the analyzer */
        next = write->next;
        if (write->working) {
            /* The worker still reads the body: the exchange is dropped when it is done. */
            uv_cancel((uv_req_t *)&write->work);
            continue;
        }
        drop_exchange(write);
        if (write->asked)
            server->upstream->cancel(server->upstream->arg, &write->upstream);
        DL_DELETE(line->writes, write);
        line->count--;
        data_write_free(write);
    }
    if (!line->writes) {
        HASH_DEL(server->lines, line);
        free(line);
    }
}

void data_writes_drop(struct data_server *server)
{
    struct data_line *line, *next;

    HASH_ITER(hh, server->lines, line, next)
    {
        drop_line(server, line);
    }
    while (server->storing) {
        struct data_write *write = server->storing;

        DL_DELETE(server->storing, write);
        drop_exchange(write);
        data_write_free(write);
    }
}
