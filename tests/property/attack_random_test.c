/*
 * attack: random reports of two detectors, ends, silences and restarts, against a model that knows every trigger at
 * every tenth of a second. What has fired is what the model says; each fired trigger is covered by exactly one request,
 * requests are disjoint and do not run out, nothing is asked for that nobody needs, and nothing is left at the end.
 * links: attack aggregation wire config log
 *
 * DOTSGW_SEED replays one history, DOTSGW_HISTORIES says how many are run.
 */
#include "tests/unit/attack_fake.h"

#include "tests/unit/seeded_random.h"

#define STEP_MS 100
#define STEPS 300
#define RULES 3
#define DETECTORS 2
#define TARGETS 12

static const char text[] =
    "detectors: [ { name: d0, targets: [192.0.2.0/24] }, { name: d1, targets: [192.0.2.0/28] } ]\n"
    "attack-rules:\n"
    "  - { name: r0, when: [ { pps: 100 } ], until-below: [ { pps: 60 } ], hold: 300ms, release-after: 500ms,\n"
    "      silence: 2s, lifetime: 10s }\n"
    "  - { name: r1, when: [ { pps: 50, sources: 5 }, { bps: 1k } ], hold: 0s, release-after: 0s, silence: 1s,\n"
    "      lifetime: 12s, ipv4-length: 30 }\n"
    "  - { name: r2, detectors: [d1], targets: [192.0.2.0/29], hold: 200ms, release-after: 300ms, silence: 3s,\n"
    "      lifetime: 15s, ipv4-length: 26, narrow: true }\n";

static const char *const targets[TARGETS] = {"192.0.2.0/32", "192.0.2.1/32",  "192.0.2.2/32",  "192.0.2.4/32",
                                             "192.0.2.5/32", "192.0.2.9/32",  "192.0.2.12/32", "192.0.2.15/32",
                                             "192.0.2.4/30", "192.0.2.16/32", "192.0.2.17/32", "192.0.2.0/29"};

struct model_trigger {
    bool fired;
    int64_t on_ms, below_ms; /* -1: not */
};

struct model_target {
    bool reported;
    struct attack_report report;
    int64_t heard_ms;
    struct model_trigger triggers[RULES];
};

static struct model_target model[DETECTORS][TARGETS];
static struct world world;

static struct wire_prefix prefix_of(const char *prefix)
{
    struct wire_prefix out;

    assert_int_equal(wire_prefix_parse(prefix, false, &out), 0);
    return out;
}

static bool may(int detector, const struct wire_prefix *prefix)
{
    struct wire_prefix whole = prefix_of(detector == 0 ? "192.0.2.0/24" : "192.0.2.0/28");

    return scope_prefix_contains(&whole, prefix);
}

static bool concerns(int detector, int rule, const struct wire_prefix *prefix)
{
    struct wire_prefix part = prefix_of("192.0.2.0/29");

    return rule < 2 || (detector == 1 && scope_prefix_contains(&part, prefix));
}

static bool at_least(const struct attack_report *report, int figure, uint64_t value)
{
    return report->has[figure] && report->figures[figure] >= value;
}

static bool is_on(int rule, const struct attack_report *report)
{
    if (rule == 0)
        return at_least(report, CONFIG_PPS, 100);
    return rule == 2 || at_least(report, CONFIG_BPS, 1000) ||
           (at_least(report, CONFIG_PPS, 50) && at_least(report, CONFIG_SOURCES, 5));
}

static bool stays(int rule, const struct attack_report *report)
{
    if (rule == 0)
        return at_least(report, CONFIG_PPS, 60);
    return rule == 2 || at_least(report, CONFIG_BPS, 800) ||
           (at_least(report, CONFIG_PPS, 40) && at_least(report, CONFIG_SOURCES, 4));
}

static void model_step(int64_t now)
{
    static const int64_t hold[] = {300, 0, 200}, release[] = {500, 0, 300}, silence[] = {2000, 1000, 3000};

    for (int i = 0; i < DETECTORS * TARGETS * RULES; i++) {
        int detector = i / TARGETS / RULES, rule = i % RULES;
        struct model_target *target = &model[detector][i / RULES % TARGETS];
        struct model_trigger *trigger = &target->triggers[rule];
        bool told;

        if (!target->reported || !concerns(detector, rule, &target->report.target))
            continue;
        told = !target->report.ended && now - target->heard_ms < silence[rule];
        if (trigger->fired) {
            if (told && stays(rule, &target->report))
                trigger->below_ms = -1;
            else if (trigger->below_ms < 0)
                trigger->below_ms = now;
            trigger->fired = trigger->below_ms < 0 || now - trigger->below_ms < release[rule];
            trigger->on_ms = -1;
        } else if (told && is_on(rule, &target->report)) {
            if (trigger->on_ms < 0)
                trigger->on_ms = now;
            trigger->fired = now - trigger->on_ms >= hold[rule];
            trigger->below_ms = -1;
        } else {
            trigger->on_ms = -1;
        }
    }
}

static void model_reset(void)
{
    memset(model, 0, sizeof(model));
    for (int i = 0; i < DETECTORS * TARGETS * RULES; i++) {
        struct model_trigger *trigger = &model[i / TARGETS / RULES][i / RULES % TARGETS].triggers[i % RULES];

        trigger->on_ms = trigger->below_ms = -1;
    }
}

/* ---- What must hold ---- */

static size_t fired_count;

static int check_fired(void *arg, const struct attack_view *view)
{
    bool fired = view->rule && (strcmp(view->state, "fired") == 0 || strcmp(view->state, "falling") == 0);

    (void)arg;
    for (int i = 0; i < TARGETS && view->rule; i++) {
        struct wire_prefix prefix = prefix_of(targets[i]);

        if (memcmp(&prefix, &view->report->target, sizeof(prefix)) == 0)
            assert_int_equal(fired, model[view->detector[1] - '0'][i].triggers[view->rule[1] - '0'].fired);
    }
    fired_count += fired;
    return 0;
}

static struct wire_prefix wanted(int detector, int target, int rule)
{
    static const uint8_t lengths[] = {32, 30, 26};
    struct wire_prefix prefix = prefix_of(targets[target]), wide;
    char buffer[WIRE_PREFIX_TEXT], longer[WIRE_PREFIX_TEXT + 4];

    for (uint8_t length = lengths[rule]; length < prefix.length; length++) {
        wire_prefix_format(&prefix, buffer);
        *strchr(buffer, '/') = '\0';
        snprintf(longer, sizeof(longer), "%s/%u", buffer, length);
        wide = prefix_of(longer);
        if (may(detector, &wide))
            return wide;
    }
    return prefix;
}

static void check_requests(void)
{
    size_t count = 0;
    bool needed[REQUESTS_MAX] = {false};

    for (int i = 0; i < DETECTORS * TARGETS * RULES; i++) {
        int detector = i / TARGETS / RULES, target = i / RULES % TARGETS, rule = i % RULES;
        struct wire_prefix prefix;
        size_t covering = 0;

        if (!model[detector][target].triggers[rule].fired)
            continue;
        count++;
        prefix = wanted(detector, target, rule);
        for (size_t j = 0; j < world.request_count; j++) {
            const struct request *request = &world.requests[j];

            if (!request->live || !scope_prefix_contains(&request->prefix, &prefix))
                continue;
            covering++;
            needed[j] = true;
            assert_true(request->expires_ms > world.now);
            assert_true(rule == 2 || request->protocol_count + request->port_count == 0);
        }
        assert_int_equal(covering, 1);
    }
    fired_count = 0;
    attacks_each(world.attacks, check_fired, NULL);
    assert_int_equal(fired_count, count);
    for (size_t i = 0; i < world.request_count; i++) {
        const struct request *request = &world.requests[i];

        assert_true(!request->live || needed[i] || request->adopted);
        for (size_t j = 0; j < i && request->live; j++)
            assert_false(world.requests[j].live && prefixes_overlap(&world.requests[j].prefix, &request->prefix));
    }
}

/* ---- Histories ---- */

static void report_something(bool ended)
{
    int detector = (int)random_below(DETECTORS), index = (int)random_below(TARGETS);
    char name[] = {'d', (char)('0' + detector), '\0'}, reason[ATTACK_REASON_MAX];
    struct attack_report report = {.target = prefix_of(targets[index]), .ended = ended};
    struct model_target *target = &model[detector][index];

    for (int i = 0; i < CONFIG_FIGURES; i++) {
        static const uint32_t most[] = {200, 1500, 10, 9};

        report.has[i] = random_below(4) > 0;
        report.figures[i] = random_below(most[i]);
    }
    if (random_below(2)) {
        report.protocols[report.protocol_count++] = (uint8_t)random_below(20);
        report.ports[report.port_count++] = (struct wire_port_range){(uint16_t)random_below(100), 100};
    }
    if (!may(detector, &report.target)) {
        assert_int_equal(attacks_report(world.attacks, world.now, name, &report, reason), ATTACK_OUTSIDE);
        return;
    }
    assert_int_equal(attacks_report(world.attacks, world.now, name, &report, reason), ATTACK_NOTED);
    if (ended && !target->reported)
        return;
    target->reported = true;
    target->report = report;
    target->heard_ms = world.now;
    model_step(world.now);
}

static void answer_late(void)
{
    for (size_t i = 0; i < world.request_count; i++) {
        if (world.requests[i].unanswered && random_below(2))
            world_answer(&world, &world.requests[i]);
    }
}

static void pass(void)
{
    world.now += STEP_MS;
    attacks_tick(world.attacks, world.now);
    model_step(world.now);
    answer_late();
    for (size_t i = 0; i < world.request_count; i++) {
        if (world.requests[i].adopted && world.requests[i].expires_ms <= world.now)
            world.requests[i].live = false; /* the relay ends it */
    }
}

static void restart(void)
{
    attacks_free(world.attacks);
    world.attacks = attacks_new(world.policy, &fake_effects, &world);
    assert_non_null(world.attacks);
    for (size_t i = 0; i < world.request_count; i++) {
        struct request *request = &world.requests[i];
        struct wire_target target = {.prefixes = &request->prefix, .prefix_count = 1};

        /* Of protocols and ports the fake keeps the first: such requests are as if they had ended. */
        if (request->protocol_count + request->port_count > 0)
            request->live = false;
        request->adopted = request->live;
        request->unanswered = false;
        attacks_adopt(world.attacks, request->mid, &target, request->live, request->expires_ms);
    }
    model_reset();
}

static void run_history(uint64_t seed)
{
    struct attack_totals totals;

    random_start(seed);
    world_open(&world, text);
    world.answers_later = random_below(2);
    model_reset();
    for (int i = 0; i < STEPS; i++) {
        uint32_t what = random_below(20);

        if (what < 9)
            report_something(false);
        else if (what < 11)
            report_something(true);
        else if (what == 11 && random_below(4) == 0)
            restart();
        for (uint32_t passes = what > 11 ? random_below(6) : 0; passes > 0; passes--)
            pass();
        world.events[0] = '\0';
        check_requests();
    }
    for (int i = 0; i < 800; i++) /* silence: everything ends, and is forgotten */
        pass();
    check_requests();
    attacks_totals(world.attacks, &totals);
    assert_int_equal(totals.targets + totals.fired + totals.protections + world_live(&world), 0);
    assert_int_equal(attacks_next(world.attacks), INT64_MAX);
    world_close(&world);
}

static void test_histories(void **state)
{
    (void)state;
    random_histories(150, run_history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_histories, random_seed_tell)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
