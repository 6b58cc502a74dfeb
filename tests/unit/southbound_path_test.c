/* Uri-Path and Uri-Query of requests: what they name, and each way to get them wrong (RFC 9132 section 4). */
/* links: southbound_signal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "southbound/signal/path.h"

static struct south_path path;
static char reason[SOUTH_REASON_MAX];

/* segments: separated by '/', without a leading one; "" has none. */
static uint8_t parse(enum dots_method method, const char *segments, const char *query)
{
    struct dots_request request = {.method = method};

    for (const char *at = segments; *at || (at > segments && at[-1] == '/');) {
        size_t length = strcspn(at, "/");

        request.path[request.path_count++] = (struct dots_option){.at = at, .length = length};
        at += length;
        if (*at != '/')
            break;
        at++;
    }
    if (query)
        request.query[request.query_count++] = (struct dots_option){.at = query, .length = strlen(query)};
    reason[0] = '\0';
    return south_path_parse(&request, &path, reason);
}

static void bad(enum dots_method method, const char *segments, uint8_t code, const char *names)
{
    uint8_t got = parse(method, segments, NULL);

    if (got != code || !strstr(reason, names))
        fail_msg("%s: got %d.%02d \"%s\", expected %d.%02d naming %s", segments, DOTS_CODE_CLASS(got),
                 DOTS_CODE_DETAIL(got), reason, DOTS_CODE_CLASS(code), DOTS_CODE_DETAIL(code), names);
}

#define MITIGATE ".well-known/dots/mitigate"
#define CONFIG ".well-known/dots/config"
#define HB ".well-known/dots/hb"
#define BAD DOTS_CODE(4, 0)

static void test_rfc9132_4_2_operations(void **state)
{
    (void)state;
    assert_int_equal(parse(DOTS_PUT, MITIGATE "/cuid=abc/mid=12", NULL), 0);
    assert_int_equal(path.operation, SOUTH_MITIGATE);
    assert_string_equal(path.cuid, "abc");
    assert_string_equal(path.cdid, "");
    assert_true(path.has_mid);
    assert_int_equal(path.mid, 12);
    assert_int_equal(parse(DOTS_GET, CONFIG, NULL), 0);
    assert_int_equal(path.operation, SOUTH_CONFIG);
    assert_false(path.has_sid);
    assert_int_equal(parse(DOTS_PUT, HB, NULL), 0);
    assert_int_equal(path.operation, SOUTH_HEARTBEAT);
}

static void test_rfc9132_9_unknown_resource_is_4_04(void **state)
{
    (void)state;
    bad(DOTS_GET, "", DOTS_CODE(4, 4), "no such resource");
    bad(DOTS_GET, ".well-known", DOTS_CODE(4, 4), "no such resource");
    bad(DOTS_GET, ".well-known/dots", DOTS_CODE(4, 4), "no such resource");
    bad(DOTS_GET, ".well-known/core/mitigate", DOTS_CODE(4, 4), "no such resource");
    bad(DOTS_GET, ".well-known/dots/tm", DOTS_CODE(4, 4), "no such resource");
    bad(DOTS_GET, ".well-known/dots/MITIGATE/cuid=a", DOTS_CODE(4, 4), "no such resource");
    bad(DOTS_POST, "other", DOTS_CODE(4, 4), "no such resource");
}

static void test_rfc9132_9_unsupported_method_is_4_05(void **state)
{
    static const enum dots_method never[] = {DOTS_POST, DOTS_FETCH, DOTS_PATCH, DOTS_IPATCH};

    (void)state;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        bad(never[i], MITIGATE "/cuid=a/mid=1", DOTS_CODE(4, 5), "method");
        bad(never[i], CONFIG, DOTS_CODE(4, 5), "method");
        bad(never[i], HB, DOTS_CODE(4, 5), "method");
    }
    bad(DOTS_GET, HB, DOTS_CODE(4, 5), "PUT");
    bad(DOTS_DELETE, HB, DOTS_CODE(4, 5), "PUT");
}

static void test_rfc9132_4_4_1_1_mid_must_follow_cuid(void **state)
{
    (void)state;
    bad(DOTS_PUT, MITIGATE "/mid=1/cuid=a", BAD, "mid");
    bad(DOTS_GET, MITIGATE "/mid=1/cuid=a", BAD, "mid");
    bad(DOTS_DELETE, MITIGATE "/mid=1/cuid=a", BAD, "mid");
}

static void test_rfc9132_4_4_1_2_cdid_must_come_before_cuid(void **state)
{
    (void)state;
    assert_int_equal(parse(DOTS_PUT, MITIGATE "/cdid=d/cuid=a/mid=1", NULL), 0);
    assert_string_equal(path.cdid, "d");
    bad(DOTS_PUT, MITIGATE "/cuid=a/cdid=d/mid=1", BAD, "cdid");
    bad(DOTS_PUT, MITIGATE "/cuid=a/mid=1/cdid=d", BAD, "cdid");
}

static void test_rfc9132_4_4_1_1_empty_values_must_not_be_present(void **state)
{
    (void)state;
    bad(DOTS_PUT, MITIGATE "/cuid=/mid=1", BAD, "cuid");
    bad(DOTS_PUT, MITIGATE "/cuid=a/mid=", BAD, "mid");
    bad(DOTS_PUT, MITIGATE "/cdid=/cuid=a/mid=1", BAD, "cdid");
    bad(DOTS_PUT, MITIGATE "/cuid=a//mid=1", BAD, "empty");
    bad(DOTS_GET, MITIGATE "/cuid=a/", BAD, "empty");
    bad(DOTS_PUT, CONFIG "/sid=", BAD, "sid");
}

static void test_rfc9132_4_4_mandatory_parameters(void **state)
{
    (void)state;
    bad(DOTS_PUT, MITIGATE, BAD, "cuid");
    bad(DOTS_PUT, MITIGATE "/mid=1", BAD, "cuid");
    bad(DOTS_PUT, MITIGATE "/cuid=a", BAD, "mid");
    bad(DOTS_DELETE, MITIGATE, BAD, "cuid");
    bad(DOTS_DELETE, MITIGATE "/cuid=a", BAD, "mid");
    bad(DOTS_GET, MITIGATE, BAD, "cuid");
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a", NULL), 0);
    assert_false(path.has_mid);
}

static void test_duplicates_and_unknown_parameters_are_named(void **state)
{
    (void)state;
    bad(DOTS_PUT, MITIGATE "/cuid=a/cuid=b/mid=1", BAD, "cuid: given twice");
    bad(DOTS_PUT, MITIGATE "/cdid=a/cdid=b/cuid=c/mid=1", BAD, "cdid: given twice");
    bad(DOTS_PUT, MITIGATE "/cuid=a/mid=1/mid=1", BAD, "mid: given twice");
    bad(DOTS_PUT, CONFIG "/sid=1/sid=2", BAD, "sid: given twice");
    bad(DOTS_PUT, MITIGATE "/cuid=a/mid=1/sid=1", BAD, "\"sid=1\"");
    bad(DOTS_PUT, MITIGATE "/cuid=a/mid=1/tsid=1", BAD, "\"tsid=1\"");
    bad(DOTS_PUT, MITIGATE "/cuid", BAD, "\"cuid\"");
    bad(DOTS_PUT, MITIGATE "/CUID=a/mid=1", BAD, "\"CUID=a\"");
    bad(DOTS_PUT,
        MITIGATE "/\x01\xff"
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        BAD, "\"??aaaa");
}

static void test_mid_is_one_canonical_uint32(void **state)
{
    static const char *const wrong[] = {"01", "00",         "+1",          "-1",  "0x1",     "1 ",
                                        " 1", "4294967296", "99999999999", "1e3", "\xd9\xa1"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), MITIGATE "/cuid=a/mid=%s", wrong[i]);
        bad(DOTS_PUT, text, BAD, "mid: expected a decimal number");
        snprintf(text, sizeof(text), CONFIG "/sid=%s", wrong[i]);
        bad(DOTS_PUT, text, BAD, "sid: expected a decimal number");
    }
    assert_int_equal(parse(DOTS_PUT, MITIGATE "/cuid=a/mid=0", NULL), 0);
    assert_int_equal(path.mid, 0);
    assert_int_equal(parse(DOTS_PUT, MITIGATE "/cuid=a/mid=4294967295", NULL), 0);
    assert_int_equal(path.mid, UINT32_MAX);
}

static void test_cuid_is_bounded_and_printable(void **state)
{
    char text[400], longest[RELAY_CUID_MAX + 2];

    (void)state;
    memset(longest, 'c', sizeof(longest));
    longest[RELAY_CUID_MAX] = '\0';
    snprintf(text, sizeof(text), MITIGATE "/cuid=%s/mid=1", longest);
    assert_int_equal(parse(DOTS_PUT, text, NULL), 0);
    assert_string_equal(path.cuid, longest);
    longest[RELAY_CUID_MAX] = 'c';
    longest[RELAY_CUID_MAX + 1] = '\0';
    snprintf(text, sizeof(text), MITIGATE "/cuid=%s/mid=1", longest);
    bad(DOTS_PUT, text, BAD, "cuid: longer");
    snprintf(text, sizeof(text), MITIGATE "/cdid=%s/cuid=a/mid=1", longest);
    bad(DOTS_PUT, text, BAD, "cdid: longer");
    bad(DOTS_PUT,
        MITIGATE "/cuid=a\x1f"
                 "b/mid=1",
        BAD, "cuid: expected printable");
    bad(DOTS_PUT, MITIGATE "/cuid=\xc3\xa9/mid=1", BAD, "cuid: expected printable");
}

static void test_a_nul_byte_does_not_end_a_cuid(void **state)
{
    struct dots_request request = {
        .method = DOTS_GET,
        .path = {{".well-known", 11}, {"dots", 4}, {"mitigate", 8}, {"cuid=a\0b", 8}},
        .path_count = 4,
    };

    (void)state;
    assert_int_equal(south_path_parse(&request, &path, reason), BAD);
}

static void test_rfc9132_4_5_2_cuid_must_not_be_used_with_config(void **state)
{
    (void)state;
    bad(DOTS_PUT, CONFIG "/cuid=a/sid=1", BAD, "cuid");
    bad(DOTS_GET, CONFIG "/cuid=a", BAD, "cuid");
    bad(DOTS_PUT, CONFIG "/cdid=a/sid=1", BAD, "cdid");
    bad(DOTS_DELETE, CONFIG "/mid=1", BAD, "mid");
}

static void test_rfc9132_4_5_2_sid_is_mandatory_in_put(void **state)
{
    (void)state;
    bad(DOTS_PUT, CONFIG, BAD, "sid");
    assert_int_equal(parse(DOTS_PUT, CONFIG "/sid=7", NULL), 0);
    assert_int_equal(path.sid, 7);
    assert_int_equal(parse(DOTS_DELETE, CONFIG, NULL), 0);
    assert_int_equal(parse(DOTS_DELETE, CONFIG "/sid=7", NULL), 0);
}

static void test_rfc9132_4_7_heartbeat_must_not_have_cuid_cdid_mid(void **state)
{
    (void)state;
    bad(DOTS_PUT, HB "/cuid=a", BAD, "cuid");
    bad(DOTS_PUT, HB "/cdid=a", BAD, "cdid");
    bad(DOTS_PUT, HB "/mid=1", BAD, "mid");
    bad(DOTS_PUT, HB "/x", BAD, "\"x\"");
}

static void test_rfc9132_4_4_2_content_query(void **state)
{
    (void)state;
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a", "c=a"), 0);
    assert_int_equal(path.content, MITIGATION_ALL);
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a", "c=c"), 0);
    assert_int_equal(path.content, MITIGATION_CONFIG);
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a/mid=3", "c=n"), 0);
    assert_int_equal(path.content, MITIGATION_NONCONFIG);
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a", NULL), 0);
    assert_int_equal(path.content, MITIGATION_ALL);
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a", "c=x"), BAD);
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a", "c="), BAD);
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a", ""), BAD);
    assert_int_equal(parse(DOTS_GET, MITIGATE "/cuid=a", "other"), BAD);
    assert_int_equal(parse(DOTS_PUT, MITIGATE "/cuid=a/mid=1", "c=a"), BAD);
    assert_int_equal(parse(DOTS_GET, CONFIG, "c=a"), BAD);
    assert_int_equal(parse(DOTS_PUT, HB, "c=a"), BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_2_operations),
        cmocka_unit_test(test_rfc9132_9_unknown_resource_is_4_04),
        cmocka_unit_test(test_rfc9132_9_unsupported_method_is_4_05),
        cmocka_unit_test(test_rfc9132_4_4_1_1_mid_must_follow_cuid),
        cmocka_unit_test(test_rfc9132_4_4_1_2_cdid_must_come_before_cuid),
        cmocka_unit_test(test_rfc9132_4_4_1_1_empty_values_must_not_be_present),
        cmocka_unit_test(test_rfc9132_4_4_mandatory_parameters),
        cmocka_unit_test(test_duplicates_and_unknown_parameters_are_named),
        cmocka_unit_test(test_mid_is_one_canonical_uint32),
        cmocka_unit_test(test_cuid_is_bounded_and_printable),
        cmocka_unit_test(test_a_nul_byte_does_not_end_a_cuid),
        cmocka_unit_test(test_rfc9132_4_5_2_cuid_must_not_be_used_with_config),
        cmocka_unit_test(test_rfc9132_4_5_2_sid_is_mandatory_in_put),
        cmocka_unit_test(test_rfc9132_4_7_heartbeat_must_not_have_cuid_cdid_mid),
        cmocka_unit_test(test_rfc9132_4_4_2_content_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
