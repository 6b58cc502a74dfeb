/*
 * loader: what every step of reading a configuration has at hand, and how it reports a fault.
 *
 * Private to gateway/config. A *fault* is the first thing wrong with a file: reading stops there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config/config.h"
#include "gateway/config/tree.h"

struct loader {
    const char *directory; /* absolute; relative paths start here */
    bool read_files;       /* false: files that the configuration names are not touched (fuzzing) */
    struct tree *tree;
    struct config_error *error;
    unsigned open_secrets; /* files with secrets that others can read, so far */
};

/* Fills *error (but for its file) and returns -1. Control characters become '?'. */
int config_error_set(struct config_error *error, int line, int column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, at the place of a node. */
int config_fault(struct loader *loader, const struct node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What stands at a node, for a message: "web farm" in quotes and cut to a readable length, or "a list". */
#define CONFIG_FOUND_TEXT 80
const char *config_found(const struct node *node, char buffer[CONFIG_FOUND_TEXT]);
