/* Jobs: what a program needs to be told follows from what is wanted and what it was told. */
/* links: mitigator */
/* wraps: malloc calloc realloc tsearch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "northbound/mitigator/job_json.h"
#include "northbound/mitigator/jobs.h"
#include "tests/unit/failing_allocation.h"

static struct wire_prefix prefix = {{192, 0, 2, 0}, 4, 24};
static struct wire_target target = {.prefixes = &prefix, .prefix_count = 1};
static struct jobs jobs;

static int setup(void **state)
{
    (void)state;
    jobs_init(&jobs);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    jobs_free(&jobs);
    return 0;
}

static struct job *put(const char *id, int64_t lifetime)
{
    bool known;
    struct mitigator_job job = {.id = id, .client = "web", .target = &target, .lifetime = lifetime};
    struct job *result = jobs_put(&jobs, &job, 1000, &known);
    assert_non_null(result);
    return result;
}

static void stop(const char *id)
{
    struct job *job = jobs_find(&jobs, id);
    assert_non_null(job);
    jobs_stop(&jobs, job);
}

/* "start a, update b": tells all that waits. */
static const char *tell(bool busy)
{
    static char text[256];
    text[0] = '\0';
    for (struct job *job; (job = jobs_next(&jobs));) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%s %s", length ? ", " : "", job_op(job), job->id);
        jobs_told(&jobs, job, busy);
    }
    return text;
}

static void test_life_of_a_job(void **state)
{
    (void)state;
    put("a", 60);
    assert_string_equal(tell(false), "start a");
    assert_string_equal(tell(false), "");
    put("a", 90);
    assert_string_equal(tell(false), "update a");
    stop("a");
    assert_null(jobs_find(&jobs, "a"));
    assert_string_equal(tell(false), "stop a");
    assert_null(TAILQ_FIRST(&jobs.all));
}

static void test_changes_become_one(void **state)
{
    (void)state;
    struct job *job = put("a", 60);
    put("b", 60);
    put("a", 70);
    assert_int_equal(jobs.waiting_count, 2);
    assert_int_equal(job_lifetime(job, 1000), 70);
    assert_string_equal(tell(false), "start a, start b");
    put("b", 80);
    put("a", 80);
    put("b", 90);
    assert_string_equal(tell(false), "update b, update a");
    put("a", 100);
    stop("a");
    assert_string_equal(tell(false), "stop a");
}

static void test_what_was_never_told_is_never_mentioned(void **state)
{
    (void)state;
    put("a", 60);
    stop("a");
    assert_null(TAILQ_FIRST(&jobs.all));
    assert_string_equal(tell(false), "");
    put("a", 60);
    stop("a");
    put("a", 60);
    assert_string_equal(tell(false), "start a");
}

static void test_stopped_and_started_again_is_an_update(void **state)
{
    (void)state;
    put("a", 60);
    tell(false);
    stop("a");
    put("a", 70);
    assert_int_equal(jobs.live_count, 1);
    assert_string_equal(tell(false), "update a");
}

static void test_a_new_program_is_told_of_live_jobs_only(void **state)
{
    (void)state;
    put("a", 60);
    put("b", 60);
    put("c", 60);
    tell(false);
    put("d", 60);
    put("b", 70);
    stop("a");
    jobs_forget(&jobs);
    assert_string_equal(tell(false), "start b, start c, start d");
    assert_int_equal(jobs.live_count, 3);
}

static void test_a_busy_job_waits(void **state)
{
    (void)state;
    struct job *job = put("a", 60);
    assert_string_equal(tell(true), "start a");
    put("a", 70);
    put("b", 60);
    assert_string_equal(tell(false), "start b");
    stop("a");
    assert_string_equal(tell(false), "");
    jobs_idle(&jobs, job);
    assert_string_equal(tell(true), "stop a");
    put("a", 80);
    jobs_idle(&jobs, job);
    assert_string_equal(tell(true), "start a");
    stop("a");
    jobs_idle(&jobs, job);
    assert_string_equal(tell(true), "stop a");
    jobs_idle(&jobs, job); /* gone */
    assert_ptr_equal(TAILQ_FIRST(&jobs.all), jobs_find(&jobs, "b"));
}

static void test_lifetimes(void **state)
{
    (void)state;
    struct job *job = put("a", 60);
    assert_int_equal(job_lifetime(job, 1000), 60);
    assert_int_equal(job_lifetime(job, 1001), 60);
    assert_int_equal(job_lifetime(job, 2000), 59);
    assert_int_equal(job_lifetime(job, 60999), 1);
    assert_int_equal(job_lifetime(job, 61000), 1);
    assert_int_equal(job_lifetime(job, 900000), 1);
    put("a", -1);
    assert_int_equal(job_lifetime(job, 900000), -1);
    put("a", INT64_MAX);
    assert_int_equal(job_lifetime(job, 900000), -1);
    tell(false);
    stop("a");
    assert_int_equal(job_lifetime(job, 1000), 0);
}

static json_t *line_of(struct job *job)
{
    char *line = job_line(job, 1000);
    assert_non_null(line);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(object);
    free(line);
    return object;
}

static void assert_json(const json_t *value, const char *expected)
{
    json_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
    assert_non_null(wanted);
    if (!json_equal(value, wanted)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        fail_msg("%s is not %s", text, expected);
    }
    json_decref(wanted);
}

static void test_line_has_all_clauses(void **state)
{
    (void)state;
    bool known;
    struct wire_prefix prefixes[] = {{{203, 0, 113, 7}, 4, 32}, {{0x20, 0x01, 0x0d, 0xb8}, 6, 32}};
    struct wire_port_range ports[] = {{443, 443}, {8000, 8080}};
    uint8_t protocols[] = {6, 17};
    const char *fqdns[] = {"www.example.com"}, *uris[] = {"https://www.example.com/\"a\""}, *aliases[] = {"web\n1"};
    struct wire_target whole = {prefixes, 2, ports, 2, protocols, 2, {fqdns, 1}, {uris, 1}, {aliases, 1}};
    struct mitigator_job wanted = {"j:1", "web \"farm\"", &whole, NULL, 3600, WIRE_UNDER_ATTACK};
    struct job *job = jobs_put(&jobs, &wanted, 1000, &known);
    assert_non_null(job);
    assert_false(known);
    json_t *line = line_of(job);
    assert_json(line, "{\"op\":\"start\",\"id\":\"j:1\",\"client\":\"web \\\"farm\\\"\",\"lifetime\":3600,"
                      "\"attack-status\":\"under-attack\",\"scope\":{"
                      "\"target-prefix\":[\"203.0.113.7/32\",\"2001:db8::/32\"],"
                      "\"target-port-range\":[{\"lower-port\":443,\"upper-port\":443},"
                      "{\"lower-port\":8000,\"upper-port\":8080}],"
                      "\"target-protocol\":[6,17],\"target-fqdn\":[\"www.example.com\"],"
                      "\"target-uri\":[\"https://www.example.com/\\\"a\\\"\"],\"alias-name\":[\"web\\n1\"]}}");
    json_decref(line);
    wanted.target = &target;
    wanted.lifetime = -1;
    wanted.attack_status = WIRE_ATTACK_MITIGATED;
    jobs_told(&jobs, job, false);
    assert_ptr_equal(jobs_put(&jobs, &wanted, 1000, &known), job);
    assert_true(known);
    line = line_of(job);
    assert_json(line, "{\"op\":\"update\",\"id\":\"j:1\",\"client\":\"web \\\"farm\\\"\",\"lifetime\":-1,"
                      "\"attack-status\":\"attack-successfully-mitigated\","
                      "\"scope\":{\"target-prefix\":[\"192.0.2.0/24\"]}}");
    json_decref(line);
    wanted.attack_status = 0;
    jobs_put(&jobs, &wanted, 1000, &known);
    jobs_told(&jobs, job, false);
    jobs_stop(&jobs, job);
    line = line_of(job);
    assert_json(line, "{\"op\":\"stop\",\"id\":\"j:1\",\"client\":\"web \\\"farm\\\"\",\"lifetime\":0,"
                      "\"scope\":{\"target-prefix\":[\"192.0.2.0/24\"]}}");
    json_decref(line);
}

/* Whichever allocation fails: NULL and nothing changed, or all is as it should be. */
static void test_memory_may_run_out(void **state)
{
    (void)state;
    struct wire_port_range ports[] = {{443, 443}};
    const char *fqdns[] = {"www.example.com"};
    struct wire_target larger = {.prefixes = &prefix, .prefix_count = 1, .port_ranges = ports, .port_range_count = 1};
    larger.fqdns = (struct wire_strings){fqdns, 1};
    struct mitigator_job wanted = {"j", "web", &larger, NULL, 60, 0};
    put("k", 60);
    tell(false);
    for (size_t count = 0;; count++) {
        bool known;
        allocation_fail_after(count);
        struct job *job = jobs_put(&jobs, &wanted, 1000, &known);
        bool failed = allocation_has_failed();
        if (!job) {
            assert_true(failed);
            assert_null(jobs_find(&jobs, "j"));
            assert_int_equal(jobs.live_count, 1);
            assert_int_equal(jobs.waiting_count, 0);
            continue;
        }
        json_t *line = line_of(job);
        assert_json(json_object_get(line, "scope"),
                    "{\"target-prefix\":[\"192.0.2.0/24\"],\"target-fqdn\":[\"www.example.com\"],"
                    "\"target-port-range\":[{\"lower-port\":443,\"upper-port\":443}]}");
        json_decref(line);
        jobs_stop(&jobs, job);
        if (!failed)
            break;
    }
}

/* However often jobs change while nobody reads, each waits once. */
static void test_many_jobs(void **state)
{
    (void)state;
    char id[16];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20000; i++) {
            snprintf(id, sizeof id, "%d", i);
            put(id, 60 + round);
        }
    }
    assert_int_equal(jobs.live_count, 20000);
    assert_int_equal(jobs.waiting_count, 20000);
    for (int i = 0; i < 20000; i += 2) {
        snprintf(id, sizeof id, "%d", i);
        stop(id);
    }
    assert_int_equal(jobs.waiting_count, 10000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void counted(size_t waiting, size_t busy, size_t all)
{
    assert_int_equal(jobs.waiting_count, waiting);
    assert_int_equal(jobs.busy_count, busy);
    assert_int_equal(jobs.count, all);
}

static void test_what_waits_and_what_runs_is_counted(void **state)
{
    struct job *a = put("a", 10), *b = put("b", 10);

    (void)state;
    counted(2, 0, 2);
    jobs_told(&jobs, a, true);
    counted(1, 1, 2);
    put("a", 20); /* while it is told */
    counted(1, 1, 2);
    jobs_idle(&jobs, a);
    counted(2, 0, 2);
    jobs_told(&jobs, a, false);
    jobs_told(&jobs, b, true);
    jobs_not_told(&jobs, b);
    counted(1, 0, 2);
    jobs_told(&jobs, b, false);
    counted(0, 0, 2);
    stop("a");
    counted(1, 0, 2);
    jobs_told(&jobs, a, true); /* the last that is told of it */
    counted(0, 1, 2);
    jobs_idle(&jobs, a);
    counted(0, 0, 1);
    jobs_forget(&jobs);
    counted(1, 0, 1);
    stop("b");
    counted(0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_life_of_a_job),
        TEST(test_changes_become_one),
        TEST(test_what_was_never_told_is_never_mentioned),
        TEST(test_stopped_and_started_again_is_an_update),
        TEST(test_a_new_program_is_told_of_live_jobs_only),
        TEST(test_a_busy_job_waits),
        TEST(test_lifetimes),
        TEST(test_line_has_all_clauses),
        TEST(test_memory_may_run_out),
        TEST(test_many_jobs),
        TEST(test_what_waits_and_what_runs_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
