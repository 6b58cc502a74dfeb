/* Token buckets of clients and sources, and which refusals reach the log (RFC 9132 section 11). */
/* links: southbound_signal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "southbound/signal/limits.h"
#include "southbound/signal/refusal.h"

#define START 1700000000000

static unsigned taken(struct south_bucket *bucket, uint32_t rate, int64_t now)
{
    unsigned count = 0;

    while (count < 100000 && south_bucket_take(bucket, rate, now))
        count++;
    return count;
}

static void test_rfc9132_11_a_bucket_holds_two_seconds(void **state)
{
    struct south_bucket bucket = {0};

    (void)state;
    assert_int_equal(taken(&bucket, 20, START), 40);
    assert_int_equal(taken(&bucket, 20, START), 0);
    assert_int_equal(taken(&bucket, 20, START + 49), 0);
    assert_int_equal(taken(&bucket, 20, START + 50), 1);
    assert_int_equal(taken(&bucket, 20, START + 1050), 20);
    assert_int_equal(taken(&bucket, 20, START + 1000000), 40);
}

static void test_fractions_of_a_token_are_not_lost(void **state)
{
    struct south_bucket bucket = {0};
    unsigned count = 0;

    (void)state;
    taken(&bucket, 3, START);
    for (int64_t now = START + 1; now <= START + 10000; now++)
        count += south_bucket_take(&bucket, 3, now);
    assert_int_equal(count, 30);
}

static void test_a_clock_that_steps_back_gives_nothing(void **state)
{
    struct south_bucket bucket = {0};

    (void)state;
    taken(&bucket, 20, START);
    assert_false(south_bucket_take(&bucket, 20, START - 5000));
}

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out;

    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        out.ss_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        out.ss_family = AF_INET6;
    }
    return out;
}

static unsigned source_taken(struct south_sources *sources, const char *text, uint32_t rate, int64_t now)
{
    struct sockaddr_storage peer = address(text);
    unsigned count = 0;

    while (count < 100000 && south_sources_take(sources, (struct sockaddr *)&peer, rate, now))
        count++;
    return count;
}

static void test_sources_are_counted_apart_and_ipv6_by_64(void **state)
{
    struct south_sources *sources = south_sources_new(1024, 42);

    (void)state;
    assert_non_null(sources);
    assert_int_equal(source_taken(sources, "192.0.2.1", 10, START), 20);
    assert_int_equal(source_taken(sources, "192.0.2.2", 10, START), 20);
    assert_int_equal(source_taken(sources, "192.0.2.1", 10, START), 0);
    assert_int_equal(source_taken(sources, "::ffff:192.0.2.1", 10, START), 0);
    assert_int_equal(source_taken(sources, "2001:db8::1", 10, START), 20);
    assert_int_equal(source_taken(sources, "2001:db8::2", 10, START), 0);
    assert_int_equal(source_taken(sources, "2001:db8:0:1::1", 10, START), 20);
    south_sources_free(sources);
}

static void test_more_sources_than_the_table_holds_forget_the_oldest(void **state)
{
    struct south_sources *sources = south_sources_new(64, 7);
    struct sockaddr_in peer = {.sin_family = AF_INET};

    (void)state;
    assert_non_null(sources);
    for (uint32_t i = 0; i < 100000; i++) {
        peer.sin_addr.s_addr = htonl(0x0a000000 + i);
        assert_true(south_sources_take(sources, (struct sockaddr *)&peer, 1, START + i));
    }
    /* The one that asks all the time is not forgotten for those that ask once. */
    assert_int_equal(source_taken(sources, "192.0.2.1", 10, START + 200000), 20);
    peer.sin_addr.s_addr = htonl(0x0b000000);
    assert_true(south_sources_take(sources, (struct sockaddr *)&peer, 1, START + 200001));
    assert_int_equal(source_taken(sources, "192.0.2.1", 10, START + 200002), 0);
    south_sources_free(sources);
}

static void test_a_refusal_is_one_line_in_ten_seconds(void **state)
{
    struct south_refusals *refusals = calloc(1, sizeof(*refusals));
    uint32_t left_out = 99;
    int client, other;

    (void)state;
    assert_non_null(refusals);
    assert_true(south_refusal_note(refusals, &client, 128, START, &left_out));
    assert_int_equal(left_out, 0);
    for (int i = 0; i < 50; i++)
        assert_false(south_refusal_note(refusals, &client, 128, START + i, &left_out));
    assert_true(south_refusal_note(refusals, &client, 131, START + 50, &left_out));
    assert_true(south_refusal_note(refusals, &client, 128, START + 10000, &left_out));
    assert_int_equal(left_out, 50);
    assert_true(south_refusal_note(refusals, &other, 128, START + 60000, &left_out));
    assert_int_equal(left_out, 0);
    free(refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_11_a_bucket_holds_two_seconds),
        cmocka_unit_test(test_fractions_of_a_token_are_not_lost),
        cmocka_unit_test(test_a_clock_that_steps_back_gives_nothing),
        cmocka_unit_test(test_sources_are_counted_apart_and_ipv6_by_64),
        cmocka_unit_test(test_more_sources_than_the_table_holds_forget_the_oldest),
        cmocka_unit_test(test_a_refusal_is_one_line_in_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
