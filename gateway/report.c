/* report: mitigators know nothing of the relay. */

#include "gateway/report.h"

#include <stdlib.h>

void report_to_relay(struct relay *relay, int64_t now, size_t target, const char *job,
                     const struct mitigator_report *report)
{
    struct relay_report out = {
        .status = report->status,
        .counters = {.has_bytes = report->has_bytes,
                     .has_bps = report->has_bps,
                     .has_pkts = report->has_pkts,
                     .has_pps = report->has_pps,
                     .bytes = report->bytes_dropped,
                     .bps = report->bps_dropped,
                     .pkts = report->pkts_dropped,
                     .pps = report->pps_dropped},
    };

    relay_job_report(relay, now, target, strtoull(job, NULL, 10), &out);
}
