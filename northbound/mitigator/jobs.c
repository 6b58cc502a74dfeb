/* jobs: a tree for finding, a queue for telling. */
#include "northbound/mitigator/jobs.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/mitigator/job_json.h"

/* Both are an id, or a struct that begins with one. */
static int compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

void jobs_init(struct jobs *jobs)
{
    memset(jobs, 0, sizeof *jobs);
    TAILQ_INIT(&jobs->all);
    TAILQ_INIT(&jobs->waiting);
}

static void unqueue(struct jobs *jobs, struct job *job)
{
    if (!job->queued)
        return;
    TAILQ_REMOVE(&jobs->waiting, job, waiting);
    job->queued = false;
    jobs->waiting_count--;
}

static void drop(struct jobs *jobs, struct job *job)
{
    unqueue(jobs, job);
    TAILQ_REMOVE(&jobs->all, job, all);
    jobs->count--;
    jobs->busy_count -= job->busy;
    tdelete(job, &jobs->tree, compare);
    free(job->members);
    free(job);
}

void jobs_free(struct jobs *jobs)
{
    for (struct job *job; (job = TAILQ_FIRST(&jobs->all));)
        drop(jobs, job);
}

const char *job_op(const struct job *job)
{
    if (job->live)
        return !job->told ? "start" : job->changed ? "update" : NULL;
    return job->told ? "stop" : NULL;
}

/* Puts a job where it belongs after it changed: into the queue, out of it, or away. */
static void settle(struct jobs *jobs, struct job *job)
{
    if (job->busy)
        return;
    if (!job_op(job)) {
        if (job->live)
            unqueue(jobs, job);
        else
            drop(jobs, job);
    } else if (!job->queued) {
        TAILQ_INSERT_TAIL(&jobs->waiting, job, waiting);
        job->queued = true;
        jobs->waiting_count++;
    }
}

static struct job *lookup(const struct jobs *jobs, const char *id)
{
    void *node = tfind(&id, (void *const *)&jobs->tree, compare);
    return node ? *(struct job **)node : NULL;
}

static struct job *add(struct jobs *jobs, const char *id)
{
    size_t size = strlen(id) + 1;
    struct job *job = calloc(1, sizeof *job + size);
    if (!job)
        return NULL;
    memcpy(job->id_text, id, size);
    job->id = job->id_text;
    if (!tsearch(job, &jobs->tree, compare)) {
        free(job);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&jobs->all, job, all);
    jobs->count++;
    return job;
}

/* A lifetime beyond what the clock can hold is indefinite. */
static uint64_t deadline_of(int64_t lifetime, uint64_t now)
{
    if (lifetime < 0 || (uint64_t)lifetime > (UINT64_MAX - 1 - now) / 1000)
        return UINT64_MAX;
    return now + (uint64_t)lifetime * 1000;
}

struct job *jobs_put(struct jobs *jobs, const struct mitigator_job *wanted, uint64_t now, bool *known)
{
    char *members = job_json_members(wanted);
    struct job *job = members ? lookup(jobs, wanted->id) : NULL;
    if (members && !job)
        job = add(jobs, wanted->id);
    if (!job) {
        free(members);
        return NULL;
    }
    *known = job->live;
    free(job->members);
    job->members = members;
    job->deadline = deadline_of(wanted->lifetime, now);
    job->attack_status = wanted->attack_status;
    jobs->live_count += !job->live;
    job->live = job->changed = true;
    settle(jobs, job);
    return job;
}

void jobs_stop(struct jobs *jobs, struct job *job)
{
    jobs->live_count -= job->live;
    job->live = false;
    settle(jobs, job);
}

struct job *jobs_find(const struct jobs *jobs, const char *id)
{
    struct job *job = lookup(jobs, id);
    return job && job->live ? job : NULL;
}

struct job *jobs_next(const struct jobs *jobs)
{
    return TAILQ_FIRST(&jobs->waiting);
}

/* A live job whose time is up is about to be stopped: never 0, which would say that it is. */
int64_t job_lifetime(const struct job *job, uint64_t now)
{
    if (!job->live)
        return 0;
    if (job->deadline == UINT64_MAX)
        return WIRE_LIFETIME_INDEFINITE;
    uint64_t left = job->deadline > now ? (job->deadline - now + 999) / 1000 : 0;
    return left ? (int64_t)left : 1;
}

char *job_line(const struct job *job, uint64_t now)
{
    return job_json_line(job_op(job), job->id, job->members, job_lifetime(job, now), job->attack_status);
}

void jobs_told(struct jobs *jobs, struct job *job, bool busy)
{
    job->was_told = job->told;
    job->told = job->live;
    job->changed = false;
    jobs->busy_count += busy - job->busy;
    job->busy = busy;
    if (busy)
        unqueue(jobs, job);
    else
        settle(jobs, job);
}

void jobs_not_told(struct jobs *jobs, struct job *job)
{
    job->told = job->was_told;
    job->changed = true;
    jobs_idle(jobs, job);
}

void jobs_idle(struct jobs *jobs, struct job *job)
{
    jobs->busy_count -= job->busy;
    job->busy = false;
    settle(jobs, job);
}

void jobs_forget(struct jobs *jobs)
{
    struct job *job, *next;
    for (job = TAILQ_FIRST(&jobs->all); job; job = next) {
        next = TAILQ_NEXT(job, all);
        unqueue(jobs, job);
        job->told = false;
        settle(jobs, job);
    }
}
