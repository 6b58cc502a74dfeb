/* Observation, repair after a new session, legs of single clients, numbers: in played time. */
/* links: northbound_signal */

#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "tests/unit/northbound_gateway_fixture.h"

#include "northbound/signal/link_state.h"

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
}

/* ---- Sessions: per-client ---- */

static struct requester *requester(size_t i)
{
    struct requester *made = &world.requesters[i];

    snprintf(made->client, sizeof(made->client), "client%zu", i);
    snprintf(made->cuid, sizeof(made->cuid), "cuid%zu", i);
    return made;
}

static void test_per_client_session_when_first_needed_and_closed_after_60_s_unused(void **state)
{
    struct upstream_cuid *a, *b;
    struct install *of_a, *of_b;

    (void)state;
    gateway_reopen(CONFIG_IDENTITY_GATEWAY, CONFIG_SESSIONS_PER_CLIENT);
    northbound_start(world.northbound);
    run(1000);
    assert_int_equal(fake_sessions(), 0);
    a = add_cuid("a", "", requester(0));
    b = add_cuid("b", "", requester(1));
    of_a = add_install(a, 1, 1);
    of_b = add_install(b, 2, 1);
    put(of_a);
    assert_int_equal(fake_sessions(), 1);
    put(of_b);
    assert_int_equal(fake_sessions(), 2);
    assert_ptr_not_equal(fake_find(DOTS_PUT, "mid=1", 0)->session, fake_find(DOTS_PUT, "mid=2", 0)->session);
    assert_ptr_equal(told_last(TOLD_UP)->owner, &world.requesters[1]);
    forget(of_a, a);
    run(NORTH_IDLE_CLOSE_MS - 2000);
    assert_int_equal(fake_sessions(), 2);
    run(4000);
    assert_int_equal(fake_sessions(), 1);
    assert_int_equal(told(TOLD_UP, NULL), 2);
}

static void test_requester_that_comes_back_finds_its_session(void **state)
{
    struct upstream_cuid *cuid;
    struct install *install;

    (void)state;
    gateway_reopen(CONFIG_IDENTITY_CLIENT, CONFIG_SESSIONS_PER_CLIENT);
    northbound_start(world.northbound);
    cuid = add_cuid("a", "", requester(0));
    install = add_install(cuid, 1, 1);
    put(install);
    forget(install, cuid);
    run(30000);
    memset(&world.requesters[0], 0xee, sizeof(world.requesters[0])); /* freed by the relay */
    requester(1);
    memcpy(world.requesters[1].cuid, "cuid0", 6); /* the same client, another struct */
    cuid = add_cuid("a", "", &world.requesters[1]);
    put(add_install(cuid, 2, 1));
    run(120000);
    assert_int_equal(fake_sessions(), 1);
    assert_int_equal(told(TOLD_UP, NULL), 1);
}

static void test_at_start_sessions_of_clients_with_installs_are_made_64_at_a_time(void **state)
{
    char name[32];

    (void)state;
    gateway_reopen(CONFIG_IDENTITY_GATEWAY, CONFIG_SESSIONS_PER_CLIENT);
    fake_path("192.0.2.1", DOTS_UDP, FAKE_UP, 500);
    for (size_t i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "u%zu", i);
        add_install(add_cuid(name, "", requester(i)), (uint32_t)i + 1, 1);
    }
    northbound_start(world.northbound);
    run(400);
    assert_int_equal(fake_sessions(), LINK_RACES_MAX);
    run(5000);
    assert_int_equal(fake_sessions(), 200);
    assert_int_equal(told(TOLD_UP, NULL), 200);
    assert_int_equal(told(TOLD_LISTED, NULL), 200);
}

static void test_outage_of_many_legs_is_said_once(void **state)
{
    char name[32];

    (void)state;
    gateway_reopen(CONFIG_IDENTITY_GATEWAY, CONFIG_SESSIONS_PER_CLIENT);
    fake_path("192.0.2.1", DOTS_UDP, FAKE_REFUSED, 1);
    for (size_t i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "u%zu", i);
        add_install(add_cuid(name, "", requester(i)), (uint32_t)i + 1, 1);
    }
    northbound_start(world.northbound);
    run(1000);
    assert_string_equal(world.events, "upstream-down ");
    fake_path("192.0.2.1", DOTS_UDP, FAKE_UP, 40);
    run(400000);
    assert_string_equal(world.events, "upstream-down upstream-up ");
}

/* ---- sid ---- */

static void test_rfc9132_4_5_2_sid_is_on_disk_before_it_is_used(void **state)
{
    (void)state;
    world.commit = false;
    northbound_start(world.northbound);
    run(5000);
    assert_int_equal(world.sid_puts, 1);
    assert_int_equal(world.sid[3], NORTH_SIDS_A_BLOCK);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 0);
    world.commit = true;
    run(100);
    assert_string_equal(fake_find(DOTS_PUT, "/config", 0)->path, ".well-known/dots/config/sid=1");
}

static void test_rfc9132_4_5_2_sid_rises_over_a_restart(void **state)
{
    (void)state;
    northbound_start(world.northbound);
    run(1000);
    gateway_close_and_check();
    world.sid_puts = 0;
    gateway_open();
    assert_int_equal(northbound_load(world.northbound, "sid/isp", 7, world.sid, 4), 0);
    assert_int_equal(northbound_load(world.northbound, "sid/gone", 8, world.sid, 4), 0);
    assert_int_equal(northbound_load(world.northbound, "sid/isp", 7, world.sid, 3), -1);
    northbound_start(world.northbound);
    run(1000);
    assert_string_equal(fake_last(DOTS_PUT, "/config")->path, ".well-known/dots/config/sid=65");
    assert_int_equal(world.sid_puts, 1);
}

/* ---- cuid ---- */

static void test_rfc9132_4_4_1_1_cuid_of_the_gateway_is_the_hash_of_its_credentials(void **state)
{
    char cuid[23], other[23], again[23];

    (void)state;
    assert_int_equal(northbound_make_cuid(world.northbound, 0, NULL, 0, cuid), 0);
    assert_string_equal(cuid, "dz6pHjaADkaFTbjr0JGBpw");
    assert_int_equal(northbound_make_cuid(world.northbound, 0, NULL, 1, other), 0); /* after a collision */
    assert_string_not_equal(cuid, other);
    assert_int_equal(strlen(other), 22);
    assert_int_equal(strspn(other, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 22);
    assert_int_equal(northbound_make_cuid(world.northbound, 0, NULL, 1, again), 0);
    assert_string_equal(other, again); /* stable */
    assert_int_equal(northbound_make_cuid(world.northbound, 1, NULL, 0, again), -1);
}

static void test_derived_cuids_are_stable_distinct_and_opaque(void **state)
{
    char cuids[6][23], again[23];

    (void)state;
    requester(0), requester(1), requester(2), requester(3);
    memcpy(world.requesters[2].client, world.requesters[0].client, 128); /* another cuid of the same client */
    snprintf(world.requesters[3].client, 128, "client0");                /* the same texts, cut elsewhere */
    snprintf(world.requesters[3].cdid, 128, "cu");
    snprintf(world.requesters[3].cuid, 128, "id0");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(northbound_make_cuid(world.northbound, 0, &world.requesters[i], 0, cuids[i]), 0);
    assert_int_equal(northbound_make_cuid(world.northbound, 0, &world.requesters[0], 1, cuids[4]), 0);
    assert_int_equal(northbound_make_cuid(world.northbound, 0, NULL, 0, cuids[5]), 0);
    for (size_t i = 0; i < 6; i++) {
        assert_null(strstr(cuids[i], "cuid"));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(cuids[i], cuids[j]);
    }
    gateway_reopen(CONFIG_IDENTITY_GATEWAY, CONFIG_SESSIONS_SHARED);
    assert_int_equal(northbound_make_cuid(world.northbound, 0, &world.requesters[0], 0, again), 0);
    assert_string_equal(cuids[0], again);
}

static void test_cuid_secret_of_a_private_key_file(void **state)
{
    char file[] = "/tmp/northbound-key-XXXXXX", error[256];
    struct config_credentials credentials = {.private_key = file};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    uint8_t secret[32], again[32];
    FILE *stream = fdopen(mkstemp(file), "w");

    (void)state;
    assert_non_null(stream);
    assert_int_equal(cuid_secret(&credentials, secret, error, sizeof(error)), -1);
    assert_non_null(strstr(error, file));
    assert_int_equal(PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(stream);
    EVP_PKEY_free(key);
    assert_int_equal(cuid_secret(&credentials, secret, error, sizeof(error)), 0);
    assert_int_equal(cuid_secret(&credentials, again, error, sizeof(error)), 0);
    assert_memory_equal(secret, again, 32);
    unlink(file);
}

static void test_recursion_never_asks_nothing_of_upstreams(void **state)
{
    (void)state;
    world.config.recursion = CONFIG_RECURSION_NEVER;
    world.config.mitigator_count = 1;
    northbound_start(world.northbound);
    run(10000);
    assert_int_equal(fake_sessions(), 0);
    world.config.mitigator_count = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        gateway_test(test_rfc9132_4_4_2_1_every_accepted_install_is_observed),
        gateway_test(test_notification_about_another_mid_is_not_taken),
        gateway_test(test_notified_4_04_means_the_upstream_does_not_know_it),
        gateway_test(test_silent_observation_is_registered_anew),
        gateway_test(test_at_start_all_of_each_cuid_is_read),
        gateway_test(test_list_of_an_upstream_that_restarted_empty),
        gateway_test(test_after_reconnect_observations_are_registered_on_the_new_session),
        gateway_test(test_in_an_attack_the_list_is_asked_for_non_confirmably),
        gateway_test(test_repair_of_many_cuids_is_paced),
        gateway_test(test_unanswered_list_does_not_keep_installs_from_being_observed),
        gateway_test(test_cuid_that_goes_while_it_is_listed),
        gateway_test(test_per_client_session_when_first_needed_and_closed_after_60_s_unused),
        gateway_test(test_requester_that_comes_back_finds_its_session),
        gateway_test(test_at_start_sessions_of_clients_with_installs_are_made_64_at_a_time),
        gateway_test(test_outage_of_many_legs_is_said_once),
        gateway_test(test_rfc9132_4_5_2_sid_is_on_disk_before_it_is_used),
        gateway_test(test_rfc9132_4_5_2_sid_rises_over_a_restart),
        gateway_test(test_rfc9132_4_4_1_1_cuid_of_the_gateway_is_the_hash_of_its_credentials),
        gateway_test(test_derived_cuids_are_stable_distinct_and_opaque),
        gateway_test(test_cuid_secret_of_a_private_key_file),
        gateway_test(test_recursion_never_asks_nothing_of_upstreams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
