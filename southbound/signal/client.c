/* client: sorted tables of the configured identities and names. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "southbound/signal/client.h"

#define SAN_MAX 1024 /* a longer name in a certificate matches nobody */

/* One row: sorted by kind, then key. */
struct identity_row {
    enum config_identity_kind kind;
    const uint8_t *key;
    size_t key_length;
    size_t client_at; /* in the table */
    const struct config_client_identity *config;
};

/* A client of the old table: which one it is in the new one, or what is left of it. */
struct meeting {
    struct south_client *old;
    size_t at, named_at;        /* of its place in the new table */
    struct config_client *last; /* it is gone; else NULL */
};

struct south_clients {
    struct south_client **clients;
    size_t client_count;
    struct meeting *meetings;
    size_t meeting_count;
    bool keys_changed;
    struct south_client **named; /* by name */
    struct identity_row *rows;
    size_t row_count;
    char *texts; /* canonical SANs, one after the other */
};

static int row_compare(const void *left, const void *right)
{
    const struct identity_row *a = left, *b = right;
    size_t length = a->key_length < b->key_length ? a->key_length : b->key_length;
    int difference = (int)a->kind - (int)b->kind;

    if (difference == 0)
        difference = memcmp(a->key, b->key, length);
    if (difference == 0)
        difference = (a->key_length > b->key_length) - (a->key_length < b->key_length);
    return difference;
}

static int name_compare(const void *left, const void *right)
{
    const struct south_client *const *a = left, *const *b = right;

    return strcmp((*a)->config->name, (*b)->config->name);
}

/* One text for one name: addresses as inet_ntop writes them, URIs as they are, DNS names in lower
 * case without a final dot. Returns its length, 0 when it is too long to be a name. */
static size_t canonical_san(const char *san, char out[SAN_MAX])
{
    size_t length = strlen(san);
    uint8_t address[16];

    if (length == 0 || length >= SAN_MAX)
        return 0;
    if (inet_pton(AF_INET, san, address) == 1)
        return inet_ntop(AF_INET, address, out, SAN_MAX) ? strlen(out) : 0;
    if (inet_pton(AF_INET6, san, address) == 1)
        return inet_ntop(AF_INET6, address, out, SAN_MAX) ? strlen(out) : 0;
    memcpy(out, san, length + 1);
    if (strchr(san, ':'))
        return length;
    for (size_t i = 0; i < length; i++) {
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] = (char)(out[i] - 'A' + 'a');
    }
    if (length > 1 && out[length - 1] == '.')
        out[--length] = '\0';
    return length;
}

static size_t texts_size(const struct config *config)
{
    size_t size = 1;

    for (size_t i = 0; i < config->client_count; i++) {
        for (size_t j = 0; j < config->clients[i].identity_count; j++) {
            const struct config_client_identity *identity = &config->clients[i].identities[j];

            if (identity->kind == CONFIG_IDENTITY_SAN)
                size += strlen(identity->name) + INET6_ADDRSTRLEN + 1;
        }
    }
    return size;
}

static size_t identities_count(const struct config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->client_count; i++)
        count += config->clients[i].identity_count;
    return count;
}

static int client_fill(struct south_client *client, const struct config_client *config)
{
    struct wire_prefix *prefixes;
    struct scope_grant grant;

    client->config = config;
    client->limits = (struct relay_limits){
        .mitigations = config->limits.mitigations,
        .cuids = config->limits.cuids,
        .max_lifetime = config->limits.max_lifetime,
        .indefinite_lifetime = config->limits.indefinite_lifetime,
    };
    prefixes = calloc(config->prefixes.count + 1, sizeof(*prefixes));
    if (!prefixes)
        return -1;
    for (size_t i = 0; i < config->prefixes.count; i++) {
        memcpy(prefixes[i].addr, config->prefixes.at[i].addr, 16);
        prefixes[i].family = config->prefixes.at[i].family;
        prefixes[i].length = config->prefixes.at[i].length;
    }
    grant = (struct scope_grant){
        .prefixes = prefixes,
        .prefix_count = config->prefixes.count,
        .fqdns = (const char *const *)config->fqdns.at,
        .fqdn_count = config->fqdns.count,
        .uris = (const char *const *)config->uris.at,
        .uri_count = config->uris.count,
    };
    client->grant = scope_grant_prepare(&grant);
    free(prefixes);
    return client->grant ? 0 : -1;
}

static void rows_add(struct south_clients *clients, const struct south_client *client, char **text)
{
    for (size_t i = 0; i < client->config->identity_count; i++) {
        const struct config_client_identity *identity = &client->config->identities[i];
        struct identity_row *row = &clients->rows[clients->row_count];
        char canonical[SAN_MAX];

        *row = (struct identity_row){.kind = identity->kind, .client_at = client->at, .config = identity};
        if (identity->kind == CONFIG_IDENTITY_SPKI) {
            row->key = identity->spki;
            row->key_length = sizeof(identity->spki);
        } else if (identity->kind == CONFIG_IDENTITY_PSK) {
            row->key = (const uint8_t *)identity->name;
            row->key_length = strlen(identity->name);
        } else {
            row->key_length = canonical_san(identity->name, canonical);
            if (row->key_length == 0)
                continue;
            memcpy(*text, canonical, row->key_length);
            row->key = (const uint8_t *)*text;
            *text += row->key_length;
        }
        clients->row_count++;
    }
}

struct south_clients *south_clients_new(const struct config *config)
{
    struct south_clients *clients = calloc(1, sizeof(*clients));
    char *text;

    if (!clients)
        return NULL;
    clients->clients = calloc(config->client_count + 1, sizeof(*clients->clients));
    clients->named = calloc(config->client_count + 1, sizeof(*clients->named));
    clients->rows = calloc(identities_count(config) + 1, sizeof(*clients->rows));
    text = clients->texts = malloc(texts_size(config));
    if (!clients->clients || !clients->named || !clients->rows || !clients->texts)
        goto fail;
    for (size_t i = 0; i < config->client_count; i++) {
        struct south_client *client = calloc(1, sizeof(*client));

        if (!client)
            goto fail;
        client->at = i;
        client->references = 1;
        clients->clients[clients->client_count++] = client;
        if (client_fill(client, &config->clients[i]) != 0)
            goto fail;
        clients->named[i] = client;
        rows_add(clients, client, &text);
    }
    qsort(clients->named, clients->client_count, sizeof(*clients->named), name_compare);
    qsort(clients->rows, clients->row_count, sizeof(*clients->rows), row_compare);
    return clients;
fail:
    south_clients_free(clients);
    return NULL;
}

static void last_free(struct config_client *last)
{
    if (last)
        free(last->name);
    free(last);
}

static void meetings_free(struct south_clients *clients)
{
    for (size_t i = 0; i < clients->meeting_count; i++)
        last_free(clients->meetings[i].last);
    free(clients->meetings);
    clients->meetings = NULL;
    clients->meeting_count = 0;
}

struct south_client *south_client_ref(struct south_client *client)
{
    client->references++;
    return client;
}

void south_client_unref(struct south_client *client)
{
    if (!client || --client->references > 0)
        return;
    scope_grant_release(client->grant);
    last_free(client->last);
    free(client);
}

void south_clients_free(struct south_clients *clients)
{
    if (!clients)
        return;
    for (size_t i = 0; i < clients->client_count; i++)
        south_client_unref(clients->clients[i]);
    meetings_free(clients);
    free((void *)clients->clients);
    free((void *)clients->named);
    free(clients->rows);
    free(clients->texts);
    free(clients);
}

static const struct identity_row *row_find(const struct south_clients *clients, enum config_identity_kind kind,
                                           const void *key, size_t length)
{
    struct identity_row wanted = {.kind = kind, .key = key, .key_length = length};

    return bsearch(&wanted, clients->rows, clients->row_count, sizeof(wanted), row_compare);
}

struct south_client *south_clients_match(const struct south_clients *clients, const struct dots_identity *identity)
{
    const struct identity_row *row;

    if (identity->psk) {
        row = row_find(clients, CONFIG_IDENTITY_PSK, identity->psk_identity, strlen(identity->psk_identity));
        return row ? clients->clients[row->client_at] : NULL;
    }
    row = row_find(clients, CONFIG_IDENTITY_SPKI, identity->spki_sha256, sizeof(identity->spki_sha256));
    for (size_t i = 0; i < identity->san_count && !row; i++) {
        char canonical[SAN_MAX];
        size_t length = canonical_san(identity->sans[i], canonical);

        if (length > 0)
            row = row_find(clients, CONFIG_IDENTITY_SAN, canonical, length);
    }
    return row ? clients->clients[row->client_at] : NULL;
}

struct south_client *south_clients_named(const struct south_clients *clients, const char *name)
{
    struct config_client config = {.name = (char *)name};
    struct south_client wanted = {.config = &config};
    struct south_client *key = &wanted;
    struct south_client **found =
        bsearch(&key, clients->named, clients->client_count, sizeof(struct south_client *), name_compare);

    return found ? *found : NULL;
}

const uint8_t *south_clients_psk(const struct south_clients *clients, const char *identity, size_t length,
                                 size_t *key_length)
{
    const struct identity_row *row = row_find(clients, CONFIG_IDENTITY_PSK, identity, length);

    if (!row)
        return NULL;
    *key_length = row->config->psk_key.length;
    return row->config->psk_key.at;
}

/* ---- Reload ---- */

/* Does every PSK identity of the old one that is still there have the key that it had? */
static bool same_keys(const struct south_clients *clients, const struct config_client *old)
{
    for (size_t i = 0; i < old->identity_count; i++) {
        const struct config_client_identity *identity = &old->identities[i];
        const uint8_t *key;
        size_t length;

        if (identity->kind != CONFIG_IDENTITY_PSK)
            continue;
        key = south_clients_psk(clients, identity->name, strlen(identity->name), &length);
        if (key && (length != identity->psk_key.length || memcmp(key, identity->psk_key.at, length) != 0))
            return false;
    }
    return true;
}

/* Enough of it to speak of it until nobody refers to it. */
static struct config_client *last_of(const struct config_client *config)
{
    struct config_client *last = calloc(1, sizeof(*last));

    if (!last)
        return NULL;
    last->name = strdup(config->name);
    last->limits = config->limits;
    last->supplies_cdid = config->supplies_cdid;
    if (last->name)
        return last;
    free(last);
    return NULL;
}

/* Both tables are sorted by name: one pass. */
int south_clients_meet(struct south_clients *clients, const struct south_clients *old)
{
    size_t next = 0;

    clients->meetings = calloc(old->client_count + 1, sizeof(*clients->meetings));
    if (!clients->meetings)
        return -1;
    for (size_t i = 0; i < old->client_count; i++) {
        struct meeting *meeting = &clients->meetings[clients->meeting_count++];
        const struct config_client *before = old->named[i]->config;
        int order = -1;

        meeting->old = old->named[i];
        while (next < clients->client_count && (order = strcmp(clients->named[next]->config->name, before->name)) < 0)
            next++;
        if (next < clients->client_count && order == 0) {
            meeting->named_at = next;
            meeting->at = clients->named[next]->at;
        } else {
            meeting->last = last_of(before);
            if (!meeting->last)
                return -1;
        }
        clients->keys_changed = clients->keys_changed || !same_keys(clients, before);
    }
    return 0;
}

bool south_clients_keys_changed(const struct south_clients *clients)
{
    return clients->keys_changed;
}

/* The old object takes what is new of it, and its place; the new one goes with the old table. */
static void meet_again(struct south_clients *clients, struct south_clients *old, const struct meeting *meeting)
{
    struct south_client *stays = meeting->old, *goes = clients->clients[meeting->at];
    const struct config_client *config = stays->config;
    struct scope_grant_prepared *grant = stays->grant;

    stays->config = goes->config;
    stays->grant = goes->grant;
    stays->limits = goes->limits;
    goes->config = config;
    goes->grant = grant;
    old->clients[stays->at] = goes;
    stays->at = meeting->at;
    clients->clients[meeting->at] = clients->named[meeting->named_at] = stays;
}

static void part(struct south_clients *old, struct meeting *meeting)
{
    struct south_client *gone = meeting->old;

    old->clients[gone->at] = NULL;
    gone->gone = true;
    gone->config = gone->last = meeting->last;
    meeting->last = NULL;
    south_client_unref(gone);
}

void south_clients_adopt(struct south_clients *clients, struct south_clients *old)
{
    for (size_t i = 0; i < clients->meeting_count; i++) {
        struct meeting *meeting = &clients->meetings[i];

        if (meeting->last)
            part(old, meeting);
        else
            meet_again(clients, old, meeting);
    }
    /* They are freed with what is to be freed, so that the loop does not. */
    old->meetings = clients->meetings;
    old->meeting_count = clients->meeting_count;
    clients->meetings = NULL;
    clients->meeting_count = 0;
}
