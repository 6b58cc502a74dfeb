/* nat: what clients ask for, as upstreams are to see it. */

#include "aggregation/nat.h"

#include <stdio.h>
#include <stdlib.h>

#include "aggregation/nat_pieces.h"
#include "aggregation/scope_names.h"
#include "aggregation/union.h"

#define COMPARED_MAX (16 * (size_t)NAT_PIECES_MAX) /* prefixes times ports that are compared for one request */

/* Is a inside b, and smaller? */
static bool strictly_inside(const struct wire_prefix *a, const struct wire_prefix *b)
{
    return a->length > b->length && scope_prefix_contains(b, a);
}

/* ---- Prefixes ---- */

/* How a prefix lies among the mappings. */
struct place {
    const struct nat_mapping *whole; /* it is inside of this one, which has no ports */
    bool ported, cut;                /* it is inside of some with ports; others of those are inside of it */
    bool external;                   /* it is external already */
    bool around;                     /* something is inside of it */
};

static struct place place_of(const struct nat_pieces *pieces, const struct wire_prefix *prefix)
{
    struct place place = {.whole = NULL};

    for (size_t i = 0; i < pieces->mapping_count; i++) {
        const struct nat_mapping *mapping = &pieces->mappings[i];

        if (scope_prefix_contains(&mapping->internal, prefix)) {
            if (mapping->internal_port)
                place.ported = true;
            else if (!place.whole)
                place.whole = mapping;
        } else if (strictly_inside(&mapping->internal, prefix)) {
            place.around = true;
            place.cut = place.cut || mapping->internal_port;
        }
        place.external = place.external || scope_prefix_contains(&mapping->external, prefix);
        place.around = place.around || strictly_inside(&mapping->external, prefix);
    }
    return place;
}

static bool port_mapped(const struct nat_pieces *pieces, const struct wire_prefix *prefix, uint32_t port)
{
    for (size_t i = 0; i < pieces->mapping_count; i++)
        if (pieces->mappings[i].internal_port == port && scope_prefix_contains(&pieces->mappings[i].internal, prefix))
            return true;
    return false;
}

/* Every port that was asked for must be mapped; the first that is not ends the search. */
static int ports_mapped(const struct nat_pieces *pieces, const struct wire_prefix *prefix)
{
    char text[WIRE_PREFIX_TEXT];

    for (size_t i = 0; i < pieces->in->port_range_count; i++) {
        const struct wire_port_range *range = &pieces->in->port_ranges[i];

        for (uint32_t port = range->lower; port <= range->upper; port++) {
            if (port != 0 && port_mapped(pieces, prefix, port))
                continue;
            snprintf(pieces->reason, pieces->size, "target-port-range: port %u of %s is not mapped to an external port",
                     port, wire_prefix_format(prefix, text));
            return -1;
        }
    }
    return 0;
}

static int emit_ports(struct nat_pieces *pieces, const struct wire_prefix *prefix)
{
    if (ports_mapped(pieces, prefix) != 0)
        return -1;
    for (size_t i = 0; i < pieces->mapping_count; i++) {
        const struct nat_mapping *mapping = &pieces->mappings[i];
        struct wire_prefix external;

        if (!mapping->internal_port || !scope_prefix_contains(&mapping->internal, prefix) ||
            !nat_port_asked(pieces->in, mapping->internal_port))
            continue;
        external = nat_moved(prefix, &mapping->internal, &mapping->external);
        if (nat_emit(pieces, &external, mapping->external_port) != 0)
            return -1;
    }
    return 0;
}

static int refuse_prefix(const struct nat_pieces *pieces, const struct wire_prefix *prefix)
{
    char text[WIRE_PREFIX_TEXT];

    snprintf(pieces->reason, pieces->size, "target-prefix: %s is not mapped to external addresses",
             wire_prefix_format(prefix, text));
    return -1;
}

/* Halved until each part lies in one mapping: at most as many parts as mappings have bits. */
static int translate_prefix(struct nat_pieces *pieces, const struct wire_prefix *prefix)
{
    struct place place = place_of(pieces, prefix);
    struct wire_prefix half = *prefix;

    if (place.whole) {
        half = nat_moved(prefix, &place.whole->internal, &place.whole->external);
        return nat_emit(pieces, &half, 0);
    }
    if (place.ported && !place.cut)
        return emit_ports(pieces, prefix);
    if (place.external && !place.ported)
        return nat_emit(pieces, prefix, 0);
    if (!place.around)
        return refuse_prefix(pieces, prefix);
    half.length++;
    if (translate_prefix(pieces, &half) != 0)
        return -1;
    half.addr[(half.length - 1) / 8] |= (uint8_t)(0x80u >> ((half.length - 1) % 8));
    return translate_prefix(pieces, &half);
}

/* A family without mappings is routed, not translated: what is routed nowhere outside is internal all the same. */
static const struct wire_prefix private_prefixes[] = {
    {{10}, 4, 8},       {{172, 16}, 4, 12}, {{192, 168}, 4, 16}, /* RFC 1918 */
    {{100, 64}, 4, 10},                                          /* RFC 6598 */
    {{0xfc}, 6, 7},                                              /* RFC 4193 */
};

static bool is_private(const struct wire_prefix *prefix)
{
    for (size_t i = 0; i < sizeof(private_prefixes) / sizeof(private_prefixes[0]); i++)
        if (scope_prefix_contains(&private_prefixes[i], prefix) || scope_prefix_contains(prefix, &private_prefixes[i]))
            return true;
    return false;
}

static int pass_prefix(struct nat_pieces *pieces, const struct wire_prefix *prefix)
{
    return is_private(prefix) ? refuse_prefix(pieces, prefix) : nat_emit(pieces, prefix, 0);
}

static int translate_prefixes(struct nat_pieces *pieces)
{
    for (size_t i = 0; i < pieces->in->prefix_count; i++) {
        const struct wire_prefix *prefix = &pieces->in->prefixes[i];

        if ((nat_family_mapped(pieces, prefix->family) ? translate_prefix(pieces, prefix)
                                                       : pass_prefix(pieces, prefix)) != 0)
            return -1;
    }
    return 0;
}

/* ---- Names ---- */

/* A name passes: upstream it resolves to an external address. An address in its place must be one. */
static bool host_passes(const struct nat_pieces *pieces, const char *host)
{
    struct wire_prefix address;

    if (wire_prefix_parse(host, true, &address) != 0)
        return scope_fqdn_valid(host);
    if (!nat_family_mapped(pieces, address.family))
        return !is_private(&address);
    for (size_t i = 0; i < pieces->mapping_count; i++)
        if (scope_prefix_contains(&pieces->mappings[i].external, &address))
            return true;
    return false;
}

static int check_names(const struct nat_pieces *pieces)
{
    const struct wire_target *in = pieces->in;
    char shown[SCOPE_SHOWN], host[SCOPE_HOST_MAX];

    for (size_t i = 0; i < in->fqdns.count; i++) {
        if (host_passes(pieces, in->fqdns.at[i]))
            continue;
        snprintf(pieces->reason, pieces->size, "target-fqdn: %s is no name that is known outside",
                 scope_show(in->fqdns.at[i], shown));
        return -1;
    }
    for (size_t i = 0; i < in->uris.count; i++) {
        if (scope_uri_host(in->uris.at[i], host, sizeof(host)) == 0 && host_passes(pieces, host))
            continue;
        snprintf(pieces->reason, pieces->size,
                 "target-uri: the host of %s is not an external address; use a name, or target-prefix",
                 scope_show(in->uris.at[i], shown));
        return -1;
    }
    return 0;
}

/* ---- One target of the pieces ---- */

/*
 * A target is all of its ports of all of its addresses, so it can say what the pieces are only if each
 * address has the same ports in the end. Pieces are sorted: first those with the ports that were given.
 */
struct groups {
    const struct wire_target *in;
    const struct nat_piece *pieces;
    struct wire_prefix *prefixes; /* of each piece */
    size_t count, unchanged;      /* the first ones have the ports that were given */
    bool names;                   /* so have these */
};

/* Are there ports that were given, and which no mapping led to? */
static bool ports_left(const struct groups *groups)
{
    size_t asked = 0, met = 0;

    for (size_t i = 0; i < groups->in->port_range_count; i++)
        asked += groups->in->port_ranges[i].upper - groups->in->port_ranges[i].lower + 1u;
    for (size_t i = groups->unchanged; i < groups->count; i++)
        met += (i == groups->unchanged || groups->pieces[i - 1].port != groups->pieces[i].port) &&
               nat_port_asked(groups->in, groups->pieces[i].port);
    return groups->in->port_range_count == 0 || asked > met;
}

/* The prefixes that have the port of the pieces from begin to end. */
static struct scope *prefixes_of(const struct groups *groups, size_t begin, size_t end)
{
    struct wire_target unchanged = {.prefixes = groups->prefixes, .prefix_count = groups->unchanged};
    struct wire_target mapped = {.prefixes = &groups->prefixes[begin], .prefix_count = end - begin};
    const struct wire_target *both[] = {&mapped, &unchanged};

    return scope_unite(both, begin == end || nat_port_asked(groups->in, groups->pieces[begin].port) ? 2 : 1);
}

/* 1 or 0, or -1 out of memory. */
static int same_everywhere(const struct groups *groups)
{
    struct scope *first = NULL, *scope;
    int same = 1;

    if ((groups->unchanged || groups->names) && ports_left(groups)) {
        first = prefixes_of(groups, groups->unchanged, groups->unchanged);
        if (!first)
            return -1;
    }
    for (size_t begin = groups->unchanged, end; same == 1 && begin < groups->count; begin = end) {
        for (end = begin; end < groups->count && groups->pieces[end].port == groups->pieces[begin].port;)
            end++;
        scope = prefixes_of(groups, begin, end);
        if (!scope)
            same = -1;
        else if (groups->names && !nat_port_asked(groups->in, groups->pieces[begin].port))
            same = 0;
        else if (!first)
            first = scope_ref(scope);
        else
            same = scope_equal(&first->target, &scope->target);
        scope_unref(scope);
    }
    scope_unref(first);
    return same;
}

static int check_exact(const struct nat_pieces *pieces, const struct nat_gathered *gathered)
{
    const struct wire_target *in = pieces->in;
    struct groups groups = {.in = in,
                            .pieces = pieces->at,
                            .prefixes = gathered->prefixes,
                            .count = pieces->count,
                            .names = in->fqdns.count + in->uris.count + in->aliases.count > 0};
    int same;

    while (groups.unchanged < groups.count && groups.pieces[groups.unchanged].port == 0)
        groups.unchanged++;
    if (groups.unchanged == groups.count)
        return 0;
    if (groups.unchanged * (groups.count - groups.unchanged) > COMPARED_MAX)
        return nat_too_much(pieces);
    same = same_everywhere(&groups);
    if (same == 0)
        snprintf(pieces->reason, pieces->size,
                 "target-port-range: the external ports of these targets differ; ask for each in a request of its own");
    return same == 1 ? 0 : -1;
}

static struct scope *target_of(struct nat_pieces *pieces)
{
    struct nat_gathered gathered = {.prefixes = NULL};
    struct scope *scope = NULL;

    if (nat_gather(pieces, &gathered) == 0 && check_exact(pieces, &gathered) == 0)
        scope = nat_gathered_scope(pieces, &gathered);
    nat_drop(&gathered);
    return scope;
}

struct scope *nat_translate(const struct nat_mapping *mappings, size_t count, const struct wire_target *in,
                            char *reason, size_t size)
{
    /* Disjoint prefixes first: no list of a client makes more work than its addresses are worth. */
    struct scope *asked = nat_united(in), *scope = NULL;
    struct nat_pieces pieces = {.mappings = mappings, .mapping_count = count, .reason = reason, .size = size};

    if (size)
        reason[0] = '\0';
    if (!asked)
        return NULL;
    pieces.in = &asked->target;
    if (check_names(&pieces) == 0 && translate_prefixes(&pieces) == 0)
        scope = target_of(&pieces);
    free(pieces.at);
    scope_unref(asked);
    return scope;
}
