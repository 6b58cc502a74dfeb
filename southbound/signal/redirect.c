/* redirect: sends a client to another server when this one is full (RFC 9132 section 4.6). */

#include "southbound/signal/signal.h"

void south_redirect(struct south_session *session, struct dots_exchange *exchange)
{
    struct southbound *southbound = session->southbound;
    const struct config_redirect *redirect = &southbound->config->redirect;
    struct wire_message message = {.type = WIRE_REDIRECT};

    if (!redirect->alt_server) {
        south_refuse(session, exchange, DOTS_CODE(5, 3), SOUTH_FULL_MAX_AGE,
                     "this server has all the sessions it takes; try again later or use another server");
        return;
    }
    message.redirect.alt_server = redirect->alt_server;
    message.redirect.records = (struct wire_strings){
        .at = (const char **)redirect->addresses.at,
        .count = redirect->addresses.count,
    };
    south_reply_message(southbound, exchange, DOTS_CODE(5, 3), redirect->ttl, -1, &message);
}
