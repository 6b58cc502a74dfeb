/*
 * database: the records in the SQLite file. One thread at a time; who calls it sees to that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/store/batch.h"

struct database;

/* Opens an existing file (an empty one gets the schema), checks it and locks it against all other
 * programs. NULL with a sentence in error. */
struct database *database_open(const char *path, char *error, size_t error_size);
void database_close(struct database *database);

/* Writes a list of batches in order, in one transaction, and returns when it is on disk. False when
 * it is not: the transaction is undone, and the same may be tried again. */
bool database_commit(struct database *database, const struct batch *first);

/* Why the last commit failed, and what to do about it: one sentence. */
const char *database_reason(const struct database *database);

/* As store_load. */
int database_load(struct database *database, enum store_table table,
                  int (*each)(void *arg, const char *key, size_t key_length, const uint8_t *value, size_t value_length),
                  void *arg);
