/* Names off the loop: a bounded queue, a bounded cache (RFC 9132 section 4.4.1.1). */
/* links: southbound_signal */
#include "tests/unit/southbound_fake_system.h"

#include "southbound/signal/resolve.h"

static struct south_resolver *resolver;
static unsigned told;
static struct wire_prefix first;

static void done(void *arg, const struct south_addresses *addresses)
{
    (void)arg;
    told++;
    if (addresses->count)
        first = addresses->at[0];
}

static int setup(void **state)
{
    (void)state;
    told = 0;
    resolver = south_resolver_new(NULL);
    return resolver ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    south_resolver_free(resolver);
    while (fake_lookup_count)
        fake_resolved(fake_lookups[0].name, NULL);
    return 0;
}

static enum south_resolve resolve(const char *name, struct south_waiter *waiter)
{
    struct south_addresses addresses;

    *waiter = (struct south_waiter){.done = done};
    return south_resolve(resolver, name, waiter, &addresses);
}

static void test_one_lookup_for_many_waiters_then_the_cache(void **state)
{
    static struct south_waiter waiters[3];

    (void)state;
    assert_int_equal(resolve("www.example.com", &waiters[0]), SOUTH_RESOLVING);
    assert_int_equal(resolve("WWW.example.COM", &waiters[1]), SOUTH_RESOLVING);
    assert_int_equal(fake_lookup_count, 1);
    fake_resolved("www.example.com", "203.0.113.80");
    assert_int_equal(told, 2);
    assert_int_equal(first.family, 4);
    assert_int_equal(first.length, 32);
    assert_int_equal(first.addr[3], 80);
    assert_int_equal(resolve("www.example.com", &waiters[2]), SOUTH_RESOLVED);
    fake_ms += SOUTH_RESOLVE_KEEP_MS;
    assert_int_equal(resolve("www.example.com", &waiters[2]), SOUTH_RESOLVING);
}

static void test_ipv6_addresses(void **state)
{
    static struct south_waiter waiter;

    (void)state;
    assert_int_equal(resolve("six.example.com", &waiter), SOUTH_RESOLVING);
    fake_resolved("six.example.com", "2001:db8::7");
    assert_int_equal(first.family, 6);
    assert_int_equal(first.length, 128);
    assert_int_equal(first.addr[15], 7);
}

static void test_failures_are_kept_shortly(void **state)
{
    static struct south_waiter waiter;

    (void)state;
    assert_int_equal(resolve("gone.example.com", &waiter), SOUTH_RESOLVING);
    fake_resolved("gone.example.com", NULL);
    assert_int_equal(told, 1);
    assert_int_equal(resolve("gone.example.com", &waiter), SOUTH_UNRESOLVED);
    fake_ms += SOUTH_RESOLVE_KEEP_FAILURE_MS;
    assert_int_equal(resolve("gone.example.com", &waiter), SOUTH_RESOLVING);
}

static void test_who_cancels_is_not_told(void **state)
{
    static struct south_waiter waiter, other;

    (void)state;
    resolve("www.example.com", &waiter);
    resolve("www.example.com", &other);
    south_resolve_cancel(&waiter);
    south_resolve_cancel(&waiter);
    fake_resolved("www.example.com", "203.0.113.80");
    assert_int_equal(told, 1);
}

static void test_names_that_cannot_be_asked_for(void **state)
{
    static struct south_waiter waiter;
    char name[300];

    (void)state;
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(resolve(name, &waiter), SOUTH_UNRESOLVED);
    assert_int_equal(resolve("", &waiter), SOUTH_UNRESOLVED);
}

static void test_few_run_more_wait_and_the_rest_is_not_known(void **state)
{
    static struct south_waiter waiters[200];
    size_t waiting = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        char name[64];

        snprintf(name, sizeof(name), "h%d.example.com", i);
        waiting += resolve(name, &waiters[i]) == SOUTH_RESOLVING;
        assert_true(fake_lookup_count <= SOUTH_RESOLVE_RUNNING);
    }
    assert_int_equal(waiting, SOUTH_RESOLVE_IN_FLIGHT);
    while (fake_lookup_count)
        fake_resolved(fake_lookups[0].name, "203.0.113.80");
    assert_int_equal(told, SOUTH_RESOLVE_IN_FLIGHT);
}

static void test_the_cache_is_bounded_and_the_oldest_goes(void **state)
{
    static struct south_waiter waiter;

    (void)state;
    for (int i = 0; i < SOUTH_RESOLVE_CACHE + 10; i++) {
        char name[64];

        snprintf(name, sizeof(name), "h%d.example.com", i);
        assert_int_equal(resolve(name, &waiter), SOUTH_RESOLVING);
        fake_resolved(name, "203.0.113.80");
    }
    assert_int_equal(resolve("h20.example.com", &waiter), SOUTH_RESOLVED);
    assert_int_equal(resolve("h3.example.com", &waiter), SOUTH_RESOLVING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_one_lookup_for_many_waiters_then_the_cache),
        TEST(test_ipv6_addresses),
        TEST(test_failures_are_kept_shortly),
        TEST(test_who_cancels_is_not_told),
        TEST(test_names_that_cannot_be_asked_for),
        TEST(test_few_run_more_wait_and_the_rest_is_not_known),
        TEST(test_the_cache_is_bounded_and_the_oldest_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
