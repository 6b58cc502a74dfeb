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
    /* "Schema location" is no instance; of "Data location" libyang may also add a line. */
    if (yang_error_path(item) && yang_error_path(item)[0] == '/')
        snprintf(fault->path, sizeof(fault->path), "%s", yang_error_path(item));
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
