/* body: pieces of a response. */

#include "southbound/data/body.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "southbound/data/view.h"

#define LIFETIME_ROOM 40 /* ,"pending-lifetime":N} */

struct piece {
    char *text;                  /* NULL: an entry */
    struct catalog_entry *entry; /* a reference */
    unsigned field, depth;
    bool all, comma;
};

struct data_body {
    struct data_query query;
    int64_t now;
    struct piece *pieces;
    size_t count, room;
    /* while it is sent */
    size_t next; /* piece */
    char *text;  /* of the piece before it, as it is sent */
    size_t length, sent;
};

struct data_body *data_body_new(const struct data_query *query, int64_t now)
{
    struct data_body *body = calloc(1, sizeof(*body));

    if (!body)
        return NULL;
    body->now = now;
    body->query = *query;
    /* Names point into the text of the query that was copied from. */
    for (size_t i = 0; i < body->query.field_count; i++) {
        if (query->fields[i].name)
            body->query.fields[i].name = body->query.text + (query->fields[i].name - query->text);
    }
    return body;
}

void data_body_free(struct data_body *body)
{
    if (!body)
        return;
    for (size_t i = 0; i < body->count; i++) {
        free(body->pieces[i].text);
        catalog_entry_unref(body->pieces[i].entry);
    }
    free(body->pieces);
    free(body->text);
    free(body);
}

static struct piece *append(struct data_body *body)
{
    if (body->count == body->room) {
        size_t room = body->room ? 2 * body->room : 16;
        struct piece *pieces = realloc(body->pieces, room * sizeof(*pieces));

        if (!pieces)
            return NULL;
        body->pieces = pieces;
        body->room = room;
    }
    body->pieces[body->count] = (struct piece){0};
    return &body->pieces[body->count++];
}

int data_body_text(struct data_body *body, const char *text)
{
    struct piece *piece = append(body);

    if (piece)
        piece->text = strdup(text);
    return piece && piece->text ? 0 : -1;
}

int data_body_entry(struct data_body *body, struct catalog_entry *entry, unsigned field, bool all, unsigned depth)
{
    struct piece *piece = append(body);

    if (!piece)
        return -1;
    piece->entry = catalog_entry_ref(entry);
    piece->field = field;
    piece->all = all;
    piece->depth = depth;
    return 0;
}

int data_body_entries(struct data_body *body, const struct catalog_client *client, enum catalog_kind kind,
                      unsigned field, bool all, unsigned depth)
{
    for (struct catalog_entry *entry = client->entries[kind]; entry; entry = entry->next) {
        if (data_body_entry(body, entry, field, all, depth) != 0)
            return -1;
        body->pieces[body->count - 1].comma = entry->next != NULL;
    }
    return 0;
}

/* ---- One entry ---- */

/* Minutes; RFC 8783 has no word for what is over, and it goes in a moment. */
static int64_t pending(const struct catalog_entry *entry, int64_t now)
{
    int64_t minutes = entry->expires_ms > now ? (entry->expires_ms - now + 59999) / 60000 : 0;

    return minutes < INT32_MAX ? minutes : INT32_MAX;
}

/* ---- What an ACL matched ---- */

static void add_counter(json_t *sums, const json_t *counted, const char *name)
{
    const char *more = json_string_value(json_object_get(counted, name));
    const char *before = json_string_value(json_object_get(sums, name));
    char text[24];

    if (!more)
        return;
    /* A counter64 wraps (RFC 6991). */
    snprintf(text, sizeof(text), "%llu", strtoull(more, NULL, 10) + (before ? strtoull(before, NULL, 10) : 0));
    json_object_set_new(sums, name, json_string(text));
}

/* What all who count say of one entry; NULL: nothing is known. */
static json_t *sums_of(const json_t *sources, const char *ace)
{
    json_t *sums = json_object(), *source;
    size_t i;

    json_array_foreach(sources, i, source)
    {
        const json_t *counted = json_object_get(source, ace);

        add_counter(sums, counted, "matched-packets");
        add_counter(sums, counted, "matched-octets");
    }
    if (json_object_size(sums) > 0)
        return sums;
    json_decref(sums);
    return NULL;
}

/* RFC 8783 section 4.3: 'statistics' of each entry. */
static void add_statistics(json_t *value, const struct catalog_entry *entry)
{
    json_t *sources = json_array(), *aces = json_object_get(json_object_get(value, "aces"), "ace"), *ace;
    size_t i;

    for (const struct catalog_counts *counts = entry->counts; counts; counts = counts->next)
        json_array_append_new(sources, json_loads(counts->json, 0, NULL));
    json_array_foreach(aces, i, ace)
    {
        const char *name = json_string_value(json_object_get(ace, "name"));
        json_t *sums = name ? sums_of(sources, name) : NULL;

        if (sums)
            json_object_set_new(ace, "statistics", sums);
    }
    json_decref(sources);
}

/* Names of entries of an ACL: what its state hangs on (RFC 8783 figure 31). */
static json_t *aces_of(const json_t *value)
{
    json_t *names = json_array(), *ace;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(value, "aces"), "ace"), i, ace)
    {
        json_array_append_new(names, json_pack("{s:O}", "name", json_object_get(ace, "name")));
    }
    return names;
}

json_t *data_entry_json(const struct catalog_entry *entry, enum data_content content, int64_t now)
{
    json_t *value = json_loadb(entry->json, entry->json_length, 0, NULL), *state;

    if (!value || content == DATA_CONTENT_CONFIG)
        return value;
    if (content == DATA_CONTENT_ALL) {
        json_object_set_new(value, "pending-lifetime", json_integer(pending(entry, now)));
        if (entry->counts)
            add_statistics(value, entry);
        return value;
    }
    state = json_pack("{s:O, s:I}", "name", json_object_get(value, "name"), "pending-lifetime",
                      (json_int_t)pending(entry, now));
    if (entry->kind == CATALOG_ACL && json_object_get(value, "aces"))
        json_object_set_new(state, "aces", json_pack("{s:o}", "ace", aces_of(value)));
    json_decref(value);
    if (state && entry->counts)
        add_statistics(state, entry);
    return state;
}

/* The usual case: the text that is kept, and the lifetime before its last bracket. */
static char *whole_text(const struct catalog_entry *entry, enum data_content content, int64_t now, size_t *length)
{
    char *text = malloc(entry->json_length + LIFETIME_ROOM);

    if (!text)
        return NULL;
    memcpy(text, entry->json, entry->json_length);
    *length = entry->json_length;
    if (content == DATA_CONTENT_ALL)
        *length += (size_t)snprintf(text + *length - 1, LIFETIME_ROOM, ",\"pending-lifetime\":%" PRId64 "}",
                                    pending(entry, now)) -
                   1;
    return text;
}

static char *cut_text(const struct data_body *body, const struct piece *piece, size_t *length)
{
    static const struct data_query whole = {0};
    json_t *value = data_entry_json(piece->entry, body->query.content, body->now);
    const char *list = piece->entry->kind == CATALOG_ALIAS ? "alias" : "acl";
    char *text;

    data_view(value, list, piece->all ? &whole : &body->query, piece->field, piece->depth);
    text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    *length = text ? strlen(text) : 0;
    return text;
}

/* Makes the text of a piece, with its comma, into body->text. */
static int render(struct data_body *body, struct piece *piece)
{
    free(body->text);
    body->text = NULL;
    body->sent = 0;
    if (piece->text) {
        body->text = piece->text;
        piece->text = NULL;
        body->length = strlen(body->text);
        return 0;
    }
    if (piece->all && piece->depth == 0 &&
        (body->query.content == DATA_CONTENT_CONFIG ||
         (body->query.content == DATA_CONTENT_ALL && !piece->entry->counts)))
        body->text = whole_text(piece->entry, body->query.content, body->now, &body->length);
    else
        body->text = cut_text(body, piece, &body->length);
    catalog_entry_unref(piece->entry);
    piece->entry = NULL;
    if (body->text && piece->comma) {
        char *text = realloc(body->text, body->length + 2);

        if (!text)
            return -1;
        body->text = text;
        body->text[body->length++] = ',';
    }
    return body->text ? 0 : -1;
}

static ssize_t read_body(void *arg, uint8_t *to, size_t size)
{
    struct data_body *body = arg;
    size_t filled = 0;

    while (filled < size) {
        size_t part = body->text ? body->length - body->sent : 0;

        if (part == 0) {
            if (body->next == body->count)
                break;
            if (render(body, &body->pieces[body->next++]) != 0)
                return -1;
            continue;
        }
        part = part < size - filled ? part : size - filled;
        memcpy(to + filled, body->text + body->sent, part);
        body->sent += part;
        filled += part;
    }
    return (ssize_t)filled;
}

static void release(void *arg)
{
    data_body_free(arg);
}

struct http_source data_body_source(struct data_body *body)
{
    return (struct http_source){.read = read_body, .release = release, .arg = body};
}
