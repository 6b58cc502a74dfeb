/* process: three pipes, a timer and a program; over when all its handles are closed. */
#include "northbound/mitigator/process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "northbound/mitigator/output.h"
#include "northbound/mitigator/spawn.h"

#define READ_SIZE 16384
#define READ_PAUSE_MS 1 /* after a full read: a program that floods us shares the loop with all others */
#define DRAIN_MS 1000   /* for output after the end, which somebody else may hold open */

struct process {
    struct process_settings settings;
    uv_process_t program;
    uv_pipe_t input, output, error;
    uv_timer_t resume;   /* reading, after a pause */
    uv_timer_t deadline; /* for SIGKILL; after the end, for its output */
    unsigned handles;    /* not closed yet */
    size_t unwritten;    /* bytes */
    bool started, input_over, exited;
    int64_t status;
    int signal;
    struct line_reader output_lines, error_lines;
    char buffer[READ_SIZE];
};

struct line_write {
    uv_write_t request;
    char *text;
    size_t length;
};

static void destroy(struct process *process)
{
    line_reader_free(&process->output_lines);
    line_reader_free(&process->error_lines);
    free(process);
}

static void closed(uv_handle_t *handle)
{
    struct process *process = handle->data;
    if (--process->handles > 0)
        return;
    void (*ended)(void *, int64_t, int) = process->started ? process->settings.handlers->ended : NULL;
    void *arg = process->settings.arg;
    int64_t status = process->status;
    int signal = process->signal;
    destroy(process);
    if (ended)
        ended(arg, status, signal);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, closed);
}

static void close_all(struct process *process)
{
    if (uv_handle_get_type((uv_handle_t *)&process->program) == UV_PROCESS)
        close_handle(&process->program);
    close_handle(&process->input);
    close_handle(&process->output);
    close_handle(&process->error);
    close_handle(&process->resume);
    close_handle(&process->deadline);
}

static bool is_read(const struct process *process)
{
    return uv_is_closing((const uv_handle_t *)&process->output) && uv_is_closing((const uv_handle_t *)&process->error);
}

/* ---- Output ---- */

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct process *process = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(process->buffer, sizeof process->buffer);
}

static void resume(uv_timer_t *timer);

static void received(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct process *process = stream->data;
    bool is_error = stream == (uv_stream_t *)&process->error;
    struct line_reader *reader = is_error ? &process->error_lines : &process->output_lines;
    line_h *line = is_error ? process->settings.handlers->error : process->settings.handlers->output;
    if (length > 0) {
        if (length == READ_SIZE) {
            uv_read_stop(stream);
            uv_timer_start(&process->resume, resume, READ_PAUSE_MS, 0);
        }
        line_reader_feed(reader, buffer->base, (size_t)length, line, process->settings.arg);
    } else if (length < 0) {
        line_reader_end(reader, line, process->settings.arg);
        close_handle(stream);
        if (process->exited && is_read(process))
            close_all(process);
    }
}

static void start_reading(uv_pipe_t *pipe)
{
    if (!uv_is_closing((uv_handle_t *)pipe))
        uv_read_start((uv_stream_t *)pipe, allocate, received);
}

static void resume(uv_timer_t *timer)
{
    struct process *process = timer->data;
    start_reading(&process->output);
    start_reading(&process->error);
}

/* ---- The end ---- */

static void deadline_over(uv_timer_t *timer)
{
    struct process *process = timer->data;
    if (process->exited)
        close_all(process);
    else
        spawn_signal(&process->program, SIGKILL);
}

static void program_exited(uv_process_t *handle, int64_t status, int signal)
{
    struct process *process = handle->data;
    process->exited = true;
    process->status = status;
    process->signal = signal;
    close_handle(&process->input);
    if (is_read(process))
        close_all(process);
    else
        uv_timer_start(&process->deadline, deadline_over, DRAIN_MS, 0);
}

void process_stop(struct process *process)
{
    if (process->exited)
        return;
    spawn_signal(&process->program, SIGTERM);
    uv_timer_start(&process->deadline, deadline_over, process->settings.kill_ms, 0);
}

/* ---- Input ---- */

static void written(uv_write_t *request, int status)
{
    struct line_write *write = (struct line_write *)request;
    struct process *process = request->handle->data;
    process->unwritten -= write->length;
    free(write->text);
    free(write);
    if (status != 0) {
        if (status != UV_ECANCELED && process->settings.handlers->refused)
            process->settings.handlers->refused(process->settings.arg);
        return;
    }
    if (process->input_over && process->unwritten == 0)
        close_handle(&process->input);
    else if (process->settings.handlers->written)
        process->settings.handlers->written(process->settings.arg);
}

int process_write(struct process *process, char *text, size_t length)
{
    struct line_write *write = malloc(sizeof *write);
    int result = UV_ENOMEM;
    uv_buf_t buffer = uv_buf_init(text, (unsigned)length);
    if (write) {
        write->text = text;
        write->length = length;
        result = uv_is_closing((uv_handle_t *)&process->input)
                     ? UV_EPIPE
                     : uv_write(&write->request, (uv_stream_t *)&process->input, &buffer, 1, written);
    }
    if (result != 0) {
        free(write);
        free(text);
        return result;
    }
    process->unwritten += length;
    return 0;
}

size_t process_unwritten(const struct process *process)
{
    return process->unwritten;
}

void process_close_input(struct process *process)
{
    process->input_over = true;
    if (process->unwritten == 0)
        close_handle(&process->input);
}

/* ---- The beginning ---- */

static void init_handles(uv_loop_t *loop, struct process *process)
{
    uv_pipe_init(loop, &process->input, 0);
    uv_pipe_init(loop, &process->output, 0);
    uv_pipe_init(loop, &process->error, 0);
    uv_timer_init(loop, &process->resume);
    uv_timer_init(loop, &process->deadline);
    process->program.data = process->input.data = process->output.data = process->error.data = process;
    process->resume.data = process->deadline.data = process;
    process->handles = 5;
}

/* The program runs: what fails now ends it, and the end is reported as any other. */
static void use_pipes(struct process *process, const uv_file ends[3])
{
    uv_pipe_t *pipes[3] = {&process->input, &process->output, &process->error};
    for (int i = 0; i < 3; i++) {
        if (uv_pipe_open(pipes[i], ends[i]) != 0) {
            close(ends[i]);
            close_handle(pipes[i]);
            spawn_signal(&process->program, SIGKILL);
        }
    }
    start_reading(&process->output);
    start_reading(&process->error);
}

struct process *process_start(uv_loop_t *loop, const struct process_settings *settings, int *error)
{
    uv_file ends[3];
    struct process *process = calloc(1, sizeof *process);
    *error = UV_ENOMEM;
    if (!process)
        return NULL;
    process->settings = *settings;
    if (line_reader_init(&process->output_lines, settings->output_longest) != 0 ||
        line_reader_init(&process->error_lines, OUTPUT_LINE_MAX) != 0) {
        destroy(process);
        return NULL;
    }
    init_handles(loop, process);
    *error = spawn_program(loop, &process->program, settings->program, settings->mitigator, program_exited, ends);
    if (uv_handle_get_type((uv_handle_t *)&process->program) == UV_PROCESS)
        process->handles++;
    if (*error != 0) {
        close_all(process);
        return NULL;
    }
    process->started = true;
    use_pipes(process, ends);
    return process;
}

long process_id(const struct process *process)
{
    return uv_process_get_pid(&process->program);
}
