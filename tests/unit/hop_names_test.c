/* The names in a 5.08 that reaches a client: each once, and room for our own in front (RFC 8768 section 4). */
/* links: aggregation */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/relay_state.h"

static void check(const char *names, const char *expected)
{
    char out[64];

    hop_names(names, "gw.example", out, sizeof(out));
    assert_string_equal(out, expected);
}

static void test_rfc8768_4_our_own_name_is_left_out(void **state)
{
    (void)state;
    check("", "");
    check("gw.example", "");
    check("two.example gw.example", "two.example");
    check("gw.example two.example gw.example three.example", "two.example three.example");
}

static void test_names_that_only_begin_or_end_like_ours_stay(void **state)
{
    (void)state;
    check("gw.example.com www.gw.example GW", "gw.example.com www.gw.example GW");
}

static void test_spaces_are_one_and_what_has_no_room_is_left_out(void **state)
{
    char out[12];

    (void)state;
    check("  a   b  ", "a b");
    hop_names("aaaa bbbbbbbbbbbb cc", "gw", out, sizeof(out));
    assert_string_equal(out, "aaaa cc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8768_4_our_own_name_is_left_out),
        cmocka_unit_test(test_names_that_only_begin_or_end_like_ours_stay),
        cmocka_unit_test(test_spaces_are_one_and_what_has_no_room_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
