/*
 * catalog_record: clients, owners and entries as the store keeps them: a version, numbers of 8 bytes with the highest
 * first, then texts.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "aggregation/catalog_state.h"

#define VERSION 1
#define OWNER_PREFIX "owner/"
#define CLIENT_KEY 16u /* digits */

static size_t put_number(uint8_t *out, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(number >> (56 - 8 * i));
    return 8;
}

static uint64_t get_number(const uint8_t *in)
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number = number << 8 | in[i];
    return number;
}

/* ---- Keys ---- */

size_t catalog_client_key(const struct catalog_client *client, char key[CATALOG_KEY_MAX + 1])
{
    return (size_t)snprintf(key, CATALOG_KEY_MAX + 1, "%016" PRIx64, client->id);
}

size_t catalog_owner_key(const char *owner, char key[CATALOG_KEY_MAX + 1])
{
    return (size_t)snprintf(key, CATALOG_KEY_MAX + 1, OWNER_PREFIX "%.*s",
                            (int)sizeof(((struct catalog_client *)0)->owner), owner);
}

size_t catalog_entry_key(const struct catalog_client *client, const char *name, char key[CATALOG_KEY_MAX + 1])
{
    return (size_t)snprintf(key, CATALOG_KEY_MAX + 1, "%016" PRIx64 "/%.*s", client->id, (int)CATALOG_NAME_MAX, name);
}

size_t catalog_entries_end(const struct catalog_client *client, char key[CATALOG_KEY_MAX + 1])
{
    return (size_t)snprintf(key, CATALOG_KEY_MAX + 1, "%016" PRIx64 "%c", client->id, '/' + 1);
}

/* ---- Values ---- */

size_t catalog_owner_encode(const struct catalog *catalog, const char *owner, uint8_t *out, size_t size)
{
    if (size < 17)
        return 0;
    out[0] = VERSION;
    put_number(out + 1, catalog_owner_stamp(catalog, owner));
    put_number(out + 9, (uint64_t)catalog_owner_modified(catalog, owner));
    return 17;
}

size_t catalog_client_encode(const struct catalog_client *client, uint8_t *out, size_t size)
{
    const char *texts[] = {client->owner, client->cdid, client->cuid, client->identity_hash, client->domain};
    size_t at = 17;

    if (size < at)
        return 0;
    out[0] = VERSION;
    put_number(out + 1, client->stamp);
    put_number(out + 9, (uint64_t)client->modified_ms);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t length = strlen(texts[i]) + 1;

        if (length > size - at)
            return 0;
        memcpy(out + at, texts[i], length);
        at += length;
    }
    return at;
}

size_t catalog_entry_encode(const struct catalog_entry *entry, uint8_t *out, size_t size)
{
    const struct catalog_entry_state *state = (const struct catalog_entry_state *)entry;

    if (size < 25 || entry->json_length > size - 25)
        return 0;
    out[0] = VERSION;
    put_number(out + 1, entry->id);
    put_number(out + 9, state->order);
    put_number(out + 17, (uint64_t)entry->expires_ms);
    memcpy(out + 25, entry->json, entry->json_length);
    return 25 + entry->json_length;
}

/* ---- Back ---- */

static int client_id(const char *key, size_t length, uint64_t *id)
{
    *id = 0;
    if (length < CLIENT_KEY)
        return -1;
    for (size_t i = 0; i < CLIENT_KEY; i++) {
        const char digits[] = "0123456789abcdef";
        const char *digit = key[i] ? strchr(digits, key[i]) : NULL;

        if (!digit)
            return -1;
        *id = *id << 4 | (uint64_t)(digit - digits);
    }
    return *id ? 0 : -1;
}

static int owner_load(struct catalog *catalog, const char *key, size_t key_length, const uint8_t *value, size_t length)
{
    char owner[sizeof(((struct catalog_client *)0)->owner)];
    size_t prefix = sizeof(OWNER_PREFIX) - 1;

    if (length != 17 || key_length - prefix >= sizeof(owner))
        return -1;
    memcpy(owner, key + prefix, key_length - prefix);
    owner[key_length - prefix] = '\0';
    return catalog_owner_set(catalog, owner, get_number(value + 1), (int64_t)get_number(value + 9));
}

int catalog_client_load(struct catalog *catalog, const char *key, size_t key_length, const uint8_t *value,
                        size_t length)
{
    struct catalog_client_values values = {0};
    const char **texts[] = {&values.owner, &values.cdid, &values.cuid, &values.identity_hash, &values.domain};
    size_t at = 17;

    if (length < at || value[0] != VERSION)
        return -1;
    if (key_length > sizeof(OWNER_PREFIX) - 1 && memcmp(key, OWNER_PREFIX, sizeof(OWNER_PREFIX) - 1) == 0)
        return owner_load(catalog, key, key_length, value, length);
    if (key_length != CLIENT_KEY || client_id(key, key_length, &values.id) != 0)
        return -1;
    values.stamp = get_number(value + 1);
    values.modified_ms = (int64_t)get_number(value + 9);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const uint8_t *end = at < length ? memchr(value + at, '\0', length - at) : NULL;

        if (!end)
            return -1;
        *texts[i] = (const char *)value + at;
        at = (size_t)(end - value) + 1;
    }
    if (at != length || catalog_client_find(catalog, values.cuid))
        return -1;
    return catalog_client_add(catalog, &values) ? 0 : -1;
}

int catalog_entry_decode(const struct catalog *catalog, enum catalog_kind kind, const char *key, size_t key_length,
                         const uint8_t *value, size_t length, struct catalog_client **client,
                         struct catalog_entry_values *out, char *name)
{
    struct catalog_client_state *state;
    uint64_t id;
    size_t name_length = key_length > CLIENT_KEY ? key_length - CLIENT_KEY - 1 : 0;

    if (client_id(key, key_length, &id) != 0 || name_length == 0 || key[CLIENT_KEY] != '/' ||
        name_length > CATALOG_NAME_MAX || length < 25 || value[0] != VERSION)
        return -1;
    state = catalog_client_by_id(catalog, id);
    if (!state)
        return -1;
    memcpy(name, key + CLIENT_KEY + 1, name_length);
    name[name_length] = '\0';
    *client = &state->public;
    *out = (struct catalog_entry_values){
        .kind = kind,
        .id = get_number(value + 1),
        .order = get_number(value + 9),
        .expires_ms = (int64_t)get_number(value + 17),
        .name = name,
        .json = (const char *)value + 25,
        .json_length = length - 25,
    };
    return out->id ? 0 : -1;
}
