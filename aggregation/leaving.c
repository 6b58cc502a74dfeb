/* leaving: installs that are being withdrawn. */

#include "aggregation/leaving.h"

void leaving_add(struct install *install)
{
    struct upstream_cuid_state *cuid = install->cuid;
    struct overlap_index **index = &cuid->leaving[install->trigger];

    install->state = INSTALL_WITHDRAW;
    if (cuid->job || install->leaving)
        return;
    install->leaving = true;
    HASH_ADD(mid_hh, cuid->leaving_mids, mid, sizeof(install->mid), install);
    if (!install->mid_hh.tbl)
        cuid->leaving_walked = true;
    if (!install->scope)
        return;
    if (!*index)
        *index = overlap_index_new();
    if (!*index || overlap_index_add(*index, install->scope, install) != 0)
        cuid->leaving_walked = true;
}

void leaving_remove(struct install *install)
{
    struct upstream_cuid_state *cuid = install->cuid;

    if (!install->leaving)
        return;
    install->leaving = false;
    if (install->mid_hh.tbl)
        HASH_DELETE(mid_hh, cuid->leaving_mids, install);
    if (install->scope && cuid->leaving[install->trigger])
        overlap_index_remove(cuid->leaving[install->trigger], install->scope, install);
}

void leaving_free(struct upstream_cuid_state *cuid)
{
    HASH_CLEAR(mid_hh, cuid->leaving_mids);
    for (int trigger = 0; trigger < 2; trigger++)
        overlap_index_free(cuid->leaving[trigger]);
}

struct search {
    const struct install *install;
    bool free; /* only one that nothing waits for */
    struct install *found;
};

static bool above(const struct install *other, const struct install *install)
{
    return other->mid > install->mid && other->trigger == install->trigger && other->scope && install->scope &&
           scope_overlap(&other->scope->target, &install->scope->target);
}

static int hit(void *arg, void *owner)
{
    struct search *search = arg;
    struct install *other = owner;

    if (other != search->install && other->mid > search->install->mid && (!search->free || !other->blocks))
        search->found = other;
    return search->found != NULL;
}

static struct install *walk(const struct install *install, bool same, bool free)
{
    struct install *other;

    DL_FOREACH2(install->cuid->installs, other, cuid_next)
    {
        if (other != install && other->state == INSTALL_WITHDRAW && (!free || !other->blocks) &&
            ((same && other->mid == install->mid) || above(other, install)))
            return other;
    }
    return NULL;
}

/* With the same mid there may be several, all in one chain of the table. */
static struct install *with_mid(const struct install *install, bool free)
{
    struct install *other;

    HASH_FIND(mid_hh, install->cuid->leaving_mids, &install->mid, sizeof(install->mid), other);
    while (other && (other == install || other->mid != install->mid || (free && other->blocks)))
        other =
            other->mid_hh.hh_next ? ELMT_FROM_HH(install->cuid->leaving_mids->mid_hh.tbl, other->mid_hh.hh_next) : NULL;
    return other;
}

static struct install *find(const struct install *install, bool same, bool free)
{
    struct upstream_cuid_state *cuid = install->cuid;
    struct search search = {install, free, NULL};

    if (cuid->job || cuid->leaving_walked)
        return walk(install, same, free);
    if (same)
        search.found = with_mid(install, free);
    if (search.found)
        return search.found;
    if (install->scope && cuid->leaving[install->trigger])
        overlap_index_query(cuid->leaving[install->trigger], &install->scope->target, hit, &search);
    return search.found;
}

struct install *leaving_before(const struct install *install)
{
    return find(install, true, true);
}

bool leaving_above(const struct install *install)
{
    return find(install, false, false) != NULL;
}
