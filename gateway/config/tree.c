/* tree: from libyaml's events to nodes. */
#include "gateway/config/tree.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "gateway/config/loader.h"

#define CHUNK_SIZE ((size_t)256 << 10)

struct tree_chunk {
    struct tree_chunk *next;
    size_t used, size;
    alignas(max_align_t) char data[];
};

struct builder {
    yaml_parser_t parser;
    struct tree *tree;
    struct config_error *error;
    const char *text;
    size_t length;
};

void *config_tree_alloc(struct tree *tree, size_t size)
{
    struct tree_chunk *chunk = tree->chunks;
    void *memory;

    if (size > TREE_TEXT_MAX)
        return NULL;
    size = (size + alignof(struct node) - 1) / alignof(struct node) * alignof(struct node);
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;

        chunk = malloc(sizeof(*chunk) + room);
        if (!chunk)
            return NULL;
        *chunk = (struct tree_chunk){.next = tree->chunks, .size = room};
        tree->chunks = chunk;
    }
    memory = chunk->data + chunk->used;
    chunk->used += size;
    return memory;
}

void config_tree_free(struct tree *tree)
{
    while (tree->chunks) {
        struct tree_chunk *chunk = tree->chunks;

        tree->chunks = chunk->next;
        free(chunk);
    }
    tree->nodes = 0;
}

static int refuse(struct builder *builder, yaml_mark_t mark, const char *text)
{
    return config_error_set(builder->error, (int)mark.line + 1, (int)mark.column + 1, "%s", text);
}

/* The byte that libyaml's mark points at: a mark counts characters, not bytes. */
static char problem_byte(const struct builder *builder)
{
    size_t characters = builder->parser.problem_mark.index;

    for (size_t i = 0; i < builder->length; i++)
        if (((unsigned char)builder->text[i] & 0xc0) != 0x80 && characters-- == 0)
            return builder->text[i];
    return 0;
}

/* What to do about the faults of libyaml that people meet; it says what it found, seldom what helps. */
static const char *advice(const struct builder *builder, const char *problem)
{
    static const struct {
        const char *problem, *advice;
    } known[] = {
        {"mapping values are not allowed", "check the indentation, and quote a value that contains ': '"},
        {"did not find expected key", "check the indentation of this line and of the one before it"},
        {"did not find expected '-'", "indent the entries of a list alike, each with '- '"},
        {"could not find expected ':'", "write a key and its value as 'key: value'"},
        {"did not find expected ',' or ']'", "separate entries with ',' and close the list with ']'"},
        {"did not find expected ',' or '}'", "separate keys with ',' and close the mapping with '}'"},
        {"unexpected end of stream", "close the quote"},
        {"unknown escape character", "use single quotes, or double the backslash"},
        {"found undefined tag handle", "put the value in quotes"},
    };

    if (strstr(problem, "cannot start any token"))
        return problem_byte(builder) == '\t' ? "indent with spaces, not tabs" : "put the value in quotes";
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strstr(problem, known[i].problem))
            return known[i].advice;
    return "check indentation, quotes and brackets here";
}

/* A byte that is no UTF-8 or no printable character: libyaml gives its offset alone. */
static int unreadable(struct builder *builder)
{
    size_t end = builder->parser.problem_offset < builder->length ? builder->parser.problem_offset : builder->length;
    int line = 1, column = 1;

    for (size_t i = 0; i < end; i++) {
        if (builder->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)builder->text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return config_error_set(builder->error, line, column, "%s: the file must be printable UTF-8 text",
                            builder->parser.problem ? builder->parser.problem : "unreadable");
}

static int syntax(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    const char *problem = parser->problem ? parser->problem : "unreadable";
    char begun[64] = "";

    if (parser->error == YAML_MEMORY_ERROR)
        return config_error_set(builder->error, 0, 0, "out of memory");
    if (parser->error == YAML_READER_ERROR)
        return unreadable(builder);
    if (parser->context && parser->context_mark.line != parser->problem_mark.line)
        snprintf(begun, sizeof(begun), " (in what begins in line %zu)", parser->context_mark.line + 1);
    return config_error_set(builder->error, (int)parser->problem_mark.line + 1, (int)parser->problem_mark.column + 1,
                            "YAML: %s%s%s%s; %s", parser->context ? parser->context : "", parser->context ? " " : "",
                            problem, begun, advice(builder, problem));
}

static int next(struct builder *builder, yaml_event_t *event)
{
    return yaml_parser_parse(&builder->parser, event) ? 0 : syntax(builder);
}

static struct node *node_new(struct builder *builder, const yaml_event_t *event, enum node_kind kind)
{
    struct node *node;

    if (builder->tree->nodes >= TREE_NODES_MAX) {
        config_error_set(builder->error, (int)event->start_mark.line + 1, (int)event->start_mark.column + 1,
                         "too many keys and values: at most %u are read", TREE_NODES_MAX);
        return NULL;
    }
    node = config_tree_alloc(builder->tree, sizeof(*node));
    if (!node) {
        refuse(builder, event->start_mark, "out of memory");
        return NULL;
    }
    builder->tree->nodes++;
    *node = (struct node){.line = (uint32_t)event->start_mark.line + 1,
                          .column = (uint32_t)event->start_mark.column + 1,
                          .kind = (uint8_t)kind};
    return node;
}

static struct node *scalar(struct builder *builder, const yaml_event_t *event)
{
    size_t length = event->data.scalar.length;
    struct node *node;
    char *text;

    if (memchr(event->data.scalar.value, 0, length)) {
        refuse(builder, event->start_mark, "a value must not contain a NUL character");
        return NULL;
    }
    node = node_new(builder, event, NODE_SCALAR);
    if (!node)
        return NULL;
    text = config_tree_alloc(builder->tree, length + 1);
    if (!text) {
        refuse(builder, event->start_mark, "out of memory");
        return NULL;
    }
    memcpy(text, event->data.scalar.value, length + 1);
    node->text = text;
    node->count = (uint32_t)length;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return node;
}

static struct node *build(struct builder *builder, yaml_event_t *event, unsigned depth);

static struct node *container(struct builder *builder, const yaml_event_t *event, unsigned depth)
{
    const bool list = event->type == YAML_SEQUENCE_START_EVENT;
    const yaml_event_type_t end = list ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;
    struct node *node = node_new(builder, event, list ? NODE_LIST : NODE_MAP);
    const struct node **tail = node ? &node->first : NULL;
    yaml_event_t inner;

    if (!node)
        return NULL;
    if (depth >= TREE_DEPTH_MAX) {
        config_error_set(builder->error, (int)event->start_mark.line + 1, (int)event->start_mark.column + 1,
                         "too deep: lists and mappings may be nested %u levels", TREE_DEPTH_MAX);
        return NULL;
    }
    for (;;) {
        struct node *child;

        if (next(builder, &inner) != 0)
            return NULL;
        if (inner.type == end) {
            yaml_event_delete(&inner);
            return node;
        }
        child = build(builder, &inner, depth + 1);
        if (!child)
            return NULL;
        *tail = child;
        tail = &child->next;
        node->count++;
    }
}

/* Aliases are refused: nothing here needs them, and a few lines of them can stand for gigabytes. */
static bool plain(struct builder *builder, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        anchor = event->data.alias.anchor;
        break;
    }
    if (anchor) {
        refuse(builder, event->start_mark,
               "YAML anchors (&) and aliases (*) are refused: write the value out, in quotes if it is meant as text");
        return false;
    }
    if (tag) {
        refuse(builder, event->start_mark,
               "YAML tags (!) are refused: write the value alone, in quotes if it is meant as text");
        return false;
    }
    return true;
}

/* Takes the event over. */
static struct node *build(struct builder *builder, yaml_event_t *event, unsigned depth)
{
    struct node *node = NULL;

    if (plain(builder, event))
        node = event->type == YAML_SCALAR_EVENT ? scalar(builder, event) : container(builder, event, depth);
    yaml_event_delete(event);
    return node;
}

/* Stream start, one document, stream end. An empty stream has no document at all. */
static const struct node *document(struct builder *builder)
{
    static const struct node nothing = {.text = "", .line = 1, .column = 1};
    const struct node *root = &nothing;
    yaml_event_t event;
    yaml_event_type_t type = YAML_NO_EVENT;

    while (type != YAML_STREAM_END_EVENT) {
        if (next(builder, &event) != 0)
            return NULL;
        type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && root != &nothing) {
            refuse(builder, event.start_mark, "a second document begins here: a configuration is one document");
            yaml_event_delete(&event);
            return NULL;
        }
        if (type == YAML_STREAM_START_EVENT || type == YAML_STREAM_END_EVENT || type == YAML_DOCUMENT_START_EVENT ||
            type == YAML_DOCUMENT_END_EVENT)
            yaml_event_delete(&event);
        else
            root = build(builder, &event, 0);
        if (!root)
            return NULL;
    }
    return root;
}

/* Directives (%YAML, %TAG) say nothing here, and libyaml compares each %TAG with all before it. */
static bool without_directives(const char *text, size_t length, struct config_error *error)
{
    const char *at = text, *end = text + length;

    for (int line = 1; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        if (*at == '%') {
            config_error_set(error, line, 1, "YAML directives (%%) are refused: remove this line");
            return false;
        }
        at = newline ? newline + 1 : end;
    }
    return true;
}

const struct node *config_tree_parse(struct tree *tree, const char *text, size_t length, struct config_error *error)
{
    struct builder builder = {.tree = tree, .error = error};
    const struct node *root;

    if (length > TREE_TEXT_MAX) {
        config_error_set(error, 1, 1, "the file has %zu bytes; at most %u are read", length, TREE_TEXT_MAX);
        return NULL;
    }
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        length -= 3;
    }
    builder.text = text;
    builder.length = length;
    if (!without_directives(text, length, error))
        return NULL;
    if (!yaml_parser_initialize(&builder.parser)) {
        config_error_set(error, 0, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text, length);
    root = document(&builder);
    yaml_parser_delete(&builder.parser);
    return root;
}

const struct node *config_node_find(const struct node *map, const char *key)
{
    if (map->kind != NODE_MAP)
        return NULL;
    for (const struct node *at = map->first; at; at = at->next->next)
        if (at->kind == NODE_SCALAR && strcmp(at->text, key) == 0)
            return at->next;
    return NULL;
}

bool config_node_empty(const struct node *node)
{
    return node->kind == NODE_SCALAR && !node->quoted &&
           (node->count == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}
