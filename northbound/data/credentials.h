/*
 * credentials: what the gateway shows and trusts at an upstream's data channel, read once and kept in memory: a
 * connection that is made later reads no file on the loop.
 */
#pragma once

#include <openssl/ssl.h>

#include "gateway/config/config.h"

struct credentials;

/* Blocks on files. NULL with a sentence in error. */
struct credentials *credentials_read(const struct config_credentials *config, char *error, size_t error_size);
void credentials_free(struct credentials *credentials); /* NULL is fine */

/* TLS 1.2 or later, mutual, the name of the server checked as RFC 6125 says: by DNS-ID, no common name, no partial
 * wildcard. 0; -1: the context must not be used. */
int credentials_use(const struct credentials *credentials, SSL_CTX *context, const char *host);
