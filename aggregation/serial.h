/*
 * serial: one upstream at a time (fan-out: serial). Which one a mitigation is asked of, when that changes,
 * and that no address is asked of two at once.
 *
 * Words: a *component* is a connected component of overlap among all mitigations that upstreams are wanted
 * for, of whichever requester and trigger type; its *active* upstream is the one that is asked; it *moves*
 * as a whole. An upstream is *away* for a session when that is down, *silent* when a request was not answered
 * for failover-wait. A mitigation *stood* when an upstream has accepted it once. A put is *gated* while another
 * upstream has not answered a deletion of something that overlaps it, unless that one is away or silent.
 * The files of the relay include it through relay_state.h; nobody else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregation/overlap.h"

#define SERIAL_NOWHERE SIZE_MAX

struct relay;
struct install;
struct bundle;
struct mitigation;
struct requester;
struct requester_state;
struct upstream_cuid_state;

/* Bits by target: of a session that all share, or of one requester's. */
struct reach {
    uint64_t away, silent;
};

static inline uint64_t serial_bit(size_t target)
{
    return (uint64_t)1 << target;
}

struct component {
    struct mitigation *members;
    size_t count;
    size_t active;                    /* target; SERIAL_NOWHERE: not chosen yet */
    uint64_t refused, exceeded, busy; /* bits by target: what it said to this component */
    int64_t busy_until_ms;            /* after 5.03: not before, at those */
    bool scattered;                   /* not all of it is asked of the active one: it was put together */
    bool moved;                       /* its clients are to be told */
    struct component *prev, *next;
    struct component *moved_prev, *moved_next;
};

struct serial {
    struct overlap_index *members; /* mitigations, by what upstreams see */
    struct overlap_index *there;   /* installs at upstreams */
    struct component *components, *moved;
    struct install *gated;
    struct reach shared; /* of the sessions that all share */
    bool starting;       /* what was loaded says which upstream is the active one */
};

struct serial *serial_new(void); /* NULL: out of memory */
void serial_free(struct serial *serial);

/* serial.c: components. 0, or -1 out of memory: then it is no member. */
int serial_update(struct relay *relay, struct mitigation *mitigation);
/* Is this the upstream that it is asked of? */
bool serial_holds(const struct mitigation *mitigation, size_t target);
/* Moves what is better off elsewhere; bundles are settled later. True: it moved. */
bool serial_review(struct relay *relay, struct component *component);
/* Those of a requester, or all (NULL): how many moved. */
size_t serial_review_all(struct relay *relay, struct requester_state *owner);
void serial_tell(struct relay *relay); /* the clients of what has moved */
void serial_started(struct relay *relay);

/* serial_choice.c */
/* The most preferred of the best ones; what runs stays where it is as long as no other is better, and so does
 * what nobody can take now. */
size_t serial_choose(const struct relay *relay, const struct component *component);
/* Of two upstreams the better one; of equal ones where something runs, then the more preferred. */
size_t serial_winner(const struct relay *relay, const struct component *a, const struct component *b);
/* Is there another upstream that has not said no to it? */
bool serial_hopes(const struct relay *relay, const struct component *component);

/* serial_gate.c: never two at once. 0, or -1 out of memory. */
int serial_track(struct relay *relay, struct install *install);
void serial_untrack(struct relay *relay, struct install *install);
bool serial_gated(struct relay *relay, struct install *install); /* called when it is about to be sent */
void serial_ungate(struct relay *relay, struct install *install);
void serial_open(struct relay *relay, const struct install *gone); /* what waited for this one */
void serial_resists(struct relay *relay, struct install *install); /* its deletion fails there */
void serial_open_all(struct relay *relay);                         /* an upstream is not waited for any more */
/* The upstream that was asked with this scope before: what was loaded. SERIAL_NOWHERE: none. */
size_t serial_holder(const struct relay *relay, const struct mitigation *mitigation);

/* serial_event.c: what upstreams say, and that they say nothing. */
struct reach *serial_reach(struct relay *relay, const struct upstream_cuid_state *cuid);
void serial_heard(struct relay *relay, const struct upstream_cuid_state *cuid);
void serial_up(struct relay *relay, size_t target, struct requester *owner);
void serial_silent(struct relay *relay, struct install *install);
void serial_sent(struct relay *relay, struct install *install);
void serial_accepted(struct install *install);
/* True: what follows of it is done. */
bool serial_refused(struct relay *relay, struct install *install);
void serial_status(struct relay *relay, struct install *install);
/* Since when a put may be sent: after a 5.03; 0: at once. */
int64_t serial_not_before(const struct relay *relay, const struct bundle *bundle);
