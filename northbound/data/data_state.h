/*
 * data_state: what the parts of northbound/data share; nobody else includes it.
 *
 * Ownership: an upstream owns its accounts, an account its comparison; an ask owns its parts, a part its operations.
 * One ask of a client is under way at a time (a *lane*), so that upstreams see a client's changes in the order in
 * which the catalog gets them. On one account, asks and repairs exclude each other: while parts are under way no
 * repair begins, and a part waits for the few repairs that are under way.
 */
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "aggregation/deadline.h"
#include "gateway/log/log.h"
#include "northbound/data/compare.h"
#include "northbound/data/northbound_data.h"
#include "northbound/data/path.h"
#include "northbound/data/refusal.h"
#include "northbound/data/restconf.h"

#define DATA_TIMEOUT_MS 15000u
#define DATA_LISTING_TIMEOUT_MS 120000u
#define DATA_ANSWER_MAX ((size_t)64 * 1024)
#define DATA_LISTING_MAX ((size_t)64 * 1024 * 1024)
#define DATA_WINDOW 16u     /* operations under way of one part or repair */
#define DATA_COMPARISONS 4u /* under way at one upstream */
#define DATA_WEEK_MINUTES 10080
#define DATA_REFRESH_MINUTES (DATA_WEEK_MINUTES / 2)
#define DATA_COMPARE_MS (INT64_C(24) * 3600 * 1000) /* without a reason */
#define DATA_SPREAD_MS UINT64_C(14400000)           /* sooner than that, by who it is */
#define DATA_AGAIN_MS INT64_C(60000)                /* after a comparison that failed */
#define DATA_SOON_MS INT64_C(1000)
#define DATA_OUTAGE_MS 10000u /* a longer one may have cost the upstream what it had */

#define DATA_HELD_MAX 4u
#define DATA_CUID 23u /* of those that the gateway makes, with its NUL */

struct account;
struct data_upstream;

/* ---- operation.c ---- */

enum operation_kind { OPERATION_REGISTER, OPERATION_UNREGISTER, OPERATION_PUT, OPERATION_DELETE };

struct operation {
    struct account *account;
    enum operation_kind kind;
    bool was_registered, registering; /* when it was sent; on the way */
    unsigned generation;              /* of the account's cuid, when it was sent */
    char *path, *body;
    const char *via;
    uint64_t cause; /* number of the request that it is for; 0: of none */
    struct restconf_call *call;
    int status; /* of the answer that counts, while something else is asked */
    char *answer;
    size_t answer_length;
    unsigned retry_after;
    void (*done)(struct operation *operation, const struct transfer_response *response);
    void *arg;
    size_t index;
};

/* done(response): status 2xx: it is so now; 0: not known. Called once, from the loop; the operation is gone when done
 * returns. path and body are taken over; body and via may be NULL, via must stay. NULL: out of memory. */
struct operation *operation_start(struct account *account, enum operation_kind kind, char *path, char *body,
                                  const char *via, uint64_t cause,
                                  void (*done)(struct operation *operation, const struct transfer_response *response),
                                  void *arg, size_t index);
void operation_cancel(struct operation *operation);

/* ---- account.c ---- */

struct account {
    struct data_upstream *upstream;
    uint64_t client;                 /* its only one; 0: it is the gateway's own, for all */
    char cuid[CATALOG_CUID_MAX + 1]; /* at the upstream */
    char cdid[CATALOG_CUID_MAX + 1]; /* "": none is sent */
    char client_cuid[CATALOG_CUID_MAX + 1];
    uint64_t record;                     /* the client, in the key of its record */
    char held[DATA_HELD_MAX][DATA_CUID]; /* all of the gateway's making under which something may be there; durable */
    size_t held_count;
    unsigned names;            /* of the upstream, when it got its cuid */
    unsigned generation;       /* counts its cuids */
    bool registered;           /* it was seen there since the last outage */
    bool dirty;                /* something may differ */
    uint64_t cause;            /* number of the last request whose changes may differ; 0: of none */
    struct counting *counting; /* under way */
    int64_t counted_ms;        /* when it was asked for; 0: never */
    size_t parts;              /* under way or waiting */
    uint64_t serial;           /* counts parts */
    struct repairing *repairing;
    struct part *waiting;        /* for repairs that are under way */
    struct deadline deadline;    /* of the next comparison */
    struct account *prev, *next; /* of those that are to be compared */
    bool queued;
    UT_hash_handle hh;
};

struct data_upstream {
    struct northbound_data *data;
    const struct config_upstream *config;
    const struct relay_target *target;
    size_t index, place; /* in config, in the policy */
    unsigned names;      /* counts what may have changed cuids */
    struct restconf *restconf;
    bool up;
    struct log_repeat refused, not_compared;
    struct account *accounts, *to_compare;
    size_t comparing;
    struct restconf_call *capabilities_call;
    json_t *capabilities; /* NULL: not known */
};

/* The account for a client, made when there is none, under the cuid that it has by now; NULL: out of memory. */
struct account *account_of(struct data_upstream *upstream, uint64_t client, const char *owner, const char *cdid,
                           const char *cuid, const char *identity_hash);
struct account *account_find(const struct data_upstream *upstream, uint64_t client);
/* Its only client; NULL: it is gone, or it is for all. */
struct catalog_client *account_client(const struct account *account);
/* Its cuid is as it is to be. 0, or -1 out of memory. */
int account_name(struct account *account);
/* Whether it is there was seen under the cuid of that generation. */
void account_seen(struct account *account, unsigned generation, bool there);
/* It is not there any more. */
void account_left(struct account *account, unsigned generation);
void account_free(struct account *account);
bool upstream_is_shared(const struct data_upstream *upstream);
/* Name of an entry there. */
void account_entry_name(const struct account *account, uint64_t client, uint64_t entry, const char *name,
                        char out[CATALOG_NAME_MAX + 1]);
/* How many operations may be under way: one, until one has shown that the account is there. */
size_t account_window(const struct account *account);
void account_dirty(struct account *account, int64_t delay_ms); /* compare it then */
/* What portion.h is to know; name is left to the caller. */
struct portion_terms account_terms(const struct account *account);

/* ---- held.c ---- */

struct held_record {
    uint64_t client;
    char cuids[DATA_HELD_MAX][DATA_CUID];
    size_t count;
    struct held_record *next;
    char upstream[];
};

void held_add(struct account *account, const char *cuid);
void held_drop(struct account *account, const char *cuid);
const char *held_former(const struct account *account); /* NULL: there is nothing but under its cuid */
void held_take(struct account *account);                /* what was loaded for it */
/* Accounts of those that were loaded for nobody: they are to go. */
void held_orphans(struct data_upstream *upstream);
void held_free(struct northbound_data *data); /* what was loaded, and nobody took */

/* ---- resync.c ---- */

void resync_run(struct data_upstream *upstream);  /* begins what can begin */
void resync_continue(struct account *account);    /* parts have ended */
bool resync_holds(const struct account *account); /* repairs are under way: wait */
void resync_drop(struct account *account);        /* on closing */

/* ---- part.c ---- */

enum part_state { PART_WAITING, PART_FORWARD, PART_STOPPED, PART_UNDOING, PART_ENDED };
enum change_state { CHANGE_UNTOUCHED, CHANGE_UNDER_WAY, CHANGE_MADE, CHANGE_NOT_KNOWN };

struct change_progress {
    uint8_t state; /* enum change_state */
    bool others;   /* all of it is for other upstreams (fan-out: by-prefix) */
};

struct part {
    struct ask *ask;
    struct account *account;
    enum part_state state;
    bool registered_here; /* by this part */
    bool began;           /* the registration was asked for or is not needed */
    bool refused, silent, acknowledged;
    struct refusal refusal;
    struct change_progress *changes;
    struct operation **operations; /* of each change; the last is the registration's */
    size_t next, under_way;
    bool acl_under_way;
    struct part *prev, *next_waiting;
};

int part_init(struct part *part, struct ask *ask, struct account *account);
void part_start(struct part *part);
void part_undo(struct part *part);
void part_doubt(struct part *part); /* its account may differ: it is compared, for the same request */
void part_free(struct part *part);  /* cancels what is under way */

/* ---- ask.c ---- */

/* What is asked for: the changes of the write, or those that a deregistration means for a shared account. */
struct ask {
    struct northbound_data *data;
    const struct catalog_write *write;
    const struct catalog_change *changes;
    struct catalog_change *own; /* with names in one block behind it */
    size_t change_count;
    char via[VIA_MAX + 1];
    catalog_verdict_h *done;
    void *done_arg;
    struct part *parts;
    size_t part_count, running;
    bool undoing;
    struct lane *lane;
    struct ask *prev, *next; /* of its lane */
};

struct lane {
    uint64_t client;
    struct ask *asks;
    UT_hash_handle hh;
};

void ask_part_stopped(struct ask *ask); /* forward or back */
void ask_write(void *arg, const struct catalog_write *write, catalog_verdict_h *done, void *done_arg);
void ask_cancel(void *arg, const struct catalog_write *write);
void ask_kept(void *arg, const struct catalog_write *write);
void ask_drop_all(struct northbound_data *data);

/* ---- counts.c ---- */

bool counts_ask(void *arg, const struct catalog_client *client, uint64_t request);
void counts_drop(struct account *account);

/* ---- capabilities.c ---- */

void capabilities_ask(struct data_upstream *upstream);
const char *capabilities_all(void *arg);

/* ---- northbound_data.c ---- */

/* Where an upstream is in a policy. */
size_t data_place(const struct relay_policy *policy, const char *name);

struct northbound_data {
    struct northbound_data_settings settings;
    struct data_upstream *upstreams; /* those that have a data channel */
    size_t upstream_count;
    struct lane *lanes;
    struct deadline_heap *deadlines; /* of accounts */
    struct held_record *held;        /* as loaded */
    char *capabilities;              /* what is told */
    uv_timer_t timer;
    uv_prepare_t prepare;    /* sets it, once a turn */
    size_t handles, working; /* open ones; comparisons in the pool */
    bool closing;
    void (*on_closed)(void *arg);
    void *arg;
};

void data_working(struct northbound_data *data, int more); /* a comparison begins or ends */
