/* metrics: text format. */

#include "gateway/admin/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double bounds[METRICS_BUCKETS - 1] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                                   0.1,    0.2,   0.5,   1,     5,    30};

void metrics_observe(struct metrics_histogram *histogram, double seconds)
{
    size_t bucket = 0;

    while (bucket < METRICS_BUCKETS - 1 && seconds > bounds[bucket])
        bucket++;
    histogram->buckets[bucket]++;
    histogram->count++;
    histogram->sum += seconds;
}

static void put(struct metrics *metrics, const char *text, size_t length)
{
    if (metrics->failed)
        return;
    if (metrics->size - metrics->length < length) {
        size_t size = metrics->size ? metrics->size : 4096;
        char *grown;

        while (size - metrics->length < length)
            size *= 2;
        grown = realloc(metrics->text, size);
        if (!grown) {
            metrics->failed = true;
            return;
        }
        metrics->text = grown;
        metrics->size = size;
    }
    memcpy(metrics->text + metrics->length, text, length);
    metrics->length += length;
}

static void put_text(struct metrics *metrics, const char *text)
{
    put(metrics, text, strlen(text));
}

/* In a label's value backslash, quote and newline are escaped. */
static void put_value(struct metrics *metrics, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put(metrics, "\\n", 2);
        else if (*text == '\\' || *text == '"')
            put(metrics, (const char[]){'\\', *text}, 2);
        else
            put(metrics, text, 1);
    }
}

static void put_number(struct metrics *metrics, double value)
{
    char text[40];

    if (value == (double)(int64_t)value)
        snprintf(text, sizeof(text), "%.0f", value);
    else
        snprintf(text, sizeof(text), "%.9g", value);
    put_text(metrics, text);
    put(metrics, "\n", 1);
}

void metrics_family(struct metrics *metrics, const char *name, enum metrics_type type, const char *help)
{
    static const char *const types[] = {
        [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"};
    const char *const parts[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", types[type], "\n"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        put_text(metrics, parts[i]);
}

void metrics_sample(struct metrics *metrics, const char *name, double value, ...)
{
    const char *label, *separator = "{";
    va_list labels;

    put_text(metrics, name);
    va_start(labels, value);
    while ((label = va_arg(labels, const char *))) {
        put_text(metrics, separator);
        put_text(metrics, label);
        put_text(metrics, "=\"");
        put_value(metrics, va_arg(labels, const char *));
        put_text(metrics, "\"");
        separator = ",";
    }
    va_end(labels);
    put_text(metrics, *separator == ',' ? "} " : " ");
    put_number(metrics, value);
}

void metrics_single(struct metrics *metrics, const char *name, enum metrics_type type, const char *help, double value)
{
    metrics_family(metrics, name, type, help);
    metrics_sample(metrics, name, value, NULL);
}

void metrics_buckets(struct metrics *metrics, const char *name, const struct metrics_histogram *histogram,
                     const char *label, const char *label_value)
{
    char part[128], bound[32];
    uint64_t sum = 0;

    snprintf(part, sizeof(part), "%s_bucket", name);
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        sum += histogram->buckets[i];
        if (i < METRICS_BUCKETS - 1)
            snprintf(bound, sizeof(bound), "%g", bounds[i]);
        else
            snprintf(bound, sizeof(bound), "+Inf");
        metrics_sample(metrics, part, (double)sum, "le", bound, label, label_value, NULL);
    }
    snprintf(part, sizeof(part), "%s_sum", name);
    metrics_sample(metrics, part, histogram->sum, label, label_value, NULL);
    snprintf(part, sizeof(part), "%s_count", name);
    metrics_sample(metrics, part, (double)histogram->count, label, label_value, NULL);
}

void metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                       const struct metrics_histogram *histogram)
{
    metrics_family(metrics, name, METRICS_HISTOGRAM, help);
    metrics_buckets(metrics, name, histogram, NULL, NULL);
}
