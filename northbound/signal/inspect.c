/* inspect: upstreams as operators see them. */

#include "northbound/signal/northbound_state.h"

bool northbound_upstream(const struct northbound *northbound, size_t target, struct northbound_upstream *out)
{
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
