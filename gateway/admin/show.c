/* show: the gateway as a whole, its clients, upstreams, configuration, log. */

#include <string.h>

#include "gateway/admin/state.h"

static const char *const levels[] = {[LOG_LEVEL_ERROR] = "error",
                                     [LOG_LEVEL_WARNING] = "warning",
                                     [LOG_LEVEL_NOTICE] = "notice",
                                     [LOG_LEVEL_INFO] = "info",
                                     [LOG_LEVEL_DEBUG] = "debug"};

static enum log_level level_of(const struct admin *admin)
{
    return admin->log_level_set ? admin->log_level : admin->settings.config->log.level;
}

void show_log_level(struct call *call)
{
    reply_json(call->exchange, 200, json_pack("{s:s}", "level", levels[level_of(call->admin)]));
}

void act_log_level(struct call *call)
{
    const char *wanted = json_string_value(json_object_get(call->body, "level"));
    struct admin *admin = call->admin;

    for (size_t i = 0; wanted && i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i], wanted) != 0)
            continue;
        admin->log_level = (enum log_level)i;
        admin->log_level_set = true;
        log_configure(admin->log_level, admin->settings.config->log.format);
        log_notice("log-level", "set to %s by %s", levels[i], call->request->peer->text);
        show_log_level(call);
        return;
    }
    reply_error(call->exchange, 400, "level must be one of error, warning, notice, info, debug");
}

/* What an operator has set goes on. */
void admin_use(struct admin *admin, const struct config *config)
{
    if (!admin)
        return;
    admin->settings.config = config;
    if (admin->log_level_set)
        log_configure(admin->log_level, config->log.format);
}

void show_status(struct call *call)
{
    const struct admin *admin = call->admin;
    const struct config *config = admin->settings.config;
    const struct admin_actions *actions = admin->settings.actions;
    struct relay_totals totals;

    relay_totals(admin->settings.relay, &totals);
    reply_json(
        call->exchange, 200,
        json_pack(
            "{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", config->gateway.name, "version",
            DOTSGW_VERSION, "domain-side", config->gateway.domain_side_server ? "server" : "client", "draining",
            actions->draining(admin->settings.arg), "redirecting-all", actions->redirected(admin->settings.arg, NULL),
            "uptime-seconds", (json_int_t)((admin->settings.now() - admin->started_ms) / 1000), "clients-configured",
            (json_int_t)config->client_count, "upstreams-configured", (json_int_t)config->upstream_count,
            "mitigators-configured", (json_int_t)config->mitigator_count, "requesters", (json_int_t)totals.requesters,
            "mitigations", (json_int_t)totals.mitigations, "installed", (json_int_t)totals.installs));
}

static json_t *prefix_list(const struct config_prefixes *prefixes)
{
    json_t *list = json_array();

    for (size_t i = 0; i < prefixes->count && i < 64; i++) {
        struct wire_prefix prefix = {.family = prefixes->at[i].family, .length = prefixes->at[i].length};
        char text[WIRE_PREFIX_TEXT];

        memcpy(prefix.addr, prefixes->at[i].addr, sizeof(prefix.addr));
        json_array_append_new(list, json_string(wire_prefix_format(&prefix, text)));
    }
    return list;
}

json_t *view_client(const struct config_client *client, bool redirected)
{
    return json_pack("{s:s, s:s?, s:o, s:I, s:I, s:I, s:b, s:b}", "name", client->name, "domain", client->domain,
                     "prefixes", prefix_list(&client->prefixes), "prefix-count", (json_int_t)client->prefixes.count,
                     "mitigations-max", (json_int_t)client->limits.mitigations, "requests-per-second",
                     (json_int_t)client->limits.requests_per_second, "supplies-cdid", client->supplies_cdid,
                     "redirected", redirected);
}

/* ---- Upstreams and mitigators ---- */

static size_t active_at(const struct admin *admin, bool mitigator, size_t index)
{
    const struct admin_settings *settings = &admin->settings;

    return relay_target_active(settings->relay, settings->sources->target(settings->arg, mitigator, index));
}

static void add_dropped(const struct admin *admin, json_t *object, bool mitigator, size_t index)
{
    uint64_t bytes, pkts;

    admin->settings.sources->dropped(admin->settings.arg, mitigator, index, &bytes, &pkts);
    json_object_set_new(object, "bytes-dropped", json_integer((json_int_t)bytes));
    json_object_set_new(object, "pkts-dropped", json_integer((json_int_t)pkts));
}

static json_t *view_upstream(const struct admin *admin, const struct admin_upstream *upstream, size_t index)
{
    const struct config_upstream *config = &admin->settings.config->upstreams[index];
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "name", upstream->name,
                               "kind", "upstream", "state", upstream->state, "server", upstream->server, "identity",
                               config->identity == CONFIG_IDENTITY_CLIENT ? "client" : "gateway", "session-kind",
                               config->sessions == CONFIG_SESSIONS_PER_CLIENT ? "per-client" : "shared", "sessions",
                               (json_int_t)upstream->sessions, "links", (json_int_t)upstream->links, "outages",
                               (json_int_t)upstream->outages, "active", (json_int_t)active_at(admin, false, index),
                               "connections", (json_int_t)upstream->ups);

    if (object && upstream->rtt_us)
        json_object_set_new(object, "rtt-ms", json_real((double)upstream->rtt_us / 1000));
    if (object)
        add_dropped(admin, object, false, index);
    return object;
}

json_t *view_upstreams(const struct admin *admin)
{
    const struct admin_settings *settings = &admin->settings;
    json_t *list = json_array();
    struct admin_upstream upstream;

    for (size_t i = 0; i < settings->config->upstream_count && settings->sources->upstream(settings->arg, i, &upstream);
         i++)
        json_array_append_new(list, view_upstream(admin, &upstream, i));
    for (size_t i = 0; i < settings->config->mitigator_count; i++) {
        const struct config_mitigator *mitigator = &settings->config->mitigators[i];

        json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", mitigator->name, "kind", "mitigator", "state",
                                   "up", "server", mitigator->exec ? mitigator->exec : "the log", "active",
                                   (json_int_t)active_at(admin, true, i));

        if (object)
            add_dropped(admin, object, true, i);
        json_array_append_new(list, object);
    }
    return list;
}

void show_upstreams(struct call *call)
{
    reply_json(call->exchange, 200, json_pack("{s:o}", "upstreams", view_upstreams(call->admin)));
}

/* ---- Configuration: what is in force; no key, and no name of a file with one ---- */

void show_config(struct call *call)
{
    static const char *const recursions[] = {[CONFIG_RECURSION_NEVER] = "never",
                                             [CONFIG_RECURSION_MANUAL] = "manual",
                                             [CONFIG_RECURSION_ON_EXCEEDED] = "on-exceeded",
                                             [CONFIG_RECURSION_ALWAYS] = "always"};
    static const char *const fan_outs[] = {
        [CONFIG_FAN_OUT_ALL] = "all", [CONFIG_FAN_OUT_BY_PREFIX] = "by-prefix", [CONFIG_FAN_OUT_SERIAL] = "serial"};
    const struct config *config = call->admin->settings.config;
    json_t *listeners = json_array();

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        json_array_append_new(listeners, json_pack("{s:s, s:s, s:i, s:b, s:b}", "channel",
                                                   listener->channel == CONFIG_CHANNEL_SIGNAL ? "signal" : "data",
                                                   "address", listener->address, "port", (int)listener->port, "udp",
                                                   (listener->transports & CONFIG_UDP) != 0, "tcp",
                                                   (listener->transports & CONFIG_TCP) != 0));
    }
    reply_json(call->exchange, 200,
               json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:{s:I, s:I, s:I, s:I}}", "file", config->file,
                         "name", config->gateway.name, "domain-side",
                         config->gateway.domain_side_server ? "server" : "client", "state-dir",
                         config->gateway.state_dir, "fan-out", fan_outs[config->fan_out], "recursion",
                         recursions[config->recursion], "response-wait-ms", (json_int_t)config->response_wait_ms,
                         "listeners", listeners, "limits", "sessions", (json_int_t)config->limits.sessions,
                         "handshakes", (json_int_t)config->limits.handshakes, "mitigations",
                         (json_int_t)config->limits.mitigations, "body-size", (json_int_t)config->limits.body_size));
}
