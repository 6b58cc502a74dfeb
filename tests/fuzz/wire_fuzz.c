/* CBOR and JSON bodies in both directions: the first octet chooses, the rest is the body. What is accepted
 * must survive encoding: the same octets, and the same message by way of the other encoding.
 * links: wire */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "wire_fuzz: %s\n", what);
        abort();
    }
}

static void check_error(int result, const struct wire_error *error)
{
    require(result == -1, "neither accepted nor refused");
    require(error->parameter[0] != '\0', "no parameter named");
    require(strncmp(error->text, error->parameter, strlen(error->parameter)) == 0, "text without the parameter");
    for (const char *c = error->text; *c; c++)
        require(*c >= 0x20 && *c <= 0x7e, "text that does not print");
}

static void check_message(const struct wire_message *message, enum wire_direction direction)
{
    static uint8_t cbor[4 * WIRE_BODY_MAX], again[4 * WIRE_BODY_MAX];
    struct wire_message *decoded;
    struct wire_error error;
    size_t length = wire_encode_cbor(message, cbor, sizeof(cbor));
    char *json;

    require(length > 0, "accepted, but not encoded");
    json = wire_encode_json(message);
    require(json != NULL, "accepted, but not encoded as JSON");
    if (length <= WIRE_BODY_MAX) { /* JSON can carry more than a body may */
        require(wire_decode_cbor(cbor, length, direction, &decoded, &error) == 0, "encoded, but not accepted");
        require(wire_encode_cbor(decoded, again, sizeof(again)) == length, "another length the second time");
        require(memcmp(cbor, again, length) == 0, "other octets the second time");
        wire_free(decoded);
    }
    require(wire_decode_json(json, strlen(json), direction, &decoded, &error) == 0, "JSON encoded, but not accepted");
    require(wire_encode_cbor(decoded, again, sizeof(again)) == length, "another length by way of JSON");
    require(memcmp(cbor, again, length) == 0, "other octets by way of JSON");
    wire_free(decoded);
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_message *message = NULL;
    struct wire_error error = {{0}, {0}};
    enum wire_direction direction;
    int result;

    if (size == 0)
        return 0;
    direction = data[0] & 1 ? WIRE_TO_CLIENT : WIRE_TO_SERVER;
    if (data[0] & 2)
        result = wire_decode_json((const char *)data + 1, size - 1, direction, &message, &error);
    else
        result = wire_decode_cbor(data + 1, size - 1, direction, &message, &error);
    if (result == 0)
        check_message(message, direction);
    else
        check_error(result, &error);
    wire_free(message);
    return 0;
}
