/*
 * driver: what every driver implements, and what mitigator.c keeps for it.
 */
#pragma once

#include "northbound/mitigator/jobs.h"
#include "northbound/mitigator/output.h"

/* All in ms. */
struct mitigator_timers {
    uint64_t restart, restart_most; /* pause before a program is started again: first, and doubled at most to */
    uint64_t steady;                /* a run this long makes the next pause the first one again */
    uint64_t end;                   /* at close: from the end of the program's input to SIGTERM */
    uint64_t kill;                  /* from SIGTERM to SIGKILL */
    uint64_t stall;                 /* a program that does not read for this long is told of in the log */
    uint64_t run;                   /* the longest run of a program that is run for one event */
};

struct driver {
    size_t state_size;
    void (*open)(struct mitigator *mitigator);
    /* A live job is started or changed (known), or NULL: one is about to be stopped. For the log. */
    void (*event)(const struct mitigator *mitigator, const char *op, const struct job *job);
    void (*wake)(struct mitigator *mitigator); /* jobs wait */
    /* No more jobs come; calls mitigator_gone when the loop has let go of all handles, not from within. */
    void (*close)(struct mitigator *mitigator);
};

extern const struct driver driver_exec, driver_notify;

struct mitigator {
    uv_loop_t *loop;
    struct spawner *spawner;
    const struct driver *driver;
    void *state; /* the driver's, state_size bytes, zeroed before open */
    char *name, *exec;
    mitigator_report_h *report;
    void *arg;
    struct jobs jobs;
    struct output output;
    struct mitigator_timers timers;
    bool closing;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

void mitigator_gone(struct mitigator *mitigator);

/* For tests, which cannot wait for the real ones: before the loop runs for the first time. */
void mitigator_set_timers(struct mitigator *mitigator, const struct mitigator_timers *timers);

/* The pause before the next start, after one of length pause (0: none yet). */
uint64_t mitigator_next_pause(const struct mitigator *mitigator, uint64_t pause);
