/* listen: where clients connect, and with which credentials and limits they are met. */

#include <string.h>

#include "southbound/signal/signal.h"

#define SURPLUS_PART 8 /* sessions beyond the limit that are told so: an eighth of it, */
#define SURPLUS_MIN 64 /* and at least these */

bool south_listens(const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        if (config->listeners[i].channel == CONFIG_CHANNEL_SIGNAL)
            return true;
    }
    return false;
}

struct dots_credentials south_credentials(const struct config *config)
{
    return (struct dots_credentials){.certificate = config->tls.certificate,
                                     .private_key = config->tls.private_key,
                                     .trust_anchors = config->tls.trust_anchors,
                                     .ticket_keys = config->tls.ticket_keys.at,
                                     .ticket_keys_length = config->tls.ticket_keys.length};
}

unsigned south_sessions_max(const struct config *config)
{
    unsigned surplus = config->limits.sessions / SURPLUS_PART;

    return config->limits.sessions + (surplus > SURPLUS_MIN ? surplus : SURPLUS_MIN);
}

static bool has(const struct config *config, const struct config_listener *listener, unsigned transport)
{
    for (size_t i = 0; config && i < config->listener_count; i++) {
        const struct config_listener *other = &config->listeners[i];

        if (other->channel == listener->channel && other->port == listener->port &&
            (other->transports & transport) != 0 && strcmp(other->address, listener->address) == 0)
            return true;
    }
    return false;
}

int south_listen(struct southbound *southbound, const struct config *before, const struct config *config, char *error,
                 size_t error_size)
{
    static const enum dots_transport transports[] = {DOTS_UDP, DOTS_TCP};
    int count = 0;

    _Static_assert((int)CONFIG_UDP == (int)DOTS_UDP && (int)CONFIG_TCP == (int)DOTS_TCP,
                   "transports are the same bits");
    for (size_t i = 0; i < 2 * config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i / 2];
        enum dots_transport transport = transports[i % 2];

        if (listener->channel != CONFIG_CHANNEL_SIGNAL || (listener->transports & transport) == 0 ||
            has(before, listener, transport))
            continue;
        if (dots_endpoint_listen(southbound->endpoint, listener->address, listener->port, transport, error,
                                 error_size) < 0) {
            while (count-- > 0)
                dots_endpoint_listen_undo(southbound->endpoint);
            return -1;
        }
        count++;
    }
    return count;
}
