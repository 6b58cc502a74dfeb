/* serial_gate: a put waits until no other upstream may still have something that overlaps it. */

#include "aggregation/relay_state.h"

int serial_track(struct relay *relay, struct install *install)
{
    if (!relay->serial || install->cuid->job || install->tracked || !install->scope)
        return 0;
    if (overlap_index_add(relay->serial->there, install->scope, install) != 0)
        return -1;
    install->tracked = true;
    return 0;
}

void serial_untrack(struct relay *relay, struct install *install)
{
    serial_ungate(relay, install);
    if (install->tracked)
        overlap_index_remove(relay->serial->there, install->scope, install);
    install->tracked = false;
}

struct conflict_search {
    struct relay *relay;
    const struct install *mine;
    struct install *found;
};

/* Perhaps there, at another upstream that can be told. */
static int elsewhere(void *arg, void *owner)
{
    struct conflict_search *search = arg;
    struct install *other = owner;
    size_t target = other->cuid->public.target;
    const struct reach *reach = serial_reach(search->relay, other->cuid);

    if (target == search->mine->cuid->public.target || !other->sent || other->state == INSTALL_REFUSED ||
        other->state == INSTALL_GONE)
        return 0;
    if (other->state == INSTALL_WITHDRAW && (other->resists || (((reach->away | reach->silent) >> target) & 1)))
        return 0;
    search->found = other;
    return 1;
}

static struct install *find_elsewhere(struct relay *relay, const struct install *install)
{
    struct conflict_search search = {.relay = relay, .mine = install};

    overlap_index_query(relay->serial->there, &install->scope->target, elsewhere, &search);
    return search.found;
}

bool serial_gated(struct relay *relay, struct install *install)
{
    struct install *other;

    if (install->state != INSTALL_PUT || !install->tracked)
        return false;
    /* One that waits there for what replaces it goes at once: its place is needed here. */
    for (other = find_elsewhere(relay, install); other && other->superseded; other = find_elsewhere(relay, install)) {
        other->superseded = false;
        install_withdraw(relay, other);
    }
    serial_ungate(relay, install);
    if (!other)
        return false;
    install->gated = true;
    install->silent_ms = RELAY_FOREVER; /* who is not asked is not silent */
    install_schedule(relay, install);
    DL_APPEND2(relay->serial->gated, install, gated_prev, gated_next);
    return true;
}

void serial_ungate(struct relay *relay, struct install *install)
{
    if (install->gated)
        DL_DELETE2(relay->serial->gated, install, gated_prev, gated_next);
    install->gated = false;
}

static int open_gate(void *arg, void *owner)
{
    struct install *install = owner;

    if (install->gated)
        install_send(arg, install);
    return 0;
}

void serial_open(struct relay *relay, const struct install *gone)
{
    if (relay->serial->gated && gone->scope)
        overlap_index_query(relay->serial->there, &gone->scope->target, open_gate, relay);
}

void serial_resists(struct relay *relay, struct install *install)
{
    install->resists = true;
    serial_open(relay, install);
}

void serial_open_all(struct relay *relay)
{
    struct install *install;

    DL_FOREACH2(relay->serial->gated, install, gated_next)
    {
        install_send(relay, install);
    }
}

struct holder_search {
    const struct relay *relay;
    const struct install *found;
};

static int held(void *arg, void *owner)
{
    struct holder_search *search = arg;
    const struct install *install = owner, *best = search->found;

    if ((install->state != INSTALL_LIVE && install->state != INSTALL_PUT) ||
        search->relay->policy->targets[install->cuid->public.target].disabled)
        return 0;
    if (!best || (install->state == INSTALL_LIVE && best->state == INSTALL_PUT) ||
        (install->state == best->state && install->cuid->public.target < best->cuid->public.target))
        search->found = install;
    return 0;
}

size_t serial_holder(const struct relay *relay, const struct mitigation *mitigation)
{
    struct holder_search search = {.relay = relay};

    overlap_index_query(relay->serial->there, &mitigation->outside->target, held, &search);
    return search.found ? search.found->cuid->public.target : SERIAL_NOWHERE;
}
