/* Bodies that are no CBOR, or CBOR made to hurt: truncated, overlong, with counts that are lies.
 * links: wire */
#include "tests/unit/wire_refusal.h"

static void test_trailing_octets(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "a1 1831 a1 1833 f5 00", "body", "1 octets follow");
    refuse(WIRE_TO_SERVER, "a1 1831 a1 1833 f5 ff ff", "body", "2 octets follow");
}

static void test_every_truncation(void **state)
{
    static const char *const hex[] = {
        FIGURE_8,
        "d9010f bf 01 bf 02 9f bf 0d 9f 7f 61 61 ff ff 1880 82 5f 41 00 ff c1 fb 3ff0000000000000 0e 20 ff ff ff ff",
        "a1 181e a1 182c a1 1827 a1 182b c4 82 21 18c8",
    };
    struct wire_message *message;
    struct wire_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
        uint8_t bytes[256];
        size_t length = from_hex(hex[i], bytes, sizeof(bytes));

        assert_int_equal(wire_decode_cbor(bytes, length, WIRE_TO_SERVER, &message, &error), 0);
        wire_free(message);
        for (size_t end = 0; end < length; end++) {
            uint8_t *part = malloc(end ? end : 1);

            memcpy(part, bytes, end);
            assert_int_equal(wire_decode_cbor(part, end, WIRE_TO_SERVER, &message, &error), -1);
            free(part);
            if (!strstr(error.text, "too early") && !strstr(error.text, "message ends"))
                fail_msg("%zu octets of %s: %s", end, hex[i], error.text);
        }
    }
    assert_int_equal(wire_decode_cbor(NULL, 0, WIRE_TO_SERVER, &message, &error), -1);
}

static void test_counts_are_not_believed(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "bb ffffffffffffffff 01", "body", "claims 18446744073709551615");
    refuse(WIRE_TO_CLIENT, "a1 01 a1 02 9b ffffffffffffffff", "scope", "claims");
    refuse(WIRE_TO_SERVER, SCOPE("a1 06 9a 00ffffff 61 61"), "target-prefix", "claims");
    refuse(WIRE_TO_SERVER, SCOPE("a1 06 81 7b ffffffffffffffff"), "target-prefix", "too early");
    refuse(WIRE_TO_SERVER, SCOPE("a1 06 81 7a ffffffff 61"), "target-prefix", "too early");
    refuse(WIRE_TO_SERVER, SCOPE("a1 1880 9b 8000000000000000"), "key 128", "claims");
    refuse(WIRE_TO_SERVER, SCOPE("a1 1880 bb 8000000000000000"), "key 128", "claims");
    refuse(WIRE_TO_SERVER, SCOPE("b9 ffff 0e 01"), "scope", "claims");
}

static void test_malformed_cbor(void **state)
{
    static const struct {
        const char *hex, *parameter, *text;
    } cases[] = {
        {"1c", "body", "not CBOR"},
        {"ff", "body", "must be a map"},
        {SCOPE("a1 0e 1f"), "lifetime", "not CBOR"},
        {SCOPE("a1 0e ff"), "lifetime", "integer"},
        {SCOPE("bf 0e ff"), "lifetime", "integer"},
        {SCOPE("a1 ff 00"), "key", "from 1 to 65535"},
        {SCOPE("a1 0d 81 7f 01 ff"), "alias-name", "chunk"},
        {SCOPE("a1 0d 81 7f 7f 61 61 ff ff"), "alias-name", "chunk"},
        {SCOPE("a1 0d 81 7f 41 61 ff"), "alias-name", "chunk"},
        /* in what is skipped */
        {SCOPE("a1 1880 fe"), "key 128", "not CBOR"},
        {SCOPE("a1 1880 f81f"), "key 128", "not CBOR"},
        {SCOPE("a1 1880 ff"), "key 128", "break"},
        {SCOPE("a1 1880 81 ff"), "key 128", "break"},
        {SCOPE("a1 1880 bf 01 ff"), "key 128", "break"},
        {SCOPE("a1 1880 9f c1 ff"), "key 128", "break"},
        {SCOPE("a1 1880 7f 41 00 ff"), "key 128", "chunk"},
        {SCOPE("a1 1880 5f c1 41 00 ff"), "key 128", "chunk"},
        {SCOPE("a1 1880 5f 5f 41 00 ff ff"), "key 128", "chunk"},
        {SCOPE("a1 1880 81 81 81 81 81 81 81 81 81 00"), "key 128", "nested more than 8"},
        {SCOPE("a1 1880 9f 9f 9f 9f 9f 9f 9f 9f 9f ff ff ff ff ff ff ff ff ff"), "key 128", "nested more than 8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(WIRE_TO_SERVER, cases[i].hex, cases[i].parameter, cases[i].text);
}

static void test_bounds(void **state)
{
    static char hex[2 * WIRE_BODY_MAX + 64];
    static uint8_t large[WIRE_BODY_MAX + 1];
    struct wire_message *message;
    struct wire_error error;
    size_t length;

    (void)state;
    /* a text of 2049 octets, whole and in chunks */
    append_hex(hex, sizeof(hex), SCOPE("a1 0d 81 79 0801"), 1);
    append_hex(hex, sizeof(hex), "61", WIRE_STRING_MAX + 1);
    refuse(WIRE_TO_SERVER, hex, "alias-name", "longer than 2048");
    hex[0] = '\0';
    append_hex(hex, sizeof(hex), SCOPE("a1 0d 81 7f"), 1);
    append_hex(hex, sizeof(hex), "6161", WIRE_STRING_MAX + 1);
    append_hex(hex, sizeof(hex), "ff", 1);
    refuse(WIRE_TO_SERVER, hex, "alias-name", "longer than 2048");
    /* 4097 protocols, claimed and not */
    hex[0] = '\0';
    append_hex(hex, sizeof(hex), SCOPE("a1 0a 99 1001"), 1);
    append_hex(hex, sizeof(hex), "06", WIRE_LIST_MAX + 1);
    refuse(WIRE_TO_SERVER, hex, "target-protocol", "4097 entries, 4096 at most");
    hex[0] = '\0';
    append_hex(hex, sizeof(hex), SCOPE("a1 0a 9f"), 1);
    append_hex(hex, sizeof(hex), "06", WIRE_LIST_MAX + 1);
    append_hex(hex, sizeof(hex), "ff", 1);
    refuse(WIRE_TO_SERVER, hex, "target-protocol", "more than 4096 entries");
    /* 4096 scopes in a response, one more */
    hex[0] = '\0';
    append_hex(hex, sizeof(hex), "a1 01 a1 02 9f", 1);
    append_hex(hex, sizeof(hex), "a1 05 07", WIRE_SCOPES_MAX);
    length = from_hex(hex, large, sizeof(large));
    large[length++] = 0xff;
    assert_int_equal(wire_decode_cbor(large, length, WIRE_TO_CLIENT, &message, &error), 0);
    assert_int_equal(message->scope_count, WIRE_SCOPES_MAX);
    for (size_t i = 0; i < WIRE_SCOPES_MAX; i++)
        assert_int_equal(message->scopes[i].mid, 7);
    wire_free(message);
    append_hex(hex, sizeof(hex), "a1 05 07 ff", 1);
    refuse(WIRE_TO_CLIENT, hex, "scope", "more than 4096 entries");
    /* the longest body: a string that is skipped fills it */
    hex[0] = '\0';
    append_hex(hex, sizeof(hex), "a2 1831 a1 1833 f5 1880 5a 0000fff2", 1);
    append_hex(hex, sizeof(hex), "00", 0xfff2);
    length = from_hex(hex, large, sizeof(large));
    assert_int_equal(length, WIRE_BODY_MAX);
    assert_int_equal(wire_decode_cbor(large, length, WIRE_TO_SERVER, &message, &error), 0);
    wire_free(message);
    assert_int_equal(wire_decode_cbor(large, sizeof(large), WIRE_TO_SERVER, &message, &error), -1);
    assert_string_equal(error.text, "body: longer than 65536 octets");
}

/* What is quoted from the input cannot reach a terminal, and fits. */
static void test_errors_are_printable(void **state)
{
    char hex[2 * 1024] = SCOPE("a1 06 81 79 01ff");

    (void)state;
    append_hex(hex, sizeof(hex), "610a", 0xff);
    append_hex(hex, sizeof(hex), "61", 1);
    refuse(WIRE_TO_SERVER, hex, "target-prefix", "\"a?a?a?");
    refuse(WIRE_TO_SERVER, SCOPE("a1 06 81 62 c3a9"), "target-prefix", "\"?\?\" is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trailing_octets),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_counts_are_not_believed),
        cmocka_unit_test(test_malformed_cbor),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_errors_are_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
