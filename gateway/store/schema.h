/*
 * schema: is this SQLite file ours, sound, and of a version we know; and its making.
 *
 * All records lie in one table, record(tbl, key, value), clustered by (tbl, key): a table of the
 * store is one range of it, so that it loads in key order in one pass, a change is one statement
 * for all of them, and a further enum store_table needs no new schema.
 */
#pragma once

#include <sqlite3.h>
#include <stddef.h>

/* In pragma user_version; a file of a higher one is refused. */
#define SCHEMA_VERSION 1
#define SCHEMA_APPLICATION_ID 0x444f5453 /* "DOTS" */

/*
 * Locks an open connection against all other programs, checks the file, gives an empty one the
 * schema, sets what a connection needs for durable commits. 0, or -1 with a sentence in error
 * that names path.
 */
int schema_prepare(sqlite3 *sqlite, const char *path, char *error, size_t error_size);
