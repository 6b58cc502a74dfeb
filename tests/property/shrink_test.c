/*
 * shrink: upstreams with planted faults are found out by random histories, and what is printed is the shortest one:
 * a few steps, no one and no two of which can be spared, as a script that says what happened.
 * links: test_support aggregation wire
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/shrink.h"

#define SEEDS 500
#define STEPS_AT_MOST 12

static void find(struct story *story, enum server_fault fault)
{
    char failure[HISTORY_FAILURE];

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        story_make(story, seed, fault);
        if (story_fails(story, failure))
            return;
        story_free(story);
    }
    fail_msg("no history of %d finds the planted fault", SEEDS);
}

static void check_minimal(const struct story *story)
{
    struct story less = {story->setup, calloc(story->count, sizeof(*story->steps)), story->count - 1};
    char failure[HISTORY_FAILURE];

    for (size_t without = 0; without < story->count; without++) {
        memcpy(less.steps, story->steps, without * sizeof(*story->steps));
        memcpy(less.steps + without, story->steps + without + 1, (less.count - without) * sizeof(*story->steps));
        assert_false(story_fails(&less, failure));
    }
    free(less.steps);
}

static void check_report(const struct story *story)
{
    char *text = NULL;
    FILE *out = tmpfile();
    size_t length;

    story_report(story, out);
    length = (size_t)ftell(out);
    text = calloc(1, length + 1);
    rewind(out);
    assert_int_equal(fread(text, 1, length, out), length);
    assert_non_null(strstr(text, "# 1. "));           /* the steps */
    assert_non_null(strstr(text, "\ntarget isp-a ")); /* the script */
    assert_non_null(strstr(text, "\nput c"));
    assert_non_null(strstr(text, "\n> put isp-"));
    fclose(out);
    free(text);
}

static void found_and_shortened(enum server_fault fault)
{
    char failure[HISTORY_FAILURE];
    struct story story;
    size_t before;

    find(&story, fault);
    before = story.count;
    story_shrink(&story);
    assert_true(story.count <= STEPS_AT_MOST && story.count < before);
    assert_true(story_fails(&story, failure));
    check_minimal(&story);
    check_report(&story);
    story.setup.fault = SERVER_SOUND;
    assert_false(story_fails(&story, failure));
    story_free(&story);
}

static void test_server_that_keeps_what_is_deleted(void **state)
{
    (void)state;
    found_and_shortened(SERVER_KEEPS_DELETED);
}

static void test_server_that_loses_a_neighbour(void **state)
{
    (void)state;
    found_and_shortened(SERVER_LOSES_NEIGHBOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_that_keeps_what_is_deleted),
        cmocka_unit_test(test_server_that_loses_a_neighbour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
