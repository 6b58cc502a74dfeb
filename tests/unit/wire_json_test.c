/* RFC 7951 JSON: every example of the RFCs goes to CBOR and back unchanged; what is refused.
 * links: wire */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/wire_examples.h"

#define SCOPE(members) "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{" members "}]}}"
#define CONFIG(members) "{\"ietf-dots-signal-channel:signal-config\": {\"idle-config\": {" members "}}}"

static struct wire_message *decode(const char *json, enum wire_direction direction)
{
    struct wire_message *message = NULL;
    struct wire_error error;

    if (wire_decode_json(json, strlen(json), direction, &message, &error))
        fail_msg("%s", error.text);
    return message;
}

static void refuse(enum wire_direction direction, const char *json, const char *parameter, const char *text)
{
    struct wire_message *message = (struct wire_message *)1;
    struct wire_error error;

    if (wire_decode_json(json, strlen(json), direction, &message, &error) != -1)
        fail_msg("accepted: %s", json);
    assert_null(message);
    assert_string_equal(error.parameter, parameter);
    if (!strstr(error.text, text))
        fail_msg("'%s' does not say '%s'", error.text, text);
}

static void assert_json_equal(const char *a, const char *b)
{
    json_t *left = json_loads(a, 0, NULL), *right = json_loads(b, 0, NULL);

    assert_non_null(left);
    assert_non_null(right);
    if (!json_equal(left, right))
        fail_msg("%s\nis not\n%s", a, b);
    json_decref(left);
    json_decref(right);
}

static void test_examples_go_to_cbor_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct wire_message *message = decode(examples[i].json, examples[i].direction), *again = NULL;
        struct wire_error error;
        uint8_t cbor[4096];
        size_t length = wire_encode_cbor(message, cbor, sizeof(cbor));
        char *json;

        assert_int_not_equal(length, 0);
        assert_int_equal(wire_decode_cbor(cbor, length, examples[i].direction, &again, &error), 0);
        json = wire_encode_json(again);
        assert_non_null(json);
        assert_json_equal(json, examples[i].json);
        free(json);
        wire_free(message);
        wire_free(again);
    }
}

static void test_rfc9132_figure_7_is_figure_8(void **state)
{
    struct wire_message *message = decode(examples[0].json, examples[0].direction);
    uint8_t expected[128], cbor[128];
    size_t length = from_hex(FIGURE_8, expected, sizeof(expected));

    (void)state;
    assert_int_equal(wire_encode_cbor(message, cbor, sizeof(cbor)), length);
    assert_memory_equal(cbor, expected, length);
    wire_free(message);
}

/* Table 5: 64-bit numbers and retry-timer are strings; both forms are read, the string is written. */
static void test_rfc9132_6_numbers_that_are_strings(void **state)
{
    struct wire_message *message =
        decode(SCOPE("\"mitigation-start\": 1507818434, \"bytes-dropped\": \"18446744073709551615\","
                     " \"pps-dropped\": 0, \"conflict-information\": {\"retry-timer\": 300}"),
               WIRE_TO_CLIENT);
    char *json;

    (void)state;
    assert_int_equal(message->scopes[0].start, 1507818434);
    assert_true(message->scopes[0].bytes_dropped == UINT64_MAX);
    assert_int_equal(message->scopes[0].conflict->retry_timer, 300);
    json = wire_encode_json(message);
    assert_json_equal(json, SCOPE("\"mitigation-start\": \"1507818434\", \"bytes-dropped\": \"18446744073709551615\","
                                  " \"pps-dropped\": \"0\", \"conflict-information\": {\"retry-timer\": \"300\"}"));
    free(json);
    wire_free(message);
    refuse(WIRE_TO_CLIENT, SCOPE("\"bytes-dropped\": \"18446744073709551616\""), "bytes-dropped", "decimal number");
    refuse(WIRE_TO_CLIENT, SCOPE("\"bytes-dropped\": \"-1\""), "bytes-dropped", "decimal number");
    refuse(WIRE_TO_CLIENT, SCOPE("\"bytes-dropped\": \"+1\""), "bytes-dropped", "decimal number");
    refuse(WIRE_TO_CLIENT, SCOPE("\"bytes-dropped\": \"01\""), "bytes-dropped", "decimal number");
    refuse(WIRE_TO_CLIENT, SCOPE("\"bytes-dropped\": \"\""), "bytes-dropped", "decimal number");
    refuse(WIRE_TO_CLIENT, SCOPE("\"bytes-dropped\": \"1 \""), "bytes-dropped", "decimal number");
    refuse(WIRE_TO_CLIENT, SCOPE("\"bytes-dropped\": -1"), "bytes-dropped", "range");
    refuse(WIRE_TO_CLIENT, SCOPE("\"conflict-information\": {\"retry-timer\": \"4294967296\"}"), "retry-timer",
           "range");
    refuse(WIRE_TO_CLIENT, SCOPE("\"mid\": \"1\""), "mid", "integer");
}

static void test_rfc9132_6_decimals_are_strings(void **state)
{
    struct wire_message *message =
        decode(CONFIG("\"ack-timeout\": {\"max-value-decimal\": \"2\", \"min-value-decimal\": \"0.5\","
                      " \"current-value-decimal\": \"42949672.95\"}"),
               WIRE_TO_CLIENT);
    const struct wire_config_value *value = &message->config.idle[WIRE_ACK_TIMEOUT];
    static const char *const bad[] = {
        "\"\"",      "\".5\"", "\"1.\"",    "\"1.234\"",  "\"1.x\"",           "\"1,5\"",
        "\"-1.00\"", "\"+1\"", "\"1.00 \"", "\"1.0\\n\"", "\"4294967296.00\"", "\"1e2\"",
        "\"01.5\"",  "2.00",   "2",         "null",
    };

    (void)state;
    assert_int_equal(value->max, 200);
    assert_int_equal(value->min, 50);
    assert_int_equal(value->current, UINT32_MAX);
    wire_free(message);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char json[256];

        snprintf(json, sizeof(json), CONFIG("\"ack-timeout\": {\"current-value-decimal\": %s}"), bad[i]);
        refuse(WIRE_TO_SERVER, json, "current-value-decimal", "must be");
    }
    refuse(WIRE_TO_SERVER, CONFIG("\"ack-timeout\": {\"current-value-decimal\": \"42949672.96\"}"),
           "current-value-decimal", "range");
}

static void test_rfc9132_6_enumerations_are_names(void **state)
{
    (void)state;
    refuse(WIRE_TO_CLIENT, SCOPE("\"status\": 1"), "status", "such as \"attack-mitigation-in-progress\"");
    refuse(WIRE_TO_CLIENT, SCOPE("\"status\": \"attack\""), "status", "name");
    refuse(WIRE_TO_SERVER, SCOPE("\"attack-status\": \"Under-Attack\""), "attack-status", "name");
    for (int status = WIRE_STATUS_IN_PROGRESS; status <= WIRE_STATUS_SIGNAL_LOSS; status++) {
        struct wire_message *message;
        char json[256];

        snprintf(json, sizeof(json), SCOPE("\"status\": \"%s\""), wire_status_name((enum wire_status)status));
        message = decode(json, WIRE_TO_CLIENT);
        assert_int_equal(message->scopes[0].status, status);
        wire_free(message);
    }
    assert_string_equal(wire_status_name(0), "unknown");
    assert_string_equal(wire_status_name(9), "unknown");
}

static void test_refused(void **state)
{
    static const struct {
        const char *json, *parameter, *text;
    } cases[] = {
        {"", "body", "line 1"},
        {"{", "body", "line 1"},
        {"[]", "body", "must be an object"},
        {"{}", "body", "no object"},
        {"{} {}", "body", "end of file"},
        {SCOPE("\"lifetime\": 1, \"lifetime\": 1"), "lifetime", "more than once"},
        {SCOPE("\"conflict-information\" : {}, \"conflict-information\" : {}"), "conflict-information",
         "more than once"},
        {SCOPE("\"lifetime\": 0"), "lifetime", "must not be 0"},
        {SCOPE("\"lifetime\": -2"), "lifetime", "or -1"},
        {SCOPE("\"lifetime\": 4294967296"), "lifetime", "2^32"},
        {SCOPE("\"lifetime\": 3600.0"), "lifetime", "integer"},
        {SCOPE("\"lifetime\": 99999999999999999999"), "body", "too big"},
        {SCOPE("\"lifetime\": null"), "lifetime", "integer"},
        {SCOPE("\"life\\u0074ime2\": 1"), "lifetime2", "not a known parameter"},
        {SCOPE("\"a\\u001bb\": 1"), "a?b", "not a known parameter"},
        {SCOPE("\"mid\": 1"), "mid", "only sent by a server"},
        {SCOPE("\"cuid\": \"a\""), "cuid", "must not be in a message body"},
        {SCOPE("\"acl-list\": []"), "acl-list", "not allowed in scope"},
        {SCOPE("\"target-prefix\": []"), "target-prefix", "empty"},
        {SCOPE("\"target-prefix\": \"192.0.2.0/24\""), "target-prefix", "array"},
        {SCOPE("\"target-prefix\": [1]"), "target-prefix", "string"},
        {SCOPE("\"target-prefix\": [\"192.0.2.0\"]"), "target-prefix", "inet:ip-prefix"},
        {SCOPE("\"target-port-range\": [{\"upper-port\": 1}]"), "lower-port", "missing"},
        {SCOPE("\"target-port-range\": [80]"), "target-port-range", "object"},
        {SCOPE("\"target-protocol\": [256]"), "target-protocol", "range"},
        {SCOPE("\"alias-name\": [\"a\\u0000b\"]"), "body", "NUL"},
        {SCOPE("\"alias-name\": [\"a\\u0007\"]"), "alias-name", "control"},
        {SCOPE("\"alias-name\": [\"\xff\"]"), "body", "decode byte"},
        {SCOPE("\"trigger-mitigation\": \"true\""), "trigger-mitigation", "true or false"},
        {"{\"\": 1}", "\"\"", "not a known parameter"},
        {"{\"mitigation-scope\": {}}", "mitigation-scope", "not a known parameter"},
        {"{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{\"lifetime\": 1}, {\"lifetime\": 1}]}}",
         "scope", "2 entries"},
        {"[[[[[[[[[]]]]]]]]]", "body", "nested more than 8"},
        {"[\"]]\\\"]]\", {\"a\": [[[[[[[", "body", "nested more than 8"},
    };
    static char large[WIRE_JSON_MAX + 2];
    struct wire_message *message;
    struct wire_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(WIRE_TO_SERVER, cases[i].json, cases[i].parameter, cases[i].text);
    memset(large, ' ', sizeof(large) - 1);
    refuse(WIRE_TO_SERVER, large, "body", "longer than");
    assert_int_equal(wire_decode_json(NULL, 0, WIRE_TO_SERVER, &message, &error), -1);
}

/* Names longer than the error has room for, in both places where they are quoted. */
static void test_long_names(void **state)
{
    struct wire_message *message;
    struct wire_error error;
    char name[400] = {0}, json[1024];

    (void)state;
    for (size_t length = 1; length < sizeof(name); length++) {
        memset(name, 'x', length);
        snprintf(json, sizeof(json), "{\"%s\": 1}", name);
        assert_int_equal(wire_decode_json(json, strlen(json), WIRE_TO_SERVER, &message, &error), -1);
        assert_int_equal(strncmp(error.parameter, name, sizeof(error.parameter) - 1), 0);
        snprintf(json, sizeof(json), "{\"%s\": 1, \"%s\": 1}", name, name);
        assert_int_equal(wire_decode_json(json, strlen(json), WIRE_TO_SERVER, &message, &error), -1);
        assert_string_equal(error.parameter, length < sizeof(error.parameter) ? name : "body");
    }
}

static void test_empty_lists_and_objects_of_a_server_count_as_absent(void **state)
{
    struct wire_message *message =
        decode(SCOPE("\"mid\": 1, \"target-prefix\": [], \"conflict-information\": {}"), WIRE_TO_CLIENT);
    char *json = wire_encode_json(message);

    (void)state;
    assert_json_equal(json, SCOPE("\"mid\": 1, \"conflict-information\": {}"));
    free(json);
    wire_free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_go_to_cbor_and_back),
        cmocka_unit_test(test_rfc9132_figure_7_is_figure_8),
        cmocka_unit_test(test_rfc9132_6_numbers_that_are_strings),
        cmocka_unit_test(test_rfc9132_6_decimals_are_strings),
        cmocka_unit_test(test_rfc9132_6_enumerations_are_names),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_empty_lists_and_objects_of_a_server_count_as_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
