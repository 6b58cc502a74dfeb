/* 100,000 clients: read whole, checked whole, in time that grows with the file. */
/* links: config */
#include "tests/unit/config_fixture.h"

#include <time.h>

#define CLIENTS 100000u

/* A libyaml without frame pointers (Debian 13) gives every block a stack of its own that means nothing, and what
 * AddressSanitizer spends on keeping millions of them is neither ours to measure nor to wait for. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "malloc_context_size=1";
}

/* A file of so many clients; the last one repeats the identity of the first when asked to. */
static char *clients_text(unsigned count, bool repeat)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    fputs("gateway: { name: gw, state-dir: /tmp }\n"
          "tls: { certificate: gw.pem, private-key: gw.key, trust-anchors: ca.pem }\n"
          "listeners: [ {} ]\nclients:\n",
          out);
    for (unsigned i = 0; i < count; i++)
        fprintf(out,
                "  - name: client-%u\n    identities: [ { san: host-%u.example.com } ]\n"
                "    scopes: { prefixes: [10.%u.%u.0/24, \"2001:db8:%x:%x::/64\"], fqdns: [www%u.example.com] }\n"
                "    limits: { mitigations: 10, max-lifetime: 1h }\n",
                i, repeat && i + 1 == count ? 0 : i, i >> 8 & 255, i & 255, i >> 16, i & 65535, i);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* CPU seconds of one load. */
static double load_time(unsigned count)
{
    char *text = clients_text(count, false);
    clock_t begin = clock();
    struct config *config = fixture_accept(text);
    clock_t end = clock();

    assert_int_equal(config->client_count, count);
    assert_string_equal(config->clients[count - 1].fqdns.at[0] + 3 +
                            strspn(config->clients[count - 1].fqdns.at[0] + 3, "0123456789"),
                        ".example.com");
    assert_int_equal(config->clients[count - 1].identities[0].line, 6 + 4 * (count - 1));
    config_free(config);
    free(text);
    return (double)(end - begin) / CLOCKS_PER_SEC;
}

static void test_time_grows_with_the_file(void **state)
{
    double few = load_time(CLIENTS / 10), many = load_time(CLIENTS);

    (void)state;
    print_message("%u clients: %.2f s, %u clients: %.2f s\n", CLIENTS / 10, few, CLIENTS, many);
    assert_true(many < 40 * few); /* ten times the work; a square would be a hundred times */
}

static void test_repeated_identity_is_found(void **state)
{
    const unsigned count = CLIENTS / 10;
    char *text = clients_text(count, true);
    struct config_error error;

    (void)state;
    assert_null(fixture_load(text, &error));
    assert_int_equal(error.line, 6 + 4 * (count - 1));
    assert_string_equal(error.text, "san host-0.example.com of client client-9999 is already an identity of client "
                                    "client-0 in line 6; an identity stands for one client");
    free(text);
}

static void test_size_is_bounded(void **state)
{
    const size_t length = ((size_t)64 << 20) + 1;
    char *text = malloc(length);
    struct config_error error;

    (void)state;
    assert_non_null(text);
    memset(text, '#', length);
    assert_null(config_load_text("dotsgw.yaml", text, length, fixture_directory, true, &error));
    assert_string_equal(error.text, "the file has 67108865 bytes; at most 67108864 are read");
    free(text);
}

/* Two bytes make a node: millions of them must end in a refusal, not in all the memory there is. */
static void test_nodes_are_bounded(void **state)
{
    const size_t length = (size_t)18 << 20;
    char *text = malloc(length);
    struct config_error error;

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = i % 2 ? 'a' : ',';
    text[0] = '[';
    assert_null(config_load_text("dotsgw.yaml", text, length, fixture_directory, true, &error));
    assert_string_equal(error.text, "too many keys and values: at most 8000000 are read");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_grows_with_the_file),
        cmocka_unit_test(test_repeated_identity_is_found),
        cmocka_unit_test(test_size_is_bounded),
        cmocka_unit_test(test_nodes_are_bounded),
    };

    return cmocka_run_group_tests(tests, fixture_make, fixture_remove);
}
