/* CBOR bodies: what is read and what is written. Refusals: wire_refusal_test.c.
 * links: wire */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/wire_examples.h"

static struct wire_message *decode(const char *hex, enum wire_direction direction)
{
    struct wire_message *message = NULL;
    struct wire_error error = {{0}, {0}};
    uint8_t *bytes = malloc(strlen(hex)); /* of the heap, so that a read past the end is seen */
    size_t length = from_hex(hex, bytes, strlen(hex));
    uint8_t *exact = malloc(length + 1);
    int result;

    memcpy(exact, bytes, length);
    free(bytes);
    exact = realloc(exact, length);
    result = wire_decode_cbor(exact, length, direction, &message, &error);
    free(exact);
    if (result)
        fail_msg("%s", error.text);
    assert_non_null(message);
    return message;
}

static void assert_encodes(const struct wire_message *message, const char *hex)
{
    uint8_t expected[1024], buffer[1024];
    size_t length = from_hex(hex, expected, sizeof(expected));

    assert_int_equal(wire_encode_cbor(message, buffer, sizeof(buffer)), length);
    assert_memory_equal(buffer, expected, length);
    /* and not into one octet less, whatever that is */
    for (size_t size = 0; size < length; size++) {
        uint8_t *small = malloc(size + 1);

        assert_int_equal(wire_encode_cbor(message, small, size), 0);
        free(small);
    }
}

static void assert_round_trip(const char *hex, enum wire_direction direction)
{
    struct wire_message *message = decode(hex, direction);

    assert_encodes(message, hex);
    wire_free(message);
}

static void test_rfc9132_4_4_1_1_figure_8_decodes(void **state)
{
    struct wire_message *message = decode(FIGURE_8, WIRE_TO_SERVER);
    const struct wire_scope *scope = message->scopes;
    const struct wire_target *target = &scope->target;
    char text[WIRE_PREFIX_TEXT];

    (void)state;
    assert_int_equal(message->type, WIRE_MITIGATION);
    assert_int_equal(message->scope_count, 1);
    assert_int_equal(target->prefix_count, 2);
    assert_string_equal(wire_prefix_format(&target->prefixes[0], text), "2001:db8:6401::1/128");
    assert_string_equal(wire_prefix_format(&target->prefixes[1], text), "2001:db8:6401::2/128");
    assert_int_equal(target->port_range_count, 3);
    assert_int_equal(target->port_ranges[0].lower, 80);
    assert_int_equal(target->port_ranges[0].upper, 80);
    assert_int_equal(target->port_ranges[2].lower, 8080);
    assert_int_equal(target->protocol_count, 1);
    assert_int_equal(target->protocols[0], 6);
    assert_true(scope->has_lifetime);
    assert_int_equal(scope->lifetime, 3600);
    /* "If 'trigger-mitigation' is not present in a request, this is equivalent to ... 'true'" */
    assert_false(scope->has_trigger);
    assert_true(scope->trigger);
    assert_int_equal(target->fqdns.count, 0);
    assert_null(scope->conflict);
    wire_free(message);
}

static void test_rfc9132_4_4_1_1_figure_8_encodes_byte_for_byte(void **state)
{
    struct wire_prefix prefixes[2];
    struct wire_port_range ports[] = {{80, 80}, {443, 443}, {8080, 8080}};
    uint8_t protocols[] = {6};
    struct wire_scope scope = {
        .target = {.prefixes = prefixes,
                   .prefix_count = 2,
                   .port_ranges = ports,
                   .port_range_count = 3,
                   .protocols = protocols,
                   .protocol_count = 1},
        .has_lifetime = true,
        .lifetime = 3600,
    };
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};

    (void)state;
    assert_int_equal(wire_prefix_parse("2001:db8:6401::1/128", false, &prefixes[0]), 0);
    assert_int_equal(wire_prefix_parse("2001:db8:6401::2/128", false, &prefixes[1]), 0);
    assert_encodes(&message, FIGURE_8);
    wire_free(&message); /* memory of the caller's stays */
    assert_int_equal(message.scope_count, 1);
}

static void test_every_type_round_trips(void **state)
{
    (void)state;
    assert_round_trip(FIGURE_8, WIRE_TO_SERVER);
    /* trigger-mitigation false, lifetime -1 */
    assert_round_trip("a1 01 a1 02 81 a3 0d 81 63 776562 0e 20 182d f4", WIRE_TO_SERVER);
    /* heartbeat */
    assert_round_trip("a1 1831 a1 1833 f5", WIRE_TO_SERVER);
    assert_round_trip("a1 1831 a1 1833 f4", WIRE_TO_CLIENT);
    /* redirect, without and with records */
    assert_round_trip("a1 182e a1 182f 65 612e622e63", WIRE_TO_CLIENT);
    assert_round_trip("a1 182e a2 182f 65 612e622e63 1830 81 67 312e322e332e34", WIRE_TO_CLIENT);
    /* idle-config: heartbeat-interval 0, ack-timeout 2.00 */
    assert_round_trip("a1 181e a1 182c a2 1821 a1 1824 00 1827 a1 182b c4 82 21 18c8", WIRE_TO_SERVER);
    /* status, all 64-bit values at their largest */
    assert_round_trip("a1 01 a1 02 81 a7 05 00 0f 1bffffffffffffffff 10 08 1819 1bffffffffffffffff"
                      " 181a 1bffffffffffffffff 181b 1bffffffffffffffff 181c 1bffffffffffffffff",
                      WIRE_TO_CLIENT);
    /* RFC 9133: acl-list with and without activation-type */
    assert_round_trip("a1 01 a1 02 81 a1 1835 82 a2 17 61 61 1834 03 a1 17 61 62", WIRE_TO_SERVER);
}

static void test_rfc9132_4_4_1_1_status_reports_lifetime_0(void **state)
{
    struct wire_message *message = decode("a1 01 a1 02 81 a2 05 07 0e 00", WIRE_TO_CLIENT);

    (void)state;
    assert_true(message->scopes[0].has_lifetime);
    assert_int_equal(message->scopes[0].lifetime, 0);
    assert_int_equal(message->scopes[0].mid, 7);
    wire_free(message);
}

static void test_lifetime_bounds(void **state)
{
    struct wire_message *message = decode("a1 01 a1 02 81 a1 0e 1affffffff", WIRE_TO_SERVER);

    (void)state;
    assert_int_equal(message->scopes[0].lifetime, 4294967295);
    wire_free(message);
    message = decode("a1 01 a1 02 81 a1 0e 20", WIRE_TO_SERVER);
    assert_int_equal(message->scopes[0].lifetime, WIRE_LIFETIME_INDEFINITE);
    wire_free(message);
}

static void test_rfc9132_10_5_tag_271_may_prefix_the_object(void **state)
{
    struct wire_message *message = decode("d9010f a1 1831 a1 1833 f5", WIRE_TO_SERVER);

    (void)state;
    assert_encodes(message, "a1 1831 a1 1833 f5");
    wire_free(message);
}

static void test_rfc8949_3_2_indefinite_lengths(void **state)
{
    /* all maps and arrays of figure 8 indefinite, the first prefix in three chunks, one of them empty */
    struct wire_message *message =
        decode("bf 01 bf 02 9f bf 06 9f 7f 6a 323030313A6462383A36 60 6a 3430313A3A312F313238 ff"
               " 74 323030313A6462383A363430313A3A322F313238 ff"
               " 07 9f bf 08 18 50 ff bf 08 19 01BB ff a1 08 19 1F90 ff 0A 9f 06 ff 0E 19 0E10 ff ff ff ff",
               WIRE_TO_SERVER);

    (void)state;
    assert_encodes(message, FIGURE_8);
    wire_free(message);
    /* the pair of a decimal fraction, too */
    message = decode("a1 181e a1 182c a1 1827 a1 182b c4 9f 21 18c8 ff", WIRE_TO_SERVER);
    assert_int_equal(message->config.idle[WIRE_ACK_TIMEOUT].current, 200);
    wire_free(message);
}

static void test_integers_need_not_be_shortest(void **state)
{
    struct wire_message *message =
        decode("a1 1b0000000000000001 a1 190002 81 a1 0e 1b0000000000000e10", WIRE_TO_SERVER);

    (void)state;
    assert_int_equal(message->scopes[0].lifetime, 3600);
    wire_free(message);
}

static void test_keys_may_come_in_any_order(void **state)
{
    struct wire_message *message = decode("a1 01 a1 02 81 a2 0e 19 0e10 0d 81 61 61", WIRE_TO_SERVER);

    (void)state;
    assert_encodes(message, "a1 01 a1 02 81 a2 0d 81 61 61 0e 19 0e10");
    wire_free(message);
}

static void test_rfc9132_6_unknown_optional_keys_are_ignored(void **state)
{
    /* the edges of table 8's optional ranges, in every map, with values of every form */
    static const char *const hex[] = {
        "a2 1880 00 01 a1 02 81 a1 0e 01",
        "a2 01 a1 02 81 a1 0e 01 18ff f6",
        "a1 01 a2 194000 63 616263 02 81 a1 0e 01",
        "a1 01 a1 02 81 a2 0e 01 19ffff 82 01 a1 61 61 81 20",
        /* indefinite array, map, text and bytes; floats; undefined; a tagged tagged value */
        "a1 01 a1 02 81 a2 1880 9f bf 01 7f6161 60ff ff 5f4100 40ff fb3ff0000000000000 f97e00 f7 c1d9d9f7 00 ff 0e 01",
        /* tags and simple values that nothing has a meaning for yet */
        "a1 01 a1 02 81 a2 1880 84 c6 d4 00 e0 f3 f8ff 0e 01",
        /* eight deep, and not text that is UTF-8 */
        "a1 01 a1 02 81 a2 1880 81 81 81 81 81 81 81 81 61 ff 0e 01",
        /* empty containers end what they lie in */
        "a1 01 a1 02 81 a2 1880 82 a0 80 0e 01",
        /* the same key in another map is another parameter */
        "a2 1880 a2 1880 00 1880 00 01 a1 02 81 a2 1880 00 0e 01",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
        struct wire_message *message = decode(hex[i], WIRE_TO_SERVER);

        assert_encodes(message, "a1 01 a1 02 81 a1 0e 01");
        wire_free(message);
    }
}

static void test_host_bits_are_cleared(void **state)
{
    /* "192.0.2.255/25" */
    struct wire_message *message = decode("a1 01 a1 02 81 a1 06 81 6e 3139322e302e322e3235352f3235", WIRE_TO_SERVER);
    char text[WIRE_PREFIX_TEXT];

    (void)state;
    assert_string_equal(wire_prefix_format(message->scopes[0].target.prefixes, text), "192.0.2.128/25");
    wire_free(message);
}

static void test_port_range_of_one_port(void **state)
{
    /* upper-port equal to lower-port says nothing and is not sent */
    struct wire_message *message = decode("a1 01 a1 02 81 a1 07 82 a2 08 01 09 01 a2 09 02 08 00", WIRE_TO_SERVER);

    (void)state;
    assert_int_equal(message->scopes[0].target.port_ranges[0].upper, 1);
    assert_int_equal(message->scopes[0].target.port_ranges[1].lower, 0);
    assert_int_equal(message->scopes[0].target.port_ranges[1].upper, 2);
    assert_encodes(message, "a1 01 a1 02 81 a1 07 82 a1 08 01 a2 08 00 09 02");
    wire_free(message);
}

static void test_empty_lists_and_maps_of_a_server_count_as_absent(void **state)
{
    struct wire_message *message = decode("a1 01 a1 02 80", WIRE_TO_CLIENT);

    (void)state;
    assert_int_equal(message->scope_count, 0);
    assert_encodes(message, "a1 01 a1 02 80");
    wire_free(message);
    message = decode("a1 01 a1 02 81 a3 05 01 06 80 11 a1 15 a2 06 80 0d 9f ff", WIRE_TO_CLIENT);
    assert_int_equal(message->scopes[0].target.prefix_count, 0);
    assert_non_null(message->scopes[0].conflict);
    assert_encodes(message, "a1 01 a1 02 81 a2 05 01 11 a0");
    wire_free(message);
    message = decode("a1 181e a1 1820 a1 1821 a0", WIRE_TO_CLIENT);
    assert_true(message->config.has_mitigating);
    assert_encodes(message, "a1 181e a1 1820 a0");
    wire_free(message);
}

/* A list that needs several blocks of memory, and the largest there may be. */
static void test_long_lists(void **state)
{
    static uint8_t bytes[WIRE_BODY_MAX], again[WIRE_BODY_MAX];
    static const uint8_t head[] = {0xa1, 0x01, 0xa1, 0x02, 0x81, 0xa1, 0x0d, 0x99, WIRE_LIST_MAX >> 8, 0x00};
    struct wire_message *message = NULL;
    size_t length = sizeof(head);
    struct wire_error error;

    (void)state;
    memcpy(bytes, head, sizeof(head));
    for (size_t i = 0; i < WIRE_LIST_MAX; i++) {
        bytes[length++] = 0x62;
        bytes[length++] = (uint8_t)('a' + i % 26);
        bytes[length++] = (uint8_t)('a' + i / 26 % 26);
    }
    for (int indefinite = 0; indefinite < 2; indefinite++) {
        assert_int_equal(wire_decode_cbor(bytes, length, WIRE_TO_SERVER, &message, &error), 0);
        assert_int_equal(message->scopes[0].target.aliases.count, WIRE_LIST_MAX);
        for (size_t i = 0; i < WIRE_LIST_MAX; i++) {
            assert_int_equal(message->scopes[0].target.aliases.at[i][0], 'a' + i % 26);
            assert_int_equal(message->scopes[0].target.aliases.at[i][1], 'a' + i / 26 % 26);
        }
        if (!indefinite) {
            assert_int_equal(wire_encode_cbor(message, again, sizeof(again)), length);
            assert_memory_equal(bytes, again, length);
        }
        wire_free(message);
        memmove(bytes + 8, bytes + 10, length - 10);
        length -= 2;
        bytes[7] = 0x9f;
        bytes[length++] = 0xff;
    }
}

static void test_what_cannot_be_encoded(void **state)
{
    struct wire_scope scope = {.has_mid = true, .mid = 1, .status = 9};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    struct wire_message redirect = {.type = WIRE_REDIRECT};
    struct wire_message nothing = {.type = 0};
    uint8_t buffer[64];

    (void)state;
    assert_int_equal(wire_encode_cbor(&message, buffer, sizeof(buffer)), 0);
    assert_null(wire_encode_json(&message));
    scope.status = WIRE_STATUS_STOPPED;
    assert_int_not_equal(wire_encode_cbor(&message, buffer, sizeof(buffer)), 0);
    assert_int_equal(wire_encode_cbor(&redirect, buffer, sizeof(buffer)), 0);
    assert_null(wire_encode_json(&redirect));
    assert_int_equal(wire_encode_cbor(&nothing, buffer, sizeof(buffer)), 0);
    assert_null(wire_encode_json(&nothing));
    wire_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_4_1_1_figure_8_decodes),
        cmocka_unit_test(test_rfc9132_4_4_1_1_figure_8_encodes_byte_for_byte),
        cmocka_unit_test(test_every_type_round_trips),
        cmocka_unit_test(test_rfc9132_4_4_1_1_status_reports_lifetime_0),
        cmocka_unit_test(test_lifetime_bounds),
        cmocka_unit_test(test_rfc9132_10_5_tag_271_may_prefix_the_object),
        cmocka_unit_test(test_rfc8949_3_2_indefinite_lengths),
        cmocka_unit_test(test_integers_need_not_be_shortest),
        cmocka_unit_test(test_keys_may_come_in_any_order),
        cmocka_unit_test(test_rfc9132_6_unknown_optional_keys_are_ignored),
        cmocka_unit_test(test_host_bits_are_cleared),
        cmocka_unit_test(test_port_range_of_one_port),
        cmocka_unit_test(test_empty_lists_and_maps_of_a_server_count_as_absent),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_what_cannot_be_encoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
