/*
 * host_meta: the root of RESTCONF at a server, from its /.well-known/host-meta (RFC 8040 section 3.1, RFC 6415).
 *
 * The document is XRD: RFC 8040 has every server give it, JSON is the server's choice. Pure, but for expat.
 */
#pragma once

#include <stddef.h>

#define HOST_META_MAX 65536u /* bytes of the document */
#define HOST_META_ROOT_MAX 256u

/*
 * The path of the one link with rel="restconf", without a '/' at its end ("" for the root of the host). A link
 * to another origin than https://HOST:PORT is refused: what is told and trusted there is another server's
 * matter. 0, or -1 with a sentence in error.
 */
int host_meta_root(const char *document, size_t length, const char *host, unsigned port,
                   char root[HOST_META_ROOT_MAX + 1], char *error, size_t error_size);
