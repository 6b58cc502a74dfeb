/* yang: our schema takes what RFC 8783 prints, and says what is wrong with the rest in the RFC's terms. */
/* links: yang */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs those before it */
#include <cmocka.h>

#include "gateway/yang/yang.h"

#define CLIENT(members) "{\"ietf-dots-data-channel:dots-data\":{\"dots-client\":[{\"cuid\":\"x\"" members "}]}}"
#define ALIAS(members) CLIENT(",\"aliases\":{\"alias\":[{" members "}]}")
#define ACE(type, matches, actions)                                                                               \
    CLIENT(",\"acls\":{\"acl\":[{\"name\":\"a\"" type ",\"aces\":{\"ace\":[{\"name\":\"r\",\"matches\":{" matches \
           "},\"actions\":{" actions "}}]}}]}")
#define IPV4 ",\"type\":\"ietf-access-control-list:ipv4-acl-type\""
#define DROP "\"forwarding\":\"ietf-access-control-list:drop\""

#define CLIENT_PATH "/ietf-dots-data-channel:dots-data/dots-client[cuid='x']"

static struct yang *yang;

static int open_yang(void **state)
{
    char error[512];

    (void)state;
    yang = yang_open(error, sizeof(error));
    if (!yang)
        print_error("%s\n", error);
    return yang ? 0 : -1;
}

static int close_yang(void **state)
{
    (void)state;
    yang_close(yang);
    return 0;
}

static void takes(const char *json, const char *canonical)
{
    struct yang_fault fault;
    char *text = yang_validate(yang, json, &fault);

    if (!text)
        fail_msg("%s: %s: %s at %s", json, fault.tag, fault.message, fault.path);
    assert_string_equal(text, canonical ? canonical : json);
    free(text);
}

static void refuses(const char *json, const char *tag)
{
    struct yang_fault fault = {0};
    char *text = yang_validate(yang, json, &fault);

    if (text)
        fail_msg("taken: %s", json);
    if (strcmp(fault.tag, tag) != 0)
        fail_msg("%s: %s (%s at %s), not %s", json, fault.tag, fault.message, fault.path, tag);
    assert_true(fault.message[0] != '\0');
}

static void test_valid_documents_become_canonical(void **state)
{
    (void)state;
    takes(CLIENT(""), NULL);
    takes(ALIAS("\"name\":\"n\",\"target-prefix\":[\"2001:DB8::1/128\",\"192.0.2.9/24\"]"),
          ALIAS("\"name\":\"n\",\"target-prefix\":[\"2001:db8::1/128\",\"192.0.2.0/24\"]"));
    takes(" " ALIAS("\"name\" : \"n\", \"target-port-range\":[{\"lower-port\": 443}]"),
          ALIAS("\"name\":\"n\",\"target-port-range\":[{\"lower-port\":443}]"));
    takes(CLIENT(",\"ietf-dots-data-channel:aliases\":{\"alias\":[]}"), CLIENT(""));
}

static void test_rfc8783_7_2_an_example_has_neither_fragment_nor_flags_bitmask(void **state)
{
    (void)state;
    takes(ACE(IPV4, "\"ipv4\":{\"source-ipv4-network\":\"192.0.2.0/24\"}", DROP), NULL);
    takes(ACE(IPV4, "\"ipv4\":{\"fragment\":{\"operator\":\"match\",\"type\":\"isf\"}}", DROP), NULL);
    takes(ACE("", "\"tcp\":{\"flags-bitmask\":{\"operator\":\"not any\",\"bitmask\":4095}}", DROP), NULL);
    takes(ACE("", "\"udp\":{\"destination-port-range-or-operator\":{\"port\":53}}", DROP), NULL);
}

static void test_rfc8783_7_2_error_tags(void **state)
{
    (void)state;
    refuses(ALIAS("\"target-prefix\":[\"192.0.2.0/24\"]"), "missing-attribute");
    refuses(ACE(IPV4, "", ""), "missing-attribute");
    refuses(ALIAS("\"name\":\"n\",\"colour\":1"), "unknown-element");
    refuses(ACE(IPV4, "\"eth\":{}", DROP), "unknown-element");
    refuses(CLIENT(",\"example-module:colour\":1"), "unknown-element");
    refuses("{\"example-module:dots-data\":{}}", "unknown-element");
    refuses(ALIAS("\"name\":\"n\",\"target-prefix\":[\"192.0.2.0/33\"]"), "invalid-value");
    refuses(ALIAS("\"name\":\"n\",\"target-prefix\":\"192.0.2.0/24\""), "invalid-value");
    refuses(ALIAS("\"name\":\"n\",\"target-protocol\":[256]"), "invalid-value");
    refuses(ALIAS("\"name\":\"n\",\"target-protocol\":[\"6\"]"), "invalid-value");
    refuses(ALIAS("\"name\":\"n\",\"target-port-range\":[{\"lower-port\":9,\"upper-port\":8}]"), "invalid-value");
    refuses(ALIAS("\"name\":\"n\"},{\"name\":\"n\""), "invalid-value");
    refuses(ALIAS("\"name\":\"n\",\"pending-lifetime\":1"), "invalid-value");
    refuses(ACE(IPV4, "\"ipv6\":{\"flow-label\":1}", DROP), "invalid-value");
    refuses(ACE(IPV4, "\"udp\":{},\"tcp\":{\"reserved\":1},\"icmp\":{\"code\":1}", DROP), "invalid-value");
    refuses(ACE(IPV4, "", "\"forwarding\":\"ietf-access-control-list:eat\""), "invalid-value");
    refuses(ACE(IPV4, "", DROP ",\"rate-limit\":\"1.0\""), "invalid-value");
    refuses(ACE(IPV4, "\"udp\":{\"length\":70000}", DROP), "invalid-value");
    refuses("{\"ietf-dots-data-channel:dots-data\":{\"dots-client\":[{]}}", "malformed-message");
    refuses("{}", "malformed-message");
    refuses("", "malformed-message");
}

static void test_rfc8040_4_6_1_plain_patch_merges(void **state)
{
    struct yang_fault fault;
    char *text;

    (void)state;
    text = yang_merge(yang, ALIAS("\"name\":\"n\",\"target-prefix\":[\"192.0.2.0/24\"],\"target-protocol\":[6]"),
                      ALIAS("\"name\":\"n\",\"target-prefix\":[\"198.51.100.0/24\"]"), &fault);
    assert_string_equal(
        text, ALIAS("\"name\":\"n\",\"target-prefix\":[\"192.0.2.0/24\",\"198.51.100.0/24\"],\"target-protocol\":[6]"));
    free(text);
    text = yang_merge(yang, ACE("", "\"udp\":{\"length\":9}", DROP),
                      CLIENT(",\"acls\":{\"acl\":[{\"name\":\"a\",\"aces\":{\"ace\":[{\"name\":\"r\",\"matches\":{"
                             "\"tcp\":{\"reserved\":1}}}]}}]}"),
                      &fault);
    if (!text)
        fail_msg("%s %s", fault.message, fault.path);
    assert_string_equal(text, ACE("", "\"tcp\":{\"reserved\":1}", DROP));
    free(text);
    assert_null(yang_merge(yang, ALIAS("\"name\":\"n\""),
                           ALIAS("\"name\":\"n\",\"target-port-range\":[{\"lower-port\":9,\"upper-port\":8}]"),
                           &fault));
    assert_string_equal(fault.tag, "invalid-value");
}

static void assert_fault_path(const char *json, const char *path)
{
    struct yang_fault fault = {0};

    assert_null(yang_validate(yang, json, &fault));
    assert_string_equal(fault.path, path);
}

/* Entries by their keys, or else the node above them: libyang 3 refuses anything else as an instance-identifier. */
static void test_rfc7950_9_13_error_path_names_no_bare_list(void **state)
{
    (void)state;
    assert_fault_path(ALIAS("\"target-prefix\":[\"192.0.2.0/24\"]"), CLIENT_PATH "/aliases");
    assert_fault_path(ALIAS("\"name\":\"n/'\",\"target-prefix\":[\"192.0.2.0/33\"]"),
                      CLIENT_PATH "/aliases/alias[name=\"n/'\"]");
    assert_fault_path(ALIAS("\"name\":\"n\",\"target-port-range\":[{\"upper-port\":8}]"),
                      CLIENT_PATH "/aliases/alias[name='n']");
    assert_fault_path(ACE(IPV4, "\"udp\":{\"length\":70000}", DROP),
                      CLIENT_PATH "/acls/acl[name='a']/aces/ace[name='r']/matches/udp/length");
}

static void test_nodes_are_found_by_name(void **state)
{
    struct yang_node data, client, acls, acl, type, statistics;

    (void)state;
    assert_int_equal(yang_child(yang, NULL, "dots-data", &data), 0);
    assert_int_equal(data.kind, YANG_CONTAINER);
    assert_int_equal(yang_child(yang, &data, "dots-client", &client), 0);
    assert_int_equal(client.kind, YANG_LIST);
    assert_string_equal(client.key, "cuid");
    assert_false(client.ordered_by_user);
    assert_int_equal(yang_child(yang, &client, "acls", &acls), 0);
    assert_int_equal(yang_child(yang, &acls, "acl", &acl), 0);
    assert_true(acl.ordered_by_user);
    assert_int_equal(yang_child(yang, &acl, "type", &type), 0);
    assert_int_equal(type.kind, YANG_LEAF);
    assert_int_equal(yang_child(yang, &acl, "pending-lifetime", &statistics), 0);
    assert_false(statistics.config);
    assert_int_equal(yang_child(yang, &acl, "l3", &type), -1);
    assert_int_equal(yang_child(yang, &data, "nothing", &type), -1);
    assert_int_equal(yang_child(yang, NULL, "acls", &type), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_documents_become_canonical),
        cmocka_unit_test(test_rfc8783_7_2_an_example_has_neither_fragment_nor_flags_bitmask),
        cmocka_unit_test(test_rfc8783_7_2_error_tags),
        cmocka_unit_test(test_rfc8040_4_6_1_plain_patch_merges),
        cmocka_unit_test(test_rfc7950_9_13_error_path_names_no_bare_list),
        cmocka_unit_test(test_nodes_are_found_by_name),
    };

    return cmocka_run_group_tests(tests, open_yang, close_yang);
}
