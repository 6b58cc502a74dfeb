/* overlap_names: tsearch(3) of the C library, a red-black tree, under the orders of scope_names. */
#include "aggregation/overlap_names.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/scope_names.h"

struct overlap_name {
    struct overlap_place place; /* first: a place of this tree is its name */
    enum overlap_name_kind kind;
    const char *text; /* copy: a name outlives the scope that brought it */
    char copy[];
};

static int compare_names(const void *a, const void *b)
{
    static int (*const compare[])(const char *a, const char *b) = {
        [OVERLAP_FQDN] = scope_fqdn_compare, [OVERLAP_URI] = scope_uri_compare, [OVERLAP_ALIAS] = strcmp};
    const struct overlap_name *left = a, *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return compare[left->kind](left->text, right->text);
}

static struct overlap_name *find(void **root, enum overlap_name_kind kind, const char *text)
{
    struct overlap_name key = {.kind = kind, .text = text};
    struct overlap_name **found = tfind(&key, root, compare_names);
    return found ? *found : NULL;
}

struct overlap_place *overlap_names_place(void **root, enum overlap_name_kind kind, const char *text)
{
    struct overlap_name *name = find(root, kind, text);
    if (name)
        return &name->place;
    size_t size = strlen(text) + 1;
    name = calloc(1, sizeof *name + size);
    if (!name)
        return NULL;
    name->kind = kind;
    name->text = memcpy(name->copy, text, size);
    if (!tsearch(name, root, compare_names)) {
        free(name);
        return NULL;
    }
    return &name->place;
}

void overlap_names_prune(void **root, struct overlap_place *place)
{
    if (place->first)
        return;
    tdelete(place, root, compare_names);
    free(place);
}

int overlap_names_visit(void **root, enum overlap_name_kind kind, const char *text, struct overlap_visit *visit)
{
    struct overlap_name *name = find(root, kind, text);
    return name ? overlap_visit_place(&name->place, visit) : 0;
}

void overlap_names_free(void *root)
{
    tdestroy(root, free);
}
