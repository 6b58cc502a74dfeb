/* via: scanned by hand, because a field that is not well-formed must be looked through, too. */
#include "aggregation/via.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* A name may hold what a token and a host may not: a comma would make two elements of one. */
static char written(char c)
{
    static const char dash = '-';

    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~:[]", c)) ? c : dash;
}

static bool is_name(const char *text, size_t length, const char *name)
{
    if (strlen(name) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (tolower((unsigned char)text[i]) != tolower((unsigned char)written(name[i])))
            return false;
    return length > 0;
}

static size_t without_port(const char *text, size_t length)
{
    size_t digits = 0;

    while (digits < length && isdigit((unsigned char)text[length - 1 - digits]))
        digits++;
    return digits < length && text[length - 1 - digits] == ':' ? length - 1 - digits : length;
}

/* The end of a comment, which nests and quotes. */
static const char *behind_comment(const char *at)
{
    unsigned depth = 0;

    for (; *at; at++) {
        if (*at == '\\' && at[1])
            at++;
        else if (*at == '(')
            depth++;
        else if (*at == ')' && --depth == 0)
            return at + 1;
    }
    return at;
}

bool via_has(const char *via, const char *name)
{
    unsigned word = 0;

    for (const char *at = via ? via : ""; *at;) {
        if (*at == ',') {
            word = 0;
            at++;
        } else if (is_space(*at)) {
            at++;
        } else if (*at == '(') {
            at = behind_comment(at);
        } else {
            size_t length = strcspn(at, " \t,(");

            if (++word == 2 && (is_name(at, length, name) || is_name(at, without_port(at, length), name)))
                return true;
            at += length;
        }
    }
    return false;
}

int via_append(const char *via, const char *version, const char *name, char *buffer, size_t size)
{
    int start = via && *via ? snprintf(buffer, size, "%s, %s ", via, version) : snprintf(buffer, size, "%s ", version);
    size_t at = (size_t)start, length = strlen(name);

    if (start < 0 || at >= size || length >= size - at)
        return -1;
    for (size_t i = 0; i < length; i++)
        buffer[at + i] = written(name[i]);
    buffer[at + length] = '\0';
    return 0;
}
