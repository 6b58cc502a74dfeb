/*
 * mitigator: drivers that make a mitigation happen here, instead of (or beside) an upstream.
 *
 * Words: a *driver* is a way to mitigate (`notify`: tell the operators; `exec`: a program that gets
 * JSON lines on stdin and answers with status lines); a *job* is one mitigation given to it; a
 * *report* is the status and counters it gives back. The relay starts, updates and stops jobs; it
 * knows no driver. A driver knows no DOTS session and no client. Everything is asynchronous; a
 * program that dies is started again (1 s, doubling to 60 s) and gets all live jobs anew.
 *
 * Programs run without arguments in /, in a session of their own, with PATH, LANG, DOTSGW_MITIGATOR
 * (the name) and no descriptors but 0, 1, 2; what they print on standard error is logged. Changes of
 * a job that a program could not be told of yet become one, and a job that started and stopped
 * meanwhile is never mentioned: a program that does not read holds up nobody else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/wire/wire.h"

struct mitigator_report {
    enum wire_status status; /* 1, 2, 3, 4, 6 or 7; 0: counters only */
    bool has_bytes, has_bps, has_pkts, has_pps;
    uint64_t bytes_dropped, bps_dropped, pkts_dropped, pps_dropped; /* totals since the start; bytes/s, packets/s */
    /* Of a filter: what its entries matched, a JSON object {"NAME":{"matched-packets":"n","matched-octets":"n"},...};
     * NULL: not told. Lives for the call. */
    char *matched;
};

typedef void mitigator_report_h(void *arg, const char *job, const struct mitigator_report *report);

struct mitigator;
struct spawner;

struct mitigator_settings {
    struct spawner *spawner; /* borrowed; starts the programs */
    const char *name;
    const char *exec; /* program; NULL for notify without one */
    bool notify;      /* driver notify: log each event and run exec once for it, with the same JSON on stdin, at
                         most 4 at once, in order for a job, 60 s each; else one long-lived program that also
                         writes reports, one JSON object a line */
};

/* Never fails for a program that is missing or dies: that is logged and retried (the configuration
 * check has seen that the file exists). NULL: out of memory, or exec is missing where it must not.
 * Settings are copied. report is called from the loop only, and not after mitigator_close. */
struct mitigator *mitigator_open(uv_loop_t *loop, const struct mitigator_settings *settings, mitigator_report_h *report,
                                 void *arg);

/* What a driver is told of a job. Borrowed for the call. */
struct mitigator_job {
    const char *id;                        /* stable over restarts of gateway and program; [A-Za-z0-9._:-]{1,200} */
    const char *client;                    /* configured name */
    const struct wire_target *target;      /* NULL: a filter */
    const char *acl;                       /* of a filter: a JSON object, the ACL of RFC 8783; else NULL */
    int64_t lifetime;                      /* s, remaining; -1 indefinite */
    enum wire_attack_status attack_status; /* 0: none told */
};

/* Lines to the program: {"op":"start"|"update"|"stop","id":...,"client":...,"lifetime":...,
 * "scope":{RFC 7951 target clauses},"attack-status":...}; the lifetime of a stop is 0. A filter
 * has "acl" instead of "scope". start of a
 * known id is an update, and update of an unknown one a start. Lines from it: {"id":...,"status":1, 2,
 * 3, 4, 6, 7 or its name,"bytes-dropped":"n" or n, ...}; of a filter {"id":...,"aces":{"ace":[{"name":...,
 * "statistics":{"matched-packets":"n" or n,"matched-octets":"n" or n}},...]}}. 0, -ENOMEM, or -EINVAL: the id is
 * malformed, or mitigator_close was called. */
int mitigator_start(struct mitigator *mitigator, const struct mitigator_job *job);
int mitigator_update(struct mitigator *mitigator, const struct mitigator_job *job);
void mitigator_stop(struct mitigator *mitigator, const char *id);

/* Jobs by what their program knows of them. */
struct mitigator_counts {
    size_t waiting; /* for their program to take what is new of them, or to be started */
    size_t telling; /* driver notify: a program is running for one event of theirs */
    size_t running; /* the program, or the operator, has been told all */
};
void mitigator_counts(const struct mitigator *mitigator, struct mitigator_counts *out);

/* Sends what is queued, closes the program's stdin, lets it end (5 s, then SIGTERM, then SIGKILL
 * after 5 s), then calls on_closed. Jobs are not stopped by this: they go on over a restart. */
void mitigator_close(struct mitigator *mitigator, void (*on_closed)(void *arg), void *arg);
