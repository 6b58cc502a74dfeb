/*
 * heartbeat: is the peer still there, and what do we tell it (RFC 9132 section 4.7). Pure: times are
 * loop time in ms. One for each session; who sends and decides is the link.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HEARTBEAT_NEVER UINT64_MAX

struct heartbeat {
    uint64_t interval_ms; /* 0: off */
    uint32_t allowed;     /* missing-hb-allowed */
    uint32_t missing;     /* consecutive heartbeats of ours without any answer */
    uint64_t since;       /* when the session began */
    uint64_t due;         /* when the next one of ours goes out; HEARTBEAT_NEVER: off */
    uint64_t sent_at;     /* the last one of ours; 0: none yet */
    uint64_t peer_at;     /* the peer's last one; 0: none yet */
    bool waiting;         /* the last one has not been answered */
};

void heartbeat_init(struct heartbeat *heartbeat, uint64_t now);
/* interval in s, 0: off. spread: 0..255, where in the second half of the first interval we begin, so
 * that sessions that came up together do not beat together. */
void heartbeat_configure(struct heartbeat *heartbeat, uint64_t now, uint32_t interval_s, uint32_t allowed,
                         uint8_t spread);
/* Is one due? It then must be sent, and said to be. Counts the one before as missing when nothing
 * came since. */
bool heartbeat_due(struct heartbeat *heartbeat, uint64_t now, uint64_t heard_at);
void heartbeat_sent(struct heartbeat *heartbeat, uint64_t now);
void heartbeat_answered(struct heartbeat *heartbeat);
void heartbeat_of_peer(struct heartbeat *heartbeat, uint64_t now);
/* 'peer-hb-status': did heartbeats of the peer come in the last two intervals. A session that is
 * younger than that cannot miss any. */
bool heartbeat_peer_status(const struct heartbeat *heartbeat, uint64_t now);
/* missing-hb-allowed consecutive ones had no answer. */
bool heartbeat_lost(const struct heartbeat *heartbeat);
