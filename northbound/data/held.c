/* held: under which cuids an upstream may have something of ours, over restarts and changes of identity (RFC 9132
 * section 4.4.1.1: what stands under an old cuid is deleted). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/data/data_state.h"

#define TEXT (DATA_CUID - 1) /* bytes of one in a record */
#define PREFIX_LENGTH (sizeof(NORTHBOUND_DATA_HELD) - 1)
#define CLIENT_LENGTH 16u

/* ---- The record ---- */

static void keep(const struct account *account)
{
    struct store *store = account->upstream->data->settings.store;
    uint8_t value[DATA_HELD_MAX * TEXT];
    char key[STORE_KEY_MAX];
    int length = snprintf(key, sizeof(key), NORTHBOUND_DATA_HELD "%016" PRIx64 "/%s", account->record,
                          account->upstream->config->name);
    int status;

    if (!store || length < 0 || (size_t)length >= sizeof(key))
        return;
    for (size_t i = 0; i < account->held_count; i++)
        memcpy(value + i * TEXT, account->held[i], TEXT);
    status = account->held_count > 0
                 ? store_put(store, STORE_COUNTER, key, (size_t)length, value, account->held_count * TEXT)
                 : store_delete(store, STORE_COUNTER, key, (size_t)length);
    if (status != 0)
        log_error("store-refused", "%s: the cuids of its data channel cannot be stored",
                  account->upstream->config->name);
    else
        store_submit(store);
}

static size_t find(const struct account *account, const char *cuid)
{
    size_t i = 0;

    while (i < account->held_count && strcmp(account->held[i], cuid) != 0)
        i++;
    return i;
}

static void drop_at(struct account *account, size_t at)
{
    account->held_count--;
    memmove(account->held[at], account->held[at + 1], (account->held_count - at) * DATA_CUID);
}

void held_add(struct account *account, const char *cuid)
{
    if (strlen(cuid) != TEXT || find(account, cuid) < account->held_count)
        return;
    if (account->held_count == DATA_HELD_MAX) {
        log_warning("data-cuid", "%s: what it has under our former cuid %s is left to expire there",
                    account->upstream->config->name, account->held[0]);
        drop_at(account, 0);
    }
    memcpy(account->held[account->held_count++], cuid, DATA_CUID);
    keep(account);
}

void held_drop(struct account *account, const char *cuid)
{
    size_t at = find(account, cuid);

    if (at == account->held_count)
        return;
    drop_at(account, at);
    keep(account);
}

const char *held_former(const struct account *account)
{
    for (size_t i = 0; i < account->held_count; i++)
        if (strcmp(account->held[i], account->cuid) != 0)
            return account->held[i];
    return NULL;
}

/* ---- From the store ---- */

int northbound_data_load(struct northbound_data *data, const char *key, size_t key_length, const uint8_t *value,
                         size_t length)
{
    size_t head = PREFIX_LENGTH + CLIENT_LENGTH + 1;
    char digits[CLIENT_LENGTH + 1], *end;
    struct held_record *record;

    if (key_length <= head || length == 0 || length % TEXT != 0 || length / TEXT > DATA_HELD_MAX)
        return -1;
    record = calloc(1, sizeof(*record) + key_length - head + 1);
    if (!record)
        return -1;
    memcpy(digits, key + PREFIX_LENGTH, CLIENT_LENGTH);
    digits[CLIENT_LENGTH] = '\0';
    record->client = strtoull(digits, &end, 16);
    memcpy(record->upstream, key + head, key_length - head);
    record->count = length / TEXT;
    for (size_t i = 0; i < record->count; i++)
        memcpy(record->cuids[i], value + i * TEXT, TEXT);
    if (*end != '\0') {
        free(record);
        return -1;
    }
    LL_PREPEND(data->held, record);
    return 0;
}

/* Out of the list; it is gone. */
static void move(struct held_record **at, struct account *account)
{
    struct held_record *record = *at;

    memcpy(account->held, record->cuids, sizeof(account->held));
    account->held_count = record->count;
    *at = record->next;
    free(record);
}

void held_take(struct account *account)
{
    struct held_record **at = &account->upstream->data->held;

    while (*at && ((*at)->client != account->record || strcmp((*at)->upstream, account->upstream->config->name) != 0))
        at = &(*at)->next;
    if (*at)
        move(at, account);
}

/* With a key that no client has: it is nobody's, and so deleted there when it is compared. */
static struct account *orphan(struct data_upstream *upstream, const struct held_record *record)
{
    struct account *account = calloc(1, sizeof(*account));

    if (!account)
        return NULL;
    account->upstream = upstream;
    account->record = record->client;
    account->client = UINT64_MAX - record->client;
    account->names = upstream->names;
    memcpy(account->cuid, record->cuids[record->count - 1], DATA_CUID);
    HASH_ADD(hh, upstream->accounts, client, sizeof(account->client), account);
    if (account->hh.tbl)
        return account;
    free(account);
    return NULL;
}

void held_orphans(struct data_upstream *upstream)
{
    struct held_record **at = &upstream->data->held;

    while (*at) {
        struct account *account = strcmp((*at)->upstream, upstream->config->name) == 0 ? orphan(upstream, *at) : NULL;

        if (account)
            move(at, account);
        else
            at = &(*at)->next;
    }
}

void held_free(struct northbound_data *data)
{
    while (data->held) {
        struct held_record *record = data->held;

        data->held = record->next;
        free(record);
    }
}
