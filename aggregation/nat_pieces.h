/*
 * nat_pieces: a target on its way through mappings, piece by piece. Private to nat.c and nat_reverse.c.
 */
#pragma once

#include "aggregation/nat.h"

#define NAT_PIECES_MAX 16384u /* prefixes times ports that one target may become */

/* A prefix on the other side; port 0: with the ports that were given. */
struct nat_piece {
    struct wire_prefix prefix;
    uint16_t port;
};

struct nat_pieces {
    const struct nat_mapping *mappings;
    size_t mapping_count;
    const struct wire_target *in;
    struct nat_piece *at; /* freed by the caller */
    size_t count, room;
    char *reason; /* stays empty when it is out of memory */
    size_t size;
};

bool nat_family_mapped(const struct nat_pieces *pieces, uint8_t family);
/* The same place in another prefix: the bits that from and to differ in are turned. */
struct wire_prefix nat_moved(const struct wire_prefix *prefix, const struct wire_prefix *from,
                             const struct wire_prefix *to);
bool nat_port_asked(const struct wire_target *target, uint16_t port);
/* Adds a piece: 0, or -1 with the reason. */
int nat_emit(struct nat_pieces *pieces, const struct wire_prefix *prefix, uint16_t port);

/* Adds nothing: -1, with the reason. */
int nat_too_much(const struct nat_pieces *pieces);

/* All prefixes, one for each piece in its order; all ports: those of pieces and, where any piece or name has
 * them as they were given, the given ones; none for any. */
struct nat_gathered {
    struct wire_prefix *prefixes;
    struct wire_port_range *ports;
    size_t prefix_count, port_count;
};

/* Sorts the pieces by port first. 0, or -1 out of memory; out is dropped in any case. */
int nat_gather(struct nat_pieces *pieces, struct nat_gathered *out);
void nat_drop(struct nat_gathered *gathered);

struct scope *nat_united(const struct wire_target *target); /* canonical; NULL: out of memory */
/* The target of the pieces, with its names, but with what was gathered; the same. */
struct scope *nat_gathered_scope(const struct nat_pieces *pieces, const struct nat_gathered *gathered);
