/* world: what is in it, by name. */

#include <string.h>

#include "tests/support/world.h"

bool world_find_target(const struct world *world, const char *name, size_t *target)
{
    for (*target = 0; *target < world->policy.target_count; (*target)++)
        if (strcmp(world->targets[*target].name, name) == 0)
            return true;
    return false;
}

struct search {
    const char *cuid;
    uint32_t mid;
    struct install *found;
};

static int match_install(void *arg, struct install *install)
{
    struct search *search = arg;

    if (install_mid(install) == search->mid && (!search->found || install_wanted(search->found)))
        search->found = install; /* one that is being withdrawn is answered before the next of its mid */
    return 0;
}

static int match_cuid(void *arg, struct upstream_cuid *cuid)
{
    struct search *search = arg;

    if (search->cuid && strcmp(search->cuid, cuid->cuid) != 0)
        return 0;
    return upstream_cuid_install_each(cuid, match_install, search);
}

struct install *world_install(struct world *world, size_t target, const char *cuid, uint32_t mid)
{
    struct search search = {.cuid = cuid, .mid = mid};

    relay_upstream_cuid_each(world->relay, target, NULL, match_cuid, &search);
    return search.found;
}
