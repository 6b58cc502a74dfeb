/* Every allocation fails once: nothing is lost, nothing crashes, and it is told apart from a bad message.
 * Also how much memory a message takes.
 * links: wire
 * wraps: malloc calloc realloc tsearch */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/failing_allocation.h"
#include "tests/unit/wire_examples.h"

/* Decodes with each allocation failing in turn; returns how many there are. */
static size_t decode_failing(const void *input, size_t length, bool json, enum wire_direction direction)
{
    for (size_t n = 0;; n++) {
        struct wire_message *message = NULL;
        struct wire_error error;
        int result;

        allocation_fail_after(n);
        if (json)
            result = wire_decode_json(input, length, direction, &message, &error);
        else
            result = wire_decode_cbor(input, length, direction, &message, &error);
        if (!allocation_has_failed()) {
            assert_int_equal(result, 0);
            wire_free(message);
            return n;
        }
        assert_null(message);
        if (result != -2)
            fail_msg("%d for allocation %zu: %s", result, n, error.text);
        assert_string_equal(error.text, "body: out of memory");
    }
}

static void test_decode_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct wire_message *message;
        struct wire_error error;
        uint8_t cbor[4096];
        size_t length;

        assert_true(decode_failing(examples[i].json, strlen(examples[i].json), true, examples[i].direction) > 1);
        assert_int_equal(
            wire_decode_json(examples[i].json, strlen(examples[i].json), examples[i].direction, &message, &error), 0);
        length = wire_encode_cbor(message, cbor, sizeof(cbor));
        wire_free(message);
        assert_true(decode_failing(cbor, length, false, examples[i].direction) >= 1);
    }
}

/* The hot path: a typical request is one block of memory. */
static void test_figure_8_takes_one_allocation(void **state)
{
    uint8_t bytes[128];
    size_t length = from_hex(FIGURE_8, bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(decode_failing(bytes, length, false, WIRE_TO_SERVER), 1);
}

/* Many blocks: each may be the one that fails. The length of a first alias moves what begins a block. */
static void test_long_message_survives_every_failing_allocation(void **state)
{
    static uint8_t bytes[WIRE_BODY_MAX];

    (void)state;
    for (uint8_t first = 1; first < 255; first += 6) {
        size_t length = from_hex("a1 01 a1 02 9f a1 0d 81 78", bytes, sizeof(bytes));

        bytes[length++] = first;
        memset(bytes + length, 'a', first);
        length += first;
        for (int i = 0; i < 100; i++)
            length += from_hex("a3 05 01 06 81 6c 3139322e302e322e302f3234 11 a1 15 a1 0d 83 61 61 61 62 61 63",
                               bytes + length, sizeof(bytes) - length);
        bytes[length++] = 0xff;
        assert_in_range(decode_failing(bytes, length, false, WIRE_TO_CLIENT), 3, 30);
    }
}

static void test_encode_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct wire_message *message;
        struct wire_error error;
        char *whole, *json;
        size_t n = 0;

        assert_int_equal(
            wire_decode_json(examples[i].json, strlen(examples[i].json), examples[i].direction, &message, &error), 0);
        whole = wire_encode_json(message);
        assert_non_null(whole);
        do {
            allocation_fail_after(n++);
            json = wire_encode_json(message);
            if (json)
                assert_string_equal(json, whole); /* never a part of it */
            free(json);
        } while (allocation_has_failed());
        assert_true(n > 3);
        free(whole);
        wire_free(message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_survives_every_failing_allocation),
        cmocka_unit_test(test_figure_8_takes_one_allocation),
        cmocka_unit_test(test_long_message_survives_every_failing_allocation),
        cmocka_unit_test(test_encode_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
