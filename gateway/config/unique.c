/* unique: a balanced tree (tsearch), so that 100,000 clients cost a moment and nobody's choice of
 * names makes it slow. */
#include "gateway/config/unique.h"

#include <search.h>
#include <string.h>

struct taken {
    const char *kind, *text, *owner;
    int line;
};

static int compare(const void *left, const void *right)
{
    const struct taken *a = left, *b = right;
    int order = strcmp(a->kind, b->kind);

    return order ? order : strcmp(a->text, b->text);
}

int config_unique_add(struct loader *loader, struct unique *unique, const char *kind, const char *text,
                      const char *owner, int line, int column)
{
    size_t size = strlen(text) + 1;
    struct taken *entry = config_tree_alloc(loader->tree, sizeof(*entry) + size), **found;

    if (!entry)
        return config_error_set(loader->error, line, column, "out of memory");
    memcpy(entry + 1, text, size);
    *entry = (struct taken){.kind = kind, .text = (const char *)(entry + 1), .owner = owner, .line = line};
    found = tsearch(entry, &unique->root, compare);
    if (!found)
        return config_error_set(loader->error, line, column, "out of memory");
    if (*found == entry)
        return 0;
    if (!owner)
        return config_error_set(loader->error, line, column, "%s %.64s is given twice, first in line %d; rename one",
                                kind, text, (*found)->line);
    return config_error_set(
        loader->error, line, column,
        "%s %.128s of client %s is already an identity of client %s in line %d; an identity stands for one client",
        kind, text, owner, (*found)->owner, (*found)->line);
}

static void keep(void *entry)
{
    (void)entry; /* the loader's tree holds it */
}

void config_unique_free(struct unique *unique)
{
    tdestroy(unique->root, keep);
    unique->root = NULL;
}
