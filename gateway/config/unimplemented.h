/* unimplemented: settings that keep their names but that this version does not honour. Private to
 * gateway/config. */
#pragma once

#include "gateway/config/loader.h"

struct unimplemented {
    const char *path;                          /* "listeners[].channel" */
    const char *value;                         /* NULL: any but an empty list */
    bool (*when)(const struct config *config); /* NULL: always */
    const char *text;                          /* the whole sentence */
};

extern const struct unimplemented config_unimplemented[]; /* ended by a row without a path */

/* Faults at the first such setting that is written in the file. */
int config_unimplemented_check(struct loader *loader, const struct node *root, const struct config *config);
