/*
 * report: one line that a program wrote, as a report. The line is hostile.
 */
#pragma once

#include <stddef.h>

#include "northbound/mitigator/mitigator.h"

#define REPORT_LINE_MAX 65536u
#define JOB_ID_MAX 200u

/* [A-Za-z0-9._:-]{1,200} */
bool job_id_valid(const char *id);

/*
 * {"id":"...","status":"attack-stopped" or 3,"bytes-dropped":"12" or 12,...}: at least one of status,
 * bytes-dropped, bps-dropped, pkts-dropped, pps-dropped, aces (as RFC 8783 has it, with statistics); other members are
 * ignored. Status 5 and 8
 * are about a client: no driver reports them. Counters are 64 bits, as strings of digits (RFC 7951
 * section 6.1) or numbers. 0, or -1 with what is wrong with it. What it gave is freed by report_free.
 */
int report_decode(const char *line, size_t length, char id[JOB_ID_MAX + 1], struct mitigator_report *report,
                  char *error, size_t error_size);
void report_free(struct mitigator_report *report);
