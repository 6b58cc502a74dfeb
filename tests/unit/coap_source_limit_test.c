/* The token bucket of each source, on a clock of its own. */
/* links: coap log */
#include "tests/unit/coap_fixture.h"

#include "gateway/coap/private.h"

static struct source_limit *limit;

static bool allows(const char *address, uint64_t now)
{
    struct sockaddr_storage source;
    fill_address(&source, address, 4646);
    return source_limit_allows(limit, (const struct sockaddr *)&source, now);
}

static int open_limit(void **state)
{
    (void)state;
    limit = source_limit_new(3);
    return limit != NULL ? 0 : -1;
}

static int close_limit(void **state)
{
    (void)state;
    source_limit_free(limit);
    return 0;
}

static void test_three_a_second(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(allows("192.0.2.1", 5000));
    assert_false(allows("192.0.2.1", 5000));
    assert_false(allows("192.0.2.1", 5300));
    assert_true(allows("192.0.2.1", 5334)); /* a third of a second later */
    assert_false(allows("192.0.2.1", 5400));
    for (int i = 0; i < 3; i++)
        assert_true(allows("192.0.2.1", 90000)); /* never more than a second's worth */
    assert_false(allows("192.0.2.1", 90000));
}

static void test_sources_do_not_share(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(allows("192.0.2.1", 1000));
    assert_false(allows("192.0.2.1", 1000));
    assert_true(allows("192.0.2.2", 1000));
    assert_true(allows("2001:db8::1", 1000));
}

static void test_one_ipv6_network_is_one_source(void **state)
{
    (void)state;
    assert_true(allows("2001:db8::1", 1000));
    assert_true(allows("2001:db8::2", 1000));
    assert_true(allows("2001:db8::3", 1000));
    assert_false(allows("2001:db8::ffff:4", 1000));
    assert_true(allows("2001:db8:0:1::1", 1000));
}

static void test_mapped_address_is_the_ipv4_one(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(allows("::ffff:192.0.2.1", 1000));
    assert_false(allows("192.0.2.1", 1000));
}

/* More sources than places: the table stays as it is, and whoever comes is let in. */
static void test_flood_of_sources(void **state)
{
    (void)state;
    char address[40];
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
        assert_true(allows(address, 1000 + i));
    }
}

#define with_limit(name) cmocka_unit_test_setup_teardown(name, open_limit, close_limit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_limit(test_three_a_second),
        with_limit(test_sources_do_not_share),
        with_limit(test_one_ipv6_network_is_one_source),
        with_limit(test_mapped_address_is_the_ipv4_one),
        with_limit(test_flood_of_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
