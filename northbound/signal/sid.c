/*
 * sid: numbers for session configurations, rising for ever (RFC 9132 section 4.5.2).
 *
 * One counter for all legs of an upstream: rising for all it rises for each. A block is reserved on
 * disk ahead of use, so that a crash never uses a number twice and a reconnect seldom waits for the disk.
 */

#include <stdio.h>
#include <string.h>

#include "northbound/signal/northbound_state.h"

int sid_load(struct upstream *upstream, const uint8_t *value, size_t length)
{
    if (length != 4)
        return -1;
    upstream->sid_reserved =
        (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 | (uint32_t)value[3];
    upstream->sid_next = upstream->sid_reserved + 1;
    return 0;
}

static void reserve(struct upstream *upstream)
{
    struct northbound *northbound = upstream->northbound;
    uint32_t last = upstream->sid_reserved + NORTH_SIDS_A_BLOCK;
    const uint8_t value[4] = {(uint8_t)(last >> 24), (uint8_t)(last >> 16), (uint8_t)(last >> 8), (uint8_t)last};
    char key[160];
    int length = snprintf(key, sizeof(key), "sid/%s", upstream->config->name);

    if (upstream->sid_asked || length < 0 || (size_t)length >= sizeof(key))
        return;
    if (store_put(northbound->store, STORE_COUNTER, key, (size_t)length, value, sizeof(value)) != 0) {
        log_error("store-refused",
                  "upstream %s: the next 'sid' cannot be stored; its session keeps the recommended "
                  "configuration until the next one is made",
                  upstream->config->name);
        return;
    }
    upstream->sid_pending = last;
    upstream->sid_sequence = store_submit(northbound->store);
    upstream->sid_asked = true;
}

void sid_wanted(struct leg *leg)
{
    struct upstream *upstream = leg->upstream;

    if (upstream->sid_next <= upstream->sid_reserved) {
        link_set_sid(leg->link, upstream->sid_next++);
        return;
    }
    if (!leg->wants_sid) {
        leg->wants_sid = true;
        DL_APPEND2(upstream->sid_waiting, leg, sid_prev, sid_next);
    }
    reserve(upstream);
}

void sid_forget(struct leg *leg)
{
    if (!leg->wants_sid)
        return;
    leg->wants_sid = false;
    DL_DELETE2(leg->upstream->sid_waiting, leg, sid_prev, sid_next);
}

void sid_committed(struct upstream *upstream, uint64_t sequence)
{
    if (!upstream->sid_asked || sequence < upstream->sid_sequence)
        return;
    upstream->sid_asked = false;
    upstream->sid_reserved = upstream->sid_pending;
    while (upstream->sid_waiting && upstream->sid_next <= upstream->sid_reserved) {
        struct leg *leg = upstream->sid_waiting;

        sid_forget(leg);
        link_set_sid(leg->link, upstream->sid_next++);
    }
    if (upstream->sid_waiting)
        reserve(upstream);
}
