/* feedback: what the targets say, as the client sees it (RFC 9132 section 4.4.2). */

#include <stdlib.h>
#include <string.h>

#include "aggregation/relay_state.h"
#include "aggregation/status.h"

#define TARGETS_MAX 64
#define REFUSED_SHOWN_MS 3600000 /* a refusal is shown until the lifetime ends, at most this long */

static bool same_counters(const struct relay_counters *a, const struct relay_counters *b)
{
    return a->has_bytes == b->has_bytes && a->has_bps == b->has_bps && a->has_pkts == b->has_pkts &&
           a->has_pps == b->has_pps && a->bytes == b->bytes && a->bps == b->bps && a->pkts == b->pkts &&
           a->pps == b->pps;
}

/* Conflicts that an upstream reports; those among our own clients are conflict.c's. */
static void take_conflict(struct relay *relay, struct mitigation *mitigation)
{
    const struct install *install;

    if (!relay->has_upstream)
        return;
    free(mitigation->conflict);
    mitigation->conflict = NULL;
    DL_FOREACH(mitigation->installs, install)
    {
        if (install->conflict && !mitigation->conflict)
            mitigation->conflict = conflict_copy(install->conflict);
    }
}

static void refuse_late(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    int64_t until = now + REFUSED_SHOWN_MS;

    mitigation_end(relay, now, mitigation, WIRE_STATUS_WITHDRAWN,
                   mitigation->expires_ms < until ? mitigation->expires_ms : until);
}

static void show(struct relay *relay, int64_t now, struct mitigation *mitigation, const struct status_report *report)
{
    bool counted = !same_counters(&mitigation->counters, &report->counters);
    enum wire_status status = report->status;

    /* An upstream that lost our signal has triggered it there (section 4.7). */
    if (!mitigation->trigger && !mitigation->active && status >= WIRE_STATUS_IN_PROGRESS &&
        status <= WIRE_STATUS_EXCEEDED)
        mitigation_set_active(mitigation, true, now);
    mitigation->counters = report->counters;
    if (!mitigation->trigger && status == WIRE_STATUS_SIGNAL_LOSS) {
        if (!mitigation->activated && mitigation->active && !mitigation->repeats)
            mitigation_stand_by(relay, now, mitigation);
        return;
    }
    if (mitigation->repeats && status == mitigation->status)
        return; /* its four transmissions are under way */
    if (status == mitigation->status) {
        if (counted)
            mitigation_changed(relay, mitigation);
        return;
    }
    mitigation_show(relay, mitigation, status);
    mitigation->state_until_ms = mitigation->repeats ? now + RELAY_REPEAT_MS : RELAY_FOREVER;
    mitigation_schedule(relay, mitigation);
}

void feedback(struct relay *relay, int64_t now, struct mitigation *mitigation)
{
    struct status_report reports[TARGETS_MAX], combined;
    const struct install *install;
    size_t count = 0, refused = 0;

    if (mitigation->state != MITIGATION_LIVE || mitigation->wait == WAIT_CREATED)
        return;
    DL_FOREACH(mitigation->installs, install)
    {
        if (install->state == INSTALL_REFUSED)
            refused++;
        else if (count < TARGETS_MAX)
            reports[count++] = (struct status_report){.status = install->status, .counters = install->counters};
    }
    take_conflict(relay, mitigation);
    if (count == 0 && refused) {
        /* Refused after the client was told that we try: it must hear of it (docs/behaviour.md). */
        refuse_late(relay, now, mitigation);
        return;
    }
    combined = status_combine(reports, count);
    if (combined.status == 0)
        return;
    if (combined.status >= WIRE_STATUS_CLIENT_WITHDRAWN && combined.status <= WIRE_STATUS_WITHDRAWN) {
        mitigation->counters = combined.counters;
        if (mitigation->trigger)
            refuse_late(relay, now, mitigation);
        else
            show(relay, now, mitigation, &(struct status_report){.status = WIRE_STATUS_WITHDRAWN});
        return;
    }
    if (!mitigation->trigger && !mitigation->active && combined.status == WIRE_STATUS_IN_PROGRESS) {
        bool heard = false;

        for (size_t i = 0; i < count; i++)
            heard = heard || reports[i].status != 0;
        if (!heard)
            return; /* a preconfigured one of which nobody has said anything stands by */
    }
    show(relay, now, mitigation, &combined);
}
