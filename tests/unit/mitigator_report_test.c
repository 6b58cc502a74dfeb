/* Lines and reports: what programs write, cut into lines and checked. */
/* links: mitigator */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "northbound/mitigator/line_reader.h"
#include "northbound/mitigator/report.h"

static struct mitigator_report report;
static char id[JOB_ID_MAX + 1], error[160];

static void assert_decoded(const char *line)
{
    if (report_decode(line, strlen(line), id, &report, error, sizeof error) != 0)
        fail_msg("%s: %s", line, error);
}

static void assert_refused(const char *line, const char *reason)
{
    error[0] = '\0';
    assert_int_equal(report_decode(line, strlen(line), id, &report, error, sizeof error), -1);
    if (!strstr(error, reason))
        fail_msg("%s: \"%s\" does not say \"%s\"", line, error, reason);
}

static void test_status_by_number_and_by_name(void **state)
{
    static const struct {
        const char *line;
        enum wire_status status;
    } lines[] = {
        {"{\"id\":\"a\",\"status\":1}", WIRE_STATUS_IN_PROGRESS},
        {"{\"id\":\"a\",\"status\":2}", WIRE_STATUS_MITIGATED},
        {"{\"id\":\"a\",\"status\":3}", WIRE_STATUS_STOPPED},
        {"{\"id\":\"a\",\"status\":4}", WIRE_STATUS_EXCEEDED},
        {"{\"id\":\"a\",\"status\":6}", WIRE_STATUS_TERMINATED},
        {"{\"id\":\"a\",\"status\":7}", WIRE_STATUS_WITHDRAWN},
        {"{\"id\":\"a\",\"status\":\"attack-mitigation-in-progress\"}", WIRE_STATUS_IN_PROGRESS},
        {"{\"id\":\"a\",\"status\":\"attack-successfully-mitigated\"}", WIRE_STATUS_MITIGATED},
        {"{\"id\":\"a\",\"status\":\"attack-stopped\"}", WIRE_STATUS_STOPPED},
        {"{\"id\":\"a\",\"status\":\"attack-exceeded-capability\"}", WIRE_STATUS_EXCEEDED},
        {"{\"id\":\"a\",\"status\":\"attack-mitigation-terminated\"}", WIRE_STATUS_TERMINATED},
        {"{\"id\":\"a\",\"status\":\"attack-mitigation-withdrawn\"}", WIRE_STATUS_WITHDRAWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_decoded(lines[i].line);
        assert_int_equal(report.status, lines[i].status);
        assert_string_equal(id, "a");
        assert_false(report.has_bytes || report.has_bps || report.has_pkts || report.has_pps);
    }
}

static void test_status_that_is_not_a_drivers(void **state)
{
    static const char *const values[] = {
        "0",
        "5",
        "8",
        "9",
        "-1",
        "4294967297",
        "2.0",
        "true",
        "null",
        "[2]",
        "\"\"",
        "\"2\"",
        "\"mitigated\"",
        "\"dots-client-withdrawn-mitigation\"",
        "\"attack-mitigation-signal-loss\"",
        "\"Attack-Stopped\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char line[128];
        snprintf(line, sizeof line, "{\"id\":\"a\",\"bytes-dropped\":1,\"status\":%s}", values[i]);
        assert_refused(line, "\"status\" must be");
    }
}

static void test_counters(void **state)
{
    (void)state;
    assert_decoded("{\"id\":\"a:b-c._9\",\"bytes-dropped\":\"18446744073709551615\",\"bps-dropped\":\"0\","
                   "\"pkts-dropped\":9223372036854775807,\"pps-dropped\":0}");
    assert_string_equal(id, "a:b-c._9");
    assert_int_equal(report.status, 0);
    assert_true(report.has_bytes && report.has_bps && report.has_pkts && report.has_pps);
    assert_int_equal(report.bytes_dropped, UINT64_MAX);
    assert_int_equal(report.bps_dropped, 0);
    assert_int_equal(report.pkts_dropped, INT64_MAX);
    assert_int_equal(report.pps_dropped, 0);
    assert_decoded(
        " { \"id\" : \"a\" , \"status\" : 2 , \"pps-dropped\" : \"007\" , \"note\" : { \"x\" : [ 1 ] } } \r");
    assert_int_equal(report.status, 2);
    assert_int_equal(report.pps_dropped, 7);
    assert_false(report.has_bytes);
}

static void test_rfc8783_4_3_what_entries_of_a_filter_matched(void **state)
{
    (void)state;
    assert_decoded("{\"id\":\"acl-7\",\"aces\":{\"ace\":[{\"name\":\"a\",\"statistics\":{\"matched-packets\":"
                   "\"18446744073709551615\",\"matched-octets\":1}},{\"name\":\"b\"},{\"name\":\"c\",\"statistics\":{"
                   "\"matched-octets\":\"0\"}}]}}");
    assert_string_equal(report.matched,
                        "{\"a\":{\"matched-packets\":\"18446744073709551615\",\"matched-octets\":\"1\"},"
                        "\"c\":{\"matched-octets\":\"0\"}}");
    report_free(&report);
    assert_decoded("{\"id\":\"acl-7\",\"status\":2,\"aces\":{\"ace\":[]}}");
    assert_string_equal(report.matched, "{}");
    report_free(&report);
    assert_refused("{\"id\":\"acl-7\",\"aces\":{}}", "aces");
    assert_refused("{\"id\":\"acl-7\",\"aces\":[]}", "aces");
    assert_refused("{\"id\":\"acl-7\",\"aces\":{\"ace\":[7]}}", "aces");
    assert_refused("{\"id\":\"acl-7\",\"aces\":{\"ace\":[{\"statistics\":{}}]}}", "aces");
    assert_refused("{\"id\":\"acl-7\",\"aces\":{\"ace\":[{\"name\":\"a\",\"statistics\":7}]}}", "aces");
    assert_refused("{\"id\":\"acl-7\",\"aces\":{\"ace\":[{\"name\":\"a\",\"statistics\":{\"matched-octets\":-1}}]}}",
                   "aces");
    assert_refused("{\"id\":\"acl-7\",\"aces\":{\"ace\":[{\"name\":\"a\",\"statistics\":{\"matched-octets\":"
                   "\"18446744073709551616\"}}]}}",
                   "aces");
}

static void test_counters_that_are_none(void **state)
{
    static const char *const names[] = {"bytes-dropped", "bps-dropped", "pkts-dropped", "pps-dropped"};
    static const char *const values[] = {
        "-1",
        "1.5",
        "1e3",
        "true",
        "null",
        "{}",
        "\"\"",
        "\"-1\"",
        "\"+1\"",
        "\" 1\"",
        "\"1 \"",
        "\"0x1\"",
        "\"18446744073709551616\"",
        "\"99999999999999999999\"",
        "\"184467440737095516150\"",
    };
    (void)state;
    for (size_t name = 0; name < 4; name++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            char line[128];
            snprintf(line, sizeof line, "{\"id\":\"a\",\"status\":2,\"%s\":%s}", names[name], values[i]);
            assert_refused(line, names[name]);
        }
    }
}

static void test_lines_that_are_no_reports(void **state)
{
    (void)state;
    assert_refused("", "not JSON");
    assert_refused("hello", "not JSON");
    assert_refused("{\"id\":\"a\",\"status\":2", "not JSON");
    assert_refused("{\"id\":\"a\",\"status\":2} x", "not JSON");
    assert_refused("{\"id\":\"a\",\"id\":\"b\",\"status\":2}", "not JSON (duplicate object key");
    assert_refused("{\"id\":\"a\",\"status\":2,\"note\":\"\xff\"}", "not JSON");
    assert_refused("{\"id\":\"a\\u0000\",\"status\":2}", "not JSON");
    assert_refused("{\"id\":\"a\",\"bytes-dropped\":18446744073709551615}", "not JSON (too big integer");
    assert_refused("[]", "not a JSON object");
    assert_refused("[\"id\"]", "not a JSON object");
    assert_refused("{}", "\"id\"");
    assert_refused("{\"status\":2}", "\"id\"");
    assert_refused("{\"id\":7,\"status\":2}", "\"id\"");
    assert_refused("{\"id\":\"\",\"status\":2}", "\"id\"");
    assert_refused("{\"id\":\"a b\",\"status\":2}", "\"id\"");
    assert_refused("{\"id\":\"../a\",\"status\":2}", "\"id\"");
    assert_refused("{\"id\":\"a\"}", "neither a status nor a counter");
    assert_int_equal(report_decode("{\"id\":\"a\",\"status\":2}\0", 23, id, &report, error, sizeof error), -1);
}

static void test_id_and_line_lengths(void **state)
{
    char line[256], *deep = malloc(REPORT_LINE_MAX + 1);
    (void)state;
    assert_non_null(deep);
    snprintf(line, sizeof line, "{\"id\":\"%0200d\",\"status\":2}", 1);
    assert_decoded(line);
    assert_int_equal(strlen(id), JOB_ID_MAX);
    snprintf(line, sizeof line, "{\"id\":\"%0201d\",\"status\":2}", 1);
    assert_refused(line, "\"id\"");
    memset(deep, '[', REPORT_LINE_MAX);
    deep[REPORT_LINE_MAX] = '\0';
    assert_refused(deep, "not JSON");
    assert_int_equal(report_decode(deep, REPORT_LINE_MAX + 1, id, &report, error, sizeof error), -1);
    assert_non_null(strstr(error, "longer than 65536 bytes"));
    free(deep);
}

/* ---- Lines ---- */

struct lines {
    char text[512];
};

static void note(void *arg, const char *line, size_t length, bool cut)
{
    struct lines *lines = arg;
    size_t used = strlen(lines->text);
    snprintf(lines->text + used, sizeof lines->text - used, "%.*s%s|", (int)length, line, cut ? "+" : "");
}

static const char stream[] = "one\n\ntwo\n12345678\n123456789\n12345678901234567890123456789\nthree\nend";
static const char expected[] = "one||two|12345678|12345678+|12345678+|three|end|";

static void test_lines_are_the_same_however_they_arrive(void **state)
{
    (void)state;
    for (size_t part = 1; part <= sizeof stream; part++) {
        struct line_reader reader;
        struct lines lines = {""};
        assert_int_equal(line_reader_init(&reader, 8), 0);
        for (size_t done = 0; done < sizeof stream - 1; done += part) {
            size_t left = sizeof stream - 1 - done;
            line_reader_feed(&reader, stream + done, left < part ? left : part, note, &lines);
        }
        line_reader_end(&reader, note, &lines);
        line_reader_end(&reader, note, &lines);
        assert_string_equal(lines.text, expected);
        line_reader_free(&reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_by_number_and_by_name),
        cmocka_unit_test(test_status_that_is_not_a_drivers),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_rfc8783_4_3_what_entries_of_a_filter_matched),
        cmocka_unit_test(test_counters_that_are_none),
        cmocka_unit_test(test_lines_that_are_no_reports),
        cmocka_unit_test(test_id_and_line_lengths),
        cmocka_unit_test(test_lines_are_the_same_however_they_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
