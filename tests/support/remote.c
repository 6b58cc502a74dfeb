/* remote: what an upstream DOTS server has. */

#include "tests/support/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void remote_clear(struct remote *remote)
{
    scope_unref(remote->scope);
    memset(remote, 0, sizeof(*remote));
}

static bool remote_has_higher(const struct remote *remotes, const char *cuid, uint32_t mid,
                              const struct wire_target *target, bool trigger)
{
    for (size_t i = 0; i < REMOTE_MAX; i++) {
        const struct remote *remote = &remotes[i];

        if (remote->used && strcmp(remote->cuid, cuid) == 0 && remote->mid > mid && remote->trigger == trigger &&
            scope_overlap(target, &remote->scope->target))
            return true;
    }
    return false;
}

/* The answer of a server: 2.04, or 4.09 below an overlapping one with a higher mid. */
int remote_put(struct remote *remotes, const char *cuid, uint32_t mid, const struct wire_target *target, bool trigger)
{
    struct remote *place = NULL;

    if (remote_has_higher(remotes, cuid, mid, target, trigger))
        return 409;
    for (size_t i = 0; i < REMOTE_MAX; i++) {
        struct remote *remote = &remotes[i];

        if (!remote->used) {
            place = place ? place : remote;
        } else if (strcmp(remote->cuid, cuid) == 0) {
            if (remote->mid == mid)
                place = remote;
            else if (remote->trigger == trigger && scope_overlap(target, &remote->scope->target) && remote->mid < mid)
                remote_clear(remote);
        }
    }
    if (!place)
        abort(); /* the table is too small for this test */
    remote_clear(place);
    place->used = true;
    snprintf(place->cuid, sizeof(place->cuid), "%s", cuid);
    place->mid = mid;
    place->scope = scope_new(target);
    place->trigger = trigger;
    return 204;
}

void remote_delete(struct remote *remotes, const char *cuid, uint32_t mid)
{
    for (size_t i = 0; i < REMOTE_MAX; i++)
        if (remotes[i].used && remotes[i].mid == mid && strcmp(remotes[i].cuid, cuid) == 0)
            remote_clear(&remotes[i]);
}

unsigned remote_covering(struct remote *remotes, const char *cuid, uint32_t mid, const struct wire_prefix *prefix,
                         bool trigger)
{
    unsigned count = 0;

    for (size_t i = 0; i < REMOTE_MAX; i++) {
        struct remote *remote = &remotes[i];

        if (!remote->used || strcmp(remote->cuid, cuid) != 0 || (mid != UINT32_MAX && remote->mid != mid) ||
            remote->trigger != trigger)
            continue;
        for (size_t k = 0; k < remote->scope->target.prefix_count; k++) {
            if (scope_prefix_contains(&remote->scope->target.prefixes[k], prefix)) {
                remote->wanted = true;
                count++;
            }
        }
    }
    return count;
}
