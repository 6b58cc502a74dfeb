/*
 * repair: after a new session, what an upstream has is read and handed to the relay, which makes it
 * match. One GET for each upstream cuid, a few at a time.
 */

#include <stdlib.h>

#include "northbound/signal/northbound_state.h"

#define LIST_MS 60000u /* without an answer: what is there is observed meanwhile, one by one */

struct listing *listing_of(struct leg *leg, struct upstream_cuid *cuid)
{
    struct listing *listing = cuid->user;

    if (listing)
        return listing;
    listing = calloc(1, sizeof(*listing));
    if (!listing) { /* without it we would not hear that the owner goes */
        if (leg->listings == 0 && !leg->shared)
            leg_owner_gone(leg);
        return NULL;
    }
    listing->cuid = cuid;
    listing->leg = leg;
    leg->listings++;
    cuid->user = listing;
    return listing;
}

void listing_free(struct listing *listing)
{
    struct leg *leg = listing->leg;

    if (listing->queued)
        DL_DELETE(leg->to_list, listing);
    if (listing->request) {
        leg->listing--;
        if (!leg->closing)
            link_cancel(listing->request, false);
    }
    listing->cuid->user = NULL;
    leg->listings--;
    free(listing);
}

void northbound_upstream_cuid_gone(struct northbound *northbound, struct upstream_cuid *cuid)
{
    struct listing *listing = cuid->user;
    struct leg *leg;

    (void)northbound;
    if (!listing)
        return;
    leg = listing->leg;
    listing_free(listing);
    if (leg->listings == 0 && !leg->shared)
        leg_owner_gone(leg);
    else
        leg_kick(leg);
}

static int queue(void *arg, struct upstream_cuid *cuid)
{
    struct leg *leg = arg;
    struct listing *listing = listing_of(leg, cuid);

    if (!listing || listing->queued || listing->request)
        return 0;
    listing->queued = true;
    DL_APPEND(leg->to_list, listing);
    return 0;
}

void repair_begin(struct leg *leg)
{
    const struct upstream *upstream = leg->upstream;

    relay_upstream_cuid_each(upstream->northbound->relay, upstream->target, leg->owner, queue, leg);
}

static int observe_install(void *arg, struct install *install)
{
    struct delivery *delivery;

    if (!install_wanted(install))
        return 0;
    delivery = delivery_of(arg, install);
    if (delivery && !delivery->request) /* one that is being put is observed after its answer */
        observe_soon(delivery);
    return 0;
}

/* The answer of a GET of all; an upstream without any says 4.04 (section 4.4.2). */
static void listed(void *arg, enum link_result result, const struct dots_response *response)
{
    struct listing *listing = arg;
    struct leg *leg = listing->leg;
    struct northbound *northbound = leg->upstream->northbound;
    struct upstream_cuid *cuid = listing->cuid;
    struct wire_message *message = NULL;

    listing->request = NULL;
    leg->listing--;
    leg_kick(leg);
    upstream_cuid_install_each(cuid, observe_install, northbound);
    if (result != LINK_ANSWERED) {
        queue(leg, cuid); /* again, until there is an answer or no session */
        return;
    }
    if (response->code == DOTS_CODE(2, 5))
        message = response_body(leg, response);
    if (message && message->type == WIRE_MITIGATION)
        relay_upstream_listed(northbound->relay, northbound->now(), cuid, message->scopes, message->scope_count);
    else if (response->code == DOTS_CODE(4, 4))
        relay_upstream_listed(northbound->relay, northbound->now(), cuid, NULL, 0);
    wire_free(message);
}

static void list(struct leg *leg, struct listing *listing)
{
    const struct northbound *northbound = leg->upstream->northbound;
    struct dots_path path;

    dots_path_of(&path, listing->cuid, -1);
    /* Confirmable when no attack is on (section 4.5), else repeated like every mitigation request. */
    listing->request = link_request(leg->link,
                                    &(struct link_request){.method = DOTS_GET,
                                                           .path = path.at,
                                                           .path_count = path.count,
                                                           .confirmable = !relay_target_mitigating(
                                                               northbound->relay, leg->upstream->target, leg->owner),
                                                           .give_up_ms = LIST_MS,
                                                           .priority = LINK_SESSION},
                                    listed, listing);
    if (listing->request)
        leg->listing++;
}

void repair_run(struct leg *leg)
{
    while (leg->to_list && leg->listing < NORTH_LISTINGS_MAX && link_is_up(leg->link)) {
        struct listing *listing = leg->to_list;

        DL_DELETE(leg->to_list, listing);
        listing->queued = false;
        list(leg, listing);
    }
}
