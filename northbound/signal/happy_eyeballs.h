/*
 * happy_eyeballs: which address and transport of a server to try when (RFC 9132 section 4.3,
 * RFC 8305 section 5). Pure: no sockets, no clock; times are loop time in ms.
 *
 * Words: a *candidate* is one address and transport of one server; an *attempt* is a candidate that
 * was started; a *race* is a run over candidates until one *wins* or all have failed; *outcomes* are
 * what is remembered of attempts, so that the next race does not begin with those that failed.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "gateway/coap/coap.h"

#define EYEBALLS_MAX 64u /* candidates of one race */
#define EYEBALLS_OUTCOMES 128u
#define EYEBALLS_NEVER UINT64_MAX

#define EYEBALLS_DELAY_MS 250u        /* Connection Attempt Delay, RFC 8305 section 5 */
#define EYEBALLS_DELAY_ATTACK_MS 100u /* during an attack, RFC 9132 section 4.3 */
#define EYEBALLS_SPACING_MS 10u       /* never closer than this, RFC 8305 section 5 */
#define EYEBALLS_NEXT_SERVER_MS 3000u /* before a less preferred server is tried as well */
#define EYEBALLS_NEXT_SERVER_ATTACK_MS 1000u
#define EYEBALLS_OUTCOME_MS 600000u /* outcomes are kept for 10 minutes, RFC 9132 section 4.3 */
#define EYEBALLS_GIVE_UP_MS 60000u  /* after the last start */

struct eyeballs_outcomes {
    struct {
        struct sockaddr_storage address;
        enum dots_transport transport; /* 0: free */
        bool worked;
        uint64_t at;
    } entries[EYEBALLS_OUTCOMES];
};

enum eyeballs_state { EYEBALLS_WAITING, EYEBALLS_STARTED, EYEBALLS_FAILED, EYEBALLS_UP };

struct eyeballs_candidate {
    struct sockaddr_storage address;
    socklen_t address_length;
    enum dots_transport transport;
    unsigned server; /* 0 is the most preferred */
    unsigned nth;    /* among those of the same server, transport and family */
    bool avoid;      /* failed not long ago */
    enum eyeballs_state state;
};

struct eyeballs {
    struct eyeballs_candidate candidates[EYEBALLS_MAX];
    size_t count, started;
    uint32_t delay_ms, next_server_ms;
    uint64_t last_start, next_start, give_up_at;
    uint64_t hold_until; /* a TCP attempt is up and a UDP one may still come; EYEBALLS_NEVER: no hold */
    size_t held;
    bool decided;
};

enum eyeballs_verdict {
    EYEBALLS_START, /* start this candidate now, then ask again */
    EYEBALLS_WAIT,  /* ask again at `until` or when an attempt ends */
    EYEBALLS_WON,   /* use this candidate, close the others */
    EYEBALLS_LOST,  /* all have failed */
};

struct eyeballs_step {
    enum eyeballs_verdict verdict;
    size_t candidate;
    uint64_t until;
};

void eyeballs_clear(struct eyeballs *race);
/* Adds one candidate; what the same server has already and what is above EYEBALLS_MAX is left out. */
void eyeballs_add(struct eyeballs *race, const struct sockaddr *address, socklen_t length,
                  enum dots_transport transport, unsigned server);
/* Orders the candidates and begins. outcomes: NULL for a race that must not be influenced (a probe). */
void eyeballs_begin(struct eyeballs *race, const struct eyeballs_outcomes *outcomes, uint64_t now, bool attack);

/* What to do now; to be asked until it says EYEBALLS_WAIT, EYEBALLS_WON or EYEBALLS_LOST. */
struct eyeballs_step eyeballs_next(struct eyeballs *race, uint64_t now);
void eyeballs_up(struct eyeballs *race, size_t candidate, uint64_t now);
void eyeballs_failed(struct eyeballs *race, size_t candidate, uint64_t now);

/* Remembers how a decided race went: the winner worked; what failed, or was preferred to the winner
 * and had its chance but did not come in time, did not. */
void eyeballs_remember(struct eyeballs_outcomes *outcomes, const struct eyeballs *race, uint64_t now);
