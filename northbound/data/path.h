/* path: resource identifiers below the root (RFC 8040 section 3.5.3): list keys are percent-encoded, whatever they
 * hold. malloc'ed; NULL: out of memory. Pure. */
#pragma once

#include "aggregation/catalog.h"

#define PATH_DATA "/data"
#define PATH_DOTS "/ietf-dots-data-channel:dots-data"

/* "/data/.../dots-client=CUID" and what is to follow, which may be a query. */
char *path_client(const char *cuid, const char *more);

/* Of an entry; point NULL: without insert and point (RFC 8040 sections 4.8.5 and 4.8.6). */
char *path_entry(const char *cuid, enum catalog_kind kind, const char *name, enum catalog_insert insert,
                 const char *point);
