/* Observation of installs, and repair after a new session: in played time. */
/* links: northbound_signal */

#include "tests/unit/northbound_gateway_fixture.h"

static struct upstream_cuid *started(void)
{
    struct upstream_cuid *cuid = add_cuid("dz6pHjaADkaFTbjr0JGBpw", "", NULL);

    northbound_start(world.northbound);
    run(1000);
    return cuid;
}

static void put(struct install *install)
{
    northbound_install(world.northbound, install);
    run(1000);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 201);
}

static struct fake_event *notify(uint32_t mid, enum wire_status status, int32_t sequence)
{
    struct wire_scope scope = {.has_mid = true, .mid = mid, .trigger = true, .status = status};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};
    char path[32];
    struct fake_event *event;

    snprintf(path, sizeof(path), "mid=%u", (unsigned)mid);
    event = fake_answer(fake_find(DOTS_GET, path, 0), DOTS_CODE(2, 5), &message, 0);
    event->response.observe = sequence;
    return event;
}

/* ---- Observation ---- */

static void test_rfc9132_4_4_2_1_every_accepted_install_is_observed(void **state)
{
    struct install *install = add_install(started(), 7, 1);
    const struct fake_sent *sent;

    (void)state;
    put(install);
    sent = fake_find(DOTS_GET, "mid=7", 0);
    assert_non_null(sent);
    assert_int_equal(sent->observe, 0);
    assert_false(sent->confirmable);
    assert_string_equal(sent->query, "c=n");
    assert_int_equal(told(TOLD_STATUS, install), 1);
    notify(7, WIRE_STATUS_MITIGATED, 0x7ffff0);
    run(100);
    assert_int_equal(told(TOLD_STATUS, install), 2);
    assert_int_equal(told_last(TOLD_STATUS)->status, WIRE_STATUS_MITIGATED);
    put(install); /* a refresh: the observation goes on */
    assert_int_equal(fake.resets, 0);
}

static void test_notification_about_another_mid_is_not_taken(void **state)
{
    struct install *install = add_install(started(), 7, 1);
    struct wire_scope scope = {.has_mid = true, .mid = 8, .trigger = true, .status = WIRE_STATUS_WITHDRAWN};
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};

    (void)state;
    put(install);
    fake_answer(fake_find(DOTS_GET, "mid=7", 0), DOTS_CODE(2, 5), &message, 0)->response.observe = 0x7ffff0;
    run(100);
    assert_int_equal(told(TOLD_STATUS, install), 1);
}

static void test_notified_4_04_means_the_upstream_does_not_know_it(void **state)
{
    struct install *install = add_install(started(), 7, 1);

    (void)state;
    put(install);
    fake_answer(fake_find(DOTS_GET, "mid=7", 0), DOTS_CODE(4, 4), NULL, 0);
    run(100);
    assert_int_equal(told(TOLD_UNKNOWN, install), 1);
    put(install);
    assert_int_equal(fake_count(DOTS_GET, "mid=7"), 2); /* observed anew */
}

static void test_silent_observation_is_registered_anew(void **state)
{
    struct install *install = add_install(started(), 7, 1);

    (void)state;
    world.mitigating = true;
    put(install);
    run(NORTH_SILENCE_MITIGATING_MS - 5000);
    assert_int_equal(fake_count(DOTS_GET, "mid=7"), 1);
    notify(7, WIRE_STATUS_MITIGATED, 0x7ffff0);
    run(NORTH_SILENCE_MITIGATING_MS - 5000);
    assert_int_equal(fake_count(DOTS_GET, "mid=7"), 1);
    world.installed[7] = false; /* the server lost it, the session lives */
    run(10000);
    assert_int_equal(fake_count(DOTS_GET, "mid=7"), 2);
    assert_memory_equal(&fake_find(DOTS_GET, "mid=7", 0)->token, &fake_find(DOTS_GET, "mid=7", 1)->token, 9);
    assert_int_equal(told(TOLD_UNKNOWN, install), 1);
}

static void test_after_a_cuid_collision_the_new_resource_is_observed(void **state)
{
    struct upstream_cuid *cuid = started();
    struct install *install = add_install(cuid, 7, 1);

    (void)state;
    put(install);
    snprintf(cuid->cuid, sizeof(cuid->cuid), "another");
    put(install);
    assert_non_null(fake_find(DOTS_GET, "cuid=another/mid=7", 0));
    assert_int_equal(fake_find(DOTS_GET, "cuid=dz6pHjaADkaFTbjr0JGBpw/mid=7", 1)->observe, 1);
}

static void test_notifications_of_what_is_being_withdrawn_are_not_told(void **state)
{
    struct install *install = add_install(started(), 7, 1);

    (void)state;
    put(install);
    world.silent = true;
    install->wanted = false;
    northbound_withdraw(world.northbound, install);
    run(10);
    notify(7, WIRE_STATUS_CLIENT_WITHDRAWN, 0x7ffff0);
    run(10);
    assert_int_equal(told(TOLD_STATUS, install), 1);
}

/* ---- Repair ---- */

static void test_at_start_all_of_each_cuid_is_read(void **state)
{
    struct install *install;

    (void)state;
    install = add_install(add_cuid("a", "", NULL), 4, 1);
    add_cuid("b", "", NULL);
    world.installed[4] = true;
    world.installed[5] = true;
    northbound_start(world.northbound);
    run(1000);
    assert_int_equal(fake_count(DOTS_GET, "mitigate/cuid=a"), 2);        /* the list, and the observation */
    assert_true(fake_find(DOTS_GET, "mitigate/cuid=a", 0)->confirmable); /* no attack is on */
    assert_int_equal(told(TOLD_LISTED, NULL), 2);
    assert_int_equal(world.told[1].count, 2);
    assert_int_equal(told(TOLD_STATUS, install), 1); /* what was installed before is observed */
}

static void test_list_of_an_upstream_that_restarted_empty(void **state)
{
    struct install *install = add_install(started(), 4, 1);

    (void)state;
    put(install);
    run(100000);
    memset(world.installed, 0, sizeof(world.installed));
    fake_down(fake_session("udp"), DOTS_DOWN_CLOSED, "restart", 0);
    run(3000);
    assert_int_equal(told(TOLD_UP, NULL), 2);
    assert_int_equal(told_last(TOLD_LISTED)->count, 0); /* 4.04 */
    assert_int_equal(told(TOLD_UNKNOWN, install), 1);
}

static void test_after_reconnect_observations_are_registered_on_the_new_session(void **state)
{
    struct upstream_cuid *cuid = started();

    (void)state;
    for (uint32_t mid = 1; mid <= 100; mid++)
        northbound_install(world.northbound, add_install(cuid, mid, 1));
    run(100000);
    unsigned gets = fake_count(DOTS_GET, "mid=");

    assert_int_equal(gets, 100);
    fake_down(fake_session("udp"), DOTS_DOWN_CLOSED, "restart", 0);
    run(10000);
    assert_int_equal(fake_count(DOTS_GET, "mid=") - gets, 100);
    for (uint32_t mid = 1; mid <= 100; mid++)
        assert_int_equal(told(TOLD_STATUS, &world.installs[mid - 1]), 2);
}

static void test_in_an_attack_the_list_is_asked_for_non_confirmably(void **state)
{
    (void)state;
    world.mitigating = true;
    add_cuid("a", "", NULL);
    northbound_start(world.northbound);
    run(1000);
    assert_false(fake_find(DOTS_GET, "mitigate/cuid=a", 0)->confirmable);
}

static void test_repair_of_many_cuids_is_paced(void **state)
{
    size_t lists = 0;
    uint64_t first = 0;
    char name[32];

    (void)state;
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "client%d", i);
        add_cuid(name, "", NULL);
    }
    northbound_start(world.northbound);
    run(30000);
    assert_int_equal(told(TOLD_LISTED, NULL), 500);
    for (size_t i = 0; i < fake.sent_count; i++) {
        if (!strstr(fake.sent[i].path, "/cuid=client"))
            continue;
        first = first ? first : fake.sent[i].at;
        lists += fake.sent[i].at == first;
    }
    assert_int_equal(lists, NORTH_LISTINGS_MAX);
}

static void test_unanswered_list_does_not_keep_installs_from_being_observed(void **state)
{
    struct install *install;

    (void)state;
    world.mitigating = true;
    world.silent_list = true;
    install = add_install(add_cuid("a", "", NULL), 4, 1);
    world.installed[4] = true;
    northbound_start(world.northbound);
    run(65000);
    assert_int_equal(told(TOLD_STATUS, install), 1);
    world.silent_list = false;
    run(20000);
    assert_int_equal(told(TOLD_LISTED, NULL), 1);
}

static void test_cuid_that_goes_while_it_is_listed(void **state)
{
    struct upstream_cuid *cuid;

    (void)state;
    world.mitigating = true;
    world.silent_list = true;
    cuid = add_cuid("a", "", NULL);
    add_cuid("b", "", NULL);
    northbound_start(world.northbound);
    run(1000);
    northbound_upstream_cuid_gone(world.northbound, cuid);
    cuid->cuid[0] = '\0';
    world.silent_list = false;
    run(20000);
    assert_int_equal(told(TOLD_LISTED, NULL), 1);
    assert_int_equal(cuid[1].user != NULL, 1);
    assert_int_equal(((struct listing *)cuid[1].user)->leg->listing, 0); /* its place was given back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        gateway_test(test_rfc9132_4_4_2_1_every_accepted_install_is_observed),
        gateway_test(test_notification_about_another_mid_is_not_taken),
        gateway_test(test_notified_4_04_means_the_upstream_does_not_know_it),
        gateway_test(test_silent_observation_is_registered_anew),
        gateway_test(test_after_a_cuid_collision_the_new_resource_is_observed),
        gateway_test(test_notifications_of_what_is_being_withdrawn_are_not_told),
        gateway_test(test_at_start_all_of_each_cuid_is_read),
        gateway_test(test_list_of_an_upstream_that_restarted_empty),
        gateway_test(test_after_reconnect_observations_are_registered_on_the_new_session),
        gateway_test(test_in_an_attack_the_list_is_asked_for_non_confirmably),
        gateway_test(test_repair_of_many_cuids_is_paced),
        gateway_test(test_unanswered_list_does_not_keep_installs_from_being_observed),
        gateway_test(test_cuid_that_goes_while_it_is_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
