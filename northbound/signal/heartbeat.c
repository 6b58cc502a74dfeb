/* heartbeat: is the peer still there, and what do we tell it (RFC 9132 section 4.7). */

#include "northbound/signal/heartbeat.h"

void heartbeat_init(struct heartbeat *heartbeat, uint64_t now)
{
    *heartbeat = (struct heartbeat){.since = now, .due = HEARTBEAT_NEVER};
}

void heartbeat_configure(struct heartbeat *heartbeat, uint64_t now, uint32_t interval_s, uint32_t allowed,
                         uint8_t spread)
{
    uint64_t interval_ms = (uint64_t)interval_s * 1000;

    heartbeat->allowed = allowed;
    if (heartbeat->interval_ms == interval_ms)
        return;
    heartbeat->interval_ms = interval_ms;
    heartbeat->missing = 0; /* counted in other intervals: it says nothing about this one */
    heartbeat->waiting = false;
    heartbeat->due = interval_ms ? now + interval_ms / 2 + interval_ms / 2 * spread / 256 : HEARTBEAT_NEVER;
}

bool heartbeat_due(struct heartbeat *heartbeat, uint64_t now, uint64_t heard_at)
{
    if (now < heartbeat->due)
        return false;
    if (heartbeat->waiting) {
        /* Whatever was heard since shows that the peer is there: the channel was not quiescent. */
        heartbeat->missing = heard_at > heartbeat->sent_at ? 0 : heartbeat->missing + 1;
        heartbeat->waiting = false;
    }
    return true;
}

void heartbeat_sent(struct heartbeat *heartbeat, uint64_t now)
{
    heartbeat->waiting = true;
    heartbeat->sent_at = now;
    heartbeat->due = heartbeat->interval_ms ? now + heartbeat->interval_ms : HEARTBEAT_NEVER;
}

void heartbeat_answered(struct heartbeat *heartbeat)
{
    heartbeat->waiting = false;
    heartbeat->missing = 0;
}

void heartbeat_of_peer(struct heartbeat *heartbeat, uint64_t now)
{
    heartbeat->peer_at = now;
}

bool heartbeat_peer_status(const struct heartbeat *heartbeat, uint64_t now)
{
    uint64_t last = heartbeat->peer_at > heartbeat->since ? heartbeat->peer_at : heartbeat->since;

    return heartbeat->interval_ms == 0 || now - last <= 2 * heartbeat->interval_ms;
}

bool heartbeat_lost(const struct heartbeat *heartbeat)
{
    return heartbeat->interval_ms != 0 && heartbeat->missing >= heartbeat->allowed;
}
