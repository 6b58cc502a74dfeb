/* history: made from a seed, run to its end. */

#include "tests/support/history.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_BEGINS INT64_C(1000000000000) /* as world_init */
#define DRAIN_ROUNDS 40
#define DRAIN_MS 15000

/* ---- Making ---- */

static uint32_t roll(uint64_t *random, uint32_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % below;
}

static void make_setup(struct setup *setup, uint64_t seed, uint64_t *random)
{
    bool many = seed % 1009 == 0; /* thousands of clients now and then, in every shard */

    memset(setup, 0, sizeof(*setup));
    setup->identity_client = seed % 3 == 1;
    setup->per_client = seed % 3 == 2;
    setup->by_prefix = seed % 2 == 0;
    setup->upstreams = setup->by_prefix ? 2 : 1 + roll(random, 4) % HISTORY_UPSTREAMS;
    setup->clients = many ? 2000 : 2 + roll(random, 5);
    setup->steps = many ? 5000 : 30 + roll(random, 10) * roll(random, 10) * 2;
    setup->mids = many ? 40 : setup->steps + 1;
    setup->rare = many ? setup->steps : 1;
    setup->nat = roll(random, 4) == 0;
    setup->mitigator = roll(random, 4) == 0;
    if (setup->mitigator)
        setup->recursion = (enum relay_recursion)roll(random, 4);
    setup->body_max = !setup->identity_client && roll(random, 6) == 0 ? 80 : 0;
    setup->lives_long = roll(random, 2) == 0;
    setup->refuses = roll(random, 3) == 0;
}

/* How often each happens, in a thousand. */
static const struct {
    enum step_kind kind;
    unsigned share;
} shares[] = {{STEP_PUT, 260}, {STEP_AGAIN, 70},  {STEP_WITHDRAW, 100}, {STEP_LOST, 20},   {STEP_DELIVER, 280},
              {STEP_COPY, 15}, {STEP_LATE, 15},   {STEP_STATUS, 40},    {STEP_UP, 30},     {STEP_LISTED, 30},
              {STEP_CUT, 10},  {STEP_FORGET, 8},  {STEP_HOLD, 12},      {STEP_COMMIT, 20}, {STEP_CRASH, 10},
              {STEP_DOOM, 10}, {STEP_REPORT, 20}, {STEP_RECURSE, 10},   {STEP_TIME, 40}};

static struct step make_step(uint64_t *random)
{
    uint32_t what = roll(random, 1000);
    struct step step = {.kind = STEP_TIME};

    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        if (what < shares[i].share) {
            step.kind = shares[i].kind;
            break;
        }
        what -= shares[i].share;
    }
    step.a = (uint16_t)roll(random, 65536);
    step.b = (uint16_t)roll(random, 65536);
    step.c = (uint16_t)roll(random, 65536);
    step.d = (uint16_t)roll(random, 65536);
    return step;
}

void story_make(struct story *story, uint64_t seed, enum server_fault fault)
{
    uint64_t random = seed * 0x9e3779b97f4a7c15u + 1;

    make_setup(&story->setup, seed, &random);
    story->setup.fault = fault;
    story->count = story->setup.steps;
    story->steps = calloc(story->count, sizeof(*story->steps));
    for (size_t i = 0; i < story->count; i++)
        story->steps[i] = make_step(&random);
}

void story_free(struct story *story)
{
    free(story->steps);
    memset(story, 0, sizeof(*story));
}

void story_print(const struct story *story, FILE *out)
{
    static const char *const names[STEP_KINDS] = {
        "put", "again",  "withdraw", "signal-lost", "deliver", "copy", "late", "status", "up",     "listed",
        "cut", "forget", "hold",     "commit",      "crash",   "doom", "time", "report", "recurse"};

    for (size_t i = 0; i < story->count; i++) {
        const struct step *step = &story->steps[i];

        fprintf(out, "# %zu. %s %u %u %u %u\n", i + 1, names[step->kind], step->a, step->b, step->c, step->d);
    }
}

/* ---- Running ---- */

void history_fail(struct history *history, const char *format, ...)
{
    va_list list;

    if (history->failure[0])
        return; /* what is wrong first says most */
    va_start(list, format);
    vsnprintf(history->failure, sizeof(history->failure), format, list);
    va_end(list);
}

struct asked *history_asked(const struct history *history, unsigned client, uint32_t mid)
{
    return &history->asked[(size_t)client * history->setup->mids + mid];
}

void history_doubt(struct history *history, struct asked *asked)
{
    asked->unsure = true;
    asked->shaken = history->exchanges;
}

static void flush_journal(struct history *history)
{
    char *line;

    while ((line = world_take(&history->world))) {
        if (history->at[0])
            fprintf(history->script, "%s\n", history->at);
        history->at[0] = '\0';
        fprintf(history->script, "> %s\n", line);
        free(line);
    }
}

void history_script(struct history *history, const char *format, ...)
{
    va_list list;

    if (!history->script)
        return;
    flush_journal(history);
    va_start(list, format);
    if (strncmp(format, "at ", 3) == 0) { /* of those after which nothing happens the last is enough */
        vsnprintf(history->at, sizeof(history->at), format, list);
    } else {
        if (history->at[0])
            fprintf(history->script, "%s\n", history->at);
        history->at[0] = '\0';
        vfprintf(history->script, format, list);
        fputc('\n', history->script);
    }
    va_end(list);
}

static void set_owns(struct history *history, size_t target, struct relay_target *out)
{
    /* The last quarter but one of the second /16 is nobody's. */
    static const struct {
        unsigned from, count;
    } parts[2][2] = {{{0, 128}, {256, 128}}, {{128, 128}, {384, 64}}};
    uint32_t base = history->setup->nat ? BLOCKS_EXTERNAL : BLOCKS_INTERNAL;

    for (size_t i = 0; history->setup->by_prefix && i < 2; i++) {
        history->owns[target][i] = blocks_prefix(base, parts[target][i].from, parts[target][i].count);
        blocks_fill(&history->owned[target], parts[target][i].from, parts[target][i].count);
    }
    if (!history->setup->by_prefix) {
        blocks_fill(&history->owned[target], 0, BLOCKS_ADDRESSES);
        return;
    }
    out->owns = history->owns[target];
    out->owns_count = 2;
}

static void write_setup(struct history *history)
{
    static const char *const recursions[] = {"always", "never", "manual", "on-exceeded"};
    const struct setup *setup = history->setup;
    char text[2][WIRE_PREFIX_TEXT];

    for (size_t i = 0; i < setup->upstreams; i++) {
        history_script(history, "target %s upstream%s%s%s%s%s%s%s", history->world.targets[i].name,
                       setup->identity_client ? " identity-client" : "", setup->per_client ? " per-client" : "",
                       setup->body_max ? " body=80" : "", setup->by_prefix ? " owns=" : "",
                       setup->by_prefix ? wire_prefix_format(&history->owns[i][0], text[0]) : "",
                       setup->by_prefix ? "," : "",
                       setup->by_prefix ? wire_prefix_format(&history->owns[i][1], text[1]) : "");
    }
    if (setup->mitigator)
        history_script(history, "target ops mitigator");
    history_script(history, "policy recursion=%s%s", recursions[setup->recursion],
                   setup->by_prefix ? " fan-out=by-prefix" : "");
    if (setup->nat)
        history_script(history, "nat 10.0.0.0/15 198.18.0.0/15");
    history_script(history, "start");
}

static void begin(struct history *history)
{
    static const char *const names[HISTORY_UPSTREAMS] = {"isp-a", "isp-b", "isp-c"};
    const struct setup *setup = history->setup;
    struct world *world = &history->world;
    size_t i;

    world_init(world);
    for (i = 0; i < setup->upstreams; i++) {
        world->targets[i] = (struct relay_target){.name = names[i],
                                                  .kind = RELAY_UPSTREAM,
                                                  .identity_client = setup->identity_client,
                                                  .per_client = setup->per_client,
                                                  .body_max = setup->body_max};
        set_owns(history, i, &world->targets[i]);
        history->up[i] = true;
    }
    if (setup->mitigator)
        world->targets[i++] = (struct relay_target){.name = "ops", .kind = RELAY_MITIGATOR};
    world->policy.target_count = i;
    world->policy.fan_out = setup->by_prefix ? RELAY_FAN_OUT_BY_PREFIX : RELAY_FAN_OUT_ALL;
    world->policy.recursion = setup->recursion;
    if (setup->nat) {
        world->nat[0].internal = blocks_prefix(BLOCKS_INTERNAL, 0, BLOCKS_ADDRESSES);
        world->nat[0].external = blocks_prefix(BLOCKS_EXTERNAL, 0, BLOCKS_ADDRESSES);
        world->policy.nat_count = 1;
    }
    world->quiet = !history->script;
    world->on_install = history_install;
    world->on_forget = history_forget;
    world->on_answer = history_answered;
    world->user = history;
    write_setup(history);
    world_start(world);
}

static void crash(struct history *history)
{
    history_script(history, "crash");
    history->outstanding_count = 0;
    for (size_t i = 0; i < history->setup->upstreams; i++) {
        history->up[i] = false;
        free(history->listing[i]);
        history->listing[i] = NULL;
    }
    world_crash(&history->world);
}

static void pass(struct history *history, int64_t ms)
{
    history_script(history, "at %.3f", (double)(history->world.now + ms - HISTORY_BEGINS) / 1000);
    world_advance(&history->world, history->world.now + ms);
    server_expire(&history->server, history->world.now);
}

static void doom(struct history *history, unsigned effects)
{
    history->world.dies_after = effects;
    history_script(history, "dies-after %u", effects);
}

static void commit(struct history *history, bool hold)
{
    history_script(history, hold ? "hold" : "commit");
    history->world.hold = hold;
    if (!hold)
        world_commit(&history->world);
}

static int64_t duration(const struct step *step)
{
    static const unsigned most[] = {1500, 1500, 30000, 400000};

    return step->b % most[step->a % 4];
}

static enum outcome outcome_of(const struct setup *setup, unsigned number)
{
    static const enum outcome outcomes[16] = {[7] = OUTCOME_ANSWER_LOST,
                                              OUTCOME_ANSWER_LOST,
                                              OUTCOME_SHORT,
                                              OUTCOME_SHORT,
                                              OUTCOME_TWICE,
                                              OUTCOME_BUSY,
                                              OUTCOME_BAD,
                                              OUTCOME_FORBIDDEN,
                                              OUTCOME_CONFLICT};
    enum outcome outcome = outcomes[number % 16];

    return outcome >= OUTCOME_BAD && !setup->refuses ? OUTCOME_ANSWERED : outcome;
}

static void take_step(struct history *history, const struct step *step)
{
    const struct setup *setup = history->setup;
    size_t target = step->a % setup->upstreams;

    switch (step->kind) {
    case STEP_PUT:
        history_put(history, step);
        break;
    case STEP_AGAIN:
        history_again(history, step);
        break;
    case STEP_WITHDRAW:
        history_withdraw(history, step->a % setup->clients, step->b);
        break;
    case STEP_LOST:
        history_lost(history, step->a % setup->clients);
        break;
    case STEP_DELIVER:
        history_deliver(history, step->a, outcome_of(setup, step->b));
        break;
    case STEP_COPY:
        history_copy(history, step->a);
        break;
    case STEP_LATE:
        history_late(history, step->a);
        break;
    case STEP_STATUS:
        history_status(history, step);
        break;
    case STEP_UP:
        history_up(history, target);
        break;
    case STEP_LISTED:
        history_listed(history, target);
        break;
    case STEP_CUT:
        history_cut(history, target);
        break;
    case STEP_FORGET:
        server_forget(&history->server, target);
        break;
    case STEP_HOLD:
        commit(history, true);
        break;
    case STEP_COMMIT:
        commit(history, false);
        break;
    case STEP_CRASH:
        crash(history);
        break;
    case STEP_DOOM:
        doom(history, 1 + step->a % 12);
        break;
    case STEP_TIME:
        pass(history, duration(step));
        break;
    case STEP_REPORT:
        history_report(history, step->a);
        break;
    case STEP_RECURSE:
        history_recurse(history, step);
        break;
    case STEP_KINDS:
        break;
    }
    world_advance(&history->world, history->world.now);
    if (!history->world.dead)
        return;
    crash(history);
    world_advance(&history->world, history->world.now);
}

/* The network lets everything through. */
static void settle(struct history *history)
{
    while (history->outstanding_count && !history->failure[0])
        history_deliver(history, 0, OUTCOME_ANSWERED);
}

static void repair(struct history *history)
{
    for (size_t target = 0; target < history->setup->upstreams; target++) {
        history_up(history, target);
        history_listed(history, target);
        world_advance(&history->world, history->world.now);
    }
}

static void drain(struct history *history)
{
    if (history->world.dies_after)
        doom(history, 0);
    commit(history, false);
    while (history->copy_count)
        history_late(history, 0);
    repair(history);
    for (int i = 0; i < DRAIN_ROUNDS && !history->failure[0]; i++) {
        settle(history);
        pass(history, DRAIN_MS);
        if (i == DRAIN_ROUNDS / 2)
            repair(history);
    }
    settle(history);
}

/* What was refused for good is asked for again by another process only. */
static bool any_refused(const struct server *server)
{
    for (size_t i = 0; i < server->count; i++)
        if (server->requests[i].refused)
            return true;
    return false;
}

/* What changes nothing sends nothing. */
static void check_no_op(struct history *history)
{
    unsigned before = history->sent;

    repair(history);
    if (history->sent != before)
        history_fail(history, "a listing of what is there made the gateway send something");
    crash(history);
    repair(history);
    if (any_refused(&history->server)) {
        settle(history);
        before = history->sent;
    }
    if (history->sent != before)
        history_fail(history, "a restart made the gateway put something that is there");
    history_withdraw(history, 0, UINT16_MAX);
    world_advance(&history->world, history->world.now);
    if (history->sent != before || history->outstanding_count)
        history_fail(history, "deleting what is not there made the gateway send something");
}

static void run_steps(struct history *history, const struct story *story)
{
    for (size_t i = 0; i < story->count && !history->failure[0]; i++) {
        take_step(history, &story->steps[i]);
        if (i % story->setup.rare == 0) {
            history_check_told(history);
            history_check_plan(history);
        }
    }
    if (!history->failure[0])
        drain(history);
    if (!history->failure[0]) {
        history_check_told(history);
        history_check_plan(history);
        history_check_upstream(history);
    }
    if (!history->failure[0])
        check_no_op(history);
    if (!history->failure[0])
        history_check_upstream(history);
}

bool story_run(const struct story *story, FILE *script, char failure[HISTORY_FAILURE])
{
    struct history *history = calloc(1, sizeof(*history));
    bool passed;

    history->setup = &story->setup;
    history->script = script;
    history->server.fault = story->setup.fault;
    history->asked = calloc((size_t)story->setup.clients * story->setup.mids, sizeof(*history->asked));
    history->next_mid = calloc(story->setup.clients, sizeof(*history->next_mid));
    begin(history);
    run_steps(history, story);
    if (script)
        flush_journal(history);
    passed = !history->failure[0];
    memcpy(failure, history->failure, HISTORY_FAILURE);
    history->outstanding_count = 0;
    world_free(&history->world);
    server_free(&history->server);
    for (size_t i = 0; i < HISTORY_UPSTREAMS; i++)
        free(history->listing[i]);
    free(history->outstanding);
    free(history->asked);
    free(history->next_mid);
    free(history);
    return passed;
}
