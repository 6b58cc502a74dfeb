/*
 * serial_model: what a random history of serial fan-out keeps in mind, and what its three upstreams are like: who is
 * reachable, who has been told to be away, who must be taken for silent, what they refuse.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/remote.h"
#include "tests/support/world.h"
#include "tests/unit/seeded_random.h"

#define CLIENTS 4
#define MIDS 200
#define STEPS 150
#define UPSTREAMS 3
#define KEY (RELAY_CUID_MAX + 16)

struct asked {
    struct wire_prefix prefix;
    bool trigger, accepted, doubtful; /* doubtful: something was asked of it since that was not answered */
};

struct exchange {
    unsigned client;
    uint32_t mid;
    bool deletes;
};

struct outstanding {
    struct install *install;
    bool withdraw;
    int64_t since;
};

struct history {
    struct world world;
    struct asked asked[CLIENTS][MIDS];
    uint32_t next_mid[CLIENTS];
    struct remote remote[REMOTE_MAX];
    bool resists[REMOTE_MAX]; /* its deletion was refused */
    struct outstanding outstanding[REMOTE_MAX];
    size_t outstanding_count;
    int64_t began; /* after the last crash */
    bool identity_client, per_client, refusing, settling;
    bool reachable[UPSTREAMS], told_down[UPSTREAMS], silent[UPSTREAMS];
    unsigned puts;
};

static const char *key_of(char key[KEY], size_t target, const char *cuid)
{
    snprintf(key, KEY, "%zu %s", target, cuid);
    return key;
}

static size_t target_of(const struct remote *remote)
{
    return (size_t)(remote->cuid[0] - '0');
}

/* ---- What the upstreams are like ---- */

/* For ever: the first one does not protect 10.1.0.0/16, the second one not 10.0.192.0/18. */
static bool denies(const struct history *history, size_t target, const struct wire_target *asked)
{
    static const char *const texts[UPSTREAMS] = {"10.1.0.0/16", "10.0.192.0/18", NULL};
    struct wire_prefix denied;

    if (!history->refusing || !texts[target])
        return false;
    assert_int_equal(wire_prefix_parse(texts[target], false, &denied), 0);
    for (size_t i = 0; i < asked->prefix_count; i++)
        if (scope_prefix_contains(&denied, &asked->prefixes[i]) || scope_prefix_contains(&asked->prefixes[i], &denied))
            return true;
    return false;
}

static void look_at_the_clock(struct history *history)
{
    /* After a crash one that is away is waited for as long. */
    for (size_t i = 0; i < UPSTREAMS; i++)
        if (!history->reachable[i] && history->world.now - history->began >= history->world.policy.failover_wait_ms)
            history->silent[i] = true;
    for (size_t i = 0; i < history->outstanding_count; i++) {
        const struct outstanding *one = &history->outstanding[i];

        if (history->world.now - one->since >= history->world.policy.failover_wait_ms)
            history->silent[install_cuid(one->install)->target] = true;
    }
}

/* With a session for each client, the others' may go on being silent. */
static void heard(struct history *history, size_t target)
{
    if (!history->per_client)
        history->silent[target] = false;
}

/* ---- What they answer ---- */

static int code_of_put(struct history *history, const char *key, const struct install_request *request)
{
    const struct wire_target *target = &request->scope->target;
    size_t upstream = (size_t)(key[0] - '0');

    if (denies(history, upstream, target))
        return 403;
    if (!history->settling && random_below(12) == 0 &&
        remote_covering(history->remote, key, request->mid, &target->prefixes[0], request->scope->trigger) == 0)
        return 503;
    return remote_put(history->remote, key, request->mid, target, request->scope->trigger);
}

static int code_of_delete(struct history *history, const char *key, uint32_t mid)
{
    bool resists = !history->settling && random_below(20) == 0;

    for (size_t i = 0; i < REMOTE_MAX; i++)
        if (history->remote[i].used && history->remote[i].mid == mid && strcmp(history->remote[i].cuid, key) == 0)
            history->resists[i] = resists;
    if (resists)
        return 500;
    remote_delete(history->remote, key, mid);
    return 202;
}
