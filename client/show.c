/* show: answers for people and programs. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

static const char *name_of(uint8_t code)
{
    static const struct {
        uint8_t code;
        const char *name;
    } names[] = {
        {DOTS_CODE(2, 1), "Created"},
        {DOTS_CODE(2, 2), "Deleted"},
        {DOTS_CODE(2, 4), "Changed"},
        {DOTS_CODE(2, 5), "Content"},
        {DOTS_CODE(4, 0), "Bad Request"},
        {DOTS_CODE(4, 1), "Unauthorized"},
        {DOTS_CODE(4, 2), "Bad Option"},
        {DOTS_CODE(4, 3), "Forbidden"},
        {DOTS_CODE(4, 4), "Not Found"},
        {DOTS_CODE(4, 5), "Method Not Allowed"},
        {DOTS_CODE(4, 8), "Request Entity Incomplete"},
        {DOTS_CODE(4, 9), "Conflict"},
        {DOTS_CODE(4, 12), "Precondition Failed"},
        {DOTS_CODE(4, 13), "Request Entity Too Large"},
        {DOTS_CODE(4, 15), "Unsupported Content-Format"},
        {DOTS_CODE(4, 22), "Unprocessable Entity"},
        {DOTS_CODE(5, 0), "Internal Server Error"},
        {DOTS_CODE(5, 3), "Service Unavailable"},
        {DOTS_CODE(5, 8), "Hop Limit Reached"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].code == code)
            return names[i].name;
    return "";
}

static void show_hex(const uint8_t *body, size_t length)
{
    for (size_t i = 0; i < length; i++)
        fprintf(stderr, "%s%02x", i % 32 == 0 ? "\n    " : " ", body[i]);
    if (length)
        fputc('\n', stderr);
}

void client_show_request(const char *method, const char *const *path, size_t path_count, const char *query,
                         const uint8_t *body, size_t length)
{
    fprintf(stderr, "> %s ", method);
    for (size_t i = 0; i < path_count; i++)
        fprintf(stderr, "/%s", path[i]);
    fprintf(stderr, "%s%s, %zu bytes of CBOR", query ? "?" : "", query ? query : "", length);
    show_hex(body, length);
    if (length == 0)
        fputc('\n', stderr);
}

/* A diagnostic payload is somebody's text: what is not printable is not shown as it is. */
static void show_text(const struct dots_response *response)
{
    for (size_t i = 0; i < response->body_length; i++)
        fputc(isprint(response->body[i]) ? response->body[i] : '?', stderr);
}

static int show_body(const struct dots_response *response)
{
    struct wire_message *message = NULL;
    struct wire_error error;
    char *text;

    if (wire_decode_cbor(response->body, response->body_length, WIRE_TO_CLIENT, &message, &error) != 0) {
        fprintf(stderr, "dots-client: the body of the answer is not understood: %s\n", error.text);
        return CLIENT_LOCAL;
    }
    text = wire_encode_json(message);
    wire_free(message);
    if (!text) {
        fputs("dots-client: out of memory\n", stderr);
        return CLIENT_LOCAL;
    }
    printf("%s\n", text);
    free(text);
    if (fflush(stdout) == 0)
        return CLIENT_OK;
    fprintf(stderr, "dots-client: standard output cannot be written: %s\n", strerror(errno));
    return CLIENT_LOCAL;
}

int client_show(const struct client_options *options, const struct dots_response *response)
{
    unsigned class = DOTS_CODE_CLASS(response->code);
    bool dots = response->content_format == DOTS_CONTENT_FORMAT;
    int status = CLIENT_OK;

    fprintf(stderr, "%s%u.%02u %s", options->verbose ? "< " : "", class, DOTS_CODE_DETAIL(response->code),
            name_of(response->code));
    if (response->max_age != DOTS_NO_MAX_AGE)
        fprintf(stderr, ", Max-Age %lld", (long long)response->max_age);
    if (response->body_length && !dots) {
        fputs(": ", stderr);
        show_text(response);
    }
    fputc('\n', stderr);
    if (options->verbose && dots)
        show_hex(response->body, response->body_length);
    if (response->body_length && dots)
        status = show_body(response);
    return class == 2 ? status : (int)class;
}
