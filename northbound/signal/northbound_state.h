/*
 * northbound_state: what the gateway's use of links shares; nobody else includes it.
 *
 * Words: an *upstream* is one configured server group; a *leg* is its link for all requesters, or for
 * one of them (sessions: per-client); a *delivery* is what is kept of one install: the request under
 * way, the observation; a *listing* is what is kept of one upstream cuid: the GET of all it has there.
 * Ownership: a delivery hangs on its install until northbound_forget, a listing on its upstream cuid
 * until northbound_upstream_cuid_gone, a leg on its upstream. Calls into the relay come last in a
 * function: they may free what was passed.
 */
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "gateway/log/log.h"
#include "northbound/signal/link.h"
#include "northbound/signal/northbound.h"

#define NORTH_NEVER UINT64_MAX
#define NORTH_IDLE_CLOSE_MS 60000u          /* a requester's leg without installs is kept this long */
#define NORTH_LISTINGS_MAX 8u               /* under way at once on one leg */
#define NORTH_REGISTERING_MAX 32u           /* observations without an answer on one leg */
#define NORTH_TURN_WORK 64u                 /* things done in one turn of the loop */
#define NORTH_SILENCE_MITIGATING_MS 180000u /* an observation that was silent this long is registered anew */
#define NORTH_SILENCE_IDLE_MS 900000u
#define NORTH_EFFICACY_MS 30000u /* an efficacy update without an answer: does the mid still exist? */
#define NORTH_SIDS_A_BLOCK 64u
#define NORTH_ALERT_MS 10000u /* between warnings about single requesters' legs */
#define NORTH_OWNER_KEY (2 * RELAY_CUID_MAX + 2)

enum delivery_place { DELIVERY_NOWHERE, DELIVERY_TO_OBSERVE, DELIVERY_OBSERVED };

struct delivery {
    struct install *install;
    struct leg *leg;
    struct exchange *request, *observe;
    uint64_t observed_path; /* hash of what is observed: the cuid may change */
    uint64_t heard_at;      /* last notification */
    int failure;            /* code to report on the next turn; 0: none */
    size_t length;          /* of the request's body */
    enum delivery_place place;
    bool withdrawing, registering, doubted;
    bool repeated;                              /* what was answered last */
    struct delivery *prev, *next;               /* of its place */
    struct delivery *failed_prev, *failed_next; /* of the leg's failed ones */
};

struct listing {
    struct upstream_cuid *cuid;
    struct leg *leg;
    struct exchange *request;
    bool queued;
    struct listing *prev, *next;
};

struct leg {
    struct upstream *upstream;
    struct requester *owner; /* NULL: shared by all, or its owner is gone */
    bool shared;
    char key[NORTH_OWNER_KEY]; /* the owner's cdid and cuid */
    UT_hash_handle hh;         /* of the upstream's */
    struct link *link;
    uv_timer_t timer;
    bool closing, down;
    size_t listings, deliveries; /* that exist */
    uint64_t idle_since;
    struct delivery *to_observe, *observed; /* observed: the longest silent one first */
    struct delivery *failed;
    struct listing *to_list;
    size_t registering, listing; /* under way */
    bool wants_sid;
    struct leg *sid_prev, *sid_next;
};

struct upstream {
    struct northbound *northbound;
    const struct config_upstream *config; /* own: what is needed of it when it is not configured any more */
    struct config_upstream own;
    size_t target;
    size_t handles; /* legs' timers and the endpoint that are not closed yet */
    bool started;   /* legs of those who have something there are open */
    bool fresh;     /* opened by the reload under way */
    bool leaving;   /* not configured any more, or under another identity: what is there is withdrawn */
    bool gone;      /* closed: freed with the last handle */
    struct upstream *gone_prev, *gone_next;
    struct link_endpoint *endpoint;
    struct leg *shared, *legs;
    size_t down; /* legs without a session */
    uint64_t ups, outages, redirect_loops;
    struct log_repeat unread;                     /* answers with a body that cannot be used */
    uint64_t alerted_at;                          /* last warning about a single requester's leg */
    char hash[23];                                /* of its credentials: the gateway's cuid */
    uint8_t secret[32];                           /* for derived cuids */
    uint32_t sid_next, sid_reserved, sid_pending; /* pending: reserved once sid_sequence is committed */
    uint64_t sid_sequence;
    bool sid_asked;
    struct leg *sid_waiting;
};

struct northbound {
    uv_loop_t *loop;
    const struct config *config;
    struct relay *relay;
    struct store *store;
    int64_t (*now)(void);
    struct upstream **upstreams; /* by target; NULL: that target is none of ours */
    size_t upstream_count;
    struct upstream *gone; /* closed, and not freed yet */
    uint8_t *body;         /* scratch for encoding */
    uv_timer_t closer;     /* so that on_closed never comes from inside northbound_close */
    size_t handles;        /* legs' timers, endpoints and the closer that are not closed yet */
    struct leg *closed;    /* linked by sid_next: deliveries may point to them until the relay has let go */
    bool closing;
    void (*on_closed)(void *arg);
    void *arg;
};

/* northbound.c */
void north_handle_closed(struct northbound *northbound);

/* cuid.c: 0, or -1 with a sentence in error. */
int cuid_secret(const struct config_credentials *credentials, uint8_t secret[32], char *error, size_t error_size);
int cuid_derive(const uint8_t secret[32], const char *upstream, const struct requester *owner, uint32_t attempt,
                char cuid[23]);

/* upstream.c */
/* What of an upstream lies in files. */
struct upstream_material {
    struct dots_material *material;
    uint8_t secret[32];
    char hash[23];
};
/* From any thread. 0, or -1 with a sentence; upstream_material_free in both cases. */
int upstream_material_load(struct upstream_material *material, const struct config_upstream *config, char *error,
                           size_t error_size);
void upstream_material_free(struct upstream_material *material);
/* NULL with a sentence. */
struct upstream *upstream_open(struct northbound *northbound, const struct config_upstream *config, size_t target,
                               const struct upstream_material *material, char *error, size_t error_size);
/* Other servers or credentials, the same cuids. 0, or -1 out of memory: as before. */
int upstream_renew(struct upstream *upstream, const struct config_upstream *config,
                   const struct upstream_material *material);
void upstream_wanted(struct upstream *upstream); /* session parameters have changed */
void upstream_close(struct upstream *upstream);  /* it is freed when its handles are closed */
void upstream_free(struct upstream *upstream);
/* The leg for requests under this cuid; made when there is none. NULL: out of memory. */
struct leg *upstream_leg(struct upstream *upstream, const struct upstream_cuid *cuid);
struct leg *upstream_shared_leg(struct upstream *upstream);
void leg_kick(struct leg *leg); /* something changed: look at it on the next turn */
void leg_owner_gone(struct leg *leg);

/* sid.c */
int sid_load(struct upstream *upstream, const uint8_t *value, size_t length);
void sid_wanted(struct leg *leg);
void sid_committed(struct upstream *upstream, uint64_t sequence);
void sid_forget(struct leg *leg);

/* install.c */
struct delivery *delivery_of(struct northbound *northbound, struct install *install); /* or made; NULL: out of memory */
void delivery_put(struct northbound *northbound, struct install *install);
void delivery_failures(struct leg *leg); /* reports those that could not be sent */
/* Uri-Path of a cuid (mid < 0) or of a mid under it. Strings live in *path. */
struct dots_path {
    char cdid[RELAY_CUID_MAX + 8], cuid[RELAY_CUID_MAX + 8], mid[16];
    const char *at[6];
    size_t count;
};
void dots_path_of(struct dots_path *path, const struct upstream_cuid *cuid, int64_t mid);
/* NULL: there is none, or it cannot be understood (which is logged). */
struct wire_message *response_body(const struct leg *leg, const struct dots_response *response);

/* observe.c */
void observe_soon(struct delivery *delivery);
/* Its observation is good: a change of what the server has already is told without asking. */
bool observe_holds(const struct delivery *delivery);
void observe_stop(struct delivery *delivery, bool deregister);
void observe_run(struct leg *leg, uint64_t now, bool mitigating);
uint64_t observe_due(const struct leg *leg, bool mitigating);

/* repair.c */
void repair_begin(struct leg *leg);
void repair_run(struct leg *leg);
struct listing *listing_of(struct leg *leg, struct upstream_cuid *cuid); /* or made */
void listing_free(struct listing *listing);
