/* Every allocation fails once: the file is refused for want of memory, nothing crashes, nothing is lost.
 * Also that keys do not outlive a configuration.
 * links: config
 * wraps: malloc calloc realloc tsearch strdup free */
#include "tests/unit/config_fixture.h"

#include <errno.h>

#include "tests/unit/failing_allocation.h"

char *__real_strdup(const char *string);
char *__wrap_strdup(const char *string);
void __real_free(void *memory);
void __wrap_free(void *memory);

char *__wrap_strdup(const char *string)
{
    if (allocation_fails_now()) {
        errno = ENOMEM;
        return NULL;
    }
    return __real_strdup(string);
}

static const void *watched; /* a block that must be zero when it is freed */
static size_t watched_length;
static bool watched_freed;

void __wrap_free(void *memory)
{
    if (memory && memory == watched) {
        for (size_t i = 0; i < watched_length; i++)
            assert_int_equal(((const unsigned char *)memory)[i], 0);
        watched_freed = true;
    }
    __real_free(memory);
}

static const char text[] =
    "gateway: { name: gw, state-dir: state, domain-side: server }\n"
    "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem, ticket-keys-file: tickets }\n"
    "listeners: [ { transports: [udp] }, { transports: [tcp] } ]\n"
    "clients:\n"
    "  - name: a\n"
    "    identities: [ { san: a.example }, { psk: a, key-file: web1.psk } ]\n"
    "    scopes: { prefixes: [203.0.113.0/24], fqdns: [a.example], uris: [\"https://a.example/\"] }\n"
    "upstreams:\n"
    "  - { name: u, servers: [ { host: u.example, addresses: [192.0.2.1] } ], owns: [203.0.113.0/24] }\n"
    "  - { name: v, servers: [ { host: v.example } ], credentials: { psk: me, key-file: text.psk } }\n"
    "mitigators: [ { name: m, driver: exec, exec: page.sh } ]\n"
    "redirect: { alt-server: b.example, addresses: [192.0.2.2] }\n";

/* Loads with each allocation failing in turn; returns how many there are. */
static size_t load_failing(const char *file)
{
    for (size_t n = 0;; n++) {
        struct config_error error;
        struct config *config;

        allocation_fail_after(n);
        config = file ? config_load(file, &error) : fixture_load(text, &error);
        if (!allocation_has_failed()) {
            assert_non_null(config);
            config_free(config);
            return n;
        }
        assert_null(config);
        if (!strstr(error.text, "out of memory") && !strstr(error.text, "Cannot allocate memory"))
            fail_msg("allocation %zu: %d:%d: %s", n, error.line, error.column, error.text);
    }
}

static void test_load_survives_every_failing_allocation(void **state)
{
    (void)state;
    assert_true(load_failing(NULL) > 50);
    fixture_text("dotsgw.yaml", text);
    assert_true(load_failing(fixture_path("dotsgw.yaml")) > 50);
}

static void test_keys_are_cleansed(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct config *config = fixture_accept(text);
        const struct config_bytes *key = i == 0   ? &config->clients[0].identities[1].psk_key
                                         : i == 1 ? &config->upstreams[1].credentials.psk_key
                                                  : &config->tls.ticket_keys;

        watched = key->at;
        watched_length = key->length;
        watched_freed = false;
        config_free(config);
        assert_true(watched_freed);
    }
    watched = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_survives_every_failing_allocation),
        cmocka_unit_test(test_keys_are_cleansed),
    };

    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
