/* The syntax of strings, domain names, addresses and prefixes. URIs: uri.c. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "gateway/wire/text.h"

#define DOMAIN_MAX 253u
#define LABEL_MAX 63u

/* Length of the UTF-8 character at text, or 0; *code is its code point. */
static size_t utf8_character(const uint8_t *text, size_t length, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

    if (size == 0 || text[0] > 0xf4 || size > length)
        return 0;
    *code = size == 1 ? text[0] : text[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3f);
    }
    return *code < least[size] || *code > 0x10ffff ? 0 : size;
}

static bool is_yang_character(uint32_t code)
{
    if (code < 0x20)
        return code == '\t' || code == '\n' || code == '\r';
    if ((code >= 0xd800 && code <= 0xdfff) || (code >= 0xfdd0 && code <= 0xfdef))
        return false;
    return (code & 0xfffe) != 0xfffe;
}

bool wire_text_is_string(const char *text, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)text;

    for (size_t at = 0; at < length;) {
        uint32_t code;
        size_t size = utf8_character(bytes + at, length - at, &code);

        if (size == 0 || !is_yang_character(code))
            return false;
        at += size;
    }
    return true;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 6991: ([a-zA-Z0-9_]([a-zA-Z0-9\-_]){0,61})?[a-zA-Z0-9] */
static bool is_label(const char *text, size_t length)
{
    if (length == 0 || length > LABEL_MAX || text[0] == '-' || !is_alphanumeric(text[length - 1]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_alphanumeric(text[i]) && text[i] != '-' && text[i] != '_')
            return false;
    }
    return true;
}

bool wire_text_is_domain(const char *text, size_t length)
{
    size_t start = 0;

    if (length == 0 || length > DOMAIN_MAX)
        return false;
    if (length == 1 && text[0] == '.')
        return true;
    while (start < length) {
        const char *dot = memchr(text + start, '.', length - start);
        size_t end = dot ? (size_t)(dot - text) : length;

        if (!is_label(text + start, end - start))
            return false;
        start = end + 1; /* past the end after a trailing dot, too */
    }
    return true;
}

/* family 4 or 6, or 0 when it is no address; address: 16 bytes. */
static uint8_t parse_address(const char *text, size_t length, uint8_t *address)
{
    char copy[INET6_ADDRSTRLEN];

    if (length == 0 || length >= sizeof(copy) || memchr(text, '\0', length))
        return 0;
    memcpy(copy, text, length);
    copy[length] = '\0';
    memset(address, 0, 16);
    if (memchr(text, ':', length))
        return inet_pton(AF_INET6, copy, address) == 1 ? 6 : 0;
    return inet_pton(AF_INET, copy, address) == 1 ? 4 : 0;
}

bool wire_text_is_address(const char *text, size_t length)
{
    uint8_t address[16];

    return parse_address(text, length, address) != 0;
}

/* Decimal without sign or leading zeros, at most max; -1 when it is none. */
static int parse_length(const char *text, size_t length, int max)
{
    int value = 0;

    if (length == 0 || length > 3 || (length > 1 && text[0] == '0'))
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value <= max ? value : -1;
}

static void clear_host_bits(struct wire_prefix *prefix)
{
    size_t whole = prefix->length / 8u;

    if (whole < sizeof(prefix->addr)) {
        prefix->addr[whole] &= (uint8_t)(0xff00u >> (prefix->length % 8u));
        memset(prefix->addr + whole + 1, 0, sizeof(prefix->addr) - whole - 1);
    }
}

int wire_text_prefix(const char *text, size_t length, bool bare, struct wire_prefix *out)
{
    const char *slash = memchr(text, '/', length);
    size_t address = slash ? (size_t)(slash - text) : length;
    struct wire_prefix prefix;
    int bits;

    if (!slash && !bare)
        return -1;
    prefix.family = parse_address(text, address, prefix.addr);
    if (prefix.family == 0)
        return -1;
    bits = prefix.family == 4 ? 32 : 128;
    if (slash)
        bits = parse_length(slash + 1, length - address - 1, bits);
    if (bits < 0)
        return -1;
    prefix.length = (uint8_t)bits;
    clear_host_bits(&prefix);
    *out = prefix;
    return 0;
}

int wire_prefix_parse(const char *text, bool bare, struct wire_prefix *out)
{
    return wire_text_prefix(text, strlen(text), bare, out);
}

/* The writers return the end. They are for prefixes, of which a request has many that are written several times:
 * printf, and inet_ntop() with it, was a twelfth of what a relayed request cost. */
static char *write_byte(char *to, uint8_t value)
{
    if (value >= 100)
        *to++ = (char)('0' + value / 100);
    if (value >= 10)
        *to++ = (char)('0' + value / 10 % 10);
    *to++ = (char)('0' + value % 10);
    return to;
}

static char *write_group(char *to, unsigned value)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 12;

    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = digits[value >> shift & 15];
    return to;
}

/* The longest run of groups that are 0, the first of them, is "::": RFC 5952 section 4.2. count 0: there is none. */
static size_t longest_run(const unsigned *groups, size_t *count)
{
    size_t first = 0, length = 0;

    *count = 0;
    for (size_t i = 0; i < 8; i++) {
        length = groups[i] == 0 ? length + 1 : 0;
        if (length > 1 && length > *count) {
            *count = length;
            first = i + 1 - length;
        }
    }
    return first;
}

static char *write_ipv6(char *to, const uint8_t *address)
{
    unsigned groups[8], any = 0;
    size_t run, count;

    for (size_t i = 0; i < 8; i++)
        groups[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
    for (size_t i = 0; i < 5; i++)
        any |= groups[i];
    if (any == 0) { /* may hold an IPv4 address: section 5 */
        inet_ntop(AF_INET6, address, to, INET6_ADDRSTRLEN);
        return to + strlen(to);
    }
    run = longest_run(groups, &count);
    for (size_t i = 0; i < 8; i++) {
        if (count > 0 && i == run) {
            *to++ = ':';
            i += count - 1;
            if (i == 7)
                *to++ = ':';
            continue;
        }
        if (i > 0)
            *to++ = ':';
        to = write_group(to, groups[i]);
    }
    return to;
}

char *wire_prefix_format(const struct wire_prefix *prefix, char *buffer)
{
    char *end = buffer;

    if (prefix->family == 4) {
        for (size_t i = 0; i < 4; i++) {
            end = write_byte(end, prefix->addr[i]);
            *end++ = i < 3 ? '.' : '/';
        }
    } else {
        end = write_ipv6(end, prefix->addr);
        *end++ = '/';
    }
    *write_byte(end, prefix->length) = '\0';
    return buffer;
}
