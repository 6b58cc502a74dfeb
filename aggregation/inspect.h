/*
 * inspect: what is in the relay, for operators: who asked for what, what is installed for it, and why.
 *
 * Words: a *walk* visits all mitigations, or all installs, over as many turns of the loop as its user likes: what goes
 * away meanwhile is passed over, what comes may be seen. A *member* of an install is a mitigation that it serves.
 * Reads only; nothing here calls an effect.
 */
#pragma once

#include "aggregation/relay.h"

struct relay_walk;

/* NULL: out of memory. To be ended, before or after relay_free. */
struct relay_walk *relay_walk_begin(struct relay *relay);
void relay_walk_end(struct relay_walk *walk); /* NULL is fine */
/* The next one, valid until the relay is called; NULL at the end. One walk is over mitigations or over installs. */
const struct mitigation *relay_walk_mitigation(struct relay_walk *walk);
const struct install *relay_walk_install(struct relay_walk *walk);

struct mitigation_view {
    const char *state; /* "live", "terminating", "ended" */
    bool active;       /* mitigation is, or should be, under way */
    bool activated;    /* preconfigured, and made immediate after signal loss or by an operator */
    bool recursed;     /* upstreams help by recursion */
    bool waits;        /* its client has no answer yet */
    size_t demands;    /* at how many targets it is asked for */
};
void mitigation_view(const struct mitigation *mitigation, struct mitigation_view *out);

struct install_view {
    uint64_t id; /* of the job at a mitigator */
    const char *target;
    enum relay_target_kind kind;
    const char *cdid, *cuid; /* it stands under */
    uint32_t mid;            /* upstream; 0 at a mitigator */
    bool trigger;
    const char *state;            /* "asked", "accepted", "refused", "withdrawing" */
    bool superseded;              /* stays until what replaces it is accepted */
    bool merges;                  /* overlapping requests are bundled there */
    const struct wire_target *at; /* what is asked for there */
    enum wire_status status;      /* 0: not known yet */
    struct relay_counters counters;
    int refusal;            /* code, 0: none */
    const char *diagnostic; /* "": none */
    size_t members;
    size_t parts; /* requests that the bundle is split into, because of the size of a message */
};
void install_view(const struct relay *relay, const struct install *install, struct install_view *out);
/* Until each returns non-zero. */
int install_member_each(const struct install *install, int (*each)(void *arg, const struct mitigation *mitigation),
                        void *arg);
/* By its id; NULL: there is none. */
const struct install *relay_install_find(const struct relay *relay, uint64_t id);

struct relay_totals {
    size_t requesters, mitigations, installs, upstream_cuids;
    bool recurses_by_hand; /* relay_recurse is the operators' to call */
};
void relay_totals(const struct relay *relay, struct relay_totals *out);
/* An immediate or triggered mitigation wanted at this target. */
size_t relay_target_active(const struct relay *relay, size_t target);
