/*
 * overlap_trie: a path-compressed binary radix trie over the prefixes of one family. Private to overlap.
 * A node without an attachment exists only where two branches part, so there are fewer than twice as
 * many nodes as prefixes.
 */
#pragma once

#include "aggregation/overlap_place.h"
#include "gateway/wire/wire.h"

struct trie_node;

/* The place of a prefix, made when there is none; NULL: out of memory, nothing changed. root: NULL at first. */
struct overlap_place *overlap_trie_place(struct trie_node **root, const struct wire_prefix *prefix);

/* Removes the node of a place that has no attachments any more, and what stood only for it. */
void overlap_trie_prune(struct trie_node **root, struct overlap_place *place);

/* Everything at prefixes that contain prefix or lie inside it. */
int overlap_trie_visit(struct trie_node *root, const struct wire_prefix *prefix, struct overlap_visit *visit);

void overlap_trie_free(struct trie_node *root);
