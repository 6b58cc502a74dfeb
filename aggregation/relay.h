/*
 * relay: the spine. Desired state comes from southbound, the plan says what should be installed
 * where, the difference goes to northbound and the mitigators, feedback flows back.
 *
 * Words: a *requester* is one downstream DOTS client as the RFC sees it: (cdid, cuid), owned by a
 * configured client; a *mitigation* is one request of a requester, by its `mid`; a *target* is an
 * upstream or a mitigator; an *upstream cuid* is one identity under which requests are installed at
 * a target; an *install* is one request there (or one mitigator job), with the mitigations it
 * serves; an *effect* is something the outside must do. Effects that depend on state are released
 * only when that state is committed (docs/behaviour.md), in the order they were made.
 *
 * Pure: no I/O, no clock, no global state. `now` is in ms since 1970 and never goes back. Single
 * thread. Functions that take `now` may call effects before they return, never after freeing what
 * they were given. Effects must not call back into the relay, except the readers at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregation/nat.h"
#include "aggregation/scope.h"
#include "gateway/wire/wire.h"

#define RELAY_CUID_MAX 128u /* bytes of a cuid or cdid; longer is refused by southbound */

struct relay;

/* ---- Policy: borrowed, outlives the relay ---- */

enum relay_target_kind { RELAY_UPSTREAM, RELAY_MITIGATOR };

struct relay_target {
    const char *name; /* unique; what records refer to over restarts */
    enum relay_target_kind kind;
    bool disabled;        /* nothing new is installed there; what is there is withdrawn */
    bool identity_client; /* downstream cuid and mid pass; else the gateway's own */
    bool per_client;      /* one upstream session, and with identity gateway one cuid, per requester */
    bool insert_cdid;
    size_t preference;              /* with fan-out serial: lower goes first; the same: in this order */
    size_t body_max;                /* bytes of a request body that fit its path MTU (section 7.3); 0: any */
    const struct wire_prefix *owns; /* of an upstream, for fan-out by-prefix */
    size_t owns_count;
};

/* Which upstreams are asked (RFC 9284). Mitigators are no upstreams: they get everything. */
enum relay_fan_out {
    RELAY_FAN_OUT_ALL,
    RELAY_FAN_OUT_BY_PREFIX,
    RELAY_FAN_OUT_SERIAL, /* one at a time, in the order of the targets, which are 64 at most */
};

/* With mitigators and upstreams together: are upstreams asked as well? Without either it says nothing. */
enum relay_recursion {
    RELAY_RECURSION_ALWAYS,
    RELAY_RECURSION_NEVER,
    RELAY_RECURSION_MANUAL,      /* by relay_recurse */
    RELAY_RECURSION_ON_EXCEEDED, /* when the mitigators' combined status is 4 */
};

struct relay_policy {
    const char *name; /* the gateway's, for 5.08 */
    const struct relay_target *targets;
    size_t target_count;
    enum relay_fan_out fan_out;
    uint32_t failover_wait_ms; /* serial: an upstream that does not answer for so long is silent */
    enum relay_recursion recursion;
    uint32_t recursion_hold_ms; /* on-exceeded: upstreams stay for so long when status 4 is over */
    uint32_t response_wait_ms;
    uint32_t terminating_initial_ms, terminating_max_ms; /* active-but-terminating, RFC 9132 section 4.4.4 */
    bool reject_conflicts; /* overlapping requests of different requesters: 4.09 for the later one */
    size_t mitigations_max;
    uint8_t hop_limit;
    const struct nat_mapping *nat; /* between clients and upstreams; mitigators are on the inside */
    size_t nat_count;
};

/* ---- What southbound hands in ---- */

struct relay_requester {
    const char *client; /* configured name: the owner */
    const char *cdid;   /* from a trusted gateway, else "" */
    const char *cuid;
    const char *identity_hash; /* of the peer's key (22 characters): the cdid to insert */
    uint64_t request;          /* number of the request in the log; 0: none */
};

struct relay_limits {
    uint32_t mitigations, cuids, max_lifetime; /* max_lifetime in s */
    bool indefinite_lifetime;
};

struct relay_put {
    struct relay_requester requester;
    struct relay_limits limits;
    uint32_t mid;
    const struct wire_scope *scope; /* validated and authorized; borrowed */
    bool if_match;                  /* efficacy update, RFC 9132 section 4.4.3 */
    uint8_t hop_limit;              /* to forward; 0: none was there */
    uint64_t arrived;               /* by any clock of the caller's, for effects->accepted; 0: nobody wants to know */
    void *exchange;                 /* answered exactly once by effects->answer or ->ignore */
};

/* code as a number: 201, 409, 503. Exactly one of body and diagnostic, or neither. */
struct relay_answer {
    int code;
    const struct wire_message *body;
    const char *diagnostic;
    int64_t max_age; /* s; -1: none */
};

/* ---- What the relay is made of, for readers; written by the relay only ---- */

struct mitigation;
struct install;

struct requester {
    char client[128];
    char cdid[RELAY_CUID_MAX + 1], cuid[RELAY_CUID_MAX + 1];
    char identity_hash[23];
    void *user;              /* southbound's */
    size_t mitigation_count; /* in any state */
    size_t active_count;     /* immediate or triggered, not terminated: "mitigating" */
};

struct relay_counters {
    bool has_bytes, has_bps, has_pkts, has_pps;
    uint64_t bytes, bps, pkts, pps;
};

struct upstream_cuid {
    size_t target;
    struct requester *owner;                                 /* NULL when shared by all */
    char cuid[RELAY_CUID_MAX + 1], cdid[RELAY_CUID_MAX + 1]; /* cdid "": none is sent */
    void *user;                                              /* northbound's; NULL at first */
    size_t install_count;
};

/* What a put, a refresh or an efficacy update upstream must say. Borrowed until the effect returns;
 * an install answers the same again with relay_install_request. */
struct install_request {
    uint64_t id;        /* stable over restarts: the job of a mitigator */
    const char *client; /* configured name of the owner; of one of them when several are merged */
    uint32_t mid;
    const struct wire_scope *scope; /* target, lifetime, trigger, attack_status: as it is to be sent */
    bool if_match;
    uint8_t hop_limit;
    uint64_t request; /* number in the log of the client's request that it was last changed for; 0: not known */
};

/* ---- Effects: what the outside does; all are called on the thread that called the relay ---- */

struct relay_effects {
    /* Southbound */
    void (*answer)(void *arg, void *exchange, const struct relay_answer *answer);
    void (*ignore)(void *arg, void *exchange);
    /* Something an observer sees has changed; gone: no longer there after this call. */
    void (*changed)(void *arg, const struct mitigation *mitigation, bool gone);
    void (*requester_gone)(void *arg, struct requester *requester); /* user must be let go */
    /* Northbound: repeat until answered (relay_install_answer), superseded by the next call for the
     * same install, or forgotten. When no session is up: ask again with relay_upstream_up. */
    void (*install)(void *arg, struct install *install);
    void (*withdraw)(void *arg, struct install *install);
    void (*forget)(void *arg, struct install *install);                /* about to be freed */
    void (*upstream_cuid_gone)(void *arg, struct upstream_cuid *cuid); /* about to be freed */
    /* Mitigators */
    void (*job_start)(void *arg, struct install *install); /* also update */
    void (*job_stop)(void *arg, struct install *install);
    /* The gateway's cuid at a target: of the gateway (owner NULL) or derived for an owner; attempt
     * counts up after a collision (RFC 9132 section 4.4.1.1). Pure function of its arguments. */
    int (*make_cuid)(void *arg, size_t target, const struct requester *owner, uint32_t attempt, char cuid[23]);
    /* It is another one after a collision; NULL: nobody has to know. */
    void (*cuid_changed)(void *arg, const struct upstream_cuid *cuid);
    /* Store; tables as enum store_table. */
    int (*store_put)(void *arg, int table, const char *key, size_t key_length, const uint8_t *value, size_t length);
    int (*store_delete)(void *arg, int table, const char *key, size_t key_length);
    uint64_t (*store_submit)(void *arg);
    /* For the operators, may be NULL: this upstream has accepted (2.xx) what was sent to it because of a put that
     * arrived then: of several, the first that was not answered yet. */
    void (*accepted)(void *arg, size_t target, uint64_t arrived);
    /* For the operators, may be NULL: a target says that it has dropped so much more. */
    void (*dropped)(void *arg, size_t target, uint64_t bytes, uint64_t pkts);
    /* For the operators: loops, conflicts, refusals. */
    void (*alert)(void *arg, const char *event, const char *text);
};

/* ---- Life ---- */

struct relay *relay_new(const struct relay_policy *policy, const struct relay_effects *effects, void *arg);
void relay_free(struct relay *relay);

/* One record at start, before anything else; tables STORE_COUNTER, STORE_BINDING, STORE_MITIGATION,
 * STORE_INSTALL in this order. -1 with a sentence when it cannot be understood. */
int relay_load(struct relay *relay, int table, const char *key, size_t key_length, const uint8_t *value, size_t length,
               char *error, size_t error_size);
/* After the last record: drops what expired meanwhile, plans, starts jobs. */
void relay_start(struct relay *relay, int64_t now);

/* The store has committed everything up to this sequence: releases effects. */
void relay_committed(struct relay *relay, int64_t now, uint64_t sequence);

/* Runs what is due; relay_next says when that is (ms, INT64_MAX: never). A bounded amount a call. */
void relay_tick(struct relay *relay, int64_t now);
int64_t relay_next(const struct relay *relay);

/* ---- A changed configuration ---- */

/* What a review asks the outside; both pure functions of what is configured, for as long as it runs. */
struct relay_reviewer {
    /* False: this client is not configured any more. Its requests are withdrawn, its cuids are free again. */
    bool (*known)(void *arg, const char *client);
    /* False: its owner may not ask for this any more. The request is withdrawn and shown with status 7. */
    bool (*allowed)(void *arg, const struct requester *requester, const struct wire_target *target);
    void *arg;
};

/*
 * Another policy, from now on. A target keeps its index for as long as anything is there: one that is not wanted any
 * more is disabled, new ones come at the end or in the place of one that relay_target_left says is free. Every request
 * is then asked about and planned anew, a bounded amount in each relay_tick; meanwhile others are served as ever.
 * 0, or -1 out of memory: then everything is as before.
 */
int relay_reconfigure(struct relay *relay, int64_t now, const struct relay_policy *policy,
                      const struct relay_reviewer *reviewer);
/* The same without another policy: what is loaded may be older than the configuration. */
void relay_review(struct relay *relay, const struct relay_reviewer *reviewer);
bool relay_reviewing(const struct relay *relay);
/* Of a disabled target: is nothing left there? give_up: what it does not answer to is forgotten. */
bool relay_target_left(struct relay *relay, size_t target, bool give_up);

/* ---- From southbound ---- */

/* Is this cuid free or the requester's own? False: answer 4.09, conflict-cause 3 (figure 11). */
bool relay_cuid_allowed(const struct relay *relay, const struct relay_requester *requester);
/* Binds a cuid that is allowed, as its first request on the signal channel would: the data channel comes before that
 * (RFC 8783 section 5.1). Goes into the open batch of the store. -1: the client has cuids_max, or out of memory. */
int relay_cuid_bind(struct relay *relay, const struct relay_requester *requester, uint32_t cuids_max);

/* Is this what we sent upstream ourselves, under the client's own cuid and mid? Then it has gone in a circle:
 * answer 5.08 (RFC 8768). It asks for nothing and changes nothing. */
bool relay_came_back(const struct relay *relay, const struct relay_put *put);

void relay_put(struct relay *relay, int64_t now, const struct relay_put *put);
/* Answered 2.02, also when there is no such mid (section 4.4.4). */
void relay_delete(struct relay *relay, int64_t now, const struct relay_requester *requester, uint32_t mid,
                  void *exchange);
/* All sessions of a requester are gone without a goodbye (section 4.7): its preconfigured requests
 * are activated, overlapping active ones withdrawn (section 4.4.1.3). */
void relay_signal_lost(struct relay *relay, int64_t now, struct requester *requester);

/* An operator says that a preconfigured request is to be active now, as if its client's signal were lost. -1: it is
 * not a preconfigured one, or there is none. */
int relay_activate(struct relay *relay, int64_t now, const struct relay_requester *requester, uint32_t mid);

/* An operator says that upstreams are to help with a mitigation, or no more. -1: it is not active, or this is
 * not the operators' to say (recursion is not manual, or there are not both mitigators and upstreams). */
int relay_recurse(struct relay *relay, int64_t now, const struct relay_requester *requester, uint32_t mid, bool on);

/* ---- From northbound ---- */

/* What was just answered; a put that northbound repeats is answered once. */
struct relay_upstream_answer {
    int code;                        /* 201, 409, ...; */
    const struct wire_message *body; /* NULL: none */
    const char *diagnostic;          /* NUL-terminated, printable, at most 512 bytes; or NULL */
    int64_t max_age;                 /* -1: none */
    bool repeated;                   /* sent more than once: a refusal of one is none of the others */
};
void relay_install_answer(struct relay *relay, int64_t now, struct install *install,
                          const struct relay_upstream_answer *answer);
/* A notification or the answer of a GET for this install; NULL: the upstream does not know it (4.04). */
void relay_install_status(struct relay *relay, int64_t now, struct install *install, const struct wire_scope *status);
/* A session for this target (and owner, when per-client) can carry requests now: everything that
 * waits is sent. Then northbound GETs all of each upstream cuid and hands in what is there. */
void relay_upstream_up(struct relay *relay, int64_t now, size_t target, struct requester *owner);
/* No session can be had there, or the one there is stays silent: until relay_upstream_up. */
void relay_upstream_down(struct relay *relay, int64_t now, size_t target, struct requester *owner);
void relay_upstream_listed(struct relay *relay, int64_t now, struct upstream_cuid *cuid,
                           const struct wire_scope *scopes, size_t count);

/* How often the cuid at a target was replaced, of the gateway (owner NULL) or made for an owner: the attempt that
 * make_cuid is given. The data channel must have the same cuid (RFC 8783 section 5.1). */
uint32_t relay_cuid_attempt(const struct relay *relay, size_t target, const struct requester *owner);

/* ---- From mitigators ---- */

struct relay_report {
    enum wire_status status; /* 0: counters only */
    struct relay_counters counters;
};
void relay_job_report(struct relay *relay, int64_t now, size_t target, uint64_t id, const struct relay_report *report);

/* ---- Readers, for everyone, at any time ---- */

struct requester *relay_requester_find(const struct relay *relay, const char *cdid, const char *cuid);
const struct mitigation *relay_mitigation_find(const struct requester *requester, uint32_t mid);
/* In mid order; until each returns non-zero. */
int relay_mitigation_each(const struct requester *requester,
                          int (*each)(void *arg, const struct mitigation *mitigation), void *arg);
int relay_requester_each(const struct relay *relay, int (*each)(void *arg, struct requester *requester), void *arg);
struct requester *mitigation_requester(const struct mitigation *mitigation);
uint32_t mitigation_mid(const struct mitigation *mitigation);
bool mitigation_trigger(const struct mitigation *mitigation); /* false: preconfigured */
bool mitigation_is_live(const struct mitigation *mitigation); /* asked for, and neither withdrawn nor ended */

/* 'c' of RFC 9132 section 4.4.2, table 2. */
enum mitigation_content { MITIGATION_ALL, MITIGATION_CONFIG, MITIGATION_NONCONFIG };
/* A view of it as a GET answers it; points into the mitigation. */
void mitigation_represent(const struct mitigation *mitigation, int64_t now, enum mitigation_content content,
                          struct wire_scope *out);

/* Visits the upstream cuids of a target (of an owner: when owner is not NULL), until non-zero. */
int relay_upstream_cuid_each(const struct relay *relay, size_t target, const struct requester *owner,
                             int (*each)(void *arg, struct upstream_cuid *cuid), void *arg);
int upstream_cuid_install_each(const struct upstream_cuid *cuid, int (*each)(void *arg, struct install *install),
                               void *arg);
/* Is an attack on, as far as this target (and owner) knows: any immediate request wanted there. */
bool relay_target_mitigating(const struct relay *relay, size_t target, const struct requester *owner);

struct upstream_cuid *install_cuid(const struct install *install);
uint32_t install_mid(const struct install *install);
/* False once it is to be withdrawn. */
bool install_wanted(const struct install *install);
/* As it is to be sent now; scratch holds the scope and must live as long as the result is used. */
void relay_install_request(const struct install *install, int64_t now, struct install_request *out,
                           struct wire_scope *scratch);
void *install_user(const struct install *install); /* northbound's */
void install_set_user(struct install *install, void *user);
