/*
 * jobs: what a mitigator has been given, and what of it its program does not know yet.
 *
 * A job waits at most once, however often it changes: what it needs (start, update, stop, nothing)
 * follows from what is wanted now and what the program was told. So a program that does not read
 * costs no memory beyond the jobs themselves. A job that ended before the program heard of it is
 * never mentioned.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "northbound/mitigator/mitigator.h"

struct job {
    const char *id;    /* first: the tree compares it */
    char *members;     /* of its line, as job_json_members */
    uint64_t deadline; /* ms on the loop's clock; UINT64_MAX: indefinite */
    enum wire_attack_status attack_status;
    bool live;     /* wanted; else it only waits to be stopped */
    bool told;     /* the program has it */
    bool was_told; /* before it was told last */
    bool changed;  /* since the program was told */
    bool busy;     /* a program of its own is running for it: what comes next waits for that */
    bool queued;
    TAILQ_ENTRY(job) all, waiting;
    char id_text[];
};

TAILQ_HEAD(job_list, job);

struct jobs {
    void *tree;              /* by id: search.h */
    struct job_list all;     /* in the order in which they were started */
    struct job_list waiting; /* in the order in which they began to wait */
    size_t count, live_count, waiting_count, busy_count;
};

void jobs_init(struct jobs *jobs);
void jobs_free(struct jobs *jobs);

/* The job as it is wanted from now on. Sets *known when it was live before. NULL: out of memory, and
 * nothing has changed. */
struct job *jobs_put(struct jobs *jobs, const struct mitigator_job *job, uint64_t now, bool *known);
/* No longer wanted; may free it. */
void jobs_stop(struct jobs *jobs, struct job *job);

/* A live job, or NULL. */
struct job *jobs_find(const struct jobs *jobs, const char *id);

/* The one that has waited longest, or NULL. */
struct job *jobs_next(const struct jobs *jobs);
/* "start", "update", "stop", or NULL: nothing. */
const char *job_op(const struct job *job);
/* The line that tells the program what job_op says. Freed by the caller; NULL: out of memory. */
char *job_line(const struct job *job, uint64_t now);
/* s, remaining: at least 1 for a live job, 0 for one that is not, -1: indefinite. */
int64_t job_lifetime(const struct job *job, uint64_t now);
/* The program has been told. While busy the job does not wait again; may free it when not busy. */
void jobs_told(struct jobs *jobs, struct job *job, bool busy);
/* What made it busy has failed: it is to be told after all. The end of busy; may free it. */
void jobs_not_told(struct jobs *jobs, struct job *job);
/* The end of busy; may free it. */
void jobs_idle(struct jobs *jobs, struct job *job);

/* A new program knows nothing: all live jobs wait to be started, in their first order. */
void jobs_forget(struct jobs *jobs);
