/*
 * nat: targets in the terms of another side of an address translator (RFC 9132 section 3: what is sent to a
 * server must not include internal addresses, prefixes and port numbers).
 *
 * Words: a *mapping* says that an internal prefix is an external one of the same length seen from outside,
 * the host bits kept; with ports it says so for one port only. Mappings are configured, not discovered.
 * Called by the relay. Pure: no I/O, no clock, no global state.
 *
 * The configuration holds that no two mappings are ambiguous: where internal or external prefixes of two
 * overlap both have ports, and those differ; an internal prefix overlaps no external one but its own, and
 * then the mapping changes nothing (it lets public addresses pass). Whatever they are, what nat_translate
 * gives has only addresses of external prefixes, in a family that has mappings, and no private ones in another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregation/scope.h"

struct nat_mapping {
    struct wire_prefix internal, external; /* same family and length */
    uint16_t internal_port, external_port; /* both, or both 0: ports pass unchanged */
};

/*
 * A target as upstreams are to see it: canonical (union.h), one reference, or NULL with a sentence for the
 * diagnostic payload of 4.03 that begins with the parameter; reason is empty when it is out of memory.
 * What it covers is exactly what was asked for: a prefix that is mapped in part, a port that is not mapped,
 * or ports that differ between addresses are refused. A family without any mapping passes, but for what meets
 * private address space (RFC 1918, 4193, 6598). Names pass, but for those that are addresses: these must be external.
 */
struct scope *nat_translate(const struct nat_mapping *mappings, size_t count, const struct wire_target *in,
                            char *reason, size_t size);

/*
 * What an upstream says of a target, for a client that asked for own: each prefix as own has it, internal or
 * external; what is neither, or is in a family with mappings and not external, is left out. The ports are
 * those of the mappings that were gone through, and a mapping of a port that is not in both targets is not. The caller
 * cuts it to own (scope_intersect): this is not done here. Names stay. Time is the product of the three counts, so in
 * should be small. NULL: out of memory.
 */
struct scope *nat_reverse(const struct nat_mapping *mappings, size_t count, const struct wire_target *in,
                          const struct wire_target *own);
