/* schema: the context of libyang with our modules, and a look at its nodes. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/yang/private.h"

#define ROOT_MODULE "ietf-dots-data-channel"

static LY_ERR import_module(const char *name, const char *revision, const char *submodule,
                            const char *submodule_revision, void *arg, LYS_INFORMAT *format, const char **text,
                            void (**release)(void *text, void *arg))
{
    (void)revision;
    (void)submodule;
    (void)submodule_revision;
    (void)arg;
    for (const struct yang_module_text *module = yang_modules; module->name; module++) {
        if (strcmp(module->name, name) == 0) {
            *format = LYS_IN_YANG;
            *text = module->text;
            *release = NULL;
            return LY_SUCCESS;
        }
    }
    return LY_ENOTFOUND;
}

/* An identity counts in data only when its module is implemented, not merely imported: so all of them are. */
static int load(struct yang *yang)
{
    for (const struct yang_module_text *module = yang_modules; module->name; module++) {
        if (!ly_ctx_load_module(yang->context, module->name, NULL, NULL))
            return -1;
    }
    yang->root = ly_ctx_get_module_implemented(yang->context, ROOT_MODULE);
    return yang->root ? 0 : -1;
}

struct yang *yang_open(char *error, size_t error_size)
{
    struct yang *yang = calloc(1, sizeof(*yang));

    snprintf(error, error_size, "out of memory");
    if (!yang)
        return NULL;
    ly_log_options(LY_LOSTORE_LAST); /* nothing is printed: what a client sends is no business of standard error */
    if (ly_ctx_new(NULL, LY_CTX_DISABLE_SEARCHDIRS | LY_CTX_NO_YANGLIBRARY, &yang->context) != LY_SUCCESS) {
        free(yang);
        return NULL;
    }
    ly_ctx_set_module_imp_clb(yang->context, import_module, NULL);
    if (load(yang) != 0) {
        snprintf(error, error_size, "the schema of the data channel cannot be used: %s",
                 yang_last_error(yang->context));
        yang_close(yang);
        return NULL;
    }
    return yang;
}

void yang_close(struct yang *yang)
{
    if (!yang)
        return;
    ly_ctx_destroy(yang->context);
    free(yang);
}

static const struct lysc_node *child_of(const struct yang *yang, const struct lysc_node *parent, const char *name)
{
    /* Choices and cases are passed through; what RPCs and notifications have does not come. */
    const struct lysc_node *node = NULL;

    while ((node = lys_getnext(node, parent, parent ? NULL : yang->root->compiled, 0)) != NULL) {
        if (strcmp(node->name, name) == 0)
            return node;
    }
    return NULL;
}

int yang_child(const struct yang *yang, const struct yang_node *parent, const char *name, struct yang_node *out)
{
    const struct lysc_node *node = child_of(yang, parent ? parent->of_libyang : NULL, name);

    if (!node)
        return -1;
    *out = (struct yang_node){.config = (node->flags & LYS_CONFIG_W) != 0, .name = node->name, .of_libyang = node};
    switch (node->nodetype) {
    case LYS_CONTAINER:
        out->kind = YANG_CONTAINER;
        return 0;
    case LYS_LIST:
        out->kind = YANG_LIST;
        out->ordered_by_user = lysc_is_userordered(node);
        out->key = lysc_node_child(node)->name; /* keys come first */
        return 0;
    case LYS_LEAFLIST:
        out->kind = YANG_LEAF_LIST;
        return 0;
    case LYS_LEAF:
        out->kind = YANG_LEAF;
        return 0;
    default:
        return -1;
    }
}

const char *yang_version(void)
{
    return "libyang " YANG_LIBYANG_VERSION;
}
