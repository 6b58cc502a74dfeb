/* detectors: from their opening to their end, and over a reload. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/detectors/state.h"

#define GRACE_MS 500

const char *const detectors_outcomes[REPORT_OUTCOMES] = {[REPORT_NOTED] = "noted",
                                                         [REPORT_MALFORMED] = "malformed",
                                                         [REPORT_OUTSIDE] = "outside",
                                                         [REPORT_TOO_MANY] = "too-many",
                                                         [REPORT_FAILED] = "failed"};

/* ---- Time ---- */

static void due(uv_timer_t *timer)
{
    struct detectors *detectors = timer->data;

    attacks_tick(detectors->attacks, detectors->settings.now());
    detectors_arm(detectors);
}

void detectors_arm(struct detectors *detectors)
{
    int64_t next = attacks_next(detectors->attacks), now = detectors->settings.now();

    if (detectors->ends)
        return;
    if (next == INT64_MAX)
        uv_timer_stop(&detectors->timer);
    else
        uv_timer_start(&detectors->timer, due, next > now ? (uint64_t)(next - now) : 0, 0);
}

/* ---- Counting ---- */

struct tally *tally_of(struct detectors *detectors, const char *name, bool rule)
{
    struct tally *tally;

    TAILQ_FOREACH(tally, &detectors->tallies, entry)
    {
        if (tally->rule == rule && strcmp(tally->name, name) == 0)
            return tally;
    }
    tally = calloc(1, sizeof(*tally));
    if (!tally)
        return NULL;
    snprintf(tally->name, sizeof(tally->name), "%s", name);
    tally->rule = rule;
    TAILQ_INSERT_TAIL(&detectors->tallies, tally, entry);
    return tally;
}

static const struct tally *tally_find(const struct detectors *detectors, const char *name, bool rule)
{
    const struct tally *tally;

    TAILQ_FOREACH(tally, &detectors->tallies, entry)
    {
        if (tally->rule == rule && strcmp(tally->name, name) == 0)
            return tally;
    }
    return NULL;
}

bool detectors_counts(const struct detectors *detectors, size_t index, struct detectors_counts *out)
{
    const struct config *config = detectors->settings.config;
    const struct tally *tally;

    if (index >= config->detector_count)
        return false;
    *out = (struct detectors_counts){.detector = config->detectors[index].name};
    out->targets = attacks_targets(detectors->attacks, out->detector);
    tally = tally_find(detectors, out->detector, false);
    if (tally)
        memcpy(out->reports, tally->counts, sizeof(out->reports));
    return true;
}

bool detectors_fired(const struct detectors *detectors, size_t index, const char **rule, uint64_t *count)
{
    const struct config *config = detectors->settings.config;
    const struct tally *tally;

    if (index >= config->attack_rule_count)
        return false;
    *rule = config->attack_rules[index].name;
    tally = tally_find(detectors, *rule, true);
    *count = tally ? tally->counts[0] : 0;
    return true;
}

uint64_t detectors_strangers(const struct detectors *detectors)
{
    return detectors->strangers;
}

void detectors_totals(const struct detectors *detectors, struct attack_totals *out)
{
    attacks_totals(detectors->attacks, out);
}

/* ---- Opening ---- */

static bool shows_certificates(const struct config *config)
{
    for (size_t i = 0; i < config->detector_count; i++) {
        if (config->detectors[i].san || config->detectors[i].has_spki)
            return true;
    }
    return false;
}

struct http_tls detectors_tls(const struct config *config)
{
    bool asked = shows_certificates(config);

    return (struct http_tls){.certificate = config->tls.certificate,
                             .private_key = config->tls.private_key,
                             .trust_anchors = asked ? config->tls.trust_anchors : NULL,
                             .client_certificate =
                                 asked ? HTTP_CLIENT_CERTIFICATE_OPTIONAL : HTTP_CLIENT_CERTIFICATE_NONE};
}

/* "127.0.0.1:9647", "[::1]:9647": the configuration has checked it. */
static int open_port(struct detectors *detectors, char *error, size_t error_size)
{
    const struct config *config = detectors->settings.config;
    struct http_settings settings = {.name = "detectors",
                                     .tls = detectors_tls(config),
                                     .limits = {.connections = 256,
                                                .connections_per_source = 16,
                                                .streams = 8,
                                                .body_bytes = WEBHOOK_BODY_MAX,
                                                .memory = (size_t)32 * 1024 * 1024}};
    const char *text = config->admin.detectors_listen, *colon = strrchr(text, ':');
    bool brackets = *text == '[';
    char address[64];

    snprintf(address, sizeof(address), "%.*s", (int)(colon - text) - 2 * brackets, text + brackets);
    detectors->port = http_open(detectors->settings.loop, &settings, &detectors_handlers, detectors, error, error_size);
    if (!detectors->port)
        return -1;
    return http_listen_tcp(detectors->port, address, (uint16_t)strtoul(colon + 1, NULL, 10), error, error_size) < 0 ? -1
                                                                                                                    : 0;
}

struct detectors *detectors_open(const struct detectors_settings *settings, char *error, size_t error_size)
{
    struct detectors *detectors = calloc(1, sizeof(*detectors));

    snprintf(error, error_size, "out of memory");
    if (!detectors)
        return NULL;
    detectors->settings = *settings;
    TAILQ_INIT(&detectors->asked);
    TAILQ_INIT(&detectors->tallies);
    detectors->policy = attack_policy_new(settings->config);
    detectors->attacks = detectors->policy ? attacks_new(detectors->policy, &detectors_effects, detectors) : NULL;
    if (!detectors->attacks) {
        attack_policy_free(detectors->policy);
        free(detectors);
        return NULL;
    }
    uv_timer_init(settings->loop, &detectors->timer);
    detectors->timer.data = detectors;
    if (settings->config->admin.detectors_listen && open_port(detectors, error, error_size) != 0) {
        detectors_close(detectors, NULL, NULL);
        return NULL;
    }
    return detectors;
}

/* ---- Reload ---- */

struct detectors_change {
    const struct config *config;
    struct attack_policy *policy; /* the new one; once applied, the old one */
    struct http_material *material;
};

struct detectors_change *detectors_prepare(const struct detectors *detectors, const struct config *config, char *error,
                                           size_t error_size)
{
    struct detectors_change *change = calloc(1, sizeof(*change));

    snprintf(error, error_size, "out of memory");
    if (!change)
        return NULL;
    change->config = config;
    change->policy = attack_policy_new(config);
    if (change->policy && detectors->port) {
        const struct http_tls tls = detectors_tls(config);

        change->material = http_material_load(&tls, error, error_size);
    }
    if (change->policy && (change->material || !detectors->port))
        return change;
    detectors_change_free(change);
    return NULL;
}

void detectors_apply(struct detectors *detectors, struct detectors_change *change)
{
    struct attack_policy *policy = detectors->policy;

    attacks_use(detectors->attacks, detectors->settings.now(), change->policy);
    detectors->policy = change->policy;
    detectors->settings.config = change->config;
    change->policy = policy;
    if (change->material)
        http_renew(detectors->port, change->material);
    detectors_arm(detectors);
}

void detectors_change_free(struct detectors_change *change)
{
    if (!change)
        return;
    attack_policy_free(change->policy);
    http_material_free(change->material);
    free(change);
}

/* ---- Closing ---- */

static void part_closed(void *arg)
{
    struct detectors *detectors = arg;
    void (*on_closed)(void *arg) = detectors->on_closed;
    struct tally *tally;

    if (--detectors->closing > 0)
        return;
    arg = detectors->arg;
    while ((tally = TAILQ_FIRST(&detectors->tallies))) {
        TAILQ_REMOVE(&detectors->tallies, tally, entry);
        free(tally);
    }
    attacks_free(detectors->attacks);
    attack_policy_free(detectors->policy);
    free(detectors);
    if (on_closed)
        on_closed(arg);
}

static void timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

void detectors_close(struct detectors *detectors, void (*on_closed)(void *arg), void *arg)
{
    if (!detectors)
        return;
    detectors->ends = true;
    detectors->on_closed = on_closed;
    detectors->arg = arg;
    detectors->closing = detectors->port ? 2 : 1;
    uv_close((uv_handle_t *)&detectors->timer, timer_closed);
    if (detectors->port)
        http_close(detectors->port, GRACE_MS, part_closed, detectors);
}
