/*
 * world: a relay whose outside is faked: a clock, a store that can lose what is not committed, and
 * a journal of its effects, one line of text each. Scenario scripts and property tests stand on it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "aggregation/relay.h"

#define WORLD_TARGETS 8
#define WORLD_LINE 512
#define WORLD_MAPPINGS 8

struct world_record {
    int table;
    char key[513]; /* and, when it is looked up, its table */
    size_t key_length;
    uint8_t *value; /* NULL: a deletion */
    size_t length;
    uint64_t sequence; /* committed with this; 0: in the open batch */
    struct world_record *next;
    UT_hash_handle hh;
};

struct world {
    struct relay_policy policy;
    struct relay_target targets[WORLD_TARGETS];
    struct nat_mapping nat[WORLD_MAPPINGS];
    struct relay *relay;
    int64_t now;
    bool hold;                         /* commits wait for world_commit */
    struct world_record *first, *last; /* every change, in order */
    struct world_record *open;         /* the first one that was not submitted */
    unsigned dies_after;               /* so many effects more, commits among them; 0: it does not */
    bool dead;                         /* nothing that it does reaches the outside; world_crash is to follow */
    uint64_t sequence, committed;
    char **journal; /* lines of effects, oldest first */
    size_t journal_count, journal_size;
    bool quiet; /* no journal: property tests look at the state */
    void (*on_install)(struct world *world, struct install *install, bool withdraw);
    void (*on_job)(struct world *world, struct install *install, bool stop);
    void (*on_forget)(struct world *world, struct install *install);
    /* Takes the exchange, which begins with its name (a string); answer NULL: ignored, or lost with the process. */
    void (*on_answer)(struct world *world, void *exchange, const struct relay_answer *answer);
    void (*on_accepted)(struct world *world, size_t target, uint64_t arrived);
    void *user;
};

void world_init(struct world *world); /* default policy, no targets */
void world_start(struct world *world);
/* A record that is on disk before the start. */
void world_preload(struct world *world, int table, const char *key, const uint8_t *value, size_t length);
void world_crash(struct world *world); /* the process dies: only what was committed comes back */
void world_free(struct world *world);

void world_commit(struct world *world);
void world_advance(struct world *world, int64_t to); /* runs every deadline at its time */

/* The oldest line of the journal, taken out: the caller frees it. NULL: empty. */
char *world_take(struct world *world);
void world_note(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The live install at a target with this upstream mid (and, when cuid is not NULL, this cuid). */
struct install *world_install(struct world *world, size_t target, const char *cuid, uint32_t mid);
bool world_find_target(const struct world *world, const char *name, size_t *target);
