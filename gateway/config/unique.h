/* unique: names that may be given once in a file. Private to gateway/config. */
#pragma once

#include "gateway/config/loader.h"

/* Start it zeroed; give it back with config_unique_free. What it holds lies in the loader's tree. */
struct unique {
    void *root;
};

/* Adds "kind text" at a line, or faults at (line, column): `client "web": the name is taken by line 3`.
 * kind and owner must outlive the set. 0, or -1 after the fault. */
int config_unique_add(struct loader *loader, struct unique *unique, const char *kind, const char *text,
                      const char *owner, int line, int column);
void config_unique_free(struct unique *unique);
