/* list: the reference of all keys, from the tables that the parser uses. */
#include <stdio.h>

#include "gateway/config/schema.h"

#define PATH_SIZE 128

static void list(const struct config_key *keys, const char *above, config_row_h *row, void *arg)
{
    for (const struct config_key *key = keys; key->name; key++) {
        const char *fallback = key->required ? "required" : "none";
        char path[PATH_SIZE], type[192];

        if (key->shown)
            fallback = key->shown;
        else if (key->fallback)
            fallback = key->fallback;
        snprintf(path, sizeof(path), "%s%s%s", above, *above ? "." : "", key->name);
        key->type->describe(key, type, sizeof(type));
        row(path, type, fallback, key->text, arg);
        if (key->keys) {
            char below[PATH_SIZE + 2];

            snprintf(below, sizeof(below), "%s%s", path, key->type == &config_type_list ? "[]" : "");
            list(key->keys, below, row, arg);
        }
    }
}

void config_keys(config_row_h *row, void *arg)
{
    list(config_keys_root, "", row, arg);
}
