/*
 * listing: what an upstream says it has of a dots-client, read from the answer to a GET of it.
 *
 * Bounded in bytes by who received it and here in entries; what has no name or is no object is passed over.
 */
#pragma once

#include <stddef.h>

#include "aggregation/repair.h"

#define LISTING_ENTRIES_MAX 400000u

struct data_listing {
    struct repair_entry *entries; /* name and content are malloc'ed; group 0; in the upstream's order */
    size_t count;
};

/* 0; -1 with a sentence in error: it is not JSON, not of one dots-client, or too much. data_listing_free in any case.
 */
int data_listing_read(const char *body, size_t length, struct data_listing *listing, char *error, size_t error_size);
void data_listing_free(struct data_listing *listing);
