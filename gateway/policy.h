/* policy: what the relay may and must do, by the configuration. */
#pragma once

#include "aggregation/relay.h"
#include "gateway/config/config.h"

struct policy {
    struct relay_policy relay;
    struct relay_target *targets; /* upstreams, then mitigators, each in the order of the configuration */
    struct wire_prefix *owned;    /* by upstreams, one after the other */
    struct nat_mapping *nat;
};

/* Borrows the configuration. 0, or -1 out of memory; policy_free in both cases. */
int policy_make(struct policy *policy, const struct config *config);
void policy_free(struct policy *policy);
