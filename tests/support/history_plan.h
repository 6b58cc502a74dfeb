/*
 * history_plan: what should be asked of upstreams, from scratch and by brute force: every pair of demands is compared.
 * It reads what the relay holds of the clients' requests, and nothing of what it made of them.
 */
#pragma once

#include "aggregation/relay_state.h"
#include "tests/support/history.h"

struct wanted {
    const struct mitigation *mitigation;
    size_t target;
    const struct demand *demand; /* what the relay has for it; NULL: nothing, which is wrong */
    bool trigger, job;
    struct blocks blocks; /* what that target is asked for */
    size_t root;          /* of its component: the index of one of it */
};

struct wanted_list {
    struct wanted *at;
    size_t count;
};

/* All that is wanted, with the demand of the relay for each, components found; to be freed with free(at). */
struct wanted_list wanted_all(struct history *history);
