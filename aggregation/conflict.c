/* conflict: requests of different requesters that overlap (RFC 9132 section 4.4.1.3). */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"

#define CONFLICTS_MARKED 64 /* of one request with others: bounded, what a datagram can tell is far less */

struct search {
    const struct mitigation *mine;
    struct mitigation *found[CONFLICTS_MARKED];
    size_t count, limit;
};

/* Requests of different trigger types do not conflict until one of them is made immediate. */
static int other_hit(void *arg, void *owner)
{
    struct search *search = arg;
    struct mitigation *other = owner;
    bool mine_immediate = search->mine->trigger || search->mine->activated;

    if (other->owner == search->mine->owner || other->state != MITIGATION_LIVE || other->gone.queued ||
        mine_immediate != (other->trigger || other->activated))
        return 0;
    search->found[search->count++] = other;
    return search->count == search->limit;
}

struct mitigation *conflict_with_others(const struct relay *relay, const struct mitigation *mitigation)
{
    struct search search = {.mine = mitigation, .limit = 1};

    if (!relay->index)
        return NULL;
    overlap_index_query(relay->index, &mitigation->scope->target, other_hit, &search);
    return search.count ? search.found[0] : NULL;
}

void conflict_describe(const struct mitigation *mine, const struct mitigation *other, bool same_requester,
                       enum wire_conflict_status status, int64_t now, struct wire_conflict *out,
                       struct scope_common *memory)
{
    memset(out, 0, sizeof(*out));
    memset(memory, 0, sizeof(*memory));
    out->cause = WIRE_CAUSE_OVERLAP;
    out->status = status;
    if (same_requester) { /* only then is the other's mid the client's business */
        out->has_mid = true;
        out->mid = other->mid;
    }
    if (status == WIRE_CONFLICT_INACTIVE && other->expires_ms != RELAY_FOREVER) {
        out->has_retry_timer = true;
        out->retry_timer = other->expires_ms > now ? (uint32_t)((other->expires_ms - now + 999) / 1000) : 0;
    }
    if (scope_intersect(&mine->scope->target, &other->scope->target, memory) == 0)
        out->target = memory->target;
}

static void mark(struct relay *relay, int64_t now, struct mitigation *mine, const struct mitigation *other)
{
    struct wire_conflict conflict;
    struct scope_common memory;

    if (mine->conflict)
        return;
    conflict_describe(mine, other, false, WIRE_CONFLICT_ACTIVE, now, &conflict, &memory);
    mine->conflict = conflict_copy(&conflict);
    free(memory.block);
    mitigation_changed(relay, mine);
}

void conflict_mark(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    struct search search = {.mine = mitigation, .limit = CONFLICTS_MARKED};

    if (!relay->index)
        return;
    overlap_index_query(relay->index, &mitigation->scope->target, other_hit, &search);
    for (size_t i = 0; i < search.count; i++) {
        mark(relay, now, mitigation, search.found[i]);
        mark(relay, now, search.found[i], mitigation);
    }
}

void conflict_clear(struct relay *relay, int64_t now, struct mitigation *ended)
{
    struct search search = {.mine = ended, .limit = CONFLICTS_MARKED};

    if (!relay->index || relay->has_upstream || !ended->conflict || relay->policy->reject_conflicts)
        return;
    overlap_index_query(relay->index, &ended->scope->target, other_hit, &search);
    for (size_t i = 0; i < search.count; i++) {
        struct mitigation *other = search.found[i];
        struct mitigation *third;

        free(other->conflict);
        other->conflict = NULL;
        third = conflict_with_others(relay, other);
        if (third)
            mark(relay, now, other, third);
        else
            mitigation_changed(relay, other);
    }
}

static int lower_hit(void *arg, void *owner)
{
    struct search *search = arg;
    struct mitigation *other = owner;

    if (other == search->mine || other->gone.queued)
        return 0;
    if (other->state == MITIGATION_LIVE && (other->trigger != search->mine->trigger || other->mid > search->mine->mid))
        return 0;
    search->found[search->count++] = other;
    return search->count == search->limit;
}

static void override(struct relay *relay, int64_t now, struct mitigation *old, const struct mitigation *mitigation)
{
    struct wire_conflict conflict;
    struct scope_common common;

    conflict_describe(old, mitigation, true, 0, now, &conflict, &common);
    for (size_t i = 0; i < old->exchange_count; i++)
        answer_conflict(relay, old->exchanges[i], &conflict);
    free(common.block);
    old->exchange_count = 0;
    mitigation_remove(relay, now, old);
}

void conflict_override(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    struct search search;

    do {
        search = (struct search){.mine = mitigation, .limit = CONFLICTS_MARKED};
        overlap_index_query(mitigation->owner->index, &mitigation->scope->target, lower_hit, &search);
        for (size_t i = 0; i < search.count; i++)
            override(relay, now, search.found[i], mitigation);
    } while (search.count == search.limit);
}
