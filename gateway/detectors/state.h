/* state: what the files of detectors share; nobody else includes it. */
#pragma once

#include <sys/queue.h>

#include "gateway/detectors/detectors.h"
#include "gateway/log/log.h"

#define REPORT_BODY_MAX ((size_t)16 * 1024)    /* bytes of a detector's own report */
#define WEBHOOK_BODY_MAX ((size_t)1024 * 1024) /* of Alertmanager's: ATTACK_ALERTS_MAX alerts of 1 KiB */
#define STRANGER_BODY_MAX ((size_t)4 * 1024)   /* of somebody unknown, who is answered 401 */

#define TOLD_MS 10000 /* what anybody can bring about at will is logged no more often */

/* A report that is being answered. */
struct waiter {
    struct http_exchange *exchange;
    unsigned pending; /* requests that the relay has not answered; and the report itself, while it is read */
    size_t noted;
    unsigned status; /* of the first thing that went wrong; 0: nothing */
    bool asked;
    char reason[ATTACK_REASON_MAX];
};

/* A request that the relay has. */
struct asked {
    uint32_t mid;
    struct waiter *waiter; /* NULL: nobody waits */
    TAILQ_ENTRY(asked) entry;
};

/* What is counted, by name: for as long as the process lives, so that a reload does not set it back. */
struct tally {
    char name[65];
    bool rule;
    struct log_repeat refused;
    uint64_t counts[REPORT_OUTCOMES]; /* of a rule: the first one */
    TAILQ_ENTRY(tally) entry;
};

struct detectors {
    struct detectors_settings settings;
    struct attack_policy *policy;
    struct attacks *attacks;
    struct http_server *port; /* NULL: not configured */
    uv_timer_t timer;
    TAILQ_HEAD(, asked) asked;
    TAILQ_HEAD(, tally) tallies;
    struct waiter *waiter; /* whose report is being read */
    uint64_t strangers, strangers_told;
    int64_t strangers_told_ms, limit_told_ms;
    bool ends;
    unsigned closing;
    void (*on_closed)(void *arg);
    void *arg;
};

/* ---- detectors.c ---- */

void detectors_arm(struct detectors *detectors);
struct tally *tally_of(struct detectors *detectors, const char *name, bool rule); /* NULL: out of memory */
struct http_tls detectors_tls(const struct config *config);

/* ---- request.c ---- */

extern const struct attack_effects detectors_effects;

/* ---- intake.c ---- */

void intake_report(struct detectors *detectors, struct http_exchange *exchange, const char *detector,
                   const json_t *body, const char *peer);
void intake_webhook(struct detectors *detectors, struct http_exchange *exchange, const char *detector,
                    const json_t *body, const char *peer);
void waiter_problem(struct waiter *waiter, unsigned status, const char *reason);
void waiter_done(struct waiter *waiter); /* one of what it waits for */
void answer_error(struct http_exchange *exchange, unsigned status, const char *reason);

/* ---- who.c ---- */

/* The detector whose token or certificate this is; NULL: nobody's. */
const struct config_detector *who_asks(const struct config *config, const struct http_request *request);

/* ---- port.c ---- */

extern const struct http_handlers detectors_handlers;
