/* repair: the steps, done one after the other on a simple model of an upstream, end in what is wanted. */
/* links: aggregation */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregation/repair.h"
#include "tests/unit/seeded_random.h"

#define NAMES 12u
#define MOST 64u
#define REFRESH 100

struct upstream {
    struct repair_entry at[MOST];
    size_t count;
};

static const char *const names[NAMES] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
static const char *const contents[] = {"one", "two"};

/* Distinct names of both kinds, in random order. */
static size_t random_entries(struct repair_entry *out)
{
    size_t count = 0;

    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned i = 0; i < NAMES; i++)
            if (random_below(2))
                out[count++] = (struct repair_entry){.kind = (enum repair_kind)kind,
                                                     .name = names[i],
                                                     .content = contents[random_below(2)],
                                                     .group = i % 3,
                                                     .pending_minutes = random_below(4) ? REFRESH : REFRESH - 1};
    for (size_t i = count; i > 1; i--) {
        size_t j = random_below((uint32_t)i);
        struct repair_entry swapped = out[i - 1];

        out[i - 1] = out[j];
        out[j] = swapped;
    }
    return count;
}

static size_t find(const struct upstream *upstream, enum repair_kind kind, const char *name)
{
    for (size_t i = 0; i < upstream->count; i++)
        if (upstream->at[i].kind == kind && strcmp(upstream->at[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static void take_out(struct upstream *upstream, size_t at)
{
    memmove(upstream->at + at, upstream->at + at + 1, (upstream->count - at - 1) * sizeof(upstream->at[0]));
    upstream->count--;
}

static void put_in(struct upstream *upstream, size_t at, const struct repair_entry *entry)
{
    memmove(upstream->at + at + 1, upstream->at + at, (upstream->count - at) * sizeof(upstream->at[0]));
    upstream->at[at] = *entry;
    upstream->at[at].pending_minutes = REFRESH;
    upstream->count++;
}

/* As RFC 8040 section 4.5 and 4.8.5 have it: without a place a new one goes last, an old one stays. */
static void put(struct upstream *upstream, const struct repair_entry *wanted, const struct repair_step *step)
{
    const struct repair_entry *entry = &wanted[step->index];
    size_t at = find(upstream, entry->kind, entry->name), neighbour;

    if (step->place == REPAIR_ANYWHERE) {
        if (at == SIZE_MAX) {
            put_in(upstream, upstream->count, entry);
        } else {
            take_out(upstream, at);
            put_in(upstream, at, entry);
        }
        return;
    }
    assert_int_equal(step->kind, REPAIR_ACL);
    assert_int_equal(wanted[step->neighbour].group, entry->group);
    if (at != SIZE_MAX)
        take_out(upstream, at);
    neighbour = find(upstream, REPAIR_ACL, wanted[step->neighbour].name);
    assert_true(neighbour != SIZE_MAX); /* it must be there already */
    put_in(upstream, step->place == REPAIR_AFTER ? neighbour + 1 : neighbour, entry);
}

static void do_steps(struct upstream *upstream, const struct repair_entry *wanted, const struct repair_step *steps,
                     size_t count)
{
    const struct upstream before = *upstream;

    for (size_t i = 0; i < count; i++) {
        if (steps[i].put) {
            put(upstream, wanted, &steps[i]);
        } else {
            const struct repair_entry *gone = &before.at[steps[i].index];

            assert_int_equal(gone->kind, steps[i].kind);
            take_out(upstream, find(upstream, gone->kind, gone->name));
        }
    }
}

static void expect_wanted(const struct upstream *upstream, const struct repair_entry *wanted, size_t count)
{
    size_t last[3] = {0};

    assert_int_equal(upstream->count, count);
    for (size_t i = 0; i < count; i++) {
        size_t at = find(upstream, wanted[i].kind, wanted[i].name);

        assert_true(at != SIZE_MAX);
        assert_string_equal(upstream->at[at].content, wanted[i].content);
        assert_true(upstream->at[at].pending_minutes >= REFRESH);
        if (wanted[i].kind == REPAIR_ACL) {
            assert_true(at >= last[wanted[i].group]);
            last[wanted[i].group] = at;
        }
    }
}

static size_t longest_run(const size_t *places, size_t count)
{
    size_t best = 0, lengths[MOST];

    for (size_t i = 0; i < count; i++) {
        lengths[i] = 1;
        for (size_t j = 0; j < i; j++)
            if (places[j] < places[i] && lengths[j] >= lengths[i])
                lengths[i] = lengths[j] + 1;
        best = lengths[i] > best ? lengths[i] : best;
    }
    return best;
}

/* No more ACLs move than must: those that are there, without the longest run in order of each group. */
static void expect_few_moves(const struct upstream *upstream, const struct repair_entry *wanted, size_t count,
                             const struct repair_step *steps, size_t step_count)
{
    size_t moved = 0, must = 0, places[MOST];

    for (size_t i = 0; i < step_count; i++)
        if (steps[i].put && steps[i].place != REPAIR_ANYWHERE &&
            find(upstream, REPAIR_ACL, wanted[steps[i].index].name) != SIZE_MAX)
            moved++;
    for (size_t group = 0; group < 3; group++) {
        size_t there = 0;

        for (size_t i = 0; i < count; i++)
            if (wanted[i].kind == REPAIR_ACL && wanted[i].group == group &&
                (places[there] = find(upstream, REPAIR_ACL, wanted[i].name)) != SIZE_MAX)
                there++;
        must += there - longest_run(places, there);
    }
    assert_int_equal(moved, must);
}

static void one_round(uint64_t seed)
{
    struct repair_entry wanted[MOST];
    struct upstream upstream;
    struct repair_step *steps;
    size_t count, step_count;

    random_start(seed);
    count = random_entries(wanted);
    upstream.count = random_entries(upstream.at);
    assert_int_equal(repair_plan(wanted, count, upstream.at, upstream.count, REFRESH, &steps, &step_count), 0);
    expect_few_moves(&upstream, wanted, count, steps, step_count);
    do_steps(&upstream, wanted, steps, step_count);
    free(steps);
    expect_wanted(&upstream, wanted, count);
    /* What is right is left alone. */
    assert_int_equal(repair_plan(wanted, count, upstream.at, upstream.count, REFRESH, &steps, &step_count), 0);
    assert_int_equal(step_count, 0);
    free(steps);
}

static void test_steps_end_in_what_is_wanted(void **state)
{
    uint64_t seed;

    (void)state;
    if (random_seed_given(&seed)) {
        one_round(seed);
        return;
    }
    for (seed = 0; seed < 4000; seed++)
        one_round(seed);
}

static void test_nothing_wanted_and_nothing_installed(void **state)
{
    struct repair_step *steps;
    size_t count;

    (void)state;
    assert_int_equal(repair_plan(NULL, 0, NULL, 0, 0, &steps, &count), 0);
    assert_int_equal(count, 0);
    free(steps);
}

static void test_of_two_with_one_name_the_first_counts(void **state)
{
    const struct repair_entry installed[] = {{.name = "a", .content = "one"}, {.name = "a", .content = "two"}};
    const struct repair_entry wanted = {.name = "a", .content = "one"};
    struct repair_step *steps;
    size_t count;

    (void)state;
    assert_int_equal(repair_plan(&wanted, 1, installed, 2, 0, &steps, &count), 0);
    assert_int_equal(count, 0);
    free(steps);
    assert_int_equal(repair_plan(NULL, 0, installed, 2, 0, &steps, &count), 0);
    assert_int_equal(count, 1); /* one DELETE, not one that finds nothing */
    free(steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_end_in_what_is_wanted),
        cmocka_unit_test(test_nothing_wanted_and_nothing_installed),
        cmocka_unit_test(test_of_two_with_one_name_the_first_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
