/* shrink: chunks of steps first, then single ones, then what is in them, and the setup. */

#include "tests/support/shrink.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANGS_S 60
#define PAIRS_MAX 40 /* steps: of more, trying all pairs takes too long */

static void *shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static int wait_for(pid_t child)
{
    int status = 0;

    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    return status;
}

static uint64_t run_seeds(uint64_t from, uint64_t to, uint64_t step, volatile uint64_t *running)
{
    for (uint64_t seed = from; seed <= to; seed += step) {
        char failure[HISTORY_FAILURE];
        struct story story;
        bool passed;

        *running = seed;
        alarm(HANGS_S);
        story_make(&story, seed, SERVER_SOUND);
        passed = story_run(&story, NULL, failure);
        story_free(&story);
        if (!passed)
            return seed;
    }
    *running = UINT64_MAX;
    return 0;
}

uint64_t stories_run(uint64_t from, uint64_t to, uint64_t step)
{
    volatile uint64_t *running = shared(sizeof(*running));
    uint64_t failed;
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0)
        exit(run_seeds(from, to, step, running) ? 1 : 0);
    failed = wait_for(child) == 0 ? 0 : *running;
    munmap((void *)running, sizeof(*running));
    return failed;
}

bool story_fails(const struct story *story, char failure[HISTORY_FAILURE])
{
    char *text = shared(HISTORY_FAILURE);
    bool fails;
    pid_t child;

    fflush(NULL);
    snprintf(text, HISTORY_FAILURE, "the process died: run this seed alone to see what it says");
    child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(nowhere, STDERR_FILENO); /* what a sanitizer says of each attempt */
        alarm(HANGS_S);
        _exit(story_run(story, NULL, text) ? 0 : 1);
    }
    fails = wait_for(child) != 0;
    memcpy(failure, text, HISTORY_FAILURE);
    munmap(text, HISTORY_FAILURE);
    return fails;
}

static bool still_fails(const struct story *story)
{
    char failure[HISTORY_FAILURE];

    return story_fails(story, failure);
}

/* Is it as bad without these? Then they are gone. */
static bool remove_both(struct story *story, size_t from, size_t count, size_t other, size_t other_count)
{
    struct story shorter = {story->setup, calloc(story->count + 1, sizeof(*story->steps)), 0};
    bool fails;

    for (size_t i = 0; i < story->count; i++)
        if ((i < from || i >= from + count) && (i < other || i >= other + other_count))
            shorter.steps[shorter.count++] = story->steps[i];
    fails = still_fails(&shorter);
    if (fails) {
        memcpy(story->steps, shorter.steps, shorter.count * sizeof(*story->steps));
        story->count = shorter.count;
    }
    free(shorter.steps);
    return fails;
}

static bool remove_steps(struct story *story, size_t from, size_t count)
{
    return remove_both(story, from, count, 0, 0);
}

/* Two that need each other: a request and the step that let it pass, or one that only changes what numbers mean. */
static bool remove_pair(struct story *story)
{
    for (size_t last = story->count > PAIRS_MAX ? 0 : story->count; last-- > 1;)
        for (size_t first = last; first-- > 0;)
            if (remove_both(story, first, 1, last, 1))
                return true;
    return false;
}

static bool remove_chunks(struct story *story, size_t size)
{
    bool any = false;

    /* From the end: what comes after the fault goes first. */
    for (size_t end = story->count; end > 0; end = end > size ? end - size : 0)
        any = remove_steps(story, end > size ? end - size : 0, end > size ? size : end) || any;
    return any;
}

static bool simpler(struct story *story, uint16_t *number)
{
    uint16_t was = *number;

    if (was == 0)
        return false;
    *number = 0;
    if (still_fails(story))
        return true;
    *number = was / 2;
    if (was > 1 && still_fails(story))
        return true;
    *number = was;
    return false;
}

static void simplify_steps(struct story *story)
{
    for (size_t i = 0; i < story->count; i++) {
        uint16_t *const numbers[] = {&story->steps[i].a, &story->steps[i].b, &story->steps[i].c, &story->steps[i].d};

        for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
            while (simpler(story, numbers[k]))
                ;
    }
}

static void make_plainer(struct setup *setup, unsigned what)
{
    switch (what) {
    case 0:
        setup->nat = false;
        break;
    case 1:
        setup->mitigator = false;
        setup->recursion = RELAY_RECURSION_ALWAYS;
        break;
    case 2:
        setup->body_max = 0;
        break;
    case 3:
        setup->by_prefix = false;
        setup->upstreams = 1;
        break;
    case 4:
        setup->per_client = false;
        break;
    default:
        setup->clients = 2;
        break;
    }
}

static void simplify_setup(struct story *story)
{
    for (unsigned what = 0; what <= 5; what++) {
        struct setup before = story->setup;

        make_plainer(&story->setup, what);
        if (!still_fails(story))
            story->setup = before;
    }
}

void story_shrink(struct story *story)
{
    bool again = true;

    for (size_t size = story->count / 2; size > 1; size /= 2)
        remove_chunks(story, size);
    simplify_setup(story);
    while (again) { /* one that could not go before can when another is gone */
        again = remove_chunks(story, 1) || remove_pair(story);
        if (!again) {
            simplify_steps(story);
            again = remove_chunks(story, 1) || remove_pair(story);
        }
    }
}

void story_report(const struct story *story, FILE *out)
{
    char failure[HISTORY_FAILURE];
    pid_t child;

    story_fails(story, failure);
    fprintf(out, "# %s\n", failure);
    story_print(story, out);
    fflush(NULL);
    child = fork(); /* as far as it goes */
    if (child == 0) {
        alarm(HANGS_S);
        story_run(story, out, failure);
        fflush(out);
        _exit(0);
    }
    wait_for(child);
    fprintf(out, "# %s\n", failure);
}
