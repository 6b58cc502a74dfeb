/* listing: jansson parses, the entries are taken out one by one. */
#include "northbound/data/listing.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/json_memory.h"
#include "northbound/data/canonical.h"

static int add(struct data_listing *listing, enum repair_kind kind, const json_t *entry)
{
    const char *name = json_string_value(canonical_member(entry, "name"));
    const json_t *pending = canonical_member(entry, "pending-lifetime");
    struct repair_entry made = {.kind = kind};
    char *text, *own;

    if (!name)
        return 0;
    text = canonical_text(entry);
    own = strdup(name);
    if (!text || !own) {
        free(text);
        free(own);
        return -1;
    }
    made.name = own;
    made.content = text;
    made.pending_minutes = json_is_integer(pending) ? json_integer_value(pending) : 0;
    listing->entries[listing->count++] = made;
    return 0;
}

static int add_all(struct data_listing *listing, const json_t *aliases, const json_t *acls)
{
    const json_t *lists[] = {canonical_member(aliases, "alias"), canonical_member(acls, "acl")};
    size_t count = json_array_size(lists[0]) + json_array_size(lists[1]);

    if (count > LISTING_ENTRIES_MAX)
        return -1;
    listing->entries = calloc(count + 1, sizeof(*listing->entries));
    for (size_t kind = 0; listing->entries && kind < 2; kind++)
        for (size_t i = 0; i < json_array_size(lists[kind]); i++)
            if (add(listing, kind == 0 ? REPAIR_ALIAS : REPAIR_ACL, json_array_get(lists[kind], i)) != 0)
                return -1;
    return listing->entries ? 0 : -1;
}

int data_listing_read(const char *body, size_t length, struct data_listing *listing, char *error, size_t error_size)
{
    json_error_t parser;
    const json_t *client;
    json_t *root;
    int result = -1;

    memset(listing, 0, sizeof(*listing));
    wire_json_memory_watch();
    root = json_loadb(body, length, JSON_REJECT_DUPLICATES, &parser);
    if (!root) {
        snprintf(error, error_size, "it is not JSON (%s at byte %d)", parser.text, parser.position);
        return -1;
    }
    client = canonical_member(root, "dots-client");
    if (json_is_array(client) && json_array_size(client) == 1)
        client = json_array_get(client, 0);
    if (!json_is_object(client))
        snprintf(error, error_size, "it is not about one dots-client");
    else if (add_all(listing, canonical_member(client, "aliases"), canonical_member(client, "acls")) != 0 ||
             wire_json_memory_failed())
        snprintf(error, error_size, "it is nested too deep or too large for the memory there is");
    else
        result = 0;
    json_decref(root);
    return result;
}

void data_listing_free(struct data_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        free((char *)listing->entries[i].name);
        free((char *)listing->entries[i].content);
    }
    free(listing->entries);
    memset(listing, 0, sizeof(*listing));
}
