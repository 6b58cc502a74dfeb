/* Random valid messages survive every way through the encodings; broken ones never get through half-read.
 * links: wire */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/property/wire_equal.h"
#include "tests/property/wire_random.h"
#include "tests/property/wire_rewrite.h"

#define SEEDS 4000u

static struct random source;
static uint8_t cbor[WIRE_BODY_MAX], again[WIRE_BODY_MAX], other[WIRE_BODY_MAX];

/* The seed names a failure, and half of the seeds are requests. */
static enum wire_direction direction_of(uint64_t seed)
{
    return seed % 2 ? WIRE_TO_SERVER : WIRE_TO_CLIENT;
}

static struct wire_message *decode_cbor(uint64_t seed, const uint8_t *bytes, size_t length)
{
    struct wire_message *message;
    struct wire_error error;

    if (wire_decode_cbor(bytes, length, direction_of(seed), &message, &error))
        fail_msg("seed %lu: %s", (unsigned long)seed, error.text);
    return message;
}

static size_t encode(uint64_t seed, struct wire_message *message)
{
    size_t length;

    random_begin(&source, seed);
    random_message(&source, direction_of(seed), message);
    length = wire_encode_cbor(message, cbor, sizeof(cbor));
    if (length == 0)
        fail_msg("seed %lu: not encoded", (unsigned long)seed);
    return length;
}

static void test_cbor_round_trip(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct wire_message message, *decoded;
        size_t length = encode(seed, &message);

        decoded = decode_cbor(seed, cbor, length);
        if (!same_message(&message, decoded))
            fail_msg("seed %lu: not the same", (unsigned long)seed);
        assert_int_equal(wire_encode_cbor(decoded, again, sizeof(again)), length);
        assert_memory_equal(cbor, again, length);
        wire_free(decoded);
    }
}

static void test_json_round_trip(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct wire_message message, *decoded;
        struct wire_error error;
        char *json;

        encode(seed, &message);
        json = wire_encode_json(&message);
        assert_non_null(json);
        if (wire_decode_json(json, strlen(json), direction_of(seed), &decoded, &error))
            fail_msg("seed %lu: %s", (unsigned long)seed, error.text);
        if (!same_message(&message, decoded))
            fail_msg("seed %lu: not the same: %s", (unsigned long)seed, json);
        free(json);
        wire_free(decoded);
    }
}

static void test_every_way_to_write_it_decodes_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct wire_message message, *decoded;
        size_t length;

        encode(seed, &message);
        length = rewrite_cbor(&source, cbor, other, sizeof(other));
        decoded = decode_cbor(seed, other, length);
        if (!same_message(&message, decoded))
            fail_msg("seed %lu: not the same", (unsigned long)seed);
        wire_free(decoded);
    }
}

/* Octets changed, lost and doubled: refused with a reason, or read as a message that is whole. */
static void test_damage(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct wire_message message, *decoded = NULL, *twice;
        struct wire_error error = {{0}, {0}};
        size_t length, at;

        encode(seed, &message);
        length = rewrite_cbor(&source, cbor, other, sizeof(other) - 1);
        at = random_below(&source, (uint32_t)length);
        if (one_in(&source, 2))
            other[at] = (uint8_t)random_bits(&source);
        else if (one_in(&source, 2))
            memmove(other + at, other + at + 1, --length - at);
        else
            memmove(other + at + 1, other + at, length++ - at);
        if (wire_decode_cbor(other, length, direction_of(seed), &decoded, &error)) {
            assert_null(decoded);
            assert_true(strlen(error.parameter) > 0 && strlen(error.text) > strlen(error.parameter));
            continue;
        }
        length = wire_encode_cbor(decoded, cbor, sizeof(cbor));
        assert_int_not_equal(length, 0);
        twice = decode_cbor(seed, cbor, length);
        if (!same_message(decoded, twice))
            fail_msg("seed %lu: not the same", (unsigned long)seed);
        wire_free(decoded);
        wire_free(twice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cbor_round_trip),
        cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_every_way_to_write_it_decodes_the_same),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
