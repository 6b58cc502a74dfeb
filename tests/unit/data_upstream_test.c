/* northbound/data: what one upstream is told, and what a client hears of it. */
/* links: northbound_data http */
#include "tests/unit/data_fixture.h"

#define FIRST (&world->fakes[0])

static void register_one(struct catalog_client *client)
{
    struct catalog_write write = write_of(client);
    struct told told = {0};

    write.registers = true;
    world->hook.ask(world->hook.arg, &write, verdict_told, &told);
    WAIT_UNTIL(told.is);
    assert_int_equal(told.status, 200);
}

static void test_names_of_clients_live_side_by_side_under_the_gateways_cuid(void **state)
{
    struct catalog_client *a, *b;

    (void)state;
    world_make(1);
    world_start();
    a = add_client("a");
    b = add_client("b");
    register_one(a);
    register_one(b);
    assert_int_equal(ask_put(a, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32")).status, 200);
    assert_int_equal(ask_put(b, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.2/32")).status, 200);
    assert_int_equal(ask_put(b, CATALOG_ACL, "x y/z", ACL("x y/z", "192.0.2.2/32")).status, 200);
    assert_int_equal(json_object_size(FIRST->clients), 1);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.web,c2.web");
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "acl"), "c2.x y/z");
    world_end();
}

static void test_rfc8783_5_1_server_domain_gateway_inserts_cdid(void **state)
{
    struct catalog_client *client;

    (void)state;
    world_make(1);
    world->targets[0].identity_client = world->targets[0].insert_cdid = true;
    world->config.gateway.domain_side_server = true;
    world_start();
    client = add_client("dz6pHjaADkaFTbjr0JGBpw");
    register_one(client);
    assert_string_equal(json_string_value(json_object_get(json_object_get(FIRST->clients, client->cuid), "cdid")),
                        "hash-of-the-peer-s-key");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32")).status, 200);
    assert_string_equal(fake_names(FIRST, client->cuid, "alias"), "web");
    world_end();
}

static void via_of(bool server_side, const char *came, const char *expected)
{
    struct catalog_client *client;
    struct catalog_write write;
    struct told told = {0};
    const struct catalog_change change = {.op = CATALOG_DELETE, .kind = CATALOG_ALIAS, .name = "web", .id = 7};

    world_make(1);
    world->config.gateway.domain_side_server = server_side;
    world_start();
    client = add_client("a");
    write = write_of(client);
    write.via = came;
    write.changes = &change;
    write.change_count = 1;
    world->hook.ask(world->hook.arg, &write, verdict_told, &told);
    WAIT_UNTIL(told.is);
    assert_int_equal(told.status, 200); /* it is not there, which is what was asked for */
    assert_string_equal(FIRST->via, expected);
    world_end();
}

static void test_rfc8783_3_4_must_append_its_own_information_to_via(void **state)
{
    (void)state;
    via_of(true, "1.1 cpe.example", "1.1 cpe.example, 1.1 gw1");
    via_of(true, NULL, "1.1 gw1");
}

static void test_rfc8783_3_4_should_remove_via_at_the_boundary_of_a_client_domain(void **state)
{
    (void)state;
    via_of(false, "1.1 inner.example", "1.1 gw1");
}

static void test_a_refusal_is_the_clients_and_nothing_is_kept(void **state)
{
    struct catalog_client *client;
    struct told told;

    (void)state;
    world_make(1);
    world_start();
    client = add_client("a");
    register_one(client);
    snprintf(FIRST->refuse, sizeof(FIRST->refuse), "alias=c1.web");
    FIRST->refuse_status = 409;
    FIRST->refuse_body = "{\"ietf-restconf:errors\":{\"error\":[{\"error-type\":\"application\",\"error-tag\":"
                         "\"resource-denied\",\"error-message\":\"'c1.web' of " GATEWAY_CUID " conflicts\"}]}}";
    told = ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32"));
    assert_int_equal(told.status, 409);
    assert_string_equal(told.tag, "resource-denied");
    assert_string_equal(told.message, "'web' of a conflicts");
    assert_int_equal(told.retry_after, -1);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "");
    world_end();
}

static void test_a_loop_further_north_is_508(void **state)
{
    struct catalog_client *client;
    struct told told;

    (void)state;
    world_make(1);
    world->config.gateway.domain_side_server = true;
    world_start();
    client = add_client("a");
    snprintf(FIRST->refuse, sizeof(FIRST->refuse), "alias=c1.web");
    FIRST->refuse_status = 508;
    FIRST->refuse_body = "{\"ietf-restconf:errors\":{\"error\":[{\"error-type\":\"transport\",\"error-tag\":"
                         "\"operation-failed\",\"error-app-tag\":\"loop-detected\",\"error-info\":{\"via-header\":"
                         "\"1.1 gw1, 1.1 other, 1.1 gw1\"}}]}}";
    told = ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32"));
    assert_int_equal(told.status, 508);
    assert_string_equal(told.app_tag, "loop-detected");
    assert_string_equal(told.via, "1.1 gw1, 1.1 other, 1.1 gw1");
    world_end();
}

static void test_all_changes_of_a_request_or_none(void **state)
{
    static const char one[] = ALIAS("one", "192.0.2.1/32"), two[] = ALIAS("two", "192.0.2.2/32"),
                      acl[] = ACL("three", "192.0.2.3/32");
    const struct catalog_change changes[] = {
        {.op = CATALOG_PUT,
         .kind = CATALOG_ALIAS,
         .existed = true,
         .id = 1,
         .name = "one",
         .json = one,
         .json_length = sizeof(one) - 1},
        {.op = CATALOG_PUT, .kind = CATALOG_ALIAS, .id = 2, .name = "two", .json = two, .json_length = sizeof(two) - 1},
        {.op = CATALOG_PUT, .kind = CATALOG_ACL, .id = 3, .name = "three", .json = acl, .json_length = sizeof(acl) - 1},
    };
    struct catalog_client *client;

    (void)state;
    world_make(1);
    world_start();
    client = add_client("a");
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "one", ALIAS("one", "198.51.100.0/24")).status, 200);
    snprintf(FIRST->refuse, sizeof(FIRST->refuse), "acl=c1.three");
    FIRST->refuse_status = 400;
    assert_int_equal(ask_all(client, changes, 3).status, 400);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.one");
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "acl"), "");
    assert_non_null(strstr(FIRST->log, "DELETE /aliases/alias=c1.two 204"));
    FIRST->refuse[0] = '\0';
    assert_int_equal(ask_all(client, changes, 3).status, 200);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c1.one,c1.two");
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "acl"), "c1.three");
    world_end();
}

static void test_a_client_that_goes_takes_its_own_along(void **state)
{
    struct catalog_client *a, *b;
    struct catalog_write write;
    struct told told = {0};

    (void)state;
    world_make(1);
    world_start();
    a = add_client("a");
    b = add_client("b");
    ask_put(a, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32"));
    ask_put(a, CATALOG_ACL, "acl", ACL("acl", "192.0.2.1/32"));
    ask_put(b, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.2/32"));
    write = write_of(a);
    write.deregisters = true;
    world->hook.ask(world->hook.arg, &write, verdict_told, &told);
    WAIT_UNTIL(told.is);
    assert_int_equal(told.status, 200);
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "alias"), "c2.web");
    assert_string_equal(fake_names(FIRST, GATEWAY_CUID, "acl"), "");
    world_end();
}

/* RFC 8783 section 6.1: 403 says that the client must register; another server says 404. */
static void test_rfc8783_6_1_must_register_when_the_server_has_forgotten(void **state)
{
    struct catalog_client *client;

    (void)state;
    world_make(1);
    world->targets[0].identity_client = true;
    world_start();
    client = add_client("a"); /* in the catalog from before; the upstream knows nothing of it */
    keep_entry(client, CATALOG_ALIAS, "old", ALIAS("old", "192.0.2.9/32"));
    assert_int_equal(ask_put(client, CATALOG_ALIAS, "web", ALIAS("web", "192.0.2.1/32")).status, 200);
    assert_non_null(strstr(FIRST->log, "POST  201\n"));
    world_offset += 5000; /* what else it has forgotten comes back, too */
    WAIT_UNTIL(strstr(fake_names(FIRST, "a", "alias"), "old"));
    world_end();
}

static void test_a_cuid_that_is_left_over_is_taken_over(void **state)
{
    struct catalog_client *client;

    (void)state;
    world_make(1);
    world->targets[0].identity_client = true;
    json_object_set_new(FIRST->clients, "a", json_pack("{s:[{s:s}],s:[]}", "alias", "name", "stray", "acl"));
    world_start();
    client = add_client("a");
    register_one(client);
    world_offset += 5000;
    WAIT_UNTIL(strcmp(fake_names(FIRST, "a", "alias"), "") == 0);
    world_end();
}

/* RFC 8783 section 3.1: clients should reuse the TLS session. */
static void test_connections_are_reused(void **state)
{
    struct catalog_client *client;
    char name[16];

    (void)state;
    world_make(1);
    world_start();
    client = add_client("a");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(ask_put(client, CATALOG_ALIAS, name, ALIAS("any", "192.0.2.1/32")).status, 200);
    }
    assert_int_equal(http_counters(FIRST->server)->accepted, 1);
    world_end();
}

static void test_clients_are_told_what_all_upstreams_can(void **state)
{
    (void)state;
    world_make(1);
    world_start();
    WAIT_UNTIL(world->hook.capabilities(world->hook.arg));
    assert_string_equal(world->hook.capabilities(world->hook.arg),
                        "{\"address-family\":[\"ipv4\"],\"rate-limit\":true}");
    world_end();
}

static void test_a_cancelled_ask_is_not_told(void **state)
{
    static const char json[] = ALIAS("web", "192.0.2.1/32");
    const struct catalog_change change = {.op = CATALOG_PUT,
                                          .kind = CATALOG_ALIAS,
                                          .id = 1,
                                          .name = "web",
                                          .json = json,
                                          .json_length = sizeof(json) - 1};
    struct catalog_client *client;
    struct catalog_write first, second;
    struct told told = {0};

    (void)state;
    world_make(1);
    world_start();
    client = add_client("a");
    ask_put(client, CATALOG_ALIAS, "other", ALIAS("other", "192.0.2.2/32"));
    FIRST->holds = true;
    first = second = write_of(client);
    first.changes = second.changes = &change;
    first.change_count = second.change_count = 1;
    world->hook.ask(world->hook.arg, &first, verdict_told, &told);
    world->hook.ask(world->hook.arg, &second, verdict_told, &told);
    WAIT_UNTIL(FIRST->held_count == 1);
    world->hook.cancel(world->hook.arg, &second);
    world->hook.cancel(world->hook.arg, &first);
    fake_release(FIRST);
    FIRST->log[0] = '\0';
    world_offset += 5000;
    WAIT_UNTIL(strstr(FIRST->log, "GET  200")); /* it is compared */
    assert_false(told.is);
    world_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_clients_live_side_by_side_under_the_gateways_cuid),
        cmocka_unit_test(test_rfc8783_5_1_server_domain_gateway_inserts_cdid),
        cmocka_unit_test(test_rfc8783_3_4_must_append_its_own_information_to_via),
        cmocka_unit_test(test_rfc8783_3_4_should_remove_via_at_the_boundary_of_a_client_domain),
        cmocka_unit_test(test_a_refusal_is_the_clients_and_nothing_is_kept),
        cmocka_unit_test(test_a_loop_further_north_is_508),
        cmocka_unit_test(test_all_changes_of_a_request_or_none),
        cmocka_unit_test(test_a_client_that_goes_takes_its_own_along),
        cmocka_unit_test(test_rfc8783_6_1_must_register_when_the_server_has_forgotten),
        cmocka_unit_test(test_a_cuid_that_is_left_over_is_taken_over),
        cmocka_unit_test(test_connections_are_reused),
        cmocka_unit_test(test_clients_are_told_what_all_upstreams_can),
        cmocka_unit_test(test_a_cancelled_ask_is_not_told),
    };

    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
