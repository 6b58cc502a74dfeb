/* policy: the configuration, as the relay wants it. */

#include "gateway/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a mitigation request needs of a datagram beside its body (RFC 9132 section 7.3): IPv6 and UDP headers,
 * DTLS record and cipher, CoAP header and token, Uri-Path with a cuid of 22 characters and a cdid, further
 * options. The coap module has the exact figure for a session; this one is for cutting, before there is any. */
#define REQUEST_OVERHEAD 240
/* A mitigator that is exceeded and not in turn keeps the upstreams that help it for this long. */
#define RECURSION_HOLD_MS 300000

static struct wire_prefix prefix_of(const struct config_prefix *prefix)
{
    struct wire_prefix result = {.family = prefix->family, .length = prefix->length};

    memcpy(result.addr, prefix->addr, sizeof(result.addr));
    return result;
}

static int copy_owned(struct policy *policy, const struct config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->upstream_count; i++)
        count += config->upstreams[i].owns.count;
    policy->owned = calloc(count ? count : 1, sizeof(*policy->owned));
    return policy->owned ? 0 : -1;
}

static int copy_mappings(struct policy *policy, const struct config *config)
{
    policy->nat = calloc(config->nat_count ? config->nat_count : 1, sizeof(*policy->nat));
    if (!policy->nat)
        return -1;
    for (size_t i = 0; i < config->nat_count; i++)
        policy->nat[i] = (struct nat_mapping){.internal = prefix_of(&config->nat[i].internal),
                                              .external = prefix_of(&config->nat[i].external),
                                              .internal_port = config->nat[i].internal_port,
                                              .external_port = config->nat[i].external_port};
    return 0;
}

static void set_upstream(struct relay_target *target, const struct config_upstream *upstream, size_t index,
                         struct wire_prefix **owned)
{
    for (size_t i = 0; i < upstream->owns.count; i++)
        (*owned)[i] = prefix_of(&upstream->owns.at[i]);
    target->preference = index;
    target->body_max = upstream->transports == CONFIG_TCP ? 0 : upstream->mtu - REQUEST_OVERHEAD;
    target->owns = *owned;
    target->owns_count = upstream->owns.count;
    *owned += upstream->owns.count;
}

static void set_targets(struct policy *policy, const struct config *config, const struct targets *targets,
                        bool ask_upstreams)
{
    struct wire_prefix *owned = policy->owned;

    for (size_t i = 0; i < targets->count; i++) {
        const struct target *from = &targets->at[i];
        struct relay_target *target = &policy->targets[i];

        memcpy(policy->names[i], from->name, sizeof(policy->names[i]));
        *target = (struct relay_target){
            .name = policy->names[i],
            .kind = from->kind == TARGET_UPSTREAM ? RELAY_UPSTREAM : RELAY_MITIGATOR,
            .disabled = from->kind == TARGET_FREE || from->leaving || (from->kind == TARGET_UPSTREAM && !ask_upstreams),
            .identity_client = from->identity_client,
            .per_client = from->per_client,
            .insert_cdid = from->insert_cdid,
        };
        if (from->kind == TARGET_UPSTREAM && !from->leaving)
            set_upstream(target, &config->upstreams[from->index], from->index, &owned);
    }
}

static const enum relay_fan_out fan_outs[] = {
    [CONFIG_FAN_OUT_ALL] = RELAY_FAN_OUT_ALL,
    [CONFIG_FAN_OUT_BY_PREFIX] = RELAY_FAN_OUT_BY_PREFIX,
    [CONFIG_FAN_OUT_SERIAL] = RELAY_FAN_OUT_SERIAL,
};

static const enum relay_recursion recursions[] = {
    [CONFIG_RECURSION_NEVER] = RELAY_RECURSION_NEVER,
    [CONFIG_RECURSION_MANUAL] = RELAY_RECURSION_MANUAL,
    [CONFIG_RECURSION_ON_EXCEEDED] = RELAY_RECURSION_ON_EXCEEDED,
    [CONFIG_RECURSION_ALWAYS] = RELAY_RECURSION_ALWAYS,
};

int policy_make(struct policy *policy, const struct config *config, const struct targets *targets)
{
    /* recursion: never means that a gateway with a mitigator of its own does not ask upstream too. */
    bool ask_upstreams =
        config->upstream_count > 0 && (config->recursion != CONFIG_RECURSION_NEVER || config->mitigator_count == 0);
    size_t count = targets->count;

    policy->targets = calloc(count ? count : 1, sizeof(*policy->targets));
    policy->names = calloc(count ? count : 1, sizeof(*policy->names));
    if (!policy->targets || !policy->names || copy_owned(policy, config) != 0 || copy_mappings(policy, config) != 0)
        return -1;
    set_targets(policy, config, targets, ask_upstreams);
    snprintf(policy->name, sizeof(policy->name), "%s", config->gateway.name);
    policy->relay = (struct relay_policy){
        .name = policy->name,
        .targets = policy->targets,
        .target_count = count,
        .fan_out = fan_outs[config->fan_out],
        .failover_wait_ms = config->failover_wait_ms,
        .recursion = recursions[config->recursion],
        .recursion_hold_ms = RECURSION_HOLD_MS,
        .response_wait_ms = config->response_wait_ms,
        .terminating_initial_ms = config->terminating.initial_ms,
        .terminating_max_ms = config->terminating.max_ms,
        .reject_conflicts = !ask_upstreams && config->conflicts == CONFIG_CONFLICTS_REJECT,
        .mitigations_max = config->limits.mitigations,
        .hop_limit = config->gateway.hop_limit,
        .nat = policy->nat,
        .nat_count = config->nat_count,
    };
    return 0;
}

void policy_free(struct policy *policy)
{
    free(policy->targets);
    free(policy->names);
    free(policy->owned);
    free(policy->nat);
}
