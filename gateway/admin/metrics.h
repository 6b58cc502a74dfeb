/*
 * metrics: Prometheus' text exposition format, version 0.0.4.
 *
 * Words: a *family* is one name with its help and type; a *sample* is one value of it under labels; labels come as
 * name and value by turns, ended by NULL. Names are constants of the program; values of labels may be any text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_BUCKETS 14u

/* A histogram with fixed buckets, kept where things happen. */
struct metrics_histogram {
    uint64_t buckets[METRICS_BUCKETS]; /* not cumulated */
    uint64_t count;
    double sum; /* s */
};
void metrics_observe(struct metrics_histogram *histogram, double seconds);

struct metrics {
    char *text;
    size_t length, size;
    bool failed; /* out of memory: text is not whole */
};

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

void metrics_family(struct metrics *metrics, const char *name, enum metrics_type type, const char *help);
void metrics_sample(struct metrics *metrics, const char *name, double value, ...) __attribute__((sentinel));
/* A family with one sample without labels. */
void metrics_single(struct metrics *metrics, const char *name, enum metrics_type type, const char *help, double value);
/* A whole family. */
void metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                       const struct metrics_histogram *histogram);
/* The samples of one histogram of a family, under one label; label NULL: none. */
void metrics_buckets(struct metrics *metrics, const char *name, const struct metrics_histogram *histogram,
                     const char *label, const char *label_value);
