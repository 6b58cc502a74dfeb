/* retry: how often a commit that fails is tried; for tests, which cannot wait for seconds. */
#pragma once

#include <stdint.h>

#include "gateway/store/store.h"

/* The pause between two tries of a commit that fails; 1 s unless set. */
void store_retry_every(struct store *store, uint64_t milliseconds);
