/*
 * Property: after any history of adds and removes, a query of the overlap index reports each owner
 * whose scope overlaps by scope_overlap exactly once, and nobody else. Seeds 1 to 8, or DOTSGW_SEED.
 */
/* links: aggregation */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/overlap.h"
#include "tests/unit/seeded_random.h"
#include "tests/unit/target_fixture.h"

#define OWNERS 2000
#define STEPS 12000
#define QUERY_EVERY 8
#define SEEDS 8

struct owner {
    struct scope *scope; /* NULL: not in the index */
    unsigned reported;
};

struct run {
    uint64_t seed;
    unsigned step;
    struct overlap_index *index;
    struct owner owners[OWNERS];
    size_t size;
    uint64_t overlapping; /* owners reported, to see that the queries were worth it */
};

/* Prefixes of any length, in few bits: some nested, some equal, most apart. */
static void add_random_prefix(struct wire_target *target)
{
    struct wire_prefix prefix = {.family = random_below(2) ? 4 : 6};
    unsigned bits = prefix.family == 4 ? 32 : 128;
    prefix.length = (uint8_t)(random_below(200) == 0 ? random_below(bits + 1) : bits - random_below(bits / 2));
    for (unsigned bit = 0; bit < prefix.length; bit++) {
        if (random_below(bits) < 3 || (bit > bits / 2 && random_below(3) == 0))
            prefix.addr[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    target_add_prefix(target, &prefix);
}

static void add_random_name(struct wire_target *target)
{
    char name[64];
    unsigned kind = random_below(3), number = random_below(3000);
    if (kind == 0) {
        snprintf(name, sizeof name, random_below(2) ? "h%u.example.com" : "H%u.Example.com.", number);
        target_add_string(&target->fqdns, name);
    } else if (kind == 1) {
        snprintf(name, sizeof name, random_below(2) ? "https://h%u.example/" : "HTTPS://H%u.EXAMPLE/", number);
        target_add_string(&target->uris, name);
    } else {
        snprintf(name, sizeof name, "alias %u", number);
        target_add_string(&target->aliases, name);
    }
}

static struct wire_target *random_target(void)
{
    struct wire_target *target = target_of("");
    for (unsigned i = random_below(5); i > 0; i--)
        add_random_prefix(target);
    for (unsigned i = random_below(3); i > 0; i--)
        add_random_name(target);
    if (target->prefix_count > 0 && random_below(4) == 0) {
        struct wire_prefix again = target->prefixes[0];
        target_add_prefix(target, &again);
    }
    return target;
}

static void change(struct run *run)
{
    struct owner *owner = &run->owners[random_below(OWNERS)];
    if (owner->scope) {
        overlap_index_remove(run->index, owner->scope, owner);
        scope_unref(owner->scope);
        owner->scope = NULL;
        run->size--;
        return;
    }
    owner->scope = scope_new(random_target());
    targets_forget();
    if (!owner->scope || overlap_index_add(run->index, owner->scope, owner) != 0)
        fail_msg("DOTSGW_SEED=%" PRIu64 " step %u: add failed", run->seed, run->step);
    run->size++;
}

static int hit(void *arg, void *owner)
{
    struct run *run = arg;
    run->overlapping++;
    ((struct owner *)owner)->reported++;
    return 0;
}

static void query(struct run *run)
{
    const struct wire_target *target = random_target();
    for (size_t i = 0; i < OWNERS; i++)
        run->owners[i].reported = 0;
    if (overlap_index_query(run->index, target, hit, run) != 0)
        fail_msg("DOTSGW_SEED=%" PRIu64 " step %u: query failed", run->seed, run->step);
    for (size_t i = 0; i < OWNERS; i++) {
        const struct owner *owner = &run->owners[i];
        unsigned expected = owner->scope && scope_overlap(&owner->scope->target, target);
        if (owner->reported == expected)
            continue;
        fail_msg("DOTSGW_SEED=%" PRIu64 " step %u: reported %u times instead of %u:%s for%s", run->seed, run->step,
                 owner->reported, expected, owner->scope ? target_text(&owner->scope->target) : " a removed one",
                 target_text(target));
    }
    targets_forget();
}

static void run_seed(uint64_t seed)
{
    static struct run run;
    run = (struct run){.seed = seed, .index = overlap_index_new()};
    assert_non_null(run.index);
    random_start(seed);
    for (run.step = 0; run.step < STEPS; run.step++) {
        change(&run);
        if (run.step % QUERY_EVERY == 0)
            query(&run);
        if (overlap_index_size(run.index) != run.size)
            fail_msg("DOTSGW_SEED=%" PRIu64 " step %u: size", seed, run.step);
    }
    assert_true(run.overlapping > STEPS);
    overlap_index_free(run.index);
    for (size_t i = 0; i < OWNERS; i++)
        scope_unref(run.owners[i].scope);
}

static void test_rfc9132_4_4_1_3_index_reports_what_overlaps(void **state)
{
    (void)state;
    uint64_t given;
    if (random_seed_given(&given)) {
        run_seed(given);
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_4_1_3_index_reports_what_overlaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
