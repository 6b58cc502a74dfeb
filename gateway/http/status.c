/* status: the status codes that there are, and their text. */
#include "gateway/http/http.h"

#include <stddef.h>

static const struct {
    const char *code, *text;
    unsigned status;
} statuses[] = {
    {"200", "OK", 200},
    {"201", "Created", 201},
    {"202", "Accepted", 202},
    {"204", "No Content", 204},
    {"206", "Partial Content", 206},
    {"301", "Moved Permanently", 301},
    {"302", "Found", 302},
    {"303", "See Other", 303},
    {"304", "Not Modified", 304},
    {"307", "Temporary Redirect", 307},
    {"308", "Permanent Redirect", 308},
    {"400", "Bad Request", 400},
    {"401", "Unauthorized", 401},
    {"403", "Forbidden", 403},
    {"404", "Not Found", 404},
    {"405", "Method Not Allowed", 405},
    {"406", "Not Acceptable", 406},
    {"408", "Request Timeout", 408},
    {"409", "Conflict", 409},
    {"410", "Gone", 410},
    {"411", "Length Required", 411},
    {"412", "Precondition Failed", 412},
    {"413", "Content Too Large", 413},
    {"414", "URI Too Long", 414},
    {"415", "Unsupported Media Type", 415},
    {"417", "Expectation Failed", 417},
    {"421", "Misdirected Request", 421},
    {"422", "Unprocessable Content", 422},
    {"429", "Too Many Requests", 429},
    {"431", "Request Header Fields Too Large", 431},
    {"500", "Internal Server Error", 500},
    {"501", "Not Implemented", 501},
    {"502", "Bad Gateway", 502},
    {"503", "Service Unavailable", 503},
    {"504", "Gateway Timeout", 504},
    {"505", "HTTP Version Not Supported", 505},
    {"507", "Insufficient Storage", 507},
    {"508", "Loop Detected", 508},
};

_Static_assert(sizeof(statuses) / sizeof(statuses[0]) == HTTP_STATUSES - 1, "one place for each, and one for others");

size_t http_status_place(unsigned status)
{
    size_t place = 0;
    while (place < HTTP_STATUSES - 1 && statuses[place].status != status)
        place++;
    return place;
}

const char *http_status_name(size_t place)
{
    return place < HTTP_STATUSES - 1 ? statuses[place].code : "other";
}

const char *http_status_text(unsigned status)
{
    size_t place = http_status_place(status);
    return place < HTTP_STATUSES - 1 ? statuses[place].text : "";
}
