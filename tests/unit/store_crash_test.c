/*
 * Killed at any moment, the store holds every batch that it reported, and no part of another.
 * A child writes without end and reports what is committed; it is killed at random moments and the
 * next one goes on from what is there. STORE_CRASH_ROUNDS and STORE_CRASH_SEED are taken from the
 * environment.
 */
/* links: store */
#include "tests/unit/store_history.h"

#include <signal.h>
#include <sys/wait.h>

#define IN_FLIGHT 16u

struct child {
    struct store *store;
    uint64_t before; /* history's number of the batch before sequence 1 */
    int report;
};

static void report(void *arg, uint64_t sequence)
{
    struct child *child = arg;
    uint64_t last = child->before + sequence;
    if (write(child->report, &last, sizeof last) != sizeof last)
        _exit(2);
}

static void write_without_end(const char *directory, int pipe)
{
    struct child child = {.report = pipe};
    uv_loop_t loop;
    char error[512];
    uv_loop_init(&loop);
    child.store = store_open(&loop, directory, report, &child, error, sizeof error);
    if (!child.store)
        _exit(3);
    if (store_load(child.store, STORE_META, history_read_last, &child.before) != 0)
        _exit(4);
    for (uint64_t batch = child.before + 1;; batch++) {
        uint64_t sequence = history_submit(child.store, batch);
        uv_run(&loop, UV_RUN_NOWAIT);
        while (sequence - store_committed(child.store) > mix(batch) % IN_FLIGHT)
            uv_run(&loop, UV_RUN_ONCE);
    }
}

/* Reads reports until count have come, then lets a random moment pass and kills; the last one read. */
static uint64_t kill_after(pid_t child, int pipe, unsigned count, unsigned microseconds)
{
    uint64_t last = 0, value;
    while (count-- > 0 && read(pipe, &value, sizeof value) == sizeof value)
        last = value;
    for (uint64_t end = uv_hrtime() + microseconds * 1000u; uv_hrtime() < end;)
        ;
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* else it ended by itself: its exit status says why */
    while (read(pipe, &value, sizeof value) == sizeof value)
        last = value;
    return last;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_every_reported_batch_survives_sigkill(void **state)
{
    struct fixture *fixture = *state;
    struct history *history = calloc(1, sizeof *history);
    assert_non_null(history);
    uint64_t rounds = number_from("STORE_CRASH_ROUNDS", 100), seed = number_from("STORE_CRASH_SEED", 1);
    uint64_t reported = 0, reports = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t random = mix(seed * 1000003 + round);
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            write_without_end(fixture->directory, ends[1]);
        }
        close(ends[1]);
        uint64_t last = kill_after(child, ends[0], random % 30, (random >> 8) % 3000);
        close(ends[0]);
        reported = last ? last : reported;
        reports += last != 0;
        if (random >> 63) /* the next child recovers what this one left */
            continue;
        fixture_open(fixture);
        history_assert(history, fixture->store, reported);
        fixture_close(fixture);
    }
    print_message("%llu kills, %llu of them after a report; batch %llu reported last\n", (unsigned long long)rounds,
                  (unsigned long long)reports, (unsigned long long)reported);
    assert_true(reports > rounds / 2);
    fixture_open(fixture);
    history_assert(history, fixture->store, reported);
    free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_reported_batch_survives_sigkill, fixture_setup, fixture_teardown),
    };
    return fixture_run(tests, sizeof tests / sizeof *tests);
}
