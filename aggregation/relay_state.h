/*
 * relay_state: what the files of the relay share; nobody else includes it.
 *
 * Ownership: the relay owns requesters, a requester its mitigations, an upstream cuid its installs.
 * Nothing is freed in the middle of an event: freeing is an effect like any other, so that the
 * outside sees the end of a thing in order. Effects of installs and mitigations are embedded in
 * them, so that reconciling never fails for want of memory.
 */
#pragma once

#include "aggregation/deadline.h"
#include "aggregation/fan_out.h"
#include "aggregation/overlap.h"
#include "aggregation/relay.h"
#include "aggregation/serial.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define REQUESTER_KEY_MAX (2 * RELAY_CUID_MAX + 4)
#define RELAY_KEY_MAX (REQUESTER_KEY_MAX + 160)
#define RELAY_SEPARATOR '\x1f' /* cannot be part of a cuid: southbound takes printable ones only */
#define RELAY_TIMERS_A_TICK 64
#define RELAY_EXCHANGES 4    /* repeats of one put that are answered together */
#define RELAY_REPEAT_MS 3000 /* statuses 3 and 7 of preconfigured requests, four times (table 3) */
#define RELAY_REPEATS 4
#define RELAY_LINGER_MS 10000 /* a terminated mitigation stays this long, for its last notification */
#define RELAY_FOREVER INT64_MAX

#define RELAY_INSTALLS_A_MITIGATION 16 /* at each target: what a silent upstream makes us keep for one client */

/* Numbers of enum store_table, which aggregation must not include. They are on disk. */
enum { TABLE_BINDING = 2, TABLE_MITIGATION = 3, TABLE_INSTALL = 4, TABLE_COUNTER = 5 };

enum effect_kind { EFFECT_ANSWER, EFFECT_SYNC, EFFECT_CHANGED, EFFECT_FREE_INSTALL, EFFECT_FREE_MITIGATION };

struct effect {
    struct effect *next;
    void *subject;
    uint64_t sequence; /* released when this is committed */
    enum effect_kind kind;
    bool queued;
};

enum timer_kind { TIMER_MITIGATION, TIMER_INSTALL };

struct timer {
    struct deadline deadline; /* first: a deadline is its timer */
    enum timer_kind kind;
    void *subject;
};

/* A cuid and the identity it was first used by: durable (docs/behaviour.md). */
struct binding {
    char cuid[RELAY_CUID_MAX + 1];
    char identity[160]; /* "client:NAME", or "cdid:CDID" from a trusted gateway */
    UT_hash_handle hh;
};

struct binding_count {
    char identity[160];
    size_t count;         /* cuids */
    size_t live_count;    /* mitigations of all of them: the limit is the client's, not the cuid's */
    size_t install_count; /* installs that its puts and deletes made, and that are not yet gone */
    UT_hash_handle hh;
};

/* Numbers that must never be used twice upstream. A block is reserved on disk ahead of use. */
struct counter {
    char key[RELAY_KEY_MAX];
    uint64_t next, reserved;
    uint32_t attempt; /* of make_cuid, after collisions */
    UT_hash_handle hh;
};

struct requester_state {
    struct requester public;        /* first */
    char key[REQUESTER_KEY_MAX];    /* cdid, separator, cuid */
    struct mitigation *mitigations; /* by mid */
    struct mitigation *ordered;     /* the same, ascending mid */
    struct overlap_index *index;    /* live and terminating ones */
    struct binding_count *identity; /* NULL: none was bound, which only a damaged store can make */
    size_t terminating_count;
    struct reach reach; /* of its own sessions with upstreams, for fan-out serial */
    bool forgotten;     /* its client is not configured any more: with the last request its cuid is free */
    size_t held;        /* mitigations and upstream cuids that point here, also those about to be freed */
    struct upstream_cuid_state *cuids; /* those, for per-client walks */
    UT_hash_handle hh;
};

enum mitigation_state {
    MITIGATION_LIVE,        /* wanted: immediate, preconfigured, or preconfigured and activated */
    MITIGATION_TERMINATING, /* withdrawn by the client, active but terminating */
    MITIGATION_ENDED,       /* status 6 or 7 is shown until it is removed */
};

/* What the exchanges that wait are about. */
enum mitigation_wait { WAIT_NONE, WAIT_CREATED, WAIT_CHANGED };

struct mitigation {
    struct requester_state *owner;
    uint32_t mid;
    struct scope *scope;
    struct scope *outside; /* as upstreams see it, the same without NAT; NULL: they must not see it */
    bool trigger;          /* as asked for */
    bool active;           /* mitigation is, or should be, under way */
    bool overrides;        /* others of its requester, once it is accepted; durable until then */
    bool activated;        /* preconfigured, and made immediate by us after signal loss */
    enum mitigation_state state;
    enum wire_status status; /* as shown */
    enum wire_attack_status attack_status;
    uint8_t hop_limit;
    uint64_t request;            /* number in the log of the last one for it; 0: not known */
    uint64_t looped;             /* targets, as bits, whose path leads back to us: not asked again */
    uint8_t repeats;             /* status 3 or 7 of a preconfigured one: steps left before 8 */
    int64_t lifetime;            /* s, granted; -1 indefinite */
    int64_t expires_ms;          /* RELAY_FOREVER: never */
    int64_t previous_expires_ms; /* before the refresh that waits for its verdict */
    int64_t start_s;             /* mitigation-start; 0: not active */
    uint32_t terminating_ms;     /* period of the next withdrawal (section 4.4.4) */
    int64_t state_until_ms;      /* end of TERMINATING or ENDED, or the next repeat */
    int64_t recursed_until_ms;   /* upstreams help until then; RELAY_FOREVER: no end is in sight; 0: they do not */
    struct relay_counters counters;
    uint64_t bytes_before, pkts_before; /* totals of upstreams that do not help any more */
    struct wire_conflict *conflict;     /* one block */
    enum mitigation_wait wait;
    bool efficacy; /* the refresh that waits is an efficacy update */
    int64_t wait_until_ms;
    void *exchanges[RELAY_EXCHANGES];
    size_t exchange_count;
    struct demand *demands;
    bool indexed, indexed_all;   /* of its requester; of all requesters, too */
    bool stood;                  /* an upstream has accepted it once */
    bool denied;                 /* upstreams are not asked for it any more, mitigators go on */
    struct component *component; /* fan-out serial: what it moves with; NULL: no upstream is wanted */
    struct mitigation *component_prev, *component_next;
    struct timer timer;
    struct effect changed, gone;
    UT_hash_handle hh;
    struct mitigation *prev, *next; /* ordered */
};

/* What one mitigation asks of one target: at most one immediate and one preconfigured. */
struct demand {
    struct mitigation *mitigation;
    struct bundle *bundle;
    struct scope *scope;        /* as that target is to see it */
    struct demand *prev, *next; /* of the mitigation */
    struct demand *bundle_prev, *bundle_next;
    struct demand *root; /* scratch: one of the component it belongs to */
};

/*
 * A connected component of overlap among the demands under one upstream cuid and trigger type: what is
 * one request there, or several when it does not fit a message. Alone where nothing is merged: at
 * mitigators, and under a client's own cuid.
 */
struct bundle {
    struct upstream_cuid_state *cuid;
    bool trigger;
    bool dirty; /* what is installed may not be what is wanted */
    struct demand *demands;
    size_t demand_count;
    struct install *installs;
    enum wire_status status_before; /* of the bundle that it was a part of */
    struct bundle *next_dirty;
};

enum install_state {
    INSTALL_PUT,      /* to be put; not yet answered */
    INSTALL_LIVE,     /* there, as far as we know */
    INSTALL_REFUSED,  /* the target said no */
    INSTALL_WITHDRAW, /* to be deleted there */
    INSTALL_GONE,     /* waits to be freed */
};

struct install {
    uint64_t id;
    struct upstream_cuid_state *cuid;
    uint32_t mid;
    bool trigger;
    enum install_state state;
    struct scope *scope;
    struct bundle *bundle; /* NULL: nobody's, to be withdrawn */
    bool superseded;       /* no longer wanted; stays until what replaces it is accepted */
    bool kept;             /* scratch: wanted as it is */
    struct binding_count *payer;
    uint64_t request;           /* number in the log of the client's request that it was last sent for */
    struct install *blocked_by; /* same cuid and mid upstream, being withdrawn: that comes first */
    struct install *blocks;
    bool pending;  /* something is to be sent */
    bool sent;     /* it may be there already */
    bool open;     /* sent, and not answered: so it may be there whatever is said of the next one sent */
    bool doubtful; /* refused, and perhaps there nevertheless: it is deleted when it is not wanted any more */
    bool efficacy; /* ... as an efficacy update */
    bool awaited;  /* its answer is part of the verdict that a mitigation waits for */
    uint8_t hop_limit;
    uint8_t hops_sent;        /* with the put that is under way */
    uint8_t hops_accepted;    /* with so many it was last answered 2.xx; 0: not since the start */
    uint64_t arrived;         /* of the put that it was sent for, until that is answered; 0: none */
    int64_t answered_ms;      /* when a put was last answered 2.xx; 0: never */
    int64_t granted_until_ms; /* what the upstream granted */
    int64_t granted_ms;       /* for how long that was */
    int64_t lasts_until_ms;   /* it may be there for so long: asked for, if not granted; RELAY_FOREVER: not known */
    int64_t hold_until_ms;    /* retry-timer of an upstream that deactivated it: not before (section 4.4.2.1) */
    int64_t retry_ms;         /* refresh at half-life, or a put again after 5.03; RELAY_FOREVER: none */
    int64_t silent_ms;        /* fan-out serial: without an answer by then the upstream is silent */
    bool tracked, gated;      /* fan-out serial: in the index of what is there; waits for another upstream */
    bool resists;             /* fan-out serial: it was refused, or its deletion: that is not waited for */
    struct install *gated_prev, *gated_next;
    enum wire_status status; /* 0: not known yet */
    struct relay_counters counters;
    bool counted_before;                /* loaded: what its target says first was dropped before the start */
    uint64_t bytes_before, pkts_before; /* totals of those that it took the place of */
    struct wire_conflict *conflict;
    int refusal; /* code, 0: none */
    char diagnostic[160];
    int64_t refusal_max_age;
    void *user;
    struct timer timer;
    struct effect sync, gone;
    struct install *prev, *next;           /* of the bundle */
    struct install *cuid_prev, *cuid_next; /* of the upstream cuid */
    UT_hash_handle hh;                     /* by id */
    UT_hash_handle mid_hh;                 /* of those that leave */
    bool leaving;
};

struct upstream_cuid_state {
    struct upstream_cuid public;       /* first */
    char key[RELAY_KEY_MAX];           /* target, separator, requester's key or nothing */
    struct requester_state *requester; /* NULL: shared by all */
    struct counter *counter;           /* of mids; NULL with identity client */
    bool job;                          /* the target is a mitigator */
    bool merges;                       /* overlapping demands are bundled */
    struct overlap_index *index[2];    /* of demands, by trigger; NULL: nothing is merged */
    struct overlap_index *leaving[2];  /* of installs that are withdrawn (leaving.h), the same; NULL: none yet */
    struct install *leaving_mids;
    bool leaving_walked; /* memory ran out: some are in neither */
    size_t bundle_count;
    struct install *installs;
    size_t active_count;
    UT_hash_handle hh;
    struct upstream_cuid_state *requester_next;
};

struct answer {
    struct effect effect; /* first */
    void *exchange;
    int code;
    int64_t max_age;
    char *diagnostic;
    bool has_scope;
    struct wire_scope scope; /* mid, lifetime, conflict */
};

struct relay {
    const struct relay_policy *policy;
    const struct relay_effects *effects;
    void *arg;
    struct requester_state *requesters;
    struct binding *bindings;
    struct binding_count *binding_counts;
    struct counter *counters;
    struct counter *install_ids;
    uint64_t request;            /* number in the log of the put or delete that is worked on; 0: none */
    struct binding_count *payer; /* who makes the installs that are made now; NULL: nobody's put or delete */
    uint64_t arrived;            /* of the put that is under way; 0: none is */
    uint64_t first_mid;          /* of ours, where none is on record */
    struct upstream_cuid_state *cuids;
    struct install *installs;
    struct overlap_index *index; /* of all requesters, for conflicts between them; NULL: never needed so far */
    struct bundle *dirty_bundles, *last_dirty_bundle;
    struct loose *loose; /* installs that were loaded and wait to be claimed, until the start is over */
    bool has_upstream;
    bool recurses;           /* upstreams are asked for recursed mitigations only */
    struct fan_out *fan_out; /* NULL: who is asked is asked for everything */
    struct serial *serial;   /* NULL: not one after the other */
    int64_t now;             /* of the event that is under way */
    size_t mitigation_count;
    size_t *target_active;
    struct relay_walk *walks; /* under way */
    struct deadline_heap *timers;
    struct effect *first_effect, *last_effect, *untagged; /* untagged: first without a sequence */
    uint64_t submitted, committed;
    bool dirty; /* changes since the last submit */
    bool releasing;
    uint64_t renamed; /* bits by target: who is another one by the review that is under way */
    bool reviewing;   /* what is there is compared with a new configuration */
    struct relay_reviewer reviewer;
    struct requester_state *review_next; /* the next to be reviewed */
    struct binding *review_binding;
    uint8_t *record; /* scratch of the record codec */
};

/* relay.c: what follows from the policy. 0, or -1 out of memory: nothing has changed. */
int relay_adopt(struct relay *relay, const struct relay_policy *policy);

/* review.c: the next few. */
void review_some(struct relay *relay, int64_t now);

/* effects.c: queue and release. effect_push keeps the place of one that is queued already. */
void effect_push(struct relay *relay, struct effect *effect, enum effect_kind kind, void *subject);
void effects_flush(struct relay *relay); /* at the end of every event: submit, release */
void effects_drop(struct relay *relay);  /* at the end of all: free what is queued */

/* answer.c: what an exchange gets. Each consumes the exchange. */
void answer_scope(struct relay *relay, void *exchange, int code, const struct mitigation *mitigation);
void answer_conflict(struct relay *relay, void *exchange, const struct wire_conflict *conflict);
void answer_text(struct relay *relay, void *exchange, int code, int64_t max_age, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void answer_empty(struct relay *relay, void *exchange, int code);
void answer_free(struct answer *answer);
struct wire_conflict *conflict_copy(const struct wire_conflict *conflict); /* one block; NULL on OOM */

/* requester.c */
void requester_key(char key[REQUESTER_KEY_MAX], const char *cdid, const char *cuid);
struct requester_state *requester_get(struct relay *relay, const struct relay_requester *requester); /* or make */
struct requester_state *requester_look(const struct relay *relay, const char *cdid, const char *cuid);
void requester_release(struct relay *relay, struct requester_state *requester); /* frees an empty one */
/* 0, or -1 when it may not (limit) or cannot (memory). */
int requester_bind(struct relay *relay, const struct relay_requester *requester, uint32_t cuids_max);
struct binding_count *requester_identity(const struct relay *relay, const struct relay_requester *requester);
/* The cdid part of the key of whose cuid this is; NULL: nobody's. */
const char *requester_owner_cdid(const struct relay *relay, const char *cuid);
int binding_add(struct relay *relay, const char *cuid, const char *identity);
/* The client that a binding is of; NULL: of a domain that a trusted gateway named. */
const char *binding_client(const struct binding *binding);
void binding_release(struct relay *relay, struct binding *binding);

/* cuid.c: the name of one that is new, and of one that is somebody else's there. 0, or -1. */
int cuid_name(struct relay *relay, struct upstream_cuid_state *cuid);
int cuid_replace(struct relay *relay, struct upstream_cuid_state *cuid);

/* counter.c */
struct counter *counter_get(struct relay *relay, const char *key);
uint64_t counter_take(struct relay *relay, struct counter *counter, uint64_t block);

/* mitigation.c */
/* outside: as upstreams see it; borrowed; NULL: the same. */
struct mitigation *mitigation_new(struct relay *relay, struct requester_state *owner, uint32_t mid,
                                  const struct wire_target *target, struct scope *outside);
void mitigation_free(struct relay *relay, struct mitigation *mitigation);
struct mitigation *mitigation_look(const struct requester_state *owner, uint32_t mid);
int mitigation_index(struct relay *relay, struct mitigation *mitigation);
void mitigation_unindex(struct relay *relay, struct mitigation *mitigation);
void mitigation_set_active(struct mitigation *mitigation, bool active, int64_t now);
void mitigation_set_state(struct mitigation *mitigation, enum mitigation_state state);
void mitigation_schedule(struct relay *relay, struct mitigation *mitigation);
void mitigation_changed(struct relay *relay, struct mitigation *mitigation); /* tell the observers */
void mitigation_show(struct relay *relay, struct mitigation *mitigation, enum wire_status status);
void mitigation_end(struct relay *relay, int64_t now, struct mitigation *mitigation, enum wire_status status,
                    int64_t until_ms); /* shows 6 or 7, withdraws everywhere at once */
void mitigation_remove(struct relay *relay, int64_t now, struct mitigation *mitigation);
void mitigation_due(struct relay *relay, int64_t now, struct mitigation *mitigation);
void mitigation_keep_counters(struct mitigation *mitigation); /* of upstreams that are about to be left */
void mitigation_stand_by(struct relay *relay, int64_t now, struct mitigation *mitigation); /* preconfigured: 8 */

/* recursion.c */
void recursion_review(struct relay *relay, int64_t now, struct mitigation *mitigation); /* a mitigator has reported */
void recursion_due(struct relay *relay, int64_t now, struct mitigation *mitigation);

/* verdict.c: the answer that a put waits for */
void verdict_wait(struct relay *relay, int64_t now, struct mitigation *mitigation, enum mitigation_wait wait,
                  void *exchange);
void verdict_check(struct relay *relay, int64_t now, struct mitigation *mitigation, bool overdue);

/* conflict.c */
struct mitigation *conflict_with_others(const struct relay *relay, const struct mitigation *mitigation);
void conflict_describe(const struct mitigation *mine, const struct mitigation *other, bool same_requester,
                       enum wire_conflict_status status, int64_t now, struct wire_conflict *out,
                       struct scope_common *memory);
void conflict_mark(struct relay *relay, int64_t now, struct mitigation *mitigation);
void conflict_clear(struct relay *relay, int64_t now, struct mitigation *ended);

/* Removes the requester's own that an accepted one overrides: same trigger type, lower mid; and what of
 * its own terminates there. */
void conflict_override(struct relay *relay, int64_t now, struct mitigation *mitigation);

/* plan.c: what a mitigation asks of a target, if it has a part there. */
struct plan {
    bool immediate, preconfigured;
};
void plan_target(const struct relay *relay, const struct mitigation *mitigation, size_t target, struct plan *out);
bool plan_wants_upstream(const struct relay *relay, const struct mitigation *mitigation); /* whichever it is */
/* A target as upstreams are to see it, NULL in *outside: as it is. 0, or -1 with the reason (nat_translate). */
int plan_outside(const struct relay *relay, const struct wire_target *target, struct scope **outside, char *reason,
                 size_t size);
/* What a target is asked for: a new reference, or NULL: nothing. 0, or -1 out of memory. */
int plan_scope(const struct relay *relay, const struct mitigation *mitigation, size_t target, struct scope **scope);

/* bundle.c: demands and their bundles. */
struct demand *demand_find(const struct mitigation *mitigation, size_t target, bool trigger);
/* 0, or -1 out of memory: then nothing was added. */
int demand_add(struct relay *relay, struct mitigation *mitigation, size_t target, bool trigger, struct scope *scope);
void demand_remove(struct relay *relay, struct demand *demand);
void demand_drop(struct relay *relay, struct demand *demand); /* at the end of all: its bundle with the last one */
void bundle_soil(struct relay *relay, struct bundle *bundle); /* to be settled */
/* Put anew, a mitigation is where it was until the upstream says otherwise: 0 when nothing is known. */
enum wire_status bundle_status(const struct bundle *bundle);
int64_t bundle_expires(const struct bundle *bundle);
const struct relay_target *bundle_target(const struct relay *relay, const struct bundle *bundle);
/* Is the demand served by what is there, as far as we were answered. */
bool demand_covered(const struct demand *demand);

/* settle.c: the difference between what a bundle wants and what is installed for it. */
void settle_bundles(struct relay *relay, int64_t now);
void settle_inherit(struct bundle *bundle);                       /* counters of what is about to go */
void settle_answered(struct relay *relay, struct bundle *bundle); /* what is superseded goes, when it can */

/* load.c: an install that was loaded, wanted as it is; NULL: there is none. */
struct install *loose_claim(struct relay *relay, const struct bundle *bundle, const struct scope *scope);

/* reconcile.c */
int reconcile_demands(struct relay *relay, struct mitigation *mitigation); /* bundles are settled later */
int demands_place(struct relay *relay, struct mitigation *mitigation);     /* of this one alone */
enum reconcile_cause { RECONCILE_CHANGE, RECONCILE_REFRESH, RECONCILE_EFFICACY };
/* 0, or -1 out of memory: then nothing was installed anew. */
int reconcile(struct relay *relay, int64_t now, struct mitigation *mitigation, enum reconcile_cause cause);
void reconcile_due(struct relay *relay, int64_t now, struct install *install);

/* install.c */
struct install *install_new(struct relay *relay, struct upstream_cuid_state *cuid, uint64_t id);
void install_free(struct relay *relay, struct install *install);
void install_send(struct relay *relay, struct install *install);
void install_sync(struct relay *relay, struct install *install); /* carries the effect out */
void install_withdraw(struct relay *relay, struct install *install);
void install_remove(struct relay *relay, struct install *install);
void install_schedule(struct relay *relay, struct install *install);
void install_attach(struct relay *relay, struct install *install, struct bundle *bundle);
/* To another bundle of the same cuid and trigger type. */
void install_move(struct install *install, struct bundle *bundle);
/* What its target says it has dropped. */
void install_take_counters(struct relay *relay, struct install *install, const struct relay_counters *counters);
/* The same mid under the same cuid is being withdrawn: the new one must not overtake that. */
void install_block(struct install *install);
/* An upstream said that this one is over: that is no status of what is put in its place. */
bool install_over(const struct install *install);
/* When to refresh there what was granted for a shorter time than is wanted. */
void install_plan_refresh(struct install *install, int64_t now);
const struct relay_target *install_target(const struct relay *relay, const struct install *install);
struct upstream_cuid_state *upstream_cuid_get(struct relay *relay, size_t target, struct requester_state *requester);
void upstream_cuid_release(struct relay *relay, struct upstream_cuid_state *cuid);

/* feedback.c: what targets say, as the client sees it */
void feedback(struct relay *relay, int64_t now, struct mitigation *mitigation);
/* It cannot be served any more: shown as status 7 until its lifetime ends, an hour at most. */
void feedback_refuse(struct relay *relay, int64_t now, struct mitigation *mitigation);
/* An upstream's conflict in the client's own terms, one block; NULL: it does not concern this client. */
struct wire_conflict *feedback_conflict(const struct relay *relay, const struct install *install,
                                        const struct mitigation *mitigation);

/* record.c */
int record_mitigation(struct relay *relay, const struct mitigation *mitigation);
int record_install(struct relay *relay, const struct install *install);
int record_counter(struct relay *relay, const struct counter *counter);
int record_binding(struct relay *relay, const struct binding *binding);
void record_forget_binding(struct relay *relay, const struct binding *binding);
void record_forget_mitigation(struct relay *relay, const struct mitigation *mitigation);
void record_forget_install(struct relay *relay, const struct install *install);

/* hop.c: Hop-Limit (RFC 8768). */
uint8_t hop_fewest(const struct bundle *bundle); /* of its mitigations */
/* What a put came with, 0: nothing; what is installed for it follows when it is settled. */
void hop_take(struct relay *relay, struct mitigation *mitigation, uint8_t hop_limit);
void hop_follow(struct relay *relay, struct install *install); /* fewer hops than it was sent with: sent again */
/* 5.08 from the bundle's target, where it stands, for so many hops: who has no more than these leaves it. */
void hop_reached(struct relay *relay, int64_t now, struct bundle *bundle, uint8_t hops);
bool hop_looped(const struct mitigation *mitigation, size_t target);
/* The names of a 5.08 without our own; never longer than names. */
void hop_names(const char *names, const char *own, char *out, size_t size);
