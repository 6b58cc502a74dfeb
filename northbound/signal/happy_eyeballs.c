/* happy_eyeballs: which address and transport of a server to try when (RFC 9132 section 4.3, RFC 8305). */

#include <stdlib.h>
#include <string.h>

#include "northbound/signal/happy_eyeballs.h"

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr *b)
{
    if (a->ss_family != b->sa_family)
        return false;
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;

        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a, *y = (const struct sockaddr_in6 *)b;

    return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
           memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

/* UDP over IPv6, UDP over IPv4, TCP over IPv6, TCP over IPv4: RFC 9132 section 4.3. */
static int rank(const struct eyeballs_candidate *candidate)
{
    return (candidate->transport == DOTS_UDP ? 0 : 2) + (candidate->address.ss_family == AF_INET6 ? 0 : 1);
}

/* What failed lately comes last; then the server's preference; then the families and transports take
 * turns (RFC 8305 section 4), so that a long list of dead addresses of one kind delays nobody. */
static int compare(const void *left, const void *right)
{
    const struct eyeballs_candidate *a = left, *b = right;

    if (a->avoid != b->avoid)
        return a->avoid ? 1 : -1;
    if (a->server != b->server)
        return a->server < b->server ? -1 : 1;
    if (a->nth != b->nth)
        return a->nth < b->nth ? -1 : 1;
    return rank(a) - rank(b);
}

void eyeballs_clear(struct eyeballs *race)
{
    memset(race, 0, sizeof(*race));
    race->hold_until = EYEBALLS_NEVER;
    race->give_up_at = EYEBALLS_NEVER;
}

void eyeballs_add(struct eyeballs *race, const struct sockaddr *address, socklen_t length,
                  enum dots_transport transport, unsigned server)
{
    struct eyeballs_candidate *candidate = &race->candidates[race->count];

    if (race->count == EYEBALLS_MAX || (size_t)length > sizeof(candidate->address) ||
        (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return;
    memset(candidate, 0, sizeof(*candidate));
    for (size_t i = 0; i < race->count; i++) {
        const struct eyeballs_candidate *other = &race->candidates[i];

        if (other->transport != transport || other->server != server)
            continue;
        if (same_address(&other->address, address))
            return;
        if (other->address.ss_family == address->sa_family)
            candidate->nth++;
    }
    memcpy(&candidate->address, address, length);
    candidate->address_length = length;
    candidate->transport = transport;
    candidate->server = server;
    race->count++;
}

static bool failed_lately(const struct eyeballs_outcomes *outcomes, const struct eyeballs_candidate *candidate,
                          uint64_t now)
{
    for (size_t i = 0; i < EYEBALLS_OUTCOMES; i++) {
        if (outcomes->entries[i].transport == candidate->transport &&
            same_address(&outcomes->entries[i].address, (const struct sockaddr *)&candidate->address))
            return !outcomes->entries[i].worked && now - outcomes->entries[i].at < EYEBALLS_OUTCOME_MS;
    }
    return false;
}

void eyeballs_begin(struct eyeballs *race, const struct eyeballs_outcomes *outcomes, uint64_t now, bool attack)
{
    for (size_t i = 0; outcomes && i < race->count; i++)
        race->candidates[i].avoid = failed_lately(outcomes, &race->candidates[i], now);
    qsort(race->candidates, race->count, sizeof(race->candidates[0]), compare);
    race->delay_ms = attack ? EYEBALLS_DELAY_ATTACK_MS : EYEBALLS_DELAY_MS;
    race->next_server_ms = attack ? EYEBALLS_NEXT_SERVER_ATTACK_MS : EYEBALLS_NEXT_SERVER_MS;
    race->next_start = now;
}

static struct eyeballs_step decide(struct eyeballs *race, enum eyeballs_verdict verdict, size_t candidate)
{
    race->decided = true;
    return (struct eyeballs_step){.verdict = verdict, .candidate = candidate, .until = EYEBALLS_NEVER};
}

/* TCP is up: is a UDP attempt at the same server still under way that has a chance? */
static bool udp_may_come(const struct eyeballs *race, const struct eyeballs_candidate *tcp)
{
    for (size_t i = 0; i < race->started; i++) {
        const struct eyeballs_candidate *candidate = &race->candidates[i];

        if (candidate->transport == DOTS_UDP && candidate->state == EYEBALLS_STARTED && !candidate->avoid &&
            candidate->server == tcp->server)
            return true;
    }
    return false;
}

static bool any_under_way(const struct eyeballs *race)
{
    for (size_t i = 0; i < race->started; i++) {
        if (race->candidates[i].state == EYEBALLS_STARTED)
            return true;
    }
    return false;
}

struct eyeballs_step eyeballs_next(struct eyeballs *race, uint64_t now)
{
    for (size_t i = 0; i < race->started; i++) {
        if (race->candidates[i].state == EYEBALLS_UP && race->candidates[i].transport == DOTS_UDP)
            return decide(race, EYEBALLS_WON, i);
    }
    if (race->hold_until != EYEBALLS_NEVER) {
        if (now >= race->hold_until || !udp_may_come(race, &race->candidates[race->held]))
            return decide(race, EYEBALLS_WON, race->held);
        return (struct eyeballs_step){.verdict = EYEBALLS_WAIT, .until = race->hold_until};
    }
    if (race->started < race->count) {
        if (now >= race->next_start) {
            size_t index = race->started++;
            bool other =
                race->started < race->count && race->candidates[race->started].server != race->candidates[index].server;

            race->candidates[index].state = EYEBALLS_STARTED;
            race->last_start = now;
            race->next_start = now + (other ? race->next_server_ms : race->delay_ms);
            race->give_up_at = now + EYEBALLS_GIVE_UP_MS;
            return (struct eyeballs_step){.verdict = EYEBALLS_START, .candidate = index, .until = race->next_start};
        }
        return (struct eyeballs_step){.verdict = EYEBALLS_WAIT, .until = race->next_start};
    }
    if (!any_under_way(race) || now >= race->give_up_at)
        return decide(race, EYEBALLS_LOST, 0);
    return (struct eyeballs_step){.verdict = EYEBALLS_WAIT, .until = race->give_up_at};
}

void eyeballs_up(struct eyeballs *race, size_t candidate, uint64_t now)
{
    race->candidates[candidate].state = EYEBALLS_UP;
    if (race->candidates[candidate].transport == DOTS_TCP && race->hold_until == EYEBALLS_NEVER) {
        race->held = candidate;
        race->hold_until = now + race->delay_ms;
    }
}

void eyeballs_failed(struct eyeballs *race, size_t candidate, uint64_t now)
{
    race->candidates[candidate].state = EYEBALLS_FAILED;
    if (race->hold_until != EYEBALLS_NEVER && race->held == candidate) {
        race->hold_until = EYEBALLS_NEVER;
        for (size_t i = 0; i < race->started; i++) { /* another one that is up takes its place */
            if (race->candidates[i].state == EYEBALLS_UP) {
                race->held = i;
                race->hold_until = now;
                return;
            }
        }
    }
    /* Nothing to wait for: the next one goes at once, but not in the same breath (RFC 8305 section 5). */
    if (candidate + 1 == race->started || !any_under_way(race)) {
        uint64_t soonest = race->last_start + EYEBALLS_SPACING_MS;

        race->next_start = soonest > now ? soonest : now;
    }
}

static void remember(struct eyeballs_outcomes *outcomes, const struct sockaddr *address, socklen_t length,
                     enum dots_transport transport, bool worked, uint64_t now)
{
    size_t slot = 0;

    for (size_t i = 0; i < EYEBALLS_OUTCOMES; i++) {
        if (outcomes->entries[i].transport == transport && same_address(&outcomes->entries[i].address, address)) {
            slot = i;
            break;
        }
        if (outcomes->entries[slot].transport != 0 &&
            (outcomes->entries[i].transport == 0 || outcomes->entries[i].at < outcomes->entries[slot].at))
            slot = i;
    }
    memset(&outcomes->entries[slot], 0, sizeof(outcomes->entries[slot]));
    memcpy(&outcomes->entries[slot].address, address, length);
    outcomes->entries[slot].transport = transport;
    outcomes->entries[slot].worked = worked;
    outcomes->entries[slot].at = now;
}

void eyeballs_remember(struct eyeballs_outcomes *outcomes, const struct eyeballs *race, uint64_t now)
{
    size_t winner = race->count;

    for (size_t i = 0; i < race->started; i++) {
        if (race->candidates[i].state == EYEBALLS_UP &&
            (winner == race->count || race->candidates[i].transport == DOTS_UDP))
            winner = i;
    }
    for (size_t i = 0; i < race->started; i++) {
        const struct eyeballs_candidate *candidate = &race->candidates[i];
        bool worked = candidate->state == EYEBALLS_UP;
        bool late = candidate->state == EYEBALLS_STARTED && (i < winner || winner == race->count);

        if (worked || late || candidate->state == EYEBALLS_FAILED)
            remember(outcomes, (const struct sockaddr *)&candidate->address, candidate->address_length,
                     candidate->transport, worked, now);
    }
}
