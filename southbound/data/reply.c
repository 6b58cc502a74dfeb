/* reply: answers, entity tags and preconditions. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/log/log.h"
#include "southbound/data/data.h"

/* A client that asks for the same again and again does not fill the log. */
static void log_refusal(struct data_server *server, const struct http_exchange *exchange,
                        const struct south_client *owner, const struct data_fault *fault)
{
    const char *name = owner ? owner->config->name : "unknown";
    uint32_t left_out;
    char note[LOG_NOTE] = "";

    if (!south_refusal_note(&server->refusals, owner, (uint16_t)fault->status, server->now(), &left_out))
        return;
    if (left_out)
        snprintf(note, sizeof(note), " (%u such lines were left out before)", (unsigned)left_out);
    log_notice("request-refused", LOG_REQUEST " client %s: %u, %s%s%s%s", data_request_number(exchange), name,
               fault->status, fault->message, fault->via[0] ? ", Via: " : "", fault->via, note);
}

void data_reply_fault(struct data_server *server, struct http_exchange *exchange, const struct south_client *owner,
                      const struct data_fault *fault)
{
    char *body = data_fault_body(fault), retry[24];
    struct http_header headers[] = {{"Content-Type", DATA_JSON}, {"Cache-Control", "no-cache"}, {"Retry-After", retry}};

    snprintf(retry, sizeof(retry), "%" PRId64, fault->retry_after);
    log_refusal(server, exchange, owner, fault);
    data_respond(exchange, fault->status, headers, fault->retry_after > 0 ? 3 : 2, body, body ? strlen(body) : 0);
    free(body);
}

void data_reply_text(struct http_exchange *exchange, unsigned status, const char *type, const char *body)
{
    struct http_header headers[] = {{"Content-Type", type}, {"Cache-Control", "no-cache"}};

    data_respond(exchange, status, headers, 2, body, strlen(body));
}

/* RFC 9110 section 5.6.7. */
static void format_date(int64_t at_ms, char *out, size_t size)
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;

    gmtime_r(&seconds, &parts);
    strftime(out, size, "%a, %d %b %Y %H:%M:%S GMT", &parts);
}

size_t data_tag_headers(uint64_t stamp, int64_t modified_ms, struct data_tag *tag, struct http_header *out)
{
    snprintf(tag->etag, sizeof(tag->etag), "\"%" PRIx64 "\"", stamp);
    format_date(modified_ms, tag->modified, sizeof(tag->modified));
    out[0] = (struct http_header){"Cache-Control", "no-cache"};
    out[1] = (struct http_header){"ETag", tag->etag};
    out[2] = (struct http_header){"Last-Modified", tag->modified};
    return DATA_TAG_HEADERS;
}

/* Is the tag in a list of entity tags, or "*"? Weak comparison ignores W/, strong ones never match them. */
static bool listed(const char *list, const char *etag, bool weak)
{
    size_t length = strlen(etag);

    if (strcmp(list, "*") == 0)
        return true;
    for (const char *at = list; *at;) {
        bool is_weak = strncmp(at, "W/", 2) == 0;
        const char *tag = is_weak ? at + 2 : at;

        if ((weak || !is_weak) && strncmp(tag, etag, length) == 0)
            return true;
        at = strchr(at, ',');
        if (!at)
            return false;
        at += 1 + strspn(at + 1, " \t");
    }
    return false;
}

/* Seconds since 1970, -1: no date that we write. */
static int64_t parse_date(const char *text)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts);

    return end && *end == '\0' ? (int64_t)timegm(&parts) : -1;
}

unsigned data_precondition(const struct http_request *request, bool exists, uint64_t stamp, int64_t modified_ms)
{
    const char *match = http_header_find(request, "if-match");
    const char *none_match = http_header_find(request, "if-none-match");
    const char *unmodified = http_header_find(request, "if-unmodified-since");
    const char *modified = http_header_find(request, "if-modified-since");
    bool read = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    char etag[32];

    snprintf(etag, sizeof(etag), "\"%" PRIx64 "\"", stamp);
    if (match && (!exists || !listed(match, etag, false)))
        return 412;
    if (!match && unmodified && parse_date(unmodified) >= 0 && (!exists || modified_ms / 1000 > parse_date(unmodified)))
        return 412;
    if (none_match && exists && listed(none_match, etag, true))
        return read ? 304 : 412;
    if (!none_match && read && modified && parse_date(modified) >= 0 && modified_ms / 1000 <= parse_date(modified))
        return 304;
    return 0;
}
