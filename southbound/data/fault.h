/*
 * fault: why a request of the data channel is refused, in the terms of RFC 8040 section 7 and RFC 8783.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DATA_MESSAGE_MAX 384

struct data_fault {
    unsigned status;     /* 0: none */
    const char *tag;     /* error-tag; a constant */
    const char *app_tag; /* error-app-tag; NULL: none; a constant */
    bool transport;      /* error-type: transport, else application */
    int64_t retry_after; /* s; 0: none */
    char message[DATA_MESSAGE_MAX];
    char path[512]; /* error-path; "": none */
    char via[256];  /* error-info of a loop; "": none */
};

/* Fills a fault. Returns -1, for `return data_refuse(...)`. */
int data_refuse(struct data_fault *fault, unsigned status, const char *tag, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The error-tag that says no more than a status (RFC 8040 section 7). */
const char *data_tag_of(unsigned status);

/* The body of the answer, RFC 8040 section 3.9. Freed with free; NULL: out of memory. */
char *data_fault_body(const struct data_fault *fault);
