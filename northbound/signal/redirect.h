/*
 * redirect: the alternate server that a 5.03 named, and which servers were spoken to lately (RFC 9132
 * section 4.6). Pure: times are loop time in ms.
 *
 * Max-Age 0 ("only for the mitigation request in progress") is followed like any other: the link goes
 * back as soon as no attack is on, as it does after every TTL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIRECT_NAME_MAX 254u   /* with its NUL */
#define REDIRECT_RECORDS_MAX 16u /* addresses kept of one alternate server */
#define REDIRECT_SPOKEN_MAX 16u
#define REDIRECT_SPOKEN_MS 300000u /* five minutes, RFC 9132 section 4.6 */
#define REDIRECT_NEVER UINT64_MAX

struct redirect_alternate {
    char server[REDIRECT_NAME_MAX];
    char records[REDIRECT_RECORDS_MAX][46]; /* numeric, as text */
    size_t record_count;
    uint64_t expires_at; /* REDIRECT_NEVER: until redirected again */
};

/* Begin with {0}. Small, because a gateway keeps one for each of its clients' links. */
struct redirect {
    struct redirect_alternate *alternate; /* NULL: not redirected */
    struct {
        uint64_t name; /* hash of it; 0: free */
        uint64_t at;
    } spoken[REDIRECT_SPOKEN_MAX];
};

enum redirect_verdict {
    REDIRECT_FOLLOW,
    REDIRECT_LOOP,     /* spoken to within five minutes: MUST be ignored */
    REDIRECT_UNUSABLE, /* not a name that can be connected to, or out of memory */
};

/* A session with this server is, or was until now, in use. Names compare without case. */
void redirect_spoke(struct redirect *redirect, uint64_t now, const char *server);
bool redirect_spoken(const struct redirect *redirect, uint64_t now, const char *server);

/* max_age in s; -1: absent, then 60 s (RFC 7252 section 5.10.5); 2^32-1: for ever. With REDIRECT_FOLLOW
 * redirect->alternate is the new one. */
enum redirect_verdict redirect_offer(struct redirect *redirect, uint64_t now, const char *server,
                                     const char *const *records, size_t record_count, int64_t max_age);
/* To be left now: its time is over and no attack is on. */
bool redirect_over(const struct redirect *redirect, uint64_t now, bool attack);
/* Back to the configured servers; what was spoken to stays. */
void redirect_clear(struct redirect *redirect);
