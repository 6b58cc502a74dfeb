/* exec: one long-lived program that is told of jobs and reports on them, started again when it ends. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "northbound/mitigator/driver.h"
#include "northbound/mitigator/process.h"
#include "northbound/mitigator/report.h"

#define UNWRITTEN_MAX 65536u /* bytes for the program beyond what its pipe holds; jobs wait behind that */
#define MEMORY_RETRY_MS 1000

struct exec {
    struct process *process; /* NULL: not running */
    uv_timer_t restart;      /* while it is not running */
    uv_timer_t stall;        /* while it has not read everything */
    uv_timer_t end;          /* while closing */
    unsigned handles;
    uint64_t pause;   /* before the last start, ms; 0: none */
    uint64_t started; /* ms, loop's clock */
    bool stalled;     /* and said so */
};

static void restart(uv_timer_t *timer);
static void stall_over(uv_timer_t *timer);

static void handle_closed(uv_handle_t *handle)
{
    struct mitigator *mitigator = handle->data;
    struct exec *exec = mitigator->state;
    if (--exec->handles == 0)
        mitigator_gone(mitigator);
}

static void close_handles(struct exec *exec)
{
    uv_close((uv_handle_t *)&exec->restart, handle_closed);
    uv_close((uv_handle_t *)&exec->stall, handle_closed);
    uv_close((uv_handle_t *)&exec->end, handle_closed);
}

/* ---- To the program ---- */

/* Renders a line only when the pipe has room for it: what waits are jobs, each once. */
static void pump(struct mitigator *mitigator)
{
    struct exec *exec = mitigator->state;
    struct job *job;
    while (exec->process && process_unwritten(exec->process) < UNWRITTEN_MAX && (job = jobs_next(&mitigator->jobs))) {
        char *line = job_line(job, uv_now(mitigator->loop));
        int result = line ? process_write(exec->process, line, strlen(line)) : UV_ENOMEM;
        if (result == UV_ENOMEM)
            uv_timer_start(&exec->stall, stall_over, MEMORY_RETRY_MS, 0);
        if (result != 0)
            return; /* any other error: the program has closed its input, or ended, and that is handled there */
        jobs_told(&mitigator->jobs, job, false);
    }
    if (exec->process && mitigator->closing && !jobs_next(&mitigator->jobs))
        process_close_input(exec->process);
    else if (exec->process && process_unwritten(exec->process) && !uv_is_active((uv_handle_t *)&exec->stall))
        uv_timer_start(&exec->stall, stall_over, mitigator->timers.stall, 0);
}

static void stall_over(uv_timer_t *timer)
{
    struct mitigator *mitigator = timer->data;
    struct exec *exec = mitigator->state;
    if (exec->process && process_unwritten(exec->process) && !exec->stalled) {
        exec->stalled = true;
        log_warning(
            "mitigator-stalled",
            "mitigator %s: %s does not read its standard input; %zu jobs wait to be told to it: see why it hangs, "
            "or stop it (pid %ld), it is started again",
            mitigator->name, mitigator->exec, mitigator->jobs.waiting_count, process_id(exec->process));
    }
    pump(mitigator);
}

static void written(void *arg)
{
    struct mitigator *mitigator = arg;
    struct exec *exec = mitigator->state;
    exec->stalled = false;
    uv_timer_stop(&exec->stall);
    pump(mitigator);
}

static void refused(void *arg)
{
    struct mitigator *mitigator = arg;
    struct exec *exec = mitigator->state;
    log_warning("mitigator-deaf", "mitigator %s: %s has closed its standard input: it is stopped and started again",
                mitigator->name, mitigator->exec);
    process_stop(exec->process);
}

/* ---- From the program ---- */

static void output_received(void *arg, const char *line, size_t length, bool cut)
{
    struct mitigator *mitigator = arg;
    struct mitigator_report report = {0};
    char id[JOB_ID_MAX + 1], error[160];
    if (cut) {
        output_bad(&mitigator->output, line, length, "it is too long");
    } else if (report_decode(line, length, id, &report, error, sizeof error) != 0) {
        output_bad(&mitigator->output, line, length, error);
    } else if (!jobs_find(&mitigator->jobs, id)) {
        log_debug("mitigator-report-unknown", "mitigator %s: a report on job %s, which is not there, is ignored",
                  mitigator->name, id);
    } else if (!mitigator->closing) {
        mitigator->report(mitigator->arg, id, &report);
    }
    report_free(&report);
}

static void error_received(void *arg, const char *line, size_t length, bool cut)
{
    struct mitigator *mitigator = arg;
    output_line(&mitigator->output, line, length, cut);
}

/* ---- Starting and ending ---- */

static void start_again(struct mitigator *mitigator)
{
    struct exec *exec = mitigator->state;
    jobs_forget(&mitigator->jobs); /* all of them wait from now on */
    exec->pause = mitigator_next_pause(mitigator, exec->pause);
    uv_timer_start(&exec->restart, restart, exec->pause, 0);
}

static void ended(void *arg, int64_t status, int signal)
{
    struct mitigator *mitigator = arg;
    struct exec *exec = mitigator->state;
    exec->process = NULL;
    uv_timer_stop(&exec->stall);
    if (mitigator->closing) {
        close_handles(exec);
        return;
    }
    if (uv_now(mitigator->loop) - exec->started >= mitigator->timers.steady)
        exec->pause = 0;
    start_again(mitigator);
    log_warning("mitigator-ended",
                "mitigator %s: %s has ended with %s %" PRId64
                "; it is started again in %g s and gets all %zu jobs anew",
                mitigator->name, mitigator->exec, signal ? "signal" : "status", signal ? signal : status,
                (double)exec->pause / 1000, mitigator->jobs.live_count);
}

static void not_started(struct mitigator *mitigator, int error)
{
    struct exec *exec = mitigator->state;
    start_again(mitigator);
    log_error("mitigator-not-started", "mitigator %s: %s cannot be run: %s; tried again in %g s, %zu jobs wait for it",
              mitigator->name, mitigator->exec, uv_strerror(error), (double)exec->pause / 1000,
              mitigator->jobs.live_count);
}

static void started(void *arg, int error)
{
    struct mitigator *mitigator = arg;
    struct exec *exec = mitigator->state;
    if (error == 0) {
        log_info("mitigator-started", "mitigator %s: %s runs with pid %ld", mitigator->name, mitigator->exec,
                 process_id(exec->process));
        return;
    }
    exec->process = NULL;
    uv_timer_stop(&exec->stall);
    if (mitigator->closing)
        close_handles(exec);
    else
        not_started(mitigator, error);
}

static const struct process_handlers handlers = {
    .started = started,
    .output = output_received,
    .error = error_received,
    .written = written,
    .refused = refused,
    .ended = ended,
};

static void restart(uv_timer_t *timer)
{
    struct mitigator *mitigator = timer->data;
    struct exec *exec = mitigator->state;
    struct process_settings settings = {
        .spawner = mitigator->spawner,
        .program = mitigator->exec,
        .mitigator = mitigator->name,
        .output_longest = REPORT_LINE_MAX,
        .kill_ms = mitigator->timers.kill,
        .handlers = &handlers,
        .arg = mitigator,
    };
    int error;
    exec->process = process_start(mitigator->loop, &settings, &error);
    if (!exec->process) {
        not_started(mitigator, error);
        return;
    }
    exec->started = uv_now(mitigator->loop);
    exec->stalled = false;
    pump(mitigator);
}

static void exec_open(struct mitigator *mitigator)
{
    struct exec *exec = mitigator->state;
    uv_timer_t *timers[] = {&exec->restart, &exec->stall, &exec->end};
    for (size_t i = 0; i < 3; i++) {
        uv_timer_init(mitigator->loop, timers[i]);
        timers[i]->data = mitigator;
    }
    exec->handles = 3;
    uv_timer_start(&exec->restart, restart, 0, 0);
}

static void exec_event(const struct mitigator *mitigator, const char *op, const struct job *job)
{
    log_debug("mitigator-job", "mitigator %s: %s job %s", mitigator->name, op, job->id);
}

static void end_over(uv_timer_t *timer)
{
    struct mitigator *mitigator = timer->data;
    struct exec *exec = mitigator->state;
    if (!exec->process)
        return;
    log_warning("mitigator-stopped", "mitigator %s: %s did not end by itself when its input was closed: stopped",
                mitigator->name, mitigator->exec);
    process_stop(exec->process);
}

static void exec_close(struct mitigator *mitigator)
{
    struct exec *exec = mitigator->state;
    uv_timer_stop(&exec->restart);
    if (!exec->process) {
        close_handles(exec);
        return;
    }
    uv_timer_start(&exec->end, end_over, mitigator->timers.end, 0);
    pump(mitigator);
}

const struct driver driver_exec = {
    .state_size = sizeof(struct exec),
    .open = exec_open,
    .event = exec_event,
    .wake = pump,
    .close = exec_close,
};
