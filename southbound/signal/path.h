/*
 * path: what a request is about, from its Uri-Path and Uri-Query options (RFC 9132 section 4.2).
 *
 * Words: the *operation* is the resource below /.well-known/dots; its *parameters* are the path
 * segments "name=value" after it, in the order the RFC fixes. Pure. Called for every request, before
 * anything else is looked at; it must not know sessions or clients.
 */
#pragma once

#include "aggregation/relay.h"
#include "gateway/coap/message.h"

enum south_operation { SOUTH_MITIGATE, SOUTH_CONFIG, SOUTH_HEARTBEAT };

#define SOUTH_REASON_MAX 256 /* bytes of a diagnostic payload that we make ourselves */

struct south_path {
    enum south_operation operation;
    bool has_mid, has_sid;
    uint32_t mid, sid;
    char cdid[RELAY_CUID_MAX + 1], cuid[RELAY_CUID_MAX + 1]; /* "": absent */
    enum mitigation_content content;                         /* Uri-Query 'c' of a GET */
};

/*
 * 0, or the code of the error (4.04, 4.05, 4.00) and in reason a sentence that names the parameter.
 * After 0 every parameter that is mandatory for the method is there.
 */
uint8_t south_path_parse(const struct dots_request *request, struct south_path *path, char reason[SOUTH_REASON_MAX]);
