/* negotiate: the parameters of one session, asked for and agreed with the server (RFC 9132 section 4.5). */

#include <stdio.h>
#include <string.h>

#include "northbound/signal/link_state.h"

#define RETRY_MS 300000u /* after a server that did not answer */
#define NO_MAX_AGE_S 60  /* RFC 9132 section 4.5.3 */
#define INFINITE_S 4294967295

const uint32_t negotiate_recommended[WIRE_CONFIG_PARAMETERS] = {
    [WIRE_HEARTBEAT_INTERVAL] = 30, [WIRE_MISSING_HB_ALLOWED] = 15, [WIRE_PROBING_RATE] = 5,
    [WIRE_MAX_RETRANSMIT] = 3,      [WIRE_ACK_TIMEOUT] = 200,       [WIRE_ACK_RANDOM_FACTOR] = 150,
};

bool negotiate_choose(const uint32_t *wanted, const struct wire_config_value *offered, bool tcp, bool strict,
                      struct wire_config_value *asked, uint32_t *chosen)
{
    bool any = false;

    memset(asked, 0, sizeof(*asked) * WIRE_CONFIG_PARAMETERS);
    memcpy(chosen, negotiate_recommended, sizeof(negotiate_recommended));
    for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++) {
        const struct wire_config_value *range = &offered[i];
        uint32_t value = wanted[i];

        if ((!range->has_max && !range->has_min && !range->has_current) || (tcp && i != WIRE_HEARTBEAT_INTERVAL))
            continue;
        if (value != 0 || i != WIRE_HEARTBEAT_INTERVAL || strict) {
            if (range->has_max && value > range->max)
                value = range->max;
            if (range->has_min && value < range->min)
                value = range->min;
        }
        asked[i].has_current = true;
        asked[i].current = chosen[i] = value;
        any = true;
    }
    return any;
}

uint64_t negotiate_refresh(int64_t max_age)
{
    if (max_age < 0)
        max_age = NO_MAX_AGE_S;
    if (max_age == 0 || max_age >= INFINITE_S)
        return UINT64_MAX;
    return (uint64_t)max_age * 750; /* three quarters, so that a lost request can be repeated */
}

static void refresh_in(struct channel *channel, uint64_t delay)
{
    channel->negotiation.refresh_at = delay == UINT64_MAX ? LINK_NEVER : link_now(channel->link) + delay;
}

static void done(struct channel *channel, uint64_t delay)
{
    channel->negotiation.state = NEGOTIATION_DONE;
    refresh_in(channel, delay);
    channels_parameters(channel->link);
}

static struct exchange *ask(struct channel *channel, enum dots_method method, uint32_t sid, bool observe,
                            const uint8_t *body, size_t length, link_response_h *handler)
{
    char segment[sizeof("sid=4294967295")];
    const char *path[] = {".well-known", "dots", "config", segment};
    struct link_request request = {.method = method,
                                   .path = path,
                                   .path_count = sid ? 4 : 3,
                                   .body = body,
                                   .body_length = length,
                                   .confirmable = true, /* section 4.5 */
                                   .observe = observe,
                                   .priority = LINK_SESSION};

    snprintf(segment, sizeof(segment), "sid=%u", (unsigned)sid);
    return link_exchange_new(channel->link, channel, &request, handler, channel);
}

static void put_answered(void *arg, enum link_result result, const struct dots_response *response);

/* What to ask for, from what is offered. False: nothing. */
static bool choose(struct channel *channel, struct wire_config *config)
{
    struct negotiation *negotiation = &channel->negotiation;
    bool tcp = dots_session_transport(channel->session) == DOTS_TCP;

    memset(config, 0, sizeof(*config));
    config->has_mitigating = negotiation->offered.has_mitigating &&
                             negotiate_choose(channel->link->wanted.mitigating, negotiation->offered.mitigating, tcp,
                                              negotiation->strict, config->mitigating, negotiation->asked.mitigating);
    config->has_idle =
        negotiation->offered.has_idle && negotiate_choose(channel->link->wanted.idle, negotiation->offered.idle, tcp,
                                                          negotiation->strict, config->idle, negotiation->asked.idle);
    return config->has_mitigating || config->has_idle;
}

static void want_sid(struct channel *channel)
{
    struct wire_config config;

    if (!choose(channel, &config)) {
        done(channel, LINK_NEVER); /* "at least one of the attributes MUST be present": nothing to agree on */
        return;
    }
    channel->negotiation.state = NEGOTIATION_SID;
    channel->link->handlers->sid_wanted(channel->link->arg);
}

static void tell(struct channel *channel)
{
    struct negotiation *negotiation = &channel->negotiation;
    struct wire_message message = {.type = WIRE_SIGNAL_CONFIG};
    uint8_t body[512];
    size_t length = choose(channel, &message.config) ? wire_encode_cbor(&message, body, sizeof(body)) : 0;

    negotiation->state = NEGOTIATION_TELLING;
    negotiation->put = length ? ask(channel, DOTS_PUT, negotiation->sid, false, body, length, put_answered) : NULL;
    if (!negotiation->put)
        done(channel, RETRY_MS);
}

/* The server's current values are in force, whatever we asked for (a notification, a refresh). */
static void take_current(struct negotiation *negotiation, const struct wire_config *config)
{
    for (int i = 0; i < WIRE_CONFIG_PARAMETERS; i++) {
        if (config->has_mitigating && config->mitigating[i].has_current)
            negotiation->chosen.mitigating[i] = config->mitigating[i].current;
        if (config->has_idle && config->idle[i].has_current)
            negotiation->chosen.idle[i] = config->idle[i].current;
    }
}

/* 0, or -1 when the body is not a configuration. */
static int take_offer(struct channel *channel, const struct dots_response *response)
{
    struct wire_message *message = NULL;
    struct wire_error error;

    if (response->content_format != DOTS_CONTENT_FORMAT ||
        wire_decode_cbor(response->body, response->body_length, WIRE_TO_CLIENT, &message, &error) != 0)
        return -1;
    if (message->type != WIRE_SIGNAL_CONFIG) {
        wire_free(message);
        return -1;
    }
    channel->negotiation.offered = message->config;
    wire_free(message);
    return 0;
}

static void put_answered(void *arg, enum link_result result, const struct dots_response *response)
{
    struct channel *channel = arg;
    struct negotiation *negotiation = &channel->negotiation;

    negotiation->put = NULL;
    if (result != LINK_ANSWERED) {
        done(channel, RETRY_MS);
        return;
    }
    if (DOTS_CODE_CLASS(response->code) == 2) {
        negotiation->agreed = true;
        if (negotiation->offered.has_mitigating)
            memcpy(negotiation->chosen.mitigating, negotiation->asked.mitigating,
                   sizeof(negotiation->asked.mitigating));
        if (negotiation->offered.has_idle)
            memcpy(negotiation->chosen.idle, negotiation->asked.idle, sizeof(negotiation->asked.idle));
        negotiation->state = NEGOTIATION_DONE;
        if (response->max_age >= 0)
            refresh_in(channel, negotiate_refresh(response->max_age));
        channels_parameters(channel->link);
        return;
    }
    if (response->code == DOTS_CODE(4, 22) && !negotiation->strict) {
        negotiation->strict = true; /* section 4.5.2: get the acceptable values, then once more with them */
        negotiation->state = NEGOTIATION_ASKING;
        link_repeat(negotiation->watch);
        return;
    }
    link_alert(channel->link, "config-refused",
               "%s refused the session configuration (%u.%02u); the recommended values are used", channel->host,
               DOTS_CODE_CLASS(response->code), DOTS_CODE_DETAIL(response->code));
    done(channel, LINK_NEVER);
}

/* Answers to the GET that observes, and its notifications. */
static void watch_answered(void *arg, enum link_result result, const struct dots_response *response)
{
    struct channel *channel = arg;
    struct negotiation *negotiation = &channel->negotiation;
    bool asking = negotiation->state == NEGOTIATION_ASKING;

    if (result == LINK_ANSWERED && response->code == DOTS_CODE(2, 5) && take_offer(channel, response) == 0) {
        if (asking || negotiation->agreed)
            refresh_in(channel, negotiate_refresh(response->max_age));
        if (asking) {
            want_sid(channel);
        } else if (negotiation->state == NEGOTIATION_DONE) {
            take_current(negotiation, &negotiation->offered);
            channels_parameters(channel->link);
        }
        return;
    }
    if (!asking)
        return;
    /* A server without config says so at once; one that is silent is asked again later. */
    done(channel, result == LINK_ANSWERED && DOTS_CODE_CLASS(response->code) == 4 ? LINK_NEVER : RETRY_MS);
}

static void refresh_answered(void *arg, enum link_result result, const struct dots_response *response)
{
    struct channel *channel = arg;
    struct negotiation *negotiation = &channel->negotiation;

    negotiation->refresh = NULL;
    if (result == LINK_ANSWERED && response->code == DOTS_CODE(2, 5) && take_offer(channel, response) == 0) {
        take_current(negotiation, &negotiation->offered);
        refresh_in(channel, negotiate_refresh(response->max_age));
        channels_parameters(channel->link);
    } else if (result == LINK_ANSWERED && response->code == DOTS_CODE(4, 4)) {
        negotiation->agreed = false; /* the server has forgotten what we agreed on */
        refresh_in(channel, 0);
    } else {
        refresh_in(channel, (uint64_t)NO_MAX_AGE_S * 1000);
    }
}

void negotiation_start(struct channel *channel)
{
    struct negotiation *negotiation = &channel->negotiation;

    memcpy(negotiation->chosen.mitigating, negotiate_recommended, sizeof(negotiate_recommended));
    memcpy(negotiation->chosen.idle, negotiate_recommended, sizeof(negotiate_recommended));
    negotiation->refresh_at = LINK_NEVER;
    negotiation->state = NEGOTIATION_ASKING;
    if (!channel->link->negotiates) {
        done(channel, LINK_NEVER);
        return;
    }
    negotiation->watch = ask(channel, DOTS_GET, 0, true, NULL, 0, watch_answered);
    if (!negotiation->watch)
        done(channel, RETRY_MS);
}

void negotiation_sid(struct channel *channel, uint32_t sid)
{
    channel->negotiation.sid = sid;
    tell(channel);
}

void negotiation_run(struct channel *channel, uint64_t now)
{
    struct negotiation *negotiation = &channel->negotiation;

    if (now < negotiation_due(channel))
        return;
    negotiation->refresh_at = LINK_NEVER;
    if (negotiation->agreed) {
        negotiation->refresh = ask(channel, DOTS_GET, negotiation->sid, false, NULL, 0, refresh_answered);
        if (!negotiation->refresh)
            refresh_in(channel, RETRY_MS);
        return;
    }
    negotiation->strict = false;
    negotiation->state = NEGOTIATION_ASKING;
    if (negotiation->watch)
        link_repeat(negotiation->watch);
    else
        negotiation_start(channel);
}

/* "When a DDoS attack is active, refresh requests MUST NOT be sent": section 4.5.3. */
uint64_t negotiation_due(const struct channel *channel)
{
    const struct negotiation *negotiation = &channel->negotiation;

    if (channel->link->mitigating || negotiation->state != NEGOTIATION_DONE || negotiation->refresh)
        return LINK_NEVER;
    return negotiation->refresh_at;
}
