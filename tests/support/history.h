/*
 * history: what clients, the network, upstreams, mitigators and the gateway's own process do, step by step, made from
 * a seed up front, so that it can be run again, shortened, and written down as a scenario script.
 *
 * Words: the *setup* is the gateway's configuration; a *step* is one thing that happens, its numbers taken modulo
 * what is there, so that every list of steps is a history; *told* is what a client was answered last; a client is
 * *unsure* of a mid when an answer was lost, or something else may have ended it.
 */
#pragma once

#include <stdio.h>

#include "tests/support/server.h"
#include "tests/support/world.h"

#define HISTORY_UPSTREAMS 3
#define HISTORY_PREFIXES 2
#define HISTORY_FAILURE 256

enum step_kind {
    STEP_PUT,      /* client, place, form, lifetime */
    STEP_AGAIN,    /* client, which of its mids, lifetime */
    STEP_WITHDRAW, /* client, which of its mids */
    STEP_LOST,     /* client: its signal */
    STEP_DELIVER,  /* which outstanding exchange, outcome */
    STEP_COPY,     /* which outstanding exchange: the network keeps a copy of the request */
    STEP_LATE,     /* which copy arrives now */
    STEP_STATUS,   /* which install an upstream notifies about, what it says */
    STEP_UP,       /* upstream: a new session, and what a GET of all shows is on its way */
    STEP_LISTED,   /* upstream: that arrives */
    STEP_CUT,      /* upstream: its session is lost, with everything outstanding */
    STEP_FORGET,   /* upstream restarts empty */
    STEP_HOLD,     /* the disk stops committing */
    STEP_COMMIT,   /* it goes on */
    STEP_CRASH,    /* the process dies and starts again */
    STEP_DOOM,     /* it dies after so many effects more, amid what happens then */
    STEP_TIME,     /* how long */
    STEP_REPORT,   /* a mitigator says a status of its oldest job */
    STEP_RECURSE,  /* client, which of its mids, on */
    STEP_KINDS,
};

enum outcome {
    OUTCOME_ANSWERED,
    OUTCOME_ANSWER_LOST,
    OUTCOME_SHORT, /* granted for a short time only */
    OUTCOME_TWICE, /* the request arrives twice */
    OUTCOME_BUSY,  /* 5.03 */
    OUTCOME_BAD,   /* 4.00 */
    OUTCOME_FORBIDDEN,
    OUTCOME_CONFLICT, /* 4.09 with conflict-information */
    OUTCOMES,
};

struct step {
    enum step_kind kind;
    uint16_t a, b, c, d;
};

struct setup {
    unsigned clients, upstreams, steps, mids; /* mids: of one client, at most */
    bool mitigator, identity_client, per_client, by_prefix, nat;
    enum relay_recursion recursion;
    size_t body_max;
    bool lives_long; /* nobody's lifetime ends meanwhile */
    bool refuses;    /* upstreams refuse for good now and then */
    unsigned rare;   /* the plan is checked after every so many steps: 1 but for long histories */
    enum server_fault fault;
};

struct story {
    struct setup setup;
    struct step *steps;
    size_t count;
};

void story_make(struct story *story, uint64_t seed, enum server_fault fault);
void story_free(struct story *story);
void story_print(const struct story *story, FILE *out);

/* ---- Running ---- */

enum told { TOLD_NOTHING, TOLD_ACCEPTED, TOLD_GONE };

struct asked {
    enum told told;
    bool unsure;
    unsigned shaken;  /* when it became so: the number of the last exchange before */
    bool crowded;     /* one of those was made while another was pending */
    unsigned lost;    /* puts of it whose answers were lost, and nothing was heard of it since */
    unsigned pending; /* puts and deletes of it that were not answered (yet): anything may be so */
    unsigned doubts;  /* puts not answered (yet) that override it when they were taken */
    int64_t expires_min, expires_max;
    int64_t lifetime; /* of its last put, s */
    struct wire_prefix prefixes[HISTORY_PREFIXES];
    size_t prefix_count;
    char name[8]; /* "": none */
    struct blocks blocks;
    bool trigger;
};

struct outstanding {
    struct install *install;
    struct server_request request; /* as it was when it was handed over */
    bool withdraw, repeated;
};

struct copy {
    struct server_request request;
    bool withdraw;
};

#define HISTORY_COPIES 8

struct history {
    const struct setup *setup;
    struct world world;
    struct server server;
    struct wire_prefix owns[HISTORY_UPSTREAMS][3];
    struct blocks owned[HISTORY_UPSTREAMS];
    struct asked *asked; /* clients times mids */
    uint32_t *next_mid;
    struct outstanding *outstanding;
    size_t outstanding_count, outstanding_size;
    struct copy copies[HISTORY_COPIES];
    size_t copy_count;
    bool up[HISTORY_UPSTREAMS];
    struct server_request *listing[HISTORY_UPSTREAMS]; /* on its way; NULL: none */
    size_t listing_count[HISTORY_UPSTREAMS];
    unsigned sent;                 /* puts and deletes that northbound was asked to send */
    unsigned exchanges;            /* so far: their names */
    char at[40];                   /* the last change of the time, not yet in the script */
    FILE *script;                  /* NULL: nobody wants it */
    char failure[HISTORY_FAILURE]; /* "": none so far */
};

void history_fail(struct history *history, const char *format, ...) __attribute__((format(printf, 2, 3)));
void history_doubt(struct history *history, struct asked *asked); /* makes it unsure */
struct asked *history_asked(const struct history *history, unsigned client, uint32_t mid);

/* Runs all of it, lets everything through, and checks; false: failure says what is wrong. script may be NULL. */
bool story_run(const struct story *story, FILE *script, char failure[HISTORY_FAILURE]);

/* history_client.c, history_network.c: the steps. */
void history_put(struct history *history, const struct step *step);
void history_again(struct history *history, const struct step *step);
void history_withdraw(struct history *history, unsigned client, uint32_t mid);
void history_lost(struct history *history, unsigned client);
void history_recurse(struct history *history, const struct step *step);
void history_answered(struct world *world, void *exchange, const struct relay_answer *answer);
void history_deliver(struct history *history, size_t index, enum outcome outcome);
void history_copy(struct history *history, size_t index);
void history_late(struct history *history, size_t index);
void history_status(struct history *history, const struct step *step);
void history_up(struct history *history, size_t target);
void history_listed(struct history *history, size_t target);
void history_cut(struct history *history, size_t target);
void history_report(struct history *history, unsigned status);
void history_install(struct world *world, struct install *install, bool withdraw);
void history_forget(struct world *world, struct install *install);
/* A line of the script, and what came of the one before. */
void history_script(struct history *history, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* history_plan.c: after every step: what the gateway wants upstream is the plan from scratch. */
void history_check_plan(struct history *history);
/* history_check.c: what clients were told, and, when all is quiet, what is upstream. */
void history_check_told(struct history *history);
void history_check_upstream(struct history *history);
