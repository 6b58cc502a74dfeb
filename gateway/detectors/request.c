/* request: what rules ask for, as requests of a client of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregation/inspect.h"
#include "gateway/detectors/state.h"

/* The cdid, where one is inserted, is 22 characters that no hash of a key gives by chance. */
static const struct relay_requester requester = {
    .client = DETECTORS_CLIENT, .cdid = "", .cuid = DETECTORS_CUID, .identity_hash = "detectorsatthisgateway"};

static struct requester *in_relay(const struct detectors *detectors)
{
    return relay_requester_find(detectors->settings.relay, requester.cdid, requester.cuid);
}

static bool is_live(const struct mitigation *mitigation)
{
    struct mitigation_view view;

    mitigation_view(mitigation, &view);
    return strcmp(view.state, "live") == 0;
}

/* ---- Asking ---- */

static void refused(struct detectors *detectors, uint32_t mid, struct waiter *waiter, unsigned status, const char *why)
{
    char reason[ATTACK_REASON_MAX];

    attacks_answered(detectors->attacks, detectors->settings.now(), mid, false, why);
    if (!waiter)
        return;
    snprintf(reason, sizeof(reason), "noted, but its mitigation was refused, and is tried again: %.160s", why);
    waiter_problem(waiter, status, reason);
}

static void ask(void *arg, uint32_t mid, const struct wire_target *target, uint32_t lifetime)
{
    struct detectors *detectors = arg;
    const struct detectors_settings *settings = &detectors->settings;
    struct wire_scope scope = {
        .target = *target, .has_lifetime = true, .lifetime = lifetime, .has_trigger = true, .trigger = true};
    struct relay_put put = {
        .requester = requester,
        .limits = {.mitigations = 2 * ATTACK_PROTECTIONS_MAX, .cuids = 1, .max_lifetime = INT32_MAX},
        .mid = mid,
        .scope = &scope,
        .hop_limit = settings->config->gateway.hop_limit,
    };
    char prefix[WIRE_PREFIX_TEXT];
    struct asked *asked;

    if (detectors->waiter)
        detectors->waiter->asked = true;
    if (!relay_cuid_allowed(settings->relay, &requester)) {
        refused(detectors, mid, detectors->waiter, 409, "a client uses the cuid " DETECTORS_CUID);
        return;
    }
    asked = malloc(sizeof(*asked));
    if (!asked) {
        refused(detectors, mid, detectors->waiter, 503, "out of memory");
        return;
    }
    *asked = (struct asked){.mid = mid, .waiter = detectors->waiter};
    if (asked->waiter)
        asked->waiter->pending++;
    TAILQ_INSERT_TAIL(&detectors->asked, asked, entry);
    put.exchange = asked;
    put.requester.request = log_request();
    log_info("attack-request", LOG_REQUEST " %s: mid %u for %s, lifetime %u s", put.requester.request, DETECTORS_CLIENT,
             mid, wire_prefix_format(&target->prefixes[0], prefix), lifetime);
    relay_put(settings->relay, settings->now(), &put);
}

static struct asked *find(const struct detectors *detectors, const void *exchange)
{
    struct asked *asked;

    TAILQ_FOREACH(asked, &detectors->asked, entry)
    {
        if (asked == exchange)
            return asked;
    }
    return NULL;
}

static void let_go(struct detectors *detectors, struct asked *asked)
{
    struct waiter *waiter = asked->waiter;

    TAILQ_REMOVE(&detectors->asked, asked, entry);
    free(asked);
    if (waiter)
        waiter_done(waiter);
}

bool detectors_answer(struct detectors *detectors, void *exchange, const struct relay_answer *answer)
{
    struct asked *asked = detectors ? find(detectors, exchange) : NULL;

    if (detectors && exchange == &detectors->asked) /* a withdrawal */
        return true;
    if (!asked)
        return false;
    if (answer->code / 100 == 2)
        attacks_answered(detectors->attacks, detectors->settings.now(), asked->mid, true, NULL);
    else
        refused(detectors, asked->mid, asked->waiter, answer->code == 409 ? 409 : 503,
                answer->diagnostic      ? answer->diagnostic
                : (answer->code == 409) ? "it conflicts with another request that overlaps it"
                                        : "it was refused");
    let_go(detectors, asked);
    if (!detectors->waiter) /* else it is set when the report is read */
        detectors_arm(detectors);
    return true;
}

bool detectors_ignore(struct detectors *detectors, void *exchange)
{
    struct asked *asked = detectors ? find(detectors, exchange) : NULL;

    if (detectors && exchange == &detectors->asked)
        return true;
    if (!asked)
        return false;
    if (asked->waiter)
        waiter_problem(asked->waiter, 503, "the gateway is shutting down");
    let_go(detectors, asked);
    return true;
}

/* ---- Looking and withdrawing ---- */

static bool live(void *arg, uint32_t mid)
{
    const struct requester *owner = in_relay(arg);
    const struct mitigation *mitigation = owner ? relay_mitigation_find(owner, mid) : NULL;

    return mitigation && is_live(mitigation);
}

struct search {
    const struct wire_prefix *prefix;
    int64_t now;
    uint32_t mid;
};

static int overlapping(void *arg, const struct mitigation *mitigation)
{
    struct search *search = arg;
    struct wire_scope scope;

    if (!is_live(mitigation))
        return 0;
    mitigation_represent(mitigation, search->now, MITIGATION_CONFIG, &scope);
    for (size_t i = 0; i < scope.target.prefix_count; i++) {
        if (scope_prefix_contains(search->prefix, &scope.target.prefixes[i]) ||
            scope_prefix_contains(&scope.target.prefixes[i], search->prefix)) {
            search->mid = mitigation_mid(mitigation);
            return 1;
        }
    }
    return 0;
}

/* Each that is withdrawn is not live any more: the search goes on with what is left. */
static void withdraw(void *arg, const struct wire_prefix *prefix)
{
    struct detectors *detectors = arg;
    const struct detectors_settings *settings = &detectors->settings;
    struct search search = {.prefix = prefix, .now = settings->now()};
    const struct requester *owner;

    while ((owner = in_relay(detectors)) && relay_mitigation_each(owner, overlapping, &search) != 0) {
        struct relay_requester asking = requester;

        asking.request = log_request();
        log_info("attack-withdraw", LOG_REQUEST " %s: mid %u", asking.request, DETECTORS_CLIENT, search.mid);
        relay_delete(settings->relay, search.now, &asking, search.mid, &detectors->asked);
    }
}

/* ---- What was asked for before ---- */

static int adopt(void *arg, const struct mitigation *mitigation)
{
    struct detectors *detectors = arg;
    int64_t now = detectors->settings.now();
    struct wire_scope scope;

    mitigation_represent(mitigation, now, MITIGATION_ALL, &scope);
    attacks_adopt(detectors->attacks, mitigation_mid(mitigation), &scope.target, is_live(mitigation),
                  now + scope.lifetime * 1000);
    return 0;
}

void detectors_start(struct detectors *detectors)
{
    const struct requester *owner = in_relay(detectors);

    if (owner)
        relay_mitigation_each(owner, adopt, detectors);
    detectors_arm(detectors);
}

/* ---- Events ---- */

static void figures_text(const struct attack_report *report, char *buffer, size_t size)
{
    size_t length = 0;

    buffer[0] = '\0';
    for (int i = 0; i < CONFIG_FIGURES && length < size; i++) {
        if (report->has[i])
            length += (size_t)snprintf(buffer + length, size - length, "%s%s=%llu", length ? " " : "",
                                       attack_figure_names[i], (unsigned long long)report->figures[i]);
    }
    if (!buffer[0])
        snprintf(buffer, size, "no figures");
}

static void event(void *arg, const struct attack_event *event)
{
    struct detectors *detectors = arg;
    char prefix[WIRE_PREFIX_TEXT], target[WIRE_PREFIX_TEXT], figures[160];
    struct tally *tally;

    wire_prefix_format(event->prefix, prefix);
    if (event->kind == ATTACK_REFUSED) {
        log_warning("attack-not-mitigated",
                    "%s: mid %u of %s was refused: %s; it is tried again while the attack lasts", prefix, event->mid,
                    DETECTORS_CLIENT, event->why);
        return;
    }
    wire_prefix_format(&event->report->target, target);
    figures_text(event->report, figures, sizeof(figures));
    if (event->kind == ATTACK_RELEASED) {
        log_notice("attack-over", "rule %s, detector %s, target %s: %s (%s); it needs mid %u for %s no more",
                   event->rule, event->detector, target, event->why, figures, event->mid, prefix);
        return;
    }
    tally = tally_of(detectors, event->rule, true);
    if (tally)
        tally->counts[0]++;
    if (event->mid)
        log_notice("attack-begun", "rule %s, detector %s, target %s: %s; mitigation of %s is asked for as mid %u",
                   event->rule, event->detector, target, figures, prefix, event->mid);
    else
        log_error("attack-begun",
                  "rule %s, detector %s, target %s: %s; it cannot be mitigated: there are %u requests by rules "
                  "already, or memory is short",
                  event->rule, event->detector, target, figures, ATTACK_PROTECTIONS_MAX);
}

const struct attack_effects detectors_effects = {.ask = ask, .withdraw = withdraw, .live = live, .event = event};
