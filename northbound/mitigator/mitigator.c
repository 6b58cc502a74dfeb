/* mitigator: what is the same for every driver: the jobs, their validity, the end. */
#include "northbound/mitigator/mitigator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "northbound/mitigator/driver.h"
#include "northbound/mitigator/report.h"

static const struct mitigator_timers default_timers = {
    .restart = 1000,
    .restart_most = 60000,
    .steady = 60000,
    .end = 5000,
    .kill = 5000,
    .stall = 30000,
    .run = 60000,
};

static void destroy(struct mitigator *mitigator)
{
    jobs_free(&mitigator->jobs);
    free(mitigator->state);
    free(mitigator->name);
    free(mitigator->exec);
    free(mitigator);
}

struct mitigator *mitigator_open(uv_loop_t *loop, const struct mitigator_settings *settings, mitigator_report_h *report,
                                 void *arg)
{
    struct mitigator *mitigator = settings->notify || settings->exec ? calloc(1, sizeof *mitigator) : NULL;
    if (!mitigator)
        return NULL;
    mitigator->loop = loop;
    mitigator->spawner = settings->spawner;
    mitigator->driver = settings->notify ? &driver_notify : &driver_exec;
    mitigator->report = report;
    mitigator->arg = arg;
    mitigator->timers = default_timers;
    jobs_init(&mitigator->jobs);
    mitigator->state = calloc(1, mitigator->driver->state_size);
    mitigator->name = strdup(settings->name);
    mitigator->exec = settings->exec ? strdup(settings->exec) : NULL;
    if (!mitigator->state || !mitigator->name || (settings->exec && !mitigator->exec)) {
        destroy(mitigator);
        return NULL;
    }
    output_init(&mitigator->output, loop, mitigator->name);
    mitigator->driver->open(mitigator);
    return mitigator;
}

void mitigator_set_timers(struct mitigator *mitigator, const struct mitigator_timers *timers)
{
    mitigator->timers = *timers;
}

uint64_t mitigator_next_pause(const struct mitigator *mitigator, uint64_t pause)
{
    uint64_t next = pause ? pause * 2 : mitigator->timers.restart;
    return next < mitigator->timers.restart_most ? next : mitigator->timers.restart_most;
}

int mitigator_start(struct mitigator *mitigator, const struct mitigator_job *wanted)
{
    bool known;
    if (mitigator->closing || !job_id_valid(wanted->id))
        return -EINVAL;
    struct job *job = jobs_put(&mitigator->jobs, wanted, uv_now(mitigator->loop), &known);
    if (!job) {
        log_error("mitigator-memory", "mitigator %s: no memory for job %s", mitigator->name, wanted->id);
        return -ENOMEM;
    }
    mitigator->driver->event(mitigator, known ? "update" : "start", job);
    mitigator->driver->wake(mitigator);
    return 0;
}

int mitigator_update(struct mitigator *mitigator, const struct mitigator_job *job)
{
    return mitigator_start(mitigator, job);
}

void mitigator_stop(struct mitigator *mitigator, const char *id)
{
    struct job *job = mitigator->closing ? NULL : jobs_find(&mitigator->jobs, id);
    if (!job)
        return;
    mitigator->driver->event(mitigator, "stop", job);
    jobs_stop(&mitigator->jobs, job);
    mitigator->driver->wake(mitigator);
}

void mitigator_counts(const struct mitigator *mitigator, struct mitigator_counts *out)
{
    const struct jobs *jobs = &mitigator->jobs;

    *out = (struct mitigator_counts){.waiting = jobs->waiting_count,
                                     .telling = jobs->busy_count,
                                     .running = jobs->count - jobs->waiting_count - jobs->busy_count};
}

void mitigator_close(struct mitigator *mitigator, void (*on_closed)(void *arg), void *arg)
{
    mitigator->closing = true;
    mitigator->on_closed = on_closed;
    mitigator->on_closed_arg = arg;
    mitigator->driver->close(mitigator);
}

static void output_closed(uv_handle_t *handle)
{
    struct output *output = handle->data;
    struct mitigator *mitigator = (struct mitigator *)((char *)output - offsetof(struct mitigator, output));
    void (*on_closed)(void *arg) = mitigator->on_closed;
    void *arg = mitigator->on_closed_arg;
    destroy(mitigator);
    if (on_closed)
        on_closed(arg);
}

void mitigator_gone(struct mitigator *mitigator)
{
    output_close(&mitigator->output, output_closed);
}
