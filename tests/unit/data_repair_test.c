/* northbound/data: several upstreams, outages, and what is found when they are over. */
/* links: northbound_data http */
#include "tests/unit/data_fixture.h"

#define FIRST (&world->fakes[0])
#define SECOND (&world->fakes[1])

static struct catalog_client *two_upstreams(void)
{
    struct catalog_client *client;

    world_make(2);
    world_start();
    client = add_client("a");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32")).status, 200);
    return client;
}

static const char *prefix_at(const struct fake_upstream *fake, const char *kind, size_t i)
{
    const json_t *entry = json_array_get(json_object_get(json_object_get(fake->clients, GATEWAY_CUID), kind), i);

    return json_string_value(json_array_get(json_object_get(entry, "target-prefix"), 0));
}

static void test_what_one_refuses_is_undone_at_the_other(void **state)
{
    struct catalog_client *client = two_upstreams();

    (void)state;
    snprintf(SECOND->refuse, sizeof(SECOND->refuse), "alias=c1.new");
    SECOND->refuse_status = 400;
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "new", ALIAS("new", "192.0.2.7/32")).status, 400);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.web");
    snprintf(SECOND->refuse, sizeof(SECOND->refuse), "alias=c1.web");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.8/32")).status, 400);
    assert_string_equal(prefix_at(FIRST, "alias", 0), "192.0.2.1/32"); /* as it was */
    world_end();
}

static void test_unreachable_is_503_and_nothing_is_half_done(void **state)
{
    struct catalog_client *client = two_upstreams();
    struct told told;

    (void)state;
    fake_close(SECOND);
    told = ask_put(client, CATALOG_ALIAS, "new", ALIAS("new", "192.0.2.7/32"));
    assert_int_equal(told.status, 503);
    assert_true(told.retry_after > 0);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.web");
    world_end();
}

/* All must know an entry before it is their turn; who is not there now is told later. */
static void test_serial_takes_it_when_one_is_there(void **state)
{
    struct catalog_client *client = two_upstreams();

    (void)state;
    world->config.fan_out = CONFIG_FAN_OUT_SERIAL;
    fake_close(SECOND);
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "new", ALIAS("new", "192.0.2.7/32")).status, 200);
    fake_open(SECOND, &world->loop, SECOND->port, &pki_server);
    WAIT_UNTIL(strcmp(fake_names(SECOND, GATEWAY_CUID, "alias"), "c1.web,c1.new") == 0);
    world_end();
}

/* The answer of what was done was lost: nobody knows whether it was. */
static void test_what_is_in_doubt_is_compared_after_the_outage(void **state)
{
    struct catalog_client *client = two_upstreams();

    (void)state;
    json_array_append_new(json_object_get(json_object_get(SECOND->clients, GATEWAY_CUID), "alias"),
                          json_pack("{s:s,s:[s]}", "name", "c1.new", "target-prefix", "192.0.2.7/32"));
    fake_close(SECOND);
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "new", ALIAS("new", "192.0.2.7/32")).status, 503);
    fake_open(SECOND, &world->loop, SECOND->port, &pki_server);
    WAIT_UNTIL(strcmp(fake_names(SECOND, GATEWAY_CUID, "alias"), "c1.web") == 0);
    world_end();
}

static void test_an_upstream_that_lost_everything_gets_it_again(void **state)
{
    struct catalog_client *client = two_upstreams();

    (void)state;
    ask_put(client, CATALOG_ACL, "b", ACL("b", "192.0.2.1/32"));
    ask_put(client, CATALOG_ACL, "a", ACL("a", "192.0.2.2/32"));
    fake_close(SECOND);
    json_object_clear(SECOND->clients);
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "new", ALIAS("new", "192.0.2.7/32")).status, 503);
    fake_open(SECOND, &world->loop, SECOND->port, &pki_server);
    WAIT_UNTIL(strcmp(fake_names(SECOND, GATEWAY_CUID, "acl"), "c1.b,c1.a") == 0);
    assert_string_equal(fake_names(SECOND, GATEWAY_CUID, "alias"), "c1.web");
    world_end();
}

static void install(struct fake_upstream *fake, const char *const *acls, size_t count)
{
    json_t *client = json_pack("{s:[{s:s}],s:[]}", "alias", "name", "c9.stray", "acl"), *entry;

    for (size_t i = 0; i < count; i++) {
        entry = json_loads(ACL("x", "192.0.2.1/32"), 0, NULL);
        json_object_set_new(entry, "name", json_string(acls[i]));
        json_array_append_new(json_object_get(client, "acl"), entry);
    }
    json_object_set_new(fake->clients, GATEWAY_CUID, client);
}

static void start_with(const char *const *acls, size_t count, bool knows_no_insert)
{
    static const char *const wanted[] = {"one", "two", "three", "four"};
    struct catalog_client *client;

    world_make(1);
    FIRST->knows_no_insert = knows_no_insert;
    FIRST->pending = 10000;
    install(FIRST, acls, count);
    client = add_client("a");
    for (size_t i = 0; i < 4; i++)
        keep_entry(client, CATALOG_ACL, wanted[i], ACL("x", "192.0.2.1/32"));
    world_start();
}

static void test_strays_go_and_order_is_repaired_at_start(void **state)
{
    static const char *const acls[] = {"c1.three", "c1.one", "c1.four", "foreign"};

    (void)state;
    start_with(acls, 4, false);
    WAIT_UNTIL(strcmp(fake_names(FIRST, GATEWAY_CUID, "acl"), "c1.one,c1.two,c1.three,c1.four") == 0);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "");
    assert_non_null(strstr(FIRST->log, "?insert=after&point=%2Fietf-dots-data-channel%3Adots-data%2Fdots-client%3D"));
    assert_null(strstr(FIRST->log, "PUT /acls/acl=c1.four")); /* it was right */
    world_end();
}

static void test_a_server_that_knows_no_insert_gets_it_without(void **state)
{
    static const char *const acls[] = {"c1.one", "c1.three", "c1.four"};

    (void)state;
    start_with(acls, 3, true);
    WAIT_UNTIL(strcmp(fake_names(FIRST, GATEWAY_CUID, "acl"), "c1.one,c1.three,c1.four,c1.two") == 0);
    world_end();
}

/* RFC 8783 sections 6.1 and 7.2: kept for at least a week, unless refreshed. */
static void test_rfc8783_7_2_entries_are_refreshed_before_they_expire(void **state)
{
    static const char *const acls[] = {"c1.one", "c1.two", "c1.three", "c1.four"};

    (void)state;
    start_with(acls, 4, false);
    WAIT_UNTIL(strstr(FIRST->log, "DELETE /aliases/alias=c9.stray 204"));
    assert_null(strstr(FIRST->log, "PUT"));
    FIRST->log[0] = '\0';
    FIRST->pending = 3000;
    world_offset += INT64_C(24) * 3600 * 1000;
    WAIT_UNTIL(strstr(FIRST->log, "PUT /acls/acl=c1.four 204"));
    assert_non_null(strstr(FIRST->log, "PUT /acls/acl=c1.one 204"));
    world_end();
}

/* One connection, and more requests than any limit of it. */
static void test_many_are_repaired_and_deleted_bit_by_bit(void **state)
{
    struct catalog_client *client;
    struct catalog_write write;
    struct told told = {0};
    char name[32], json[128];

    (void)state;
    world_make(1);
    client = add_client("a");
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "alias-%d", i);
        snprintf(json, sizeof(json), "{\"name\":\"%s\",\"target-prefix\":[\"192.0.2.1/32\"]}", name);
        keep_entry(client, CATALOG_ALIAS, name, json);
    }
    world_start();
    WAIT_UNTIL(json_array_size(json_object_get(json_object_get(FIRST->clients, GATEWAY_CUID), "alias")) == 2000);
    write = write_of(client);
    write.deregisters = true;
    world->hook.ask(world->hook.arg, &write, verdict_told, &told);
    WAIT_UNTIL(told.is);
    assert_int_equal(told.status, 200);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "");
    world_end();
}

static void test_by_prefix_each_gets_what_it_owns(void **state)
{
    static struct wire_prefix owns[2] = {{{192, 0, 2}, 4, 24}, {{198, 51, 100}, 4, 24}};
    struct catalog_client *client;

    (void)state;
    world_make(2);
    world->policy.fan_out = RELAY_FAN_OUT_BY_PREFIX;
    for (size_t i = 0; i < 2; i++) {
        world->targets[i].owns = &owns[i];
        world->targets[i].owns_count = 1;
    }
    world_start();
    client = add_client("a");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32")).status, 200);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.web");
    assert_string_equal(fake_names(SECOND, GATEWAY_CUID, "alias"), "-");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "198.51.100.1/32")).status, 200);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), ""); /* it has moved */
    assert_string_equal(fake_names(SECOND, GATEWAY_CUID, "alias"), "c1.web");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "far", ALIAS("far", "203.0.113.1/32")).status, 403);
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "203.0.113.1/32")).status, 403);
    assert_string_equal(fake_names(SECOND, GATEWAY_CUID, "alias"), "c1.web"); /* undone */
    world_end();
}

static void test_rfc9132_3_no_internal_address_must_leave_in_an_alias(void **state)
{
    static struct nat_mapping nat = {.internal = {{10, 1}, 4, 24}, .external = {{203, 0, 113}, 4, 24}};
    struct catalog_client *client;

    (void)state;
    world_make(1);
    world->policy.nat = &nat;
    world->policy.nat_count = 1;
    world_start();
    client = add_client("a");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "10.1.0.7/32")).status, 200);
    assert_string_equal(prefix_at(FIRST, "alias", 0), "203.0.113.7/32");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "far", ALIAS("far", "10.9.0.7/32")).status, 403);
    assert_int_equal(ask_put(client, CATALOG_ACL, "acl", ACL("acl", "10.1.0.0/25")).status, 200);
    assert_int_equal(ask_put(client, CATALOG_ACL, "far", ACL("far", "10.0.0.0/8")).status, 403);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "acl"), "c1.acl");
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_one_refuses_is_undone_at_the_other),
        cmocka_unit_test(test_unreachable_is_503_and_nothing_is_half_done),
        cmocka_unit_test(test_serial_takes_it_when_one_is_there),
        cmocka_unit_test(test_what_is_in_doubt_is_compared_after_the_outage),
        cmocka_unit_test(test_an_upstream_that_lost_everything_gets_it_again),
        cmocka_unit_test(test_strays_go_and_order_is_repaired_at_start),
        cmocka_unit_test(test_a_server_that_knows_no_insert_gets_it_without),
        cmocka_unit_test(test_rfc8783_7_2_entries_are_refreshed_before_they_expire),
        cmocka_unit_test(test_many_are_repaired_and_deleted_bit_by_bit),
        cmocka_unit_test(test_by_prefix_each_gets_what_it_owns),
        cmocka_unit_test(test_rfc9132_3_no_internal_address_must_leave_in_an_alias),
    };

    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
