/* The message bodies of the RFCs' figures, and octets written in hexadecimal. */
#pragma once

#include <assert.h>
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/wire/wire.h"

/* Octets of "a1 01 A101": blanks do not matter. Returns their number. */
static inline size_t from_hex(const char *hex, uint8_t *out, size_t size)
{
    size_t length = 0;

    while (*hex) {
        char pair[3] = {0};

        if (isspace((unsigned char)*hex)) {
            hex++;
            continue;
        }
        memcpy(pair, hex, 2);
        assert(isxdigit((unsigned char)pair[0]) && isxdigit((unsigned char)pair[1]) && length < size);
        out[length++] = (uint8_t)strtoul(pair, NULL, 16);
        hex += 2;
    }
    return length;
}

/* Appends octets, in hexadecimal, count times. */
static inline void append_hex(char *hex, size_t size, const char *octets, size_t count)
{
    size_t at = strlen(hex);

    while (count-- > 0) {
        int length = snprintf(hex + at, size - at, "%s", octets);

        assert(length >= 0 && (size_t)length < size - at);
        at += (size_t)length;
    }
}

/* RFC 9132 figure 8: the request of figure 7 in CBOR. */
#define FIGURE_8                                                                                                       \
    "A1 01 A1 02 81 A4 06 82 74 323030313A6462383A363430313A3A312F313238 74 323030313A6462383A363430313A3A322F313238 " \
    "07 83 A1 08 18 50 A1 08 19 01BB A1 08 19 1F90 0A 81 06 0E 19 0E10"

struct example {
    const char *name;
    enum wire_direction direction;
    const char *json;
};

#define PORTS_80_443_8080 "[{\"lower-port\": 80}, {\"lower-port\": 443}, {\"lower-port\": 8080}]"
#define CONFIG_SET_20                                                                            \
    "{\"heartbeat-interval\": {\"max-value\": 240, \"min-value\": 15, \"current-value\": 30},"   \
    " \"missing-hb-allowed\": {\"max-value\": 20, \"min-value\": 3, \"current-value\": 15},"     \
    " \"probing-rate\": {\"max-value\": 20, \"min-value\": 5, \"current-value\": 15},"           \
    " \"max-retransmit\": {\"max-value\": 15, \"min-value\": 2, \"current-value\": 3},"          \
    " \"ack-timeout\": {\"max-value-decimal\": \"30.00\", \"min-value-decimal\": \"1.00\","      \
    "   \"current-value-decimal\": \"2.00\"},"                                                   \
    " \"ack-random-factor\": {\"max-value-decimal\": \"4.00\", \"min-value-decimal\": \"1.10\"," \
    "   \"current-value-decimal\": \"1.50\"}}"

static const struct example examples[] = {
    {"RFC 9132 figure 7", WIRE_TO_SERVER,
     "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{"
     " \"target-prefix\": [\"2001:db8:6401::1/128\", \"2001:db8:6401::2/128\"],"
     " \"target-port-range\": " PORTS_80_443_8080 ","
     " \"target-protocol\": [6], \"lifetime\": 3600}]}}"},
    {"RFC 9132 figure 10", WIRE_TO_CLIENT,
     "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{\"mid\": 123, \"lifetime\": 3600}]}}"},
    {"RFC 9132 figure 11", WIRE_TO_CLIENT,
     "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{"
     " \"conflict-information\": {\"conflict-cause\": \"cuid-collision\"}}]}}"},
    {"RFC 9132 figure 14", WIRE_TO_CLIENT,
     "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{"
     " \"mid\": 12332, \"mitigation-start\": \"1507818434\","
     " \"target-prefix\": [\"2001:db8:6401::1/128\", \"2001:db8:6401::2/128\"],"
     " \"target-protocol\": [17], \"lifetime\": 1756, \"status\": \"attack-successfully-mitigated\","
     " \"bytes-dropped\": \"134334555\", \"bps-dropped\": \"43344\","
     " \"pkts-dropped\": \"333334444\", \"pps-dropped\": \"432432\"}, {"
     " \"mid\": 12333, \"mitigation-start\": \"1507818393\","
     " \"target-prefix\": [\"2001:db8:6401::1/128\", \"2001:db8:6401::2/128\"],"
     " \"target-protocol\": [6], \"lifetime\": 1755, \"status\": \"attack-stopped\","
     " \"bytes-dropped\": \"0\", \"bps-dropped\": \"0\", \"pkts-dropped\": \"0\", \"pps-dropped\": \"0\"}]}}"},
    {"RFC 9132 figure 16", WIRE_TO_SERVER,
     "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{"
     " \"target-prefix\": [\"2001:db8:6401::1/128\", \"2001:db8:6401::2/128\"],"
     " \"target-port-range\": " PORTS_80_443_8080 ","
     " \"target-protocol\": [6], \"attack-status\": \"under-attack\"}]}}"},
    {"RFC 9132 figure 20", WIRE_TO_CLIENT,
     "{\"ietf-dots-signal-channel:signal-config\": {\"mitigating-config\": " CONFIG_SET_20
     ", \"idle-config\": " CONFIG_SET_20 "}}"},
    {"RFC 9132 figure 23", WIRE_TO_SERVER,
     "{\"ietf-dots-signal-channel:signal-config\": {\"mitigating-config\": {"
     " \"heartbeat-interval\": {\"current-value\": 30}, \"missing-hb-allowed\": {\"current-value\": 15},"
     " \"probing-rate\": {\"current-value\": 15}, \"max-retransmit\": {\"current-value\": 3},"
     " \"ack-timeout\": {\"current-value-decimal\": \"2.00\"},"
     " \"ack-random-factor\": {\"current-value-decimal\": \"1.50\"}}, \"idle-config\": {"
     " \"heartbeat-interval\": {\"current-value\": 0}, \"max-retransmit\": {\"current-value\": 3},"
     " \"ack-timeout\": {\"current-value-decimal\": \"2.00\"},"
     " \"ack-random-factor\": {\"current-value-decimal\": \"1.50\"}}}}"},
    {"RFC 9132 figure 26", WIRE_TO_CLIENT,
     "{\"ietf-dots-signal-channel:redirected-signal\": {\"alt-server\": \"alt-server.example\","
     " \"alt-server-record\": [\"2001:db8:6401::1\", \"2001:db8:6401::2\"]}}"},
    {"RFC 9132 figure 27", WIRE_TO_SERVER, "{\"ietf-dots-signal-channel:heartbeat\": {\"peer-hb-status\": true}}"},
    {"RFC 9133 figure 1", WIRE_TO_CLIENT,
     "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{\"mid\": 123,"
     " \"ietf-dots-signal-control:acl-list\": [{"
     "   \"acl-name\": \"an-accept-list\", \"activation-type\": \"deactivate\"}]}]}}"},
    {"RFC 9133 figure 8", WIRE_TO_SERVER,
     "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{"
     " \"target-prefix\": [\"2001:db8:6401::2/127\"], \"target-protocol\": [17],"
     " \"ietf-dots-signal-control:acl-list\": [{"
     "   \"acl-name\": \"my-accept-list\", \"activation-type\": \"immediate\"}],"
     " \"lifetime\": 3600}]}}"},
    {"conflict of RFC 9132 section 4.4.1.3, all of it", WIRE_TO_CLIENT,
     "{\"ietf-dots-signal-channel:mitigation-scope\": {\"scope\": [{\"mid\": 12, \"lifetime\": -1,"
     " \"trigger-mitigation\": false, \"status\": \"attack-mitigation-withdrawn\","
     " \"conflict-information\": {\"conflict-status\": \"request-inactive-other-active\","
     "   \"conflict-cause\": \"overlapping-targets\", \"retry-timer\": \"4294967295\","
     "   \"conflict-scope\": {\"target-prefix\": [\"192.0.2.0/24\"],"
     "     \"target-port-range\": [{\"lower-port\": 0, \"upper-port\": 65535}],"
     "     \"target-protocol\": [0, 255], \"target-fqdn\": [\"www.example.com.\", \"_dots-signal._udp.example\"],"
     "     \"target-uri\": [\"https://user@[2001:db8::1]:8443/a%20b?c=d#e\"], \"alias-name\": [\"W\\u00e9b \\u20ac\"],"
     "     \"acl-list\": [{\"acl-name\": \"a\", \"acl-type\": \"ipv4-acl-type\"}, {\"acl-name\": \"b\"}],"
     "     \"mid\": 4294967295}}}]}}"},
};
#define EXAMPLES (sizeof(examples) / sizeof(examples[0]))
