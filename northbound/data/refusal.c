/* refusal: the first error of a body, member by member, bounded and translated. */
#include "northbound/data/refusal.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "gateway/wire/json_memory.h"
#include "northbound/data/canonical.h"

#define TOKEN_MAX 128u
#define RETRY_DEFAULT 10u
#define RETRY_MAX 3600u

static const struct {
    int from, to; /* status; 0: itself */
    const char *tag, *message;
} statuses[] = {
    {400, 0, "invalid-value", "The upstream server finds the request invalid."},
    {401, 503, "operation-failed", "The upstream server does not accept the gateway; its operator has been told."},
    {403, 0, "access-denied", "The upstream server does not allow this."},
    {404, 0, "invalid-value", "The upstream server does not know this resource."},
    {405, 0, "operation-not-supported", "The upstream server does not support this."},
    {406, 500, "operation-failed", "The upstream server does not answer in JSON."},
    {409, 0, "resource-denied", "The upstream server finds a conflict with what it has."},
    {412, 0, "operation-failed", "The resource has changed at the upstream server."},
    {413, 0, "too-big", "The request is too large for the upstream server."},
    {415, 500, "operation-failed", "The upstream server does not take JSON."},
    {429, 503, "operation-failed", "The upstream server is busy."},
    {500, 0, "operation-failed", "The upstream server has failed."},
    {501, 0, "operation-not-supported", "The upstream server does not support this."},
    {503, 0, "operation-failed", "The upstream server is busy."},
    {504, 503, "operation-failed", "The upstream server is not reachable."},
    {508, 0, "operation-failed", "An infinite loop has been detected when forwarding a request via a proxy."},
    {502, 503, "operation-failed", "The upstream server is not reachable."},
};

#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

static size_t row_of(int status)
{
    int fallback = status >= 400 && status < 500 ? 400 : status >= 500 && status < 600 ? 500 : 502;

    for (size_t i = 0; i < STATUSES; i++)
        if (statuses[i].from == status)
            return i;
    for (size_t i = 0; i < STATUSES - 1; i++)
        if (statuses[i].from == fallback)
            return i;
    return STATUSES - 1;
}

/* RFC 8040 section 7: another tag would not go with any status. */
static const char *known_tag(const char *tag)
{
    static const char *const tags[] = {
        "in-use",          "invalid-value",     "too-big",           "missing-attribute",
        "bad-attribute",   "bad-element",       "unknown-attribute", "unknown-element",
        "access-denied",   "lock-denied",       "unknown-namespace", "resource-denied",
        "rollback-failed", "data-exists",       "data-missing",      "operation-failed",
        "missing-element", "malformed-message", "partial-operation", "operation-not-supported"};

    for (size_t i = 0; tag && i < sizeof(tags) / sizeof(tags[0]); i++)
        if (strcmp(tag, tags[i]) == 0)
            return tags[i];
    return NULL;
}

struct writer {
    char *at;
    size_t left;
};

static void write_text(struct writer *writer, const char *text, size_t length)
{
    if (length > writer->left)
        length = writer->left;
    memcpy(writer->at, text, length);
    writer->at += length;
    writer->left -= length;
}

static size_t token_length(const char *text)
{
    return strcspn(text, " \t\r\n'\"<>[](){},;/=");
}

/* Writes a word of the upstream's as the client is to read it. */
static void write_token(struct writer *writer, const struct refusal_terms *terms, const char *word, size_t length)
{
    const char *told = NULL;
    char token[TOKEN_MAX + 1];

    for (size_t end = length; terms->entry_name && !told && end > 0 && end <= TOKEN_MAX; end--) {
        memcpy(token, word, end);
        token[end] = '\0';
        told = terms->entry_name(terms->arg, token);
        if (told) {
            write_text(writer, told, strlen(told));
            write_text(writer, word + end, length - end);
        }
        if (!strchr(".:!?", word[end - 1])) /* only what ends a sentence may be behind a name */
            break;
    }
    if (told)
        return;
    if (strlen(terms->upstream_cuid) == length && memcmp(word, terms->upstream_cuid, length) == 0)
        write_text(writer, terms->cuid, strlen(terms->cuid));
    else
        write_text(writer, word, length);
}

static void translate_message(const struct refusal_terms *terms, const char *text, char out[REFUSAL_MESSAGE_MAX + 1])
{
    struct writer writer = {out, REFUSAL_MESSAGE_MAX};

    while (*text && writer.left > 0) {
        size_t length = token_length(text);

        if (length > 0)
            write_token(&writer, terms, text, length);
        else
            write_text(&writer, text, length = 1);
        text += length;
    }
    /* A character of several bytes is not cut in two. */
    while (writer.left == 0 && writer.at > out && ((unsigned char)writer.at[-1] & 0xC0) == 0x80)
        writer.at--;
    if (writer.left == 0 && writer.at > out && ((unsigned char)writer.at[-1] & 0x80))
        writer.at--;
    *writer.at = '\0';
}

/* What a gateway further north saw; hops behind a boundary are not the client's business. */
static void translate_via(const struct refusal_terms *terms, const json_t *error, struct refusal *refusal)
{
    const char *via = json_string_value(canonical_member(canonical_member(error, "error-info"), "via-header"));

    if (terms->gateway)
        snprintf(refusal->via, sizeof(refusal->via), "1.1 %s", terms->gateway);
    else if (via && strlen(via) <= VIA_MAX)
        memcpy(refusal->via, via, strlen(via) + 1);
}

static void translate_error(const struct refusal_terms *terms, const json_t *error, struct refusal *refusal)
{
    const char *tag = known_tag(json_string_value(canonical_member(error, "error-tag")));
    const char *app_tag = json_string_value(canonical_member(error, "error-app-tag"));
    const char *message = json_string_value(canonical_member(error, "error-message"));

    if (tag)
        refusal->tag = tag;
    if (message && *message)
        translate_message(terms, message, refusal->message);
    if (refusal->status == 508 || (app_tag && strcmp(app_tag, "loop-detected") == 0)) {
        refusal->app_tag = "loop-detected";
        translate_via(terms, error, refusal);
    }
}

void refusal_translate(const struct refusal_terms *terms, int status, unsigned retry_after, const char *body,
                       size_t length, struct refusal *refusal)
{
    size_t row = row_of(status);
    json_t *root;

    memset(refusal, 0, sizeof(*refusal));
    refusal->status = statuses[row].to ? statuses[row].to : statuses[row].from;
    refusal->tag = statuses[row].tag;
    snprintf(refusal->message, sizeof(refusal->message), "%s", statuses[row].message);
    if (refusal->status == 503)
        refusal->retry_after = retry_after == 0 ? RETRY_DEFAULT : retry_after > RETRY_MAX ? RETRY_MAX : retry_after;
    if (refusal->status == 508)
        refusal->app_tag = "loop-detected";
    if (statuses[row].to || !body)
        return; /* what becomes another status is between the gateway and the upstream */
    wire_json_memory_watch();
    root = json_loadb(body, length, 0, NULL);
    if (root && !wire_json_memory_failed())
        translate_error(terms, json_array_get(canonical_member(canonical_member(root, "errors"), "error"), 0), refusal);
    json_decref(root);
}

void refusal_unreachable(unsigned retry_after, struct refusal *refusal)
{
    refusal_translate(&(struct refusal_terms){.upstream_cuid = "", .cuid = ""}, 502, retry_after, NULL, 0, refusal);
}
