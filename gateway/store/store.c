/* store: the loop's side; gathers changes, hands them to the writer, says what is on disk. */
#include "gateway/store/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/store/batch.h"
#include "gateway/store/database.h"
#include "gateway/store/directory.h"
#include "gateway/store/retry.h"
#include "gateway/store/writer.h"

struct store {
    struct writer writer;
    struct database *database;
    int lock; /* descriptor */
    uv_async_t async;
    uv_prepare_t turn_end; /* active when something was submitted in this turn of the loop */
    unsigned handles;
    struct batch *open;
    uint64_t submitted; /* sequence of the last batch */
    uint64_t told;      /* sequence on_commit was last called with */
    bool closing;
    void (*on_commit)(void *arg, uint64_t sequence);
    void *on_commit_arg;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* On the writer's thread. */
static void progress(void *arg)
{
    struct store *store = arg;
    uv_async_send(&store->async);
}

static void async_called(uv_async_t *async)
{
    struct store *store = async->data;
    uint64_t committed = store_committed(store);
    if (store->closing || committed == store->told)
        return;
    store->told = committed;
    store->on_commit(store->on_commit_arg, committed);
}

/* Before the loop waits: what was submitted in the turn wakes the writer once. */
static void turn_ends(uv_prepare_t *turn_end)
{
    struct store *store = turn_end->data;
    uv_prepare_stop(turn_end);
    writer_wake(&store->writer);
}

static struct database *open_database(const char *directory, char *error, size_t error_size)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, DIRECTORY_DATABASE);
    if (length < 0 || (size_t)length >= sizeof path) {
        snprintf(error, error_size, "the path of the state directory is too long");
        return NULL;
    }
    return database_open(path, error, error_size);
}

struct store *store_open(uv_loop_t *loop, const char *directory, void (*on_commit)(void *arg, uint64_t sequence),
                         void *arg, char *error, size_t error_size)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store) {
        snprintf(error, error_size, "cannot open the state directory %s: out of memory", directory);
        return NULL;
    }
    store->on_commit = on_commit;
    store->on_commit_arg = arg;
    store->lock = directory_claim(directory, error, error_size);
    if (store->lock < 0)
        goto fail;
    store->database = open_database(directory, error, error_size);
    if (!store->database)
        goto fail;
    int result = writer_start(&store->writer, store->database, progress, store);
    if (result == 0) {
        /* The writer sends nothing before the first submit: last is early enough, and undone by nothing. */
        result = uv_async_init(loop, &store->async, async_called);
        if (result != 0)
            writer_stop(&store->writer);
    }
    if (result != 0) {
        snprintf(error, error_size, "cannot start the writer of %s: %s", directory, uv_strerror(result));
        goto fail;
    }
    uv_prepare_init(loop, &store->turn_end);
    store->handles = 2;
    store->async.data = store->turn_end.data = store;
    return store;

fail:
    database_close(store->database);
    if (store->lock >= 0)
        close(store->lock);
    free(store);
    return NULL;
}

int store_load(struct store *store, enum store_table table,
               int (*each)(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length),
               void *arg)
{
    uv_mutex_lock(&store->writer.database_lock);
    int result = database_load(store->database, table, each, arg);
    uv_mutex_unlock(&store->writer.database_lock);
    return result;
}

static int add(struct store *store, const struct change *change)
{
    if (change->key_length > STORE_KEY_MAX || change->value_length > STORE_VALUE_MAX)
        return -E2BIG;
    if (!store->open && !(store->open = batch_new()))
        return -ENOMEM;
    return batch_add(store->open, change);
}

int store_put(struct store *store, enum store_table table, const char *key, size_t key_length, const uint8_t *value,
              size_t value_length)
{
    struct change change = {CHANGE_PUT, table, key, key_length, value, value_length};
    return add(store, &change);
}

int store_delete(struct store *store, enum store_table table, const char *key, size_t key_length)
{
    struct change change = {CHANGE_DELETE, table, key, key_length, NULL, 0};
    return add(store, &change);
}

int store_delete_range(struct store *store, enum store_table table, const char *first, size_t first_length,
                       const char *end, size_t end_length)
{
    struct change change = {CHANGE_DELETE_RANGE, table, first, first_length, (const uint8_t *)end, end_length};
    return end_length > STORE_KEY_MAX ? -E2BIG : add(store, &change);
}

uint64_t store_submit(struct store *store)
{
    if (store->open && store->open->length) {
        store->open->sequence = ++store->submitted;
        writer_submit(&store->writer, store->open);
        store->open = NULL;
        uv_prepare_start(&store->turn_end, turn_ends);
    }
    return store->submitted;
}

uint64_t store_committed(const struct store *store)
{
    return atomic_load(&store->writer.committed);
}

int store_failing(const struct store *store)
{
    return atomic_load(&store->writer.failing);
}

uint64_t store_queued(const struct store *store)
{
    return atomic_load(&store->writer.queued);
}

void store_retry_every(struct store *store, uint64_t milliseconds)
{
    atomic_store(&store->writer.retry_ns, milliseconds * 1000000);
}

static void handle_closed(uv_handle_t *handle)
{
    struct store *store = handle->data;
    if (--store->handles > 0)
        return;
    void (*on_closed)(void *arg) = store->on_closed;
    void *arg = store->on_closed_arg;
    free(store);
    if (on_closed)
        on_closed(arg);
}

void store_close(struct store *store, void (*on_closed)(void *arg), void *arg)
{
    store->closing = true;
    store->on_closed = on_closed;
    store->on_closed_arg = arg;
    writer_stop(&store->writer);
    database_close(store->database);
    close(store->lock);
    batch_free(store->open);
    uv_close((uv_handle_t *)&store->async, handle_closed);
    uv_close((uv_handle_t *)&store->turn_end, handle_closed);
}
