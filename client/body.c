/* body: what a command sends, from JSON or from flags. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

static char *read_all(const char *name, size_t *length)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    char *text = malloc(WIRE_BODY_MAX + 1);

    if (!file || !text) {
        fprintf(stderr, "dots-client: %s: cannot be read\n", name);
        free(text);
        if (file && file != stdin)
            fclose(file);
        return NULL;
    }
    *length = fread(text, 1, WIRE_BODY_MAX + 1, file);
    if (file != stdin)
        fclose(file);
    return text;
}

static struct wire_message *from_json(const char *name)
{
    struct wire_message *message = NULL;
    struct wire_error error;
    size_t length;
    char *text = read_all(name, &length);

    if (!text)
        return NULL;
    if (wire_decode_json(text, length, WIRE_TO_SERVER, &message, &error) != 0) {
        fprintf(stderr, "dots-client: %s: %s\n", name, error.text);
        message = NULL;
    }
    free(text);
    return message;
}

static int parse_prefixes(const struct client_options *options, struct wire_prefix *prefixes)
{
    for (size_t i = 0; i < options->prefix_count; i++) {
        if (wire_prefix_parse(options->prefixes[i], true, &prefixes[i]) != 0) {
            fprintf(stderr, "dots-client: %s: not a prefix; write 192.0.2.0/24 or 2001:db8::/48\n",
                    options->prefixes[i]);
            return -1;
        }
    }
    return 0;
}

static size_t from_flags(const struct client_options *options, uint8_t *buffer, size_t size)
{
    struct wire_prefix prefixes[CLIENT_LIST_MAX];
    struct wire_scope scope = {
        .has_lifetime = options->operation == CLIENT_PUT || options->has_lifetime,
        .lifetime = options->lifetime,
        .has_trigger = options->preconfigured,
        .trigger = !options->preconfigured,
    };
    struct wire_message message = {.type = WIRE_MITIGATION, .scopes = &scope, .scope_count = 1};

    if (parse_prefixes(options, prefixes) != 0)
        return 0;
    scope.target = (struct wire_target){
        .prefixes = prefixes,
        .prefix_count = options->prefix_count,
        .port_ranges = (struct wire_port_range *)options->ports,
        .port_range_count = options->port_count,
        .protocols = (uint8_t *)options->protocols,
        .protocol_count = options->protocol_count,
        .fqdns = {(const char **)options->fqdns, options->fqdn_count},
        .uris = {(const char **)options->uris, options->uri_count},
        .aliases = {(const char **)options->aliases, options->alias_count},
    };
    if (options->still_under_attack)
        scope.attack_status = WIRE_UNDER_ATTACK;
    if (options->mitigated)
        scope.attack_status = WIRE_ATTACK_MITIGATED;
    return wire_encode_cbor(&message, buffer, size);
}

int client_body(const struct client_options *options, uint8_t *buffer, size_t size, size_t *length)
{
    struct wire_message *message, heartbeat = {.type = WIRE_HEARTBEAT, .heartbeat = {.peer_hb_status = true}};

    *length = 0;
    switch (options->operation) {
    case CLIENT_HB:
        *length = wire_encode_cbor(&heartbeat, buffer, size);
        return 0;
    case CLIENT_PUT:
    case CLIENT_EFFICACY:
        if (!options->file) {
            *length = from_flags(options, buffer, size);
            return *length ? 0 : -1;
        }
        break;
    case CLIENT_CONFIG_PUT:
        if (!options->file) {
            fputs("dots-client: config put needs a FILE with RFC 7951 JSON (- is standard input)\n", stderr);
            return -1;
        }
        break;
    default:
        return 0;
    }
    message = from_json(options->file);
    if (!message)
        return -1;
    *length = wire_encode_cbor(message, buffer, size);
    wire_free(message);
    if (*length == 0)
        fprintf(stderr, "dots-client: %s: larger than a message can be\n", options->file);
    return *length ? 0 : -1;
}

int client_psk_key(const char *name, uint8_t *key, size_t size)
{
    size_t length, count = 0;
    char *text = read_all(name, &length);

    if (!text)
        return -1;
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    if (length > 5 && memcmp(text, "text:", 5) == 0 && length - 5 <= size) {
        count = length - 5;
        memcpy(key, text + 5, count);
    } else if (length % 2 == 0 && length / 2 <= size) {
        for (size_t i = 0; i < length; i += 2, count++) {
            char digits[3] = {text[i], text[i + 1], '\0'};
            char *end;

            key[count] = (uint8_t)strtoul(digits, &end, 16);
            if (*end != '\0' || !isxdigit((unsigned char)digits[0]))
                break;
        }
        count = count * 2 == length ? count : 0;
    }
    memset(text, 0, length);
    free(text);
    if (count == 0) {
        fprintf(stderr, "dots-client: %s: a key is hexadecimal, or text:KEY, 64 bytes at most\n", name);
        return -1;
    }
    return (int)count;
}
