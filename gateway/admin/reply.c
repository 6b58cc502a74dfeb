/* reply: answers of the control socket: JSON, and one sentence for what went wrong. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/state.h"

static const struct http_header json_header[] = {{"content-type", "application/json"},
                                                 {"cache-control", "no-store"},
                                                 {"x-content-type-options", "nosniff"},
                                                 {"cross-origin-resource-policy", "same-origin"}};

/* Takes body. */
static void reply(struct http_exchange *exchange, unsigned status, json_t *body, size_t flags)
{
    char *text = body ? json_dumps(body, flags) : NULL;

    json_decref(body);
    if (text)
        http_respond_with(exchange, status, json_header, 4, text, strlen(text), free, text);
    else
        http_respond(exchange, 503, json_header, 4, "{\"error\": \"out of memory\"}", 26);
}

void reply_json(struct http_exchange *exchange, unsigned status, json_t *body)
{
    reply(exchange, status, body, JSON_INDENT(2));
}

void reply_compact(struct http_exchange *exchange, json_t *body)
{
    reply(exchange, 200, body, JSON_COMPACT);
}

void reply_error(struct http_exchange *exchange, unsigned status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    json_t *sentence;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sentence = json_string(text); /* NULL when what was quoted is not UTF-8 */
    reply_json(exchange, status, json_pack("{s:o}", "error", sentence ? sentence : json_string("malformed request")));
}

void reply_metrics(struct admin *admin, struct http_exchange *exchange)
{
    static const struct http_header header[] = {{"content-type", "text/plain; version=0.0.4; charset=utf-8"},
                                                {"cache-control", "no-store"}};
    struct metrics metrics = {0};

    admin->settings.sources->metrics(admin->settings.arg, &metrics);
    if (!metrics.failed) {
        http_respond_with(exchange, 200, header, 2, metrics.text, metrics.length, free, metrics.text);
        return;
    }
    free(metrics.text);
    reply_error(exchange, 503, "out of memory");
}
