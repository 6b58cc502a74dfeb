/* portion, path, capabilities: what an upstream is told of an entry, and where. */
/* links: northbound_data */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "northbound/data/capabilities.h"
#include "northbound/data/path.h"
#include "northbound/data/portion.h"

static struct wire_prefix owns[] = {{{192, 0, 2}, 4, 24}, {{198, 51, 100, 128}, 4, 25}};
static const struct portion_terms by_prefix = {.name = "c1.x", .by_prefix = true, .owns = owns, .owns_count = 2};

static void makes(enum catalog_kind kind, const struct portion_terms *terms, const char *json, const char *expected)
{
    char reason[PORTION_REASON_MAX], *text;
    json_t *entry;

    assert_int_equal(portion_make(kind, json, strlen(json), terms, &entry, reason), PORTION_MADE);
    text = json_dumps(entry, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    json_decref(entry);
}

static void ends(enum catalog_kind kind, const struct portion_terms *terms, const char *json,
                 enum portion_result result)
{
    char reason[PORTION_REASON_MAX];
    json_t *entry;

    assert_int_equal(portion_make(kind, json, strlen(json), terms, &entry, reason), result);
    assert_null(entry);
    assert_true((result == PORTION_REFUSED) == (reason[0] != '\0'));
}

static void test_an_alias_is_cut_by_its_prefixes(void **state)
{
    (void)state;
    makes(CATALOG_ALIAS, &by_prefix,
          "{\"name\":\"x\",\"target-prefix\":[\"192.0.2.1/32\",\"203.0.113.0/24\",\"198.51.100.0/24\"]}",
          "{\"name\":\"c1.x\",\"target-prefix\":[\"192.0.2.1/32\",\"198.51.100.128/25\"]}");
    makes(CATALOG_ALIAS, &by_prefix,
          "{\"name\":\"x\",\"target-prefix\":[\"203.0.113.0/24\"],\"target-fqdn\":[\"a.example\"]}",
          "{\"name\":\"c1.x\",\"target-fqdn\":[\"a.example\"]}");
    ends(CATALOG_ALIAS, &by_prefix, "{\"name\":\"x\",\"target-prefix\":[\"203.0.113.0/24\"]}", PORTION_NOTHING);
}

#define ACE(DESTINATION) "{\"matches\":{\"ipv4\":{\"destination-ipv4-network\":\"" DESTINATION "\"}},\"name\":\"r\"}"
#define ACL(ACES) "{\"aces\":{\"ace\":[" ACES "]},\"name\":\"x\"}"
#define MADE(ACES) "{\"aces\":{\"ace\":[" ACES "]},\"name\":\"c1.x\"}"

static void test_an_acl_is_cut_by_its_aces(void **state)
{
    (void)state;
    makes(CATALOG_ACL, &by_prefix, ACL(ACE("192.0.2.0/25") "," ACE("203.0.113.0/24") ",{\"name\":\"any\"}"),
          MADE(ACE("192.0.2.0/25") ",{\"name\":\"any\"}"));
    makes(CATALOG_ACL, &by_prefix, ACL(ACE("198.51.100.0/24")), MADE(ACE("198.51.100.128/25")));
    ends(CATALOG_ACL, &by_prefix, ACL(ACE("203.0.113.0/24")), PORTION_NOTHING);
    ends(CATALOG_ACL, &by_prefix, ACL(ACE("0.0.0.0/0")), PORTION_REFUSED);
}

static void test_what_is_none_of_the_catalogs_fails(void **state)
{
    (void)state;
    ends(CATALOG_ALIAS, &by_prefix, "[]", PORTION_FAILED);
    ends(CATALOG_ALIAS, &by_prefix, "{\"target-prefix\":[7]}", PORTION_FAILED);
    ends(CATALOG_ACL, &by_prefix, ACL(ACE("nonsense")), PORTION_FAILED);
}

/* RFC 8040 section 3.5.3: keys are escaped, whatever they hold. */
static void test_rfc8040_3_5_3_keys_must_be_percent_encoded(void **state)
{
    static const char client[] = "/data/ietf-dots-data-channel:dots-data/dots-client=a%2Fb";
    char *path = path_entry("a/b", CATALOG_ALIAS, "c1.x,y?\xc3\xa9", CATALOG_KEEP, NULL);
    char expected[512];

    (void)state;
    snprintf(expected, sizeof(expected), "%s/aliases/alias=c1.x%%2Cy%%3F%%C3%%A9", client);
    assert_string_equal(path, expected);
    free(path);
    path = path_entry("a/b", CATALOG_ACL, "x", CATALOG_BEFORE, "y/z");
    snprintf(expected, sizeof(expected),
             "%s/acls/acl=x?insert=before&point=%%2Fietf-dots-data-channel%%3Adots-data%%2Fdots-client%%3Da%%252Fb"
             "%%2Facls%%2Facl%%3Dy%%252Fz",
             client);
    assert_string_equal(path, expected);
    free(path);
    path = path_entry("a/b", CATALOG_ACL, "x", CATALOG_FIRST, NULL);
    assert_non_null(strstr(path, "/acls/acl=x?insert=first"));
    free(path);
}

static void test_rfc8783_7_1_capabilities_that_all_have(void **state)
{
    static const char first[] =
        "{\"ietf-dots-data-channel:capabilities\":{\"address-family\":[\"ipv4\",\"ipv6\"],"
        "\"rate-limit\":true,\"tcp\":{\"flags-bitmask\":true,\"port-range\":true},\"icmp\":{}}}";
    static const char second[] = "{\"ietf-dots-data-channel:capabilities\":{\"address-family\":[\"ipv6\"],"
                                 "\"rate-limit\":true,\"tcp\":{\"flags-bitmask\":false,\"port-range\":true}}}";
    json_t *a = capabilities_read(first, strlen(first)), *b = capabilities_read(second, strlen(second));
    json_t *both = capabilities_common(a, b);
    char *text = json_dumps(both, JSON_COMPACT | JSON_SORT_KEYS);

    (void)state;
    assert_string_equal(text, "{\"address-family\":[\"ipv6\"],\"rate-limit\":true,"
                              "\"tcp\":{\"flags-bitmask\":false,\"port-range\":true}}");
    free(text);
    json_decref(a);
    json_decref(b);
    json_decref(both);
    assert_null(capabilities_read("{}", 2));
    assert_null(capabilities_read("[", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_alias_is_cut_by_its_prefixes),
        cmocka_unit_test(test_an_acl_is_cut_by_its_aces),
        cmocka_unit_test(test_what_is_none_of_the_catalogs_fails),
        cmocka_unit_test(test_rfc8040_3_5_3_keys_must_be_percent_encoded),
        cmocka_unit_test(test_rfc8783_7_1_capabilities_that_all_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
