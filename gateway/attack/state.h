/* state: what the files of attack share; nobody else includes it. */
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "aggregation/deadline.h"
#include "aggregation/scope.h"
#include "gateway/attack/attack.h"

#define DETECTORS_MAX 64u /* the configuration has no more */
#define RULES_MAX 64u     /* bits of a mask; the configuration has no more */

struct attack_policy {
    const struct config *config;
    size_t detector_count, rule_count;       /* what is in the lists */
    struct scope_grant_prepared **detectors; /* what each may report */
    struct scope_grant_prepared **rules;     /* NULL: everything */
    uint64_t *masks;                         /* the rules of each detector, bit by bit */
};

struct protection {
    struct wire_prefix prefix;
    bool any_protocol, any_port;
    uint8_t protocols[32]; /* bits */
    struct wire_port_range ports[ATTACK_PORTS_MAX];
    size_t port_count;
    uint32_t mid, lifetime;
    bool accepted, refused;  /* neither: asked for; refused: tried again */
    size_t demands;          /* triggers that want it, and what was merged into it; 0: adopted */
    size_t pointers;         /* triggers that point here */
    struct protection *into; /* merged into a larger one: only kept for who points here */
    struct deadline due;     /* to be refreshed, tried again, or (adopted) forgotten */
    struct protection *prev, *next;
};

enum trigger_state { TRIGGER_IDLE, TRIGGER_PENDING, TRIGGER_FIRED, TRIGGER_FALLING };

struct trigger {
    enum trigger_state state;
    int64_t since_ms;
    struct protection *protection; /* NULL: nothing is asked for */
};

/* One target of one detector. */
struct seen {
    struct source *source;
    struct attack_report report;
    int64_t first_ms, heard_ms;
    struct deadline due;
    UT_hash_handle hh; /* by report.target */
    struct seen *prev, *next;
    struct trigger *triggers; /* by rule */
};

struct source {
    char name[65];
    size_t index;               /* in the policy */
    struct seen *seen, *listed; /* hash, and the same as a list */
    double allowance;           /* reports */
    int64_t allowance_ms;
};

struct attacks {
    const struct attack_policy *policy;
    const struct attack_effects *effects;
    void *arg;
    struct source *sources[DETECTORS_MAX]; /* once they have reported */
    size_t source_count;
    struct protection *protections;
    size_t protection_count, seen_count, fired_count;
    struct deadline_heap *due, *protections_due;
    uint32_t last_mid;
};

/* ---- trigger.c ---- */

/* Brings all triggers of a target up to date, and sets when to look again. False: nothing is left to look for. */
bool seen_look(struct attacks *attacks, struct seen *seen, int64_t now);
/* Nothing is known of it any more: its triggers end. why: in words. */
void seen_release(struct attacks *attacks, struct seen *seen, size_t rule, const char *why);
bool policy_concerns(const struct attack_policy *policy, const struct seen *seen, size_t rule);
bool policy_allows(const struct scope_grant_prepared *grant, const struct wire_prefix *prefix);

/* ---- protect.c ---- */

/* A trigger fires: what covers it from now on; NULL: out of memory, or there are too many. */
struct protection *protect(struct attacks *attacks, const struct seen *seen, const struct config_attack_rule *rule,
                           int64_t now);
/* A trigger that protect was called for wants it no more. */
void unprotect(struct attacks *attacks, struct protection *protection);
struct protection *protection_root(struct protection *protection);
void protections_due(struct attacks *attacks, int64_t now);
void protections_free(struct attacks *attacks);
