/*
 * web: the metrics port: counters for Prometheus, a page for people, and what that page reads. It is TCP without
 * credentials, so nothing here changes anything, and a page of somebody else must not read it through a browser of an
 * operator: no other origin is allowed to (there is no CORS), and a name that was made to point here is refused.
 */

#include "gateway/admin/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/admin/state.h"

#define FROM_DIGITS 9u

struct page {
    const char *path, *file, *type;
};

static const struct page pages[] = {
    {"/", "page.html", "text/html; charset=utf-8"},
    {"/page.css", "page.css", "text/css; charset=utf-8"},
    {"/page.js", "page.js", "text/javascript; charset=utf-8"},
    {"/draw.js", "draw.js", "text/javascript; charset=utf-8"},
    {"/icon.svg", "icon.svg", "image/svg+xml"},
};

static void show_metrics(struct call *call)
{
    reply_metrics(call->admin, call->exchange);
}

struct reading {
    const char *path;
    void (*call)(struct call *call);
    bool takes_from;
};

static const struct reading readings[] = {
    {"/metrics", show_metrics, false},          {"/v1/overview", overview_show, false},
    {"/v1/history", history_show, false},       {"/v1/mitigations", list_attacks, true},
    {"/v1/sessions", list_some_sessions, true},
};

/* Scripts, styles and data from this port and from nowhere else; nothing inline. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                             "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void reply_page(struct http_exchange *exchange, const struct page *page)
{
    const struct http_header header[] = {
        {"content-type", page->type},
        {"cache-control", "no-cache"},
        {"content-security-policy", policy},
        {"x-content-type-options", "nosniff"},
        {"referrer-policy", "no-referrer"},
        {"cross-origin-resource-policy", "same-origin"},
        {"cross-origin-opener-policy", "same-origin"},
    };
    const struct web_file *file = web_files;

    while (file->name && strcmp(file->name, page->file) != 0)
        file++;
    http_respond_with(exchange, 200, header, sizeof(header) / sizeof(header[0]), file->text, file->length, NULL, NULL);
}

static bool is_address(const char *host)
{
    struct sockaddr_in6 any;

    return uv_ip4_addr(host, 0, (struct sockaddr_in *)(void *)&any) == 0 || uv_ip6_addr(host, 0, &any) == 0;
}

/* Against DNS rebinding: an address, or a name that only we, or this machine, can be meant by. */
static bool is_ours(const struct admin *admin, const char *authority)
{
    bool brackets = *authority == '[';
    size_t length = strcspn(authority + brackets, brackets ? "]" : ":");
    const char *rest = authority + brackets + length;
    char host[256];

    if (length >= sizeof(host) || (brackets && *rest++ != ']'))
        return false;
    if (*rest && (*rest != ':' || rest[1 + strspn(rest + 1, "0123456789")]))
        return false;
    memcpy(host, authority + brackets, length);
    host[length] = '\0';
    return length == 0 || is_address(host) || strcasecmp(host, "localhost") == 0 ||
           strcasecmp(host, admin->settings.config->gateway.name) == 0;
}

/* 0, or -1 when it was refused. */
static int take_from(struct call *call, const struct reading *reading)
{
    const char *query = call->request->query;
    size_t digits;

    if (!query || !*query)
        return 0;
    digits = reading->takes_from && strncmp(query, "from=", 5) == 0 ? strspn(query + 5, "0123456789") : 0;
    if (digits == 0 || digits > FROM_DIGITS || query[5 + digits]) {
        reply_error(call->exchange, 400, "%s does not take this query%s", reading->path,
                    reading->takes_from ? "; write ?from=NUMBER" : "");
        return -1;
    }
    call->from = strtoul(query + 5, NULL, 10);
    return 0;
}

static void read_only(struct http_exchange *exchange)
{
    static const struct http_header header[] = {{"allow", "GET, HEAD"}, {"content-type", "application/json"}};
    static const char body[] = "{\"error\": \"this port is read-only\"}";

    http_respond(exchange, 405, header, 2, body, sizeof(body) - 1);
}

void web_call(struct admin *admin, struct http_exchange *exchange, const struct http_request *request)
{
    const struct reading *reading = NULL;
    const struct page *page = NULL;
    struct call call = {.admin = admin, .exchange = exchange, .request = request};

    for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++)
        if (strcmp(readings[i].path, request->path) == 0)
            reading = &readings[i];
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (strcmp(pages[i].path, request->path) == 0)
            page = &pages[i];
    /* Prometheus of another machine knows us by whatever name it likes. */
    if (!is_ours(admin, request->authority) && (admin->metrics_local || reading != &readings[0]))
        reply_error(exchange, 421, "this port is not known by that name: use its address, localhost, or gateway.name");
    else if (!reading && !page)
        reply_error(exchange, 404, "there is no such path: / is for people, /metrics for Prometheus");
    else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
        read_only(exchange);
    else if (admin->ends)
        reply_error(exchange, 503, "the gateway is shutting down");
    else if (page)
        reply_page(exchange, page);
    else if (take_from(&call, reading) == 0)
        reading->call(&call);
}
