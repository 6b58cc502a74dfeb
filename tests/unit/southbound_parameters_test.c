/* Session configuration as values: ranges, defaults, the record on disk (RFC 9132 section 4.5). */
/* links: southbound_signal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "southbound/signal/parameters.h"

/* Figure 20. */
#define DEFAULTS                                                                                             \
    {                                                                                                        \
        .heartbeat_interval = {15, 240, 30}, .missing_hb_allowed = {3, 20, 15}, .probing_rate = {5, 20, 15}, \
        .max_retransmit = {2, 15, 3}, .ack_timeout = {100, 3000, 200}, .ack_random_factor = {                \
            110,                                                                                             \
            400,                                                                                             \
            150                                                                                              \
        }                                                                                                    \
    }
static const struct config config = {.mitigating = DEFAULTS, .idle = DEFAULTS};

static struct south_negotiated negotiated;
static char reason[SOUTH_REASON_MAX];

static struct wire_config ask(enum south_set set, enum wire_config_parameter parameter, uint32_t value)
{
    struct wire_config asked = {.has_mitigating = set == SOUTH_MITIGATING, .has_idle = set == SOUTH_IDLE};
    struct wire_config_value *values = set == SOUTH_MITIGATING ? asked.mitigating : asked.idle;

    values[parameter].has_current = true;
    values[parameter].current = value;
    return asked;
}

static uint8_t take(struct wire_config asked)
{
    reason[0] = '\0';
    return south_parameters_take(&config, &asked, 123, &negotiated, reason);
}

static void test_rfc9132_4_5_2_values_out_of_range_are_4_22(void **state)
{
    static const struct {
        enum wire_config_parameter parameter;
        uint32_t low, high;
        const char *names;
    } cases[] = {
        {WIRE_HEARTBEAT_INTERVAL, 14, 241, "heartbeat-interval"},
        {WIRE_MISSING_HB_ALLOWED, 2, 21, "missing-hb-allowed"},
        {WIRE_PROBING_RATE, 4, 21, "probing-rate"},
        {WIRE_MAX_RETRANSMIT, 1, 16, "max-retransmit"},
        {WIRE_ACK_TIMEOUT, 99, 3001, "ack-timeout"},
        {WIRE_ACK_RANDOM_FACTOR, 109, 401, "ack-random-factor"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int set = 0; set < SOUTH_SETS; set++) {
            enum wire_config_parameter parameter = cases[i].parameter;

            assert_int_equal(take(ask((enum south_set)set, parameter, cases[i].low)), DOTS_CODE(4, 22));
            assert_non_null(strstr(reason, cases[i].names));
            assert_int_equal(take(ask((enum south_set)set, parameter, cases[i].high)), DOTS_CODE(4, 22));
            assert_int_equal(take(ask((enum south_set)set, parameter, cases[i].low + 1)), 0);
            assert_int_equal(take(ask((enum south_set)set, parameter, cases[i].high - 1)), 0);
        }
    }
    take(ask(SOUTH_IDLE, WIRE_ACK_TIMEOUT, 5000));
    assert_string_equal(reason, "ack-timeout of idle-config: acceptable is 1.00 to 30.00");
}

static void test_rfc9132_4_5_1_heartbeat_interval_zero_disables(void **state)
{
    (void)state;
    assert_int_equal(take(ask(SOUTH_IDLE, WIRE_HEARTBEAT_INTERVAL, 0)), 0);
    assert_int_equal(south_parameters_value(&config, &negotiated, SOUTH_IDLE, WIRE_HEARTBEAT_INTERVAL), 0);
    assert_int_equal(south_parameters_value(&config, &negotiated, SOUTH_MITIGATING, WIRE_HEARTBEAT_INTERVAL), 30);
}

static void test_rfc9132_4_5_2_at_least_one_parameter_must_be_present(void **state)
{
    struct wire_config empty = {0}, sets = {.has_mitigating = true, .has_idle = true};

    (void)state;
    assert_int_equal(take(empty), DOTS_CODE(4, 0));
    assert_int_equal(take(sets), DOTS_CODE(4, 0));
    assert_non_null(strstr(reason, "signal-config"));
}

static void test_rfc9132_4_5_2_defaults_are_used_for_what_is_not_negotiated(void **state)
{
    (void)state;
    assert_int_equal(take(ask(SOUTH_MITIGATING, WIRE_MAX_RETRANSMIT, 7)), 0);
    assert_int_equal(south_parameters_value(&config, &negotiated, SOUTH_MITIGATING, WIRE_MAX_RETRANSMIT), 7);
    assert_int_equal(south_parameters_value(&config, &negotiated, SOUTH_MITIGATING, WIRE_ACK_TIMEOUT), 200);
    /* A later PUT overrides all of the earlier one. */
    assert_int_equal(take(ask(SOUTH_MITIGATING, WIRE_ACK_TIMEOUT, 300)), 0);
    assert_int_equal(south_parameters_value(&config, &negotiated, SOUTH_MITIGATING, WIRE_MAX_RETRANSMIT), 3);
    assert_int_equal(south_parameters_value(&config, &negotiated, SOUTH_MITIGATING, WIRE_ACK_TIMEOUT), 300);
    assert_int_equal(south_parameters_value(&config, NULL, SOUTH_MITIGATING, WIRE_ACK_TIMEOUT), 200);
}

static void test_rfc9132_4_5_1_get_conveys_current_minimum_and_maximum(void **state)
{
    struct wire_config out;

    (void)state;
    take(ask(SOUTH_IDLE, WIRE_HEARTBEAT_INTERVAL, 120));
    south_parameters_describe(&config, &negotiated, &out);
    assert_true(out.has_mitigating && out.has_idle);
    assert_int_equal(out.idle[WIRE_HEARTBEAT_INTERVAL].current, 120);
    assert_int_equal(out.mitigating[WIRE_HEARTBEAT_INTERVAL].current, 30);
    for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++) {
        assert_true(out.idle[i].has_min && out.idle[i].has_max && out.idle[i].has_current);
        assert_true(out.mitigating[i].has_min && out.mitigating[i].has_max && out.mitigating[i].has_current);
    }
    assert_int_equal(out.idle[WIRE_ACK_RANDOM_FACTOR].max, 400);
    assert_int_equal(out.idle[WIRE_ACK_RANDOM_FACTOR].min, 110);
}

static void test_the_record_comes_back_as_it_was(void **state)
{
    struct south_negotiated back;
    uint8_t record[SOUTH_PARAMETERS_RECORD];
    size_t length;

    (void)state;
    memset(&negotiated, 0, sizeof(negotiated));
    negotiated.sid = 0xfedcba98;
    for (int set = 0; set < SOUTH_SETS; set++) {
        static const uint32_t values[] = {0, 5, 6, 4, 2999, 111};

        for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++) {
            negotiated.present[set][i] = true;
            negotiated.value[set][i] = values[i] + (i > 0 && set);
        }
    }
    negotiated.present[SOUTH_IDLE][WIRE_PROBING_RATE] = false;
    negotiated.value[SOUTH_IDLE][WIRE_PROBING_RATE] = 0;
    length = south_parameters_encode(&negotiated, record);
    assert_true(length > 0);
    assert_int_equal(south_parameters_decode(&config, record, length, &back), 0);
    assert_memory_equal(&back, &negotiated, sizeof(back));
}

static void test_a_record_outside_today_s_ranges_falls_back_to_defaults(void **state)
{
    struct config narrow = config;
    struct south_negotiated back;
    uint8_t record[SOUTH_PARAMETERS_RECORD];
    size_t length;

    (void)state;
    take(ask(SOUTH_MITIGATING, WIRE_HEARTBEAT_INTERVAL, 200));
    length = south_parameters_encode(&negotiated, record);
    narrow.mitigating.heartbeat_interval.max = 100;
    assert_int_equal(south_parameters_decode(&narrow, record, length, &back), 0);
    assert_int_equal(back.sid, 123);
    assert_int_equal(south_parameters_value(&narrow, &back, SOUTH_MITIGATING, WIRE_HEARTBEAT_INTERVAL), 30);
}

static void test_damaged_records_are_refused(void **state)
{
    struct south_negotiated back;
    uint8_t record[SOUTH_PARAMETERS_RECORD];
    size_t length;

    (void)state;
    take(ask(SOUTH_MITIGATING, WIRE_HEARTBEAT_INTERVAL, 200));
    length = south_parameters_encode(&negotiated, record);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(south_parameters_decode(&config, record, cut, &back), -1);
    record[0]++;
    assert_int_equal(south_parameters_decode(&config, record, length, &back), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_5_2_values_out_of_range_are_4_22),
        cmocka_unit_test(test_rfc9132_4_5_1_heartbeat_interval_zero_disables),
        cmocka_unit_test(test_rfc9132_4_5_2_at_least_one_parameter_must_be_present),
        cmocka_unit_test(test_rfc9132_4_5_2_defaults_are_used_for_what_is_not_negotiated),
        cmocka_unit_test(test_rfc9132_4_5_1_get_conveys_current_minimum_and_maximum),
        cmocka_unit_test(test_the_record_comes_back_as_it_was),
        cmocka_unit_test(test_a_record_outside_today_s_ranges_falls_back_to_defaults),
        cmocka_unit_test(test_damaged_records_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
