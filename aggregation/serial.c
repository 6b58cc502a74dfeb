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

/* ---- Which one ---- */

/* How good an upstream is for a component: the lower the better. */
enum rank { RANK_GOOD, RANK_EXCEEDED, RANK_BUSY, RANK_AWAY, RANK_REFUSED };

static bool candidate(const struct relay *relay, size_t target)
{
    return relay->policy->targets[target].kind == RELAY_UPSTREAM && !relay->policy->targets[target].disabled;
}

static uint64_t bit(size_t target)
{
    return (uint64_t)1 << target;
}

/* A running one is not taken away from an upstream that only does not answer something else. */
static bool stands_at(const struct component *component, size_t target)
{
    const struct mitigation *member;
    const struct install *install;
    const struct demand *demand;

    if (component->active != target || component->scattered)
        return false;
    DL_FOREACH2(component->members, member, component_next)
    {
        DL_FOREACH(member->demands, demand)
        {
            DL_FOREACH(demand->bundle->installs, install)
            {
                if (demand->bundle->cuid->public.target == target && install->state == INSTALL_LIVE)
                    return true;
            }
        }
    }
    return false;
}

/* Of a session for each requester, every member's counts: it moves as a whole. */
static bool lost(const struct relay *relay, const struct component *component, size_t target)
{
    bool standing = stands_at(component, target);
    const struct mitigation *member;

    if (!relay->policy->targets[target].per_client)
        return ((relay->serial->shared.away | (standing ? 0 : relay->serial->shared.silent)) & bit(target)) != 0;
    DL_FOREACH2(component->members, member, component_next)
    {
        const struct reach *reach = &member->owner->reach;

        if ((reach->away | (standing ? 0 : reach->silent)) & bit(target))
            return true;
    }
    return false;
}

static enum rank rank(const struct relay *relay, const struct component *component, size_t target)
{
    if (component->refused & bit(target))
        return RANK_REFUSED;
    if (lost(relay, component, target))
        return RANK_AWAY;
    if ((component->busy & bit(target)) && relay->now < component->busy_until_ms)
        return RANK_BUSY;
    return component->exceeded & bit(target) ? RANK_EXCEEDED : RANK_GOOD;
}

static bool running(const struct component *component)
{
    const struct mitigation *member;

    DL_FOREACH2(component->members, member, component_next)
    {
        if (member->active)
            return true;
    }
    return false;
}

/* The most preferred of the best ones; what runs stays where it is as long as no other is better, and so does
 * what nobody can take now. */
static size_t choose(const struct relay *relay, const struct component *component)
{
    enum rank best_rank = RANK_REFUSED + 1;
    size_t best = SERIAL_NOWHERE;

    if (component->active != SERIAL_NOWHERE) {
        enum rank now = rank(relay, component, component->active);

        if (now >= RANK_AWAY || running(component)) {
            best = component->active;
            best_rank = now;
        }
    }
    for (size_t target = 0; target < relay->policy->target_count; target++) {
        enum rank one = candidate(relay, target) ? rank(relay, component, target) : RANK_REFUSED + 1;

        if (one < best_rank) {
            best_rank = one;
            best = target;
        }
    }
    return best;
}

bool serial_hopes(const struct relay *relay, const struct component *component)
{
    for (size_t target = 0; target < relay->policy->target_count; target++)
        if (target != component->active && candidate(relay, target) && rank(relay, component, target) < RANK_REFUSED &&
            !(component->busy & bit(target)))
            return true;
    return false;
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
    size_t target = choose(relay, component);
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

/* Of two upstreams the better one; of equal ones where something runs, then the more preferred. */
static size_t winner(const struct relay *relay, const struct component *a, const struct component *b)
{
    enum rank rank_a = rank(relay, a, a->active), rank_b = rank(relay, a, b->active);
    bool running_a = running(a), running_b = running(b);

    if (rank_a != rank_b)
        return rank_a < rank_b ? a->active : b->active;
    if (running_a != running_b)
        return running_a ? a->active : b->active;
    return a->active < b->active ? a->active : b->active;
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
    active = winner(relay, into, from);
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
static void part(struct relay *relay, struct component *component, struct mitigation **members, const size_t *label)
{
    size_t count = component->count;
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
        if (scope_connect(scopes, count, label) == 0)
            part(relay, component, members, label);
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
