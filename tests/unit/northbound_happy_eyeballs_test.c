/* Happy eyeballs as a pure machine: RFC 9132 section 4.3, RFC 8305 section 5. */
/* links: northbound_signal */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "northbound/signal/happy_eyeballs.h"

static void add(struct eyeballs *race, const char *address, enum dots_transport transport, unsigned server)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;

    if (strchr(address, ':')) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(4646);
        assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
        eyeballs_add(race, (struct sockaddr *)&storage, sizeof(*v6), transport, server);
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(4646);
        assert_int_equal(inet_pton(AF_INET, address, &v4->sin_addr), 1);
        eyeballs_add(race, (struct sockaddr *)&storage, sizeof(*v4), transport, server);
    }
}

static void dual_stack(struct eyeballs *race)
{
    eyeballs_clear(race);
    add(race, "192.0.2.1", DOTS_TCP, 0); /* in the wrong order */
    add(race, "192.0.2.1", DOTS_UDP, 0);
    add(race, "2001:db8::1", DOTS_TCP, 0);
    add(race, "2001:db8::1", DOTS_UDP, 0);
}

static void expect_start(struct eyeballs *race, uint64_t now, int family, enum dots_transport transport)
{
    struct eyeballs_step step = eyeballs_next(race, now);

    assert_int_equal(step.verdict, EYEBALLS_START);
    assert_int_equal(race->candidates[step.candidate].address.ss_family, family);
    assert_int_equal(race->candidates[step.candidate].transport, transport);
}

static void expect_wait(struct eyeballs *race, uint64_t now, uint64_t until)
{
    struct eyeballs_step step = eyeballs_next(race, now);

    assert_int_equal(step.verdict, EYEBALLS_WAIT);
    assert_int_equal(step.until, until);
}

static void expect_won(struct eyeballs *race, uint64_t now, size_t candidate)
{
    struct eyeballs_step step = eyeballs_next(race, now);

    assert_int_equal(step.verdict, EYEBALLS_WON);
    assert_int_equal(step.candidate, candidate);
}

static void test_rfc9132_4_3_order_is_udp6_udp4_tcp6_tcp4(void **state)
{
    struct eyeballs race;

    (void)state;
    dual_stack(&race);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET6, DOTS_UDP);
    expect_wait(&race, 1000, 1250);
    expect_start(&race, 1250, AF_INET, DOTS_UDP);
    expect_wait(&race, 1499, 1500);
    expect_start(&race, 1500, AF_INET6, DOTS_TCP);
    expect_start(&race, 1750, AF_INET, DOTS_TCP);
    expect_wait(&race, 1750, 1750 + EYEBALLS_GIVE_UP_MS);
}

static void test_rfc9132_4_3_attack_delay_is_100_ms(void **state)
{
    struct eyeballs race;

    (void)state;
    dual_stack(&race);
    eyeballs_begin(&race, NULL, 1000, true);
    expect_start(&race, 1000, AF_INET6, DOTS_UDP);
    expect_wait(&race, 1000, 1100);
    expect_start(&race, 1100, AF_INET, DOTS_UDP);
    expect_wait(&race, 1100, 1200);
}

static void test_rfc8305_5_families_take_turns(void **state)
{
    struct eyeballs race;

    (void)state;
    eyeballs_clear(&race);
    for (int i = 0; i < 8; i++) {
        char address[16] = "2001:db8::1";

        address[10] = (char)('1' + i);
        add(&race, address, DOTS_UDP, 0);
    }
    add(&race, "192.0.2.1", DOTS_UDP, 0);
    eyeballs_begin(&race, NULL, 0, true);
    expect_start(&race, 0, AF_INET6, DOTS_UDP);
    expect_start(&race, 100, AF_INET, DOTS_UDP); /* second, not ninth */
    expect_start(&race, 200, AF_INET6, DOTS_UDP);
}

static void test_rfc8305_5_failure_starts_next_but_never_within_10_ms(void **state)
{
    struct eyeballs race;

    (void)state;
    dual_stack(&race);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET6, DOTS_UDP);
    eyeballs_failed(&race, 0, 1001);
    expect_wait(&race, 1001, 1010);
    expect_start(&race, 1010, AF_INET, DOTS_UDP);
    eyeballs_failed(&race, 1, 1100);
    expect_start(&race, 1100, AF_INET6, DOTS_TCP);
}

static void test_first_to_complete_wins(void **state)
{
    struct eyeballs race;

    (void)state;
    dual_stack(&race);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET6, DOTS_UDP);
    expect_start(&race, 1250, AF_INET, DOTS_UDP);
    eyeballs_up(&race, 1, 1300);
    expect_won(&race, 1300, 1);
}

static void test_rfc9132_4_3_udp_shortly_after_tcp_is_preferred(void **state)
{
    struct eyeballs race;

    (void)state;
    dual_stack(&race);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET6, DOTS_UDP);
    expect_start(&race, 1250, AF_INET, DOTS_UDP);
    expect_start(&race, 1500, AF_INET6, DOTS_TCP);
    eyeballs_up(&race, 2, 1600);
    expect_wait(&race, 1600, 1850); /* and nothing more is started meanwhile */
    expect_wait(&race, 1760, 1850);
    eyeballs_up(&race, 1, 1800);
    expect_won(&race, 1800, 1);
}

static void test_tcp_wins_when_udp_does_not_come(void **state)
{
    struct eyeballs race;

    (void)state;
    dual_stack(&race);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET6, DOTS_UDP);
    expect_start(&race, 1250, AF_INET, DOTS_UDP);
    expect_start(&race, 1500, AF_INET6, DOTS_TCP);
    eyeballs_up(&race, 2, 1600);
    expect_wait(&race, 1849, 1850);
    expect_won(&race, 1850, 2);

    dual_stack(&race);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET6, DOTS_UDP);
    eyeballs_failed(&race, 0, 1010);
    expect_start(&race, 1010, AF_INET, DOTS_UDP);
    eyeballs_failed(&race, 1, 1020);
    expect_start(&race, 1020, AF_INET6, DOTS_TCP);
    eyeballs_up(&race, 2, 1030);
    expect_won(&race, 1030, 2); /* no UDP is left to wait for */
}

static void test_held_tcp_that_breaks_does_not_end_the_race(void **state)
{
    struct eyeballs race;

    (void)state;
    dual_stack(&race);
    eyeballs_begin(&race, NULL, 1000, false);
    for (uint64_t now = 1000; now <= 1500; now += 250)
        assert_int_equal(eyeballs_next(&race, now).verdict, EYEBALLS_START);
    eyeballs_up(&race, 2, 1600);
    eyeballs_failed(&race, 2, 1650);
    expect_start(&race, 1650, AF_INET, DOTS_TCP);
    eyeballs_up(&race, 3, 1700);
    expect_won(&race, 1950, 3);
}

static void test_all_failed_or_silent_is_lost(void **state)
{
    struct eyeballs race;

    (void)state;
    eyeballs_clear(&race);
    eyeballs_begin(&race, NULL, 0, false);
    assert_int_equal(eyeballs_next(&race, 0).verdict, EYEBALLS_LOST);

    eyeballs_clear(&race);
    add(&race, "192.0.2.1", DOTS_UDP, 0);
    add(&race, "192.0.2.1", DOTS_TCP, 0);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET, DOTS_UDP);
    expect_start(&race, 1250, AF_INET, DOTS_TCP);
    eyeballs_failed(&race, 1, 1260);
    expect_wait(&race, 1260, 1250 + EYEBALLS_GIVE_UP_MS);
    assert_int_equal(eyeballs_next(&race, 1250 + EYEBALLS_GIVE_UP_MS).verdict, EYEBALLS_LOST);
}

static void test_servers_are_tried_in_order_of_preference(void **state)
{
    struct eyeballs race;

    (void)state;
    eyeballs_clear(&race);
    add(&race, "192.0.2.2", DOTS_UDP, 1);
    add(&race, "192.0.2.1", DOTS_UDP, 0);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET, DOTS_UDP);
    assert_int_equal(race.candidates[0].server, 0);
    expect_wait(&race, 1250, 1000 + EYEBALLS_NEXT_SERVER_MS);
    expect_start(&race, 1000 + EYEBALLS_NEXT_SERVER_MS, AF_INET, DOTS_UDP);

    eyeballs_clear(&race); /* the first one refuses: the second at once */
    add(&race, "192.0.2.1", DOTS_UDP, 0);
    add(&race, "192.0.2.2", DOTS_UDP, 1);
    eyeballs_begin(&race, NULL, 1000, false);
    expect_start(&race, 1000, AF_INET, DOTS_UDP);
    eyeballs_failed(&race, 0, 1100);
    expect_start(&race, 1100, AF_INET, DOTS_UDP);
}

/* UDP is dropped by a middlebox: it never fails, it only does not come. */
static void blocked_udp(struct eyeballs *race, struct eyeballs_outcomes *outcomes, uint64_t now)
{
    dual_stack(race);
    eyeballs_begin(race, outcomes, now, false);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(eyeballs_next(race, now + i * 250).verdict, EYEBALLS_START);
    eyeballs_up(race, 2, now + 600);
    assert_int_equal(eyeballs_next(race, now + 850).verdict, EYEBALLS_WON);
    eyeballs_remember(outcomes, race, now + 850);
}

static void test_rfc9132_4_3_must_cache_outcome_failed_ones_last(void **state)
{
    struct eyeballs_outcomes outcomes = {0};
    struct eyeballs race;

    (void)state;
    blocked_udp(&race, &outcomes, 1000);
    dual_stack(&race);
    eyeballs_begin(&race, &outcomes, 5000, false);
    expect_start(&race, 5000, AF_INET6, DOTS_TCP);
    expect_start(&race, 5250, AF_INET, DOTS_TCP);
    expect_start(&race, 5500, AF_INET6, DOTS_UDP);
    eyeballs_up(&race, 0, 5600);
    expect_won(&race, 5600, 0); /* not held up for a UDP attempt that failed lately */
}

static void test_rfc9132_4_3_cached_outcome_is_flushed_after_10_minutes(void **state)
{
    struct eyeballs_outcomes outcomes = {0};
    struct eyeballs race;

    (void)state;
    blocked_udp(&race, &outcomes, 1000);
    dual_stack(&race);
    eyeballs_begin(&race, &outcomes, 1850 + EYEBALLS_OUTCOME_MS, false);
    expect_start(&race, 1850 + EYEBALLS_OUTCOME_MS, AF_INET6, DOTS_UDP);
}

static void test_candidate_that_lost_by_a_hair_is_not_avoided(void **state)
{
    struct eyeballs_outcomes outcomes = {0};
    struct eyeballs race;

    (void)state;
    dual_stack(&race);
    eyeballs_begin(&race, NULL, 0, false);
    expect_start(&race, 0, AF_INET6, DOTS_UDP);
    expect_start(&race, 250, AF_INET, DOTS_UDP);
    eyeballs_up(&race, 0, 260);
    expect_won(&race, 260, 0);
    eyeballs_remember(&outcomes, &race, 260);
    dual_stack(&race);
    eyeballs_begin(&race, &outcomes, 1000, false);
    expect_start(&race, 1000, AF_INET6, DOTS_UDP);
    expect_start(&race, 1250, AF_INET, DOTS_UDP);
}

static void test_more_candidates_than_fit_and_duplicates_are_left_out(void **state)
{
    struct eyeballs race;

    (void)state;
    eyeballs_clear(&race);
    add(&race, "192.0.2.1", DOTS_UDP, 0);
    add(&race, "192.0.2.1", DOTS_UDP, 0);
    assert_int_equal(race.count, 1);
    add(&race, "192.0.2.1", DOTS_UDP, 1); /* another server behind the same address has another name */
    assert_int_equal(race.count, 2);
    for (int i = 0; i < 200; i++) {
        char address[32];

        snprintf(address, sizeof(address), "198.51.100.%d", i);
        add(&race, address, DOTS_UDP, 0);
    }
    assert_int_equal(race.count, EYEBALLS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_3_order_is_udp6_udp4_tcp6_tcp4),
        cmocka_unit_test(test_rfc9132_4_3_attack_delay_is_100_ms),
        cmocka_unit_test(test_rfc8305_5_families_take_turns),
        cmocka_unit_test(test_rfc8305_5_failure_starts_next_but_never_within_10_ms),
        cmocka_unit_test(test_first_to_complete_wins),
        cmocka_unit_test(test_rfc9132_4_3_udp_shortly_after_tcp_is_preferred),
        cmocka_unit_test(test_tcp_wins_when_udp_does_not_come),
        cmocka_unit_test(test_held_tcp_that_breaks_does_not_end_the_race),
        cmocka_unit_test(test_all_failed_or_silent_is_lost),
        cmocka_unit_test(test_servers_are_tried_in_order_of_preference),
        cmocka_unit_test(test_rfc9132_4_3_must_cache_outcome_failed_ones_last),
        cmocka_unit_test(test_rfc9132_4_3_cached_outcome_is_flushed_after_10_minutes),
        cmocka_unit_test(test_candidate_that_lost_by_a_hair_is_not_avoided),
        cmocka_unit_test(test_more_candidates_than_fit_and_duplicates_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
