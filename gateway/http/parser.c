/* parser: see parser.h. The two libraries differ in names; what is different in behaviour is caught by head.c before.
 */
#include "gateway/http/parser.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifdef DOTSGW_LLHTTP
#include <llhttp.h>
typedef llhttp_t parser_t;
typedef llhttp_settings_t parser_settings_t;
#define LIBRARY "llhttp"
#define LIBRARY_MAJOR LLHTTP_VERSION_MAJOR
#define LIBRARY_MINOR LLHTTP_VERSION_MINOR
#define LIBRARY_PATCH LLHTTP_VERSION_PATCH
#else
#include <http_parser.h>
typedef http_parser parser_t;
typedef http_parser_settings parser_settings_t;
#define LIBRARY "http-parser"
#define LIBRARY_MAJOR HTTP_PARSER_VERSION_MAJOR
#define LIBRARY_MINOR HTTP_PARSER_VERSION_MINOR
#define LIBRARY_PATCH HTTP_PARSER_VERSION_PATCH
#endif

/* A text may be handed over in spans; they follow each other in the head. */
struct span {
    const char *text;
    size_t length;
};

struct parse {
    const struct parser_sink *sink;
    struct span target, name, value;
    bool in_value, stopped, done;
};

static void extend(struct span *span, const char *at, size_t length)
{
    if (span->text == NULL)
        span->text = at;
    span->length = (size_t)(at + length - span->text);
}

static int end_field(struct parse *parse)
{
    if (parse->name.text == NULL)
        return 0;
    const struct parser_sink *sink = parse->sink;
    const char *value = parse->value.text != NULL ? parse->value.text : "";
    parse->stopped = sink->field(sink->arg, parse->name.text, parse->name.length, value, parse->value.length) != 0;
    parse->name = parse->value = (struct span){0};
    parse->in_value = false;
    return parse->stopped ? -1 : 0;
}

static int on_target(parser_t *parser, const char *at, size_t length)
{
    extend(&((struct parse *)parser->data)->target, at, length);
    return 0;
}

static int on_name(parser_t *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;
    const struct span *name = &parse->name;
    bool next =
        parse->in_value || (name->text != NULL && at != name->text + name->length); /* an empty value is not told */
    if (next && end_field(parse) != 0)
        return -1;
    extend(&parse->name, at, length);
    return 0;
}

static int on_value(parser_t *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;
    parse->in_value = true;
    extend(&parse->value, at, length);
    return 0;
}

/* 1: what follows the head is not parsed here. */
static int on_head(parser_t *parser)
{
    struct parse *parse = parser->data;
    if (end_field(parse) != 0)
        return -1;
    const struct parser_sink *sink = parse->sink;
    parse->done = true;
    parse->stopped =
        sink->target(sink->arg, parse->target.text != NULL ? parse->target.text : "", parse->target.length) != 0;
    return parse->stopped ? -1 : 1;
}

static const parser_settings_t settings = {
    .on_url = on_target, .on_header_field = on_name, .on_header_value = on_value, .on_headers_complete = on_head};

#ifdef DOTSGW_LLHTTP
static int execute(parser_t *parser, struct parse *parse, const char *head, size_t length)
{
    llhttp_init(parser, HTTP_REQUEST, &settings);
    parser->data = parse;
    return (int)llhttp_execute(parser, head, length);
}
#else
static int execute(parser_t *parser, struct parse *parse, const char *head, size_t length)
{
    http_parser_init(parser, HTTP_REQUEST);
    parser->data = parse;
    http_parser_execute(parser, &settings, head, length);
    return (int)HTTP_PARSER_ERRNO(parser);
}
#endif

int parser_head(const char *head, size_t length, const struct parser_sink *sink)
{
    parser_t parser;
    struct parse parse = {.sink = sink};
    int error = execute(&parser, &parse, head, length);
    if (parse.stopped)
        return -1;
    if (error == HPE_INVALID_METHOD)
        return 501;
    if (error == HPE_INVALID_VERSION)
        return 505;
    return parse.done ? 0 : 400;
}

const char *parser_version(void)
{
    static char text[32];
    snprintf(text, sizeof text, "%s %d.%d.%d", LIBRARY, LIBRARY_MAJOR, LIBRARY_MINOR, LIBRARY_PATCH);
    return text;
}
