/*
 * job_json: a job as one JSON line for a program. The target's clauses have the names and forms of
 * RFC 9132 section 5.3 in RFC 7951 JSON.
 */
#pragma once

#include <stdint.h>

#include "northbound/mitigator/mitigator.h"

/* The part of the line that does not change while the job is as it is: "client":"x","scope":{...} or "acl":{...}.
 * Freed by the caller; NULL: out of memory. */
char *job_json_members(const struct mitigator_job *job);

/* The line, ended by a newline; attack_status 0 is left out. Freed by the caller; NULL: out of memory. */
char *job_json_line(const char *op, const char *id, const char *members, int64_t lifetime,
                    enum wire_attack_status attack_status);
