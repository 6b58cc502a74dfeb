/* file: reading the files that a configuration names. Private to gateway/config. */
#pragma once

#include "gateway/config/loader.h"

/* Reads a whole regular file of at most max bytes; never waits on a pipe or device. out is zeroed
 * first, NUL-terminated beyond its length, and to be released with config_bytes_free.
 * Returns 0, or -1 with the reason as the end of a sentence ("cannot be read: No such file ..."). */
int config_file_read(const char *path, size_t max, struct config_bytes *out, char *reason, size_t size);

/* Cleanses and frees: it may hold a key. */
void config_bytes_free(struct config_bytes *bytes);

/* One warning in the log for a file with a secret that others than its owner can read. */
void config_warn_open(struct loader *loader, const char *path);
