/* How long a request takes from its client to its upstream: which arrivals the relay gives back. */
/* links: test_support aggregation wire */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/world.h"

static struct world world;
static uint64_t told[8]; /* arrivals, in order */
static size_t told_count;
static uint32_t sent; /* upstream mid of the last put */

static void on_accepted(struct world *from, size_t target, uint64_t arrived)
{
    (void)from;
    assert_int_equal(target, 0);
    assert_true(told_count < sizeof(told) / sizeof(told[0]));
    told[told_count++] = arrived;
}

static void on_install(struct world *from, struct install *install, bool withdraw)
{
    (void)from;
    if (!withdraw)
        sent = install_mid(install);
}

static int setup(void **state)
{
    (void)state;
    told_count = 0;
    sent = 0;
    world_init(&world);
    world.targets[0] = (struct relay_target){.name = "isp-a", .kind = RELAY_UPSTREAM};
    world.policy.target_count = 1;
    world.on_accepted = on_accepted;
    world.on_install = on_install;
    world_start(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(&world);
    return 0;
}

static void put(uint32_t mid, const char *prefix, uint64_t arrived)
{
    struct wire_prefix target;
    struct wire_scope scope = {
        .target = {.prefixes = &target, .prefix_count = 1}, .has_lifetime = true, .lifetime = 3600, .trigger = true};
    struct relay_put request = {.requester = {.client = "web", .cdid = "", .cuid = "c", .identity_hash = "hash"},
                                .limits = {.mitigations = 64, .cuids = 16, .max_lifetime = 86400},
                                .mid = mid,
                                .scope = &scope,
                                .arrived = arrived,
                                .exchange = strdup("x")};

    assert_int_equal(wire_prefix_parse(prefix, true, &target), 0);
    relay_put(world.relay, world.now, &request);
    world_advance(&world, world.now);
}

static void answer(int code)
{
    struct relay_upstream_answer said = {.code = code, .max_age = -1};
    struct install *install = world_install(&world, 0, NULL, sent);

    assert_non_null(install);
    relay_install_answer(world.relay, world.now, install, &said);
    world_advance(&world, world.now);
}

static void test_accepted_tells_the_arrival_of_the_request(void **state)
{
    (void)state;
    put(1, "203.0.113.1/32", 100);
    assert_int_equal(told_count, 0);
    answer(201);
    assert_int_equal(told_count, 1);
    assert_int_equal(told[0], 100);
}

static void test_repeated_request_counts_from_the_first(void **state)
{
    (void)state;
    put(1, "203.0.113.1/32", 100);
    put(1, "203.0.113.1/32", 200);
    answer(201);
    assert_int_equal(told_count, 1);
    assert_int_equal(told[0], 100);
}

static void test_what_is_answered_again_is_not_timed(void **state)
{
    (void)state;
    put(1, "203.0.113.0/24", 100);
    answer(201);
    put(2, "198.51.100.1/32", 300);
    answer(201);
    assert_int_equal(told_count, 2);
    assert_int_equal(told[1], 300);
    relay_upstream_up(world.relay, world.now, 0, NULL); /* what is sent again by itself is nobody's request */
    answer(204);
    assert_int_equal(told_count, 2);
}

static void test_refusal_is_no_acceptance(void **state)
{
    (void)state;
    put(1, "203.0.113.1/32", 100);
    answer(400);
    assert_int_equal(told_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accepted_tells_the_arrival_of_the_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated_request_counts_from_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_answered_again_is_not_timed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusal_is_no_acceptance, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
