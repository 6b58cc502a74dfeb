/*
 * attack: what detectors have reported, which rules are true of it, and what is asked for because of that.
 *
 * Words: a *target* is what one detector reports, by its prefix; a *trigger* is one rule at one target: idle, pending
 * (its condition is true, and hold runs), fired, or falling (fired, below, and release-after runs); a *protection* is
 * one mitigation request, for all fired triggers whose prefixes it covers. Protections are disjoint: under one cuid an
 * overlapping request would delete the other (RFC 9132 section 4.4.1.3).
 * Called by gateway/detectors on the loop thread. Pure: no I/O, no clock; `now` is in ms and never goes back. Effects
 * must not call back, but for attacks_answered, which may come from inside of ask.
 */
#pragma once

#include "gateway/attack/report.h"

#define ATTACK_PROTECTIONS_MAX 4096u

struct attacks;

/* ---- Policy: a configuration, prepared ---- */

struct attack_policy;

/* config is borrowed. Any thread. NULL: out of memory. */
struct attack_policy *attack_policy_new(const struct config *config);
void attack_policy_free(struct attack_policy *policy); /* NULL is fine */

/* ---- Effects ---- */

enum attack_event_kind { ATTACK_FIRED, ATTACK_RELEASED, ATTACK_REFUSED };

struct attack_event {
    enum attack_event_kind kind;
    const char *rule, *detector;        /* NULL with ATTACK_REFUSED */
    const struct attack_report *report; /* the last one; NULL with ATTACK_REFUSED */
    const char *why;                    /* RELEASED, REFUSED: a few words */
    const struct wire_prefix *prefix;   /* of the protection */
    uint32_t mid;                       /* of the protection; 0: it could not be asked for */
};

struct attack_effects {
    /* Ask for this, or refresh it. target is borrowed until the return. */
    void (*ask)(void *arg, uint32_t mid, const struct wire_target *target, uint32_t lifetime);
    /* Withdraw everything that was asked for and overlaps this prefix. */
    void (*withdraw)(void *arg, const struct wire_prefix *prefix);
    /* Is this request of ours still in force? */
    bool (*live)(void *arg, uint32_t mid);
    void (*event)(void *arg, const struct attack_event *event);
};

/* ---- Life ---- */

/* policy stays the caller's until another one takes its place; it outlives attacks. NULL: out of memory. */
struct attacks *attacks_new(const struct attack_policy *policy, const struct attack_effects *effects, void *arg);
void attacks_free(struct attacks *attacks); /* withdraws nothing; NULL is fine */

/* Another policy, from now on: detectors and rules are the same as before when their names are. What may not be
 * reported any more, or has lost its rule, is released. */
void attacks_use(struct attacks *attacks, int64_t now, const struct attack_policy *policy);

/* After a start: a request of before. Without live it only takes its mid. It is not refreshed, and ends when its
 * lifetime is over, unless a trigger fires meanwhile that it covers. */
void attacks_adopt(struct attacks *attacks, uint32_t mid, const struct wire_target *target, bool live,
                   int64_t expires_ms);

enum attack_verdict {
    ATTACK_NOTED,
    ATTACK_UNKNOWN,   /* no such detector */
    ATTACK_OUTSIDE,   /* of what the detector may report */
    ATTACK_TOO_MANY,  /* it has targets-max already */
    ATTACK_NO_MEMORY, /* and what was known of this target stays as it was */
};
/* reason: ATTACK_REASON_MAX bytes, written when it is not noted. */
enum attack_verdict attacks_report(struct attacks *attacks, int64_t now, const char *detector,
                                   const struct attack_report *report, char *reason);
/* One more request, as far as requests-per-second allows? */
bool attacks_allow(struct attacks *attacks, int64_t now, const char *detector);

/* What became of ask. why: a sentence, when it was refused. */
void attacks_answered(struct attacks *attacks, int64_t now, uint32_t mid, bool accepted, const char *why);

void attacks_tick(struct attacks *attacks, int64_t now);
int64_t attacks_next(const struct attacks *attacks); /* INT64_MAX: never */

/* ---- Readers ---- */

struct attack_view {
    const char *detector;
    const struct attack_report *report;
    int64_t first_ms, heard_ms;
    const char *rule;  /* NULL: none concerns it, and the rest is nothing */
    const char *state; /* "idle", "pending", "fired", "falling" */
    int64_t since_ms;  /* in this state */
    uint32_t mid;      /* 0: nothing is asked for */
    bool accepted;
};
/* Each target with each of its rules, until non-zero. */
int attacks_each(const struct attacks *attacks, int (*each)(void *arg, const struct attack_view *view), void *arg);

struct attack_totals {
    size_t targets, fired, protections;
};
void attacks_totals(const struct attacks *attacks, struct attack_totals *out);
/* Of one detector. */
size_t attacks_targets(const struct attacks *attacks, const char *detector);
