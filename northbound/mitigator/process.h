/*
 * process: one run of a program, from its start until the last of its output has been read.
 *
 * It reads the program's standard output and standard error by lines, writes to its standard input
 * what it is given, and ends it when asked: a signal, and after a while SIGKILL. All callbacks come
 * from the loop, none from within a call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/spawner/spawner.h"
#include "northbound/mitigator/line_reader.h"

struct process;

struct process_handlers {
    void (*started)(void *arg, int error); /* 0: it runs; a negative libuv error: it does not, and memory is gone */
    line_h *output;                        /* a line of standard output */
    line_h *error;                         /* of standard error */
    void (*written)(void *arg);            /* the program's pipe has taken a line; NULL: not of interest */
    void (*refused)(void *arg);            /* it has closed its standard input; NULL: not of interest */
    void (*ended)(void *arg, int64_t status, int signal); /* exit status, or signal when not 0; memory is gone */
};

struct process_settings {
    struct spawner *spawner;
    const char *program, *mitigator; /* borrowed until the end */
    size_t output_longest;           /* bytes of a line; longer ones are cut */
    uint64_t kill_ms;                /* from process_stop to SIGKILL */
    const struct process_handlers *handlers;
    void *arg;
};

/* Asks for it: started tells, and ended after it when it ran. NULL with a negative libuv error: nothing is called. */
struct process *process_start(uv_loop_t *loop, const struct process_settings *settings, int *error);

/* Takes the text over (malloc). 0, or a negative libuv error: the text is gone. */
int process_write(struct process *process, char *text, size_t length);
/* Bytes given to process_write whose end the loop has not seen: also bounds what is written in one turn. */
size_t process_unwritten(const struct process *process);
/* After what has been written. */
void process_close_input(struct process *process);

/* SIGTERM, then SIGKILL. */
void process_stop(struct process *process);

/* 0 until it has started. */
long process_id(const struct process *process);
