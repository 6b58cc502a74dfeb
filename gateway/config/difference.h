/*
 * difference: what changed from one configuration to another, by the tables of keys. Pure: files that a configuration
 * names are not looked at, so a certificate that was renewed in place is not seen here.
 *
 * Words: an *item* is a client, an upstream or a mitigator, known by its name; a *section* is any other key at the top
 * of the file.
 */
#pragma once

#include "gateway/config/config.h"

enum config_change_kind { CONFIG_ADDED, CONFIG_REMOVED, CONFIG_CHANGED };

struct config_change {
    enum config_change_kind kind;
    const char *section; /* "clients", "limits" */
    const char *name;    /* of the item, in the configuration that has it; NULL: the section itself */
};

struct config_difference {
    struct config_change *at;
    size_t count, room;
    char refused[384]; /* why it needs a restart, and what to do; "": it does not */
};

/* Borrows both. 0, or -1 out of memory; config_difference_free in both cases. */
int config_difference(const struct config *before, const struct config *after, struct config_difference *out);
void config_difference_free(struct config_difference *difference);

/* "clients: 2 added, 1 removed; upstreams: 1 changed; limits, nat", or "nothing in the file has changed". */
const char *config_difference_text(const struct config_difference *difference, char *buffer, size_t size);
