/*
 * hostile scale: whatever one client does, it does not make another client's requests slow, and what the gateway
 * keeps of it is bounded. Work is counted in basic blocks of aggregation, so that no clock and no load matters.
 * links: test_support aggregation_counted wire
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/world.h"

#define FEW 250
#define MANY 8000 /* 32 times as many */
#define ROUNDS 9
#define GROWTH 3 /* at most so many times the work: logarithms and caches of nothing, but no walk of all */
#define LIMIT 8  /* mitigations of the client that is bounded */

static uint64_t blocks;

void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
    blocks++;
}

struct outside {
    struct world world;
    struct install **outstanding;
    size_t count, size;
    bool silent; /* the upstream */
    int last_code;
};

static void on_install(struct world *world, struct install *install, bool withdraw)
{
    struct outside *outside = world->user;

    (void)withdraw;
    if (outside->count == outside->size) {
        outside->size = outside->size ? 2 * outside->size : 64;
        outside->outstanding = realloc(outside->outstanding, outside->size * sizeof(struct install *));
    }
    if (!outside->silent)
        outside->outstanding[outside->count++] = install;
}

static void on_forget(struct world *world, struct install *install)
{
    struct outside *outside = world->user;

    for (size_t i = 0; i < outside->count; i++)
        if (outside->outstanding[i] == install)
            outside->outstanding[i--] = outside->outstanding[--outside->count];
}

static void on_answer(struct world *world, void *exchange, const struct relay_answer *answer)
{
    struct outside *outside = world->user;

    free(exchange);
    if (answer)
        outside->last_code = answer->code;
}

static struct outside *outside_new(bool identity_client)
{
    struct outside *outside = calloc(1, sizeof(*outside));

    world_init(&outside->world);
    outside->world.targets[0] =
        (struct relay_target){.name = "isp-a", .kind = RELAY_UPSTREAM, .identity_client = identity_client};
    outside->world.policy.target_count = 1;
    outside->world.quiet = true;
    outside->world.on_install = on_install;
    outside->world.on_forget = on_forget;
    outside->world.on_answer = on_answer;
    outside->world.user = outside;
    world_start(&outside->world);
    return outside;
}

static void outside_free(struct outside *outside)
{
    world_free(&outside->world);
    free(outside->outstanding);
    free(outside);
}

static void settle(struct outside *outside)
{
    world_advance(&outside->world, outside->world.now);
    while (outside->count) {
        struct install *install = outside->outstanding[--outside->count];
        struct relay_upstream_answer answer = {.code = install_wanted(install) ? 201 : 202, .max_age = -1};

        relay_install_answer(outside->world.relay, outside->world.now, install, &answer);
        world_advance(&outside->world, outside->world.now);
    }
}

static struct wire_prefix prefix_at(uint32_t address, uint8_t length)
{
    struct wire_prefix prefix = {.family = 4, .length = length};

    for (int i = 0; i < 4; i++)
        prefix.addr[i] = (uint8_t)(address >> (24 - 8 * i));
    return prefix;
}

static void put(struct outside *outside, const char *client, uint32_t mid, uint32_t address, uint8_t length,
                uint32_t limit)
{
    struct wire_prefix prefix = prefix_at(address, length);
    struct wire_scope scope = {.has_lifetime = true, .lifetime = 80000, .trigger = true};
    struct relay_put put = {.limits = {.mitigations = limit, .cuids = 4, .max_lifetime = 86400}};

    scope.target.prefixes = &prefix;
    scope.target.prefix_count = 1;
    put.requester = (struct relay_requester){.client = client, .cdid = "", .cuid = client, .identity_hash = "hash"};
    put.mid = mid;
    put.scope = &scope;
    put.exchange = strdup("x");
    relay_put(outside->world.relay, outside->world.now, &put);
    settle(outside);
}

static void withdraw(struct outside *outside, const char *client, uint32_t mid)
{
    struct relay_requester requester = {.client = client, .cdid = "", .cuid = client, .identity_hash = "hash"};

    relay_delete(outside->world.relay, outside->world.now, &requester, mid, strdup("x"));
    settle(outside);
}

/* The median, over a few rounds, of what a put, a refresh and a withdrawal of this client are; its mids from first. */
static uint64_t work_of(struct outside *outside, const char *client, uint32_t first)
{
    uint64_t work[ROUNDS];

    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t before = blocks;
        size_t place = i;

        put(outside, client, first + i, 0xc0000000u + (i << 8), 24, 2 * MANY);
        put(outside, client, first + i, 0xc0000000u + (i << 8), 24, 2 * MANY);
        withdraw(outside, client, first + i);
        before = blocks - before;
        while (place > 0 && work[place - 1] > before) {
            work[place] = work[place - 1];
            place--;
        }
        work[place] = before;
    }
    return work[ROUNDS / 2];
}

typedef void(attack_h)(struct outside *outside, uint32_t count);

static uint64_t work_under(attack_h *attack, uint32_t count)
{
    struct outside *outside = outside_new(false);
    uint64_t work;

    attack(outside, count);
    outside->silent = false;
    work = work_of(outside, "victim", 0);
    outside_free(outside);
    return work;
}

static void compare(uint64_t few, uint64_t many)
{
    assert_true(few > 100); /* it is counted at all */
    if (many > GROWTH * few)
        fail_msg("%llu basic blocks under %d hostile requests, %llu under %d", (unsigned long long)few, FEW,
                 (unsigned long long)many, MANY);
}

static void check_growth(attack_h *attack)
{
    compare(work_under(attack, FEW), work_under(attack, MANY));
}

/* ---- What a hostile client does ---- */

static void many_apart(struct outside *outside, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        put(outside, "hostile", i, 0x0a000000u + (i << 8), 24, 2 * MANY);
}

static void many_unanswered(struct outside *outside, uint32_t count)
{
    outside->silent = true;
    many_apart(outside, count);
}

static void many_being_withdrawn(struct outside *outside, uint32_t count)
{
    outside->silent = true;
    many_apart(outside, count);
    for (uint32_t i = 0; i < count; i++)
        withdraw(outside, "hostile", i);
}

static void many_clients(struct outside *outside, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char name[24];

        snprintf(name, sizeof(name), "hostile%u", i);
        put(outside, name, 1, 0x0a000000u + (i << 8), 24, 64);
    }
}

static void test_many_requests_of_one_client(void **state)
{
    (void)state;
    check_growth(many_apart);
}

static void test_many_requests_that_the_upstream_does_not_answer(void **state)
{
    (void)state;
    check_growth(many_unanswered);
}

static void test_many_requests_that_are_being_withdrawn(void **state)
{
    (void)state;
    check_growth(many_being_withdrawn);
}

static void test_many_clients(void **state)
{
    (void)state;
    check_growth(many_clients);
}

/* Under the client's own identity nothing is merged; a gateway below that has thousands of requests is not slow either.
 */
static uint64_t own_work(uint32_t count)
{
    struct outside *outside = outside_new(true);
    uint64_t work;

    many_apart(outside, count);
    work = work_of(outside, "hostile", count);
    outside_free(outside);
    return work;
}

static void test_the_next_request_of_a_client_with_many(void **state)
{
    (void)state;
    compare(own_work(FEW), own_work(MANY));
}

/* ---- What is kept of it ---- */

static int count_installs(void *arg, struct upstream_cuid *cuid)
{
    *(size_t *)arg += cuid->install_count;
    return 0;
}

static int count_mitigations(void *arg, struct requester *requester)
{
    *(size_t *)arg += requester->mitigation_count;
    return 0;
}

static void test_a_silent_upstream_does_not_let_a_client_fill_the_memory(void **state)
{
    struct outside *outside = outside_new(false);
    size_t installs = 0, mitigations = 0;

    (void)state;
    outside->silent = true;
    for (uint32_t i = 0; i < MANY; i++) {
        put(outside, "hostile", i, 0x0a000000u + (i << 8), 24, LIMIT);
        withdraw(outside, "hostile", i);
    }
    relay_upstream_cuid_each(outside->world.relay, 0, NULL, count_installs, &installs);
    relay_requester_each(outside->world.relay, count_mitigations, &mitigations);
    assert_true(installs <= 20 * LIMIT);
    assert_true(mitigations <= 20 * LIMIT); /* most of them over, and shown for the last time */
    put(outside, "hostile", MANY, 0x0b000000u, 24, LIMIT);
    assert_int_equal(outside->last_code, 503);
    put(outside, "victim", 1, 0xc0000000u, 24, LIMIT); /* it is nobody else's */
    world_advance(&outside->world, outside->world.now + 2000);
    assert_int_equal(outside->last_code, 201);
    outside->silent = false; /* and it is over when the upstream answers */
    relay_upstream_up(outside->world.relay, outside->world.now, 0, NULL);
    settle(outside);
    put(outside, "hostile", MANY + 1, 0x0b000000u, 24, LIMIT);
    assert_int_equal(outside->last_code, 201);
    outside_free(outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_requests_of_one_client),
        cmocka_unit_test(test_many_requests_that_the_upstream_does_not_answer),
        cmocka_unit_test(test_many_requests_that_are_being_withdrawn),
        cmocka_unit_test(test_many_clients),
        cmocka_unit_test(test_the_next_request_of_a_client_with_many),
        cmocka_unit_test(test_a_silent_upstream_does_not_let_a_client_fill_the_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
