/* inspect: what admin may know of the parts that it does not know, for assemble only. */
#pragma once

#include "gateway/admin/admin.h"
#include "gateway/data_upstreams.h"
#include "gateway/detectors/detectors.h"
#include "gateway/targets.h"
#include "gateway/log/log.h"
#include "gateway/store/store.h"
#include "northbound/signal/northbound.h"
#include "southbound/data/southbound_data.h"
#include "southbound/signal/southbound.h"

#define INSPECTION_SUBMITS 512u /* whose time of commit is not known yet; more are not measured */

#define INSPECTION_ALERTS 10u /* events of the relay, and others */
#define INSPECTION_CERTIFICATES 32u

struct inspection_certificate {
    const char *file; /* of the configuration */
    int64_t expires;  /* s since 1970 */
};

struct inspection_certificates {
    struct inspection_certificate at[INSPECTION_CERTIFICATES];
    size_t count;
};

/* Of one upstream or mitigator, by name: a place among the targets may be another one's after a reload. */
struct inspection_record {
    char name[TARGET_NAME_MAX];
    bool mitigator;
    struct metrics_histogram data_taken; /* the same of the data channel */
    struct metrics_histogram taken;      /* from a client to its acknowledgement; not of mitigators */
    uint64_t bytes, pkts;                /* that it said it has dropped */
};

struct inspection {
    struct gateway *gateway; /* what operators ask for is asked of it */
    const struct admin_actions *actions;
    const struct config *config;   /* in force */
    const struct targets *targets; /* the same */
    struct relay *relay;
    struct store *store;
    struct southbound *southbound;
    struct northbound *northbound;
    const struct data_server *data;
    const struct data_upstreams *data_upstreams;
    struct detectors *detectors;
    uint64_t alerts[INSPECTION_ALERTS];
    struct log_repeat alert_lines[INSPECTION_ALERTS];
    struct inspection_certificates certificates;
    struct metrics_histogram commits;
    struct inspection_record *records;
    size_t record_count;
    uint64_t submitted_ns[INSPECTION_SUBMITS]; /* by sequence */
    uint64_t first, last;                      /* sequences that are measured: first < sequence <= last */
};

/* Opens admin when the configuration has it, else *admin is NULL. 0, or -1 with a sentence. */
int inspection_open(struct inspection *inspection, uv_loop_t *loop, int64_t (*now)(void), struct admin **admin,
                    char *error, size_t error_size);

/* A reload: the certificates of a configuration, from any thread, as it blocks on files; then all of it in force. admin
 * may be NULL. */
void inspection_certificates(const struct config *config, struct inspection_certificates *out);
void inspection_use(struct inspection *inspection, const struct config *config,
                    const struct inspection_certificates *certificates, struct admin *admin);

/* ---- measure.c ---- */

void inspection_metrics(void *arg, struct metrics *out); /* of this inspection */
/* An upstream has accepted what was sent because of a request that arrived then (uv_hrtime). */
void inspection_accepted(struct inspection *inspection, size_t target, uint64_t arrived_ns);
/* The same of the data channel; arg: the inspection. */
void inspection_data_accepted(void *arg, size_t target, uint64_t arrived_ns);
/* An upstream or a mitigator says that it has dropped so much more. */
void inspection_dropped(struct inspection *inspection, size_t target, uint64_t bytes, uint64_t pkts);
/* What was noted of one; NULL: nothing so far. */
const struct inspection_record *inspection_record(const struct inspection *inspection, bool mitigator,
                                                  const char *name);
/* What is not configured any more. */
void inspection_forget(struct inspection *inspection);
void inspection_submitted(struct inspection *inspection, uint64_t sequence);
/* Counted; true: it is to be logged, with note at the end of the line (log_burst). now: ms. */
bool inspection_alert(struct inspection *inspection, const char *event, int64_t now, char note[LOG_NOTE]);
void inspection_committed(struct inspection *inspection, uint64_t sequence);

/* measure_data.c */
void measure_data(const struct inspection *inspection, struct metrics *out);

/* For all files: which target of the relay this is, SIZE_MAX: none. */
size_t inspection_target(void *arg, bool mitigator, size_t index);
void inspection_release(struct inspection *inspection);
