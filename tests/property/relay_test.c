/*
 * relay: random histories of clients, networks, upstreams, mitigators and the gateway's own crashes. After every
 * step what the gateway wants is compared with the plan made from scratch by brute force, and what clients were
 * told with what it holds; at the end, once the network lets everything through, what upstreams have with the plan.
 * links: test_support aggregation wire
 * shards: 4
 *
 * DOTSGW_HISTORIES says how many are run, DOTSGW_SEED runs one, and writes it down as a scenario script. Of a history
 * that fails, the shortest one that still does is printed in the same way.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/shrink.h"

#define HISTORIES 10000

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void report(uint64_t seed, bool shorten)
{
    struct story story;

    story_make(&story, seed, SERVER_SOUND);
    if (shorten)
        story_shrink(&story);
    fprintf(stderr, "# DOTSGW_SEED=%llu%s\n", (unsigned long long)seed, shorten ? ", as short as it still fails" : "");
    story_report(&story, stderr);
    story_free(&story);
}

static void test_dotsgw_design_5_random_histories_end_in_the_plan(void **state)
{
    uint64_t seed = number_from("DOTSGW_SEED", 0);
    uint64_t shard = number_from("DOTSGW_SHARD", 0), shards = number_from("DOTSGW_SHARDS", 1);
    uint64_t failed;

    (void)state;
    failed =
        seed ? stories_run(seed, seed, 1) : stories_run(1 + shard, number_from("DOTSGW_HISTORIES", HISTORIES), shards);
    if (seed || (failed && failed != UINT64_MAX))
        report(seed ? seed : failed, failed != 0 && failed != UINT64_MAX);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dotsgw_design_5_random_histories_end_in_the_plan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
