/* pace: when a non-confirmable request may go out over UDP, and when it is repeated. */

#include "northbound/signal/pace.h"

void pace_init(struct pace *pace, uint64_t now)
{
    *pace = (struct pace){.credits = PACE_BURST, .credited_at = now};
}

bool pace_known(const struct pace *pace, uint64_t now)
{
    return pace->srtt_us != 0 && now - pace->sampled_at < PACE_STALE_MS;
}

/* RFC 6298 section 2. */
void pace_sample(struct pace *pace, uint64_t now, uint64_t rtt_ms)
{
    uint32_t rtt_us = (uint32_t)(rtt_ms > PACE_STALE_MS ? PACE_STALE_MS : rtt_ms) * 1000;

    if (rtt_us == 0)
        rtt_us = 500; /* less than the clock's millisecond */
    if (pace->guessed || !pace_known(pace, now)) {
        pace->srtt_us = rtt_us;
        pace->rttvar_us = rtt_us / 2;
    } else {
        uint32_t error = rtt_us > pace->srtt_us ? rtt_us - pace->srtt_us : pace->srtt_us - rtt_us;

        pace->rttvar_us = pace->rttvar_us - pace->rttvar_us / 4 + error / 4;
        pace->srtt_us = pace->srtt_us - pace->srtt_us / 8 + rtt_us / 8;
    }
    pace->guessed = false;
    pace->sampled_at = now;
}

void pace_guess(struct pace *pace, uint64_t now, uint64_t rtt_ms)
{
    pace_sample(pace, now, rtt_ms);
    pace->guessed = true;
}

static uint64_t credit_interval(const struct pace *pace, uint64_t now)
{
    if (!pace_known(pace, now))
        return PACE_UNKNOWN_MS;
    if (pace->srtt_us <= 1000)
        return 1;
    return pace->srtt_us >= PACE_UNKNOWN_MS * 1000 ? PACE_UNKNOWN_MS : (pace->srtt_us + 999) / 1000;
}

static void credit(struct pace *pace, uint64_t now)
{
    uint64_t interval = credit_interval(pace, now);
    uint32_t most = pace_known(pace, now) ? PACE_WINDOW : PACE_BURST;
    uint64_t earned = now > pace->credited_at ? (now - pace->credited_at) / interval : 0;

    if (pace->credits + earned >= most) {
        pace->credits = pace->credits > most ? pace->credits : most;
        pace->credited_at = now;
    } else {
        pace->credits += (uint32_t)earned;
        pace->credited_at += earned * interval;
    }
}

bool pace_take(struct pace *pace, uint64_t now)
{
    credit(pace, now);
    if (pace->credits == 0)
        return false;
    pace->credits--;
    return true;
}

bool pace_spare(struct pace *pace, uint64_t now)
{
    credit(pace, now);
    return pace->credits > PACE_RESERVE && pace_take(pace, now);
}

void pace_owe(struct pace *pace, uint64_t now)
{
    if (!pace_take(pace, now))
        pace->credited_at += credit_interval(pace, now);
}

uint64_t pace_next(struct pace *pace, uint64_t now)
{
    credit(pace, now);
    return pace->credits > 0 ? now : pace->credited_at + credit_interval(pace, now);
}

void pace_answered(struct pace *pace, uint64_t now)
{
    credit(pace, now);
    if (pace->credits < PACE_WINDOW)
        pace->credits++;
}

uint64_t pace_repeat(const struct pace *pace, uint64_t now, unsigned nth, bool heard)
{
    uint64_t most = heard ? PACE_UNKNOWN_MS : PACE_REPEAT_MAX_MS, wait = PACE_UNKNOWN_MS;

    if (pace_known(pace, now)) {
        wait = (2 * (uint64_t)pace->srtt_us + 4 * (uint64_t)pace->rttvar_us) / 1000;
        if (wait < PACE_REPEAT_MIN_MS)
            wait = PACE_REPEAT_MIN_MS;
        else if (wait > PACE_UNKNOWN_MS)
            wait = PACE_UNKNOWN_MS;
    }
    for (unsigned i = 1; i < nth && wait < most; i++)
        wait += wait / 2;
    return wait < most ? wait : most;
}
