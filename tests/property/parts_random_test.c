/*
 * Property: of canonical targets, scope_parts_overlap and scope_parts_equal say what scope_overlap and scope_equal
 * say, whatever they see at the ends. Seeds 1 to 8, or DOTSGW_SEED.
 */
/* links: aggregation */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/union.h"
#include "tests/unit/seeded_random.h"
#include "tests/unit/target_fixture.h"

#define SEEDS 8
#define PAIRS 20000

/* Of few bits, so that many are nested, equal or side by side. */
static void add_random_prefix(struct wire_target *target)
{
    struct wire_prefix prefix = {.family = random_below(3) ? 6 : 4};
    unsigned shift = random_below(4) * 8;

    prefix.length = (uint8_t)(shift + random_below(9));
    for (unsigned bit = 0; bit < prefix.length; bit++)
        if (random_below(3) == 0)
            prefix.addr[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    target_add_prefix(target, &prefix);
}

static struct scope *random_part(void)
{
    struct wire_target *target = target_of("");
    const struct wire_target *one = target;
    char name[32];

    for (unsigned i = random_below(8); i > 0; i--)
        add_random_prefix(target);
    for (unsigned i = random_below(6) == 0; i > 0; i--) {
        snprintf(name, sizeof(name), random_below(2) ? "h%u.example" : "H%u.example", random_below(3));
        target_add_string(&target->fqdns, name);
    }
    return scope_unite(&one, 1);
}

static void check_seed(uint64_t seed)
{
    unsigned overlapping = 0, equal = 0;

    random_start(seed);
    for (unsigned i = 0; i < PAIRS; i++) {
        struct scope *a = random_part(), *b = random_part();
        bool overlap, same;

        assert_non_null(a);
        assert_non_null(b);
        overlap = scope_overlap(&a->target, &b->target);
        same = scope_equal(&a->target, &b->target);
        if (scope_parts_overlap(&a->target, &b->target) != overlap || scope_parts_equal(&a->target, &b->target) != same)
            fail_msg("DOTSGW_SEED=%" PRIu64 " pair %u", seed, i);
        overlapping += overlap;
        equal += same;
        scope_unref(a);
        scope_unref(b);
        targets_forget();
    }
    assert_in_range(overlapping, PAIRS / 20, PAIRS - PAIRS / 20);
    assert_true(equal > 0);
}

static void test_parts_are_compared_as_any_targets_are(void **state)
{
    uint64_t given;

    (void)state;
    if (random_seed_given(&given)) {
        check_seed(given);
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        check_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts_are_compared_as_any_targets_are)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
