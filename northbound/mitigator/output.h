/*
 * output: what the programs of one mitigator print, in our log: at most 20 lines a second, and how
 * many more there were.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define OUTPUT_LINES_PER_SECOND 20u
#define OUTPUT_LINE_MAX 1024u

struct output {
    const char *mitigator; /* its name; borrowed */
    uv_timer_t window;     /* runs while lines are being counted */
    unsigned lines;        /* in this window */
    size_t suppressed;
};

void output_init(struct output *output, uv_loop_t *loop, const char *mitigator);
/* A line of a program for people (its standard error). */
void output_line(struct output *output, const char *line, size_t length, bool cut);
/* A line that should have been a report, and why it is none. */
void output_bad(struct output *output, const char *line, size_t length, const char *reason);
void output_close(struct output *output, uv_close_cb closed);
