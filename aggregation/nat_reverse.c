/* nat_reverse: what upstreams say, as the client that it concerns knows it. */

#include <stdlib.h>

#include "aggregation/nat_pieces.h"

static bool overlap(const struct wire_prefix *a, const struct wire_prefix *b)
{
    return scope_prefix_contains(a, b) || scope_prefix_contains(b, a);
}

static bool asked_for(const struct wire_target *own, const struct wire_prefix *prefix)
{
    for (size_t i = 0; i < own->prefix_count; i++)
        if (overlap(&own->prefixes[i], prefix))
            return true;
    return false;
}

/* Is the port of this mapping spoken of, and was it asked for? */
static bool port_common(const struct nat_pieces *pieces, const struct nat_mapping *mapping,
                        const struct wire_target *own)
{
    return !mapping->external_port ||
           (nat_port_asked(pieces->in, mapping->external_port) && nat_port_asked(own, mapping->internal_port));
}

/* What the prefix and an external one have in common, as the client may have asked for it. */
static int reverse_through(struct nat_pieces *pieces, const struct nat_mapping *mapping,
                           const struct wire_prefix *prefix, const struct wire_target *own)
{
    const struct wire_prefix *common = scope_prefix_contains(&mapping->external, prefix) ? prefix : &mapping->external;
    struct wire_prefix internal;

    if (!overlap(&mapping->external, prefix))
        return 0;
    internal = nat_moved(common, &mapping->external, &mapping->internal);
    if (asked_for(own, &internal) && port_common(pieces, mapping, own) &&
        nat_emit(pieces, &internal, mapping->internal_port) != 0)
        return -1;
    return asked_for(own, common) ? nat_emit(pieces, common, 0) : 0;
}

static int reverse_prefixes(struct nat_pieces *pieces, const struct wire_target *own)
{
    for (size_t i = 0; i < pieces->in->prefix_count; i++) {
        const struct wire_prefix *prefix = &pieces->in->prefixes[i];

        if (!nat_family_mapped(pieces, prefix->family)) {
            if (nat_emit(pieces, prefix, 0) != 0)
                return -1;
            continue;
        }
        for (size_t k = 0; k < pieces->mapping_count; k++)
            if (reverse_through(pieces, &pieces->mappings[k], prefix, own) != 0)
                return -1;
    }
    return 0;
}

/* Unlike what is asked for, this may say a little more than the pieces: it is cut to what the client asked. */
static struct scope *reversed(struct nat_pieces *pieces)
{
    struct nat_gathered gathered = {.prefixes = NULL};
    struct scope *scope = NULL;

    if (nat_gather(pieces, &gathered) == 0)
        scope = nat_gathered_scope(pieces, &gathered);
    nat_drop(&gathered);
    return scope;
}

struct scope *nat_reverse(const struct nat_mapping *mappings, size_t count, const struct wire_target *in,
                          const struct wire_target *own)
{
    char reason[SCOPE_REASON_MAX];
    struct nat_pieces pieces = {
        .mappings = mappings, .mapping_count = count, .in = in, .reason = reason, .size = sizeof(reason)};
    struct scope *scope = NULL;

    if (reverse_prefixes(&pieces, own) == 0)
        scope = reversed(&pieces);
    free(pieces.at);
    return scope;
}
