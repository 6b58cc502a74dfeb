/* drain: clients are sent elsewhere, and the gateway ends when they have gone (RFC 9132 section 4.6). */

#include "gateway/parts.h"

void gateway_observe(struct gateway *gateway, const struct gateway_observer *observer)
{
    gateway->observer = *observer;
}

void gateway_tell_observer(const struct gateway *gateway)
{
    if (gateway->observer.changed)
        gateway->observer.changed(gateway->observer.arg);
}

void gateway_drain(struct gateway *gateway, const char *why)
{
    const struct config *config = gateway->config;
    unsigned sessions = southbound_sessions(gateway->southbound);

    if (gateway->draining || gateway->close_asked)
        return;
    if (config->redirect.alt_server)
        log_notice("drain", "%s: %u sessions are sent to %s; the end is in %u s at the latest", why, sessions,
                   config->redirect.alt_server, config->gateway.drain_time);
    else
        log_warning("drain",
                    "%s: there is no redirect in the configuration, so clients are not told where to go; %u sessions "
                    "end in %u s",
                    why, sessions, config->gateway.drain_time);
    gateway->draining = true;
    gateway->drain_until_ms = clock_ms() + (int64_t)config->gateway.drain_time * 1000;
    southbound_drain(gateway->southbound, true);
    gateway_look_after(gateway);
    gateway_tell_observer(gateway);
}

void gateway_undrain(struct gateway *gateway, const char *why)
{
    if (!gateway->draining || gateway->close_asked)
        return;
    log_notice("undrain", "%s: clients are served again", why);
    gateway->draining = false;
    southbound_drain(gateway->southbound, false);
    gateway_tell_observer(gateway);
}

bool gateway_draining(const struct gateway *gateway)
{
    return gateway->draining;
}

void gateway_drain_look(struct gateway *gateway)
{
    unsigned sessions = southbound_sessions(gateway->southbound);
    bool over = clock_ms() >= gateway->drain_until_ms;

    if (!over && (sessions > 0 || southbound_reviewing(gateway->southbound)))
        return;
    log_notice("drained", "%u sessions are left%s", sessions, over && sessions ? ", and the time is over" : "");
    gateway->draining = false;
    if (gateway->observer.drained)
        gateway->observer.drained(gateway->observer.arg);
}
