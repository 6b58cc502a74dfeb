/* The file of ticket keys: what is taken, what is refused with its line and what to write. */
/* links: config log */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/file.h"
#include "gateway/config/tickets.h"

#include <openssl/evp.h>

#define LINE 109 /* with a NUL */

static uint8_t key_of(unsigned number, size_t at)
{
    return (uint8_t)(number * 31 + at * 3);
}

static const char *line_of(unsigned number, char line[LINE])
{
    uint8_t key[CONFIG_TICKET_KEY];

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = key_of(number, i);
    assert_int_equal(EVP_EncodeBlock((unsigned char *)line, key, sizeof(key)), LINE - 1);
    return line;
}

static void accept_text(const char *text, size_t count)
{
    struct config_bytes keys;
    char reason[192] = "";

    if (config_tickets_parse(text, strlen(text), &keys, reason, sizeof(reason)) != 0)
        fail_msg("%s: %s", text, reason);
    assert_int_equal(keys.length, count * CONFIG_TICKET_KEY);
    for (size_t i = 0; i < keys.length; i++)
        assert_int_equal(keys.at[i], key_of((unsigned)(i / CONFIG_TICKET_KEY), i % CONFIG_TICKET_KEY));
    config_bytes_free(&keys);
}

static void refuse(const char *text, size_t length, const char *sentence)
{
    struct config_bytes keys;
    char reason[192] = "";

    assert_int_equal(config_tickets_parse(text, length, &keys, reason, sizeof(reason)), -1);
    assert_null(keys.at);
    if (!strstr(reason, sentence))
        fail_msg("\"%s\" instead of \"%s\"", reason, sentence);
}

static void refuse_text(const char *text, const char *sentence)
{
    refuse(text, strlen(text), sentence);
}

static void test_lines_are_keys_in_their_order(void **state)
{
    char text[1024], first[LINE], second[LINE];

    (void)state;
    accept_text(line_of(0, first), 1);
    snprintf(text, sizeof(text), "# keys of the gateways\n\n  %s\t\r\n#%s\n%s\n\n", line_of(0, first), first,
             line_of(1, second));
    accept_text(text, 2);
}

static void test_no_more_than_the_most(void **state)
{
    char text[(TICKETS_MAX + 1) * LINE + 1] = "", line[LINE];
    size_t length = 0;

    (void)state;
    for (unsigned i = 0; i <= TICKETS_MAX; i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s\n", line_of(i, line));
        if (i + 1 == TICKETS_MAX)
            accept_text(text, TICKETS_MAX);
    }
    refuse_text(text, "line 17: at most 16 keys are possible; remove the oldest");
}

static void test_faults_are_told_with_line_and_remedy(void **state)
{
    char text[1024], line[LINE], other[LINE];

    (void)state;
    refuse_text("", "holds no key; make one with: openssl rand 80 | base64 -w 0");
    refuse_text("# none yet\n\n", "holds no key");
    snprintf(text, sizeof(text), "%s\n%.64s\n%s\n", line_of(0, line), line_of(1, other), other + 64);
    refuse_text(text, "line 2: expected 80 bytes in base64, one line of 108 characters, found 64; make one with");
    snprintf(text, sizeof(text), "%s%s", line, other);
    refuse_text(text, "line 1: expected 80 bytes in base64, one line of 108 characters, found 216");
    snprintf(text, sizeof(text), "\n%s\n# again\n%s\n", line, line);
    refuse_text(text, "line 4: the key is there already");
    snprintf(text, sizeof(text), "%.107sA", line);
    refuse_text(text, "line 1: expected 80 bytes in base64: letters");
    for (const char *bad = "=-_ \t\x7f\xff"; *bad; bad++) {
        line_of(0, line);
        line[50] = *bad;
        refuse_text(line, "line 1: expected 80 bytes in base64: letters");
    }
    line_of(0, line);
    line[7] = '\0';
    refuse(line, LINE - 1, "line 1: expected 80 bytes in base64: letters");
}

static void test_nothing_of_a_key_is_told(void **state)
{
    char line[LINE], reason[192];
    struct config_bytes keys;

    (void)state;
    line_of(0, line);
    line[100] = '!';
    assert_int_equal(config_tickets_parse(line, LINE - 1, &keys, reason, sizeof(reason)), -1);
    for (size_t i = 0; i + 4 <= LINE - 1; i++) {
        char part[5];

        snprintf(part, sizeof(part), "%.4s", line + i);
        assert_null(strstr(reason, part));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_keys_in_their_order),
        cmocka_unit_test(test_no_more_than_the_most),
        cmocka_unit_test(test_faults_are_told_with_line_and_remedy),
        cmocka_unit_test(test_nothing_of_a_key_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
