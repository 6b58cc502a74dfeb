/* Broken configurations: each is refused, at the line and column where it is wrong, with a sentence
 * that helps. */
/* links: config */
#include "tests/unit/config_fixture.h"

/* One line each, so that what is wrong begins in line 2, or wherever it is put. */
#define GATEWAY "gateway: { name: gw, state-dir: /tmp }\n"
#define TLS "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n"
#define LISTENER "listeners: [ {} ]\n"
#define UPSTREAM "upstreams: [ { name: up, servers: [ { host: a.example } ] } ]\n"
#define SERVER GATEWAY TLS LISTENER
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define ACCENTS "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
#define EIGHT "{}, {}, {}, {}, {}, {}, {}, {}, "

struct broken {
    const char *text;
    int line, column;
    const char *fragment;
};

static void refuse(const struct broken *rows, size_t count)
{
    unsigned failures = 0;

    for (size_t i = 0; i < count; i++) {
        struct config_error error;
        struct config *config = fixture_load(rows[i].text, &error);

        if (config || error.line != rows[i].line || error.column != rows[i].column ||
            !strstr(error.text, rows[i].fragment)) {
            failures++;
            print_error("--- %s\n--- expected %d:%d: ...%s...\n", rows[i].text, rows[i].line, rows[i].column,
                        rows[i].fragment);
            if (config)
                print_error("--- accepted\n");
            else
                print_error("--- found %d:%d: %s\n", error.line, error.column, error.text);
        }
        config_free(config);
    }
    assert_int_equal(failures, 0);
}

#define REFUSE(rows) refuse(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_yaml(void **state)
{
    static const struct broken rows[] = {
        {"", 1, 1, "the file is empty: write gateway, and listeners or upstreams"},
        {"# only a comment\n", 1, 1, "the file is empty"},
        {"--- ~\n", 1, 5, "the file is empty"},
        {"just words\n", 1, 1, "expected a mapping of keys like 'gateway:', found \"just words\""},
        {"- gateway\n", 1, 1, "expected a mapping of keys like 'gateway:', found a list"},
        {"gateway:\n\tname: gw\n", 2, 1, "indent with spaces, not tabs"},
        {"# \xc3\xa9\xc3\xa9\ngateway:\n\tname: gw\n", 3, 1, "indent with spaces, not tabs"},
        {"gateway: { name: gw, state-dir: /tmp\nlog: {}\n", 2, 4, "YAML: while parsing a flow mapping"},
        {"gateway:\n  name: gw\n state-dir: /tmp\n", 3, 2, "check the indentation of this line"},
        {"gateway:\n  name: gw: x\n", 2, 11, "quote a value that contains ': '"},
        {"gateway:\n  name: \"gw\n", 3, 1, "close the quote"},
        {"gateway:\n  name: @gw\n", 2, 9, "put the value in quotes"},
        {"gateway:\n  name: \"a\\qb\"\n", 2, 11, "use single quotes, or double the backslash"},
        {"gateway: { name: gw }\nlisteners\n", 3, 1, "write a key and its value as 'key: value'"},
        {"gateway: {}\nlisteners: [ {}\n", 3, 1, "close the list with ']'"},
        {"gateway:\n  name: \"a\\0b\"\n", 2, 9, "a value must not contain a NUL character"},
        {"gateway:\n  name: \xff\n", 2, 9, "the file must be printable UTF-8 text"},
        {"gateway:\n  n\xc3\xa4me: \x01\n", 2, 9, "the file must be printable UTF-8 text"},
        {"%YAML 1.2\n---\n" GATEWAY, 1, 1, "YAML directives (%) are refused: remove this line"},
        {GATEWAY "...\n%TAG ! x\n---\n" GATEWAY, 3, 1, "YAML directives (%) are refused"},
        {GATEWAY "---\n" GATEWAY, 2, 1, "a second document begins here"},
        {"gateway: &a { name: gw }\n", 1, 10, "YAML anchors (&) and aliases (*) are refused"},
        {"gateway: { name: *a }\n", 1, 18, "YAML anchors (&) and aliases (*) are refused"},
        {"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", 1, 4, "aliases (*) are refused"},
        {"gateway: { name: !!str gw }\n", 1, 18, "YAML tags (!) are refused"},
        {"log: [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]\n", 1, 21, "too deep"},
    };

    (void)state;
    REFUSE(rows);
}

static void test_keys(void **state)
{
    static const struct broken rows[] = {
        {"gatway: {}\n", 1, 1, "unknown key \"gatway\"; did you mean \"gateway\"?"},
        {GATEWAY "fan_out: all\n", 2, 1, "unknown key \"fan_out\"; did you mean \"fan-out\"?"},
        {GATEWAY "Listeners: []\n", 2, 1, "did you mean \"listeners\"?"},
        {GATEWAY "xyzzy: 1\n", 2, 1, "unknown key \"xyzzy\"; expected here: gateway, tls, listeners"},
        {GATEWAY "log: { level: info, colour: true }\n", 2, 21, "unknown key \"colour\"; expected here: level, format"},
        {GATEWAY "listeners:\n  - prot: 4646\n", 3, 5, "unknown key \"prot\"; did you mean \"port\"?"},
        {GATEWAY "tls: { psk: x }\n", 2, 8, "unknown key \"psk\""},
        {GATEWAY "session-config: { idle: { idle: {} } }\n", 2, 27, "unknown key \"idle\""},
        {GATEWAY "session-config: { idle: { max-age: 5 } }\n", 2, 27, "unknown key \"max-age\""},
        {GATEWAY "log: { ? [a] : b }\n", 2, 10, "expected a key, found a list; write 'key: value'"},
        {GATEWAY "<<: { }\n", 2, 1, "unknown key \"<<\""},
        {GATEWAY "log: {}\n\nlog: {}\n", 4, 1, "log is given twice, first in line 2: remove one"},
        {"gateway:\n  name: a\n  state-dir: /tmp\n  name: b\n", 4, 3, "name is given twice, first in line 2"},
        {LISTENER, 1, 1, "gateway is missing here"},
        {"\n\nlog: {}\n", 3, 1, "gateway is missing here"},
        {"gateway: { name: gw }\n", 1, 10, "state-dir is missing here (directory of the durable state)"},
        {"gateway:\n  state-dir: /tmp\n", 2, 3, "name is missing here"},
        {SERVER "clients:\n  - name: a\n", 5, 5, "identities is missing here"},
        {SERVER "clients: [ { identities: [ { san: a.example } ] } ]\n", 4, 12, "name is missing here"},
        {SERVER "clients: [ { name: a, identities: [] } ]\n", 4, 35, "identities: expected at least 1, found 0"},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [] } ]\n", 3, 34, "servers: expected at least 1, found 0"},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [ {} ] } ]\n", 3, 36, "host is missing here"},
        {GATEWAY UPSTREAM "mitigators: [ { name: a } ]\n", 3, 15, "driver is missing here"},
        {GATEWAY UPSTREAM "redirect: { ttl: 5s }\n", 3, 11, "alt-server is missing here"},
    };

    (void)state;
    REFUSE(rows);
}

static void test_types(void **state)
{
    static const struct broken rows[] = {
        {"gateway: gw\n", 1, 10, "gateway: expected mapping, found \"gw\""},
        {"gateway:\n", 1, 9, "gateway: expected mapping, found nothing"},
        {"gateway: { name: [gw], state-dir: /tmp }\n", 1, 18, "name: expected name of 1 to 42 ASCII characters"},
        {"gateway: { name: null, state-dir: /tmp }\n", 1, 18, "found nothing"},
        {"gateway: { name: my gateway, state-dir: /tmp }\n", 1, 18, "without spaces, found \"my gateway\""},
        {"gateway: { name: a2345678901234567890123456789012345678901234567, state-dir: /tmp }\n", 1, 18,
         "name of 1 to 42"},
        {"gateway: { name: gw, state-dir: \"\" }\n", 1, 33, "state-dir: expected path, found \"\""},
        {"gateway: { name: gw, state-dir: /tmp, hop-limit: 0 }\n", 1, 50, "hop-limit: expected integer from 1 to 255"},
        {"gateway: { name: gw, state-dir: /tmp, hop-limit: 256 }\n", 1, 50, "found \"256\""},
        {"gateway: { name: gw, state-dir: /tmp, user: a b }\n", 1, 45, "user: expected name of 1 to 32 ASCII"},
        {"gateway: { name: gw, state-dir: /tmp, seccomp: on }\n", 1, 48, "seccomp: expected true or false"},
        {"gateway: { name: gw, state-dir: /tmp, domain-side: inside }\n", 1, 52,
         "domain-side: expected client or server, found \"inside\""},
        {GATEWAY "listeners: { port: 1 }\n", 2, 12, "listeners: expected list, each entry: mapping, found a mapping"},
        {GATEWAY "listeners: [ " EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT "{} ]\n", 2, 12,
         "listeners: expected at most 64, found 65"},
        {GATEWAY "listeners: [ 4646 ]\n", 2, 14, "listeners: expected mapping, found \"4646\""},
        {GATEWAY "listeners: [ { port: \"4646\" } ]\n", 2, 22, "port: expected integer from 1 to 65535"},
        {GATEWAY "listeners: [ { port: [4646] } ]\n", 2, 22, "port: expected integer from 1 to 65535, found a list"},
        {GATEWAY "listeners: [ { port: { a: b } } ]\n", 2, 22, "found a mapping"},
        {GATEWAY "listeners: [ { port: " HASH HASH " } ]\n", 2, 22, "cdef0123456789...\""},
        {GATEWAY "log: { level: 1" ACCENTS ACCENTS ACCENTS ACCENTS " }\n", 2, 15, ACCENTS "\xc3\xa9\xc3\xa9...\""},
        {GATEWAY "listeners: [ { port: 0 } ]\n", 2, 22, "found \"0\""},
        {GATEWAY "listeners: [ { port: 65536 } ]\n", 2, 22, "found \"65536\""},
        {GATEWAY "listeners: [ { port: -1 } ]\n", 2, 22, "found \"-1\""},
        {GATEWAY "listeners: [ { port: 04646 } ]\n", 2, 22, "found \"04646\""},
        {GATEWAY "listeners: [ { port: 0x10 } ]\n", 2, 22, "found \"0x10\""},
        {GATEWAY "listeners: [ { port: 1e3 } ]\n", 2, 22, "found \"1e3\""},
        {GATEWAY "listeners: [ { port: 18446744073709551617 } ]\n", 2, 22, "found \"18446744073709551617\""},
        {GATEWAY "listeners: [ { address: localhost } ]\n", 2, 25,
         "address: expected numeric IPv4 or IPv6 address, found \"localhost\""},
        {GATEWAY "listeners: [ { transports: udp } ]\n", 2, 28, "transports: expected list of one or both of udp, tcp"},
        {GATEWAY "listeners: [ { transports: [] } ]\n", 2, 28, "transports: expected list"},
        {GATEWAY "listeners: [ { transports: [sctp] } ]\n", 2, 29, "found \"sctp\""},
        {GATEWAY "listeners: [ { transports: [udp, udp] } ]\n", 2, 34, "udp is given twice"},
        {GATEWAY "listeners: [ { channel: both } ]\n", 2, 25, "channel: expected signal or data, found \"both\""},
        {GATEWAY "response-wait: 31s\n", 2, 16, "response-wait: expected duration from 0s to 30s, found \"31s\""},
        {GATEWAY "response-wait: 1 s\n", 2, 16, "found \"1 s\""},
        {GATEWAY "response-wait: 1.5s\n", 2, 16, "found \"1.5s\""},
        {GATEWAY "response-wait: s\n", 2, 16, "found \"s\""},
        {GATEWAY "response-wait: 1d\n", 2, 16, "found \"1d\""},
        {GATEWAY "response-wait: 99999999999h\n", 2, 16, "found \"99999999999h\""},
        {GATEWAY "status-interval: 2s\n", 2, 18, "expected duration from 3s to 1h"},
        {GATEWAY "active-but-terminating: { initial: 301s }\n", 2, 36, "expected duration from 0s to 5m"},
        {GATEWAY "active-but-terminating: { initial: 60s, max: 30s }\n", 2, 25, "initial must not be longer than max"},
        {GATEWAY "redirect: { alt-server: b.example, ttl: 1500ms }\n", 2, 41, "duration in whole seconds"},
        {GATEWAY "log: { level: loud }\n", 2, 15, "expected error, warning, notice, info or debug, found \"loud\""},
        {GATEWAY "limits: { body-size: 65537 }\n", 2, 22, "body-size: expected integer from 256 to 65536"},
        {GATEWAY "conflicts: [accept]\n", 2, 12, "conflicts: expected reject or accept, found a list"},
        {GATEWAY "log: { level: \"\\e[2J\xc3\xa9\" }\n", 2, 15, "found \"?[2J\xc3\xa9\""},
    };

    (void)state;
    REFUSE(rows);
}

static void test_clients(void **state)
{
    static const struct broken rows[] = {
        {SERVER "clients: [ { name: a, identities: [ { san: www1 example } ] } ]\n", 4, 44,
         "san: expected DNS name, IP address or URI"},
        {SERVER "clients: [ { name: a, identities: [ {} ] } ]\n", 4, 37,
         "one of san, spki-sha256, psk is missing here"},
        {SERVER "clients: [ { name: a, identities: [ { san: a.example, psk: b, key-file: web1.psk } ] } ]\n", 4, 37,
         "an identity is exactly one of san, spki-sha256, psk"},
        {SERVER "clients: [ { name: a, identities: [ { spki-sha256: abcd } ] } ]\n", 4, 52,
         "spki-sha256: expected SHA-256 as 64 hexadecimal digits or in base64"},
        {SERVER "clients: [ { name: a, identities: [ { spki-sha256: x" HASH " } ] } ]\n", 4, 52, "expected SHA-256"},
        {SERVER "clients: [ { name: a, identities: [ { psk: \"a\\tb\", key-file: web1.psk } ] } ]\n", 4, 44,
         "psk: expected text of 1 to 128 bytes without control characters"},
        {SERVER "clients: [ { name: a, identities: [ { psk: " HASH HASH "x, key-file: web1.psk } ] } ]\n", 4, 44,
         "psk: expected text of 1 to 128 bytes"},
        {SERVER "clients: [ { name: a, identities: [ { psk: web1 } ] } ]\n", 4, 37, "key-file is missing here"},
        {SERVER "clients: [ { name: a, identities: [ { san: a.example, key-file: web1.psk } ] } ]\n", 4, 65,
         "key-file: only an identity by psk has one"},
        {SERVER "clients:\n  - { name: a, identities: [ { san: a.example } ] }\n"
                "  - { name: a, identities: [ { san: b.example } ] }\n",
         6, 13, "client a is given twice, first in line 5"},
        {SERVER "clients:\n  - { name: a, identities: [ { san: x.example } ] }\n"
                "  - { name: b, identities: [ { san: X.Example } ] }\n",
         6, 37, "san x.example of client b is already an identity of client a in line 5"},
        {SERVER "clients:\n  - { name: a, identities: [ { san: \"2001:db8::1\" } ] }\n"
                "  - { name: b, identities: [ { san: \"2001:DB8:0::1\" } ] }\n",
         6, 37, "is already an identity of client a"},
        {SERVER "clients:\n  - { name: a, identities: [ { san: \"urn:dots:a\" } ] }\n"
                "  - { name: b, identities: [ { san: \"urn:dots:a\" } ] }\n",
         6, 37, "san urn:dots:a of client b is already an identity of client a"},
        {SERVER "clients:\n  - { name: a, identities: [ { psk: x, key-file: web1.psk } ] }\n"
                "  - { name: b, identities: [ { psk: x, key-file: text.psk } ] }\n",
         6, 37, "psk x of client b is already an identity of client a in line 5"},
        {SERVER "clients:\n"
                "  - { name: a, identities: [ { spki-sha256: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= } ] }\n"
                "  - { name: b, identities: [ { spki-sha256: "
                "\"0000000000000000000000000000000000000000000000000000000000000000\" } ] }\n",
         6, 45, "is already an identity of client a in line 5"},
        {SERVER "clients: [ { name: a, identities: [ { san: x.example }, { san: x.example } ] } ]\n", 4, 64,
         "is already an identity of client a"},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], scopes: { prefixes: [203.0.113.5/24] } } ]\n", 4, 72,
         "\"203.0.113.5/24\" has bits set beyond its length; write \"203.0.113.0/24\""},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], scopes: { prefixes: [\"2001:db8::1/32\"] } } ]\n", 4,
         72, "write \"2001:db8::/32\" for the network"},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], scopes: { prefixes: [192.0.2.1] } } ]\n", 4, 72,
         "expected a prefix, found an address; write \"192.0.2.1/32\""},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], scopes: { prefixes: [192.0.2.0/33] } } ]\n", 4, 72,
         "prefixes: expected prefix such as 203.0.113.0/24"},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], scopes: { prefixes: [192.0.2/24] } } ]\n", 4, 72,
         "found \"192.0.2/24\""},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], scopes: { prefixes: 192.0.2.0/24 } } ]\n", 4, 71,
         "prefixes: expected a list, found one value; write [\"192.0.2.0/24\"]"},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], scopes: { fqdns: [a.*.example] } } ]\n", 4, 69,
         "fqdns: expected DNS name such as www.example.com or *.example.com"},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], scopes: { uris: [www.example.com] } } ]\n", 4, 68,
         "uris: expected URI such as"},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], supplies-cdid: yes } ]\n", 4, 66,
         "supplies-cdid: expected true or false, found \"yes\""},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], limits: { max-lifetime: 500ms } } ]\n", 4, 75,
         "max-lifetime: expected duration in whole seconds from 1s to"},
        {SERVER "clients: [ { name: a, identities: [ { san: x } ], limits: { cuids: 0 } } ]\n", 4, 68,
         "cuids: expected integer from 1 to 1000000"},
        {GATEWAY LISTENER "clients: [ { name: a, identities: [ { san: a.example } ] } ]\n", 3, 44,
         "a client with a certificate needs tls"},
    };

    (void)state;
    REFUSE(rows);
}

#define DAMAGED(WHAT) "-----BEGIN " WHAT "-----\nMIIB\n-----END " WHAT "-----\n"

static void fixture_append(const char *name, const char *text, const char *to)
{
    char content[4096];
    size_t length;
    FILE *file = fopen(fixture_path(name), "r");

    assert_non_null(file);
    length = fread(content, 1, sizeof(content) / 2, file);
    assert_true(length > 0);
    assert_int_equal(fclose(file), 0);
    snprintf(content + length, sizeof(content) - length, "%s", text);
    fixture_text(to, content);
}

static void test_files(void **state)
{
    static const struct broken rows[] = {
        {GATEWAY "tls: { certificate: none.pem, private-key: gw.key }\n", 2, 21,
         "none.pem cannot be read: No such file"},
        {GATEWAY "tls: { certificate: ., private-key: gw.key }\n", 2, 21, "is not a regular file"},
        {GATEWAY "tls: { certificate: gw.pem }\n", 2, 6,
         "certificate and private-key go together: private-key is missing"},
        {GATEWAY "tls: { private-key: gw.key }\n", 2, 6, "certificate is missing here"},
        {GATEWAY "tls: { certificate: gw.key, private-key: gw.key }\n", 2, 21, "gw.key holds no certificate in PEM"},
        {GATEWAY "tls: { certificate: empty, private-key: gw.key }\n", 2, 21, "empty holds no certificate in PEM"},
        {GATEWAY "tls: { certificate: damaged.pem, private-key: gw.key }\n", 2, 21,
         "damaged.pem holds a certificate that does not parse"},
        {GATEWAY "tls: { certificate: tail.pem, private-key: gw.key }\n", 2, 21,
         "tail.pem holds a further certificate that does not parse"},
        {GATEWAY "tls: { certificate: gw.pem, private-key: gw.pem }\n", 2, 42, "gw.pem holds no private key in PEM"},
        {GATEWAY "tls: { certificate: gw.pem, private-key: damaged.key }\n", 2, 42,
         "holds a private key that does not parse"},
        {GATEWAY "tls: { certificate: gw.pem, private-key: ca.key }\n", 2, 42, "is not the key of the certificate in"},
        {GATEWAY "tls: { certificate: gw.pem, private-key: gw-encrypted.key }\n", 2, 42, "is encrypted"},
        {GATEWAY "tls: { trust-anchors: gw.key }\n", 2, 23, "gw.key holds no certificate in PEM"},
        {GATEWAY "tls: { trust-anchors: huge }\n", 2, 23, "huge has 4194305 bytes; at most 4194304 are read"},
        {GATEWAY "upstreams: [ { name: u, servers: [ { host: a.b } ], credentials: { psk: me, key-file: short } } ]\n",
         2, 87, "short holds a key of 15 bytes, expected 16 to 64; make one with: openssl rand -hex 32"},
        {GATEWAY "upstreams: [ { name: u, servers: [ { host: a.b } ], credentials: { psk: me, key-file: long } } ]\n",
         2, 87, "long holds a key of 65 bytes"},
        {GATEWAY "upstreams: [ { name: u, servers: [ { host: a.b } ], credentials: { psk: me, key-file: odd } } ]\n", 2,
         87, "odd must hold one line of hexadecimal digits"},
        {GATEWAY "upstreams: [ { name: u, servers: [ { host: a.b } ], credentials: { psk: me, key-file: lines } } ]\n",
         2, 87, "lines must hold one line of text"},
        {GATEWAY "upstreams: [ { name: u, servers: [ { host: a.b } ], credentials: { psk: me, key-file: gone } } ]\n",
         2, 87, "gone cannot be read"},
        {GATEWAY "mitigators: [ { name: m, driver: exec } ]\n", 2, 15, "exec is missing here: driver exec needs"},
        {GATEWAY "mitigators: [ { name: m, driver: exec, exec: gone } ]\n", 2, 46, "gone: No such file or directory"},
        {GATEWAY "mitigators: [ { name: m, driver: exec, exec: gw.pem } ]\n", 2, 46,
         "is not a program that may be run"},
    };
    char blocks[131] = "";

    (void)state;
    fixture_text("empty", "");
    fixture_text("damaged.pem", DAMAGED("CERTIFICATE"));
    fixture_text("damaged.key", DAMAGED("PRIVATE KEY"));
    fixture_append("gw.pem", DAMAGED("CERTIFICATE"), "tail.pem");
    fixture_text("huge", "");
    assert_int_equal(truncate(fixture_path("huge"), 4194305), 0);
    fixture_text("short", "00112233445566778899aabbccddee\n");
    memset(blocks, 'a', 130);
    fixture_text("long", blocks);
    fixture_text("odd", "00112233445566778899aabbccddeeff0\n");
    fixture_text("lines", "text:0123456789abcdef\nsecond line\n");
    REFUSE(rows);
}

static void test_upstreams(void **state)
{
    static const struct broken rows[] = {
        {GATEWAY, 1, 1, "listeners and upstreams are both missing: give at least one of them"},
        {GATEWAY "listeners: []\nupstreams: []\n", 1, 1, "both missing"},
        {GATEWAY LISTENER, 2, 12,
         "listeners need tls: { certificate, private-key, trust-anchors }, or clients with psk"},
        {GATEWAY "tls: { certificate: gw.pem, private-key: gw.key }\n" LISTENER, 3, 12, "listeners need tls"},
        {GATEWAY TLS "listeners:\n  - { address: \"::\", transports: [udp] }\n  - { address: \"::\" }\n", 5, 5,
         "listeners 1 and 2 have the same address, port and transport"},
        {GATEWAY UPSTREAM, 2, 14, "upstream up has no certificate and private-key"},
        {GATEWAY "tls: { certificate: gw.pem, private-key: gw.key }\n" UPSTREAM, 3, 14,
         "upstream up has no trust-anchors"},
        {GATEWAY TLS "upstreams:\n  - { name: a, servers: [ { host: a.example } ] }\n"
                     "  - { name: a, servers: [ { host: b.example } ] }\n",
         5, 13, "upstream a is given twice, first in line 4"},
        {GATEWAY TLS UPSTREAM "fan-out: by-prefix\n", 4, 10, "whose prefixes are whose; give upstreams owns"},
        {GATEWAY TLS UPSTREAM "mitigators:\n  - { name: m, driver: notify }\n  - { name: m, driver: notify }\n", 6, 13,
         "mitigator m is given twice, first in line 5"},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [ { host: 192.0.2.1 } ] } ]\n", 3, 44,
         "host: expected DNS name, found \"192.0.2.1\""},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [ { host: -a.example } ] } ]\n", 3, 44,
         "host: expected DNS name"},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [ { host: a..example } ] } ]\n", 3, 44,
         "host: expected DNS name"},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [ { host: a, addresses: [b] } ] } ]\n", 3, 59,
         "addresses: expected numeric IPv4 or IPv6 address, found \"b\""},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [ { host: a } ], mtu: 575 } ]\n", 3, 56,
         "mtu: expected integer from 576 to 9000"},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [ { host: a } ], identity: both } ]\n", 3, 61,
         "identity: expected gateway or client"},
        {GATEWAY TLS "upstreams: [ { name: a, servers: [ { host: a } ], owns: [10.0.0.1/8] } ]\n", 3, 58,
         "write \"10.0.0.0/8\""},
        {GATEWAY "upstreams: [ { name: a, servers: [ { host: a } ], credentials: { psk: b } } ]\n", 2, 64,
         "key-file is missing here"},
        {GATEWAY "upstreams: [ { name: a, servers: [ { host: a } ], credentials: { key-file: web1.psk } } ]\n", 2, 76,
         "key-file: psk is missing"},
        {GATEWAY "upstreams: [ { name: a, servers: [ { host: a } ], credentials: { psk: b, key-file: web1.psk, "
                 "certificate: gw.pem, private-key: gw.key } } ]\n",
         2, 64, "give a certificate or a psk, not both"},
    };

    (void)state;
    REFUSE(rows);
}

static void test_session_config(void **state)
{
    static const struct broken rows[] = {
        {GATEWAY "session-config: { heartbeat-interval: 14 }\n", 2, 39,
         "heartbeat-interval: values below 15 are outside what RFC 9132 recommends; to allow it write { min: 14, "
         "current: 14 }"},
        {GATEWAY "session-config: { heartbeat-interval: { current: 1 } }\n", 2, 39, "write { min: 1, current: 1 }"},
        {GATEWAY "session-config: { idle: { heartbeat-interval: 0 } }\n", 2, 47, "write { min: 0, current: 0 }"},
        {GATEWAY "session-config: { heartbeat-interval: 4000 }\n", 2, 39,
         "heartbeat-interval: expected integer from 0 to 3600"},
        {GATEWAY "session-config: { heartbeat-interval: [15] }\n", 2, 39,
         "or { min, max, current } of such, found a list"},
        {GATEWAY "session-config: { heartbeat-interval: { mini: 5 } }\n", 2, 41, "did you mean \"min\"?"},
        {GATEWAY "session-config: { heartbeat-interval: { min: 50 } }\n", 2, 39,
         "expected min <= current <= max; give current as well"},
        {GATEWAY "session-config: { max-retransmit: { min: 5, max: 4, current: 5 } }\n", 2, 35,
         "max-retransmit: expected min <= current <= max"},
        {GATEWAY "session-config: { missing-hb-allowed: 0 }\n", 2, 39, "expected integer from 1 to 65535"},
        {GATEWAY "session-config: { ack-timeout: 2.005 }\n", 2, 32, "two decimals"},
        {GATEWAY "session-config: { ack-timeout: 2. }\n", 2, 32, "found \"2.\""},
        {GATEWAY "session-config: { ack-timeout: .5 }\n", 2, 32, "found \".5\""},
        {GATEWAY "session-config: { ack-timeout: 2s }\n", 2, 32, "found \"2s\""},
        {GATEWAY "session-config: { max-age: 0 }\n", 2, 28, "max-age: expected duration in whole seconds from 1s to"},
    };

    (void)state;
    REFUSE(rows);
}

static void test_rfc7252_4_8_1_ack_random_factor_must_not_go_below_1(void **state)
{
    static const struct broken rows[] = {
        {GATEWAY "session-config: { ack-random-factor: 0.99 }\n", 2, 38, "expected number from 1.00 to 10.00"},
        {GATEWAY "session-config: { ack-random-factor: { min: 0.5 } }\n", 2, 45, "min: expected number from 1.00"},
    };

    (void)state;
    REFUSE(rows);
}

static void test_admin(void **state)
{
    static const struct broken rows[] = {
        {GATEWAY TLS UPSTREAM "admin: { socket: /" HASH HASH " }\n", 4, 18,
         "socket: the path has 129 bytes, at most 107 are possible"},
        {GATEWAY TLS UPSTREAM "admin: { metrics: \"127.0.0.1\" }\n", 4, 19,
         "metrics: expected address and port such as"},
        {GATEWAY TLS UPSTREAM "admin: { metrics: \"[127.0.0.1]:1\" }\n", 4, 19, "expected address and port such as"},
        {GATEWAY TLS UPSTREAM "admin: { metrics: \"[::1]:0\" }\n", 4, 19, "expected address and port such as"},
    };

    (void)state;
    REFUSE(rows);
}

static void test_file_that_cannot_be_read(void **state)
{
    struct config_error error;

    (void)state;
    assert_null(config_load("/nonexistent/dotsgw.yaml", &error));
    assert_int_equal(error.line, 0);
    assert_string_equal(error.file, "/nonexistent/dotsgw.yaml");
    assert_string_equal(error.text,
                        "cannot be read: No such file or directory; give the path of the configuration with -c");
    assert_null(config_load(fixture_path("none.yaml"), &error));
    assert_int_equal(error.line, 0);
    assert_non_null(strstr(error.text, "cannot be read: No such file or directory"));
    assert_null(config_load(fixture_directory, &error));
    assert_non_null(strstr(error.text, "is not a regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_upstreams),
        cmocka_unit_test(test_session_config),
        cmocka_unit_test(test_rfc7252_4_8_1_ack_random_factor_must_not_go_below_1),
        cmocka_unit_test(test_admin),
        cmocka_unit_test(test_file_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
