/*
 * observe: the status of every live install is observed (RFC 9132 section 4.4.2.1, RFC 7641).
 *
 * An observation that says nothing for long is registered anew: a server that lost it, or a
 * notification that never came, is found out. Registrations are paced: a few at a time on each leg.
 */

#include <stdlib.h>
#include <string.h>

#include "northbound/signal/northbound_state.h"

static void take_out(struct delivery *delivery)
{
    struct leg *leg = delivery->leg;
    struct delivery **list = delivery->place == DELIVERY_TO_OBSERVE ? &leg->to_observe : &leg->observed;

    if (delivery->place != DELIVERY_NOWHERE)
        DL_DELETE(*list, delivery);
    delivery->place = DELIVERY_NOWHERE;
}

static void set_registering(struct delivery *delivery, bool registering)
{
    if (delivery->registering == registering)
        return;
    delivery->registering = registering;
    if (registering)
        delivery->leg->registering++;
    else
        delivery->leg->registering--;
}

void observe_soon(struct delivery *delivery)
{
    struct leg *leg = delivery->leg;

    if (delivery->withdrawing || delivery->registering || delivery->place == DELIVERY_TO_OBSERVE || leg->closing)
        return;
    take_out(delivery);
    delivery->place = DELIVERY_TO_OBSERVE;
    DL_APPEND(leg->to_observe, delivery);
    leg_kick(leg);
}

void observe_stop(struct delivery *delivery, bool deregister)
{
    take_out(delivery);
    set_registering(delivery, false);
    if (delivery->observe && !delivery->leg->closing)
        link_cancel(delivery->observe, deregister);
    delivery->observe = NULL;
}

/* ---- Notifications ---- */

static const struct wire_scope *scope_of(const struct wire_message *message, uint32_t mid)
{
    if (!message || message->type != WIRE_MITIGATION)
        return NULL;
    for (size_t i = 0; i < message->scope_count; i++) {
        if (message->scopes[i].has_mid && message->scopes[i].mid == mid)
            return &message->scopes[i];
    }
    return message->scope_count == 1 && !message->scopes[0].has_mid ? &message->scopes[0] : NULL;
}

static void heard(struct delivery *delivery)
{
    struct leg *leg = delivery->leg;

    take_out(delivery);
    delivery->heard_at = uv_now(leg->upstream->northbound->loop);
    delivery->place = DELIVERY_OBSERVED;
    DL_APPEND(leg->observed, delivery);
    leg_kick(leg);
}

static void notified(void *arg, enum link_result result, const struct dots_response *response)
{
    struct delivery *delivery = arg;
    struct leg *leg = delivery->leg;
    struct northbound *northbound = leg->upstream->northbound;
    struct wire_message *message;
    const struct wire_scope *scope;

    set_registering(delivery, false);
    if (delivery->withdrawing)
        return;
    heard(delivery);
    if (result != LINK_ANSWERED || DOTS_CODE_CLASS(response->code) == 5 || DOTS_CODE_CLASS(response->code) == 3)
        return; /* says nothing about the mitigation: registered anew after the usual silence */
    if (DOTS_CODE_CLASS(response->code) == 4) {
        delivery->doubted = false;
        take_out(delivery);
        if (!delivery->request) /* else it is being put there just now */
            relay_install_status(northbound->relay, northbound->now(), delivery->install, NULL);
        return;
    }
    if (delivery->doubted) /* it is there: the efficacy update was lost, not ignored */
        delivery_put(northbound, delivery->install);
    message = response_body(leg, response);
    scope = scope_of(message, install_mid(delivery->install));
    if (scope)
        relay_install_status(northbound->relay, northbound->now(), delivery->install, scope);
    wire_free(message);
}

/* ---- Registering ---- */

/* FNV-1a over what makes the path: cdid, cuid and mid. */
static uint64_t path_hash(const struct delivery *delivery)
{
    const struct upstream_cuid *cuid = install_cuid(delivery->install);
    uint32_t mid = install_mid(delivery->install);
    const char *const texts[] = {cuid->cdid, cuid->cuid};
    uint64_t hash = 14695981039346656037ull;

    for (size_t i = 0; i < 2; i++) {
        for (const char *at = texts[i]; *at; at++)
            hash = (hash ^ (uint8_t)*at) * 1099511628211ull;
        hash = (hash ^ '/') * 1099511628211ull;
    }
    for (unsigned shift = 0; shift < 32; shift += 8)
        hash = (hash ^ (mid >> shift & 255)) * 1099511628211ull;
    return hash;
}

bool observe_holds(const struct delivery *delivery)
{
    if (!delivery->observe || delivery->place != DELIVERY_OBSERVED || delivery->doubted ||
        !link_observes(delivery->observe))
        return false;
    return path_hash(delivery) == delivery->observed_path;
}

static void observe(struct delivery *delivery)
{
    static const char *const query[] = {"c=n"}; /* the status alone: section 4.4.2, "SHOULD use c=n" in an attack */
    struct dots_path path;
    uint64_t hash;

    dots_path_of(&path, install_cuid(delivery->install), install_mid(delivery->install));
    hash = path_hash(delivery);
    if (delivery->observe && delivery->observed_path != hash) {
        link_cancel(delivery->observe, true);
        delivery->observe = NULL;
    }
    if (delivery->observe) {
        link_repeat(delivery->observe);
    } else {
        delivery->observe = link_request(delivery->leg->link,
                                         &(struct link_request){.method = DOTS_GET,
                                                                .path = path.at,
                                                                .path_count = path.count,
                                                                .query = query,
                                                                .query_count = 1,
                                                                .observe = true,
                                                                .priority = LINK_STATUS},
                                         notified, delivery);
        delivery->observed_path = hash;
    }
    if (delivery->observe)
        set_registering(delivery, true);
    else
        heard(delivery); /* out of memory: tried again after a silence */
}

static uint64_t silence(bool mitigating)
{
    return mitigating ? NORTH_SILENCE_MITIGATING_MS : NORTH_SILENCE_IDLE_MS;
}

void observe_run(struct leg *leg, uint64_t now, bool mitigating)
{
    struct delivery *delivery, *next;

    for (unsigned i = 0; i < NORTH_TURN_WORK && leg->observed; i++) {
        if (now - leg->observed->heard_at < silence(mitigating))
            break;
        observe_soon(leg->observed);
    }
    DL_FOREACH_SAFE(leg->to_observe, delivery, next)
    {
        if (leg->registering >= NORTH_REGISTERING_MAX || !link_is_up(leg->link))
            break;
        take_out(delivery);
        if (install_wanted(delivery->install))
            observe(delivery);
    }
}

uint64_t observe_due(const struct leg *leg, bool mitigating)
{
    if (leg->to_observe && leg->registering < NORTH_REGISTERING_MAX && link_is_up(leg->link))
        return 0;
    return leg->observed ? leg->observed->heard_at + silence(mitigating) : NORTH_NEVER;
}
