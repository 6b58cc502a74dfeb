/* The syntax of an absolute URI, RFC 3986 section 3 (its grammar without relative references). */
#include <stdint.h>
#include <string.h>

#include "gateway/wire/text.h"

/* A part of the URI. */
struct part {
    const char *at;
    size_t length;
};

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Only unreserved, sub-delims, percent-encoded octets, and the characters in extra? */
static bool has_only(struct part part, const char *extra)
{
    for (size_t i = 0; i < part.length; i++) {
        char c = part.at[i];

        if (is_alpha(c) || is_digit(c))
            continue;
        if (c == '%' && part.length - i > 2 && is_hex(part.at[i + 1]) && is_hex(part.at[i + 2]))
            i += 2;
        else if (c == '\0' || (!strchr("-._~!$&'()*+,;=", c) && !strchr(extra, c)))
            return false;
    }
    return true;
}

/* Takes what stands before the first of delimiter, or everything, off the front of rest; the
 * delimiter goes too. True when it was found. */
static bool cut(struct part *rest, char delimiter, struct part *front)
{
    const char *found = rest->length ? memchr(rest->at, delimiter, rest->length) : NULL;

    *front = *rest;
    if (!found) {
        rest->at += rest->length;
        rest->length = 0;
        return false;
    }
    front->length = (size_t)(found - rest->at);
    rest->at = found + 1;
    rest->length -= front->length + 1;
    return true;
}

static bool is_scheme(struct part scheme)
{
    if (scheme.length == 0 || !is_alpha(scheme.at[0]))
        return false;
    for (size_t i = 1; i < scheme.length; i++) {
        char c = scheme.at[i];

        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.')
            return false;
    }
    return true;
}

/* A port becomes a target port (RFC 9132 section 4.4.1.1), so it must be one; it may be empty. */
static bool is_port(struct part port)
{
    unsigned value = 0;

    for (size_t i = 0; i < port.length; i++) {
        if (!is_digit(port.at[i]))
            return false;
        value = value * 10 + (unsigned)(port.at[i] - '0');
        if (value > UINT16_MAX)
            return false;
    }
    return true;
}

/* What stands between the brackets: IPv6address or IPvFuture ("v" hex "." characters). */
static bool is_ip_literal(struct part literal)
{
    struct part version;

    if (literal.length > 0 && (literal.at[0] == 'v' || literal.at[0] == 'V')) {
        if (!cut(&literal, '.', &version) || version.length < 2 || literal.length == 0)
            return false;
        for (size_t i = 1; i < version.length; i++) {
            if (!is_hex(version.at[i]))
                return false;
        }
        return !memchr(literal.at, '%', literal.length) && has_only(literal, ":");
    }
    return literal.length > 0 && memchr(literal.at, ':', literal.length) &&
           wire_text_is_address(literal.at, literal.length);
}

static bool is_authority(struct part authority)
{
    struct part rest = authority, host;

    if (authority.length && memchr(authority.at, '@', authority.length)) {
        struct part userinfo;

        cut(&rest, '@', &userinfo);
        if (!has_only(userinfo, ":"))
            return false;
    }
    if (rest.length == 0 || rest.at[0] != '[') {
        cut(&rest, ':', &host);
        return has_only(host, "") && is_port(rest);
    }
    rest.at++;
    rest.length--;
    if (!cut(&rest, ']', &host) || !is_ip_literal(host))
        return false;
    if (rest.length == 0)
        return true;
    if (rest.at[0] != ':')
        return false;
    return is_port((struct part){rest.at + 1, rest.length - 1});
}

bool wire_text_is_uri(const char *text, size_t length)
{
    struct part rest = {text, length}, scheme, query, path, authority;

    if (!cut(&rest, ':', &scheme) || !is_scheme(scheme))
        return false;
    /* fragment = query = *( pchar / "/" / "?" ) */
    cut(&rest, '#', &query);
    if (!has_only(rest, ":@/?"))
        return false;
    rest = query;
    cut(&rest, '?', &path);
    if (!has_only(rest, ":@/?"))
        return false;
    if (path.length >= 2 && path.at[0] == '/' && path.at[1] == '/') {
        size_t end;

        authority = (struct part){path.at + 2, path.length - 2};
        for (end = 0; end < authority.length && authority.at[end] != '/'; end++)
            ;
        path = (struct part){authority.at + end, authority.length - end};
        authority.length = end;
        if (!is_authority(authority))
            return false;
    }
    return has_only(path, ":@/");
}
