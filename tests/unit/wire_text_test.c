/* The syntax of prefixes, names, addresses, URIs and strings.
 * links: wire */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/wire/text.h"

typedef bool check_h(const char *text, size_t length);

/* Checks a text that nothing follows in memory. */
static bool passes(check_h *check, const char *text, size_t length)
{
    char *exact = malloc(length ? length : 1);
    bool result;

    memcpy(exact, text, length);
    result = check(exact, length);
    free(exact);
    return result;
}

static void assert_all(check_h *check, bool expected, const char *const *texts)
{
    for (; *texts; texts++) {
        if (passes(check, *texts, strlen(*texts)) != expected)
            fail_msg("'%s' should be %s", *texts, expected ? "right" : "wrong");
    }
}

static void assert_prefix(const char *text, const char *expected)
{
    struct wire_prefix prefix;
    char buffer[WIRE_PREFIX_TEXT];

    if (wire_prefix_parse(text, false, &prefix))
        fail_msg("'%s' should be right", text);
    assert_string_equal(wire_prefix_format(&prefix, buffer), expected);
    /* what is written is read, as the same */
    assert_int_equal(wire_prefix_parse(expected, false, &prefix), 0);
    assert_string_equal(wire_prefix_format(&prefix, buffer), expected);
}

static void test_prefix(void **state)
{
    static const char *const wrong[] = {
        "",
        "/",
        "/24",
        "192.0.2.0",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/+1",
        "192.0.2.0/ 1",
        "192.0.2.0/1 ",
        "192.0.2.0/024",
        "192.0.2.0/0x8",
        "192.0.2.0/24/24",
        "192.0.2/24",
        "192.0.2.256/24",
        "192.0.02.0/24",
        "1922.0.2.0/24",
        "3221225984/24",
        "2001:db8::/129",
        "2001:db8::/1000",
        "2001:db8::/99999999999",
        "2001:db8::1::/64",
        "2001:db8:0:0:0:0:0:0:0/64",
        "2001:db8::%eth0/64",
        "[2001:db8::]/64",
        ":/0",
        "www.example.com/24",
        "2001:0db8:0000:0000:0000:0000:0000:00000/64",
    };
    struct wire_prefix prefix;

    (void)state;
    assert_prefix("192.0.2.0/24", "192.0.2.0/24");
    assert_prefix("192.0.2.255/24", "192.0.2.0/24");
    assert_prefix("192.0.2.255/32", "192.0.2.255/32");
    assert_prefix("255.255.255.255/0", "0.0.0.0/0");
    assert_prefix("255.255.255.255/1", "128.0.0.0/1");
    assert_prefix("2001:DB8:0:0:0:0:0:1/128", "2001:db8::1/128");
    assert_prefix("2001:db8:6401::3/127", "2001:db8:6401::2/127");
    assert_prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/0", "::/0");
    assert_prefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/61", "ffff:ffff:ffff:fff8::/61");
    assert_prefix("2001:db8:0:1:0:1:0:1/128", "2001:db8:0:1:0:1:0:1/128"); /* RFC 5952 section 4.2.2 */
    assert_prefix("::ffff:192.0.2.1/128", "::ffff:192.0.2.1/128");
    assert_prefix("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (wire_prefix_parse(wrong[i], false, &prefix) == 0)
            fail_msg("'%s' should be wrong", wrong[i]);
    }
    assert_int_equal(wire_prefix_parse("192.0.2.1", true, &prefix), 0);
    assert_int_equal(prefix.length, 32);
    assert_int_equal(wire_prefix_parse("2001:db8::1", true, &prefix), 0);
    assert_int_equal(prefix.length, 128);
    assert_int_equal(prefix.family, 6);
    assert_int_equal(wire_text_prefix("192.0.2.0\0/24", 13, false, &prefix), -1);
}

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"
#define LABEL_64 "a" LABEL_63

/* Beside inet_ntop(): every pattern of groups that are zero, and digits of every number. */
static void test_rfc5952_prefix_format(void **state)
{
    static const unsigned values[] = {0x1, 0x20, 0x300, 0x4000, 0xffff, 0xdb8};

    (void)state;
    for (unsigned pattern = 0; pattern < 256; pattern++) {
        for (size_t value = 0; value < sizeof(values) / sizeof(values[0]); value++) {
            struct wire_prefix prefix = {.family = 6, .length = (uint8_t)(pattern % 129)};
            char expected[WIRE_PREFIX_TEXT], buffer[WIRE_PREFIX_TEXT];

            for (size_t i = 0; i < 8; i++) {
                unsigned group = pattern >> i & 1 ? values[(value + i) % 6] : 0;
                prefix.addr[2 * i] = (uint8_t)(group >> 8);
                prefix.addr[2 * i + 1] = (uint8_t)group;
            }
            inet_ntop(AF_INET6, prefix.addr, expected, sizeof(expected));
            snprintf(expected + strlen(expected), 5, "/%u", prefix.length);
            assert_string_equal(wire_prefix_format(&prefix, buffer), expected);
        }
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        struct wire_prefix prefix = {.family = 4, .length = (uint8_t)(byte % 33), .addr = {(uint8_t)byte, 0, 255}};
        char expected[WIRE_PREFIX_TEXT], buffer[WIRE_PREFIX_TEXT];

        prefix.addr[3] = (uint8_t)(255 - byte);
        snprintf(expected, sizeof(expected), "%u.0.255.%u/%u", byte, 255 - byte, prefix.length);
        assert_string_equal(wire_prefix_format(&prefix, buffer), expected);
    }
}

static void test_rfc6991_domain_name(void **state)
{
    static const char *const right[] = {
        ".",
        "a",
        "example.com",
        "example.com.",
        "EXAMPLE.Com",
        "xn--bcher-kva.example",
        "_dots-signal._udp.example",
        "1.2.3",
        "a--b_c.d",
        "az.AZ.09",
        "za.ZA.90",
        LABEL_63,
        NULL,
    };
    static const char *const wrong[] = {
        "",     "..",  ".a",  "a..b", "a.b..", "-a",    "a-",  "a-.b",
        "a_",   "_",   "a b", "a/b",  "a:80",  "*.a.b", "a@b", "b\xc3\xbc.example",
        "a\nb", "a,b", NULL,
    };
    const char *const longest = LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63;

    (void)state;
    assert_all(wire_text_is_domain, true, right);
    assert_all(wire_text_is_domain, false, wrong);
    assert_false(passes(wire_text_is_domain, LABEL_64, strlen(LABEL_64)));
    /* 253 characters at most */
    assert_false(wire_text_is_domain(longest, 255));
    assert_false(wire_text_is_domain(longest, 254));
    assert_true(wire_text_is_domain(longest, 253));
}

static void test_rfc6991_ip_address(void **state)
{
    static const char *const right[] = {"192.0.2.1", "::", "2001:db8::1", "::ffff:192.0.2.1", NULL};
    static const char *const wrong[] = {"",  "192.0.2", "192.0.2.1/32", "192.0.2.1 ", "fe80::1%eth0", "[::1]", ":",
                                        "a", "1::2::3", "12345::",      NULL};

    (void)state;
    assert_all(wire_text_is_address, true, right);
    assert_all(wire_text_is_address, false, wrong);
    /* around the longest that there is, 45 */
    for (size_t length = 40; length < 60; length++) {
        assert_false(
            passes(wire_text_is_address, "1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1", length));
        assert_false(
            passes(wire_text_is_address, "1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", length));
    }
    assert_true(passes(wire_text_is_address, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 45));
}

static void test_rfc3986_uri(void **state)
{
    static const char *const right[] = {
        "https://www.example.com/",
        "https://www.example.com",
        "HTTP://user:pw@www.example.com:8080/a/b;c=d/e?f=g&h=/?#i/?",
        "coaps+tcp://[2001:db8::1]:5684/.well-known/dots",
        "https://[::ffff:192.0.2.1]/",
        "https://[v1f.a:b]/",
        "https://192.0.2.1:/",
        "https://a%20b.example/%41%fF",
        "file:///etc/hosts",
        "mailto:a@example.com",
        "urn:ietf:params:xml:ns:yang:ietf-dots-signal-channel",
        "x:",
        "a://",
        "tel:+1-816-555-1212",
        "http://a/b//c",
        "azAZ09://azAZ09/azAZ09%09%AF%af",
        "ZA:0",
        "http://[vAF09af.a]:0/",
        "http://a:65535/",
        NULL,
    };
    static const char *const wrong[] = {
        "",
        ":",
        "www.example.com",
        "//www.example.com/",
        "/a/b",
        "1http://a/",
        "ht_tp://a/",
        "h\xc3\xa9://a/",
        "https://a b/",
        "https://a/b c",
        "https://a/<b>",
        "https://a/\"",
        "https://a/\\",
        "https://a/^",
        "https://a/{b}",
        "https://a/|",
        "https://a/`",
        "https://a/b\n",
        "https://a/b\xc3\xa9",
        "https://a/%",
        "https://a/%4",
        "https://a/%4g",
        "https://a/%g4",
        "https://a/b#c#d",
        "https://a/[b]",
        "https://a/?[b]",
        "https://a/#[b]",
        "https://a:b/",
        "https://a:65536/",
        "https://a:99999999999999999999/",
        "https://a:-1/",
        "https://a:1:2/",
        "https://a@b@c/",
        "https://[2001:db8::1/",
        "https://[2001:db8::1]x/",
        "https://[2001:db8::g]/",
        "https://[192.0.2.1]/",
        "https://[]/",
        "https://[fe80::1%25eth0]/",
        "https://2001:db8::1/",
        "https://[v.a]/",
        "https://[v1.]/",
        "https://[v1]/",
        "https://[vg.a]/",
        "https://a]/",
        "https://us[er@a/",
        "https://us\"er@a/",
        "https://[v1.a%41]/",
        "https://[v1.a<]/",
        NULL,
    };

    (void)state;
    assert_all(wire_text_is_uri, true, right);
    assert_all(wire_text_is_uri, false, wrong);
    assert_false(wire_text_is_uri("http://a/\0b", 11));
    assert_false(wire_text_is_uri("http://a\0b/", 11));
}

static void test_rfc7950_9_4_string(void **state)
{
    static const char *const right[] = {
        "",
        "a",
        "a\tb\r\nc",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbd",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbd",
        NULL,
    };
    static const char *const wrong[] = {
        "\x01",
        "\x1b[2J",
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2z",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xef\xbf\xbe",
        "\xef\xbf\xbf",
        "\xef\xb7\x90",
        "\xef\xb7\xaf",
        "\xf9\x80\x80\x80",
        "\xfc\x90\x80\x80",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xe2\x82",
        "\xf0\x9f\x98",
        NULL,
    };

    (void)state;
    assert_all(wire_text_is_string, true, right);
    assert_all(wire_text_is_string, false, wrong);
    assert_false(wire_text_is_string("a\0b", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_rfc5952_prefix_format),
        cmocka_unit_test(test_rfc6991_domain_name),
        cmocka_unit_test(test_rfc6991_ip_address),
        cmocka_unit_test(test_rfc3986_uri),
        cmocka_unit_test(test_rfc7950_9_4_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
