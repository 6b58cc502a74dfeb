/* A body in hexadecimal that must be refused, and the parts of bodies it is put together from. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/wire_examples.h"

#define SCOPE(members) "a1 01 a1 02 81 " members
#define CONFLICT(members) SCOPE("a1 11 " members)
#define CONFIG(members) "a1 181e a1 1820 " members

/* Refused, with the parameter named, and with a text that begins with it and says what is wrong. */
static inline void refuse(enum wire_direction direction, const char *hex, const char *parameter, const char *text)
{
    struct wire_message *message = (struct wire_message *)1;
    uint8_t *bytes = malloc(strlen(hex) + 1), *exact;
    size_t length = from_hex(hex, bytes, strlen(hex));
    struct wire_error error = {{0}, {0}};
    int result;

    exact = malloc(length ? length : 1); /* a read past the end is seen */
    memcpy(exact, bytes, length);
    free(bytes);
    result = wire_decode_cbor(exact, length, direction, &message, &error);
    free(exact);
    if (result != -1)
        fail_msg("accepted: %s", hex);
    assert_null(message);
    assert_string_equal(error.parameter, parameter);
    assert_int_equal(strncmp(error.text, parameter, strlen(parameter)), 0);
    if (!strstr(error.text, text))
        fail_msg("'%s' does not say '%s'", error.text, text);
}
