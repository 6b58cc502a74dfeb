/* psk: the text of a PSK key file. */
#include "gateway/config/psk.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTRODUCTION "text:"
#define DIGITS "0123456789abcdefABCDEF"

/* The one line of the file, without what ends it. False when there are more, or a NUL. */
static bool one_line(const char *text, size_t *length)
{
    while (*length > 0 && text[*length - 1] && strchr("\r\n \t", text[*length - 1]))
        (*length)--;
    return !memchr(text, '\n', *length) && !memchr(text, '\r', *length) && !memchr(text, 0, *length);
}

static int keep(const char *bytes, size_t count, struct config_bytes *key, char *reason, size_t size)
{
    if (count < PSK_MIN || count > PSK_MAX) {
        snprintf(reason, size, "holds a key of %zu bytes, expected %u to %u; make one with: openssl rand -hex 32",
                 count, PSK_MIN, PSK_MAX);
        return -1;
    }
    key->at = malloc(count);
    if (!key->at) {
        snprintf(reason, size, "cannot be kept: out of memory");
        return -1;
    }
    key->length = count;
    if (bytes)
        memcpy(key->at, bytes, count);
    return 0;
}

int config_psk_parse(const char *text, size_t length, struct config_bytes *key, char *reason, size_t size)
{
    const size_t introduction = strlen(INTRODUCTION);
    char line[2 * PSK_MAX + 1] = "";
    int result;

    if (!one_line(text, &length)) {
        snprintf(reason, size, "must hold one line of text");
        return -1;
    }
    if (length >= introduction && memcmp(text, INTRODUCTION, introduction) == 0)
        return keep(text + introduction, length - introduction, key, reason, size);
    memcpy(line, text, length < sizeof(line) ? length : sizeof(line) - 1);
    if (strspn(line, DIGITS) != strlen(line) || length % 2) {
        snprintf(reason, size, "must hold one line of hexadecimal digits, two for a byte, or of text after \"text:\"");
        result = -1;
    } else {
        result = keep(NULL, length / 2, key, reason, size);
    }
    if (result == 0)
        (void)OPENSSL_hexstr2buf_ex(key->at, key->length, NULL, line, 0); /* cannot fail: digits, and their number */
    OPENSSL_cleanse(line, sizeof(line));
    return result;
}
