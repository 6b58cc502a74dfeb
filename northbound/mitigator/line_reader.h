/*
 * line_reader: cuts a stream of bytes into lines of bounded length. What a line has beyond the bound
 * is dropped, and the line is said to be cut.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct line_reader {
    char *held; /* the beginning of a line whose end has not come */
    size_t length, longest;
    bool cut;
};

/* Without the newline; not terminated; lives for the call. */
typedef void line_h(void *arg, const char *line, size_t length, bool cut);

/* 0, or -ENOMEM. */
int line_reader_init(struct line_reader *reader, size_t longest);
void line_reader_free(struct line_reader *reader);

void line_reader_feed(struct line_reader *reader, const char *data, size_t length, line_h *line, void *arg);
/* The stream is over: a last line without a newline is one too. */
void line_reader_end(struct line_reader *reader, line_h *line, void *arg);
