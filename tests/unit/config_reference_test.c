/* docs/configuration.md lists exactly the keys that the parser knows, with their types and defaults.
 * "config_reference_test print" writes the rows as they must stand there. */
/* links: config */
#include "tests/unit/config_fixture.h"

#include "gateway/config/schema.h"

static void row(const char *path, const char *type, const char *fallback, const char *text, void *arg)
{
    fprintf(arg, "| `%s` | %s | %s | %s |\n", path, type, fallback, text);
}

static char *expected_rows(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    assert_non_null(out);
    config_keys(row, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static FILE *reference(void)
{
    FILE *file = fopen(DOTSGW_SOURCE_DIR "/docs/configuration.md", "r");

    assert_non_null(file);
    return file;
}

static void test_rows_are_those_of_the_parser(void **state)
{
    char *expected = expected_rows(), *at = expected, line[1024];
    FILE *file = reference();

    (void)state;
    while (fgets(line, sizeof(line), file)) {
        size_t length = strlen(line);

        if (strncmp(line, "| `", 3) != 0)
            continue;
        if (strncmp(at, line, length) != 0)
            fail_msg("docs/configuration.md has\n%sthe parser has\n%.*s\n", line, (int)strcspn(at, "\n"), at);
        at += length;
    }
    fclose(file);
    if (*at)
        fail_msg("docs/configuration.md lacks\n%.*s\n", (int)strcspn(at, "\n"), at);
    free(expected);
}

static void test_rows_are_complete(void **state)
{
    char *expected = expected_rows(), *at = expected;
    unsigned count = 0;

    (void)state;
    for (; *at; at += strcspn(at, "\n") + 1, count++) {
        char line[1024];

        snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
        assert_null(strstr(line, "|  |"));
        assert_null(strstr(line, "(null)"));
    }
    assert_true(count > 100);
    free(expected);
}

/* The examples are read as they stand there; one that is a part of a file gets the rest. */
static void test_examples_are_accepted(void **state)
{
    static const char rest[] = "gateway: { name: gw, state-dir: /tmp }\ntls: { certificate: c, private-key: k,"
                               " trust-anchors: t }\nupstreams: [ { name: a, servers: [ { host: a } ] } ]\n";
    char text[8192], line[1024];
    unsigned count = 0;
    FILE *file = reference();

    (void)state;
    while (fgets(line, sizeof(line), file)) {
        struct config_error error;
        struct config *config;
        size_t length = 0;

        if (strcmp(line, "```yaml\n") != 0)
            continue;
        while (fgets(line, sizeof(line), file) && strcmp(line, "```\n") != 0) {
            if (length == 0 && strncmp(line, "gateway:", 8) != 0)
                length = (size_t)snprintf(text, sizeof(text), "%s", rest);
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s", line);
            assert_true(length < sizeof(text));
        }
        config = config_load_text("docs", text, length, "/", false, &error);
        if (!config)
            fail_msg("%d:%d: %s in\n%s", error.line, error.column, error.text, text);
        config_free(config);
        count++;
    }
    fclose(file);
    assert_int_equal(count, 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_those_of_the_parser),
        cmocka_unit_test(test_rows_are_complete),
        cmocka_unit_test(test_examples_are_accepted),
    };

    if (argc == 2 && strcmp(argv[1], "print") == 0) {
        config_keys(row, stdout);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
