/*
 * directory: the state directory and the lock that makes one process its owner.
 */
#pragma once

#include <stddef.h>

#define DIRECTORY_DATABASE "state.db"
#define DIRECTORY_LOCK "lock"

/*
 * Creates the directory (0700; its parent must exist) and the database file (0600) when they are
 * missing, and takes the lock. Returns its descriptor, which holds the lock until it is closed, or
 * -1 with a sentence in error.
 */
int directory_claim(const char *directory, char *error, size_t error_size);
