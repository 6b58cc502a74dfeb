/* schema: checks from the outside in (ours? version? sound?) before anything is written. */
#include "gateway/store/schema.h"

#include <limits.h>
#include <stdio.h>

#include "gateway/store/store.h"

_Static_assert(STORE_KEY_MAX == 512 && STORE_VALUE_MAX == 131072, "the schema below says the same");

static const char schema_sql[] = "CREATE TABLE record ("
                                 " tbl INTEGER NOT NULL,"
                                 " key BLOB NOT NULL CHECK (length(key) <= 512),"
                                 " value BLOB NOT NULL CHECK (length(value) <= 131072),"
                                 " PRIMARY KEY (tbl, key)"
                                 ") STRICT, WITHOUT ROWID;";

/* The exclusive mode keeps every other program out while we run, and needs no shared memory file. */
static const char guard_sql[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                "PRAGMA trusted_schema=OFF;"
                                "PRAGMA cell_size_check=ON;";

/* synchronous=FULL: in WAL mode each commit then waits for its fsync. The limit is what the WAL may
 * keep of the disk after a burst, in bytes. */
static const char durable_sql[] = "PRAGMA synchronous=FULL;"
                                  "PRAGMA cache_size=-16384;" /* KiB, negated */
                                  "PRAGMA journal_size_limit=67108864;";

static int refuse(sqlite3 *sqlite, const char *path, char *error, size_t error_size)
{
    switch (sqlite3_errcode(sqlite)) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        snprintf(error, error_size,
                 "%s is damaged (%s): restore a copy of it, or move it away to start without the recorded state", path,
                 sqlite3_errmsg(sqlite));
        break;
    case SQLITE_BUSY:
        snprintf(error, error_size, "%s is open in another program (sqlite3?): close it there", path);
        break;
    default:
        snprintf(error, error_size, "cannot use %s: %s", path, sqlite3_errmsg(sqlite));
    }
    return -1;
}

/* One number from one row. */
static int query(sqlite3 *sqlite, const char *sql, sqlite3_int64 *out)
{
    sqlite3_stmt *statement = NULL;
    int result = -1;
    if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        *out = sqlite3_column_int64(statement, 0);
        result = 0;
    }
    sqlite3_finalize(statement);
    return result;
}

static int check_sound(sqlite3 *sqlite, const char *path, char *error, size_t error_size)
{
    sqlite3_stmt *statement = NULL;
    int result = -1;
    if (sqlite3_prepare_v2(sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        refuse(sqlite, path, error, error_size);
    } else {
        const char *verdict = (const char *)sqlite3_column_text(statement, 0);
        if (verdict && sqlite3_stricmp(verdict, "ok") == 0)
            result = 0;
        else
            snprintf(error, error_size,
                     "%s is damaged (%s): restore a copy of it, or move it away to start without the recorded state",
                     path, verdict ? verdict : "no verdict");
    }
    sqlite3_finalize(statement);
    return result;
}

static int check_ours(sqlite3 *sqlite, const char *path, int *empty, char *error, size_t error_size)
{
    sqlite3_int64 application, version, objects;
    if (query(sqlite, "PRAGMA application_id", &application) != 0 ||
        query(sqlite, "PRAGMA user_version", &version) != 0 ||
        query(sqlite, "SELECT count(*) FROM sqlite_schema", &objects) != 0)
        return refuse(sqlite, path, error, error_size);
    *empty = application == 0 && version == 0 && objects == 0;
    if (*empty)
        return 0;
    if (application != SCHEMA_APPLICATION_ID) {
        snprintf(error, error_size, "%s is not a store of dotsgw: set another gateway.state-dir", path);
        return -1;
    }
    if (version > SCHEMA_VERSION) {
        snprintf(error, error_size,
                 "%s was written by a newer dotsgw (schema %lld, this one knows %d): install that version, or move "
                 "the file away to start without the recorded state",
                 path, (long long)version, SCHEMA_VERSION);
        return -1;
    }
    if (version != SCHEMA_VERSION) {
        snprintf(error, error_size, "%s has schema %lld, which no dotsgw wrote: restore a copy of it", path,
                 (long long)version);
        return -1;
    }
    return check_sound(sqlite, path, error, error_size);
}

/* In one transaction: a crash leaves an empty file, and that is made anew. */
static int create(sqlite3 *sqlite)
{
    char sql[sizeof schema_sql + 128];
    snprintf(sql, sizeof sql, "BEGIN IMMEDIATE;%sPRAGMA application_id=%d;PRAGMA user_version=%d;COMMIT;", schema_sql,
             SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
    return sqlite3_exec(sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static int use_wal(sqlite3 *sqlite)
{
    sqlite3_stmt *statement = NULL;
    int result = -1;
    if (sqlite3_prepare_v2(sqlite, "PRAGMA journal_mode=WAL", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(statement, 0);
        result = mode && sqlite3_stricmp(mode, "wal") == 0 ? 0 : -1;
    }
    sqlite3_finalize(statement);
    return result;
}

int schema_prepare(sqlite3 *sqlite, const char *path, char *error, size_t error_size)
{
    int empty;
    if (sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
        sqlite3_exec(sqlite, guard_sql, NULL, NULL, NULL) != SQLITE_OK)
        return refuse(sqlite, path, error, error_size);
    if (check_ours(sqlite, path, &empty, error, error_size) != 0)
        return -1;
    if (use_wal(sqlite) != 0 || sqlite3_exec(sqlite, durable_sql, NULL, NULL, NULL) != SQLITE_OK ||
        (empty && create(sqlite) != 0))
        return refuse(sqlite, path, error, error_size);
    return 0;
}
