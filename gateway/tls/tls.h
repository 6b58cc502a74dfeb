/*
 * tls: certificates, keys and trust anchors from their PEM files into an SSL_CTX, for the servers of both channels.
 *
 * A leaf: it blocks on files, so it is called at start or on a thread that may wait. Each function returns 0, or -1
 * with a sentence in error that names the file; OpenSSL's queue of errors is empty afterwards.
 */
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>

/* The chain, leaf first, and its key (NULL: refused). */
int tls_load_certificate(SSL_CTX *context, const char *certificate, const char *private_key, char *error,
                         size_t error_size);
/* What peers are verified by, and are told of. */
int tls_load_anchors(SSL_CTX *context, const char *file, char *error, size_t error_size);

/* Why OpenSSL failed last on this thread, in its words; the queue stays. */
const char *tls_reason(void);
