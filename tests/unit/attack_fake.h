/* The relay, for tests of attacks: what is asked for, one request taking the place of older ones that it overlaps. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/scope.h"
#include "gateway/attack/attack.h"
#include "gateway/config/load.h"

#define REQUESTS_MAX 4096
#define GATEWAY_YAML                                              \
    "gateway: { name: gw, state-dir: /tmp }\n"                    \
    "tls: { certificate: a, private-key: a, trust-anchors: a }\n" \
    "upstreams: [ { name: up, servers: [ { host: a.example } ] } ]\n"

struct request {
    struct wire_prefix prefix;
    size_t protocol_count, port_count;
    uint8_t protocol;
    struct wire_port_range port; /* the first ones */
    uint32_t mid;
    int64_t expires_ms;
    bool live, unanswered, adopted;
};

struct world {
    struct config *config;
    struct attack_policy *policy;
    struct attacks *attacks;
    int64_t now;
    struct request requests[REQUESTS_MAX];
    size_t request_count, asked, withdrawals;
    bool refuses, answers_later;
    char events[512]; /* kinds and rules, since it was emptied */
};

static inline bool prefixes_overlap(const struct wire_prefix *a, const struct wire_prefix *b)
{
    return scope_prefix_contains(a, b) || scope_prefix_contains(b, a);
}

static struct request *world_request(struct world *world, uint32_t mid)
{
    for (size_t i = 0; i < world->request_count; i++) {
        if (world->requests[i].mid == mid)
            return &world->requests[i];
    }
    return NULL;
}

static void world_answer(struct world *world, struct request *request)
{
    request->unanswered = false;
    if (world->refuses)
        request->live = false;
    attacks_answered(world->attacks, world->now, request->mid, !world->refuses, "no");
}

static void fake_ask(void *arg, uint32_t mid, const struct wire_target *target, uint32_t lifetime)
{
    struct world *world = arg;
    struct request *request = world_request(world, mid);

    assert_int_equal(target->prefix_count, 1);
    if (!request) {
        assert_true(world->request_count < REQUESTS_MAX);
        request = &world->requests[world->request_count++];
    } else {
        assert_memory_equal(&request->prefix, &target->prefixes[0], sizeof(request->prefix)); /* a refresh repeats */
    }
    for (size_t i = 0; i < world->request_count; i++) {
        struct request *other = &world->requests[i];

        if (other != request && other->live && prefixes_overlap(&other->prefix, &target->prefixes[0])) {
            assert_true(other->mid < mid);
            other->live = false;
        }
    }
    *request = (struct request){.prefix = target->prefixes[0],
                                .protocol_count = target->protocol_count,
                                .port_count = target->port_range_count,
                                .mid = mid,
                                .expires_ms = world->now + (int64_t)lifetime * 1000,
                                .live = true,
                                .unanswered = true};
    if (target->protocol_count)
        request->protocol = target->protocols[0];
    if (target->port_range_count)
        request->port = target->port_ranges[0];
    world->asked++;
    if (!world->answers_later)
        world_answer(world, request);
}

static void fake_withdraw(void *arg, const struct wire_prefix *prefix)
{
    struct world *world = arg;

    world->withdrawals++;
    for (size_t i = 0; i < world->request_count; i++) {
        if (prefixes_overlap(&world->requests[i].prefix, prefix))
            world->requests[i].live = false;
    }
}

static bool fake_live(void *arg, uint32_t mid)
{
    const struct request *request = world_request(arg, mid);

    return request && request->live;
}

static void fake_event(void *arg, const struct attack_event *event)
{
    static const char *const kinds[] = {
        [ATTACK_FIRED] = "fired", [ATTACK_RELEASED] = "released", [ATTACK_REFUSED] = "refused"};
    struct world *world = arg;
    size_t length = strlen(world->events);

    snprintf(world->events + length, sizeof(world->events) - length, "%s%s%s%s", length ? ", " : "", kinds[event->kind],
             event->rule ? " " : "", event->rule ? event->rule : "");
}

static const struct attack_effects fake_effects = {
    .ask = fake_ask, .withdraw = fake_withdraw, .live = fake_live, .event = fake_event};

static struct config *world_config(const char *text)
{
    struct config_error error;
    char whole[4096];
    struct config *config;

    snprintf(whole, sizeof(whole), "%s%s", GATEWAY_YAML, text);
    config = config_load_text("dotsgw.yaml", whole, strlen(whole), "/", false, &error);
    if (!config)
        fail_msg("%d:%d: %s", error.line, error.column, error.text);
    return config;
}

static void world_open(struct world *world, const char *text)
{
    memset(world, 0, sizeof(*world));
    world->now = 1000000;
    world->config = world_config(text);
    world->policy = attack_policy_new(world->config);
    assert_non_null(world->policy);
    world->attacks = attacks_new(world->policy, &fake_effects, world);
    assert_non_null(world->attacks);
}

static void world_close(struct world *world)
{
    attacks_free(world->attacks);
    attack_policy_free(world->policy);
    config_free(world->config);
}

/* Another configuration. */
static inline void world_use(struct world *world, const char *text)
{
    struct config *config = world_config(text);
    struct attack_policy *policy = attack_policy_new(config);

    assert_non_null(policy);
    attacks_use(world->attacks, world->now, policy);
    attack_policy_free(world->policy);
    config_free(world->config);
    world->policy = policy;
    world->config = config;
}

/* To a time, tick by tick, as a timer would. */
static inline void world_pass(struct world *world, int64_t ms)
{
    int64_t until = world->now + ms, next;

    while ((next = attacks_next(world->attacks)) <= until) {
        world->now = next > world->now ? next : world->now;
        attacks_tick(world->attacks, world->now);
        assert_true(attacks_next(world->attacks) > world->now);
    }
    world->now = until;
}

static inline size_t world_live(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < world->request_count; i++)
        count += world->requests[i].live;
    return count;
}
