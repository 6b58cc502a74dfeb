/* redirect: sends clients to another server: when this one is full, on drain, and when operators say so (RFC 9132
 * section 4.6). */

#include "southbound/signal/signal.h"

static void describe(const struct config_redirect *redirect, struct wire_message *message)
{
    message->redirect.alt_server = redirect->alt_server;
    message->redirect.records = (struct wire_strings){
        .at = (const char **)redirect->addresses.at,
        .count = redirect->addresses.count,
    };
}

void south_redirect(struct south_session *session, struct dots_exchange *exchange)
{
    struct southbound *southbound = session->southbound;
    const struct config_redirect *redirect = &southbound->config->redirect;
    struct wire_message message = {.type = WIRE_REDIRECT};

    if (!redirect->alt_server) {
        south_refuse(session, exchange, DOTS_CODE(5, 3), SOUTH_FULL_MAX_AGE,
                     southbound->draining
                         ? "this server goes down for maintenance; try again later or use another server"
                         : "this server has all the sessions it takes; try again later or use another server");
        return;
    }
    describe(redirect, &message);
    south_reply_message(southbound, exchange, DOTS_CODE(5, 3), redirect->ttl, -1, &message);
}

bool south_sent_away(const struct southbound *southbound, const struct south_client *client)
{
    return southbound->draining || southbound->redirecting || client->redirected;
}

int southbound_redirect(struct southbound *southbound, const char *name, bool on)
{
    struct south_client *client = name ? south_clients_named(southbound->clients, name) : NULL;

    if (name && !client)
        return -1;
    *(client ? &client->redirected : &southbound->redirecting) = on;
    if (on)
        south_review_begin(southbound);
    return 0;
}

bool southbound_redirected(const struct southbound *southbound, const char *name)
{
    const struct south_client *client = name ? south_clients_named(southbound->clients, name) : NULL;

    return name ? client && client->redirected : southbound->redirecting;
}

/* Without anywhere to go those who are served stay until the end; a withdrawal must not be lost on the way. */
bool south_redirects(const struct south_session *session, const struct dots_request *request,
                     const struct south_path *path)
{
    return session->southbound->config->redirect.alt_server &&
           !(path->operation == SOUTH_MITIGATE && request->method == DOTS_DELETE);
}

/* "or convey it in a notification" (RFC 9132 section 4.6): nobody has to ask before he hears of it. */
void south_redirect_observers(struct south_session *session)
{
    struct southbound *southbound = session->southbound;
    const struct config_redirect *redirect = &southbound->config->redirect;
    struct wire_message message = {.type = WIRE_REDIRECT};
    size_t length;

    if (!redirect->alt_server)
        return;
    describe(redirect, &message);
    south_session_ref(session);
    while (!session->down && session->observers) {
        const uint8_t *body = south_encode(southbound, &message, &length);

        if (!body)
            break;
        south_notify_end(session->observers, DOTS_CODE(5, 3), DOTS_CONTENT_FORMAT, redirect->ttl, body, length);
    }
    south_session_unref(session);
}
