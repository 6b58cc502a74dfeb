/*
 * compare: what an upstream says it has against what the catalog has, on libuv's thread pool: it takes tens of
 * microseconds an entry, and there may be ten thousand.
 */
#pragma once

#include <uv.h>

#include "aggregation/repair.h"
#include "northbound/data/listing.h"
#include "northbound/data/portion.h"

/* Borrowed texts live as long as the entry, of which it has a reference. */
struct compare_entry {
    struct catalog_entry *entry;
    char name[CATALOG_NAME_MAX + 1]; /* at the upstream */
    uint64_t client;
};

struct comparison {
    /* In. */
    struct compare_entry *entries;
    size_t entry_count;
    struct portion_terms terms; /* name is set for each; see comparison_take_terms */
    char *body;                 /* of the upstream's answer; NULL: it has nothing */
    size_t body_length;
    int64_t refresh_minutes;
    void (*done)(struct comparison *comparison);
    void *arg;

    /* Out. */
    bool failed;
    char error[160];
    struct data_listing installed;
    struct repair_entry *wanted; /* fewer than entries: not all are for this upstream */
    size_t *origin;              /* index in entries of each wanted one */
    size_t wanted_count;
    struct repair_step *steps;
    size_t step_count;

    /* private */
    struct nat_mapping *nat;  /* of the terms */
    struct wire_prefix *owns; /* the same */
    uv_work_t work;
    void *loop_data; /* the caller's, for a comparison whose arg is gone */
};

/* Copies what they point to: the configuration may change while it runs. 0, or -1 out of memory. */
int comparison_take_terms(struct comparison *comparison, const struct portion_terms *terms);
/* In the pool; done comes from the loop. 0, or -1. */
int comparison_start(uv_loop_t *loop, struct comparison *comparison);
void comparison_run(struct comparison *comparison);  /* what the pool does */
void comparison_free(struct comparison *comparison); /* not while it runs; NULL is fine */
