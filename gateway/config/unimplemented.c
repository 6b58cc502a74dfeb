/* unimplemented: one row for a setting. Whoever implements it removes its row. */
#include "gateway/config/unimplemented.h"

#include <string.h>

const struct unimplemented config_unimplemented[] = {
    {0},
};

/* The first node at a path below at that has the value. */
static const struct node *written(const struct node *at, const char *path, const char *value)
{
    size_t length = strcspn(path, ".[");
    char name[32];

    if (!at)
        return NULL;
    if (strncmp(path, "[]", 2) == 0) {
        const struct node *found = NULL;

        for (const struct node *child = at->kind == NODE_LIST ? at->first : NULL; child && !found; child = child->next)
            found = written(child, path + 2, value);
        return found;
    }
    if (*path == '.')
        return written(at, path + 1, value);
    if (*path == 0) {
        bool same =
            value ? at->kind == NODE_SCALAR && strcmp(at->text, value) == 0 : at->kind != NODE_LIST || at->count > 0;

        return same ? at : NULL;
    }
    if (length >= sizeof(name))
        return NULL;
    memcpy(name, path, length);
    name[length] = 0;
    return written(config_node_find(at, name), path + length, value);
}

int config_unimplemented_check(struct loader *loader, const struct node *root, const struct config *config)
{
    for (const struct unimplemented *row = config_unimplemented; row->path; row++) {
        const struct node *node = row->when && !row->when(config) ? NULL : written(root, row->path, row->value);

        if (node)
            return config_fault(loader, node, "%s", row->text);
    }
    return 0;
}
