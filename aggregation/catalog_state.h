/* catalog_state: what the files of the catalog share; nobody else includes it. */
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "aggregation/catalog.h"

#define CATALOG_GAP (UINT64_C(1) << 32) /* between neighbours, so that there is room for others */

/* One rule of an entry, among all of its domain with the same match. */
struct catalog_rule_row {
    struct catalog_rule_match *match;
    struct catalog_entry_state *entry;
    bool drop;
    struct catalog_rule_row *prev, *next;
};

struct catalog_rule_match {
    struct catalog_rule_row *rows;
    UT_hash_handle hh;
    char key[]; /* domain, a line feed, match */
};

struct catalog_entry_state {
    struct catalog_entry public; /* first: an entry is its state */
    struct deadline deadline;
    uint64_t order;
    unsigned references;
    struct catalog_rule *rules;
    size_t rule_count;
    struct catalog_rule_row *rows; /* one for each rule, while it is in a client */
    struct catalog_entry_state *prev;
    UT_hash_handle hh;
    char text[];
};

struct catalog_client_state {
    struct catalog_client public; /* first */
    struct catalog_entry_state *names[CATALOG_KINDS];
    struct catalog_entry_state *last[CATALOG_KINDS];
    bool renumbered[CATALOG_KINDS];
    struct catalog_domain *domain;
    UT_hash_handle hh, by_id;
};

struct catalog_domain {
    size_t counts[CATALOG_KINDS];
    size_t clients;
    UT_hash_handle hh;
    char name[];
};

struct catalog_owner {
    uint64_t stamp;
    int64_t modified_ms;
    UT_hash_handle hh;
    char name[];
};

struct catalog {
    struct catalog_client_state *clients, *clients_by_id;
    struct catalog_owner *owners;
    struct catalog_domain *domains;
    struct catalog_rule_match *matches;
    struct deadline_heap *deadlines;
    struct catalog_entry *removed; /* list; of no client any more, still among deadlines and rules */
    uint64_t last_id, stamp;
};

/* catalog_rules.c: 0, or -1 out of memory with nothing changed. */
int catalog_rules_add(struct catalog *catalog, struct catalog_entry_state *entry, const char *domain);
void catalog_rules_remove(struct catalog *catalog, struct catalog_entry_state *entry);

/* catalog.c */
struct catalog_client_state *catalog_client_by_id(const struct catalog *catalog, uint64_t id);
