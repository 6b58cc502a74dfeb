/* Rules about attacks, case by case. */
/* links: attack aggregation wire config log */
#include "tests/unit/attack_fake.h"

#define FNM "detectors: [ { name: fnm, targets: [192.0.2.0/24, \"2001:db8::/32\"], targets-max: 3 } ]\n"
#define ONE_RULE(MEMBERS) FNM "attack-rules: [ { name: r, " MEMBERS " } ]\n"
#define FLOOD ONE_RULE("when: [ { pps: 100 } ], until-below: [ { pps: 50 } ], hold: 1s, release-after: 2s, silence: 5s")

static struct world world;

static enum attack_verdict report_json(const char *text)
{
    char reason[ATTACK_REASON_MAX];
    struct attack_report report;
    json_t *body = json_loads(text, 0, NULL);

    assert_non_null(body);
    if (attack_report_decode(body, &report, reason) != 0)
        fail_msg("%s", reason);
    json_decref(body);
    return attacks_report(world.attacks, world.now, "fnm", &report, reason);
}

static void report(const char *target, int pps)
{
    char text[128];

    snprintf(text, sizeof(text), "{\"target\": \"%s\", \"pps\": %d}", target, pps);
    assert_int_equal(report_json(text), ATTACK_NOTED);
}

static void ended(const char *target)
{
    char text[128];

    snprintf(text, sizeof(text), "{\"target\": \"%s\", \"ended\": true}", target);
    assert_int_equal(report_json(text), ATTACK_NOTED);
}

static void expect_events(const char *text)
{
    assert_string_equal(world.events, text);
    world.events[0] = '\0';
}

static int close_world(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void test_hold(void **state)
{
    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 100);
    world_pass(&world, 999);
    expect_events("");
    world_pass(&world, 1);
    expect_events("fired r");
    assert_int_equal(world_live(&world), 1);
}

static void test_hold_begins_anew(void **state)
{
    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 100);
    world_pass(&world, 900);
    report("192.0.2.1", 99);
    report("192.0.2.1", 100);
    world_pass(&world, 999);
    expect_events("");
    world_pass(&world, 1);
    expect_events("fired r");
}

static void test_hysteresis(void **state)
{
    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 100);
    world_pass(&world, 1000);
    expect_events("fired r");
    report("192.0.2.1", 50); /* neither above nor below */
    world_pass(&world, 4000);
    report("192.0.2.1", 49);
    world_pass(&world, 1900);
    report("192.0.2.1", 50);
    world_pass(&world, 4000);
    expect_events("");
    report("192.0.2.1", 49);
    world_pass(&world, 1999);
    expect_events("");
    world_pass(&world, 1);
    expect_events("released r");
    assert_int_equal(world_live(&world), 0);
}

static void test_silence(void **state)
{
    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 100);
    world_pass(&world, 1000);
    expect_events("fired r");
    world_pass(&world, 4000 + 1999);
    expect_events("");
    world_pass(&world, 1);
    expect_events("released r");
}

static void test_silence_before_it_fires(void **state)
{
    (void)state;
    world_open(&world, ONE_RULE("hold: 10s, silence: 5s"));
    report("192.0.2.1", 1);
    world_pass(&world, 60000);
    expect_events("");
}

/* The loop was busy: nothing is looked at before. */
static void tick_late(int64_t ms)
{
    world.now += ms;
    attacks_tick(world.attacks, world.now);
}

/* Silence begins when it is due and not when it is noticed: a busy loop keeps no mitigation longer. */
static void test_silence_that_is_noticed_late(void **state)
{
    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 100);
    world_pass(&world, 1000);
    expect_events("fired r");
    tick_late(4000 + 1500); /* it fell 1500 ms ago */
    expect_events("");
    assert_int_equal(attacks_next(world.attacks), world.now + 500);
    world_pass(&world, 499);
    expect_events("");
    world_pass(&world, 1);
    expect_events("released r");
}

static void test_silence_and_release_that_are_noticed_late(void **state)
{
    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 100);
    world_pass(&world, 1000);
    expect_events("fired r");
    tick_late(4000 + 1999);
    expect_events("");
    report("192.0.2.1", 100); /* heard again: nothing of that counts any more */
    tick_late(5000 + 2000);
    expect_events("released r");
    assert_int_equal(world_live(&world), 0);
}

/* The hold runs from the report that reached the condition, and the silence from the last report, by whatever tick. */
static void test_hold_that_is_noticed_late(void **state)
{
    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 100);
    tick_late(999);
    expect_events("");
    assert_int_equal(attacks_next(world.attacks), world.now + 1);
    tick_late(3500);
    expect_events("fired r");
    assert_int_equal(attacks_next(world.attacks), world.now + 501); /* 5 s after the report */
    tick_late(501 + 1999);
    expect_events("");
    tick_late(1);
    expect_events("released r");
    report("192.0.2.1", 100);
    tick_late(5000); /* held, but not heard of since: nothing is asked for */
    expect_events("");
    assert_int_equal(world_live(&world), 0);
}

static void test_end_counts_as_below(void **state)
{
    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 100);
    world_pass(&world, 1000);
    ended("192.0.2.1");
    world_pass(&world, 1999);
    expect_events("fired r");
    world_pass(&world, 1);
    expect_events("released r");
    ended("192.0.2.99"); /* never heard of */
    expect_events("");
}

static void test_unknown_figure_reaches_nothing(void **state)
{
    (void)state;
    world_open(&world, ONE_RULE("when: [ { pps: 1, sources: 1 } ], hold: 0s, release-after: 0s"));
    assert_int_equal(report_json("{\"target\": \"192.0.2.1\", \"pps\": 100}"), ATTACK_NOTED);
    expect_events("");
    assert_int_equal(report_json("{\"target\": \"192.0.2.1\", \"pps\": 1, \"sources\": 1.5}"), ATTACK_NOTED);
    expect_events("fired r");
    assert_int_equal(report_json("{\"target\": \"192.0.2.1\", \"sources\": 1}"), ATTACK_NOTED);
    expect_events("released r");
}

static void test_refresh_at_half_of_the_lifetime(void **state)
{
    (void)state;
    world_open(&world, ONE_RULE("hold: 0s, lifetime: 20s, silence: 1h"));
    report("192.0.2.1", 1);
    assert_int_equal(world.asked, 1);
    world_pass(&world, 9999);
    assert_int_equal(world.asked, 1);
    world_pass(&world, 1);
    assert_int_equal(world.asked, 2);
    assert_int_equal(world.request_count, 1); /* the same mid */
    world_pass(&world, 100000);
    assert_int_equal(world.asked, 12);
}

static void test_refused_request_is_tried_again(void **state)
{
    (void)state;
    world_open(&world, ONE_RULE("hold: 0s, lifetime: 10m, silence: 1h"));
    world.refuses = true;
    report("192.0.2.1", 1);
    expect_events("refused, fired r");
    world_pass(&world, 29999);
    assert_int_equal(world.asked, 1);
    world_pass(&world, 1);
    assert_int_equal(world.asked, 2);
    expect_events(""); /* it is told once */
    world.refuses = false;
    world_pass(&world, 30000);
    assert_int_equal(world.asked, 3);
    assert_int_equal(world_live(&world), 1);
}

static void test_request_that_was_ended_by_others_is_asked_for_anew(void **state)
{
    (void)state;
    world_open(&world, ONE_RULE("hold: 0s, lifetime: 20s, silence: 1h"));
    report("192.0.2.1", 1);
    world.requests[0].live = false;
    world_pass(&world, 10000);
    assert_int_equal(world_request(&world, 2)->live, true);
}

static void test_widening_stays_within_the_detectors_targets(void **state)
{
    (void)state;
    world_open(&world, ONE_RULE("hold: 0s, ipv4-length: 8, ipv6-length: 48"));
    report("192.0.2.1", 1);
    report("2001:db8:1:2::3", 1);
    assert_int_equal(world.requests[0].prefix.length, 24);
    assert_int_equal(world.requests[1].prefix.length, 48);
}

static void test_narrow_requests_grow_together(void **state)
{
    (void)state;
    world_open(&world, ONE_RULE("hold: 0s, release-after: 0s, narrow: true, ipv4-length: 24"));
    report_json(
        "{\"target\": \"192.0.2.1\", \"target-protocol\": [17], \"target-port-range\": [{\"lower-port\": 53}]}");
    assert_int_equal(world.requests[0].protocol, 17);
    assert_int_equal(world.requests[0].port.upper, 53);
    report_json(
        "{\"target\": \"192.0.2.2\", \"target-protocol\": [17], \"target-port-range\": [{\"lower-port\": 53}]}");
    assert_int_equal(world.asked, 1); /* covered */
    report_json("{\"target\": \"192.0.2.2\", \"target-protocol\": [6]}");
    assert_int_equal(world.asked, 1); /* what fired is not changed by later reports */
    ended("192.0.2.2");
    report_json("{\"target\": \"192.0.2.2\", \"target-protocol\": [6]}");
    assert_int_equal(world.asked, 2);
    assert_int_equal(world.requests[1].protocol_count, 2);
    assert_int_equal(world.requests[1].port_count, 0);
    assert_int_equal(world_live(&world), 1);
    ended("192.0.2.1");
    assert_int_equal(world_live(&world), 1);
    ended("192.0.2.2");
    assert_int_equal(world_live(&world), 0);
}

static void test_other_ports_are_not_covered(void **state)
{
    (void)state;
    world_open(&world, ONE_RULE("hold: 0s, release-after: 0s, narrow: true, ipv4-length: 24"));
    report_json("{\"target\": \"192.0.2.1\", \"target-port-range\": [{\"lower-port\": 50, \"upper-port\": 60}]}");
    report_json("{\"target\": \"192.0.2.2\", \"target-port-range\": [{\"lower-port\": 55}]}");
    assert_int_equal(world.asked, 1);
    report_json("{\"target\": \"192.0.2.3\", \"target-port-range\": [{\"lower-port\": 60, \"upper-port\": 61}]}");
    assert_int_equal(world.asked, 2);
    assert_int_equal(world.requests[1].port_count, 2);
    assert_int_equal(world_live(&world), 1);
}

static void test_bounds(void **state)
{
    char reason[ATTACK_REASON_MAX];
    struct attack_report other = {.target = {.addr = {198, 51, 100, 1}, .family = 4, .length = 32}};

    (void)state;
    world_open(&world, FLOOD);
    report("192.0.2.1", 1);
    report("192.0.2.2", 1);
    report("192.0.2.3", 1);
    assert_int_equal(report_json("{\"target\": \"192.0.2.4\"}"), ATTACK_TOO_MANY);
    assert_int_equal(attacks_report(world.attacks, world.now, "fnm", &other, reason), ATTACK_OUTSIDE);
    assert_non_null(strstr(reason, "198.51.100.1/32"));
    assert_int_equal(attacks_report(world.attacks, world.now, "nobody", &other, reason), ATTACK_UNKNOWN);
    ended("192.0.2.3");
    report("192.0.2.4", 1);
    world_pass(&world, 60000); /* nothing is left to do, and they are forgotten */
    assert_int_equal(attacks_targets(world.attacks, "fnm"), 0);
}

static void test_requests_per_second(void **state)
{
    size_t allowed = 0;

    (void)state;
    world_open(&world, "detectors: [ { name: fnm, targets: [192.0.2.0/24], requests-per-second: 10 } ]\n");
    for (int i = 0; i < 100; i++)
        allowed += attacks_allow(world.attacks, world.now, "fnm");
    assert_int_equal(allowed, 20);
    world.now += 500;
    for (int i = 0; i < 100; i++)
        allowed += attacks_allow(world.attacks, world.now, "fnm");
    assert_int_equal(allowed, 25);
}

static void adopt(uint32_t mid, const char *prefix, bool live, int64_t lifetime_ms)
{
    struct request *request = &world.requests[world.request_count++];
    struct wire_target target = {.prefixes = &request->prefix, .prefix_count = 1};

    assert_int_equal(wire_prefix_parse(prefix, false, &request->prefix), 0);
    request->mid = mid;
    request->live = live;
    attacks_adopt(world.attacks, mid, &target, live, world.now + lifetime_ms);
}

static void test_after_a_restart(void **state)
{
    struct attack_totals totals;

    (void)state;
    world_open(&world, ONE_RULE("hold: 0s, release-after: 0s, lifetime: 20s, silence: 1h"));
    adopt(5, "192.0.2.1/32", true, 10000);
    adopt(6, "192.0.2.2/32", true, 10000);
    adopt(9, "192.0.2.3/32", false, 10000);
    report("192.0.2.1", 1); /* taken up again */
    assert_int_equal(world.asked, 1);
    assert_int_equal(world.requests[0].expires_ms, world.now + 20000);
    report("192.0.2.3", 1); /* a new one, above all of before */
    assert_non_null(world_request(&world, 10));
    world_pass(&world, 15000);
    attacks_totals(world.attacks, &totals);
    assert_int_equal(totals.protections, 2); /* 192.0.2.2 has ended by itself */
    ended("192.0.2.1");
    assert_false(world_request(&world, 5)->live);
}

static void test_reload(void **state)
{
    (void)state;
    world_open(&world, FNM "attack-rules: [ { name: a, hold: 0s }, { name: b, hold: 0s, ipv4-length: 28 } ]\n");
    report("192.0.2.1", 1);
    report("192.0.2.200", 1);
    expect_events("fired a, fired b, fired a, fired b");
    world_use(&world, FNM "attack-rules: [ { name: b, hold: 0s, ipv4-length: 28 } ]\n");
    expect_events("released a, released a");
    assert_int_equal(world_live(&world), 2);
    world_use(&world, "detectors: [ { name: fnm, targets: [192.0.2.0/25] } ]\n"
                      "attack-rules: [ { name: c, hold: 0s }, { name: b } ]\n");
    expect_events("released b, fired c");
    assert_int_equal(world_live(&world), 1);
    world_use(&world, "detectors: [ { name: other, targets: [192.0.2.0/25] } ]\n");
    expect_events("released c, released b");
    assert_int_equal(world_live(&world), 0);
    assert_int_equal(attacks_next(world.attacks), INT64_MAX);
}

static void test_too_many_protections(void **state)
{
    struct attack_totals totals;
    char target[64];

    (void)state;
    world_open(&world, "detectors: [ { name: fnm, targets: [192.0.0.0/16], targets-max: 100000 } ]\n"
                       "attack-rules: [ { name: r, hold: 0s, release-after: 0s } ]\n");
    for (unsigned i = 0; i < ATTACK_PROTECTIONS_MAX + 1; i++) {
        snprintf(target, sizeof(target), "192.0.%u.%u", 2 * (i / 256), i % 256);
        report(target, 1);
        world.events[0] = '\0';
    }
    attacks_totals(world.attacks, &totals);
    assert_int_equal(totals.protections, ATTACK_PROTECTIONS_MAX);
    assert_int_equal(totals.fired, ATTACK_PROTECTIONS_MAX + 1);
    world.request_count = 0;
    ended("192.0.0.0");
    report(target, 1); /* there is room now */
    attacks_totals(world.attacks, &totals);
    assert_int_equal(totals.protections, ATTACK_PROTECTIONS_MAX);
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hold),
        TEST(test_hold_begins_anew),
        TEST(test_hysteresis),
        TEST(test_silence),
        TEST(test_silence_before_it_fires),
        TEST(test_silence_that_is_noticed_late),
        TEST(test_silence_and_release_that_are_noticed_late),
        TEST(test_hold_that_is_noticed_late),
        TEST(test_end_counts_as_below),
        TEST(test_unknown_figure_reaches_nothing),
        TEST(test_refresh_at_half_of_the_lifetime),
        TEST(test_refused_request_is_tried_again),
        TEST(test_request_that_was_ended_by_others_is_asked_for_anew),
        TEST(test_widening_stays_within_the_detectors_targets),
        TEST(test_narrow_requests_grow_together),
        TEST(test_other_ports_are_not_covered),
        TEST(test_bounds),
        TEST(test_requests_per_second),
        TEST(test_after_a_restart),
        TEST(test_reload),
        TEST(test_too_many_protections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
