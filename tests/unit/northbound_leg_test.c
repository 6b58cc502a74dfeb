/* Legs of single clients, outages, numbers and names of the gateway: in played time. */
/* links: northbound_signal */

#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "tests/unit/northbound_gateway_fixture.h"

#include "northbound/signal/link_state.h"

static void put(struct install *install)
{
    northbound_install(world.northbound, install);
    run(1000);
    assert_int_equal(told_last(TOLD_ANSWER)->code, 201);
}

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
    fake_down(fake_session("udp"), DOTS_DOWN_LOST, "gone", 0);
    run(3000);
    assert_int_equal(told(TOLD_UP, NULL), 2);
    assert_ptr_equal(told_last(TOLD_UP)->owner, &world.requesters[1]);
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
    assert_int_equal(told(TOLD_DOWN, NULL), 50); /* the relay hears it of each */
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

static void test_sid_committed_after_its_leg_has_gone(void **state)
{
    struct upstream_cuid *cuid;
    struct install *install;

    (void)state;
    gateway_reopen(CONFIG_IDENTITY_GATEWAY, CONFIG_SESSIONS_PER_CLIENT);
    northbound_start(world.northbound);
    world.commit = false;
    cuid = add_cuid("a", "", requester(0));
    install = add_install(cuid, 1, 1);
    put(install);
    forget(install, cuid);
    run(NORTH_IDLE_CLOSE_MS + 2000);
    assert_int_equal(fake_sessions(), 0);
    world.commit = true;
    run(100);
    assert_int_equal(fake_count(DOTS_PUT, "/config"), 0);
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
        gateway_test(test_per_client_session_when_first_needed_and_closed_after_60_s_unused),
        gateway_test(test_requester_that_comes_back_finds_its_session),
        gateway_test(test_at_start_sessions_of_clients_with_installs_are_made_64_at_a_time),
        gateway_test(test_outage_of_many_legs_is_said_once),
        gateway_test(test_rfc9132_4_5_2_sid_is_on_disk_before_it_is_used),
        gateway_test(test_sid_committed_after_its_leg_has_gone),
        gateway_test(test_rfc9132_4_5_2_sid_rises_over_a_restart),
        gateway_test(test_rfc9132_4_4_1_1_cuid_of_the_gateway_is_the_hash_of_its_credentials),
        gateway_test(test_derived_cuids_are_stable_distinct_and_opaque),
        gateway_test(test_cuid_secret_of_a_private_key_file),
        gateway_test(test_recursion_never_asks_nothing_of_upstreams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
