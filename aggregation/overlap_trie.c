/* overlap_trie: insertion splits an edge at most once, removal joins one; walks use parents, not a stack. */
#include "aggregation/overlap_trie.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/scope.h"

struct trie_node {
    struct overlap_place place; /* first: a place of the trie is its node */
    struct trie_node *parent, *child[2];
    uint64_t walked; /* the query that has reported everything from here down */
    struct wire_prefix prefix;
};

static unsigned bit_at(const struct wire_prefix *prefix, unsigned position)
{
    return prefix->addr[position / 8] >> (7 - position % 8) & 1u;
}

/* How many bits two prefixes have in common at their beginning. */
static unsigned common_length(const struct wire_prefix *a, const struct wire_prefix *b)
{
    unsigned most = a->length < b->length ? a->length : b->length;
    unsigned byte = 0;
    while (8 * byte < most && a->addr[byte] == b->addr[byte])
        byte++;
    if (8 * byte >= most)
        return most;
    unsigned length = 8 * byte + (unsigned)__builtin_clz((unsigned)(a->addr[byte] ^ b->addr[byte])) - 24;
    return length < most ? length : most;
}

static struct wire_prefix shortened(const struct wire_prefix *prefix, unsigned length)
{
    struct wire_prefix result = {.family = prefix->family, .length = (uint8_t)length};
    memcpy(result.addr, prefix->addr, (length + 7) / 8);
    if (length % 8 != 0)
        result.addr[length / 8] &= (uint8_t)(0xff << (8 - length % 8));
    return result;
}

static struct trie_node *new_node(const struct wire_prefix *prefix, struct trie_node *parent)
{
    struct trie_node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->prefix = *prefix;
    node->parent = parent;
    return node;
}

static void hang(struct trie_node *parent, struct trie_node *child)
{
    parent->child[bit_at(&child->prefix, parent->prefix.length)] = child;
    child->parent = parent;
}

/* Puts a node for prefix on the edge that ends in *edge, whose node it shares only length bits with. */
static struct trie_node *split(struct trie_node **edge, const struct wire_prefix *prefix, unsigned length)
{
    struct trie_node *below = *edge;
    struct trie_node *node = new_node(prefix, below->parent);
    if (!node)
        return NULL;
    struct trie_node *upper = node;
    if (length < prefix->length) {
        struct wire_prefix shared = shortened(prefix, length);
        upper = new_node(&shared, below->parent);
        if (!upper) {
            free(node);
            return NULL;
        }
        hang(upper, node);
    }
    *edge = upper;
    hang(upper, below);
    return node;
}

struct overlap_place *overlap_trie_place(struct trie_node **root, const struct wire_prefix *prefix)
{
    struct trie_node **edge = root, *parent = NULL, *node = NULL;
    while (*edge) {
        unsigned length = common_length(&(*edge)->prefix, prefix);
        if (length < (*edge)->prefix.length) {
            node = split(edge, prefix, length);
            return node ? &node->place : NULL;
        }
        if (length == prefix->length)
            return &(*edge)->place;
        parent = *edge;
        edge = &parent->child[bit_at(prefix, length)];
    }
    node = *edge = new_node(prefix, parent);
    return node ? &node->place : NULL;
}

void overlap_trie_prune(struct trie_node **root, struct overlap_place *place)
{
    struct trie_node *node = (struct trie_node *)place;
    while (node && !node->place.first && !(node->child[0] && node->child[1])) {
        struct trie_node *parent = node->parent, *child = node->child[node->child[0] ? 0 : 1];
        struct trie_node **edge = root;
        if (parent)
            edge = &parent->child[parent->child[0] == node ? 0 : 1];
        *edge = child;
        if (child)
            child->parent = parent;
        free(node);
        node = child ? NULL : parent; /* with a child in its place, the parent is as it was */
    }
}

/* The node behind node in a walk that begins at top: down unless done with it, else to the next branch. */
static struct trie_node *next_node(const struct trie_node *top, struct trie_node *node, bool down)
{
    if (down && node->child[0])
        return node->child[0];
    if (down && node->child[1])
        return node->child[1];
    while (node != top) {
        struct trie_node *parent = node->parent;
        if (parent->child[0] == node && parent->child[1])
            return parent->child[1];
        node = parent;
    }
    return NULL;
}

static int visit_below(struct trie_node *top, struct overlap_visit *visit)
{
    int result = 0;
    struct trie_node *node = top;
    while (node && result == 0) {
        bool down = node->walked != visit->turn;
        node->walked = visit->turn;
        if (down)
            result = overlap_visit_place(&node->place, visit);
        node = next_node(top, node, down);
    }
    return result;
}

int overlap_trie_visit(struct trie_node *root, const struct wire_prefix *prefix, struct overlap_visit *visit)
{
    struct trie_node *node = root;
    while (node && node->prefix.length < prefix->length && scope_prefix_contains(&node->prefix, prefix)) {
        if (node->walked == visit->turn)
            return 0;
        int result = overlap_visit_place(&node->place, visit);
        if (result != 0)
            return result;
        node = node->child[bit_at(prefix, node->prefix.length)];
    }
    return node && scope_prefix_contains(prefix, &node->prefix) ? visit_below(node, visit) : 0;
}

void overlap_trie_free(struct trie_node *root)
{
    struct trie_node *node = root;
    while (node) {
        struct trie_node *parent = node->parent, *child = node->child[0] ? node->child[0] : node->child[1];
        if (child) {
            node->child[node->child[0] ? 0 : 1] = NULL;
            node = child;
        } else {
            free(node);
            node = parent;
        }
    }
}
