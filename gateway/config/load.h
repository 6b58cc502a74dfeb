/* load: config_load() without its file, for fuzzing and tests. Private to gateway/config. */
#pragma once

#include "gateway/config/config.h"

/*
 * As config_load. file is only a name for messages and the result. directory is absolute. With
 * read_files false the files that the configuration names are not touched: paths are kept, keys stay
 * empty and certificates are not looked at.
 */
struct config *config_load_text(const char *file, const char *text, size_t length, const char *directory,
                                bool read_files, struct config_error *error);
