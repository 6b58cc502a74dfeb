/* inspect: upstreams as operators see them. */

#include "northbound/signal/northbound_state.h"

bool northbound_upstream(const struct northbound *northbound, size_t target, struct northbound_upstream *out)
{
    const struct link_counters *counters;
    const struct upstream *upstream;
    size_t shared_down;

    if (target >= northbound->upstream_count || !northbound->upstreams[target])
        return false;
    upstream = northbound->upstreams[target];
    *out = (struct northbound_upstream){.name = upstream->config->name,
                                        .server = "",
                                        .ups = upstream->ups,
                                        .outages = upstream->outages,
                                        .redirect_loops = upstream->redirect_loops};
    counters = link_endpoint_counters(upstream->endpoint);
    out->unanswered = counters->unanswered;
    out->heartbeats_missed = counters->heartbeats_missed;
    out->attempts_lost = counters->attempts_failed[DOTS_DOWN_CLOSED] + counters->attempts_failed[DOTS_DOWN_LOST];
    out->attempts_refused = counters->attempts_failed[DOTS_DOWN_REFUSED];
    out->attempts_in_handshake = counters->attempts_failed[DOTS_DOWN_HANDSHAKE];
    /* Legs of single clients: counted, because there may be a hundred thousand. */
    shared_down = upstream->shared && upstream->shared->down;
    out->links = HASH_COUNT(upstream->legs);
    out->sessions = out->links - (upstream->down - shared_down);
    if (upstream->shared && upstream->shared->link) {
        out->links++;
        out->sessions += link_is_up(upstream->shared->link);
        out->server = link_text(upstream->shared->link);
        out->rtt_us = link_rtt(upstream->shared->link);
    }
    out->state = out->links == 0 ? "idle" : upstream->down || out->sessions == 0 ? "down" : "up";
    return true;
}
