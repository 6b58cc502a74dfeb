/* status: several reports as one. */

#include "aggregation/status.h"

#include <string.h>

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void add(struct relay_counters *sum, const struct relay_counters *one)
{
    sum->has_bytes = sum->has_bytes || one->has_bytes;
    sum->has_bps = sum->has_bps || one->has_bps;
    sum->has_pkts = sum->has_pkts || one->has_pkts;
    sum->has_pps = sum->has_pps || one->has_pps;
    sum->bytes += one->bytes;
    sum->pkts += one->pkts;
    sum->bps = add_saturating(sum->bps, one->bps);
    sum->pps = add_saturating(sum->pps, one->pps);
}

struct status_report status_combine(const struct status_report *reports, size_t count)
{
    /* The first of these that anyone says is the status; the last three only when nobody is live. */
    static const enum wire_status order[] = {
        WIRE_STATUS_EXCEEDED,    WIRE_STATUS_IN_PROGRESS,      WIRE_STATUS_MITIGATED, WIRE_STATUS_STOPPED,
        WIRE_STATUS_SIGNAL_LOSS, WIRE_STATUS_CLIENT_WITHDRAWN, WIRE_STATUS_WITHDRAWN, WIRE_STATUS_TERMINATED};
    struct status_report combined = {.status = 0};
    bool said[WIRE_STATUS_SIGNAL_LOSS + 1] = {false};
    bool unheard = false;

    for (size_t i = 0; i < count; i++) {
        if (reports[i].status == 0)
            unheard = true;
        else
            said[reports[i].status] = true;
        add(&combined.counters, &reports[i].counters);
    }
    /* One not heard yet is in progress, unless all others stand by. */
    if (unheard && !said[WIRE_STATUS_SIGNAL_LOSS])
        said[WIRE_STATUS_IN_PROGRESS] = true;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (said[order[i]]) {
            combined.status = order[i];
            break;
        }
    }
    return combined;
}
