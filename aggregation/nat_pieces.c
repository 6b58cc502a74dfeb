/* nat_pieces: what a target becomes on the other side, gathered and made one target again. */

#include "aggregation/nat_pieces.h"

#include <stdio.h>
#include <stdlib.h>

#include "aggregation/scope_lists.h"
#include "aggregation/union.h"

bool nat_family_mapped(const struct nat_pieces *pieces, uint8_t family)
{
    for (size_t i = 0; i < pieces->mapping_count; i++)
        if (pieces->mappings[i].internal.family == family)
            return true;
    return false;
}

struct wire_prefix nat_moved(const struct wire_prefix *prefix, const struct wire_prefix *from,
                             const struct wire_prefix *to)
{
    struct wire_prefix result = *prefix;

    for (size_t i = 0; i < sizeof(result.addr); i++)
        result.addr[i] ^= from->addr[i] ^ to->addr[i];
    return result;
}

int nat_too_much(const struct nat_pieces *pieces)
{
    snprintf(pieces->reason, pieces->size,
             "target-prefix: this is more than %u prefixes and ports outside; ask for less in one request",
             NAT_PIECES_MAX);
    return -1;
}

int nat_emit(struct nat_pieces *pieces, const struct wire_prefix *prefix, uint16_t port)
{
    if (pieces->count == NAT_PIECES_MAX)
        return nat_too_much(pieces);
    if (pieces->count == pieces->room) {
        size_t room = pieces->room ? pieces->room * 2 : 16;
        struct nat_piece *more = realloc(pieces->at, room * sizeof(*more));

        if (!more)
            return -1;
        pieces->at = more;
        pieces->room = room;
    }
    pieces->at[pieces->count++] = (struct nat_piece){*prefix, port};
    return 0;
}

bool nat_port_asked(const struct wire_target *target, uint16_t port)
{
    for (size_t i = 0; i < target->port_range_count; i++)
        if (target->port_ranges[i].lower <= port && port <= target->port_ranges[i].upper)
            return true;
    return target->port_range_count == 0;
}

static int by_port(const void *a, const void *b)
{
    const struct nat_piece *left = a, *right = b;

    if (left->port != right->port)
        return left->port < right->port ? -1 : 1;
    return scope_prefix_compare(&left->prefix, &right->prefix);
}

static void gather_ports(const struct nat_pieces *pieces, struct nat_gathered *out)
{
    const struct wire_target *in = pieces->in;
    bool given = in->fqdns.count + in->uris.count + in->aliases.count > 0 || pieces->count == 0;

    for (size_t i = 0; i < pieces->count; i++) {
        const struct nat_piece *piece = &pieces->at[i];

        given = given || piece->port == 0;
        if (piece->port && (i == 0 || piece[-1].port != piece->port))
            out->ports[out->port_count++] = (struct wire_port_range){piece->port, piece->port};
    }
    if (given && in->port_range_count == 0)
        out->port_count = 0;
    for (size_t i = 0; given && i < in->port_range_count; i++)
        out->ports[out->port_count++] = in->port_ranges[i];
}

int nat_gather(struct nat_pieces *pieces, struct nat_gathered *out)
{
    size_t count = pieces->count ? pieces->count : 1;

    if (pieces->count)
        qsort(pieces->at, pieces->count, sizeof(*pieces->at), by_port);
    out->prefixes = calloc(count, sizeof(*out->prefixes));
    out->ports = calloc(count + pieces->in->port_range_count, sizeof(*out->ports));
    if (!out->prefixes || !out->ports)
        return -1;
    for (size_t i = 0; i < pieces->count; i++)
        out->prefixes[out->prefix_count++] = pieces->at[i].prefix;
    gather_ports(pieces, out);
    return 0;
}

void nat_drop(struct nat_gathered *gathered)
{
    free(gathered->prefixes);
    free(gathered->ports);
}

struct scope *nat_united(const struct wire_target *target)
{
    return scope_unite(&target, 1);
}

struct scope *nat_gathered_scope(const struct nat_pieces *pieces, const struct nat_gathered *gathered)
{
    struct wire_target target = *pieces->in;

    target.prefixes = gathered->prefixes;
    target.prefix_count = gathered->prefix_count;
    target.port_ranges = gathered->ports;
    target.port_range_count = gathered->port_count;
    return nat_united(&target);
}
