/* scope_names: how FQDNs and URIs compare, and which of them are well-formed hosts. */
#include "aggregation/scope_names.h"

#include <string.h>

#include "aggregation/scope.h"
#include "gateway/wire/text.h"

/* Own classes: those of ctype.h follow the locale. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static unsigned char fold(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static size_t name_length(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

int scope_fqdn_compare(const char *a, const char *b)
{
    size_t length_a = name_length(a), length_b = name_length(b);
    for (size_t i = 0; i < length_a && i < length_b; i++) {
        int difference = fold(a[i]) - fold(b[i]);
        if (difference != 0)
            return difference;
    }
    return (length_a > length_b) - (length_a < length_b);
}

/* "1", "077", "0x7f": what inet_aton(3), and so getaddrinfo(3), reads as the end of an address. */
static bool label_numeric(const char *label, size_t length)
{
    if (length >= 2 && label[0] == '0' && fold(label[1]) == 'x')
        return true;
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(label[i]))
            return false;
    }
    return true;
}

bool scope_fqdn_valid(const char *name)
{
    size_t length = name_length(name);
    if (length == 0 || !wire_text_is_domain(name, strlen(name)))
        return false;
    const char *dot = memrchr(name, '.', length);
    const char *last = dot ? dot + 1 : name;
    return !label_numeric(last, (size_t)(name + length - last));
}

/* Where a URI compares without case: [0, scheme) and [host, host_end). */
struct uri_parts {
    size_t scheme, authority, host, host_end;
};

/* Lenient: any text has parts, so that any two texts compare. */
static struct uri_parts uri_split(const char *uri)
{
    struct uri_parts parts = {0};
    size_t at = 0;
    while (is_alpha(uri[at]) || (at > 0 && (is_digit(uri[at]) || one_of(uri[at], "+-."))))
        at++;
    if (at == 0 || uri[at] != ':')
        return parts;
    parts.scheme = at;
    if (uri[at + 1] != '/' || uri[at + 2] != '/')
        return parts;
    parts.authority = parts.host = at + 3;
    parts.host_end = parts.authority + strcspn(uri + parts.authority, "/?#");
    for (size_t i = parts.authority; i < parts.host_end; i++) {
        if (uri[i] == '@')
            parts.host = i + 1;
    }
    return parts;
}

static unsigned char uri_folded(const char *uri, const struct uri_parts *parts, size_t at)
{
    bool without_case = at < parts->scheme || (at >= parts->host && at < parts->host_end);
    return without_case ? fold(uri[at]) : (unsigned char)uri[at];
}

/* The difference at the first place where they differ or both end; *at is that place. */
static int uri_difference(const char *a, const char *b, size_t *at)
{
    struct uri_parts parts_a = uri_split(a), parts_b = uri_split(b);
    for (*at = 0;; (*at)++) {
        int difference = uri_folded(a, &parts_a, *at) - uri_folded(b, &parts_b, *at);
        if (difference != 0 || a[*at] == '\0')
            return difference;
    }
}

int scope_uri_compare(const char *a, const char *b)
{
    size_t at;
    return uri_difference(a, b, &at);
}

bool scope_uri_begins(const char *outer, const char *inner)
{
    size_t at;
    uri_difference(outer, inner, &at);
    return outer[at] == '\0';
}

/* "." or "..", either dot perhaps as %2e. */
static bool is_dot_segment(const char *segment, size_t length)
{
    size_t dots = 0;
    for (size_t at = 0; at < length; dots++) {
        if (segment[at] == '.')
            at += 1;
        else if (length - at >= 3 && segment[at] == '%' && segment[at + 1] == '2' && fold(segment[at + 2]) == 'e')
            at += 3;
        else
            return false;
    }
    return dots == 1 || dots == 2;
}

static bool has_dot_segment(const char *path)
{
    size_t left = strcspn(path, "?#");
    for (;;) {
        const char *slash = memchr(path, '/', left);
        size_t length = slash ? (size_t)(slash - path) : left;
        if (is_dot_segment(path, length))
            return true;
        if (!slash)
            return false;
        path += length + 1;
        left -= length + 1;
    }
}

bool scope_uri_within(const char *outer, const char *inner)
{
    struct uri_parts parts = uri_split(outer);
    if (parts.host_end == parts.host || !scope_uri_begins(outer, inner))
        return false;
    size_t length = strlen(outer);
    const char *rest = inner + length;
    if (rest[0] == '\0')
        return true;
    if (outer[length - 1] != '/' && !one_of(rest[0], "/?#"))
        return false;
    /* Behind '?' or '#' there are no segments. */
    return strcspn(outer, "?#") < length || !has_dot_segment(rest);
}

int scope_uri_host(const char *uri, char *host, size_t size)
{
    struct uri_parts parts = uri_split(uri);
    if (!wire_text_is_uri(uri, strlen(uri)) || parts.host == parts.host_end)
        return -1;
    const char *begin = uri + parts.host, *end = uri + parts.host_end;
    bool bracket = begin[0] == '[';
    if (bracket)
        begin++;
    const char *port = memchr(begin, bracket ? ']' : ':', (size_t)(end - begin));
    size_t length = (size_t)((port ? port : end) - begin);
    if (length >= size)
        return -1;
    memcpy(host, begin, length);
    host[length] = '\0';
    struct wire_prefix literal;
    bool address = wire_prefix_parse(host, true, &literal) == 0;
    return address || (!bracket && scope_fqdn_valid(host)) ? 0 : -1;
}

const char *scope_show(const char *text, char *buffer)
{
    size_t length = strnlen(text, SCOPE_SHOWN_MAX);
    for (size_t i = 0; i < length; i++) {
        buffer[i] = text[i];
        if (text[i] < 0x20 || text[i] > 0x7e)
            buffer[i] = '?';
    }
    const char *end = text[length] == '\0' ? "" : "...";
    memcpy(buffer + length, end, strlen(end) + 1);
    return buffer;
}
