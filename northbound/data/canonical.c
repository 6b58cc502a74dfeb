/* canonical: a copy of the tree, made member by member, and written with sorted keys. */
#include "northbound/data/canonical.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/json_memory.h"

#define DEPTH_MAX 16u /* the modules nest 9 deep */

static json_t *copy(const json_t *value, const char *member, unsigned depth);

static const char *without_module(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon ? colon + 1 : name;
}

const json_t *canonical_member(const json_t *object, const char *name)
{
    const json_t *found = json_object_get(object, name);
    const char *key;
    json_t *value;

    if (found || !json_is_object(object))
        return found;
    json_object_foreach((json_t *)object, key, value)
    {
        if (strcmp(without_module(key), name) == 0)
            return value;
    }
    return NULL;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* Host bits zero, letters small, "::" where RFC 5952 has it. False: it is no prefix. */
static bool write_prefix(const char *text, char *out, size_t size)
{
    const char *slash = strchr(text, '/');
    unsigned char address[16];
    char host[64], again[64];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    unsigned bits = family == AF_INET6 ? 128 : 32, length = 0;

    if (!slash || (size_t)(slash - text) >= sizeof(host) || !slash[1] || slash[1 + strspn(slash + 1, "0123456789")] ||
        strlen(slash + 1) > 3)
        return false;
    memcpy(host, text, (size_t)(slash - text));
    host[slash - text] = '\0';
    for (const char *at = slash + 1; *at; at++)
        length = length * 10 + (unsigned)(*at - '0');
    if (length > bits || inet_pton(family, host, address) != 1)
        return false;
    for (unsigned i = length; i < bits; i++)
        address[i / 8] &= (unsigned char)~(0x80u >> (i % 8));
    return inet_ntop(family, address, again, sizeof(again)) && snprintf(out, size, "%s/%u", again, length) > 0;
}

/* decimal64: no zeros at the end of the fraction. */
static void write_decimal(const char *text, char *out, size_t size)
{
    const char *point = strchr(text, '.');
    size_t length = strlen(text);

    if (point && point > text && !strchr(point + 1, '.')) {
        while (text[length - 1] == '0')
            length--;
        if (text[length - 1] == '.')
            length--;
    }
    snprintf(out, size, "%.*s", (int)length, text);
}

static json_t *copy_string(const json_t *value, const char *member)
{
    static const char *const prefixes[] = {"target-prefix",       "destination-ipv4-network",
                                           "source-ipv4-network", "destination-ipv6-network",
                                           "source-ipv6-network", NULL};
    static const char *const identities[] = {"type", "forwarding", "activation-type", NULL};
    const char *text = json_string_value(value);
    char buffer[256];

    if (is_one_of(member, prefixes) && write_prefix(text, buffer, sizeof(buffer)))
        return json_string(buffer);
    if (is_one_of(member, identities))
        return json_string(without_module(text));
    if (strcmp(member, "rate-limit") == 0 && strlen(text) < sizeof(buffer)) {
        write_decimal(text, buffer, sizeof(buffer));
        return json_string(buffer);
    }
    if (strcmp(member, "target-fqdn") == 0 && strlen(text) < sizeof(buffer)) {
        for (size_t i = 0; i <= strlen(text); i++)
            buffer[i] = (char)tolower((unsigned char)text[i]);
        return json_string(buffer);
    }
    return json_stringn(text, json_string_length(value));
}

struct sorted {
    char *text;
    json_t *value;
};

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct sorted *)left)->text, ((const struct sorted *)right)->text);
}

/* The elements by their text, so that a system's order of leaf-lists and keyed lists does not matter. */
static json_t *sort(json_t *array)
{
    size_t count = json_array_size(array);
    struct sorted *sorted = calloc(count + 1, sizeof(*sorted));
    json_t *out = sorted ? json_array() : NULL;

    for (size_t i = 0; out && i < count; i++) {
        sorted[i].value = json_array_get(array, i);
        sorted[i].text = json_dumps(sorted[i].value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        if (!sorted[i].text) {
            json_decref(out);
            out = NULL;
        }
    }
    if (out && count > 0)
        qsort(sorted, count, sizeof(*sorted), compare);
    for (size_t i = 0; out && i < count; i++)
        if (json_array_append(out, sorted[i].value) != 0) {
            json_decref(out);
            out = NULL;
        }
    for (size_t i = 0; sorted && i < count; i++)
        free(sorted[i].text);
    free(sorted);
    json_decref(array);
    return out;
}

static json_t *copy_array(const json_t *value, const char *member, unsigned depth)
{
    json_t *out = json_array();

    for (size_t i = 0; out && i < json_array_size(value); i++) {
        json_t *element = copy(json_array_get(value, i), member, depth + 1);

        if (!element || json_array_append_new(out, element) != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    return out && strcmp(member, "ace") != 0 ? sort(out) : out;
}

static bool is_empty(const json_t *value)
{
    return (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* What says nothing: state, and values that hold without being said. */
static bool is_left_out(const char *member, const json_t *value)
{
    static const char *const state[] = {"pending-lifetime", "statistics", NULL};
    const char *text = json_string_value(value);

    if (is_one_of(member, state) || is_empty(value))
        return true;
    if (!text)
        return false;
    if (strcmp(member, "activation-type") == 0)
        return strcmp(without_module(text), "activate-when-mitigating") == 0;
    return strcmp(member, "operator") == 0 && (strcmp(text, "match") == 0 || strcmp(text, "eq") == 0);
}

static json_t *copy_object(const json_t *value, unsigned depth)
{
    json_t *out = json_object(), *member, *made;
    const char *key;

    json_object_foreach((json_t *)value, key, member)
    {
        const char *name = without_module(key);

        if (!out)
            break;
        if (is_left_out(name, member) || (depth == 0 && strcmp(name, "name") == 0))
            continue;
        made = copy(member, name, depth + 1);
        if (made && is_empty(made)) { /* all of it was left out */
            json_decref(made);
            continue;
        }
        if (!made || json_object_set_new(out, name, made) != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    return out;
}

static json_t *copy(const json_t *value, const char *member, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return NULL;
    if (json_is_object(value))
        return copy_object(value, depth);
    if (json_is_array(value))
        return copy_array(value, member, depth);
    return json_is_string(value) ? copy_string(value, member) : json_incref((json_t *)value);
}

char *canonical_text(const json_t *entry)
{
    json_t *made;
    char *text = NULL;

    wire_json_memory_watch();
    made = copy(entry, "", 0);
    if (made)
        text = json_dumps(made, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(made);
    if (wire_json_memory_failed()) {
        free(text);
        text = NULL;
    }
    return text;
}
