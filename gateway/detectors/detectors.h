/*
 * detectors: attack reports in, mitigation requests out.
 *
 * Words: a *detector* is a program that sees attacks, known by a bearer token or a certificate on the detectors' port
 * (admin.detectors.listen: HTTPS, which can do nothing else), or named by whoever has the control socket; a *waiter* is
 * a report whose answer waits until what it led to is committed.
 * Called by assemble, reload and inspect on the loop thread. The rules are gateway/attack's; requests go to the relay
 * as those of a client of their own, and take the way of every request. It knows neither side.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "aggregation/relay.h"
#include "gateway/attack/attack.h"
#include "gateway/config/config.h"
#include "gateway/http/http.h"

/* The client, in the relay, to which requests by rules belong: no configured client has a space in its name. */
#define DETECTORS_CLIENT "the detectors"
#define DETECTORS_CUID "dotsgw-detectors"

struct detectors;

struct detectors_settings {
    uv_loop_t *loop;
    const struct config *config; /* borrowed */
    struct relay *relay;
    int64_t (*now)(void);
};

/* Opens admin.detectors, when the configuration has it. NULL with a sentence in error. */
struct detectors *detectors_open(const struct detectors_settings *settings, char *error, size_t error_size);
/* After relay_start: takes up what was asked for before. */
void detectors_start(struct detectors *detectors);

/* The relay's effects, as far as they concern detectors. False: the exchange is not one of theirs. NULL is fine. */
bool detectors_answer(struct detectors *detectors, void *exchange, const struct relay_answer *answer);
bool detectors_ignore(struct detectors *detectors, void *exchange);

/* A reload: the first, on any thread, reads files; the second, on the loop, never fails, and leaves in the change what
 * was in force before. NULL with a sentence. */
struct detectors_change;
struct detectors_change *detectors_prepare(const struct detectors *detectors, const struct config *config, char *error,
                                           size_t error_size);
void detectors_apply(struct detectors *detectors, struct detectors_change *change);
void detectors_change_free(struct detectors_change *change); /* any thread; NULL is fine */

/* After relay_free, in the same turn. NULL is fine: then on_closed does not come. */
void detectors_close(struct detectors *detectors, void (*on_closed)(void *arg), void *arg);

/* A report over the control socket: body (borrowed) names the detector. Ends the exchange, now or later. */
void detectors_report(struct detectors *detectors, struct http_exchange *exchange, const json_t *body,
                      const char *peer);
/* What is known of attacks: a new reference; NULL: out of memory. */
json_t *detectors_list(const struct detectors *detectors);

/* ---- For metrics ---- */

enum detectors_outcome {
    REPORT_NOTED,
    REPORT_MALFORMED,
    REPORT_OUTSIDE,
    REPORT_TOO_MANY,
    REPORT_FAILED,
    REPORT_OUTCOMES
};
extern const char *const detectors_outcomes[REPORT_OUTCOMES];

struct detectors_counts {
    const char *detector;
    uint64_t reports[REPORT_OUTCOMES];
    size_t targets;
};
/* By the configuration's order; false past the end. */
bool detectors_counts(const struct detectors *detectors, size_t index, struct detectors_counts *out);
/* Of each rule, by the configuration's order; false past the end. */
bool detectors_fired(const struct detectors *detectors, size_t index, const char **rule, uint64_t *count);
uint64_t detectors_strangers(const struct detectors *detectors); /* requests without a good token or certificate */
void detectors_totals(const struct detectors *detectors, struct attack_totals *out);
