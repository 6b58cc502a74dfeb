/* measure: metrics of the whole process, and what is counted and timed for them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregation/inspect.h"
#include "gateway/coap/coap.h"
#include "gateway/inspect.h"
#include "gateway/operate.h"
#include "northbound/mitigator/mitigator.h"

/* ---- How long the store and the upstreams take ---- */

void inspection_submitted(struct inspection *inspection, uint64_t sequence)
{
    if (sequence <= inspection->last)
        return; /* nothing was in the batch */
    if (inspection->last == inspection->first)
        inspection->first = sequence - 1;
    inspection->last = sequence;
    if (sequence - inspection->first > INSPECTION_SUBMITS)
        inspection->first = sequence - INSPECTION_SUBMITS;
    inspection->submitted_ns[sequence % INSPECTION_SUBMITS] = uv_hrtime();
}

void inspection_committed(struct inspection *inspection, uint64_t sequence)
{
    uint64_t now = uv_hrtime();

    while (inspection->first < inspection->last && inspection->first < sequence) {
        inspection->first++;
        metrics_observe(&inspection->commits,
                        (double)(now - inspection->submitted_ns[inspection->first % INSPECTION_SUBMITS]) / 1e9);
    }
}

const struct inspection_record *inspection_record(const struct inspection *inspection, bool mitigator, const char *name)
{
    for (size_t i = 0; i < inspection->record_count; i++)
        if (inspection->records[i].mitigator == mitigator && strcmp(inspection->records[i].name, name) == 0)
            return &inspection->records[i];
    return NULL;
}

/* Or made; NULL: not configured any more, or out of memory. */
static struct inspection_record *record_of(struct inspection *inspection, size_t place)
{
    const struct target *target = place < inspection->targets->count ? &inspection->targets->at[place] : NULL;
    const struct inspection_record *known;
    struct inspection_record *grown;

    if (!target || target->leaving || target->kind == TARGET_FREE)
        return NULL;
    known = inspection_record(inspection, target->kind == TARGET_MITIGATOR, target->name);
    if (known)
        return &inspection->records[known - inspection->records];
    grown = realloc(inspection->records, (inspection->record_count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    inspection->records = grown;
    grown += inspection->record_count++;
    *grown = (struct inspection_record){.mitigator = target->kind == TARGET_MITIGATOR};
    snprintf(grown->name, sizeof(grown->name), "%s", target->name);
    return grown;
}

void inspection_accepted(struct inspection *inspection, size_t target, uint64_t arrived_ns)
{
    struct inspection_record *record = record_of(inspection, target);

    if (record)
        metrics_observe(&record->taken, (double)(uv_hrtime() - arrived_ns) / 1e9);
}

void inspection_dropped(struct inspection *inspection, size_t target, uint64_t bytes, uint64_t pkts)
{
    struct inspection_record *record = record_of(inspection, target);

    if (!record)
        return;
    record->bytes += bytes;
    record->pkts += pkts;
}

void inspection_data_accepted(void *arg, size_t target, uint64_t arrived_ns)
{
    struct inspection_record *record = record_of(arg, target);

    if (record)
        metrics_observe(&record->data_taken, (double)(uv_hrtime() - arrived_ns) / 1e9);
}

static bool is_configured(const struct config *config, const struct inspection_record *record)
{
    for (size_t i = 0; !record->mitigator && i < config->upstream_count; i++)
        if (strcmp(config->upstreams[i].name, record->name) == 0)
            return true;
    for (size_t i = 0; record->mitigator && i < config->mitigator_count; i++)
        if (strcmp(config->mitigators[i].name, record->name) == 0)
            return true;
    return false;
}

void inspection_forget(struct inspection *inspection)
{
    size_t kept = 0;

    for (size_t i = 0; i < inspection->record_count; i++)
        if (is_configured(inspection->config, &inspection->records[i]))
            inspection->records[kept++] = inspection->records[i];
    inspection->record_count = kept;
}

/* ---- Alerts ---- */

#define ALERT_LINES_MOST 20u /* of the log in ten seconds, of each event */

static const char *const alert_events[INSPECTION_ALERTS] = {
    "conflict",     "cuid-collision", "failover", "hop-limit",        "nat-unmapped",
    "part-refused", "recursion",      "store",    "withdraw-refused", "other"};

bool inspection_alert(struct inspection *inspection, const char *event, int64_t now, char note[LOG_NOTE])
{
    size_t i = 0;

    while (i < INSPECTION_ALERTS - 1 && strcmp(alert_events[i], event) != 0)
        i++;
    inspection->alerts[i]++;
    return log_burst(&inspection->alert_lines[i], ALERT_LINES_MOST, now, note);
}

/* ---- South ---- */

static const char *const transports[] = {"udp", "tcp"};

static void of_sessions(const struct southbound_counters *counters, struct metrics *out)
{
    metrics_family(out, "dotsgw_sessions", METRICS_GAUGE, "Sessions of clients that are up, by state and transport.");
    for (unsigned i = 0; i < SOUTHBOUND_STANDINGS; i++)
        for (unsigned tcp = 0; tcp < 2; tcp++)
            metrics_sample(out, "dotsgw_sessions", (double)counters->sessions[i][tcp], "state",
                           southbound_standing_name(i), "transport", transports[tcp], NULL);
    metrics_single(out, "dotsgw_sessions_ended_total", METRICS_COUNTER, "Sessions of clients that have ended.",
                   (double)counters->sessions_down);
    metrics_family(out, "dotsgw_handshakes_total", METRICS_COUNTER, "Handshakes of clients that succeeded.");
    for (unsigned tcp = 0; tcp < 2; tcp++)
        metrics_sample(out, "dotsgw_handshakes_total", (double)counters->sessions_up[tcp], "transport", transports[tcp],
                       NULL);
    metrics_family(out, "dotsgw_handshakes_failed_total", METRICS_COUNTER,
                   "Handshakes of clients that failed, by reason.");
    for (unsigned i = 0; i < DOTS_HANDSHAKE_FAILURES; i++)
        metrics_sample(out, "dotsgw_handshakes_failed_total", (double)counters->handshakes_failed[i], "reason",
                       dots_handshake_failure_name((enum dots_handshake_failure)i), NULL);
    metrics_single(
        out, "dotsgw_heartbeats_missed_total", METRICS_COUNTER,
        "Heartbeats to clients that were not answered before the next one, or before the session was given up.",
        (double)counters->heartbeats_missed);
    metrics_single(out, "dotsgw_signals_lost_total", METRICS_COUNTER,
                   "Clients whose signal was lost: their preconfigured mitigations were activated.",
                   (double)counters->signals_lost);
}

/* What an alert looks for is there from the start: a counter that begins with 1 has not increased. */
static bool is_alerted(unsigned code)
{
    return code == DOTS_CODE(4, 9) || code == DOTS_CODE(5, 8);
}

static void of_requests(const struct southbound_counters *counters, struct metrics *out)
{
    static const char *const methods[] = {"other", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"};
    char code[8];

    metrics_family(out, "dotsgw_requests_total", METRICS_COUNTER, "Requests of clients, by method.");
    for (size_t i = 0; i < 8; i++)
        metrics_sample(out, "dotsgw_requests_total", (double)counters->requests[i], "method", methods[i], NULL);
    metrics_family(out, "dotsgw_responses_total", METRICS_COUNTER, "Responses to clients, by method and CoAP code.");
    for (size_t i = 0; i < 8; i++) {
        for (unsigned j = 0; j < 256; j++) {
            if (!counters->responses[i][j] && !(i == DOTS_PUT && is_alerted(j)))
                continue;
            snprintf(code, sizeof(code), "%u.%02u", DOTS_CODE_CLASS(j), DOTS_CODE_DETAIL(j));
            metrics_sample(out, "dotsgw_responses_total", (double)counters->responses[i][j], "method", methods[i],
                           "code", code, NULL);
        }
    }
    metrics_single(out, "dotsgw_requests_resolving", METRICS_GAUGE, "Requests that wait for DNS.",
                   (double)counters->resolving);
    metrics_single(out, "dotsgw_requests_waiting", METRICS_GAUGE,
                   "Requests of clients that wait for DNS, the store or an upstream before they are answered.",
                   (double)counters->held);
}

/* ---- North ---- */

#define UPSTREAM_FAMILY(NAME, TYPE, HELP, VALUE)                                                           \
    do {                                                                                                   \
        metrics_family(out, (NAME), (TYPE), (HELP));                                                       \
        for (size_t i = 0; i < inspection->config->upstream_count; i++)                                    \
            if (northbound_upstream(inspection->northbound, inspection_target(inspection, false, i), &up)) \
                metrics_sample(out, (NAME), (double)(VALUE), "upstream", up.name, NULL);                   \
    } while (0)

static void of_attempts(struct inspection *inspection, struct metrics *out)
{
    static const char name[] = "dotsgw_upstream_attempts_failed_total";
    struct northbound_upstream up;

    metrics_family(out, name, METRICS_COUNTER, "Sessions to this upstream that were tried and not had, by reason.");
    for (size_t i = 0; i < inspection->config->upstream_count; i++) {
        if (!northbound_upstream(inspection->northbound, inspection_target(inspection, false, i), &up))
            continue;
        metrics_sample(out, name, (double)up.attempts_refused, "upstream", up.name, "reason", "unreachable", NULL);
        metrics_sample(out, name, (double)up.attempts_in_handshake, "upstream", up.name, "reason", "handshake", NULL);
        metrics_sample(out, name, (double)up.attempts_lost, "upstream", up.name, "reason", "connection-lost", NULL);
    }
}

static void of_latency(struct inspection *inspection, struct metrics *out)
{
    static const struct metrics_histogram none;
    static const char name[] = "dotsgw_upstream_latency_seconds";

    metrics_family(out, name, METRICS_HISTOGRAM,
                   "From the arrival of a client's request to the acknowledgement (2.xx) of this upstream of what was "
                   "sent to it for that.");
    for (size_t i = 0; i < inspection->config->upstream_count; i++) {
        const char *upstream = inspection->config->upstreams[i].name;
        const struct inspection_record *record = inspection_record(inspection, false, upstream);

        metrics_buckets(out, name, record ? &record->taken : &none, "upstream", upstream);
    }
}

static void of_north(struct inspection *inspection, struct metrics *out)
{
    struct northbound_upstream up;

    UPSTREAM_FAMILY("dotsgw_upstream_up", METRICS_GAUGE, "1: sessions to this upstream are up, or none is needed.",
                    strcmp(up.state, "down") != 0);
    UPSTREAM_FAMILY("dotsgw_upstream_sessions", METRICS_GAUGE, "Sessions to this upstream that are up.", up.sessions);
    UPSTREAM_FAMILY("dotsgw_upstream_links", METRICS_GAUGE, "Sessions to this upstream that are wanted.", up.links);
    UPSTREAM_FAMILY("dotsgw_upstream_handshakes_total", METRICS_COUNTER, "Sessions to this upstream that were had.",
                    up.ups);
    of_attempts(inspection, out);
    UPSTREAM_FAMILY("dotsgw_upstream_outages_total", METRICS_COUNTER,
                    "Times that no session to this upstream could be had.", up.outages);
    UPSTREAM_FAMILY("dotsgw_upstream_heartbeats_missed_total", METRICS_COUNTER,
                    "Heartbeats that this upstream did not answer before the next one.", up.heartbeats_missed);
    UPSTREAM_FAMILY("dotsgw_upstream_redirect_loops_total", METRICS_COUNTER,
                    "Times that this upstream redirected in a circle.", up.redirect_loops);
    UPSTREAM_FAMILY("dotsgw_upstream_rtt_seconds", METRICS_GAUGE,
                    "Smoothed round-trip time of the shared session; 0: no estimate.", up.rtt_us / 1e6);
    UPSTREAM_FAMILY("dotsgw_upstream_requests_waiting", METRICS_GAUGE,
                    "Requests to this upstream that wait to be sent, or for their answer.", up.unanswered);
    UPSTREAM_FAMILY("dotsgw_upstream_mitigations", METRICS_GAUGE,
                    "Mitigations that are wanted of this upstream now, acknowledged or not yet.",
                    relay_target_active(inspection->relay, inspection_target(inspection, false, i)));
    of_latency(inspection, out);
}

/* ---- Detectors ---- */

static void of_detectors(const struct inspection *inspection, struct metrics *out)
{
    const struct detectors *detectors = inspection->detectors;
    struct detectors_counts counts;
    struct attack_totals totals;
    const char *rule;
    uint64_t fired;

    detectors_totals(detectors, &totals);
    metrics_family(out, "dotsgw_detector_reports_total", METRICS_COUNTER, "Reports of detectors, by outcome.");
    for (size_t i = 0; detectors_counts(detectors, i, &counts); i++)
        for (size_t j = 0; j < REPORT_OUTCOMES; j++)
            metrics_sample(out, "dotsgw_detector_reports_total", (double)counts.reports[j], "detector", counts.detector,
                           "outcome", detectors_outcomes[j], NULL);
    metrics_family(out, "dotsgw_detector_targets", METRICS_GAUGE, "Targets that a detector has reported lately.");
    for (size_t i = 0; detectors_counts(detectors, i, &counts); i++)
        metrics_sample(out, "dotsgw_detector_targets", (double)counts.targets, "detector", counts.detector, NULL);
    metrics_single(out, "dotsgw_detector_strangers_total", METRICS_COUNTER,
                   "Requests to the detectors' port without the token or certificate of one.",
                   (double)detectors_strangers(detectors));
    metrics_family(out, "dotsgw_attack_rule_fired_total", METRICS_COUNTER,
                   "Times that a rule about attacks has fired.");
    for (size_t i = 0; detectors_fired(detectors, i, &rule, &fired); i++)
        metrics_sample(out, "dotsgw_attack_rule_fired_total", (double)fired, "rule", rule, NULL);
    metrics_single(out, "dotsgw_attacks", METRICS_GAUGE, "Rules about attacks that have fired and not released.",
                   (double)totals.fired);
    metrics_single(out, "dotsgw_attack_mitigations", METRICS_GAUGE, "Mitigations that rules about attacks ask for.",
                   (double)totals.protections);
}

/* ---- What is held, and what is dropped ---- */

static void of_dropped(struct inspection *inspection, struct metrics *out, const char *name, const char *help,
                       bool bytes)
{
    const struct config *config = inspection->config;

    metrics_family(out, name, METRICS_COUNTER, help);
    for (size_t i = 0; i < config->upstream_count + config->mitigator_count; i++) {
        bool mitigator = i >= config->upstream_count;
        const char *target =
            mitigator ? config->mitigators[i - config->upstream_count].name : config->upstreams[i].name;
        const struct inspection_record *record = inspection_record(inspection, mitigator, target);

        metrics_sample(out, name, !record ? 0 : (double)(bytes ? record->bytes : record->pkts), "target", target,
                       "kind", mitigator ? "mitigator" : "upstream", NULL);
    }
}

static void of_jobs(struct inspection *inspection, struct metrics *out)
{
    static const char name[] = "dotsgw_mitigator_jobs";
    const struct config *config = inspection->config;
    struct mitigator_counts counts;

    metrics_family(out, name, METRICS_GAUGE, "Jobs of a mitigator, by what its program knows of them.");
    for (size_t i = 0; i < config->mitigator_count; i++) {
        size_t target = inspection_target(inspection, true, i);
        const char *mitigator = config->mitigators[i].name;

        if (target == SIZE_MAX)
            continue;
        gateway_driver_counts(inspection->targets->at[target].driver, &counts);
        metrics_sample(out, name, (double)counts.waiting, "mitigator", mitigator, "state", "waiting", NULL);
        metrics_sample(out, name, (double)counts.telling, "mitigator", mitigator, "state", "telling", NULL);
        metrics_sample(out, name, (double)counts.running, "mitigator", mitigator, "state", "running", NULL);
    }
}

/* ---- The process ---- */

static double resident(void)
{
    char text[128] = "";
    FILE *file = fopen("/proc/self/statm", "re");
    char *end = NULL;

    if (!file)
        return 0;
    if (!fgets(text, sizeof(text), file))
        text[0] = '\0';
    fclose(file);
    strtoull(text, &end, 10);
    return (double)strtoull(end, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}

static void of_held(struct inspection *inspection, struct metrics *out)
{
    struct relay_totals totals;

    relay_totals(inspection->relay, &totals);
    metrics_single(out, "dotsgw_mitigations", METRICS_GAUGE, "Requests of clients that are held, in any state.",
                   (double)totals.mitigations);
    metrics_single(out, "dotsgw_mitigations_limit", METRICS_GAUGE, "Requests that are held at most.",
                   inspection->config->limits.mitigations);
    metrics_single(out, "dotsgw_requesters", METRICS_GAUGE, "Distinct cuids that hold requests.",
                   (double)totals.requesters);
    metrics_single(out, "dotsgw_bundles", METRICS_GAUGE,
                   "Requests that are wanted at upstreams, and jobs at mitigators; acknowledged or not yet.",
                   (double)totals.installs);
}

void inspection_metrics(void *arg, struct metrics *out)
{
    struct inspection *inspection = arg;
    const struct southbound_counters *counters = southbound_counters(inspection->southbound);

    metrics_family(out, "dotsgw_build_info", METRICS_GAUGE, "1, under the version of this program.");
    metrics_sample(out, "dotsgw_build_info", 1, "version", DOTSGW_VERSION, NULL);
    of_sessions(counters, out);
    of_requests(counters, out);
    measure_data(inspection, out);
    of_north(inspection, out);
    of_detectors(inspection, out);
    metrics_family(out, "dotsgw_alerts_total", METRICS_COUNTER, "What operators were told of requests, by event.");
    for (size_t i = 0; i < INSPECTION_ALERTS; i++)
        metrics_sample(out, "dotsgw_alerts_total", (double)inspection->alerts[i], "event", alert_events[i], NULL);
    metrics_family(out, "dotsgw_certificate_expiry_seconds", METRICS_GAUGE,
                   "When a certificate of this gateway expires, in seconds since 1970.");
    for (size_t i = 0; i < inspection->certificates.count; i++)
        metrics_sample(out, "dotsgw_certificate_expiry_seconds", (double)inspection->certificates.at[i].expires, "file",
                       inspection->certificates.at[i].file, NULL);
    of_held(inspection, out);
    of_jobs(inspection, out);
    of_dropped(inspection, out, "dotsgw_dropped_bytes_total",
               "Attack traffic that was dropped since the start, as far as this target said.", true);
    of_dropped(inspection, out, "dotsgw_dropped_packets_total",
               "Packets of attacks that were dropped since the start, as far as this target said.", false);
    metrics_histogram(out, "dotsgw_store_commit_seconds", "From a change to its commit on disk.", &inspection->commits);
    metrics_single(out, "dotsgw_store_queued_bytes", METRICS_GAUGE, "Changes that wait for the disk.",
                   (double)store_queued(inspection->store));
    metrics_single(out, "dotsgw_store_failing", METRICS_GAUGE, "1: commits fail, nothing new is accepted.",
                   store_failing(inspection->store));
    metrics_single(out, "process_resident_memory_bytes", METRICS_GAUGE, "Resident memory size in bytes.", resident());
}
