/* database: transactions and scans over one connection with prepared statements. */
#include "gateway/store/database.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "gateway/store/schema.h"

#define BUSY_TIMEOUT_MS 2000

struct database {
    sqlite3 *sqlite;
    sqlite3_stmt *begin, *put, *delete, *delete_range, *commit;
    char *path;
    char reason[512]; /* of the last commit that failed */
};

void database_close(struct database *database)
{
    if (!database)
        return;
    sqlite3_finalize(database->begin);
    sqlite3_finalize(database->put);
    sqlite3_finalize(database->delete);
    sqlite3_finalize(database->delete_range);
    sqlite3_finalize(database->commit);
    sqlite3_close(database->sqlite); /* also brings the WAL home */
    free(database->path);
    free(database);
}

static int prepare(struct database *database, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(database->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

struct database *database_open(const char *path, char *error, size_t error_size)
{
    struct database *database = calloc(1, sizeof *database);
    if (!database || !(database->path = strdup(path))) {
        snprintf(error, error_size, "cannot open %s: out of memory", path);
        goto fail;
    }
    if (sqlite3_open_v2(path, &database->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        snprintf(error, error_size, "cannot open %s: %s", path, sqlite3_errmsg(database->sqlite));
        goto fail;
    }
    sqlite3_busy_timeout(database->sqlite, BUSY_TIMEOUT_MS);
    if (schema_prepare(database->sqlite, path, error, error_size) != 0)
        goto fail;
    if (prepare(database, "BEGIN IMMEDIATE", &database->begin) != SQLITE_OK ||
        prepare(database, "INSERT OR REPLACE INTO record VALUES (?1, ?2, ?3)", &database->put) != SQLITE_OK ||
        prepare(database, "DELETE FROM record WHERE tbl = ?1 AND key = ?2", &database->delete) != SQLITE_OK ||
        prepare(database, "DELETE FROM record WHERE tbl = ?1 AND key >= ?2 AND key < ?3", &database->delete_range) !=
            SQLITE_OK ||
        prepare(database, "COMMIT", &database->commit) != SQLITE_OK) {
        snprintf(error, error_size, "cannot use %s: %s", path, sqlite3_errmsg(database->sqlite));
        goto fail;
    }
    return database;

fail:
    database_close(database);
    return NULL;
}

static const char *advice(int code)
{
    switch (code) {
    case SQLITE_FULL:
        return "free space on that file system";
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return "make the directory and its files writable for dotsgw";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "the file is damaged: stop dotsgw, restore a copy, start it again";
    case SQLITE_NOMEM:
        return "the machine is out of memory";
    default:
        return "look for disk errors in the kernel's log, and for limits on file size and space";
    }
}

/* Of an I/O error the system knows more than SQLite. */
static void explain(struct database *database)
{
    int code = sqlite3_errcode(database->sqlite), system = sqlite3_system_errno(database->sqlite);
    const char *text = sqlite3_errmsg(database->sqlite);
    if (code == SQLITE_IOERR && system != 0)
        snprintf(database->reason, sizeof database->reason, "%s cannot be written: %s (%s); %s", database->path, text,
                 strerror(system), advice(code));
    else
        snprintf(database->reason, sizeof database->reason, "%s cannot be written: %s; %s", database->path, text,
                 advice(code));
}

const char *database_reason(const struct database *database)
{
    return database->reason;
}

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static bool run(sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);
    return sqlite3_reset(statement) == SQLITE_OK && result == SQLITE_DONE;
}

static bool apply(struct database *database, const struct change *change)
{
    sqlite3_stmt *const statements[] = {[CHANGE_DELETE] = database->delete,
                                        [CHANGE_PUT] = database->put,
                                        [CHANGE_DELETE_RANGE] = database->delete_range};
    sqlite3_stmt *statement = statements[change->kind];
    /* Never a NULL pointer: SQLite would bind NULL, not an empty blob. */
    if (sqlite3_bind_int(statement, 1, (int)change->table) != SQLITE_OK ||
        sqlite3_bind_blob(statement, 2, change->key, (int)change->key_length, SQLITE_STATIC) != SQLITE_OK)
        return false;
    if (change->kind != CHANGE_DELETE &&
        sqlite3_bind_blob(statement, 3, change->value, (int)change->value_length, SQLITE_STATIC) != SQLITE_OK)
        return false;
    return run(statement);
}

static bool apply_all(struct database *database, const struct batch *first)
{
    for (const struct batch *batch = first; batch; batch = batch->next) {
        struct change change;
        size_t offset = 0;
        while (batch_next(batch, &offset, &change)) {
            if (!apply(database, &change))
                return false;
        }
    }
    return true;
}

bool database_commit(struct database *database, const struct batch *first)
{
    if (run(database->begin) && apply_all(database, first) && run(database->commit))
        return true;
    explain(database);
    /* Some errors have rolled back already. After a failed fsync the frames are written again by the
     * next try, so that the kernel's having dropped the dirty pages does no harm. */
    if (!sqlite3_get_autocommit(database->sqlite))
        sqlite3_exec(database->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

static int walk(sqlite3_stmt *statement, int *step,
                int (*each)(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length),
                void *arg)
{
    while ((*step = sqlite3_step(statement)) == SQLITE_ROW) {
        const void *key = sqlite3_column_blob(statement, 0), *value = sqlite3_column_blob(statement, 1);
        size_t key_length = (size_t)sqlite3_column_bytes(statement, 0);
        size_t value_length = (size_t)sqlite3_column_bytes(statement, 1);
        if ((!key && key_length) || (!value && value_length)) {
            *step = SQLITE_NOMEM;
            return 0;
        }
        int result = each(arg, key ? key : "", key_length, value ? value : (const uint8_t *)"", value_length);
        if (result != 0)
            return result;
    }
    return 0;
}

int database_load(struct database *database, enum store_table table,
                  int (*each)(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length),
                  void *arg)
{
    sqlite3_stmt *statement = NULL;
    int result = 0;
    int step = sqlite3_prepare_v2(database->sqlite, "SELECT key, value FROM record WHERE tbl = ?1 ORDER BY key", -1,
                                  &statement, NULL);
    if (step == SQLITE_OK)
        step = sqlite3_bind_int(statement, 1, (int)table);
    if (step == SQLITE_OK)
        result = walk(statement, &step, each, arg);
    if (step != SQLITE_DONE && step != SQLITE_ROW) {
        log_error("store-unreadable", "%s cannot be read: %s; restore a copy of it", database->path,
                  sqlite3_errmsg(database->sqlite));
        result = -EIO;
    }
    sqlite3_finalize(statement);
    return result;
}
