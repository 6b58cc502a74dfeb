/* catalog_entry: aliases and ACLs of a client, their order and their lives. */

#include <stdlib.h>
#include <string.h>

#include "aggregation/catalog_state.h"

static struct catalog_entry_state *state_of(struct catalog_entry *entry)
{
    return (struct catalog_entry_state *)entry;
}

/* ---- One entry ---- */

static int copy_rules(struct catalog_entry_state *entry, const struct catalog_rule *rules, size_t count)
{
    size_t size = count * sizeof(*rules);
    char *text;

    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        size += strlen(rules[i].match) + 1;
    entry->rules = malloc(size);
    entry->rows = calloc(count, sizeof(*entry->rows));
    if (!entry->rules || !entry->rows)
        return -1;
    text = (char *)(entry->rules + count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(rules[i].match) + 1;

        entry->rules[i] = (struct catalog_rule){.match = text, .drop = rules[i].drop};
        memcpy(text, rules[i].match, length);
        text += length;
    }
    entry->rule_count = count;
    return 0;
}

struct catalog_entry *catalog_entry_new(struct catalog *catalog, const struct catalog_entry_values *values)
{
    size_t name_length = strlen(values->name) + 1;
    struct catalog_entry_state *entry = calloc(1, sizeof(*entry) + name_length + values->json_length + 1);

    if (!entry)
        return NULL;
    entry->references = 1;
    memcpy(entry->text, values->name, name_length);
    memcpy(entry->text + name_length, values->json, values->json_length);
    entry->order = values->order;
    entry->public = (struct catalog_entry){
        .kind = values->kind,
        .id = values->id ? values->id : catalog->last_id + 1,
        .name = entry->text,
        .json = entry->text + name_length,
        .json_length = values->json_length,
        .activation = values->activation,
        .expires_ms = values->expires_ms,
    };
    if (values->target) {
        entry->public.target = scope_new(values->target);
        if (!entry->public.target)
            goto fail;
    }
    if (copy_rules(entry, values->rules, values->rule_count) != 0)
        goto fail;
    if (entry->public.id > catalog->last_id)
        catalog->last_id = entry->public.id;
    return &entry->public;
fail:
    catalog_entry_unref(&entry->public);
    return NULL;
}

static void counts_free(struct catalog_counts *counts)
{
    while (counts) {
        struct catalog_counts *next = counts->next;

        free(counts);
        counts = next;
    }
}

struct catalog_entry *catalog_entry_ref(struct catalog_entry *entry)
{
    state_of(entry)->references++;
    return entry;
}

void catalog_entry_unref(struct catalog_entry *public)
{
    struct catalog_entry_state *entry = state_of(public);

    if (!entry || --entry->references > 0)
        return;
    counts_free(entry->public.counts);
    scope_unref(entry->public.target);
    free(entry->rules);
    free(entry->rows);
    free(entry);
}

/* ---- The list ---- */

/* Links entry behind another; NULL: in front of all. */
static void link_behind(struct catalog_client_state *client, struct catalog_entry_state *entry,
                        struct catalog_entry_state *before)
{
    enum catalog_kind kind = entry->public.kind;
    struct catalog_entry *next = before ? before->public.next : client->public.entries[kind];

    entry->prev = before;
    entry->public.next = next;
    if (before)
        before->public.next = &entry->public;
    else
        client->public.entries[kind] = &entry->public;
    if (next)
        state_of(next)->prev = entry;
    else
        client->last[kind] = entry;
}

static void unlink_entry(struct catalog_client_state *client, struct catalog_entry_state *entry)
{
    enum catalog_kind kind = entry->public.kind;

    if (entry->prev)
        entry->prev->public.next = entry->public.next;
    else
        client->public.entries[kind] = entry->public.next;
    if (entry->public.next)
        state_of(entry->public.next)->prev = entry->prev;
    else
        client->last[kind] = entry->prev;
    entry->prev = NULL;
    entry->public.next = NULL;
}

static void renumber(struct catalog_client_state *client, enum catalog_kind kind)
{
    uint64_t order = CATALOG_GAP;

    for (struct catalog_entry *entry = client->public.entries[kind]; entry; entry = entry->next, order += CATALOG_GAP)
        state_of(entry)->order = order;
    client->renumbered[kind] = true;
}

/* A number between those of its neighbours; when there is none, all get new ones. */
static void set_order(struct catalog_client_state *client, struct catalog_entry_state *entry)
{
    uint64_t low = entry->prev ? entry->prev->order : 0;
    const struct catalog_entry *next = entry->public.next;
    uint64_t high = next ? ((const struct catalog_entry_state *)next)->order : 0;

    if (!next && low < UINT64_MAX - CATALOG_GAP)
        entry->order = low + CATALOG_GAP;
    else if (next && high - low > 1)
        entry->order = low + (high - low) / 2;
    else
        renumber(client, entry->public.kind);
}

/* What entry comes to stand behind, old (the one it replaces) apart. NULL: in front. */
static struct catalog_entry_state *place(struct catalog_client_state *client, struct catalog_entry_state *entry,
                                         struct catalog_entry_state *old, enum catalog_insert insert,
                                         const struct catalog_entry *point)
{
    struct catalog_entry_state *behind = client->last[entry->public.kind];

    if (insert == CATALOG_FIRST)
        return NULL;
    if (insert == CATALOG_BEFORE)
        behind = ((const struct catalog_entry_state *)point)->prev;
    else if (insert == CATALOG_AFTER)
        behind = state_of((struct catalog_entry *)point);
    else if (entry->order) /* loaded: where its number belongs, nearly always at the end */
        while (behind && behind->order > entry->order)
            behind = behind->prev;
    return behind && behind == old ? old->prev : behind;
}

static void leave(struct catalog_client_state *client, struct catalog_entry_state *entry)
{
    unlink_entry(client, entry);
    HASH_DEL(client->names[entry->public.kind], entry);
    client->public.counts[entry->public.kind]--;
    client->domain->counts[entry->public.kind]--;
    client->public.switched -= entry->public.switched;
    entry->public.client = NULL;
}

static void take_apart(struct catalog *catalog, struct catalog_entry_state *entry)
{
    deadline_cancel(catalog->deadlines, &entry->deadline);
    catalog_rules_remove(catalog, entry);
    catalog_entry_unref(&entry->public);
}

int catalog_entry_put(struct catalog *catalog, struct catalog_client *public, struct catalog_entry *taken,
                      enum catalog_insert insert, const struct catalog_entry *point)
{
    struct catalog_client_state *client = (struct catalog_client_state *)public;
    struct catalog_entry_state *entry = state_of(taken), *old, *behind;
    enum catalog_kind kind = taken->kind;

    old = state_of(catalog_entry_find(public, kind, taken->name));
    if (deadline_set(catalog->deadlines, &entry->deadline, taken->expires_ms) != 0)
        return -1;
    if (catalog_rules_add(catalog, entry, public->domain) != 0)
        goto no_rules;
    HASH_ADD_KEYPTR(hh, client->names[kind], taken->name, strlen(taken->name), entry);
    if (!entry->hh.tbl)
        goto no_name;
    if (old && insert == CATALOG_KEEP)
        entry->order = old->order;
    behind = old && insert == CATALOG_KEEP ? old->prev : place(client, entry, old, insert, point);
    link_behind(client, entry, behind);
    taken->client = public;
    public->counts[kind]++;
    client->domain->counts[kind]++;
    if (old) {
        taken->counts = old->public.counts;
        old->public.counts = NULL;
        catalog_entry_switch(taken, old->public.switched);
        leave(client, old);
        take_apart(catalog, old);
    }
    if (!entry->order || insert != CATALOG_KEEP)
        set_order(client, entry);
    return 0;
no_name:
    catalog_rules_remove(catalog, entry);
no_rules:
    deadline_cancel(catalog->deadlines, &entry->deadline);
    return -1;
}

void catalog_entry_remove(struct catalog *catalog, struct catalog_entry *entry)
{
    leave((struct catalog_client_state *)entry->client, state_of(entry));
    take_apart(catalog, state_of(entry));
}

void catalog_entry_discard(struct catalog *catalog, struct catalog_entry *entry)
{
    leave((struct catalog_client_state *)entry->client, state_of(entry));
    entry->next = catalog->removed;
    catalog->removed = entry;
}

void catalog_entries_clear(struct catalog *catalog, struct catalog_client *public, enum catalog_kind kind)
{
    struct catalog_client_state *client = (struct catalog_client_state *)public;
    struct catalog_entry *first = public->entries[kind];

    if (!first)
        return;
    for (struct catalog_entry *entry = first; entry; entry = entry->next)
        entry->client = NULL;
    HASH_CLEAR(hh, client->names[kind]);
    client->last[kind]->public.next = catalog->removed;
    catalog->removed = first;
    public->entries[kind] = NULL;
    if (kind == CATALOG_ACL)
    public->switched = 0;
    client->last[kind] = NULL;
    client->domain->counts[kind] -= public->counts[kind];
    public->counts[kind] = 0;
}

bool catalog_reap(struct catalog *catalog, size_t max)
{
    for (; max > 0 && catalog->removed; max--) {
        struct catalog_entry_state *entry = state_of(catalog->removed);

        catalog->removed = entry->public.next;
        entry->prev = NULL;
        entry->public.next = NULL;
        take_apart(catalog, entry);
    }
    return catalog->removed != NULL;
}

struct catalog_entry *catalog_entry_find(const struct catalog_client *public, enum catalog_kind kind, const char *name)
{
    const struct catalog_client_state *client = (const struct catalog_client_state *)public;
    struct catalog_entry_state *entry;

    HASH_FIND(hh, client->names[kind], name, strlen(name), entry);
    return entry ? &entry->public : NULL;
}

bool catalog_renumbered(struct catalog_client *public, enum catalog_kind kind)
{
    struct catalog_client_state *client = (struct catalog_client_state *)public;
    bool renumbered = client->renumbered[kind];

    client->renumbered[kind] = false;
    return renumbered;
}

int catalog_entry_count(struct catalog_entry *entry, size_t source, const char *json)
{
    size_t length = strlen(json);
    struct catalog_counts **at = &entry->counts, *counts;

    counts = length <= CATALOG_COUNTS_MAX ? malloc(sizeof(*counts) + length + 1) : NULL;
    if (!counts)
        return -1;
    while (*at && (*at)->source != source)
        at = &(*at)->next;
    counts->source = source;
    counts->next = *at ? (*at)->next : NULL;
    memcpy(counts->json, json, length + 1);
    free(*at);
    *at = counts;
    return 0;
}

void catalog_entry_switch(struct catalog_entry *entry, bool switched)
{
    if (switched == entry->switched)
        return;
    entry->switched = switched;
    entry->client->switched += switched ? 1 : SIZE_MAX; /* one less */
    entry->client->switched_now = entry->client->switched_now || switched;
}

void catalog_switches_forget(struct catalog_client *client)
{
    for (struct catalog_entry *entry = client->switched ? client->entries[CATALOG_ACL] : NULL; entry;
         entry = entry->next)
        entry->switched = false;
    client->switched = 0;
    client->switched_now = false;
}

/* ---- Lives ---- */

void catalog_entry_refresh(struct catalog *catalog, struct catalog_entry *entry, int64_t expires_ms)
{
    entry->expires_ms = expires_ms;
    deadline_set(catalog->deadlines, &state_of(entry)->deadline, expires_ms); /* it is in there: cannot fail */
}

int64_t catalog_next(const struct catalog *catalog)
{
    int64_t next = deadline_next(catalog->deadlines);

    return next < 0 ? INT64_MAX : next;
}

struct catalog_entry *catalog_expired(const struct catalog *catalog, int64_t now)
{
    struct deadline *deadline;

    while ((deadline = deadline_pop_due(catalog->deadlines, now)) != NULL) {
        struct catalog_entry_state *entry =
            (struct catalog_entry_state *)((char *)deadline - offsetof(struct catalog_entry_state, deadline));

        if (entry->public.client) /* else it waits for catalog_reap */
            return &entry->public;
    }
    return NULL;
}
