/*
 * pace: when a non-confirmable request may go out over UDP, and when it is repeated (RFC 9132
 * section 4.4, RFC 8085 section 3.1.3, RFC 6298). Pure: times are loop time in ms.
 *
 * The rule of section 4.4 is one datagram per round trip to a peer on average, and one request every
 * 3 s when there is no estimate of the round trip. It is kept with a bucket of *credits*, one for
 * each datagram: a credit comes back with every round trip (every 3 s without an estimate), and with
 * every answer, since a peer that answers as fast as it is asked is not overloaded by us. So a peer
 * that answers can be kept busy, up to PACE_WINDOW unanswered requests; one that is silent gets a
 * burst of at most that, then one datagram each round trip, and after a while without any sample of
 * the round trip one each 3 s. Mitigation requests are not held back by the probing rate (the MUST
 * at the end of section 4.4).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PACE_BURST 16u        /* credits without an estimate */
#define PACE_WINDOW 64u       /* credits with one */
#define PACE_RESERVE 8u       /* credits that are for requests that matter */
#define PACE_UNKNOWN_MS 3000u /* RFC 9132 section 4.4 */
#define PACE_REPEAT_MIN_MS 250u
#define PACE_REPEAT_MAX_MS 15000u
#define PACE_STALE_MS 60000u /* an estimate without a sample for this long is none any more */
#define PACE_NEVER UINT64_MAX

struct pace {
    uint32_t srtt_us, rttvar_us; /* srtt_us 0: no sample yet */
    uint64_t sampled_at;
    bool guessed; /* srtt is not a sample but an upper bound */
    uint32_t credits;
    uint64_t credited_at; /* up to here the passing of time has been turned into credits */
};

void pace_init(struct pace *pace, uint64_t now);
/* The first guess of a session: how long its handshake took, which is never less than a round trip. */
void pace_guess(struct pace *pace, uint64_t now, uint64_t rtt_ms);
/* The time between a request that was sent once and its answer. */
void pace_sample(struct pace *pace, uint64_t now, uint64_t rtt_ms);
bool pace_known(const struct pace *pace, uint64_t now);

/* Takes a credit when there is one. */
bool pace_take(struct pace *pace, uint64_t now);
/* The same for what can as well be left undone: it never takes the credit that a mitigation request needs next. */
bool pace_spare(struct pace *pace, uint64_t now);
/* A datagram went out without a credit: the next one comes later. */
void pace_owe(struct pace *pace, uint64_t now);
/* When the next credit comes. */
uint64_t pace_next(struct pace *pace, uint64_t now);
/* A request was answered. */
void pace_answered(struct pace *pace, uint64_t now);

/* How long to wait for an answer after a request was sent for the nth time (from 1). heard: the peer is
 * there, so what is missing was lost on the way; one that is silent is asked less and less often. */
uint64_t pace_repeat(const struct pace *pace, uint64_t now, unsigned nth, bool heard);
