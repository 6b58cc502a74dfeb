/* target: the characters that RFC 3986 lets into a path, a query and an authority. */
#include "gateway/http/private.h"

#include <string.h>

/* 0 to 15, or -1 */
static int hexadecimal(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static bool holds_only(const char *text, size_t length, const char *others)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%') {
            if (length - i < 3 || hexadecimal(text[i + 1]) < 0 || hexadecimal(text[i + 2]) < 0)
                return false;
            i += 2;
        } else if (!is_unreserved(text[i]) && (text[i] == '\0' || strchr(others, text[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

/* RFC 3986 section 3.3 and 3.4 */
bool target_is_path(const char *text, size_t length)
{
    return holds_only(text, length, "!$&'()*+,;=:@/?");
}

/* RFC 9110 section 4.2.4: no user information. */
bool target_is_authority(const char *text, size_t length)
{
    return length > 0 && length <= 300 && holds_only(text, length, "!$&'()*+,;=:[]");
}

int http_unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++, to++) {
        *to = *from;
        if (*from != '%')
            continue;
        int high = hexadecimal(from[1]), low = high < 0 ? -1 : hexadecimal(from[2]);
        if (low < 0 || (high == 0 && low == 0))
            return -1;
        *to = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return 0;
}
