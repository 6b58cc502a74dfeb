/* validate: documents, and what RFC 8040 and RFC 8783 call what is wrong with them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/yang/private.h"

const char *yang_last_error(const struct ly_ctx *context)
{
    const struct ly_err_item *item = ly_err_last(context);

    return item && item->msg ? item->msg : "";
}

static bool says(const char *message, const char *part)
{
    return strstr(message, part) != NULL;
}

/* libyang tells kinds of faults apart by its sentences more than by its codes. */
static const char *tag_of(const struct ly_err_item *item)
{
    const char *message = item->msg ? item->msg : "";

    if (item->vecode == LYVE_SYNTAX || item->vecode == LYVE_SYNTAX_JSON)
        return says(message, "represented") ? "invalid-value" : "malformed-message";
    if (says(message, "missing its key") || says(message, "instance does not exist"))
        return "missing-attribute";
    if (says(message, "not found") && !says(message, "identity"))
        return "unknown-element";
    if (item->vecode == LYVE_REFERENCE && !says(message, "identity"))
        return "unknown-element";
    if (says(message, "No module") || says(message, "Unknown"))
        return "unknown-element";
    return "invalid-value";
}

/* libyang 2 says it in a sentence: Data location "PATH", line number 1. A schema location is no instance: "". */
static void data_path(const struct ly_err_item *item, char *path, size_t size)
{
    static const char before[] = "Data location \"";
    const char *said = yang_error_path(item) ? yang_error_path(item) : "";
    const char *from = strncmp(said, before, sizeof(before) - 1) == 0 ? said + sizeof(before) - 1 : said;
    const char *end = from == said ? NULL : strrchr(from, '"');
    size_t length = end ? (size_t)(end - from) : strlen(from);

    snprintf(path, size, "%.*s", *from == '/' ? (int)length : 0, from);
}

/* An instance-identifier names entries by their keys (RFC 7950 section 9.13). What libyang says where a key is missing
 * or the value of an entry is wrong ends in the bare list: cut before that. */
static void keep_named(const struct yang *yang, char *path)
{
    char *segment = path, quote = '\0';
    unsigned depth = 0;

    if (!path[0])
        return;
    for (char *at = path + 1;; at++) {
        char here = *at;

        if (here == '\0' && (quote || depth > 0)) { /* too long, and cut already */
            *segment = '\0';
            return;
        }
        if (quote) {
            if (here == quote)
                quote = '\0';
        } else if (here == '\'' || here == '"') {
            quote = here;
        } else if (here == '[' || here == ']') {
            depth += here == '[' ? 1u : -1u;
        } else if (depth == 0 && (here == '/' || here == '\0')) {
            const struct lysc_node *node;

            *at = '\0';
            node = lys_find_path(yang->context, NULL, path, 0);
            *at = here;
            if (at[-1] != ']' && (!node || node->nodetype & (LYS_LIST | LYS_LEAFLIST))) {
                *segment = '\0';
                return;
            }
            segment = at;
        }
        if (here == '\0')
            return;
    }
}

static void describe(const struct yang *yang, LY_ERR result, struct yang_fault *fault)
{
    const struct ly_err_item *item = ly_err_last(yang->context);

    *fault = (struct yang_fault){.tag = "operation-failed"};
    if (!item) {
        snprintf(fault->message, sizeof(fault->message), "out of memory");
        return;
    }
    if (result == LY_EVALID)
        fault->tag = tag_of(item);
    snprintf(fault->message, sizeof(fault->message), "%s", item->msg ? item->msg : "invalid");
    data_path(item, fault->path, sizeof(fault->path));
    keep_named(yang, fault->path);
    ly_err_clean(yang->context, NULL);
}

/* NULL with a fault. */
static struct lyd_node *parse(const struct yang *yang, const char *json, uint32_t options, struct yang_fault *fault)
{
    struct lyd_node *tree = NULL;
    LY_ERR result;

    ly_err_clean(yang->context, NULL);
    result = lyd_parse_data_mem(yang->context, json, LYD_JSON, LYD_PARSE_STRICT | LYD_PARSE_NO_STATE | options,
                                options & LYD_PARSE_ONLY ? 0 : LYD_VALIDATE_NO_STATE | LYD_VALIDATE_PRESENT, &tree);
    if (result == LY_SUCCESS && tree)
        return tree;
    lyd_free_all(tree);
    if (result == LY_SUCCESS)
        *fault = (struct yang_fault){.tag = "malformed-message", .message = "there is nothing in it"};
    else
        describe(yang, result, fault);
    return NULL;
}

static char *print(const struct yang *yang, const struct lyd_node *tree, struct yang_fault *fault)
{
    char *text = NULL;

    if (lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK) == LY_SUCCESS && text)
        return text;
    free(text);
    describe(yang, LY_EMEM, fault);
    return NULL;
}

char *yang_validate(const struct yang *yang, const char *json, struct yang_fault *fault)
{
    struct lyd_node *tree = parse(yang, json, 0, fault);
    char *text = tree ? print(yang, tree, fault) : NULL;

    lyd_free_all(tree);
    return text;
}

char *yang_merge(const struct yang *yang, const char *base, const char *patch, struct yang_fault *fault)
{
    struct lyd_node *tree = parse(yang, base, 0, fault);
    struct lyd_node *change = tree ? parse(yang, patch, LYD_PARSE_ONLY, fault) : NULL;
    char *text = NULL;

    if (tree && change) {
        /* What is merged counts as new, so another case of a choice takes the place of the one that was there. */
        LY_ERR result = lyd_merge_siblings(&tree, change, 0);

        if (result == LY_SUCCESS)
            result = lyd_validate_all(&tree, yang->context, LYD_VALIDATE_NO_STATE | LYD_VALIDATE_PRESENT, NULL);
        if (result == LY_SUCCESS)
            text = print(yang, tree, fault);
        else
            describe(yang, result, fault);
    }
    lyd_free_all(change);
    lyd_free_all(tree);
    return text;
}
