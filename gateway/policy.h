/* policy: what the relay may and must do, by the configuration. */
#pragma once

#include "aggregation/relay.h"
#include "gateway/config/config.h"
#include "gateway/targets.h"

struct policy {
    struct relay_policy relay;
    struct relay_target *targets; /* by place */
    char (*names)[TARGET_NAME_MAX];
    char name[64];             /* the gateway's */
    struct wire_prefix *owned; /* by upstreams, one after the other */
    struct nat_mapping *nat;
};

/* 0, or -1 out of memory; policy_free in both cases. */
int policy_make(struct policy *policy, const struct config *config, const struct targets *targets);
void policy_free(struct policy *policy);
