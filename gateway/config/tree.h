/*
 * tree: YAML text as a tree of nodes, each with its place in the text.
 *
 * Words: a *node* is a scalar, a list or a mapping; the children of a mapping are key, value, key,
 * value. Private to gateway/config. It takes the part of YAML that a configuration needs: one
 * document, no anchors, aliases or tags (so a small file stays small), bounded depth and number of
 * nodes. It knows no keys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"

#define TREE_TEXT_MAX (64u << 20) /* bytes; 100,000 clients with scopes and limits take about 25 MiB */
#define TREE_NODES_MAX 8000000u
#define TREE_DEPTH_MAX 16u

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    const struct node *next; /* sibling */
    union {
        const char *text;         /* scalar: UTF-8, NUL-terminated, no NUL inside */
        const struct node *first; /* list, mapping: NULL when empty */
    };
    uint32_t line, column; /* from 1; columns count characters */
    uint32_t count;        /* scalar: bytes; list: entries; mapping: keys and values */
    uint8_t kind;
    bool quoted;
};

/* Memory of nodes and of what is kept beside them while a file is read; start it zeroed. */
struct tree {
    struct tree_chunk *chunks;
    size_t nodes;
};

/* The root of the one document in text; NULL with *error. A byte order mark is skipped. An empty
 * document is an empty scalar. */
const struct node *config_tree_parse(struct tree *tree, const char *text, size_t length, struct config_error *error);

/* Memory that lives as long as the tree; NULL when there is none. */
void *config_tree_alloc(struct tree *tree, size_t size);
void config_tree_free(struct tree *tree);

/* The value of a key of a mapping, or NULL. */
const struct node *config_node_find(const struct node *map, const char *key);

/* True for a value that was left out: "key:", "key: ~", "key: null". */
bool config_node_empty(const struct node *node);
