/* northbound/data: what an upstream has moves with the cuid of the gateway. */
/* links: northbound_data http */
#include "tests/unit/data_fixture.h"

#define FIRST (&world->fakes[0])
#define NEW_CUID "gateway-cuid-second-on"

static struct catalog_client *with_entries(void)
{
    struct catalog_client *client;

    world_make(1);
    world_start();
    client = add_client("a");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32")).status, 200);
    assert_int_equal(ask_put(client, CATALOG_ACL, "x", ACL("x", "192.0.2.0/24")).status, 200);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.web");
    return client;
}

static void rename_to(const char *cuid)
{
    world_cuid = cuid;
    northbound_data_renamed(world->data, 0, NULL);
}

/* RFC 9132: "it MUST delete all the entries bound to the old 'cuid' and reinstall them using the new 'cuid'". */
static void test_rfc9132_4_4_1_1_entries_must_move_to_the_new_cuid(void **state)
{
    struct catalog_client *client = with_entries();

    (void)state;
    rename_to(NEW_CUID);
    WAIT_UNTIL(strcmp(fake_names(FIRST, NEW_CUID, "acl"), "c1.x") == 0);
    assert_string_equal(fake_names(FIRST, NEW_CUID, "alias"), "c1.web");
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "-");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "new", ALIAS("new", "192.0.2.7/32")).status, 200);
    assert_string_equal(fake_names(FIRST, NEW_CUID, "alias"), "c1.web,c1.new");
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "-");
    world_end();
}

/* A client asks before the entries have moved: what it asks for is under the new cuid at once. */
static void test_rfc8783_5_1_the_same_cuid_must_be_used_from_the_next_request_on(void **state)
{
    struct catalog_client *client = with_entries();

    (void)state;
    rename_to(NEW_CUID);
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "new", ALIAS("new", "192.0.2.7/32")).status, 200);
    assert_non_null(strstr(fake_names(FIRST, NEW_CUID, "alias"), "c1.new"));
    WAIT_UNTIL(strcmp(fake_names(FIRST, NEW_CUID, "alias"), "c1.new,c1.web") == 0 ||
               strcmp(fake_names(FIRST, NEW_CUID, "alias"), "c1.web,c1.new") == 0);
    WAIT_UNTIL(strcmp(fake_names(FIRST, GATEWAY_CUID, "alias"), "-") == 0);
    world_end();
}

/* It may be somebody else's by now: then the upstream refuses, and what we had there is left to expire. */
static void test_what_may_not_be_deleted_under_the_old_cuid_is_left(void **state)
{
    struct catalog_client *client = with_entries();

    (void)client, (void)state;
    snprintf(FIRST->refuse, sizeof(FIRST->refuse), "dots-client=" GATEWAY_CUID);
    FIRST->refuse_status = 403;
    rename_to(NEW_CUID);
    WAIT_UNTIL(strcmp(fake_names(FIRST, NEW_CUID, "acl"), "c1.x") == 0);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.web");
    FIRST->refuse[0] = '\0';
    rename_to(GATEWAY_CUID);
    WAIT_UNTIL(strcmp(fake_names(FIRST, NEW_CUID, "acl"), "-") == 0);
    WAIT_UNTIL(strcmp(fake_names(FIRST, GATEWAY_CUID, "acl"), "c1.x") == 0);
    world_end();
}

/* The new cuid comes while the upstream is away, and back again in between: both are looked after. */
static void test_renamed_twice_during_an_outage(void **state)
{
    struct catalog_client *client = with_entries();

    (void)client, (void)state;
    fake_close(FIRST);
    rename_to(NEW_CUID);
    rename_to("gateway-cuid-the-third");
    fake_open(FIRST, &world->loop, FIRST->port, &pki_server);
    WAIT_UNTIL(strcmp(fake_names(FIRST, "gateway-cuid-the-third", "acl"), "c1.x") == 0);
    WAIT_UNTIL(strcmp(fake_names(FIRST, GATEWAY_CUID, "acl"), "-") == 0);
    assert_string_equal(fake_names(FIRST, NEW_CUID, "acl"), "-");
    world_end();
}

static void test_rfc9132_4_4_1_1_one_clients_entries_move_when_its_derived_cuid_changes(void **state)
{
    struct catalog_client *client;
    struct requester owner = {.client = "web-farm", .cuid = "a"};

    (void)state;
    world_make(1);
    world->targets[0].per_client = true;
    world_start();
    client = add_client("a");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32")).status, 200);
    assert_string_equal(fake_names(FIRST, "derived-for-one-client", "alias"), "web");
    world_derived = "derived-for-the-second";
    northbound_data_renamed(world->data, 0, NULL); /* which is nobody here */
    snprintf(owner.cuid, sizeof(owner.cuid), "%s", "b");
    northbound_data_renamed(world->data, 0, &owner); /* neither is that */
    snprintf(owner.cuid, sizeof(owner.cuid), "%s", "a");
    northbound_data_renamed(world->data, 0, &owner);
    WAIT_UNTIL(strcmp(fake_names(FIRST, "derived-for-the-second", "alias"), "web") == 0);
    WAIT_UNTIL(strcmp(fake_names(FIRST, "derived-for-one-client", "alias"), "-") == 0);
    world_end();
}

static void load(const char *key, const char *cuids)
{
    assert_int_equal(northbound_data_load(world->data, key, strlen(key), (const uint8_t *)cuids, strlen(cuids)), 0);
}

/* Another identity in the configuration, and a restart: the record says under which cuid the upstream has entries. */
static void test_what_is_under_the_cuid_of_before_a_restart_goes(void **state)
{
    struct catalog_client *client;

    (void)state;
    world_make(1);
    client = add_client("a");
    keep_entry(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32"));
    json_object_set_new(FIRST->clients, NEW_CUID, json_pack("{s:[{s:s}],s:[]}", "alias", "name", "c1.web", "acl"));
    json_object_set_new(FIRST->clients, "derived-for-somebody-x", json_pack("{s:[],s:[]}", "alias", "acl"));
    world_open();
    load("data-cuid/0000000000000000/isp-a", NEW_CUID);
    load("data-cuid/00000000000003e7/isp-a", "derived-for-somebody-x"); /* whose client is gone */
    load("data-cuid/0000000000000000/isp-z", NEW_CUID);                 /* not configured any more */
    northbound_data_start(world->data);
    WAIT_UNTIL(strcmp(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.web") == 0);
    WAIT_UNTIL(strcmp(fake_names(FIRST, NEW_CUID, "alias"), "-") == 0);
    WAIT_UNTIL(strcmp(fake_names(FIRST, "derived-for-somebody-x", "alias"), "-") == 0);
    world_end();
}

static void test_records_that_cannot_be_understood_are_refused(void **state)
{
    static const struct {
        const char *key, *value;
    } bad[] = {{"data-cuid/", NEW_CUID},
               {"data-cuid/0000000000000000/", NEW_CUID},
               {"data-cuid/000000000000zzzz/isp-a", NEW_CUID},
               {"data-cuid/0000000000000000/isp-a", ""},
               {"data-cuid/0000000000000000/isp-a", NEW_CUID "x"},
               {"data-cuid/0000000000000000/isp-a", NEW_CUID NEW_CUID NEW_CUID NEW_CUID NEW_CUID}};

    (void)state;
    world_make(1);
    world_open();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(northbound_data_load(world->data, bad[i].key, strlen(bad[i].key),
                                              (const uint8_t *)bad[i].value, strlen(bad[i].value)),
                         -1);
    northbound_data_start(world->data);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc9132_4_4_1_1_entries_must_move_to_the_new_cuid),
        cmocka_unit_test(test_rfc8783_5_1_the_same_cuid_must_be_used_from_the_next_request_on),
        cmocka_unit_test(test_what_may_not_be_deleted_under_the_old_cuid_is_left),
        cmocka_unit_test(test_renamed_twice_during_an_outage),
        cmocka_unit_test(test_rfc9132_4_4_1_1_one_clients_entries_move_when_its_derived_cuid_changes),
        cmocka_unit_test(test_what_is_under_the_cuid_of_before_a_restart_goes),
        cmocka_unit_test(test_records_that_cannot_be_understood_are_refused),
    };

    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
