/* catalog_name: names of entries upstream, where all clients meet under one cuid. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/catalog_state.h"

void catalog_upstream_name(uint64_t client, uint64_t entry, const char *name, char out[CATALOG_UPSTREAM_NAME])
{
    int length = snprintf(out, CATALOG_UPSTREAM_NAME, "c%" PRIu64 ".%s", client, name);

    if (length < 0 || (size_t)length >= CATALOG_UPSTREAM_NAME)
        snprintf(out, CATALOG_UPSTREAM_NAME, "c%" PRIu64 "~%" PRIu64, client, entry);
}

/* Decimal digits as they are written above: no sign, no leading zero. Past them, or NULL. */
static const char *number(const char *text, uint64_t *out)
{
    *out = 0;
    if (*text < '1' || *text > '9')
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(*out, UINT64_C(10), out) ||
            __builtin_add_overflow(*out, (uint64_t)(*text - '0'), out))
            return NULL;
    }
    return text;
}

static struct catalog_entry *by_id(const struct catalog_client *client, enum catalog_kind kind, uint64_t id)
{
    struct catalog_entry *entry = client->entries[kind];

    while (entry && entry->id != id)
        entry = entry->next;
    return entry;
}

struct catalog_entry *catalog_upstream_find(const struct catalog *catalog, enum catalog_kind kind, const char *name)
{
    const struct catalog_client_state *client;
    struct catalog_entry *entry = NULL;
    char written[CATALOG_UPSTREAM_NAME];
    const char *rest;
    uint64_t id;

    if (*name != 'c' || (rest = number(name + 1, &id)) == NULL)
        return NULL;
    client = catalog_client_by_id(catalog, id);
    if (!client)
        return NULL;
    if (*rest == '.')
        entry = catalog_entry_find(&client->public, kind, rest + 1);
    else if (*rest == '~' && number(rest + 1, &id))
        entry = by_id(&client->public, kind, id);
    if (!entry)
        return NULL;
    catalog_upstream_name(client->public.id, entry->id, entry->name, written);
    return strcmp(written, name) == 0 ? entry : NULL;
}
