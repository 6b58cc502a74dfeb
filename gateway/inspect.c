/* inspect: hands admin what south, north and the store know. */

#include "gateway/inspect.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

size_t inspection_target(void *arg, bool mitigator, size_t index)
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

    if (!northbound_upstream(inspection->northbound, inspection_target(arg, false, index), &upstream))
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

static void tallies(void *arg, struct admin_tallies *out)
{
    const struct inspection *inspection = arg;
    const struct southbound_counters *counters = southbound_counters(inspection->southbound);

    for (unsigned i = 0; i < ADMIN_STANDINGS; i++) {
        out->sessions[i].state = southbound_standing_name(i);
        out->sessions[i].udp = counters->sessions[i][0];
        out->sessions[i].tcp = counters->sessions[i][1];
    }
    out->store_failing = store_failing(inspection->store);
}
_Static_assert(ADMIN_STANDINGS == SOUTHBOUND_STANDINGS, "tallies of each standing");

static void dropped(void *arg, bool mitigator, size_t index, uint64_t *bytes, uint64_t *pkts)
{
    const struct inspection *inspection = arg;
    const struct config *config = inspection->config;
    const struct inspection_record *record = inspection_record(
        inspection, mitigator, mitigator ? config->mitigators[index].name : config->upstreams[index].name);

    *bytes = record ? record->bytes : 0;
    *pkts = record ? record->pkts : 0;
}

/* ---- Certificates ---- */

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
    .target = inspection_target,
    .metrics = inspection_metrics,
    .tallies = tallies,
    .dropped = dropped,
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
    inspection_forget(inspection);
    inspection->certificates = *certificates;
    admin_use(admin, config);
}

void inspection_release(struct inspection *inspection)
{
    free(inspection->records);
    inspection->records = NULL;
    inspection->record_count = 0;
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
