/* load: file -> text -> tree -> configuration. */
#include "gateway/config/load.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/file.h"
#include "gateway/config/rules.h"
#include "gateway/config/schema.h"

static int read_root(struct loader *loader, const struct node *root, struct config *config)
{
    char found[CONFIG_FOUND_TEXT];

    if (config_node_empty(root))
        return config_fault(loader, root, "the file is empty: write gateway, and listeners or upstreams");
    if (root->kind != NODE_MAP)
        return config_fault(loader, root, "expected a mapping of keys like 'gateway:', found %s",
                            config_found(root, found));
    if (config_decode(loader, config_keys_root, root, root, config) != 0)
        return -1;
    return config_rule_config(loader, root, config);
}

struct config *config_load_text(const char *file, const char *text, size_t length, const char *directory,
                                bool read_files, struct config_error *error)
{
    struct tree tree = {0};
    struct loader loader = {.directory = directory, .read_files = read_files, .tree = &tree, .error = error};
    struct config *config = calloc(1, sizeof(*config));
    const struct node *root = NULL;
    int result = -1;

    *error = (struct config_error){0};
    snprintf(error->file, sizeof(error->file), "%s", file);
    if (config)
        config->file = strdup(file);
    if (!config || !config->file)
        config_error_set(error, 0, 0, "out of memory");
    else
        root = config_tree_parse(&tree, text, length, error);
    if (root)
        result = read_root(&loader, root, config);
    if (loader.open_secrets > 10)
        log_warning("config-secret-open", "%u files with secrets may be used by others than their owner; chmod 600",
                    loader.open_secrets);
    config_tree_free(&tree);
    if (result == 0)
        return config;
    config_free(config);
    return NULL;
}

/* The absolute directory of a file, to be freed; NULL with errno. */
static char *directory_of(const char *file)
{
    char *copy = strdup(file), *directory = copy ? realpath(dirname(copy), NULL) : NULL;

    free(copy);
    return directory;
}

struct config *config_load(const char *file, struct config_error *error)
{
    struct config_bytes text = {0};
    struct config *config = NULL;
    char *directory = directory_of(file), reason[160];

    *error = (struct config_error){0};
    snprintf(error->file, sizeof(error->file), "%s", file);
    if (!directory)
        config_error_set(error, 0, 0, "cannot be read: %s; give the path of the configuration with -c",
                         strerror(errno));
    else if (config_file_read(file, TREE_TEXT_MAX, &text, reason, sizeof(reason)) != 0)
        config_error_set(error, 0, 0, "%s; give the path of the configuration with -c", reason);
    else
        config = config_load_text(file, (const char *)text.at, text.length, directory, true, error);
    config_bytes_free(&text);
    free(directory);
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    config_release(config_keys_root, config);
    free(config->file);
    free(config);
}
