/* suggest: which known key an unknown one was probably meant to be. Private to gateway/config. */
#pragma once

#include "gateway/config/schema.h"

/* "did you mean \"port\"?", or the keys that there are. Returns buffer. */
const char *config_suggest(const struct config_key *keys, const char *name, char *buffer, size_t size);
