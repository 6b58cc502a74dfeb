/* serial: components of overlap, and which upstream each is asked of. */

#include <stdlib.h>

#include "aggregation/connect.h"
#include "aggregation/relay_state.h"

struct serial *serial_new(void)
{
    struct serial *serial = calloc(1, sizeof(*serial));

    if (!serial)
        return NULL;
    serial->members = overlap_index_new();
    serial->there = overlap_index_new();
    serial->starting = true;
    if (serial->members && serial->there)
        return serial;
    serial_free(serial);
    return NULL;
}

void serial_free(struct serial *serial)
{
    struct component *component, *next;

    if (!serial)
        return;
    DL_FOREACH_SAFE(serial->components, component, next)
    {
        free(component);
    }
    overlap_index_free(serial->members);
    overlap_index_free(serial->there);
    free(serial);
}

bool serial_holds(const struct mitigation *mitigation, size_t target)
{
    return mitigation->component && mitigation->component->active == target;
}

/* ---- Moving ---- */

static void mark_moved(struct relay *relay, struct component *component)
{
    if (component->moved)
        return;
    component->moved = true;
    DL_APPEND2(relay->serial->moved, component, moved_prev, moved_next);
}

/* What the former one dropped stays counted: the client's totals do not fall. */
static void place(struct relay *relay, struct component *component, struct mitigation *member)
{
    const struct demand *demand;
    bool elsewhere = false;

    DL_FOREACH(member->demands, demand)
    {
        elsewhere =
            elsewhere || (!demand->bundle->cuid->job && demand->bundle->cuid->public.target != component->active);
    }
    if (!elsewhere)
        return;
    mitigation_keep_counters(member);
    demands_place(relay, member);
    mark_moved(relay, component);
}

bool serial_review(struct relay *relay, struct component *component)
{
    size_t target = serial_choose(relay, component);
    bool first = component->active == SERIAL_NOWHERE;
    struct mitigation *member;

    if (target == component->active && !component->scattered)
        return false;
    component->active = target;
    component->scattered = false;
    if (first)
        return false; /* its first member is placed by who made it */
    DL_FOREACH2(component->members, member, component_next)
    {
        place(relay, component, member);
    }
    return true;
}

size_t serial_review_all(struct relay *relay, struct requester_state *owner)
{
    struct component *component;
    struct mitigation *mitigation;
    size_t moved = 0;

    if (!owner) {
        DL_FOREACH(relay->serial->components, component)
        {
            moved += serial_review(relay, component);
        }
        return moved;
    }
    DL_FOREACH(owner->ordered, mitigation)
    {
        if (mitigation->component)
            moved += serial_review(relay, mitigation->component);
    }
    return moved;
}

/* ---- Components ---- */

static struct component *component_new(struct serial *serial)
{
    struct component *component = calloc(1, sizeof(*component));

    if (!component)
        return NULL;
    component->active = SERIAL_NOWHERE;
    DL_APPEND(serial->components, component);
    return component;
}

static void component_free(struct serial *serial, struct component *component)
{
    if (component->moved)
        DL_DELETE2(serial->moved, component, moved_prev, moved_next);
    DL_DELETE(serial->components, component);
    free(component);
}

static void enter(struct component *component, struct mitigation *mitigation)
{
    mitigation->component = component;
    DL_APPEND2(component->members, mitigation, component_prev, component_next);
    component->count++;
}

static void quit(struct mitigation *mitigation)
{
    DL_DELETE2(mitigation->component->members, mitigation, component_prev, component_next);
    mitigation->component->count--;
    mitigation->component = NULL;
}

/* What either was told counts for both: they are one request now. */
static struct component *merge(struct relay *relay, struct component *a, struct component *b)
{
    struct component *into = a->count >= b->count ? a : b, *from = into == a ? b : a;
    struct mitigation *member;
    size_t active;

    into->refused |= from->refused;
    into->exceeded |= from->exceeded;
    into->busy |= from->busy;
    if (from->busy_until_ms > into->busy_until_ms)
        into->busy_until_ms = from->busy_until_ms;
    active = serial_winner(relay, into, from);
    into->scattered = into->scattered || from->scattered || into->active != from->active;
    into->active = active;
    if (from->moved)
        mark_moved(relay, into);
    DL_FOREACH2(from->members, member, component_next)
    {
        member->component = into;
    }
    DL_CONCAT2(into->members, from->members, component_prev, component_next);
    into->count += from->count;
    component_free(relay->serial, from);
    return into;
}

struct touching {
    struct relay *relay;
    struct component *component;
};

static int touch(void *arg, void *owner)
{
    struct touching *touching = arg;
    struct component *other = ((struct mitigation *)owner)->component;

    if (!touching->component)
        touching->component = other;
    else if (touching->component != other)
        touching->component = merge(touching->relay, touching->component, other);
    return 0;
}

static int join(struct relay *relay, struct mitigation *mitigation)
{
    struct touching touching = {.relay = relay};
    struct serial *serial = relay->serial;
    bool alone;

    overlap_index_query(serial->members, &mitigation->outside->target, touch, &touching);
    alone = !touching.component;
    if (alone)
        touching.component = component_new(serial);
    if (!touching.component)
        return -1;
    enter(touching.component, mitigation);
    if (overlap_index_add(serial->members, mitigation->outside, mitigation) != 0) {
        quit(mitigation);
        if (alone)
            component_free(serial, touching.component);
        return -1;
    }
    if (alone && serial->starting)
        touching.component->active = serial_holder(relay, mitigation);
    return 0;
}

/* Parts stay where they are, and remember what they were told. */
static void part(struct relay *relay, struct component *component, struct mitigation **members, const size_t *label,
                 size_t count)
{
    struct component **parts = calloc(count, sizeof(struct component *));

    if (!parts)
        return; /* wider connected than need be, until the next change */
    parts[label[0]] = component;
    for (size_t i = 1; i < count; i++) {
        struct component **own = &parts[label[i]];

        if (!*own) {
            *own = component_new(relay->serial);
            if (!*own)
                break;
            (*own)->active = component->active;
            (*own)->refused = component->refused;
            (*own)->exceeded = component->exceeded;
            (*own)->busy = component->busy;
            (*own)->busy_until_ms = component->busy_until_ms;
            (*own)->scattered = component->scattered;
            if (component->moved)
                mark_moved(relay, *own);
        }
        if (*own == component)
            continue;
        quit(members[i]);
        enter(*own, members[i]);
    }
    for (size_t i = 0; i < count; i++)
        if (parts[i])
            serial_review(relay, parts[i]);
    free(parts);
}

static void fall_apart(struct relay *relay, struct component *component)
{
    struct mitigation **members = calloc(component->count, sizeof(struct mitigation *)), *member;
    const struct scope **scopes = calloc(component->count, sizeof(*scopes));
    size_t *label = calloc(component->count, sizeof(*label)), count = 0;

    if (members && scopes && label) {
        DL_FOREACH2(component->members, member, component_next)
        {
            members[count] = member;
            scopes[count++] = member->outside;
        }
        if (count > 1 && scope_connect(scopes, count, label) == 0)
            part(relay, component, members, label, count);
    }
    free(members);
    free(scopes);
    free(label);
}

static void leave(struct relay *relay, struct mitigation *mitigation)
{
    struct component *component = mitigation->component;

    overlap_index_remove(relay->serial->members, mitigation->outside, mitigation);
    quit(mitigation);
    if (component->count == 0)
        component_free(relay->serial, component);
    else if (component->count == 1)
        serial_review(relay, component);
    else
        fall_apart(relay, component);
}

int serial_update(struct relay *relay, struct mitigation *mitigation)
{
    bool wanted = plan_wants_upstream(relay, mitigation);

    if (wanted && !mitigation->component && join(relay, mitigation) != 0)
        return -1;
    if (!wanted && mitigation->component)
        leave(relay, mitigation);
    if (mitigation->component)
        serial_review(relay, mitigation->component);
    return 0;
}

/* ---- Telling ---- */

static void tell_one(struct relay *relay, const struct component *component)
{
    struct mitigation **told = calloc(component->count, sizeof(struct mitigation *)), *member;
    size_t count = 0;

    if (!told)
        return; /* the next notification tells them */
    DL_FOREACH2(component->members, member, component_next)
    {
        told[count++] = member;
    }
    for (size_t i = 0; i < count; i++) {
        if (!told[i]->gone.queued)
            verdict_check(relay, relay->now, told[i], false);
        if (!told[i]->gone.queued)
            feedback(relay, relay->now, told[i]);
    }
    free(told);
}

void serial_tell(struct relay *relay)
{
    while (relay->serial->moved) {
        struct component *component = relay->serial->moved;

        DL_DELETE2(relay->serial->moved, component, moved_prev, moved_next);
        component->moved = false;
        tell_one(relay, component);
    }
}

void serial_started(struct relay *relay)
{
    struct component *component;
    struct mitigation *member;
    const struct demand *demand;
    struct install *install;

    relay->serial->starting = false;
    DL_FOREACH(relay->serial->components, component)
    {
        DL_FOREACH2(component->members, member, component_next)
        {
            DL_FOREACH(member->demands, demand)
            {
                member->stood = member->stood || (!demand->bundle->cuid->job && demand_covered(demand));
            }
        }
    }
    /* A session that never comes is no reason to wait for ever. */
    for (install = relay->installs; install; install = install->hh.next)
        serial_sent(relay, install);
}
