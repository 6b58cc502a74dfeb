/* process: three pipes, two timers and a program; over when all of them are. */
#include "northbound/mitigator/process.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "northbound/mitigator/output.h"

#define READ_SIZE 16384
#define READ_PAUSE_MS 1 /* after a full read: a program that floods us shares the loop with all others */
#define DRAIN_MS 1000   /* for output after the end, which somebody else may hold open */

struct process {
    struct process_settings settings;
    struct spawned program;
    uv_pipe_t input, output, error_output;
    uv_timer_t resume;   /* reading, after a pause */
    uv_timer_t deadline; /* for SIGKILL; after the end, for its output */
    unsigned parts;      /* handles and the program: not over yet */
    size_t unwritten;    /* bytes */
    int error;           /* why it was not started */
    bool asked, started, input_over, input_refused, exited;
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

static void part_over(struct process *process)
{
    if (--process->parts > 0)
        return;
    const struct process_handlers *handlers = process->asked ? process->settings.handlers : NULL;
    void *arg = process->settings.arg;
    int64_t status = process->status;
    int signal = process->signal, error = process->error;
    destroy(process);
    if (handlers && error)
        handlers->started(arg, error);
    else if (handlers)
        handlers->ended(arg, status, signal);
}

static void closed(uv_handle_t *handle)
{
    part_over(handle->data);
}

static void close_handle(void *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, closed);
}

static void close_all(struct process *process)
{
    close_handle(&process->input);
    close_handle(&process->output);
    close_handle(&process->error_output);
    close_handle(&process->resume);
    close_handle(&process->deadline);
}

static struct process *process_of(struct spawned *program)
{
    return (struct process *)((char *)program - offsetof(struct process, program));
}

static bool is_read(const struct process *process)
{
    return uv_is_closing((const uv_handle_t *)&process->output) &&
           uv_is_closing((const uv_handle_t *)&process->error_output);
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
    bool is_error = stream == (uv_stream_t *)&process->error_output;
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
    start_reading(&process->error_output);
}

/* ---- The end ---- */

static void deadline_over(uv_timer_t *timer)
{
    struct process *process = timer->data;
    if (process->exited)
        close_all(process);
    else
        spawner_signal(process->settings.spawner, &process->program, SIGKILL);
}

static void program_exited(struct spawned *program, int64_t status, int signal)
{
    struct process *process = process_of(program);
    process->exited = true;
    process->status = status;
    process->signal = signal;
    close_handle(&process->input);
    if (is_read(process))
        close_all(process);
    else
        uv_timer_start(&process->deadline, deadline_over, DRAIN_MS, 0);
    part_over(process);
}

void process_stop(struct process *process)
{
    if (process->exited)
        return;
    spawner_signal(process->settings.spawner, &process->program, SIGTERM);
    uv_timer_start(&process->deadline, deadline_over, process->settings.kill_ms, 0);
}

/* ---- Input ---- */

/* Before it is known whether the program was started, a closed pipe says nothing yet. */
static void input_refused(struct process *process)
{
    process->input_refused = true;
    if (process->started && process->settings.handlers->refused)
        process->settings.handlers->refused(process->settings.arg);
}

static void written(uv_write_t *request, int status)
{
    struct line_write *write = (struct line_write *)request;
    struct process *process = request->handle->data;
    process->unwritten -= write->length;
    free(write->text);
    free(write);
    if (status != 0) {
        if (status != UV_ECANCELED)
            input_refused(process);
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

static void program_started(struct spawned *program, int error)
{
    struct process *process = process_of(program);
    if (error) {
        process->error = error;
        process->exited = true;
        close_all(process);
        part_over(process);
        return;
    }
    process->started = true;
    process->settings.handlers->started(process->settings.arg, 0);
    if (process->input_refused)
        input_refused(process);
}

static void init(uv_loop_t *loop, struct process *process)
{
    uv_pipe_init(loop, &process->input, 0);
    uv_pipe_init(loop, &process->output, 0);
    uv_pipe_init(loop, &process->error_output, 0);
    uv_timer_init(loop, &process->resume);
    uv_timer_init(loop, &process->deadline);
    process->input.data = process->output.data = process->error_output.data = process;
    process->resume.data = process->deadline.data = process;
    process->parts = 5;
    process->program.started = program_started;
    process->program.exited = program_exited;
}

/* Makes a pipe, of which one end is ours and in use from now on, the other the program's. */
static int use_pipe(uv_pipe_t *pipe, bool to_program, int *theirs)
{
    uv_file ends[2];
    int result = uv_pipe(ends, to_program ? 0 : UV_NONBLOCK_PIPE, to_program ? UV_NONBLOCK_PIPE : 0);
    if (result != 0)
        return result;
    *theirs = ends[!to_program];
    result = uv_pipe_open(pipe, ends[to_program]);
    if (result != 0)
        close(ends[to_program]);
    return result;
}

/* Pipes, not socket pairs: a shell cannot open /dev/stdin on a socket. */
static int ask(struct process *process)
{
    const struct process_settings *settings = &process->settings;
    int ends[3] = {-1, -1, -1};
    int result = use_pipe(&process->input, true, &ends[0]);
    if (result == 0)
        result = use_pipe(&process->output, false, &ends[1]);
    if (result == 0)
        result = use_pipe(&process->error_output, false, &ends[2]);
    if (result == 0)
        result = spawner_start(settings->spawner, &process->program, settings->program, settings->mitigator, ends);
    for (int i = 0; i < 3; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
    }
    return result;
}

struct process *process_start(uv_loop_t *loop, const struct process_settings *settings, int *error)
{
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
    init(loop, process);
    *error = ask(process);
    if (*error != 0) {
        close_all(process);
        return NULL;
    }
    process->asked = true;
    process->parts++;
    start_reading(&process->output);
    start_reading(&process->error_output);
    return process;
}

long process_id(const struct process *process)
{
    return process->program.pid;
}
