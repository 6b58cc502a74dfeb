/* canonical, listing: what a server shows is compared with what it was given. */
/* links: northbound_data */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "northbound/data/canonical.h"
#include "northbound/data/listing.h"

static char *text_of(const char *json)
{
    json_t *entry = json_loads(json, 0, NULL);
    char *text;

    assert_non_null(entry);
    text = canonical_text(entry);
    json_decref(entry);
    return text;
}

static void compare(const char *a, const char *b, bool equal)
{
    char *left = text_of(a), *right = text_of(b);

    assert_non_null(left);
    assert_non_null(right);
    if ((strcmp(left, right) == 0) != equal)
        fail_msg("%s\n%s\nbecome\n%s\n%s", a, b, left, right);
    free(left);
    free(right);
}

static void test_forms_of_one_value_are_equal(void **state)
{
    static const char *const pairs[][2] = {
        {"{\"name\":\"a\",\"target-prefix\":[\"2001:DB8:0:0::1/128\",\"192.0.2.7/24\"]}",
         "{\"target-prefix\":[\"192.0.2.0/24\",\"2001:db8::1/128\"],\"pending-lifetime\":99,\"name\":\"a\"}"},
        {"{\"target-port-range\":[{\"lower-port\":80},{\"lower-port\":443,\"upper-port\":500}]}",
         "{\"target-port-range\":[{\"upper-port\":500,\"lower-port\":443},{\"lower-port\":80}],\"target-fqdn\":[]}"},
        {"{\"target-fqdn\":[\"WWW.example.com\"]}", "{\"ietf-dots-data-channel:target-fqdn\":[\"www.example.com\"]}"},
        {"{\"type\":\"ipv4-acl-type\",\"aces\":{\"ace\":[]}}",
         "{\"type\":\"ietf-access-control-list:ipv4-acl-type\",\"activation-type\":\"activate-when-mitigating\"}"},
        {"{\"actions\":{\"forwarding\":\"accept\",\"rate-limit\":\"20.00\"},\"matches\":{}}",
         "{\"actions\":{\"forwarding\":\"ietf-access-control-list:accept\",\"rate-limit\":\"20\"},"
         "\"statistics\":{\"matched-packets\":\"7\"}}"},
        {"{\"matches\":{\"tcp\":{\"flags-bitmask\":{\"operator\":\"match\",\"bitmask\":4095}}}}",
         "{\"matches\":{\"tcp\":{\"flags-bitmask\":{\"bitmask\":4095}}}}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        compare(pairs[i][0], pairs[i][1], true);
}

static void test_values_that_differ_stay_different(void **state)
{
    static const char *const pairs[][2] = {
        {"{\"target-prefix\":[\"192.0.2.0/24\"]}", "{\"target-prefix\":[\"192.0.2.0/25\"]}"},
        {"{\"target-prefix\":[\"192.0.2.0/24\"]}", "{\"target-uri\":[\"192.0.2.0/24\"]}"},
        {"{\"activation-type\":\"immediate\"}", "{}"},
        {"{\"aces\":{\"ace\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
         "{\"aces\":{\"ace\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}"},
        {"{\"actions\":{\"rate-limit\":\"20.00\"}}", "{\"actions\":{\"rate-limit\":\"200\"}}"},
        {"{\"operator\":\"not\"}", "{\"operator\":\"match\"}"},
        {"{\"target-protocol\":[6]}", "{\"target-protocol\":[17]}"},
        {"{\"target-uri\":[\"https://a/B\"]}", "{\"target-uri\":[\"https://a/b\"]}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        compare(pairs[i][0], pairs[i][1], false);
}

static void test_depth_is_bounded(void **state)
{
    json_t *nested = json_integer(1);

    (void)state;
    for (int i = 0; i < 40; i++)
        nested = json_pack("{s:o}", "a", nested);
    assert_null(canonical_text(nested));
    json_decref(nested);
}

static void test_listing_of_figures_19_and_27(void **state)
{
    static const char body[] =
        "{\"ietf-dots-data-channel:dots-client\":[{\"cuid\":\"x\",\"aliases\":{\"alias\":["
        "{\"name\":\"Server1\",\"target-protocol\":[6],\"target-prefix\":[\"2001:db8:6401::2/128\","
        "\"2001:db8:6401::1/128\"],\"pending-lifetime\":3596},{\"target-protocol\":[6]},7]},"
        "\"acls\":{\"acl\":[{\"name\":\"z\"},{\"name\":\"a\",\"pending-lifetime\":9080}]}}]}";
    struct data_listing listing;
    char error[128];

    (void)state;
    assert_int_equal(data_listing_read(body, strlen(body), &listing, error, sizeof(error)), 0);
    assert_int_equal(listing.count, 3);
    assert_int_equal(listing.entries[0].kind, REPAIR_ALIAS);
    assert_string_equal(listing.entries[0].name, "Server1");
    assert_string_equal(
        listing.entries[0].content,
        "{\"target-prefix\":[\"2001:db8:6401::1/128\",\"2001:db8:6401::2/128\"],\"target-protocol\":[6]}");
    assert_int_equal(listing.entries[0].pending_minutes, 3596);
    assert_string_equal(listing.entries[1].name, "z"); /* in the order of the user */
    assert_int_equal(listing.entries[1].pending_minutes, 0);
    assert_string_equal(listing.entries[2].name, "a");
    data_listing_free(&listing);
}

static void test_what_is_no_listing_is_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"dots-client\":[]}",
        "{\"dots-client\":[{},{}]}",
        "{\"dots-client\":7}",
        "{\"a\":1,\"a\":1}",
        "{\"dots-client\":[{\"aliases\":{\"alias\":[{\"name\":\"a\",\"x\":[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]}]}}]}"};
    struct data_listing listing;
    char error[128];

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        error[0] = '\0';
        assert_int_equal(data_listing_read(bodies[i], strlen(bodies[i]), &listing, error, sizeof(error)), -1);
        assert_true(error[0]);
        data_listing_free(&listing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_one_value_are_equal),
        cmocka_unit_test(test_values_that_differ_stay_different),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_listing_of_figures_19_and_27),
        cmocka_unit_test(test_what_is_no_listing_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
