/*
 * targets: which target of the relay is which upstream or mitigator, over reloads.
 *
 * Words: a *place* is an index of the relay's targets; a target is *leaving* when the configuration does not have it
 * any more, or has another in its stead, and something may still be installed there; a place is free after that.
 * Pure: who is the same as before is the caller's to say.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"

#define TARGET_NAME_MAX 72

enum target_kind { TARGET_FREE, TARGET_UPSTREAM, TARGET_MITIGATOR };

struct driver; /* a mitigator that runs (drivers) */

struct target {
    enum target_kind kind;
    bool leaving;
    int64_t left_ms; /* when it began to leave */
    size_t index;    /* in the configuration's upstreams or mitigators; not of one that is leaving */
    char name[TARGET_NAME_MAX];
    bool identity_client, per_client, insert_cdid; /* of an upstream */
    struct driver *driver;                         /* of a mitigator */
};

struct targets {
    struct target *at;
    size_t count;
};

/* Is entry `index` of the new configuration (an upstream or a mitigator, as the target) what is at this place? */
typedef bool target_same_h(void *arg, size_t place, const struct target *target, size_t index);

/*
 * The places under another configuration: what is the same keeps its place, what is gone is leaving from now on, what
 * is new takes a free place or one at the end. before may be empty. 0, or -1 out of memory; free(out->at) in both
 * cases.
 */
int targets_plan(const struct targets *before, const struct config *config, int64_t now, target_same_h *same, void *arg,
                 struct targets *out);
