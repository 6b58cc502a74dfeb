/* catalog: order, names, conflicts, lives and records of aliases and ACLs. */
/* links: aggregation wire */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

#include "aggregation/catalog.h"

static struct catalog *catalog;
static struct catalog_client *client;

static struct catalog_client *add_client(const char *owner, const char *cuid, const char *domain)
{
    struct catalog_client *made = catalog_client_add(
        catalog, &(struct catalog_client_values){
                     .owner = owner, .cdid = "", .cuid = cuid, .identity_hash = "hash", .domain = domain});

    assert_non_null(made);
    return made;
}

static int set_up(void **state)
{
    (void)state;
    catalog = catalog_new();
    client = add_client("web", "cuid-1", "example.com");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    catalog_free(catalog);
    return 0;
}

static struct catalog_entry *put_rule(struct catalog_client *owner, const char *name, const char *match, bool drop)
{
    struct catalog_rule rule = {match, drop};
    struct catalog_entry *entry = catalog_entry_new(catalog, &(struct catalog_entry_values){.kind = CATALOG_ACL,
                                                                                            .name = name,
                                                                                            .json = "{}",
                                                                                            .json_length = 2,
                                                                                            .rules = &rule,
                                                                                            .rule_count = 1,
                                                                                            .expires_ms = 1000});

    assert_non_null(entry);
    assert_int_equal(catalog_entry_put(catalog, owner, entry, CATALOG_KEEP, NULL), 0);
    return entry;
}

static struct catalog_entry *put(enum catalog_kind kind, const char *name, enum catalog_insert insert,
                                 const struct catalog_entry *point, int64_t expires_ms)
{
    struct catalog_entry *old = catalog_entry_find(client, kind, name);
    struct catalog_entry *entry = catalog_entry_new(catalog, &(struct catalog_entry_values){.kind = kind,
                                                                                            .id = old ? old->id : 0,
                                                                                            .name = name,
                                                                                            .json = "{\"name\":1}",
                                                                                            .json_length = 10,
                                                                                            .expires_ms = expires_ms});

    assert_non_null(entry);
    assert_int_equal(catalog_entry_put(catalog, client, entry, insert, point), 0);
    return entry;
}

static void assert_order(const char *expected)
{
    char found[4096] = "";
    size_t length = 0;

    for (const struct catalog_entry *entry = client->entries[CATALOG_ACL]; entry; entry = entry->next) {
        length += (size_t)snprintf(found + length, sizeof(found) - length, "%s", entry->name);
        assert_true(length < sizeof(found));
    }
    assert_string_equal(found, expected);
}

static void test_order_is_the_clients(void **state)
{
    struct catalog_entry *b, *d;

    (void)state;
    b = put(CATALOG_ACL, "b", CATALOG_KEEP, NULL, 1);
    d = put(CATALOG_ACL, "d", CATALOG_LAST, NULL, 1);
    put(CATALOG_ACL, "a", CATALOG_FIRST, NULL, 1);
    put(CATALOG_ACL, "c", CATALOG_BEFORE, d, 1);
    put(CATALOG_ACL, "e", CATALOG_AFTER, d, 1);
    assert_order("abcde");
    put(CATALOG_ACL, "c", CATALOG_KEEP, NULL, 1);
    assert_order("abcde");
    put(CATALOG_ACL, "e", CATALOG_BEFORE, b, 1);
    assert_order("aebcd");
    put(CATALOG_ACL, "a", CATALOG_LAST, NULL, 1);
    assert_order("ebcda");
    put(CATALOG_ACL, "e", CATALOG_BEFORE, b, 1);
    assert_order("ebcda");
    catalog_entry_remove(catalog, catalog_entry_find(client, CATALOG_ACL, "c"));
    assert_order("ebda");
    assert_int_equal(client->counts[CATALOG_ACL], 4);
    assert_int_equal(catalog_domain_count(catalog, "example.com", CATALOG_ACL), 4);
}

/* Between the same two neighbours there is room for 32 numbers; then all are numbered anew. */
static void test_order_outlives_its_numbers(void **state)
{
    const struct catalog_entry *last;
    char name[2] = "a", expected[64] = "";
    bool renumbered = false;

    (void)state;
    last = put(CATALOG_ACL, "z", CATALOG_KEEP, NULL, 1);
    for (int i = 0; i < 40; i++) {
        name[0] = (char)('A' + i);
        put(CATALOG_ACL, name, CATALOG_BEFORE, last, 1);
        expected[i] = name[0];
        renumbered = catalog_renumbered(client, CATALOG_ACL) || renumbered;
    }
    expected[40] = 'z';
    assert_order(expected);
    assert_true(renumbered);
}

static void test_a_replaced_entry_lives_for_who_holds_it(void **state)
{
    struct catalog_entry *old = catalog_entry_ref(put(CATALOG_ALIAS, "a", CATALOG_KEEP, NULL, 1));
    struct catalog_entry *new = put(CATALOG_ALIAS, "a", CATALOG_KEEP, NULL, 1);

    (void)state;
    assert_ptr_not_equal(old, new);
    assert_int_equal(old->id, new->id);
    assert_null(old->client);
    assert_string_equal(old->name, "a");
    assert_ptr_equal(catalog_entry_find(client, CATALOG_ALIAS, "a"), new);
    assert_int_equal(client->counts[CATALOG_ALIAS], 1);
    catalog_entry_unref(old);
}

static void test_rfc8783_7_2_conflicts_in_a_domain(void **state)
{
    struct catalog_client *shop = add_client("shop", "cuid-2", "example.com");
    struct catalog_client *far = add_client("far", "cuid-3", "example.net");
    struct catalog_rule accept = {"{match}", false}, drop = {"{match}", true}, other = {"{other}", false};

    (void)state;
    put_rule(client, "mine", "{match}", true);
    assert_string_equal(catalog_conflict(catalog, shop, &accept, 1)->name, "mine");
    assert_null(catalog_conflict(catalog, shop, &drop, 1));
    assert_null(catalog_conflict(catalog, shop, &other, 1));
    assert_null(catalog_conflict(catalog, client, &accept, 1));
    assert_null(catalog_conflict(catalog, far, &accept, 1));
    put_rule(client, "mine", "{match}", false);
    assert_null(catalog_conflict(catalog, shop, &accept, 1));
    assert_non_null(catalog_conflict(catalog, shop, &drop, 1));
    catalog_client_remove(catalog, client);
    assert_null(catalog_conflict(catalog, shop, &drop, 1));
    client = shop;
}

static void test_rfc8783_6_1_entries_expire_unless_refreshed(void **state)
{
    struct catalog_entry *a = put(CATALOG_ALIAS, "a", CATALOG_KEEP, NULL, 100);

    (void)state;
    put(CATALOG_ALIAS, "b", CATALOG_KEEP, NULL, 200);
    assert_int_equal(catalog_next(catalog), 100);
    catalog_entry_refresh(catalog, a, 300);
    assert_null(catalog_expired(catalog, 199));
    assert_string_equal(catalog_expired(catalog, 200)->name, "b");
    catalog_entry_remove(catalog, catalog_entry_find(client, CATALOG_ALIAS, "b"));
    assert_int_equal(catalog_next(catalog), 300);
    catalog_client_remove(catalog, client);
    assert_false(catalog_reap(catalog, 100));
    assert_int_equal(catalog_next(catalog), INT64_MAX);
}

static void test_cleared_entries_are_gone_before_they_are_taken_apart(void **state)
{
    struct catalog_client *other = add_client("shop", "cuid-2", "example.com");
    const struct catalog_rule accept = {"m1", false};
    struct catalog_entry *held = catalog_entry_ref(put(CATALOG_ALIAS, "a", CATALOG_KEEP, NULL, 10));
    unsigned turns = 1;
    char name[16];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        put(CATALOG_ALIAS, name, CATALOG_KEEP, NULL, 10);
    }
    put_rule(client, "drops", "m1", true);
    assert_non_null(catalog_conflict(catalog, other, &accept, 1));
    catalog_entries_clear(catalog, client, CATALOG_ALIAS);
    catalog_entries_clear(catalog, client, CATALOG_ACL);
    catalog_entries_clear(catalog, client, CATALOG_ACL);
    assert_null(client->entries[CATALOG_ALIAS]);
    assert_null(catalog_entry_find(client, CATALOG_ALIAS, "n7"));
    assert_null(held->client);
    assert_int_equal(client->counts[CATALOG_ALIAS] + catalog_domain_count(catalog, "example.com", CATALOG_ALIAS), 0);
    assert_null(catalog_conflict(catalog, other, &accept, 1));
    put(CATALOG_ALIAS, "n7", CATALOG_KEEP, NULL, 2000);
    assert_null(catalog_expired(catalog, 1500));
    while (catalog_reap(catalog, 100))
        turns++;
    assert_int_equal(turns, 11); /* 1002 of them */
    assert_string_equal(held->name, "a");
    catalog_entry_unref(held);
    assert_non_null(catalog_entry_find(client, CATALOG_ALIAS, "n7"));
    assert_int_equal(catalog_next(catalog), 2000);
}

static void test_a_discarded_entry_is_gone_before_it_is_taken_apart(void **state)
{
    struct catalog_entry *held = catalog_entry_ref(put(CATALOG_ALIAS, "b", CATALOG_KEEP, NULL, 10));

    (void)state;
    put(CATALOG_ALIAS, "a", CATALOG_KEEP, NULL, 20);
    put(CATALOG_ALIAS, "c", CATALOG_KEEP, NULL, 30);
    catalog_entry_discard(catalog, held);
    catalog_entry_discard(catalog, catalog_entry_find(client, CATALOG_ALIAS, "c"));
    assert_null(held->client);
    assert_null(catalog_entry_find(client, CATALOG_ALIAS, "b"));
    assert_int_equal(client->counts[CATALOG_ALIAS], 1);
    assert_int_equal(catalog_domain_count(catalog, "example.com", CATALOG_ALIAS), 1);
    assert_string_equal(held->name, "b");
    assert_null(catalog_expired(catalog, 15));
    assert_true(catalog_reap(catalog, 1));
    assert_false(catalog_reap(catalog, 1));
    catalog_entry_unref(held);
    assert_string_equal(client->entries[CATALOG_ALIAS]->name, "a");
    assert_null(client->entries[CATALOG_ALIAS]->next);
    assert_int_equal(catalog_next(catalog), 20);
}

static void test_the_keys_of_a_clients_entries_are_between_two_keys(void **state)
{
    struct catalog_client *next = add_client("shop", "cuid-2", "example.com");
    char first[CATALOG_KEY_MAX + 1], end[CATALOG_KEY_MAX + 1], key[CATALOG_KEY_MAX + 1];

    (void)state;
    catalog_entry_key(client, "", first);
    catalog_entries_end(client, end);
    catalog_entry_key(client, "\xff\xff", key);
    assert_true(strcmp(first, key) < 0 && strcmp(key, end) < 0);
    catalog_client_key(client, key);
    assert_true(strcmp(key, first) < 0);
    catalog_client_key(next, key);
    assert_true(strcmp(end, key) < 0);
}

static void test_names_upstream_differ_and_lead_back(void **state)
{
    char longest[65], name[CATALOG_UPSTREAM_NAME];
    const char *names[] = {"https1", "~", "1", ".", "c1.x", longest};

    (void)state;
    memset(longest, 'n', 64);
    longest[64] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct catalog_entry *entry = put(CATALOG_ALIAS, names[i], CATALOG_KEEP, NULL, 1);

        catalog_upstream_name(client->id, entry->id, entry->name, name);
        assert_true(strlen(name) <= 64);
        assert_ptr_equal(catalog_upstream_find(catalog, CATALOG_ALIAS, name), entry);
        assert_null(catalog_upstream_find(catalog, CATALOG_ACL, name));
    }
    for (const char *const *other =
             (const char *const[]){"", "c", "c0.x", "c01.x", "c9.x", "d1.https1", "c1", "c1~2", "c1.",
                                   "c99999999999999999999.x", "c1~99999999999999999999", NULL};
         *other; other++)
        assert_null(catalog_upstream_find(catalog, CATALOG_ALIAS, *other));
}

static void test_stamps_only_grow(void **state)
{
    uint64_t first;

    (void)state;
    assert_int_equal(catalog_changed(catalog, "web", client, 5000), 0);
    first = client->stamp;
    assert_int_equal(catalog_changed(catalog, "web", client, 5000), 0);
    assert_true(client->stamp > first);
    first = client->stamp;
    assert_int_equal(catalog_changed(catalog, "web", client, 10), 0);
    assert_true(client->stamp > first);
    assert_int_equal(catalog_owner_stamp(catalog, "web"), client->stamp);
    assert_int_equal(catalog_owner_stamp(catalog, "other"), 0);
}

static void test_records_come_back(void **state)
{
    uint8_t value[512];
    char key[CATALOG_KEY_MAX + 1], name[CATALOG_NAME_MAX + 1];
    struct catalog_entry *entry = put(CATALOG_ACL, "acl", CATALOG_KEEP, NULL, 77);
    struct catalog *other = catalog_new();
    struct catalog_client *loaded;
    struct catalog_entry_values values;
    size_t key_length, length;

    (void)state;
    catalog_changed(catalog, "web", client, 4242);
    key_length = catalog_client_key(client, key);
    length = catalog_client_encode(client, value, sizeof(value));
    assert_int_equal(catalog_client_load(other, key, key_length, value, length), 0);
    assert_int_equal(catalog_client_load(other, key, key_length, value, length), -1);
    for (size_t i = 0; i < length; i++) {
        struct catalog *cut = catalog_new();

        assert_int_equal(catalog_client_load(cut, key, key_length, value, i), -1);
        catalog_free(cut);
    }
    loaded = catalog_client_find(other, "cuid-1");
    assert_string_equal(loaded->owner, "web");
    assert_string_equal(loaded->domain, "example.com");
    assert_int_equal(loaded->id, client->id);
    assert_int_equal(loaded->stamp, client->stamp);
    key_length = catalog_entry_key(client, "acl", key);
    length = catalog_entry_encode(entry, value, sizeof(value));
    assert_int_equal(catalog_entry_encode(entry, value, length - 1), 0);
    length = catalog_entry_encode(entry, value, sizeof(value));
    assert_int_equal(catalog_entry_decode(other, CATALOG_ACL, key, key_length, value, length, &loaded, &values, name),
                     0);
    assert_string_equal(values.name, "acl");
    assert_int_equal(values.id, entry->id);
    assert_int_equal(values.expires_ms, 77);
    assert_int_equal(values.json_length, 10);
    assert_int_equal(catalog_entry_decode(other, CATALOG_ACL, key, 17, value, length, &loaded, &values, name), -1);
    assert_int_equal(catalog_entry_decode(other, CATALOG_ACL, key, key_length, value, 20, &loaded, &values, name), -1);
    key[0] = 'f';
    assert_int_equal(catalog_entry_decode(other, CATALOG_ACL, key, key_length, value, length, &loaded, &values, name),
                     -1);
    key_length = catalog_owner_key("web", key);
    length = catalog_owner_encode(catalog, "web", value, sizeof(value));
    assert_int_equal(catalog_client_load(other, key, key_length, value, length), 0);
    assert_int_equal(catalog_owner_stamp(other, "web"), catalog_owner_stamp(catalog, "web"));
    assert_int_equal(catalog_next_id(other), client->id + 1);
    catalog_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_is_the_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_outlives_its_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_replaced_entry_lives_for_who_holds_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rfc8783_7_2_conflicts_in_a_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rfc8783_6_1_entries_expire_unless_refreshed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cleared_entries_are_gone_before_they_are_taken_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_discarded_entry_is_gone_before_it_is_taken_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_keys_of_a_clients_entries_are_between_two_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_upstream_differ_and_lead_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stamps_only_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_records_come_back, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
