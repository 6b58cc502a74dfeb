/*
 * target: may this client ask for this? What RFC 9132 section 4.4.1 says of the body of a mitigation
 * request, apart from its encoding. Pure: names that need DNS are checked again once resolved.
 */
#pragma once

#include "southbound/signal/client.h"
#include "southbound/signal/path.h"
#include "southbound/signal/resolve.h"

/* Attributes that must, or must not, be there. 0, or 4.00 with a reason. */
uint8_t south_target_complete(const struct wire_scope *scope, bool if_match, char reason[SOUTH_REASON_MAX]);

/* Inside the grant of the client: 0, 4.00 or 4.03 with a reason. */
uint8_t south_target_allowed(const struct wire_scope *scope, const struct scope_grant_prepared *grant,
                             char reason[SOUTH_REASON_MAX]);

/* The index-th name of the target that DNS can say more about: FQDNs, then hosts of URIs.
 * NULL past the end; *skip: it is an address, or no name that can be resolved. */
const char *south_target_name(const struct wire_target *target, size_t index, char host[256], bool *skip);

/* The same checks as for target-prefix, for what name resolved to (RFC 9132 section 4.4.1.1). */
uint8_t south_target_resolved(const char *name, const struct south_addresses *addresses,
                              const struct scope_grant_prepared *grant, char reason[SOUTH_REASON_MAX]);
