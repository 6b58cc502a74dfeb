/* Unit tests of the combined status of several upstreams and mitigators. */
/* links: aggregation */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aggregation/status.h"

/* Digits are statuses, 0: nothing heard yet. The order in which they are said must not matter. */
static void test_combined_status(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        int combined;
    } cases[] = {
        {"", 0},
        {"1", 1},
        {"6", 6},
        {"7", 7},
        /* 4 if any says 4 */
        {"1234", 4},
        {"56784", 4},
        {"04", 4},
        /* else 1 if any says 1; one not heard yet is in progress, when another is live */
        {"123", 1},
        {"1235678", 1},
        {"18", 1},
        {"02", 1},
        {"03", 1},
        /* else 2 if any says 2 */
        {"23", 2},
        {"2378", 2},
        {"25", 2},
        /* else 3 if all live ones say 3 */
        {"33", 3},
        {"3567", 3},
        {"38", 3},
        /* else 8 */
        {"88", 8},
        {"08", 8},
        {"785", 8},
        /* ended ones only when all are */
        {"56", 5},
        {"567", 5},
        {"67", 7},
        {"66", 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct status_report forwards[8] = {0}, backwards[8] = {0};
        size_t count = strlen(cases[i].said);
        for (size_t j = 0; j < count; j++) {
            forwards[j].status = (enum wire_status)(cases[i].said[j] - '0');
            backwards[count - 1 - j].status = forwards[j].status;
        }
        if ((int)status_combine(forwards, count).status != cases[i].combined ||
            (int)status_combine(backwards, count).status != cases[i].combined)
            fail_msg("%s: %d instead of %d", cases[i].said, (int)status_combine(forwards, count).status,
                     cases[i].combined);
    }
}

static void test_rfc9132_4_4_2_totals_add_and_wrap(void **state)
{
    (void)state;
    const struct status_report reports[] = {
        {.counters = {.has_bytes = true, .bytes = UINT64_MAX}},
        {.counters = {.has_bytes = true, .has_pkts = true, .bytes = 11, .pkts = 5}},
        {.counters = {.has_pkts = true, .pkts = UINT64_MAX - 3}},
    };
    struct relay_counters sum = status_combine(reports, 3).counters;
    assert_true(sum.has_bytes && sum.has_pkts);
    assert_false(sum.has_bps || sum.has_pps);
    assert_int_equal(sum.bytes, 10);
    assert_int_equal(sum.pkts, 1);
}

static void test_rates_add_and_saturate(void **state)
{
    (void)state;
    const struct status_report reports[] = {
        {.counters = {.has_bps = true, .has_pps = true, .bps = UINT64_MAX - 1, .pps = 30}},
        {.counters = {.has_bps = true, .has_pps = true, .bps = 2, .pps = 12}},
    };
    struct relay_counters sum = status_combine(reports, 2).counters;
    assert_true(sum.has_bps && sum.has_pps);
    assert_false(sum.has_bytes || sum.has_pkts);
    assert_true(sum.bps == UINT64_MAX);
    assert_int_equal(sum.pps, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_combined_status),
        cmocka_unit_test(test_rfc9132_4_4_2_totals_add_and_wrap),
        cmocka_unit_test(test_rates_add_and_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
