/* history: what upstreams and mitigators said they have dropped, interval by interval, for as long as the page plots.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/state.h"

#define INTERVAL_MS 10000u /* longer than upstreams take between two notifications (RFC 9132 section 4.4.2.1) */
#define POINTS 360u        /* an hour */
#define SERIES 16u         /* upstreams and mitigators beyond are in the tables, not in the plot */

struct point {
    uint64_t bytes, pkts; /* in one interval */
};

struct series {
    char name[128];
    bool mitigator, configured;
    struct point before; /* totals */
    struct point points[POINTS];
};

struct history {
    struct admin *admin;
    uv_timer_t timer;
    struct series *series[SERIES];
    size_t count;
    size_t at, filled; /* of the points of each */
    void (*on_closed)(void *arg);
    void *arg;
};

static struct series *series_of(struct history *history, const char *name, bool mitigator, const struct point *totals)
{
    struct series *series;

    for (size_t i = 0; i < history->count; i++)
        if (history->series[i]->mitigator == mitigator && strcmp(history->series[i]->name, name) == 0)
            return history->series[i];
    if (history->count == SERIES || !(series = calloc(1, sizeof(*series))))
        return NULL;
    snprintf(series->name, sizeof(series->name), "%s", name);
    series->mitigator = mitigator;
    series->before = *totals;
    history->series[history->count++] = series;
    return series;
}

static uint64_t more(uint64_t total, uint64_t before)
{
    return total >= before ? total - before : total;
}

static void sample(struct history *history, bool mitigator, size_t index, const char *name)
{
    const struct admin_settings *settings = &history->admin->settings;
    struct point totals;
    struct series *series;

    settings->sources->dropped(settings->arg, mitigator, index, &totals.bytes, &totals.pkts);
    series = series_of(history, name, mitigator, &totals);
    if (!series)
        return;
    series->points[history->at] = (struct point){.bytes = more(totals.bytes, series->before.bytes),
                                                 .pkts = more(totals.pkts, series->before.pkts)};
    series->before = totals;
    series->configured = true;
}

static void sample_all(struct history *history)
{
    const struct config *config = history->admin->settings.config;
    size_t kept = 0;

    for (size_t i = 0; i < history->count; i++)
        history->series[i]->configured = false;
    for (size_t i = 0; i < config->upstream_count; i++)
        sample(history, false, i, config->upstreams[i].name);
    for (size_t i = 0; i < config->mitigator_count; i++)
        sample(history, true, i, config->mitigators[i].name);
    for (size_t i = 0; i < history->count; i++) {
        if (history->series[i]->configured)
            history->series[kept++] = history->series[i];
        else
            free(history->series[i]);
    }
    history->count = kept;
    history->at = (history->at + 1) % POINTS;
    history->filled += history->filled < POINTS;
}

static void due(uv_timer_t *timer)
{
    sample_all(timer->data);
}

struct history *history_open(struct admin *admin)
{
    struct history *history = calloc(1, sizeof(*history));

    if (!history)
        return NULL;
    history->admin = admin;
    uv_timer_init(admin->settings.loop, &history->timer);
    history->timer.data = history;
    sample_all(history);
    uv_timer_start(&history->timer, due, INTERVAL_MS, INTERVAL_MS);
    return history;
}

static json_t *view_points(const struct history *history, const struct series *series, bool bytes)
{
    json_t *list = json_array();

    for (size_t i = POINTS - history->filled; i < POINTS; i++) {
        const struct point *point = &series->points[(history->at + i) % POINTS];

        json_array_append_new(list, json_integer((json_int_t)(bytes ? point->bytes : point->pkts)));
    }
    return list;
}

void history_show(struct call *call)
{
    const struct history *history = call->admin->history;
    json_t *list = json_array();

    for (size_t i = 0; i < history->count; i++) {
        const struct series *series = history->series[i];

        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "name", series->name, "kind",
                                              series->mitigator ? "mitigator" : "upstream", "bytes",
                                              view_points(history, series, true), "pkts",
                                              view_points(history, series, false)));
    }
    reply_compact(call->exchange,
                  json_pack("{s:I, s:f, s:i, s:o}", "time-ms", (json_int_t)call->admin->settings.now(),
                            "interval-seconds", (double)INTERVAL_MS / 1000, "points-max", (int)POINTS, "series", list));
}

static void timer_closed(uv_handle_t *handle)
{
    struct history *history = handle->data;
    void (*on_closed)(void *arg) = history->on_closed;
    void *arg = history->arg;

    for (size_t i = 0; i < history->count; i++)
        free(history->series[i]);
    free(history);
    if (on_closed)
        on_closed(arg);
}

void history_close(struct history *history, void (*on_closed)(void *arg), void *arg)
{
    if (!history)
        return;
    history->on_closed = on_closed;
    history->arg = arg;
    uv_close((uv_handle_t *)&history->timer, timer_closed);
}
