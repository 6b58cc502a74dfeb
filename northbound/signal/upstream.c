/* upstream: one configured server group and its legs. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "northbound/signal/northbound_state.h"

static bool mitigating(const struct leg *leg)
{
    if (!leg->shared && !leg->owner)
        return false;
    return relay_target_mitigating(leg->upstream->northbound->relay, leg->upstream->target, leg->owner);
}

static const char *of_whom(const struct leg *leg)
{
    return leg->owner ? leg->owner->cuid : leg->shared ? "all" : "nobody";
}

/* ---- What the link tells ---- */

static void on_up(void *arg)
{
    struct leg *leg = arg;
    struct upstream *upstream = leg->upstream;
    struct northbound *northbound = upstream->northbound;

    upstream->ups++;
    log_debug("session-up", "upstream %s, for %s: %s", upstream->config->name, of_whom(leg), link_text(leg->link));
    if (leg->down) {
        leg->down = false;
        if (--upstream->down == 0)
            log_notice("upstream-up", "upstream %s is back: %s", upstream->config->name, link_text(leg->link));
    } else if (leg->shared) {
        log_info("upstream-connected", "upstream %s: %s", upstream->config->name, link_text(leg->link));
    }
    if (!leg->shared && !leg->owner)
        return;
    /* What waits goes out at once; what is there is looked at after it. */
    relay_upstream_up(northbound->relay, northbound->now(), upstream->target, leg->owner);
    repair_begin(leg);
    leg_kick(leg);
}

static void on_down(void *arg, const char *text)
{
    struct leg *leg = arg;
    struct upstream *upstream = leg->upstream;

    if (leg->down)
        return;
    leg->down = true;
    upstream->outages++;
    if (upstream->down++ == 0) /* once an outage, not once a leg */
        log_warning("upstream-down", "upstream %s: %s. %s", upstream->config->name, text,
                    upstream->northbound->config->fan_out == CONFIG_FAN_OUT_SERIAL
                        ? "Requests for it go to the next upstream that can take them"
                        : "Requests for it are kept and sent when it is back");
    if (leg->shared || leg->owner)
        relay_upstream_down(upstream->northbound->relay, upstream->northbound->now(), upstream->target, leg->owner);
}

static void on_alert(void *arg, const char *event, const char *text)
{
    const struct leg *leg = arg;
    struct upstream *upstream = leg->upstream;
    uint64_t now = uv_now(upstream->northbound->loop);

    upstream->redirect_loops += strcmp(event, "redirect-loop") == 0;
    /* What befalls an upstream befalls all its legs: one of them is said, the others are for debugging. */
    if (!leg->shared && upstream->alerted_at && now - upstream->alerted_at < NORTH_ALERT_MS) {
        log_debug(event, "upstream %s, for %s: %s", upstream->config->name, of_whom(leg), text);
        return;
    }
    upstream->alerted_at = now;
    log_warning(event, "upstream %s, for %s: %s", upstream->config->name, of_whom(leg), text);
}

/* Without anything that says the opposite it still mitigates: what that means is the relay's. */
static void on_silent(void *arg)
{
    struct leg *leg = arg;
    struct northbound *northbound = leg->upstream->northbound;

    on_alert(leg, "session-silent", "no answers to heartbeats, but in an attack the session is kept");
    if (leg->shared || leg->owner)
        relay_upstream_down(northbound->relay, northbound->now(), leg->upstream->target, leg->owner);
}

static void on_heard(void *arg)
{
    struct leg *leg = arg;
    struct northbound *northbound = leg->upstream->northbound;

    if (leg->shared || leg->owner)
        relay_upstream_up(northbound->relay, northbound->now(), leg->upstream->target, leg->owner);
}

static void on_sid_wanted(void *arg)
{
    sid_wanted(arg);
}

static const struct link_handlers handlers = {.up = on_up,
                                              .down = on_down,
                                              .sid_wanted = on_sid_wanted,
                                              .alert = on_alert,
                                              .silent = on_silent,
                                              .heard = on_heard};

/* ---- Legs ---- */

/* At the end of all they are freed together: deliveries may still point there. */
static void handle_closed(struct upstream *upstream)
{
    struct northbound *northbound = upstream->northbound;

    if (--upstream->handles == 0 && upstream->gone && !northbound->closing) {
        DL_DELETE2(northbound->gone, upstream, gone_prev, gone_next);
        upstream_free(upstream);
    }
    north_handle_closed(northbound);
}

static void leg_free(uv_handle_t *handle)
{
    struct leg *leg = handle->data;
    struct upstream *upstream = leg->upstream;

    if (upstream->northbound->closing)
        DL_APPEND2(upstream->northbound->closed, leg, sid_prev, sid_next);
    else
        free(leg);
    handle_closed(upstream);
}

static void leg_close(struct leg *leg)
{
    struct upstream *upstream = leg->upstream;

    if (leg->closing)
        return;
    leg->closing = true;
    sid_forget(leg);
    link_close(leg->link);
    if (leg->down && --upstream->down == 0 && !upstream->northbound->closing)
        log_notice("upstream-up", "upstream %s: nobody waits for it any more", upstream->config->name);
    if (leg->shared)
        upstream->shared = NULL;
    else
        HASH_DEL(upstream->legs, leg);
    uv_close((uv_handle_t *)&leg->timer, leg_free);
}

static void leg_schedule(struct leg *leg);

static bool idle(const struct leg *leg)
{
    return !leg->shared && leg->deliveries == 0 && leg->listings == 0;
}

static void leg_run(uv_timer_t *timer)
{
    struct leg *leg = timer->data;
    uint64_t now = uv_now(leg->upstream->northbound->loop);

    if (idle(leg) && now - leg->idle_since >= NORTH_IDLE_CLOSE_MS) {
        leg_close(leg);
        return;
    }
    link_set_mitigating(leg->link, mitigating(leg));
    delivery_failures(leg);
    repair_run(leg);
    observe_run(leg, now, mitigating(leg));
    leg_schedule(leg);
}

static void leg_schedule(struct leg *leg)
{
    uint64_t now = uv_now(leg->upstream->northbound->loop), due;

    if (leg->closing)
        return;
    due = leg->failed ? now : observe_due(leg, mitigating(leg));
    if (idle(leg) && leg->idle_since + NORTH_IDLE_CLOSE_MS < due)
        due = leg->idle_since + NORTH_IDLE_CLOSE_MS;
    if (due == NORTH_NEVER)
        uv_timer_stop(&leg->timer);
    else
        uv_timer_start(&leg->timer, leg_run, due > now ? due - now : 0, 0);
}

void leg_kick(struct leg *leg)
{
    if (!leg->closing)
        uv_timer_start(&leg->timer, leg_run, 0, 0);
}

void leg_owner_gone(struct leg *leg)
{
    leg->owner = NULL;
    leg->idle_since = uv_now(leg->upstream->northbound->loop);
    leg_kick(leg);
}

static void wanted(uint32_t to[WIRE_CONFIG_PARAMETERS], const struct config_session *from)
{
    to[WIRE_HEARTBEAT_INTERVAL] = from->heartbeat_interval.current;
    to[WIRE_MISSING_HB_ALLOWED] = from->missing_hb_allowed.current;
    to[WIRE_PROBING_RATE] = from->probing_rate.current;
    to[WIRE_MAX_RETRANSMIT] = from->max_retransmit.current;
    to[WIRE_ACK_TIMEOUT] = from->ack_timeout.current;
    to[WIRE_ACK_RANDOM_FACTOR] = from->ack_random_factor.current;
}

static void wanted_of(struct link_parameters *to, const struct config *config)
{
    wanted(to->mitigating, &config->mitigating);
    wanted(to->idle, &config->idle);
}

static struct leg *leg_new(struct upstream *upstream, struct requester *owner, const char *key)
{
    struct northbound *northbound = upstream->northbound;
    struct leg *leg = calloc(1, sizeof(*leg));
    struct link_settings settings = {.handlers = &handlers, .arg = leg, .negotiate = true};

    if (!leg)
        return NULL;
    leg->upstream = upstream;
    leg->owner = owner;
    leg->shared = key == NULL;
    leg->idle_since = uv_now(northbound->loop);
    settings.mitigating = mitigating(leg);
    wanted_of(&settings.wanted, northbound->config);
    if (key) {
        snprintf(leg->key, sizeof(leg->key), "%s", key);
        HASH_ADD_STR(upstream->legs, key, leg);
        if (!leg->hh.tbl) {
            free(leg);
            return NULL;
        }
    }
    leg->link = link_open(upstream->endpoint, &settings);
    if (!leg->link) {
        if (key)
            HASH_DEL(upstream->legs, leg);
        free(leg);
        return NULL;
    }
    uv_timer_init(northbound->loop, &leg->timer);
    leg->timer.data = leg;
    northbound->handles++;
    upstream->handles++;
    return leg;
}

struct leg *upstream_shared_leg(struct upstream *upstream)
{
    if (!upstream->shared && !upstream->northbound->closing && !upstream->gone)
        upstream->shared = leg_new(upstream, NULL, NULL);
    return upstream->shared;
}

struct leg *upstream_leg(struct upstream *upstream, const struct upstream_cuid *cuid)
{
    char key[NORTH_OWNER_KEY];
    struct leg *leg;

    if (!cuid->owner)
        return upstream_shared_leg(upstream);
    if (upstream->northbound->closing || upstream->gone)
        return NULL;
    snprintf(key, sizeof(key), "%s\x1f%s", cuid->owner->cdid, cuid->owner->cuid);
    HASH_FIND_STR(upstream->legs, key, leg);
    if (!leg)
        leg = leg_new(upstream, cuid->owner, key);
    else
        leg->owner = cuid->owner; /* it may have been gone for a while */
    return leg;
}

/* ---- The upstream ---- */

static struct dots_credentials credentials_of(const struct config_upstream *config)
{
    return (struct dots_credentials){.certificate = config->credentials.certificate,
                                     .private_key = config->credentials.private_key,
                                     .trust_anchors = config->credentials.trust_anchors,
                                     .psk_identity = config->credentials.psk_identity,
                                     .psk_key = config->credentials.psk_key.at,
                                     .psk_key_length = config->credentials.psk_key.length};
}

int upstream_material_load(struct upstream_material *material, const struct config_upstream *config, char *error,
                           size_t error_size)
{
    struct dots_credentials credentials = credentials_of(config);
    char reason[256] = "";

    if (cuid_secret(&config->credentials, material->secret, reason, sizeof(reason)) == 0 &&
        dots_credentials_hash(&credentials, material->hash) == 0)
        material->material = dots_material_load(&credentials, reason, sizeof(reason));
    if (material->material)
        return 0;
    snprintf(error, error_size, "upstream %s: %s", config->name, reason[0] ? reason : "its credentials cannot be used");
    return -1;
}

void upstream_material_free(struct upstream_material *material)
{
    dots_material_free(material->material);
    memset(material, 0, sizeof(*material));
}

static void settings_of(struct link_endpoint_settings *settings, struct link_server servers[LINK_SERVERS_MAX],
                        const struct config_upstream *config, const struct upstream_material *material)
{
    _Static_assert((int)CONFIG_UDP == (int)DOTS_UDP && (int)CONFIG_TCP == (int)DOTS_TCP,
                   "transports are the same bits");
    *settings = (struct link_endpoint_settings){.servers = servers,
                                                .server_count = config->server_count,
                                                .transports = config->transports,
                                                .material = material->material,
                                                .mtu = config->mtu};
    for (size_t i = 0; i < config->server_count; i++)
        servers[i] = (struct link_server){.host = config->servers[i].host,
                                          .port = config->servers[i].port,
                                          .addresses = (const char *const *)config->servers[i].addresses.at,
                                          .address_count = config->servers[i].addresses.count};
}

static void take(struct upstream *upstream, const struct config_upstream *config,
                 const struct upstream_material *material)
{
    upstream->own.identity = config->identity;
    upstream->own.sessions = config->sessions;
    upstream->own.insert_cdid = config->insert_cdid;
    memcpy(upstream->hash, material->hash, sizeof(upstream->hash));
    memcpy(upstream->secret, material->secret, sizeof(upstream->secret));
}

struct upstream *upstream_open(struct northbound *northbound, const struct config_upstream *config, size_t target,
                               const struct upstream_material *material, char *error, size_t error_size)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    struct link_server servers[LINK_SERVERS_MAX];
    struct link_endpoint_settings settings;
    char reason[256] = "out of memory";

    if (config->server_count > LINK_SERVERS_MAX) {
        snprintf(error, error_size, "upstream %s has %zu servers; %u is the most", config->name, config->server_count,
                 LINK_SERVERS_MAX);
        free(upstream);
        return NULL;
    }
    if (upstream)
        upstream->own.name = strdup(config->name);
    if (upstream && upstream->own.name) {
        upstream->northbound = northbound;
        upstream->config = &upstream->own;
        upstream->target = target;
        upstream->sid_next = 1;
        take(upstream, config, material);
        settings_of(&settings, servers, config, material);
        settings.name = northbound->config->gateway.name;
        upstream->endpoint = link_endpoint_open(northbound->loop, &settings, reason, sizeof(reason));
    }
    if (!upstream || !upstream->endpoint) {
        snprintf(error, error_size, "upstream %s: %s", config->name, reason);
        upstream_free(upstream);
        return NULL;
    }
    northbound->handles++;
    upstream->handles++;
    return upstream;
}

int upstream_renew(struct upstream *upstream, const struct config_upstream *config,
                   const struct upstream_material *material)
{
    struct link_server servers[LINK_SERVERS_MAX];
    struct link_endpoint_settings settings;

    settings_of(&settings, servers, config, material);
    if (link_endpoint_renew(upstream->endpoint, &settings) != 0)
        return -1;
    take(upstream, config, material);
    return 0;
}

void upstream_wanted(struct upstream *upstream)
{
    struct link_parameters parameters;
    struct leg *leg;

    wanted_of(&parameters, upstream->northbound->config);
    if (upstream->shared)
        link_set_wanted(upstream->shared->link, &parameters);
    for (leg = upstream->legs; leg; leg = leg->hh.next)
        link_set_wanted(leg->link, &parameters);
}

static void endpoint_closed(void *arg)
{
    handle_closed(arg);
}

void upstream_close(struct upstream *upstream)
{
    struct leg *leg, *next;

    upstream->gone = true;
    if (upstream->shared)
        leg_close(upstream->shared);
    HASH_ITER(hh, upstream->legs, leg, next)
    {
        leg_close(leg);
    }
    if (upstream->endpoint)
        link_endpoint_close(upstream->endpoint, endpoint_closed, upstream);
    upstream->endpoint = NULL;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream)
        free(upstream->own.name);
    free(upstream);
}
