/* notify: every event is a line in our log and, when there is a program, one run of it. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "northbound/mitigator/driver.h"
#include "northbound/mitigator/process.h"

#define RUNS 4
#define MEMBERS_SHOWN 600u /* bytes of client and scope in the log */

struct run {
    struct mitigator *mitigator;
    struct process *process; /* NULL: free */
    struct job *job;         /* busy */
    const char *op;
    uv_timer_t limit;
};

struct notify {
    struct run runs[RUNS];
    uv_timer_t retry; /* while the program cannot be started */
    uv_timer_t end;   /* while closing */
    unsigned handles;
    unsigned starting; /* runs of which it is not known yet whether they can be */
    uint64_t pause;    /* ms; 0: the last start went well */
    bool over;         /* no more programs are started */
    bool leaving;      /* all handles are being closed */
};

static void retry(uv_timer_t *timer);

static void handle_closed(uv_handle_t *handle)
{
    struct mitigator *mitigator = handle->data;
    struct notify *notify = mitigator->state;
    if (--notify->handles == 0)
        mitigator_gone(mitigator);
}

static void close_handles(struct notify *notify)
{
    notify->leaving = true;
    uv_close((uv_handle_t *)&notify->retry, handle_closed);
    uv_close((uv_handle_t *)&notify->end, handle_closed);
    for (int i = 0; i < RUNS; i++)
        uv_close((uv_handle_t *)&notify->runs[i].limit, handle_closed);
}

/* ---- One run ---- */

static void output_received(void *arg, const char *line, size_t length, bool cut)
{
    struct run *run = arg;
    output_line(&run->mitigator->output, line, length, cut);
}

static void pump(struct mitigator *mitigator);

static void ended(void *arg, int64_t status, int signal)
{
    struct run *run = arg;
    struct mitigator *mitigator = run->mitigator;
    uv_timer_stop(&run->limit);
    if (status != 0 || signal != 0)
        log_warning("mitigator-failed",
                    "mitigator %s: %s ended with %s %" PRId64 " for %s of job %s: see to the job yourself",
                    mitigator->name, mitigator->exec, signal ? "signal" : "status", signal ? signal : status, run->op,
                    run->job->id);
    run->process = NULL;
    jobs_idle(&mitigator->jobs, run->job);
    pump(mitigator);
}

static void not_started(struct mitigator *mitigator, int error);

static void started(void *arg, int error)
{
    struct run *run = arg;
    struct mitigator *mitigator = run->mitigator;
    struct notify *notify = mitigator->state;
    notify->starting--;
    if (error == 0) {
        notify->pause = 0;
        pump(mitigator);
        return;
    }
    uv_timer_stop(&run->limit);
    run->process = NULL;
    jobs_not_told(&mitigator->jobs, run->job);
    if (!uv_is_active((uv_handle_t *)&notify->retry))
        not_started(mitigator, error);
    pump(mitigator);
}

static const struct process_handlers handlers = {
    .started = started,
    .output = output_received,
    .error = output_received,
    .ended = ended,
};

static void limit_over(uv_timer_t *timer)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, limit));
    log_warning("mitigator-stopped", "mitigator %s: %s for job %s takes longer than %g s: stopped",
                run->mitigator->name, run->mitigator->exec, run->job->id, (double)run->mitigator->timers.run / 1000);
    process_stop(run->process);
}

static int start_run(struct mitigator *mitigator, struct run *run, struct job *job)
{
    struct process_settings settings = {
        .spawner = mitigator->spawner,
        .program = mitigator->exec,
        .mitigator = mitigator->name,
        .output_longest = OUTPUT_LINE_MAX,
        .kill_ms = mitigator->timers.kill,
        .handlers = &handlers,
        .arg = run,
    };
    struct notify *notify = mitigator->state;
    int error = UV_ENOMEM;
    char *line = job_line(job, uv_now(mitigator->loop));
    struct process *process = line ? process_start(mitigator->loop, &settings, &error) : NULL;
    if (!process) {
        free(line);
        return error;
    }
    notify->starting++;
    run->process = process;
    run->job = job;
    run->op = job_op(job);
    jobs_told(&mitigator->jobs, job, true);
    process_write(process, line, strlen(line)); /* a program need not read it */
    process_close_input(process);
    uv_timer_start(&run->limit, limit_over, mitigator->timers.run, 0);
    return 0;
}

/* ---- All of them ---- */

static struct run *free_run(struct notify *notify)
{
    for (int i = 0; i < RUNS; i++) {
        if (!notify->runs[i].process)
            return &notify->runs[i];
    }
    return NULL;
}

static bool is_running(const struct notify *notify)
{
    for (int i = 0; i < RUNS; i++) {
        if (notify->runs[i].process)
            return true;
    }
    return false;
}

static void not_started(struct mitigator *mitigator, int error)
{
    struct notify *notify = mitigator->state;
    notify->pause = mitigator_next_pause(mitigator, notify->pause);
    uv_timer_start(&notify->retry, retry, notify->pause, 0);
    log_error("mitigator-not-started", "mitigator %s: %s cannot be run: %s; tried again in %g s, %zu jobs wait for it",
              mitigator->name, mitigator->exec, uv_strerror(error), (double)notify->pause / 1000,
              mitigator->jobs.waiting_count);
}

/* Starts what waits, as far as it may; true: more waits. */
static bool start_runs(struct mitigator *mitigator)
{
    struct notify *notify = mitigator->state;
    struct job *job;
    while ((job = jobs_next(&mitigator->jobs)) && !mitigator->exec)
        jobs_told(&mitigator->jobs, job, false); /* the log was all there is to tell */
    while ((job = jobs_next(&mitigator->jobs)) && !notify->over && !uv_is_active((uv_handle_t *)&notify->retry)) {
        struct run *run = free_run(notify);
        if (!run || (notify->pause && notify->starting)) /* after a failure one at a time, until one starts */
            return true;
        int error = start_run(mitigator, run, job);
        if (error != 0)
            not_started(mitigator, error);
    }
    return job && !notify->over;
}

static void pump(struct mitigator *mitigator)
{
    struct notify *notify = mitigator->state;
    if (!notify->leaving && !start_runs(mitigator) && mitigator->closing && !is_running(notify))
        close_handles(notify);
}

static void retry(uv_timer_t *timer)
{
    pump(timer->data);
}

static void notify_open(struct mitigator *mitigator)
{
    struct notify *notify = mitigator->state;
    uv_timer_t *timers[RUNS + 2] = {&notify->retry, &notify->end};
    for (int i = 0; i < RUNS; i++) {
        notify->runs[i].mitigator = mitigator;
        timers[2 + i] = &notify->runs[i].limit;
    }
    for (int i = 0; i < RUNS + 2; i++) {
        uv_timer_init(mitigator->loop, timers[i]);
        timers[i]->data = mitigator;
    }
    notify->handles = RUNS + 2;
}

static void notify_event(const struct mitigator *mitigator, const char *op, const struct job *job)
{
    char event[32];
    int shown = (int)strnlen(job->members, MEMBERS_SHOWN);
    snprintf(event, sizeof event, "mitigation-%s", op);
    log_notice(event, "mitigator %s: %s job %s (lifetime %" PRId64 " s) %.*s%s; its status is set with dotsgwctl",
               mitigator->name, op, job->id, job_lifetime(job, uv_now(mitigator->loop)), shown, job->members,
               job->members[shown] ? "... (cut)" : "");
}

/* Time is up: what waits is dropped, what runs is stopped. */
static void end_over(uv_timer_t *timer)
{
    struct mitigator *mitigator = timer->data;
    struct notify *notify = mitigator->state;
    notify->over = true;
    if (jobs_next(&mitigator->jobs))
        log_warning("mitigator-dropped", "mitigator %s: %s was not run for %zu events: there is no more time",
                    mitigator->name, mitigator->exec, mitigator->jobs.waiting_count);
    for (int i = 0; i < RUNS; i++) {
        if (notify->runs[i].process)
            process_stop(notify->runs[i].process);
    }
    pump(mitigator);
}

static void notify_close(struct mitigator *mitigator)
{
    struct notify *notify = mitigator->state;
    uv_timer_start(&notify->end, end_over, mitigator->timers.end, 0);
    pump(mitigator);
}

const struct driver driver_notify = {
    .state_size = sizeof(struct notify),
    .open = notify_open,
    .event = notify_event,
    .wake = pump,
    .close = notify_close,
};
