/* A reload of the table of clients: who stays keeps its object, who is gone keeps what is left of it. */
/* links: southbound_signal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "southbound/signal/client.h"

static uint8_t first_key[] = "0123456789abcdef", second_key[] = "fedcba9876543210";
static struct config_client_identity identities[] = {
    {.kind = CONFIG_IDENTITY_PSK, .name = (char *)"a", .psk_key = {first_key, 16}},
    {.kind = CONFIG_IDENTITY_PSK, .name = (char *)"b", .psk_key = {first_key, 16}},
    {.kind = CONFIG_IDENTITY_PSK, .name = (char *)"c", .psk_key = {first_key, 16}},
    {.kind = CONFIG_IDENTITY_PSK, .name = (char *)"b", .psk_key = {second_key, 16}},
};

static struct config_client client_of(const char *name, size_t identity, uint32_t rate)
{
    return (struct config_client){.name = (char *)name,
                                  .identities = &identities[identity],
                                  .identity_count = 1,
                                  .limits = {.requests_per_second = rate, .mitigations = rate}};
}

static struct south_clients *table_of(struct config *config, struct config_client *clients, size_t count)
{
    struct south_clients *table;

    *config = (struct config){.clients = clients, .client_count = count};
    table = south_clients_new(config);
    assert_non_null(table);
    return table;
}

static struct south_client *match(const struct south_clients *table, const char *psk)
{
    const struct dots_identity identity = {.psk = true, .psk_identity = psk};

    return south_clients_match(table, &identity);
}

static void test_who_stays_keeps_its_object_with_what_is_new(void **state)
{
    struct config_client before[] = {client_of("ann", 0, 1), client_of("bob", 1, 1)};
    struct config_client after[] = {client_of("cid", 2, 2), client_of("bob", 1, 7), client_of("ann", 0, 1)};
    struct config configs[2];
    struct south_clients *old = table_of(&configs[0], before, 2), *new = table_of(&configs[1], after, 3);
    struct south_client *bob = match(old, "b");

    (void)state;
    bob->requests.tokens = 4711;
    assert_int_equal(south_clients_meet(new, old), 0);
    assert_int_equal(bob->limits.mitigations, 1); /* nothing has changed yet */
    assert_ptr_equal(match(old, "b"), bob);
    south_clients_adopt(new, old);
    south_clients_free(old);
    assert_ptr_equal(match(new, "b"), bob);
    assert_ptr_equal(south_clients_named(new, "bob"), bob);
    assert_int_equal(bob->limits.mitigations, 7);
    assert_int_equal(bob->requests.tokens, 4711);
    assert_false(bob->gone);
    assert_string_equal(match(new, "c")->config->name, "cid");
    assert_false(south_clients_keys_changed(new));
    south_clients_free(new);
}

static void test_who_is_gone_stays_for_as_long_as_somebody_refers_to_it(void **state)
{
    struct config_client before[] = {client_of("ann", 0, 1), client_of("bob", 1, 3)};
    struct config_client after[] = {client_of("ann", 0, 1)};
    struct config configs[2];
    struct south_clients *old = table_of(&configs[0], before, 2), *new = table_of(&configs[1], after, 1);
    struct south_client *bob = south_client_ref(match(old, "b"));

    (void)state;
    assert_int_equal(south_clients_meet(new, old), 0);
    south_clients_adopt(new, old);
    south_clients_free(old);
    memset(before, 0, sizeof(before)); /* the old configuration is no more */
    assert_true(bob->gone);
    assert_string_equal(bob->config->name, "bob");
    assert_int_equal(bob->config->limits.requests_per_second, 3);
    assert_null(match(new, "b"));
    assert_null(south_clients_named(new, "bob"));
    south_client_unref(bob);
    south_clients_free(new);
}

static void test_an_identity_may_move_to_another_client(void **state)
{
    struct config_client before[] = {client_of("ann", 0, 1), client_of("bob", 1, 1)};
    struct config_client after[] = {client_of("ann", 1, 1), client_of("bob", 2, 1)};
    struct config configs[2];
    struct south_clients *old = table_of(&configs[0], before, 2), *new = table_of(&configs[1], after, 2);
    struct south_client *ann = match(old, "a"), *bob = match(old, "b");

    (void)state;
    assert_int_equal(south_clients_meet(new, old), 0);
    south_clients_adopt(new, old);
    south_clients_free(old);
    assert_null(match(new, "a"));
    assert_ptr_equal(match(new, "b"), ann);
    assert_ptr_equal(match(new, "c"), bob);
    south_clients_free(new);
}

static void test_another_key_is_noticed(void **state)
{
    struct config_client before[] = {client_of("bob", 1, 1)}, after[] = {client_of("bob", 3, 1)};
    struct config configs[2];
    struct south_clients *old = table_of(&configs[0], before, 1), *new = table_of(&configs[1], after, 1);

    (void)state;
    assert_int_equal(south_clients_meet(new, old), 0);
    assert_true(south_clients_keys_changed(new));
    south_clients_adopt(new, old);
    south_clients_free(old);
    south_clients_free(new);
}

/* One that is dropped before it is adopted leaves everything as it was. */
static void test_a_refused_reload_changes_nothing(void **state)
{
    struct config_client before[] = {client_of("ann", 0, 1), client_of("bob", 1, 1)},
                         after[] = {client_of("bob", 1, 7)};
    struct config configs[2];
    struct south_clients *old = table_of(&configs[0], before, 2), *new = table_of(&configs[1], after, 1);

    (void)state;
    assert_int_equal(south_clients_meet(new, old), 0);
    south_clients_free(new);
    assert_string_equal(match(old, "a")->config->name, "ann");
    assert_int_equal(match(old, "b")->limits.mitigations, 1);
    assert_false(match(old, "a")->gone);
    south_clients_free(old);
}

#define MANY 100000

/* Many reloads one after the other: names shuffled, some gone, some new; each object is freed once. */
static void test_the_step_is_short_with_a_hundred_thousand(void **state)
{
    static char names[MANY][12];
    static struct config_client clients[2][MANY];
    struct config configs[2];
    struct south_clients *table;
    double longest = 0;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i * 7919 % MANY);
        clients[0][i] = client_of(names[i], 0, 1);
        clients[1][i] = client_of(names[MANY - 1 - i], 0, 2);
        clients[0][i].identity_count = clients[1][i].identity_count = 0;
    }
    table = table_of(&configs[0], clients[0], MANY);
    for (int round = 1; round < 6; round++) {
        struct south_clients *next = table_of(&configs[round % 2], clients[round % 2], MANY - (size_t)round * 100);
        clock_t begin;

        assert_int_equal(south_clients_meet(next, table), 0);
        begin = clock();
        south_clients_adopt(next, table);
        begin = clock() - begin;
        longest = (double)begin / CLOCKS_PER_SEC > longest ? (double)begin / CLOCKS_PER_SEC : longest;
        south_clients_free(table);
        table = next;
    }
    print_message("%d clients change in %.1f ms\n", MANY, longest * 1000);
    south_clients_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_stays_keeps_its_object_with_what_is_new),
        cmocka_unit_test(test_who_is_gone_stays_for_as_long_as_somebody_refers_to_it),
        cmocka_unit_test(test_an_identity_may_move_to_another_client),
        cmocka_unit_test(test_another_key_is_noticed),
        cmocka_unit_test(test_a_refused_reload_changes_nothing),
        cmocka_unit_test(test_the_step_is_short_with_a_hundred_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
