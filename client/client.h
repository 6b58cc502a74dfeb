/*
 * client: dots-client, a DOTS client for people and scripts, on northbound's links.
 *
 * Words: a *command* is one request (put, get, ...) with what came on the command line; the *answer*
 * is shown as RFC 7951 JSON on standard output, its code and reason on standard error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gateway/coap/coap.h"
#include "gateway/wire/wire.h"

#define CLIENT_ADDRESSES_MAX 8
#define CLIENT_LIST_MAX 64

/* Exit codes: the class of an error answer, or these. */
enum { CLIENT_OK = 0, CLIENT_LOCAL = 1, CLIENT_USAGE = 2, CLIENT_TIMEOUT = 3 };

enum client_operation {
    CLIENT_PUT,
    CLIENT_EFFICACY,
    CLIENT_GET,
    CLIENT_OBSERVE,
    CLIENT_DELETE,
    CLIENT_CONFIG_GET,
    CLIENT_CONFIG_PUT,
    CLIENT_CONFIG_DELETE,
    CLIENT_HB,
    CLIENT_HOLD,
};

struct client_options {
    char host[256];
    uint16_t port;
    const char *addresses[CLIENT_ADDRESSES_MAX];
    size_t address_count;
    unsigned transports;
    const char *certificate, *private_key, *trust_anchors, *psk_identity, *psk_key_file;
    const char *cuid, *cdid;
    double timeout; /* s */
    unsigned count; /* observe: end after so many; 0: never */
    bool verbose;
    enum client_operation operation;
    bool has_id;
    uint32_t id;         /* mid or sid */
    const char *content; /* c= */
    const char *file;    /* JSON body; "-": standard input; NULL: from the flags below */
    const char *prefixes[CLIENT_LIST_MAX], *fqdns[CLIENT_LIST_MAX], *uris[CLIENT_LIST_MAX], *aliases[CLIENT_LIST_MAX];
    size_t prefix_count, fqdn_count, uri_count, alias_count;
    struct wire_port_range ports[CLIENT_LIST_MAX];
    uint8_t protocols[CLIENT_LIST_MAX];
    size_t port_count, protocol_count;
    int64_t lifetime;
    bool has_lifetime, preconfigured, still_under_attack, mitigated;
};

/* CLIENT_OK, or CLIENT_USAGE with a sentence written to standard error; -1: nothing more to do (-h). */
int client_parse(int argc, char **argv, struct client_options *out);

/* The CBOR body of the command, 0 when it has none. -1 with a sentence on standard error. */
int client_body(const struct client_options *options, uint8_t *buffer, size_t size, size_t *length);

/* The key of --psk-key-file: hexadecimal, or the text after "text:". Length, or -1 with a sentence. */
int client_psk_key(const char *file, uint8_t *key, size_t size);

/* Shows an answer; returns the exit code. */
int client_show(const struct client_options *options, const struct dots_response *response);
void client_show_request(const char *method, const char *const *path, size_t path_count, const char *query,
                         const uint8_t *body, size_t length);

/* Runs the command; returns the exit code. */
int client_run(const struct client_options *options);
