/* operators: what operators ask of the gateway as a whole, over the control socket. */

#include "gateway/parts.h"

static struct gateway *gateway_of(void *arg)
{
    return ((struct inspection *)arg)->gateway;
}

static int reload(void *arg, admin_reloaded_h *done, void *done_arg)
{
    return gateway_reload(gateway_of(arg), "dotsgwctl", done, done_arg);
}

static void drain(void *arg, bool on)
{
    if (on)
        gateway_drain(gateway_of(arg), "dotsgwctl");
    else
        gateway_undrain(gateway_of(arg), "dotsgwctl");
}

static bool draining(void *arg)
{
    return gateway_draining(gateway_of(arg));
}

static int redirect(void *arg, const char *client, bool on)
{
    return southbound_redirect(gateway_of(arg)->southbound, client, on);
}

static bool redirected(void *arg, const char *client)
{
    return southbound_redirected(gateway_of(arg)->southbound, client);
}

const struct admin_actions gateway_actions = {
    .reload = reload, .drain = drain, .draining = draining, .redirect = redirect, .redirected = redirected};
