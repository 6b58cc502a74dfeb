/* report: what a mitigator says of a job, in the relay's terms. */
#pragma once

#include "aggregation/relay.h"
#include "northbound/mitigator/mitigator.h"

void report_to_relay(struct relay *relay, int64_t now, size_t target, const char *job,
                     const struct mitigator_report *report);
