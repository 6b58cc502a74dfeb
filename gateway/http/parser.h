/* parser: llhttp, or http-parser where that is not packaged: one complete head in, its parts out. */
#pragma once

#include <stddef.h>

struct parser_sink {
    /* Each returns 0, or -1 to stop. */
    int (*target)(void *arg, const char *text, size_t length);
    int (*field)(void *arg, const char *name, size_t name_length, const char *value, size_t value_length);
    void *arg;
};

/* head: up to and with its empty line. 0, or the status to refuse it with: 400, 501, 505; -1 when the sink stopped. */
int parser_head(const char *head, size_t length, const struct parser_sink *sink);
const char *parser_version(void);
