/* The parameter table against RFC 9132 table 5 and RFC 9133 table 1, written down again from there.
 * links: wire */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wire/params.h"

#define CHANNEL "ietf-dots-signal-channel:"

/* YANG type of the parameter, of the entries for a list; JSON type likewise; a list? */
static const struct {
    uint16_t key;
    const char *name, *yang, *cbor, *json;
    bool list;
} table[] = {
    {1, CHANNEL "mitigation-scope", "container", "5 map", "Object", false},
    {2, "scope", "container", "5 map", "Object", true},
    {3, "cdid", "string", "3 text string", "String", false},
    {4, "cuid", "string", "3 text string", "String", false},
    {5, "mid", "uint32", "0 unsigned", "Number", false},
    {6, "target-prefix", "inet:ip-prefix", "3 text string", "String", true},
    {7, "target-port-range", "container", "5 map", "Object", true},
    {8, "lower-port", "uint16", "0 unsigned", "Number", false},
    {9, "upper-port", "uint16", "0 unsigned", "Number", false},
    {10, "target-protocol", "uint8", "0 unsigned", "Number", true},
    {11, "target-fqdn", "inet:domain-name", "3 text string", "String", true},
    {12, "target-uri", "inet:uri", "3 text string", "String", true},
    {13, "alias-name", "string", "3 text string", "String", true},
    {14, "lifetime", "union", "0 unsigned, 1 negative", "Number", false},
    {15, "mitigation-start", "uint64", "0 unsigned", "String", false},
    {16, "status", "enumeration", "0 unsigned", "String", false},
    {17, "conflict-information", "container", "5 map", "Object", false},
    {18, "conflict-status", "enumeration", "0 unsigned", "String", false},
    {19, "conflict-cause", "enumeration", "0 unsigned", "String", false},
    {20, "retry-timer", "uint32", "0 unsigned", "String", false},
    {21, "conflict-scope", "container", "5 map", "Object", false},
    {22, "acl-list", "container", "5 map", "Object", true},
    {23, "acl-name", "string", "3 text string", "String", false},
    {24, "acl-type", "string", "3 text string", "String", false},
    {25, "bytes-dropped", "uint64", "0 unsigned", "String", false},
    {26, "bps-dropped", "uint64", "0 unsigned", "String", false},
    {27, "pkts-dropped", "uint64", "0 unsigned", "String", false},
    {28, "pps-dropped", "uint64", "0 unsigned", "String", false},
    {29, "attack-status", "enumeration", "0 unsigned", "String", false},
    {30, CHANNEL "signal-config", "container", "5 map", "Object", false},
    {31, "sid", "uint32", "0 unsigned", "Number", false},
    {32, "mitigating-config", "container", "5 map", "Object", false},
    {33, "heartbeat-interval", "container", "5 map", "Object", false},
    {34, "max-value", "uint16", "0 unsigned", "Number", false},
    {35, "min-value", "uint16", "0 unsigned", "Number", false},
    {36, "current-value", "uint16", "0 unsigned", "Number", false},
    {37, "missing-hb-allowed", "container", "5 map", "Object", false},
    {38, "max-retransmit", "container", "5 map", "Object", false},
    {39, "ack-timeout", "container", "5 map", "Object", false},
    {40, "ack-random-factor", "container", "5 map", "Object", false},
    {41, "max-value-decimal", "decimal64", "6 tag 4 [-2, integer]", "String", false},
    {42, "min-value-decimal", "decimal64", "6 tag 4 [-2, integer]", "String", false},
    {43, "current-value-decimal", "decimal64", "6 tag 4 [-2, integer]", "String", false},
    {44, "idle-config", "container", "5 map", "Object", false},
    {45, "trigger-mitigation", "boolean", "7 bits 20, 7 bits 21", "False, True", false},
    {46, CHANNEL "redirected-signal", "container", "5 map", "Object", false},
    {47, "alt-server", "inet:domain-name", "3 text string", "String", false},
    {48, "alt-server-record", "inet:ip-address", "3 text string", "String", true},
    {49, CHANNEL "heartbeat", "container", "5 map", "Object", false},
    {50, "probing-rate", "container", "5 map", "Object", false},
    {51, "peer-hb-status", "boolean", "7 bits 20, 7 bits 21", "False, True", false},
    {52, "activation-type", "enumeration", "0 unsigned", "String", false},
    {53, "ietf-dots-signal-control:acl-list", "container", "5 map", "Object", true},
};
#define TABLE (sizeof(table) / sizeof(table[0]))

static void test_rfc9132_6_table_5(void **state)
{
    struct wire_parameter parameter;

    (void)state;
    assert_int_equal(wire_parameter_count(), TABLE);
    for (size_t i = 0; i < TABLE; i++) {
        assert_true(wire_parameter_at(i, &parameter));
        assert_int_equal(parameter.key, table[i].key);
        assert_string_equal(parameter.name, table[i].name);
        assert_string_equal(parameter.yang_type, table[i].yang);
        assert_string_equal(parameter.cbor_type, table[i].cbor);
        assert_string_equal(parameter.json_type, table[i].json);
        assert_int_equal(parameter.list, table[i].list);
        /* "The initial set of CBOR key values ... are of type comprehension-required"; RFC 9133 section 3.2.1 */
        assert_true(parameter.comprehension_required);
        assert_int_equal(!parameter.to_server && !parameter.to_client,
                         parameter.key == 3 || parameter.key == 4 || parameter.key == 31);
    }
    assert_false(wire_parameter_at(TABLE, &parameter));
}

static void test_lookup(void **state)
{
    (void)state;
    for (size_t i = 0; i < TABLE; i++) {
        assert_ptr_equal(wire_row_by_key(table[i].key), &wire_rows[i]);
        assert_ptr_equal(wire_row_by_name(table[i].name), &wire_rows[i]);
    }
    assert_null(wire_row_by_key(0));
    assert_null(wire_row_by_key(54));
    assert_null(wire_row_by_key(UINT64_MAX));
    assert_null(wire_row_by_name("mitigation-scope"));
    assert_null(wire_row_by_name(""));
}

static void test_rfc9132_10_6_1_1_table_8(void **state)
{
    (void)state;
    for (uint64_t key = 1; key <= 65535; key++)
        assert_int_equal(wire_key_required(key), key <= 127 || (key >= 256 && key <= 16383));
}

/* Each map is opened from somewhere, each slot lies in it, and keys ascend. */
static void test_places_are_whole(void **state)
{
    bool opened[WIRE_PLACES] = {[WIRE_IN_BODY] = true};
    size_t slots = 0, members = 0;

    (void)state;
    for (size_t i = 0; i < wire_row_count; i++) {
        assert_true(i == 0 || wire_rows[i].key > wire_rows[i - 1].key);
        assert_int_equal(wire_rows[i].names != NULL, wire_rows[i].kind == WIRE_KIND_ENUM);
        for (size_t s = 0; s < 2; s++) {
            const struct wire_slot *slot = &wire_rows[i].slot[s];

            if (slot->place == WIRE_NOWHERE)
                continue;
            slots++;
            assert_int_equal(wire_rows[i].kind == WIRE_KIND_MAP, slot->inner != WIRE_NOWHERE);
            assert_ptr_equal(wire_slot_in(&wire_rows[i], slot->place), slot);
            opened[slot->inner] = true;
        }
    }
    for (int place = WIRE_IN_BODY; place < WIRE_PLACES; place++) {
        assert_true(opened[place]);
        assert_true(wire_members_of((enum wire_place)place)->count > 0);
        members += wire_members_of((enum wire_place)place)->count;
    }
    assert_int_equal(members, slots);
}

static void test_config_parameter_names(void **state)
{
    (void)state;
    assert_string_equal(wire_config_parameter_name(WIRE_HEARTBEAT_INTERVAL), "heartbeat-interval");
    assert_string_equal(wire_config_parameter_name(WIRE_MISSING_HB_ALLOWED), "missing-hb-allowed");
    assert_string_equal(wire_config_parameter_name(WIRE_PROBING_RATE), "probing-rate");
    assert_string_equal(wire_config_parameter_name(WIRE_MAX_RETRANSMIT), "max-retransmit");
    assert_string_equal(wire_config_parameter_name(WIRE_ACK_TIMEOUT), "ack-timeout");
    assert_string_equal(wire_config_parameter_name(WIRE_ACK_RANDOM_FACTOR), "ack-random-factor");
    assert_string_equal(wire_config_parameter_name(WIRE_CONFIG_PARAMETERS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_6_table_5),        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_rfc9132_10_6_1_1_table_8), cmocka_unit_test(test_places_are_whole),
        cmocka_unit_test(test_config_parameter_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
