/*
 * resets: which notification a Reset was for (RFC 7641 section 3.6).
 *
 * libcoap keeps nothing of a non-confirmable message once it is sent. 4.3.4 hands over the message id
 * of a Reset that matches nothing; 4.3.1 only logs it, so there it is taken from the log line.
 */
#include "gateway/coap/private.h"

#include <stdlib.h>
#include <string.h>

#define NOTIFICATIONS 16

struct notified {
    unsigned next;
    struct {
        bool used;
        uint16_t mid;
        struct dots_token token;
    } last[NOTIFICATIONS];
};

void resets_remember(struct dots_session *session, uint16_t mid, const struct dots_token *token)
{
    if (session->tcp)
        return;
    if (session->notified == NULL)
        session->notified = calloc(1, sizeof *session->notified);
    struct notified *notified = session->notified;
    if (notified == NULL)
        return;
    unsigned slot = notified->next++ % NOTIFICATIONS;
    notified->last[slot].used = true;
    notified->last[slot].mid = mid;
    notified->last[slot].token = *token;
}

void resets_received(struct dots_session *session, uint16_t mid)
{
    struct notified *notified = session->notified;
    if (notified == NULL || session->ending)
        return;
    for (unsigned i = 0; i < NOTIFICATIONS; i++) {
        if (!notified->last[i].used || notified->last[i].mid != mid)
            continue;
        struct dots_token token = notified->last[i].token;
        notified->last[i].used = false;
        session->heard = uv_now(session->endpoint->loop);
        session->endpoint->handlers->nack(session->endpoint->arg, session, &token, DOTS_NACK_RESET);
        return;
    }
}

static _Thread_local struct dots_endpoint *reading;

/* Whose turn it is, for the log handler. */
void resets_reading(struct dots_endpoint *endpoint)
{
    reading = endpoint;
}

void resets_log(const char *message)
{
    static const char start[] = "got RST for mid=0x";
    if (reading == NULL || reading->reading == NULL || strncmp(message, start, sizeof start - 1) != 0)
        return;
    unsigned long mid = strtoul(message + sizeof start - 1, NULL, 16);
    if (mid <= UINT16_MAX)
        resets_received(reading->reading, (uint16_t)mid);
}
