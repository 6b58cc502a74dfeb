/* Every allocation fails once, in every kind of request: nothing crashes, nothing leaks, nobody is answered twice. */
/* links: southbound_signal */
/* wraps: malloc calloc realloc tsearch */
#include "tests/unit/failing_allocation.h"
#include "tests/unit/southbound_asking.h"

static void outside(bool is_outside)
{
    static bool armed;

    if (is_outside) {
        armed = allocation.armed;
        allocation.armed = false;
    } else {
        allocation.armed = armed;
    }
}

static void story(void)
{
    struct dots_session *session = fake_up("a.example", "192.0.2.1", DOTS_UDP);
    struct dots_session *gateway;

    ask_with(session, DOTS_GET, "/config", (struct asking){.observe = 1});
    ask(session, DOTS_PUT, "/config/sid=1",
        CONFIG_JSON("\"idle-config\":{\"heartbeat-interval\":{\"current-value\":60}}"));
    ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=1", PREFIX_JSON("203.0.113.1/32"));
    ask_with(session, DOTS_GET, "/mitigate/cuid=a", (struct asking){.observe = 1});
    ask_with(session, DOTS_GET, "/mitigate/cuid=a/mid=1", (struct asking){.observe = 1});
    ask(session, DOTS_PUT, "/mitigate/cuid=a/mid=2",
        SCOPE_JSON("\"target-fqdn\":[\"www.example.com\"],\"lifetime\":60"));
    if (fake_lookup_count)
        fake_resolved("www.example.com", "203.0.113.80");
    if (world.job)
        report(WIRE_STATUS_MITIGATED, 100);
    ask(session, DOTS_PUT, "/hb", HEARTBEAT_JSON("true"));
    gateway = fake_up("gw.example", "192.0.2.9", DOTS_TCP);
    ask(gateway, DOTS_PUT, "/mitigate/cdid=d/cuid=g/mid=1", PREFIX_JSON("203.9.9.9/32"));
    world_advance(40000);
    ask(session, DOTS_DELETE, "/mitigate/cuid=a/mid=1", NULL);
    ask(session, DOTS_DELETE, "/config", NULL);
    world_advance(20000);
}

static void test_every_allocation_fails_once(void **state)
{
    size_t n = 0;
    bool failed;

    (void)state;
    fake_outside = outside;
    do {
        world_setup(NULL);
        allocation_fail_after(n++);
        story();
        failed = allocation_has_failed();
        for (struct dots_exchange *exchange = fake_exchanges; exchange; exchange = exchange->next)
            assert_true(exchange->answers + exchange->dropped <= 1);
        /* It serves again. */
        expect(ask(fake_up("b.example", "192.0.2.2", DOTS_TCP), DOTS_PUT, "/mitigate/cuid=b/mid=1",
                   PREFIX_JSON("198.51.100.1/32")),
               201, NULL);
        world_teardown(NULL);
    } while (failed);
    assert_true(n > 50);
}

static void test_opening_fails_with_a_sentence(void **state)
{
    char error[128];

    (void)state;
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    world_configure();
    for (size_t n = 0;; n++) {
        struct southbound *southbound;
        bool failed;

        memset(&world, 0, sizeof(world));
        allocation_fail_after(n);
        southbound = southbound_open(&world.loop, &world_config, NULL, NULL, world_now, error, sizeof(error));
        failed = allocation_has_failed();
        assert_int_equal(southbound == NULL, failed);
        if (failed)
            assert_string_equal(error, "out of memory");
        else
            southbound_close(southbound, NULL, NULL);
        if (fake_endpoint.on_closed)
            fake_endpoint.on_closed(fake_endpoint.on_closed_arg);
        fake_endpoint.on_closed = NULL;
        if (fake_closed)
            fake_closed((uv_handle_t *)fake_timer_handle);
        fake_closed = NULL;
        if (!failed)
            break;
    }
    fake_reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails_once),
        cmocka_unit_test(test_opening_fails_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
