/* inspect: hands admin what south, north and the store know; metrics of the whole process. */

#include "gateway/inspect.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aggregation/inspect.h"
#include "gateway/coap/message.h"

/* ---- How long the store takes ---- */

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

/* ---- Lists ---- */

static void *sessions_begin(void *arg)
{
    return southbound_walk_begin(((struct inspection *)arg)->southbound);
}

static bool sessions_next(void *walk, struct admin_session *out)
{
    struct southbound_session session;

    if (!southbound_walk_next(walk, &session))
        return false;
    *out = (struct admin_session){
        .client = session.client,
        .peer = session.peer,
        .transport = session.transport,
        .state = session.state,
        .deaf = session.deaf,
        .mitigating = session.mitigating,
        .up_ms = session.up_ms,
        .heard_ms = session.heard_ms,
        .rtt_ms = session.rtt_ms,
        .observers = session.observers,
    };
    return true;
}

static void sessions_end(void *walk)
{
    southbound_walk_end(walk);
}

static size_t target_of(void *arg, bool mitigator, size_t index)
{
    const struct targets *targets = ((const struct inspection *)arg)->targets;

    for (size_t i = 0; i < targets->count; i++) {
        const struct target *target = &targets->at[i];

        if (target->kind == (mitigator ? TARGET_MITIGATOR : TARGET_UPSTREAM) && !target->leaving &&
            target->index == index)
            return i;
    }
    return SIZE_MAX;
}

static bool upstream(void *arg, size_t index, struct admin_upstream *out)
{
    const struct inspection *inspection = arg;
    struct northbound_upstream upstream;

    if (!northbound_upstream(inspection->northbound, target_of(arg, false, index), &upstream))
        return false;
    *out = (struct admin_upstream){
        .name = upstream.name,
        .state = upstream.state,
        .server = upstream.server,
        .sessions = upstream.sessions,
        .links = upstream.links,
        .rtt_us = upstream.rtt_us,
        .ups = upstream.ups,
        .outages = upstream.outages,
    };
    return true;
}

/* ---- Alerts and certificates ---- */

static const char *const alert_events[INSPECTION_ALERTS] = {
    "conflict",     "cuid-collision", "failover", "hop-limit",        "nat-unmapped",
    "part-refused", "recursion",      "store",    "withdraw-refused", "other"};

void inspection_alert(struct inspection *inspection, const char *event)
{
    size_t i = 0;

    while (i < INSPECTION_ALERTS - 1 && strcmp(alert_events[i], event) != 0)
        i++;
    inspection->alerts[i]++;
}

/* Blocks on the file. */
static void note_certificate(struct inspection_certificates *out, const char *file)
{
    struct inspection_certificate *note = &out->at[out->count];
    FILE *in;
    X509 *certificate;
    struct tm end;

    for (size_t i = 0; file && i < out->count; i++) {
        if (strcmp(out->at[i].file, file) == 0)
            return;
    }
    if (!file || out->count == INSPECTION_CERTIFICATES || !(in = fopen(file, "re")))
        return;
    certificate = PEM_read_X509(in, NULL, NULL, NULL);
    fclose(in);
    if (certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1) {
        note->file = file;
        note->expires = timegm(&end);
        out->count++;
    }
    X509_free(certificate);
}

/* ---- Metrics ---- */

static void of_south(struct inspection *inspection, struct metrics *out)
{
    static const char *const methods[] = {"other", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"};
    const struct southbound_counters *counters = southbound_counters(inspection->southbound);
    char code[8];

    metrics_family(out, "dotsgw_sessions", METRICS_GAUGE, "Sessions of clients that are up, by state.");
    metrics_sample(out, "dotsgw_sessions", (double)counters->served, "state", "served", NULL);
    metrics_sample(out, "dotsgw_sessions", (double)(counters->sessions - counters->served), "state", "refused", NULL);
    metrics_family(out, "dotsgw_handshakes_total", METRICS_COUNTER, "Handshakes of clients that succeeded.");
    metrics_sample(out, "dotsgw_handshakes_total", (double)counters->sessions_up[0], "transport", "udp", NULL);
    metrics_sample(out, "dotsgw_handshakes_total", (double)counters->sessions_up[1], "transport", "tcp", NULL);
    metrics_single(out, "dotsgw_handshakes_failed_total", METRICS_COUNTER, "Handshakes of clients that failed.",
                   (double)counters->handshakes_failed);
    metrics_single(out, "dotsgw_sessions_ended_total", METRICS_COUNTER, "Sessions of clients that have ended.",
                   (double)counters->sessions_down);
    metrics_single(out, "dotsgw_heartbeats_missed_total", METRICS_COUNTER,
                   "Heartbeats to clients that were not answered before the next one.",
                   (double)counters->heartbeats_missed);
    metrics_single(out, "dotsgw_signals_lost_total", METRICS_COUNTER,
                   "Clients whose signal was lost: their preconfigured mitigations were activated.",
                   (double)counters->signals_lost);
    metrics_single(out, "dotsgw_requests_resolving", METRICS_GAUGE, "Requests that wait for DNS.",
                   (double)counters->resolving);
    metrics_family(out, "dotsgw_requests_total", METRICS_COUNTER, "Requests of clients, by method.");
    for (size_t i = 0; i < 8; i++)
        metrics_sample(out, "dotsgw_requests_total", (double)counters->requests[i], "method", methods[i], NULL);
    metrics_family(out, "dotsgw_responses_total", METRICS_COUNTER, "Responses to clients, by CoAP code.");
    for (unsigned i = 0; i < 256; i++) {
        if (!counters->responses[i])
            continue;
        snprintf(code, sizeof(code), "%u.%02u", DOTS_CODE_CLASS(i), DOTS_CODE_DETAIL(i));
        metrics_sample(out, "dotsgw_responses_total", (double)counters->responses[i], "code", code, NULL);
    }
}

#define UPSTREAM_FAMILY(NAME, TYPE, HELP, VALUE)                                                   \
    do {                                                                                           \
        metrics_family(out, (NAME), (TYPE), (HELP));                                               \
        for (size_t i = 0; i < inspection->config->upstream_count; i++)                            \
            if (northbound_upstream(inspection->northbound, target_of(inspection, false, i), &up)) \
                metrics_sample(out, (NAME), (double)(VALUE), "upstream", up.name, NULL);           \
    } while (0)

static void of_north(struct inspection *inspection, struct metrics *out)
{
    struct northbound_upstream up;

    UPSTREAM_FAMILY("dotsgw_upstream_up", METRICS_GAUGE, "1: sessions to this upstream are up, or none is needed.",
                    strcmp(up.state, "down") != 0);
    UPSTREAM_FAMILY("dotsgw_upstream_sessions", METRICS_GAUGE, "Sessions to this upstream that are up.", up.sessions);
    UPSTREAM_FAMILY("dotsgw_upstream_links", METRICS_GAUGE, "Sessions to this upstream that are wanted.", up.links);
    UPSTREAM_FAMILY("dotsgw_upstream_outages_total", METRICS_COUNTER,
                    "Times that no session to this upstream could be had.", up.outages);
    UPSTREAM_FAMILY("dotsgw_upstream_redirect_loops_total", METRICS_COUNTER,
                    "Times that this upstream redirected in a circle.", up.redirect_loops);
    UPSTREAM_FAMILY("dotsgw_upstream_rtt_seconds", METRICS_GAUGE,
                    "Smoothed round-trip time of the shared session; 0: no estimate.", up.rtt_us / 1e6);
    UPSTREAM_FAMILY("dotsgw_upstream_mitigations", METRICS_GAUGE, "Mitigations that are active at this upstream.",
                    relay_target_active(inspection->relay, target_of(inspection, false, i)));
}

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

static void metrics(void *arg, struct metrics *out)
{
    struct inspection *inspection = arg;
    struct relay_totals totals;

    relay_totals(inspection->relay, &totals);
    metrics_family(out, "dotsgw_build_info", METRICS_GAUGE, "1, under the version of this program.");
    metrics_sample(out, "dotsgw_build_info", 1, "version", DOTSGW_VERSION, NULL);
    of_south(inspection, out);
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
    metrics_single(out, "dotsgw_mitigations", METRICS_GAUGE, "Requests of clients that are held, in any state.",
                   (double)totals.mitigations);
    metrics_single(out, "dotsgw_mitigations_limit", METRICS_GAUGE, "Requests that are held at most.",
                   inspection->config->limits.mitigations);
    metrics_single(out, "dotsgw_requesters", METRICS_GAUGE, "Distinct cuids that hold requests.",
                   (double)totals.requesters);
    metrics_single(out, "dotsgw_bundles", METRICS_GAUGE, "Requests at upstreams and jobs at mitigators.",
                   (double)totals.installs);
    metrics_histogram(out, "dotsgw_store_commit_seconds", "From a change to its commit on disk.", &inspection->commits);
    metrics_single(out, "dotsgw_store_queued_bytes", METRICS_GAUGE, "Changes that wait for the disk.",
                   (double)store_queued(inspection->store));
    metrics_single(out, "dotsgw_store_failing", METRICS_GAUGE, "1: commits fail, nothing new is accepted.",
                   store_failing(inspection->store));
    metrics_single(out, "process_resident_memory_bytes", METRICS_GAUGE, "Resident memory size in bytes.", resident());
}

/* ---- Attacks ---- */

static json_t *attacks(void *arg)
{
    return detectors_list(((const struct inspection *)arg)->detectors);
}

static void report_attack(void *arg, struct http_exchange *exchange, const json_t *body, const char *peer)
{
    detectors_report(((struct inspection *)arg)->detectors, exchange, body, peer);
}

static const struct admin_sources sources = {
    .sessions_begin = sessions_begin,
    .sessions_next = sessions_next,
    .sessions_end = sessions_end,
    .upstream = upstream,
    .target = target_of,
    .metrics = metrics,
    .attacks = attacks,
    .report_attack = report_attack,
};

void inspection_certificates(const struct config *config, struct inspection_certificates *out)
{
    out->count = 0;
    if (!config->admin.socket && !config->admin.metrics)
        return;
    note_certificate(out, config->tls.certificate);
    for (size_t i = 0; i < config->upstream_count; i++)
        note_certificate(out, config->upstreams[i].credentials.certificate);
}

void inspection_use(struct inspection *inspection, const struct config *config,
                    const struct inspection_certificates *certificates, struct admin *admin)
{
    inspection->config = config;
    inspection->certificates = *certificates;
    admin_use(admin, config);
}

int inspection_open(struct inspection *inspection, uv_loop_t *loop, int64_t (*now)(void), struct admin **admin,
                    char *error, size_t error_size)
{
    const struct config *config = inspection->config;
    struct admin_settings settings = {.loop = loop,
                                      .config = config,
                                      .relay = inspection->relay,
                                      .now = now,
                                      .sources = &sources,
                                      .actions = inspection->actions,
                                      .arg = inspection};

    *admin = NULL;
    if (!config->admin.socket && !config->admin.metrics)
        return 0;
    inspection_certificates(config, &inspection->certificates);
    *admin = admin_open(&settings, error, error_size);
    return *admin ? 0 : -1;
}
