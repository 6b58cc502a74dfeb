/*
 * anew: a client that begins a new association from the address and port of one that we still have, because it was
 * started again or a NAT gave its port to another (RFC 6347 section 4.2.8).
 *
 * The old one must not end because of a ClientHello that anybody can send, and libcoap has one session for an
 * address: it cannot let the new one prove itself beside it. So the old one is asked whether it is alive. When it is
 * silent it ends, and one of the client's next ClientHellos finds the place free. libcoap alone would drop them all
 * until the heartbeats give up, minutes later.
 */
#include "gateway/coap/private.h"

#include <string.h>

#define SILENT 5000 /* ms; asked each second, and libcoap repeats */

#define CONTENT_HANDSHAKE 22
#define CLIENT_HELLO 1
#define RANDOM_AT 27 /* behind the headers of record and message, and the version */

/* A record of epoch 0 with a ClientHello (RFC 6347 sections 4.1, 4.2.2) that is not a late one of our handshake. */
static bool is_new_hello(const uint8_t *datagram, size_t length, const SSL *ssl)
{
    uint8_t random[SSL3_RANDOM_SIZE];
    return length >= RANDOM_AT + sizeof random && datagram[0] == CONTENT_HANDSHAKE && datagram[3] == 0 &&
           datagram[4] == 0 && datagram[13] == CLIENT_HELLO &&
           SSL_get_client_random(ssl, random, sizeof random) == sizeof random &&
           memcmp(datagram + RANDOM_AT, random, sizeof random) != 0;
}

void anew_datagram(struct dots_session *session, const void *datagram, size_t length)
{
    if (session->tcp || !session->server || !session->announced || !session_alive(session) || session->doubted != 0)
        return;
    const SSL *ssl = coap_session_get_tls(session->coap, NULL);
    if (ssl == NULL || !is_new_hello(datagram, length, ssl))
        return;
    session->doubted = uv_now(session->endpoint->loop) + 1; /* never 0 */
    session_link(session, LIST_WATCHED);
}

void anew_ask(struct dots_session *session, uint64_t now)
{
    if (session->doubted == 0)
        return;
    if (session->heard >= session->doubted) {
        session->doubted = 0;
        return;
    }
    if (now >= session->doubted + SILENT) {
        session_end(session, DOTS_DOWN_LOST, "the peer begins anew from the same address and port");
        return;
    }
    session_link(session, LIST_WATCHED);
    if (session_alive(session))
        coap_session_send_ping(session->coap);
}
