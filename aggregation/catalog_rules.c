/* catalog_rules: rules of a domain by what they match, so that conflicts are found without a walk (RFC 8783
 * section 7.2). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/catalog_state.h"

/* NULL: out of memory. */
static char *key_of(const char *domain, const char *match)
{
    size_t size = strlen(domain) + strlen(match) + 2;
    char *key = malloc(size);

    if (key)
        snprintf(key, size, "%s\n%s", domain, match);
    return key;
}

static struct catalog_rule_match *match_get(struct catalog *catalog, const char *domain, const char *text)
{
    char *key = key_of(domain, text);
    struct catalog_rule_match *match = NULL;
    size_t length;

    if (!key)
        return NULL;
    HASH_FIND_STR(catalog->matches, key, match);
    if (match) {
        free(key);
        return match;
    }
    length = strlen(key);
    match = calloc(1, sizeof(*match) + length + 1);
    if (match) {
        memcpy(match->key, key, length + 1);
        HASH_ADD_KEYPTR(hh, catalog->matches, match->key, length, match);
        if (!match->hh.tbl) {
            free(match);
            match = NULL;
        }
    }
    free(key);
    return match;
}

void catalog_rules_remove(struct catalog *catalog, struct catalog_entry_state *entry)
{
    for (size_t i = 0; i < entry->rule_count; i++) {
        struct catalog_rule_row *row = &entry->rows[i];
        struct catalog_rule_match *match = row->match;

        if (!match)
            continue;
        if (row->prev)
            row->prev->next = row->next;
        else
            match->rows = row->next;
        if (row->next)
            row->next->prev = row->prev;
        row->match = NULL;
        if (!match->rows && catalog->matches) {
            HASH_DEL(catalog->matches, match);
            free(match);
        }
    }
}

int catalog_rules_add(struct catalog *catalog, struct catalog_entry_state *entry, const char *domain)
{
    for (size_t i = 0; i < entry->rule_count; i++) {
        struct catalog_rule_row *row = &entry->rows[i];

        *row = (struct catalog_rule_row){.entry = entry, .drop = entry->rules[i].drop};
        row->match = match_get(catalog, domain, entry->rules[i].match);
        if (!row->match) {
            catalog_rules_remove(catalog, entry);
            return -1;
        }
        row->next = row->match->rows;
        if (row->next)
            row->next->prev = row;
        row->match->rows = row;
    }
    return 0;
}

const struct catalog_entry *catalog_conflict(const struct catalog *catalog, const struct catalog_client *client,
                                             const struct catalog_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct catalog_rule_match *match;
        struct catalog_rule_row *row;
        char *key = key_of(client->domain, rules[i].match);

        if (!key)
            return NULL;
        HASH_FIND_STR(catalog->matches, key, match);
        free(key);
        for (row = match ? match->rows : NULL; row; row = row->next) {
            const struct catalog_client *other = row->entry->public.client;

            if (row->drop != rules[i].drop && other && other != client)
                return &row->entry->public;
        }
    }
    return NULL;
}
