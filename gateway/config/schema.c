/* schema: the walk over tables, and the two types that have structure. */
#include "gateway/config/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/suggest.h"

int config_expected(struct loader *loader, const struct config_key *key, const struct node *node)
{
    char expected[160], found[CONFIG_FOUND_TEXT];

    key->type->describe(key, expected, sizeof(expected));
    return config_fault(loader, node, "%s: expected %s, found %s", key->name, expected, config_found(node, found));
}

const char *config_scalar(struct loader *loader, const struct config_key *key, const struct node *node)
{
    if (node->kind == NODE_SCALAR && !config_node_empty(node))
        return node->text;
    config_expected(loader, key, node);
    return NULL;
}

static const struct config_key *row_of(const struct config_key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

/* Every key a known one, and once: the cost stays the square of the size of a table at most. */
static int check_keys(struct loader *loader, const struct config_key *keys, const struct node *map)
{
    char found[CONFIG_FOUND_TEXT], advice[256];

    for (const struct node *at = map->first; at; at = at->next->next) {
        if (at->kind != NODE_SCALAR)
            return config_fault(loader, at, "expected a key, found %s; write 'key: value'", config_found(at, found));
        if (!row_of(keys, at->text))
            return config_fault(loader, at, "unknown key %s; %s", config_found(at, found),
                                config_suggest(keys, at->text, advice, sizeof(advice)));
        for (const struct node *earlier = map->first; earlier != at; earlier = earlier->next->next)
            if (strcmp(earlier->text, at->text) == 0)
                return config_fault(loader, at, "%s is given twice, first in line %u: remove one", at->text,
                                    earlier->line);
    }
    return 0;
}

static int decode_default(struct loader *loader, const struct config_key *key, const struct node *where, void *field)
{
    struct node scalar = {.text = key->fallback,
                          .count = (uint32_t)strlen(key->fallback),
                          .kind = NODE_SCALAR,
                          .line = where->line,
                          .column = where->column};
    const struct node *node = &scalar;

    if (key->fallback[0] == '[' || key->fallback[0] == '{')
        node = config_tree_parse(loader->tree, key->fallback, strlen(key->fallback), loader->error);
    return node ? key->type->decode(loader, key, node, field) : -1;
}

static int decode_row(struct loader *loader, const struct config_key *key, const struct node *node,
                      const struct node *where, void *base)
{
    void *field = (char *)base + key->offset;

    if (key->start)
        key->start(base);
    if (key->fallback && (!node || key->type->layered) && decode_default(loader, key, where, field) != 0)
        return -1;
    if (node && key->type == &config_type_list)
        return config_type_list.decode(loader, key, node, base);
    if (node)
        return config_node_empty(node) ? config_expected(loader, key, node)
                                       : key->type->decode(loader, key, node, field);
    if (key->type == &config_type_map)
        return config_decode(loader, key->keys, NULL, where, field);
    return 0;
}

int config_decode(struct loader *loader, const struct config_key *keys, const struct node *map,
                  const struct node *where, void *base)
{
    if (map && check_keys(loader, keys, map) != 0)
        return -1;
    for (const struct config_key *key = keys; key->name; key++) {
        const struct node *node = map ? config_node_find(map, key->name) : NULL;

        if (map && !node && key->required)
            return config_fault(loader, map, "%s is missing here (%s)", key->name, key->text);
        if (decode_row(loader, key, node, where, base) != 0)
            return -1;
    }
    return 0;
}

void config_release(const struct config_key *keys, void *base)
{
    for (const struct config_key *key = keys; key->name; key++) {
        if (key->type == &config_type_list)
            config_type_list.release(key, base);
        else if (key->type->release)
            key->type->release(key, (char *)base + key->offset);
    }
}

static int map_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *field)
{
    if (node->kind != NODE_MAP)
        return config_expected(loader, key, node);
    if (config_decode(loader, key->keys, node, node, field) != 0)
        return -1;
    return key->check ? key->check(loader, node, field) : 0;
}

static void map_release(const struct config_key *key, void *field)
{
    config_release(key->keys, field);
}

static void map_describe(const struct config_key *key, char *buffer, size_t size)
{
    (void)key;
    snprintf(buffer, size, "mapping");
}

const struct config_type config_type_map = {.decode = map_decode, .release = map_release, .describe = map_describe};

/* The array and its count are two fields, so a list is given the base of its table. */
static int list_decode(struct loader *loader, const struct config_key *key, const struct node *node, void *base)
{
    void **array = (void **)((char *)base + key->offset);
    size_t *count = (size_t *)((char *)base + key->count_offset);
    struct config_key entry = *key;
    char *at;

    if (node->kind == NODE_SCALAR && !config_node_empty(node))
        return config_fault(loader, node, "%s: expected a list, found one value; write [\"%.100s\"]", key->name,
                            node->text);
    if (node->kind != NODE_LIST)
        return config_expected(loader, key, node);
    if (node->count < key->min)
        return config_fault(loader, node, "%s: expected at least %u, found %u", key->name, key->min, node->count);
    if (node->count > key->max)
        return config_fault(loader, node, "%s: expected at most %u, found %u", key->name, key->max, node->count);
    if (node->count == 0)
        return 0;
    *array = calloc(node->count, key->size);
    if (!*array)
        return config_fault(loader, node, "%s: out of memory", key->name);
    *count = node->count;
    entry.type = key->of;
    at = *array;
    for (const struct node *child = node->first; child; child = child->next, at += key->size)
        if (entry.type->decode(loader, &entry, child, at) != 0)
            return -1;
    return 0;
}

static void list_release(const struct config_key *key, void *base)
{
    void **array = (void **)((char *)base + key->offset);
    size_t *count = (size_t *)((char *)base + key->count_offset);

    for (size_t i = 0; i < *count && key->of->release; i++)
        key->of->release(key, (char *)*array + i * key->size);
    free(*array);
    *array = NULL;
    *count = 0;
}

static void list_describe(const struct config_key *key, char *buffer, size_t size)
{
    char of[128];

    key->of->describe(key, of, sizeof(of));
    snprintf(buffer, size, "list, each entry: %s", of);
}

const struct config_type config_type_list = {.decode = list_decode, .release = list_release, .describe = list_describe};
