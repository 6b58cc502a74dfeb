/* programs: which programs the spawner may run: those of the configuration file, as the spawner reads it. */
#pragma once

#include "gateway/config/config.h"
#include "gateway/spawner/spawner.h"

/* Forks the spawner; it takes the user of the configuration. NULL with a sentence in error. */
struct spawner *programs_fork(const struct config *config, char *error, size_t error_size);
