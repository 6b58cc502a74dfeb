/* Bodies that are refused: each names the parameter, for the diagnostic payload of 4.00.
 * links: wire */
#include "tests/unit/wire_refusal.h"

static void test_rfc9132_4_4_1_1_cuid_and_mid_must_not_be_in_the_body(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, SCOPE("a1 04 61 61"), "cuid", "must not be in a message body");
    refuse(WIRE_TO_SERVER, SCOPE("a1 05 01"), "mid", "only sent by a server");
    refuse(WIRE_TO_SERVER, "a1 04 61 61", "cuid", "must not");
}

static void test_rfc9132_4_4_1_1_cdid_must_not_be_in_the_body(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, SCOPE("a1 03 61 61"), "cdid", "must not be in a message body");
}

static void test_rfc9132_4_4_1_3_cuid_and_cdid_are_forbidden_in_responses(void **state)
{
    (void)state;
    refuse(WIRE_TO_CLIENT, SCOPE("a1 03 61 61"), "cdid", "must not be in a message body");
    refuse(WIRE_TO_CLIENT, SCOPE("a1 04 61 61"), "cuid", "must not be in a message body");
}

static void test_rfc9132_4_5_2_sid_is_no_parameter_of_a_body(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "a1 181e a1 181f 01", "sid", "must not be in a message body");
}

static void test_rfc9132_4_4_1_1_scope_must_not_have_multiple_entries(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "a1 01 a1 02 82 a1 0e 01 a1 0e 01", "scope", "2 entries");
    refuse(WIRE_TO_SERVER, "a1 01 a1 02 9f a1 0e 01 a1 0e 01 ff", "scope", "more than 1");
    refuse(WIRE_TO_SERVER, "a1 01 a1 02 80", "scope", "empty");
    refuse(WIRE_TO_SERVER, "a1 01 a0", "scope", "missing");
    refuse(WIRE_TO_CLIENT, "a1 01 a0", "scope", "missing");
}

static void test_rfc9132_4_4_1_1_lifetime_0_is_invalid(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, SCOPE("a1 0e 00"), "lifetime", "must not be 0");
}

static void test_rfc9132_4_4_1_1_lifetime_is_uint32_or_minus_one(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, SCOPE("a1 0e 21"), "lifetime", "or -1");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0e 39 0100"), "lifetime", "or -1");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0e 3a 00010000"), "lifetime", "or -1");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0e 1b0000000100000000"), "lifetime", "2^32");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0e 3bffffffffffffffff"), "lifetime", "or -1");
    refuse(WIRE_TO_CLIENT, SCOPE("a1 0e 21"), "lifetime", "or -1");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0e f93c00"), "lifetime", "integer");
}

static void test_rfc9132_4_4_1_1_empty_values_must_not_be_present(void **state)
{
    static const struct {
        const char *hex, *parameter;
    } cases[] = {
        {SCOPE("a2 0e 01 06 80"), "target-prefix"},
        {SCOPE("a2 0e 01 06 9f ff"), "target-prefix"},
        {SCOPE("a2 0e 01 07 80"), "target-port-range"},
        {SCOPE("a2 0e 01 0a 80"), "target-protocol"},
        {SCOPE("a2 0e 01 0b 80"), "target-fqdn"},
        {SCOPE("a2 0e 01 0c 80"), "target-uri"},
        {SCOPE("a2 0e 01 0d 80"), "alias-name"},
        {SCOPE("a2 0e 01 1835 80"), "ietf-dots-signal-control:acl-list"},
        {SCOPE("a2 0e 01 06 81 60"), "target-prefix"},
        {SCOPE("a2 0e 01 0b 81 60"), "target-fqdn"},
        {SCOPE("a2 0e 01 0c 81 60"), "target-uri"},
        {SCOPE("a2 0e 01 0d 81 60"), "alias-name"},
        {SCOPE("a2 0e 01 0d 81 7f ff"), "alias-name"},
        {SCOPE("a2 0e 01 1835 81 a1 17 60"), "acl-name"},
        {SCOPE("a0"), "scope"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(WIRE_TO_SERVER, cases[i].hex, cases[i].parameter, "empty");
    /* a text is not empty in either direction */
    refuse(WIRE_TO_CLIENT, SCOPE("a1 0d 81 60"), "alias-name", "empty");
    refuse(WIRE_TO_CLIENT, "a1 182e a1 182f 60", "alt-server", "empty");
}

static void test_rfc9132_4_5_2_put_must_have_an_attribute(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "a1 181e a0", "ietf-dots-signal-channel:signal-config", "empty");
    refuse(WIRE_TO_SERVER, CONFIG("a0"), "mitigating-config", "empty");
    refuse(WIRE_TO_SERVER, CONFIG("a1 1827 a0"), "ack-timeout", "empty");
}

static void test_rfc9132_5_3_server_to_client_only(void **state)
{
    static const struct {
        const char *hex, *parameter;
    } cases[] = {
        {SCOPE("a1 0f 01"), "mitigation-start"},
        {SCOPE("a1 10 01"), "status"},
        {SCOPE("a1 11 a1 13 01"), "conflict-information"},
        {SCOPE("a1 1819 01"), "bytes-dropped"},
        {SCOPE("a1 181a 01"), "bps-dropped"},
        {SCOPE("a1 181b 01"), "pkts-dropped"},
        {SCOPE("a1 181c 01"), "pps-dropped"},
        {CONFIG("a1 1821 a1 1822 01"), "max-value"},
        {CONFIG("a1 1821 a1 1823 01"), "min-value"},
        {CONFIG("a1 1827 a1 1829 c4 82 21 01"), "max-value-decimal"},
        {CONFIG("a1 1827 a1 182a c4 82 21 01"), "min-value-decimal"},
        {"a1 182e a1 182f 61 61", "ietf-dots-signal-channel:redirected-signal"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(WIRE_TO_SERVER, cases[i].hex, cases[i].parameter, "only sent by a server");
}

static void test_rfc9132_5_3_client_to_server_only(void **state)
{
    (void)state;
    refuse(WIRE_TO_CLIENT, SCOPE("a1 181d 01"), "attack-status", "only sent by a client");
}

static void test_rfc9132_4_6_alt_server_is_mandatory(void **state)
{
    (void)state;
    refuse(WIRE_TO_CLIENT, "a1 182e a1 1830 81 67 312e322e332e34", "alt-server", "missing");
    refuse(WIRE_TO_CLIENT, "a1 182e a2 182f 61 61 1830 81 61 61", "alt-server-record", "inet:ip-address");
}

static void test_rfc9132_4_7_peer_hb_status_is_mandatory(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "a1 1831 a0", "peer-hb-status", "missing");
    refuse(WIRE_TO_CLIENT, "a1 1831 a0", "peer-hb-status", "missing");
    refuse(WIRE_TO_SERVER, "a1 1831 a1 1833 01", "peer-hb-status", "true or false");
}

static void test_rfc9133_3_2_1_acl_name_is_mandatory(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, SCOPE("a1 1835 81 a1 1834 01"), "acl-name", "missing");
    refuse(WIRE_TO_SERVER, SCOPE("a1 1835 81 a2 17 61 61 1834 04"), "activation-type", "range");
    refuse(WIRE_TO_SERVER, SCOPE("a1 1835 81 a2 17 61 61 18 18 61 61"), "acl-type", "not allowed in");
}

static void test_rfc9132_4_4_2_mitigation_start_must_omit_tag_1(void **state)
{
    (void)state;
    refuse(WIRE_TO_CLIENT, SCOPE("a1 0f c1 1a59df4fc2"), "mitigation-start", "integer");
}

static void test_rfc9132_6_parameters_must_be_of_the_types_of_table_5(void **state)
{
    static const struct {
        const char *hex, *parameter, *text;
    } cases[] = {
        {"80", "body", "must be a map"},
        {"01", "body", "must be a map"},
        {"a1 01 80", "ietf-dots-signal-channel:mitigation-scope", "must be a map"},
        {"a1 01 a1 02 a0", "scope", "must be an array"},
        {"a1 01 a1 02 81 01", "scope", "must be a map"},
        {SCOPE("a1 05 61 31"), "mid", "integer"},
        {SCOPE("a1 06 61 61"), "target-prefix", "must be an array"},
        {SCOPE("a1 06 81 01"), "target-prefix", "text string"},
        {SCOPE("a1 06 81 4a 3139322e302e322e302f"), "target-prefix", "text string"},
        {SCOPE("a1 06 81 5f 41 61 ff"), "target-prefix", "text string"},
        {SCOPE("a1 07 81 80"), "target-port-range", "must be a map"},
        {SCOPE("a1 07 81 a1 08 20"), "lower-port", "range"},
        {SCOPE("a1 0a 81 61 36"), "target-protocol", "integer"},
        {SCOPE("a1 0d 81 f6"), "alias-name", "text string"},
        {SCOPE("a1 10 6e 61747461636b2d73746f70706564"), "status", "integer"},
        {SCOPE("a1 11 80"), "conflict-information", "must be a map"},
        {SCOPE("a1 182d 00"), "trigger-mitigation", "true or false"},
        {SCOPE("a1 1819 c2 49 010000000000000000"), "bytes-dropped", "integer"},
        {CONFIG("a1 1821 a1 1824 f93c00"), "current-value", "integer"},
        {CONFIG("a1 1827 a1 182b 02"), "current-value-decimal", "tag 4"},
        {CONFIG("a1 1827 a1 182b 64 322e3030"), "current-value-decimal", "tag 4"},
        {CONFIG("a1 1827 a1 182b c5 82 21 01"), "current-value-decimal", "tag 4"},
        {CONFIG("a1 1827 a1 182b c4 82 20 01"), "current-value-decimal", "tag 4"},
        {CONFIG("a1 1827 a1 182b c4 82 00 01"), "current-value-decimal", "tag 4"},
        {CONFIG("a1 1827 a1 182b c4 01"), "current-value-decimal", "tag 4"},
        {CONFIG("a1 1827 a1 182b c4 83 21 01 01"), "current-value-decimal", "tag 4"},
        {CONFIG("a1 1827 a1 182b c4 9f 21 01 01 ff"), "current-value-decimal", "tag 4"},
        {CONFIG("a1 1827 a1 182b c4 82 21 c2 41 01"), "current-value-decimal", "integer"},
        {CONFIG("a1 1827 a1 182b c4 82 21 20"), "current-value-decimal", "range"},
        {CONFIG("a1 1827 a1 182b c4 82 21 1b0000000100000000"), "current-value-decimal", "range"},
        {CONFIG("a1 1827 a1 1824 01"), "current-value", "not allowed in ack-timeout"},
        {CONFIG("a1 1821 a1 182b c4 82 21 01"), "current-value-decimal", "not allowed in heartbeat-interval"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(WIRE_TO_CLIENT, cases[i].hex, cases[i].parameter, cases[i].text);
}

static void test_values_out_of_range(void **state)
{
    static const struct {
        const char *hex, *parameter;
    } cases[] = {
        {SCOPE("a1 05 1b0000000100000000"), "mid"},
        {SCOPE("a1 05 20"), "mid"},
        {SCOPE("a1 07 81 a1 08 1a00010000"), "lower-port"},
        {SCOPE("a1 07 81 a2 08 01 09 1a00010000"), "upper-port"},
        {SCOPE("a1 0a 81 19 0100"), "target-protocol"},
        {SCOPE("a1 0f 20"), "mitigation-start"},
        {SCOPE("a1 10 00"), "status"},
        {SCOPE("a1 10 09"), "status"},
        {CONFLICT("a1 12 04"), "conflict-status"},
        {CONFLICT("a1 13 04"), "conflict-cause"},
        {CONFLICT("a1 14 1b0000000100000000"), "retry-timer"},
        {CONFLICT("a1 15 a1 05 20"), "mid"},
        {CONFIG("a1 1821 a1 1822 1a00010000"), "max-value"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refuse(WIRE_TO_CLIENT, cases[i].hex, cases[i].parameter, "range");
    refuse(WIRE_TO_SERVER, SCOPE("a1 181d 03"), "attack-status", "range");
}

static void test_malformed_targets(void **state)
{
    (void)state;
    /* "192.0.2.0/33", "192.0.2.0", "host:" */
    refuse(WIRE_TO_SERVER, SCOPE("a1 06 81 6c 3139322e302e322e302f3333"), "target-prefix", "\"192.0.2.0/33\" is not");
    refuse(WIRE_TO_SERVER, SCOPE("a1 06 81 69 3139322e302e322e30"), "target-prefix", "inet:ip-prefix");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0b 81 65 686f73743a"), "target-fqdn", "inet:domain-name");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0c 81 64 2f2f6162"), "target-uri", "inet:uri");
    refuse(WIRE_TO_SERVER, SCOPE("a1 07 81 a2 08 02 09 01"), "upper-port", "below lower-port");
    refuse(WIRE_TO_SERVER, SCOPE("a1 07 81 a1 09 01"), "lower-port", "missing");
    /* a NUL, a control character, an overlong and a split character, a surrogate */
    refuse(WIRE_TO_SERVER, SCOPE("a1 0d 81 63 610062"), "alias-name", "UTF-8");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0d 81 63 611b62"), "alias-name", "UTF-8");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0d 81 61 ff"), "alias-name", "UTF-8");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0d 81 62 c080"), "alias-name", "UTF-8");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0d 81 63 eda080"), "alias-name", "UTF-8");
    refuse(WIRE_TO_SERVER, SCOPE("a1 0d 81 7f 61 c3 61 a9 ff"), "alias-name", "UTF-8");
}

static void test_rfc9132_6_unknown_comprehension_required_keys_are_named(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, SCOPE("a1 1863 00"), "key 99", "key 99 is comprehension-required and not known");
    refuse(WIRE_TO_SERVER, "a1 1836 00", "key 54", "not known");
    refuse(WIRE_TO_SERVER, "a1 187f 00", "key 127", "not known");
    refuse(WIRE_TO_CLIENT, CONFLICT("a1 190100 00"), "key 256", "not known");
    refuse(WIRE_TO_SERVER, SCOPE("a1 07 81 a1 193fff 00"), "key 16383", "not known");
}

static void test_rfc9132_10_6_1_1_key_must_be_in_1_to_65535(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "a1 00 00", "key 0", "from 1 to 65535");
    refuse(WIRE_TO_SERVER, "a1 1a00010000 00", "key 65536", "from 1 to 65535");
    refuse(WIRE_TO_SERVER, "a1 1bffffffffffffffff 00", "key 18446744073709551615", "from 1 to 65535");
    refuse(WIRE_TO_SERVER, SCOPE("a1 20 00"), "key -1", "from 1 to 65535");
    refuse(WIRE_TO_SERVER, SCOPE("a1 3bffffffffffffffff 00"), "key", "from 1 to 65535");
    refuse(WIRE_TO_SERVER, SCOPE("a1 63 6d6964 00"), "key", "from 1 to 65535");
    refuse(WIRE_TO_SERVER, SCOPE("a1 41 01 00"), "key", "from 1 to 65535");
    refuse(WIRE_TO_SERVER, SCOPE("a1 80 00"), "key", "from 1 to 65535");
}

static void test_keys_out_of_place(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "a1 02 80", "scope", "not allowed in the body");
    refuse(WIRE_TO_SERVER, SCOPE("a1 08 01"), "lower-port", "not allowed in scope");
    refuse(WIRE_TO_SERVER, SCOPE("a1 16 80"), "acl-list", "not allowed in scope");
    refuse(WIRE_TO_CLIENT, CONFLICT("a1 0e 01"), "lifetime", "not allowed in conflict-information");
    refuse(WIRE_TO_CLIENT, CONFLICT("a1 15 a1 1835 80"), "ietf-dots-signal-control:acl-list",
           "not allowed in conflict-scope");
    refuse(WIRE_TO_SERVER, "a1 181e a1 1821 a0", "heartbeat-interval",
           "not allowed in ietf-dots-signal-channel:signal-config");
}

static void test_duplicate_keys(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, SCOPE("a2 0e 01 0e 01"), "lifetime", "more than once");
    refuse(WIRE_TO_SERVER, SCOPE("bf 0e 01 180e 01 ff"), "lifetime", "more than once");
    refuse(WIRE_TO_SERVER, "a2 1831 a1 1833 f5 1831 a1 1833 f5", "ietf-dots-signal-channel:heartbeat",
           "more than once");
    refuse(WIRE_TO_SERVER, SCOPE("a3 1880 01 0e 01 1880 01"), "key 128", "more than once");
}

static void test_rfc9132_5_3_message_type_is_a_choice(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "a2 1831 a1 1833 f5 01 a1 02 81 a1 0e 01", "ietf-dots-signal-channel:mitigation-scope",
           "one object");
    refuse(WIRE_TO_SERVER, "a0", "body", "no object");
    refuse(WIRE_TO_CLIENT, "a1 1880 00", "body", "no object");
}

static void test_more_unknown_parameters_than_are_kept(void **state)
{
    char hex[1024] = "bf";

    (void)state;
    for (unsigned key = 128; key < 161; key++)
        snprintf(hex + strlen(hex), sizeof(hex) - strlen(hex), "18%02x00", key);
    append_hex(hex, sizeof(hex), "1831 a1 1833 f5 ff", 1);
    refuse(WIRE_TO_SERVER, hex, "key 160", "more than 32");
}

static void test_rfc9132_10_5_tag_must_prefix_the_object(void **state)
{
    (void)state;
    refuse(WIRE_TO_SERVER, "d9010f d9010f a1 1831 a1 1833 f5", "body", "must be a map");
    refuse(WIRE_TO_SERVER, "d9d9f7 a1 1831 a1 1833 f5", "body", "must be a map");
    refuse(WIRE_TO_SERVER, "a1 1831 d9010f a1 1833 f5", "ietf-dots-signal-channel:heartbeat", "must be a map");
    refuse(WIRE_TO_SERVER, "a1 d9010f 1831 a1 1833 f5", "key", "integer");
    refuse(WIRE_TO_SERVER, "d9010f", "body", "too early");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_4_1_1_cuid_and_mid_must_not_be_in_the_body),
        cmocka_unit_test(test_rfc9132_4_4_1_1_cdid_must_not_be_in_the_body),
        cmocka_unit_test(test_rfc9132_4_4_1_3_cuid_and_cdid_are_forbidden_in_responses),
        cmocka_unit_test(test_rfc9132_4_5_2_sid_is_no_parameter_of_a_body),
        cmocka_unit_test(test_rfc9132_4_4_1_1_scope_must_not_have_multiple_entries),
        cmocka_unit_test(test_rfc9132_4_4_1_1_lifetime_0_is_invalid),
        cmocka_unit_test(test_rfc9132_4_4_1_1_lifetime_is_uint32_or_minus_one),
        cmocka_unit_test(test_rfc9132_4_4_1_1_empty_values_must_not_be_present),
        cmocka_unit_test(test_rfc9132_4_5_2_put_must_have_an_attribute),
        cmocka_unit_test(test_rfc9132_5_3_server_to_client_only),
        cmocka_unit_test(test_rfc9132_5_3_client_to_server_only),
        cmocka_unit_test(test_rfc9132_4_6_alt_server_is_mandatory),
        cmocka_unit_test(test_rfc9132_4_7_peer_hb_status_is_mandatory),
        cmocka_unit_test(test_rfc9133_3_2_1_acl_name_is_mandatory),
        cmocka_unit_test(test_rfc9132_4_4_2_mitigation_start_must_omit_tag_1),
        cmocka_unit_test(test_rfc9132_6_parameters_must_be_of_the_types_of_table_5),
        cmocka_unit_test(test_values_out_of_range),
        cmocka_unit_test(test_malformed_targets),
        cmocka_unit_test(test_rfc9132_6_unknown_comprehension_required_keys_are_named),
        cmocka_unit_test(test_rfc9132_10_6_1_1_key_must_be_in_1_to_65535),
        cmocka_unit_test(test_keys_out_of_place),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_rfc9132_5_3_message_type_is_a_choice),
        cmocka_unit_test(test_more_unknown_parameters_than_are_kept),
        cmocka_unit_test(test_rfc9132_10_5_tag_must_prefix_the_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
