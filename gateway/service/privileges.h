/*
 * privileges: gives up what the process does not need. To be called while it has one thread.
 *
 * user is who it is from now on, with that user's groups; NULL: it stays who it is. Both return 0, or
 * -1 with a sentence in error: then the process must not go on.
 */
#pragma once

#include <stddef.h>

/* The gateway: of all capabilities CAP_NET_BIND_SERVICE stays, if it was there. A reload may bind a low port. */
int privileges_drop(const char *user, char *error, size_t error_size);

/* Who starts programs: no capability. The bounding set stays: a program of the operator's that has file
 * capabilities, or is root's because we are, gets what is its own. */
int privileges_drop_all(const char *user, char *error, size_t error_size);
