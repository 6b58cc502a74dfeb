/* Pace, heartbeat, redirect memory, choice of parameters, order of notifications: pure machines. */
/* links: northbound_signal */

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "northbound/signal/heartbeat.h"
#include "northbound/signal/link_state.h"
#include "northbound/signal/negotiate.h"
#include "northbound/signal/pace.h"
#include "northbound/signal/redirect.h"

/* ---- pace ---- */

static unsigned take_all(struct pace *pace, uint64_t now)
{
    unsigned count = 0;

    while (pace_take(pace, now))
        count++;
    return count;
}

static void test_rfc9132_4_4_without_rtt_one_request_each_3_s(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 1000);
    assert_int_equal(take_all(&pace, 1000), PACE_BURST);
    assert_int_equal(pace_next(&pace, 1000), 4000);
    assert_int_equal(take_all(&pace, 3999), 0);
    for (uint64_t now = 4000; now < 60000; now += 3000)
        assert_int_equal(take_all(&pace, now), 1);
}

static void test_rfc9132_4_4_with_rtt_one_datagram_each_rtt_to_a_silent_peer(void **state)
{
    struct pace pace;
    unsigned sent = 0;

    (void)state;
    pace_init(&pace, 1000);
    pace_sample(&pace, 1000, 50);
    take_all(&pace, 1000);
    for (uint64_t now = 1001; now <= 11000; now++)
        sent += take_all(&pace, now);
    assert_in_range(sent, 199, 200); /* 10 s at 50 ms */
}

static void test_rfc9132_4_4_an_estimate_without_samples_goes_stale(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    pace_sample(&pace, 0, 50);
    assert_true(pace_known(&pace, PACE_STALE_MS - 1));
    assert_false(pace_known(&pace, PACE_STALE_MS));
    take_all(&pace, PACE_STALE_MS);
    assert_int_equal(take_all(&pace, PACE_STALE_MS + 2999), 0);
    assert_int_equal(take_all(&pace, PACE_STALE_MS + 3000), 1);
}

/* What can be left undone is, before it takes the credit of the next mitigation request. */
static void test_spare_credits_leave_a_reserve(void **state)
{
    struct pace pace;
    unsigned spared = 0;

    (void)state;
    pace_init(&pace, 0);
    while (pace_spare(&pace, 0))
        spared++;
    assert_int_equal(spared, PACE_BURST - PACE_RESERVE);
    assert_int_equal(take_all(&pace, 0), PACE_RESERVE);
    assert_false(pace_spare(&pace, 0));
    pace_answered(&pace, 0);
    assert_false(pace_spare(&pace, 0));
    assert_true(pace_take(&pace, 0));
}

static void test_answers_give_credits_back_up_to_the_window(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    pace_sample(&pace, 0, 1000);
    take_all(&pace, 0);
    for (unsigned i = 0; i < 10 * PACE_WINDOW; i++) {
        pace_answered(&pace, 1);
        assert_true(pace_take(&pace, 1));
        assert_false(pace_take(&pace, 1));
    }
    for (unsigned i = 0; i < 10 * PACE_WINDOW; i++)
        pace_answered(&pace, 1);
    assert_int_equal(take_all(&pace, 1), PACE_WINDOW);
}

static void test_rfc9132_4_4_repeat_not_before_3_s_without_rtt(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    assert_int_equal(pace_repeat(&pace, 0, 1, false), 3000);
    assert_int_equal(pace_repeat(&pace, 0, 2, false), 4500);
    assert_int_equal(pace_repeat(&pace, 0, 3, false), 6750);
    assert_int_equal(pace_repeat(&pace, 0, 20, false), PACE_REPEAT_MAX_MS);
    assert_int_equal(pace_repeat(&pace, 0, 4000000000u, false), PACE_REPEAT_MAX_MS);
    assert_int_equal(pace_repeat(&pace, 0, 20, true), 3000);
}

static void test_repeat_follows_the_rtt(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    pace_sample(&pace, 0, 1);
    assert_int_equal(pace_repeat(&pace, 0, 1, false), PACE_REPEAT_MIN_MS);
    pace_init(&pace, 0);
    pace_sample(&pace, 0, 200); /* rttvar 100 */
    assert_int_equal(pace_repeat(&pace, 0, 1, false), 800);
    pace_init(&pace, 0);
    pace_sample(&pace, 0, 5000);
    assert_int_equal(pace_repeat(&pace, 0, 1, false), 3000);
}

static void test_rfc6298_2_smoothing(void **state)
{
    struct pace pace;

    (void)state;
    pace_init(&pace, 0);
    pace_sample(&pace, 0, 100);
    assert_int_equal(pace.srtt_us, 100000);
    assert_int_equal(pace.rttvar_us, 50000);
    pace_sample(&pace, 10, 180);
    assert_int_equal(pace.srtt_us, 110000);
    assert_int_equal(pace.rttvar_us, 57500);
    pace_guess(&pace, 20, 9000); /* a guess gives way to the first sample, whole */
    pace_sample(&pace, 30, 20);
    assert_int_equal(pace.srtt_us, 20000 + 0);
}

/* ---- heartbeat ---- */

static void test_rfc9132_4_7_lost_after_missing_hb_allowed_without_answer(void **state)
{
    struct heartbeat heartbeat;
    uint64_t now = 1000;

    (void)state;
    heartbeat_init(&heartbeat, now);
    heartbeat_configure(&heartbeat, now, 30, 3, 255);
    for (int i = 0; i < 3; i++) {
        now = heartbeat.due;
        assert_true(heartbeat_due(&heartbeat, now, 0));
        assert_false(heartbeat_lost(&heartbeat));
        heartbeat_sent(&heartbeat, now);
    }
    assert_false(heartbeat_due(&heartbeat, now + 29999, 0));
    assert_false(heartbeat_lost(&heartbeat)); /* the third may still be answered */
    assert_true(heartbeat_due(&heartbeat, now + 30000, 0));
    assert_true(heartbeat_lost(&heartbeat));
}

static void test_rfc9132_4_7_an_answer_or_any_traffic_begins_the_count_anew(void **state)
{
    struct heartbeat heartbeat;
    uint64_t now = 0;

    (void)state;
    heartbeat_init(&heartbeat, now);
    heartbeat_configure(&heartbeat, now, 30, 3, 0);
    for (int i = 0; i < 20; i++) {
        now = heartbeat.due;
        assert_true(heartbeat_due(&heartbeat, now, i % 3 == 1 ? now - 5 : 0));
        assert_false(heartbeat_lost(&heartbeat));
        heartbeat_sent(&heartbeat, now);
        if (i % 3 == 2)
            heartbeat_answered(&heartbeat);
    }
}

static void test_rfc9132_4_7_peer_hb_status_covers_two_intervals(void **state)
{
    struct heartbeat heartbeat;

    (void)state;
    heartbeat_init(&heartbeat, 1000);
    heartbeat_configure(&heartbeat, 1000, 30, 15, 0);
    assert_true(heartbeat_peer_status(&heartbeat, 61000)); /* cannot have missed any yet */
    assert_false(heartbeat_peer_status(&heartbeat, 61001));
    heartbeat_of_peer(&heartbeat, 70000);
    assert_true(heartbeat_peer_status(&heartbeat, 130000));
    assert_false(heartbeat_peer_status(&heartbeat, 130001));
}

static void test_rfc9132_4_5_1_interval_0_turns_heartbeats_off(void **state)
{
    struct heartbeat heartbeat;

    (void)state;
    heartbeat_init(&heartbeat, 0);
    heartbeat_configure(&heartbeat, 0, 30, 15, 0);
    heartbeat_configure(&heartbeat, 10, 0, 15, 0);
    assert_false(heartbeat_due(&heartbeat, UINT64_MAX - 1, 0));
    assert_false(heartbeat_lost(&heartbeat));
    heartbeat_configure(&heartbeat, 1000, 15, 15, 0); /* and on again, when an attack begins */
    assert_in_range(heartbeat.due, 1000 + 7500, 1000 + 15000);
}

static void test_first_heartbeat_lies_in_the_second_half_of_the_interval(void **state)
{
    (void)state;
    for (unsigned spread = 0; spread < 256; spread++) {
        struct heartbeat heartbeat;

        heartbeat_init(&heartbeat, 0);
        heartbeat_configure(&heartbeat, 0, 30, 15, (uint8_t)spread);
        assert_in_range(heartbeat.due, 15000, 30000);
    }
}

/* ---- redirect ---- */

static void test_rfc9132_4_6_redirect_within_five_minutes_must_be_ignored(void **state)
{
    struct redirect redirect = {0};

    (void)state;
    redirect_spoke(&redirect, 1000, "a.example");
    redirect_spoke(&redirect, 2000, "B.example");
    assert_int_equal(redirect_offer(&redirect, 3000, "b.Example.", NULL, 0, 600), REDIRECT_LOOP);
    assert_null(redirect.alternate);
    assert_int_equal(redirect_offer(&redirect, 2000 + REDIRECT_SPOKEN_MS - 1, "b.example", NULL, 0, 600),
                     REDIRECT_LOOP);
    assert_int_equal(redirect_offer(&redirect, 2000 + REDIRECT_SPOKEN_MS, "b.example", NULL, 0, 600), REDIRECT_FOLLOW);
    assert_string_equal(redirect.alternate->server, "b.example");
    redirect_clear(&redirect);
}

static void test_rfc9132_4_6_ttl_over_only_when_no_attack_is_on(void **state)
{
    struct redirect redirect = {0};
    const char *records[] = {"2001:db8:6401::1", "192.0.2.9"};

    (void)state;
    assert_int_equal(redirect_offer(&redirect, 1000, "alt.example", records, 2, 600), REDIRECT_FOLLOW);
    assert_int_equal(redirect.alternate->record_count, 2);
    assert_string_equal(redirect.alternate->records[1], "192.0.2.9");
    assert_false(redirect_over(&redirect, 600999, false));
    assert_true(redirect_over(&redirect, 601000, false));
    assert_false(redirect_over(&redirect, 601000, true));
    redirect_clear(&redirect);
}

static void test_rfc9132_4_6_max_age_infinite_zero_and_absent(void **state)
{
    struct redirect redirect = {0};

    (void)state;
    redirect_offer(&redirect, 0, "alt.example", NULL, 0, 4294967295);
    assert_false(redirect_over(&redirect, UINT64_MAX - 1, false));
    redirect_offer(&redirect, 0, "alt.example", NULL, 0, 0);
    assert_true(redirect_over(&redirect, 0, false));
    assert_false(redirect_over(&redirect, 0, true)); /* "for the mitigation request in progress" */
    redirect_offer(&redirect, 0, "alt.example", NULL, 0, -1);
    assert_false(redirect_over(&redirect, 59999, false));
    assert_true(redirect_over(&redirect, 60000, false));
    redirect_clear(&redirect);
}

static void test_redirect_names_and_memory_are_bounded(void **state)
{
    struct redirect redirect = {0};
    char name[400];

    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(redirect_offer(&redirect, 0, name, NULL, 0, 60), REDIRECT_UNUSABLE);
    assert_int_equal(redirect_offer(&redirect, 0, "", NULL, 0, 60), REDIRECT_UNUSABLE);
    for (unsigned i = 0; i < 100; i++) { /* the oldest is forgotten first */
        snprintf(name, sizeof(name), "s%u.example", i);
        redirect_spoke(&redirect, i, name);
    }
    assert_true(redirect_spoken(&redirect, 100, "s99.example"));
    assert_true(redirect_spoken(&redirect, 100, "s84.example"));
    assert_false(redirect_spoken(&redirect, 100, "s83.example"));
}

/* ---- parameters ---- */

static const struct wire_config_value offer[WIRE_CONFIG_PARAMETERS] = {
    [WIRE_HEARTBEAT_INTERVAL] = {true, true, true, 240, 15, 30},
    [WIRE_MISSING_HB_ALLOWED] = {true, true, true, 20, 3, 15},
    [WIRE_MAX_RETRANSMIT] = {true, true, true, 15, 2, 3},
    [WIRE_ACK_TIMEOUT] = {true, true, true, 3000, 100, 200},
    [WIRE_ACK_RANDOM_FACTOR] = {true, true, true, 400, 110, 150},
};

static void test_rfc9132_4_5_2_wanted_values_are_brought_into_the_acceptable_range(void **state)
{
    const uint32_t wanted[WIRE_CONFIG_PARAMETERS] = {300, 1, 99, 3, 5, 150};
    struct wire_config_value asked[WIRE_CONFIG_PARAMETERS];
    uint32_t chosen[WIRE_CONFIG_PARAMETERS];

    (void)state;
    assert_true(negotiate_choose(wanted, offer, false, false, asked, chosen));
    assert_int_equal(chosen[WIRE_HEARTBEAT_INTERVAL], 240);
    assert_int_equal(chosen[WIRE_MISSING_HB_ALLOWED], 3);
    assert_int_equal(chosen[WIRE_MAX_RETRANSMIT], 3);
    assert_int_equal(chosen[WIRE_ACK_TIMEOUT], 100);
    assert_int_equal(asked[WIRE_ACK_TIMEOUT].current, 100);
    assert_false(asked[WIRE_ACK_TIMEOUT].has_max);
    assert_false(asked[WIRE_PROBING_RATE].has_current); /* not offered: MUST be the default */
    assert_int_equal(chosen[WIRE_PROBING_RATE], 5);
}

static void test_rfc9132_4_5_over_tcp_only_the_heartbeat_interval_is_negotiated(void **state)
{
    const uint32_t wanted[WIRE_CONFIG_PARAMETERS] = {60, 10, 10, 4, 300, 200};
    struct wire_config_value asked[WIRE_CONFIG_PARAMETERS];
    uint32_t chosen[WIRE_CONFIG_PARAMETERS];

    (void)state;
    assert_true(negotiate_choose(wanted, offer, true, false, asked, chosen));
    for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++)
        assert_int_equal(asked[i].has_current, i == WIRE_HEARTBEAT_INTERVAL);
    assert_int_equal(chosen[WIRE_MISSING_HB_ALLOWED], 15);
}

static void test_rfc9132_4_5_2_heartbeats_off_is_asked_for_once(void **state)
{
    const uint32_t wanted[WIRE_CONFIG_PARAMETERS] = {0, 15, 5, 3, 200, 150};
    struct wire_config_value asked[WIRE_CONFIG_PARAMETERS];
    uint32_t chosen[WIRE_CONFIG_PARAMETERS];

    (void)state;
    negotiate_choose(wanted, offer, false, false, asked, chosen);
    assert_int_equal(asked[WIRE_HEARTBEAT_INTERVAL].current, 0); /* figure 23 */
    negotiate_choose(wanted, offer, false, true, asked, chosen);
    assert_int_equal(asked[WIRE_HEARTBEAT_INTERVAL].current, 15); /* after 4.22 */
}

static void test_nothing_offered_nothing_asked(void **state)
{
    const struct wire_config_value none[WIRE_CONFIG_PARAMETERS] = {0};
    struct wire_config_value asked[WIRE_CONFIG_PARAMETERS];
    uint32_t chosen[WIRE_CONFIG_PARAMETERS];

    (void)state;
    assert_false(negotiate_choose(negotiate_recommended, none, false, false, asked, chosen));
    assert_memory_equal(chosen, negotiate_recommended, sizeof(chosen));
}

static void test_rfc9132_4_5_3_refresh_before_max_age_expires(void **state)
{
    (void)state;
    for (int64_t max_age = 1; max_age < 4294967295; max_age *= 3)
        assert_true(negotiate_refresh(max_age) < (uint64_t)max_age * 1000);
    assert_true(negotiate_refresh(-1) <= 60000);
    assert_true(negotiate_refresh(0) == UINT64_MAX);
    assert_true(negotiate_refresh(4294967295) == UINT64_MAX);
}

/* ---- notifications ---- */

static void test_rfc7641_3_4_fresher(void **state)
{
    (void)state;
    assert_true(link_exchange_fresher(1, 0, 2, 0));
    assert_false(link_exchange_fresher(2, 0, 2, 0));
    assert_false(link_exchange_fresher(2, 0, 1, 0));
    assert_true(link_exchange_fresher(0xffffff, 0, 0, 0));
    assert_false(link_exchange_fresher(0, 0, 0xffffff, 0));
    assert_true(link_exchange_fresher(0, 0, (1 << 23) - 1, 0));
    assert_false(link_exchange_fresher(0, 0, 1 << 23, 0));
    assert_false(link_exchange_fresher(9, 1000, 3, 129000));
    assert_true(link_exchange_fresher(9, 1000, 3, 129001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_4_without_rtt_one_request_each_3_s),
        cmocka_unit_test(test_rfc9132_4_4_with_rtt_one_datagram_each_rtt_to_a_silent_peer),
        cmocka_unit_test(test_rfc9132_4_4_an_estimate_without_samples_goes_stale),
        cmocka_unit_test(test_spare_credits_leave_a_reserve),
        cmocka_unit_test(test_answers_give_credits_back_up_to_the_window),
        cmocka_unit_test(test_rfc9132_4_4_repeat_not_before_3_s_without_rtt),
        cmocka_unit_test(test_repeat_follows_the_rtt),
        cmocka_unit_test(test_rfc6298_2_smoothing),
        cmocka_unit_test(test_rfc9132_4_7_lost_after_missing_hb_allowed_without_answer),
        cmocka_unit_test(test_rfc9132_4_7_an_answer_or_any_traffic_begins_the_count_anew),
        cmocka_unit_test(test_rfc9132_4_7_peer_hb_status_covers_two_intervals),
        cmocka_unit_test(test_rfc9132_4_5_1_interval_0_turns_heartbeats_off),
        cmocka_unit_test(test_first_heartbeat_lies_in_the_second_half_of_the_interval),
        cmocka_unit_test(test_rfc9132_4_6_redirect_within_five_minutes_must_be_ignored),
        cmocka_unit_test(test_rfc9132_4_6_ttl_over_only_when_no_attack_is_on),
        cmocka_unit_test(test_rfc9132_4_6_max_age_infinite_zero_and_absent),
        cmocka_unit_test(test_redirect_names_and_memory_are_bounded),
        cmocka_unit_test(test_rfc9132_4_5_2_wanted_values_are_brought_into_the_acceptable_range),
        cmocka_unit_test(test_rfc9132_4_5_over_tcp_only_the_heartbeat_interval_is_negotiated),
        cmocka_unit_test(test_rfc9132_4_5_2_heartbeats_off_is_asked_for_once),
        cmocka_unit_test(test_nothing_offered_nothing_asked),
        cmocka_unit_test(test_rfc9132_4_5_3_refresh_before_max_age_expires),
        cmocka_unit_test(test_rfc7641_3_4_fresher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
