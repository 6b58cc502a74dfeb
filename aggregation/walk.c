/* walk: visits what is in the relay, over many turns, while it changes. */

#include "aggregation/walk.h"

#include <stdlib.h>

#include "aggregation/inspect.h"

struct relay_walk {
    struct relay *relay; /* NULL: it is gone */
    struct relay_walk *prev, *next;
    /* What comes next. */
    const struct requester_state *requester;
    const struct mitigation *mitigation;
    const struct install *install;
};

struct relay_walk *relay_walk_begin(struct relay *relay)
{
    struct relay_walk *walk = calloc(1, sizeof(*walk));

    if (!walk)
        return NULL;
    walk->relay = relay;
    walk->requester = relay->requesters;
    walk->install = relay->installs;
    DL_APPEND(relay->walks, walk);
    return walk;
}

void relay_walk_end(struct relay_walk *walk)
{
    if (walk && walk->relay)
        DL_DELETE(walk->relay->walks, walk);
    free(walk);
}

const struct mitigation *relay_walk_mitigation(struct relay_walk *walk)
{
    const struct mitigation *mitigation;

    while (!walk->mitigation && walk->requester) {
        walk->mitigation = walk->requester->ordered;
        walk->requester = walk->requester->hh.next;
    }
    mitigation = walk->mitigation;
    if (mitigation)
        walk->mitigation = mitigation->next;
    return mitigation;
}

const struct install *relay_walk_install(struct relay_walk *walk)
{
    const struct install *install = walk->install;

    if (install)
        walk->install = install->hh.next;
    return install;
}

void walk_pass_mitigation(struct relay *relay, const struct mitigation *mitigation)
{
    struct relay_walk *walk;

    DL_FOREACH(relay->walks, walk)
    {
        if (walk->mitigation == mitigation)
            walk->mitigation = mitigation->next;
    }
}

void walk_pass_requester(struct relay *relay, const struct requester_state *requester)
{
    struct relay_walk *walk;

    DL_FOREACH(relay->walks, walk)
    {
        if (walk->requester == requester)
            walk->requester = requester->hh.next;
    }
}

void walk_pass_install(struct relay *relay, const struct install *install)
{
    struct relay_walk *walk;

    DL_FOREACH(relay->walks, walk)
    {
        if (walk->install == install)
            walk->install = install->hh.next;
    }
}

void walk_relay_gone(struct relay *relay)
{
    struct relay_walk *walk, *next;

    DL_FOREACH_SAFE(relay->walks, walk, next)
    {
        walk->relay = NULL;
        walk->requester = NULL;
        walk->mitigation = NULL;
        walk->install = NULL;
    }
    relay->walks = NULL;
}
