/* via: loops of gateways are found, names are appended (RFC 8783 section 3.4). */
/* links: aggregation */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aggregation/via.h"

static void test_rfc8783_3_4_must_check_that_none_of_its_own_information_is_in_via(void **state)
{
    (void)state;
    assert_true(via_has("1.1 gw1.example.com", "gw1.example.com"));
    assert_true(via_has("1.1 GW1.Example.COM", "gw1.example.com"));
    assert_true(via_has("HTTP/1.1 gw1.example.com:443", "gw1.example.com"));
    assert_true(via_has("1.0 fred, 2.0 gw1.example.com (dotsgw)", "gw1.example.com"));
    assert_true(via_has("1.0 fred (a, \\) (nested), 1.1 x),2.0\tgw1.example.com", "gw1.example.com"));
    assert_true(via_has("1.1 [2001:db8::1]:443", "[2001:db8::1]"));
    assert_true(via_has("1.1 192.0.2.1:8443", "192.0.2.1"));
}

static void test_others_are_not_taken_for_it(void **state)
{
    (void)state;
    assert_false(via_has(NULL, "gw1"));
    assert_false(via_has("", "gw1"));
    assert_false(via_has("1.1 gw10", "gw1"));
    assert_false(via_has("1.1 agw1", "gw1"));
    assert_false(via_has("1.1 gw1.example.com", "gw1"));
    assert_false(via_has("gw1 other", "gw1"));            /* a protocol */
    assert_false(via_has("1.1 other (1.1 gw1)", "gw1"));  /* a comment */
    assert_false(via_has("1.1 other gw1", "gw1"));        /* rubbish behind the received-by */
    assert_false(via_has("1.1 other (, 1.1 gw1", "gw1")); /* a comment without an end */
    assert_false(via_has("1.1 other (\\", "gw1"));
    assert_false(via_has(",,, ,", "gw1"));
    assert_false(via_has("1.1 :443", ""));
}

static void test_rfc8783_3_4_must_append_its_own_information(void **state)
{
    char buffer[64];

    (void)state;
    assert_int_equal(via_append(NULL, "1.1", "gw1", buffer, sizeof(buffer)), 0);
    assert_string_equal(buffer, "1.1 gw1");
    assert_int_equal(via_append("", "2.0", "gw1", buffer, sizeof(buffer)), 0);
    assert_string_equal(buffer, "2.0 gw1");
    assert_int_equal(via_append("1.0 fred, 1.1 p.example.net", "1.1", "gw1", buffer, sizeof(buffer)), 0);
    assert_string_equal(buffer, "1.0 fred, 1.1 p.example.net, 1.1 gw1");
}

static void test_what_does_not_fit_is_refused(void **state)
{
    char buffer[16];

    (void)state;
    assert_int_equal(via_append("1.1 fred", "1.1", "gw", buffer, sizeof(buffer)), -1);
    assert_int_equal(via_append("1.1 fred", "1.1", "g", buffer, sizeof(buffer)), 0);
    assert_int_equal(via_append(NULL, "1.1", "eleven-char", buffer, sizeof(buffer)), 0);
    assert_int_equal(via_append(NULL, "1.1", "twelve-chars", buffer, sizeof(buffer)), -1);
    assert_int_equal(via_append("1.1 fred", "1.1", "gw1", buffer, 4), -1);
}

/* A name with a comma would make two elements of one. */
static void test_a_name_that_is_no_token_is_found_as_it_was_written(void **state)
{
    static const char *const names[] = {"a,b", "gw(1)", "1.1\"x\"", "gw@edge"};
    char buffer[64];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(via_append("1.1 other", "1.1", names[i], buffer, sizeof(buffer)), 0);
        assert_true(via_has(buffer, names[i]));
        assert_null(strpbrk(buffer + sizeof("1.1 other,"), ",()\"@"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8783_3_4_must_check_that_none_of_its_own_information_is_in_via),
        cmocka_unit_test(test_others_are_not_taken_for_it),
        cmocka_unit_test(test_rfc8783_3_4_must_append_its_own_information),
        cmocka_unit_test(test_what_does_not_fit_is_refused),
        cmocka_unit_test(test_a_name_that_is_no_token_is_found_as_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
