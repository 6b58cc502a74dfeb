/* Unit tests of what can never be a target, and of hosts of URIs. */
/* links: aggregation */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregation/scope.h"
#include "tests/unit/target_fixture.h"

static int forget(void **state)
{
    (void)state;
    targets_forget();
    return 0;
}

/* reason: NULL when valid, else what the sentence must begin with. */
struct validity {
    const char *target, *reason;
};

static void check(const struct validity *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char buffer[SCOPE_REASON_MAX];
        const char *reason = scope_invalid(target_of(cases[i].target), buffer, sizeof buffer);
        if ((reason == NULL) != (cases[i].reason == NULL) ||
            (reason && strncmp(reason, cases[i].reason, strlen(cases[i].reason)) != 0))
            fail_msg("%s: %s", cases[i].target, reason ? reason : "valid");
        targets_forget();
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof(cases)[0])

static void test_rfc9132_4_4_1_1_prefix_must_not_be_broadcast_loopback_or_multicast(void **state)
{
    (void)state;
    static const struct validity cases[] = {
        {"127.0.0.0/8", "target-prefix: 127.0.0.0/8 is a loopback address"},
        {"127.0.0.1/32", "target-prefix: 127.0.0.1/32 is a loopback address"},
        {"127.255.255.255/32", "target-prefix: 127.255.255.255/32 is a loopback"},
        {"::1/128", "target-prefix: ::1/128 is a loopback address"},
        {"224.0.0.0/4", "target-prefix: 224.0.0.0/4 is a multicast address"},
        {"239.255.255.255/32", "target-prefix: 239.255.255.255/32 is a multicast"},
        {"ff00::/8", "target-prefix: ff00::/8 is a multicast address"},
        {"ff02::1/128", "target-prefix: ff02::1/128 is a multicast address"},
        {"255.255.255.255/32", "target-prefix: 255.255.255.255/32 is the broadcast address"},
        /* The first that is wrong is named, wherever it stands. */
        {"192.0.2.1/32 127.0.0.1/32 fqdn=www.example.com", "target-prefix: 127.0.0.1/32"},
    };
    CHECK(cases);
}

static void test_unspecified_link_local_and_mapped_addresses_are_invalid(void **state)
{
    (void)state;
    static const struct validity cases[] = {
        {"0.0.0.0/32", "target-prefix: 0.0.0.0/32 is the unspecified address"},
        {"::/128", "target-prefix: ::/128 is the unspecified address"},
        {"169.254.0.0/16", "target-prefix: 169.254.0.0/16 is a link-local address"},
        {"fe80::/10", "target-prefix: fe80::/10 is a link-local address"},
        {"febf::1/128", "target-prefix: febf::1/128 is a link-local address"},
        {"::ffff:192.0.2.1/128", "target-prefix: ::ffff:192.0.2.1/128 is an IPv4-mapped address (use the IPv4 prefix)"},
        {"::ffff:0.0.0.0/96", "target-prefix: "},
    };
    CHECK(cases);
}

static void test_other_and_wider_prefixes_are_left_to_authorization(void **state)
{
    (void)state;
    static const struct validity cases[] = {
        {"192.0.2.0/24", NULL},   {"0.0.0.0/0", NULL},   {"::/0", NULL},
        {"126.0.0.0/7", NULL},    {"128.0.0.0/8", NULL}, {"192.0.0.0/2", NULL},
        {"223.0.0.0/8", NULL},    {"240.0.0.0/4", NULL}, {"255.255.255.254/31", NULL},
        {"169.254.0.0/15", NULL}, {"0.0.0.0/31", NULL},  {"::/127", NULL},
        {"::/95", NULL},          {"fe00::/9", NULL},    {"fec0::/10", NULL},
        {"2001:db8::/32", NULL},  {"::2/128", NULL},
    };
    CHECK(cases);
}

static void test_malformed_prefixes_are_invalid(void **state)
{
    (void)state;
    static const struct wire_prefix malformed[] = {
        {{192, 0, 2, 1}, 4, 33}, {{0x20, 1}, 6, 129}, {{192, 0, 2, 1}, 0, 24}, {{192, 0, 2, 1}, 5, 24}};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        char buffer[SCOPE_REASON_MAX];
        struct wire_prefix prefix = malformed[i];
        struct wire_target target = {.prefixes = &prefix, .prefix_count = 1};
        const char *reason = scope_invalid(&target, buffer, sizeof buffer);
        assert_non_null(reason);
        assert_memory_equal(reason, "target-prefix: ", 15);
    }
}

static void test_rfc9132_4_4_1_1_one_target_clause_must_be_present(void **state)
{
    (void)state;
    static const struct validity cases[] = {
        {"", "target-prefix, target-fqdn, target-uri or alias-name"},
        {"port=80 proto=6", "target-prefix, target-fqdn, target-uri or alias-name"},
        {"192.0.2.1", NULL},
        {"fqdn=www.example.com", NULL},
        {"uri=https://www.example.com/", NULL},
        {"alias=web", NULL},
    };
    CHECK(cases);
}

static void test_fqdn_that_resolvers_read_as_an_address_is_invalid(void **state)
{
    (void)state;
    static const struct validity cases[] = {
        {"fqdn=127.0.0.1", "target-fqdn: 127.0.0.1 is not a host name"},
        {"fqdn=127.1", "target-fqdn: 127.1 "},
        {"fqdn=2130706433", "target-fqdn: 2130706433 "},
        {"fqdn=0x7f000001", "target-fqdn: 0x7f000001 "},
        {"fqdn=0X7F.1.", "target-fqdn: 0X7F.1. "},
        {"fqdn=017700000001", "target-fqdn: "},
        {"fqdn=::1", "target-fqdn: "},
        {"fqdn=.", "target-fqdn: "},
        {"fqdn=*.example.com", "target-fqdn: "},
        {"fqdn=a..example.com", "target-fqdn: "},
        {"fqdn=www.example.com.", NULL},
        {"fqdn=1.example", NULL},
        {"fqdn=127.0.0.1.example", NULL},
        {"fqdn=x7f", NULL},
        {"fqdn=_dots._udp.example.com", NULL},
    };
    CHECK(cases);
}

static void test_rfc9132_4_4_1_1_uri_must_pass_the_same_checks(void **state)
{
    (void)state;
    static const struct validity cases[] = {
        {"uri=http://127.0.0.1/", "target-uri: the host of http://127.0.0.1/ is a loopback address"},
        {"uri=http://[::1]:8080/", "target-uri: the host of http://[::1]:8080/ is a loopback address"},
        {"uri=http://user@224.0.0.1/", "target-uri: the host of http://user@224.0.0.1/ is a multicast"},
        {"uri=http://[::ffff:127.0.0.1]/", "target-uri: "},
        {"uri=http://127.1/", "target-uri: http://127.1/ has no valid host"},
        {"uri=mailto:someone@example.com", "target-uri: mailto:someone@example.com has no valid host"},
        {"uri=https://192.0.2.1/", NULL},
        {"uri=https://[2001:db8::1]/", NULL},
        {"uri=https://www.example.com:8443/login?a=b#c", NULL},
    };
    CHECK(cases);
}

static void test_uri_host(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *host; /* NULL: refused */
    } cases[] = {
        {"https://www.example.com/path", "www.example.com"},
        {"HTTPS://WWW.Example.COM", "WWW.Example.COM"},
        {"https://www.example.com.:443?q", "www.example.com."},
        {"https://www.example.com:/", "www.example.com"},
        {"coaps://192.0.2.1:5684/x", "192.0.2.1"},
        {"https://[2001:db8::1]", "2001:db8::1"},
        {"https://[2001:db8::1]:443/", "2001:db8::1"},
        {"https://user:secret@www.example.com/", "www.example.com"},
        /* The host is what stands behind the userinfo, however it looks. */
        {"https://www.example.com@evil.example/", "evil.example"},
        {"https://www.example.com:80@evil.example/", "evil.example"},
        {"https://evil.example/@www.example.com", "evil.example"},
        {"https://evil.example?@www.example.com", "evil.example"},
        {"https://evil.example#@www.example.com", "evil.example"},
        {"https://a@b@www.example.com/", NULL},
        {"https://evil.example\\@www.example.com/", NULL},
        {"https://[::1/", NULL},
        {"https://::1]/", NULL},
        {"https://[::1]x/", NULL},
        {"https://[::1]@www.example.com/", NULL},
        {"https://[192.0.2.1]/", NULL},
        {"https://[www.example.com]/", NULL},
        {"https://[fe80::1%25eth0]/", NULL},
        {"https://[fe80::1%eth0]/", NULL},
        {"https://[v1.x]/", NULL},
        {"https://2001:db8::1/", NULL},
        {"https://www.example.com:65536/", NULL},
        {"https://www.example.com:99999999999999999999/", NULL},
        {"https://www.example.com:8o/", NULL},
        {"https://www.example.com:-1/", NULL},
        {"https://www%2eexample.com/", NULL},
        {"https://%31%32%37.0.0.1/", NULL},
        {"https://www.exa mple.com/", NULL},
        {"https://www.ex\tample.com/", NULL},
        {"https://b\xc3\xbc"
         "cher.example/",
         NULL},
        {"https://www..example.com/", NULL},
        {"https://0x7f.1/", NULL},
        {"https://192.0.2.256/", NULL},
        {"https://192.0.2/", NULL},
        {"https:///path", NULL},
        {"https://@/", NULL},
        {"https://:443/", NULL},
        {"https:www.example.com", NULL},
        {"https:/www.example.com", NULL},
        {"//www.example.com/", NULL},
        {"www.example.com", NULL},
        {"://www.example.com", NULL},
        {"1https://www.example.com", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char host[SCOPE_HOST_MAX];
        int result = scope_uri_host(cases[i].uri, host, sizeof host);
        if (result != (cases[i].host ? 0 : -1))
            fail_msg("%s: %d", cases[i].uri, result);
        if (cases[i].host)
            assert_string_equal(host, cases[i].host);
    }
}

static void test_uri_host_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    char host[16];
    assert_int_equal(scope_uri_host("https://www.example.com/", host, 16), 0);
    assert_int_equal(scope_uri_host("https://www.example.com/", host, 15), -1);
    assert_int_equal(scope_uri_host("https://www.example.com/", host, 0), -1);
}

/* Hostile text goes into a payload and a log line. */
static void test_sentences_are_short_and_printable(void **state)
{
    (void)state;
    char buffer[SCOPE_REASON_MAX], fqdn[4096] = "fqdn=";
    memset(fqdn + 5, 'x', sizeof fqdn - 6);
    const char *reason = scope_invalid(target_of(fqdn), buffer, sizeof buffer);
    assert_non_null(reason);
    assert_non_null(strstr(reason, "xxx... is not a host name (addresses belong in target-prefix)"));
    reason = scope_invalid(target_of("fqdn=a\nb\x1b[0m\x7f\xc3\xbc"), buffer, sizeof buffer);
    assert_non_null(strstr(reason, "target-fqdn: a?b?[0m??? is not"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_1_prefix_must_not_be_broadcast_loopback_or_multicast, forget),
        cmocka_unit_test_teardown(test_unspecified_link_local_and_mapped_addresses_are_invalid, forget),
        cmocka_unit_test_teardown(test_other_and_wider_prefixes_are_left_to_authorization, forget),
        cmocka_unit_test_teardown(test_malformed_prefixes_are_invalid, forget),
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_1_one_target_clause_must_be_present, forget),
        cmocka_unit_test_teardown(test_fqdn_that_resolvers_read_as_an_address_is_invalid, forget),
        cmocka_unit_test_teardown(test_rfc9132_4_4_1_1_uri_must_pass_the_same_checks, forget),
        cmocka_unit_test_teardown(test_uri_host, forget),
        cmocka_unit_test_teardown(test_uri_host_that_does_not_fit_is_refused, forget),
        cmocka_unit_test_teardown(test_sentences_are_short_and_printable, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
