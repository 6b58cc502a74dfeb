/*
 * request: a head, field by field, becomes a struct http_request, or the status to refuse it with.
 *
 * Both versions of HTTP come through here. What could be read in two ways is refused: a proxy before us may have
 * read it in the other (RFC 9112 section 11.2).
 */
#include "gateway/http/private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELD_COST 32 /* RFC 9113 section 6.5.2 */

static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"};

void request_start(struct http_exchange *exchange, unsigned version)
{
    struct draft *draft = &exchange->draft;
    draft->method = draft->path = draft->query = draft->authority = draft->target_authority = NOT_THERE;
    draft->version = version;
}

static int keep(struct http_exchange *exchange, size_t *where, const char *text, size_t length)
{
    *where = fields_text(&exchange->draft.fields, text, length);
    return *where != NOT_THERE ? 0 : 503;
}

static bool equals(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && strncasecmp(text, word, length) == 0;
}

int request_method(struct http_exchange *exchange, const char *method, size_t length)
{
    if (!field_is_token(method, length))
        return 400;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (length == strlen(methods[i]) && memcmp(method, methods[i], length) == 0)
            return keep(exchange, &exchange->draft.method, method, length);
    return 501; /* CONNECT and TRACE, too: RFC 9110 section 9.1 */
}

static int keep_path(struct http_exchange *exchange, const char *path, size_t length)
{
    const char *query = memchr(path, '?', length);
    size_t path_length = query != NULL ? (size_t)(query - path) : length;
    if (!target_is_path(path, length))
        return 400;
    int status = keep(exchange, &exchange->draft.path, path, path_length);
    if (status == 0 && query != NULL)
        status = keep(exchange, &exchange->draft.query, query + 1, length - path_length - 1);
    return status;
}

/* RFC 9112 section 3.2: origin-form, absolute-form (a server must take it), asterisk-form. */
int request_target(struct http_exchange *exchange, const char *target, size_t length)
{
    static const char *const schemes[] = {"https://", "http://"};
    if (length > 0 && target[0] == '/')
        return keep_path(exchange, target, length);
    if (length == 1 && target[0] == '*')
        return keep(exchange, &exchange->draft.path, target, length);
    for (size_t i = 0; i < 2; i++) {
        size_t scheme = strlen(schemes[i]);
        if (length <= scheme || strncasecmp(target, schemes[i], scheme) != 0)
            continue;
        const char *authority = target + scheme;
        size_t rest = length - scheme, end = 0;
        while (end < rest && authority[end] != '/' && authority[end] != '?')
            end++;
        if (end == rest || authority[end] == '?' || !target_is_authority(authority, end))
            return 400;
        int status = keep(exchange, &exchange->draft.target_authority, authority, end);
        return status != 0 ? status : keep_path(exchange, authority + end, rest - end);
    }
    return 400;
}

/* RFC 9112 section 3.2: one Host. RFC 9113 section 8.3.1: Host and :authority do not differ. */
int request_authority(struct http_exchange *exchange, const char *authority, size_t length)
{
    struct draft *draft = &exchange->draft;
    if (!target_is_authority(authority, length))
        return 400;
    if (draft->authority == NOT_THERE)
        return keep(exchange, &draft->authority, authority, length);
    if (draft->version == 20 && equals(authority, length, draft->fields.text + draft->authority))
        return 0;
    return 400;
}

/* RFC 9110 section 8.6; several are refused even if they agree. */
static int take_length(struct draft *draft, const char *value, size_t length)
{
    if (draft->has_length || length == 0 || length > 18)
        return 400;
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9')
            return 400;
        draft->content_length = draft->content_length * 10 + (uint64_t)(value[i] - '0');
    }
    draft->has_length = true;
    return 0;
}

/* RFC 9112 section 6.1: of the codings only chunked, once, and not from a client of HTTP/1.0. */
static int take_coding(struct draft *draft, const char *value, size_t length)
{
    if (draft->chunked || draft->version < 11)
        return 400;
    if (!equals(value, length, "chunked"))
        return 501;
    draft->chunked = true;
    return 0;
}

static void take_connection(struct draft *draft, const char *value, size_t length)
{
    const char *end = value + length;
    while (value < end) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        const char *option = value;
        size_t size = (size_t)((comma != NULL ? comma : end) - value);
        field_trim(&option, &size);
        if (equals(option, size, "close"))
            draft->close = true;
        value = comma != NULL ? comma + 1 : end;
    }
}

static int take_framing(struct http_exchange *exchange, const char *name, size_t name_length, const char *value,
                        size_t length, bool *taken)
{
    struct draft *draft = &exchange->draft;
    *taken = true;
    if (equals(name, name_length, "host"))
        return request_authority(exchange, value, length);
    if (equals(name, name_length, "content-length"))
        return take_length(draft, value, length);
    if (equals(name, name_length, "expect")) {
        if (equals(value, length, "100-continue"))
            draft->expects = draft->version > 10; /* RFC 9110 section 10.1.1: ignored from 1.0 */
        else
            draft->expects_other = true;
        return 0;
    }
    if (draft->version < 20 && equals(name, name_length, "transfer-encoding"))
        return take_coding(draft, value, length);
    if (draft->version < 20 && equals(name, name_length, "connection")) {
        take_connection(draft, value, length);
        return 0;
    }
    *taken = false;
    return 0;
}

int request_field(struct http_exchange *exchange, const char *name, size_t name_length, const char *value,
                  size_t value_length)
{
    struct draft *draft = &exchange->draft;
    const struct http_limits *limits = &exchange->server->limits;
    draft->bytes += name_length + value_length + FIELD_COST;
    draft->count++;
    /* A field of HTTP/1.1 is counted as received, with its line; there the overhead is not added. */
    size_t overhead = draft->version < 20 ? draft->count * FIELD_COST : 0;
    if (draft->count > limits->header_count || draft->bytes - overhead > limits->header_bytes)
        return 431;
    field_trim(&value, &value_length);
    if (!field_is_token(name, name_length) || !field_is_value(value, value_length))
        return 400;
    bool taken;
    int status = take_framing(exchange, name, name_length, value, value_length, &taken);
    if (taken)
        return status;
    return fields_add(&draft->fields, name, name_length, value, value_length) == 0 ? 0 : 503;
}

/* The texts do not move any more. */
static int assemble(struct http_exchange *exchange)
{
    const struct draft *draft = &exchange->draft;
    size_t count = draft->fields.count;
    size_t size = draft->fields.capacity + draft->fields.list_capacity * sizeof(struct field) +
                  count * sizeof(struct http_header);
    if (!exchange_charge(exchange, size))
        return 503;
    exchange->headers = count > 0 ? calloc(count, sizeof *exchange->headers) : NULL;
    if (count > 0 && exchange->headers == NULL)
        return 503;
    for (size_t i = 0; i < count; i++)
        exchange->headers[i] =
            (struct http_header){.name = fields_name(&draft->fields, i), .value = fields_value(&draft->fields, i)};
    const char *text = draft->fields.text;
    exchange->request = (struct http_request){
        .method = text + draft->method,
        .path = text + draft->path,
        .query = draft->query != NOT_THERE ? text + draft->query : NULL,
        .authority = draft->authority != NOT_THERE ? text + draft->authority : "",
        .headers = exchange->headers,
        .header_count = count,
        .version = draft->version,
        .peer = &exchange->peer->public,
    };
    exchange->head = strcmp(exchange->request.method, "HEAD") == 0;
    return 0;
}

static int check_head(const struct draft *draft)
{
    const char *text = draft->fields.text;
    if (draft->method == NOT_THERE || draft->path == NOT_THERE)
        return 400;
    if (draft->authority == NOT_THERE && draft->version > 10)
        return 400;
    if (draft->target_authority != NOT_THERE && draft->authority != NOT_THERE &&
        strcasecmp(text + draft->target_authority, text + draft->authority) != 0)
        return 400;
    if (strcmp(text + draft->path, "*") == 0 && strcmp(text + draft->method, "OPTIONS") != 0)
        return 400;
    if (draft->chunked && draft->has_length)
        return 400; /* RFC 9112 section 6.3 rule 3: might be smuggling */
    if (draft->expects_other)
        return 417;
    return 0;
}

int request_head_done(struct http_exchange *exchange)
{
    struct draft *draft = &exchange->draft;
    const struct http_server *server = exchange->server;
    int status = check_head(draft);
    if (status == 0 && draft->authority == NOT_THERE)
        draft->authority = draft->target_authority;
    if (status == 0)
        status = assemble(exchange);
    if (status != 0)
        return status;
    exchange->body_max = server->limits.body_bytes;
    bool has_body = draft->chunked || draft->content_length > 0 || (draft->version == 20 && !exchange->received);
    if (has_body && server->handlers->body_max != NULL) {
        size_t wanted = server->handlers->body_max(server->arg, &exchange->request);
        exchange->body_max = wanted < exchange->body_max ? wanted : exchange->body_max;
    }
    return draft->content_length > exchange->body_max ? 413 : 0;
}

/* What is known of the length does not decide on the memory taken: a body grows as it comes. */
int request_body(struct http_exchange *exchange, const uint8_t *data, size_t length)
{
    struct buffer *body = &exchange->body;
    if (length > exchange->body_max - buffer_length(body))
        return 413;
    size_t before = body->capacity;
    if (buffer_room(body, length + 1) == NULL)
        return 503;
    if (!exchange_charge(exchange, body->capacity - before))
        return 503;
    memcpy(body->data + body->end, data, length);
    buffer_added(body, length);
    body->data[body->end] = '\0';
    exchange->request.body = buffer_length(body) > 0 ? buffer_bytes(body) : NULL;
    exchange->request.body_length = buffer_length(body);
    return 0;
}
