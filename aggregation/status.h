/*
 * status: what several targets say about one request, as one status and one set of counters
 * (docs/behaviour.md, "Several targets"). Pure.
 */
#pragma once

#include <stddef.h>

#include "aggregation/relay.h"

struct status_report {
    enum wire_status status; /* 0: nothing heard yet */
    struct relay_counters counters;
};

/*
 * 4 if any says 4; else 1 if any says 1 or nothing yet; else 2 if any says 2; else 3 if any says 3;
 * 8 only when all live ones say 8 (or nothing yet). 5, 6 and 7 count only when all say one of them:
 * then 5 before 7 before 6. 0 when count is 0. Totals add up and wrap as the RFC says (section 4.4.2),
 * rates saturate.
 */
struct status_report status_combine(const struct status_report *reports, size_t count);
