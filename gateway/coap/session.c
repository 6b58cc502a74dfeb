/* session: one (D)TLS association, from connect or accept to the one call of `down`. */
#include "gateway/coap/private.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/coap/blockwise.h"
#include "gateway/coap/tokens.h"

#define OUTSTANDING_MAX 255 /* NSTART: DOTS messages wait for nothing (RFC 9132 section 4.4) */

static struct dots_session **head_of(struct dots_endpoint *endpoint, enum list list)
{
    switch (list) {
    case LIST_DUE:
        return &endpoint->due;
    case LIST_WATCHED:
        return &endpoint->watched;
    case LIST_BUFFERED:
        return &endpoint->buffered;
    default:
        return &endpoint->sessions;
    }
}

void session_link(struct dots_session *session, enum list list)
{
    struct links *links = &session->links[list];
    if (links->back != NULL)
        return;
    struct dots_session **head = head_of(session->endpoint, list);
    links->next = *head;
    links->back = head;
    if (links->next != NULL)
        links->next->links[list].back = &links->next;
    *head = session;
    if (list == LIST_WATCHED)
        driver_watch(session->endpoint);
}

void session_unlink(struct dots_session *session, enum list list)
{
    struct links *links = &session->links[list];
    if (links->back == NULL)
        return;
    *links->back = links->next;
    if (links->next != NULL)
        links->next->links[list].back = links->back;
    links->back = NULL;
    links->next = NULL;
}

/* An IPv4 client of an IPv6 listener is shown as what it is. */
void session_copy_peer(struct sockaddr_in6 *to, const struct sockaddr *from)
{
    memset(to, 0, sizeof *to);
    if (from->sa_family == AF_INET) {
        memcpy(to, from, sizeof(struct sockaddr_in));
        return;
    }
    const struct sockaddr_in6 *from6 = (const struct sockaddr_in6 *)(const void *)from;
    if (!IN6_IS_ADDR_V4MAPPED(&from6->sin6_addr)) {
        memcpy(to, from6, sizeof *to);
        return;
    }
    struct sockaddr_in mapped = {.sin_family = AF_INET, .sin_port = from6->sin6_port};
    memcpy(&mapped.sin_addr, from6->sin6_addr.s6_addr + 12, sizeof mapped.sin_addr);
    memcpy(to, &mapped, sizeof mapped);
}

/* With the endpoint's reference, which is dropped when the end has been told. */
struct dots_session *session_new(struct dots_endpoint *endpoint, bool server, bool tcp, const struct sockaddr *peer)
{
    struct dots_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->endpoint = endpoint;
    session->references = 1;
    session->server = server;
    session->tcp = tcp;
    session->started = session->sent = session->heard = uv_now(endpoint->loop);
    session_copy_peer(&session->peer, peer);
    session_link(session, LIST_ALL);
    endpoint->sessions_count++;
    if (server)
        endpoint->server_sessions++;
    return session;
}

/* Once libcoap's session has a peer that has proved itself. */
void session_adopt(struct dots_session *session, coap_session_t *coap)
{
    session->coap = coap;
    coap_session_set_app_data(coap, session);
    coap_session_set_nstart(coap, OUTSTANDING_MAX);
    coap_session_set_max_retransmit(coap, COAP_DEFAULT_MAX_RETRANSMIT); /* the handshake had its own */
    if (!session->tcp) /* larger than what is sent: it bounds what is taken, too */
        coap_session_set_mtu(coap, COAP_DATAGRAM_MAX);
}

void session_end(struct dots_session *session, enum dots_down reason, const char *why)
{
    if (session->ending || session->endpoint == NULL)
        return;
    session->ending = true;
    session->reason = (uint8_t)reason;
    session->why = why != NULL ? strdup(why) : NULL;
    session_link(session, LIST_DUE);
    driver_wake(session->endpoint);
}

/* Gives libcoap's session up. Outside of turns only: libcoap may free it at once. */
static void leave(struct dots_session *session)
{
    coap_session_t *coap = session->coap;
    session->coap = NULL;
    if (coap == NULL)
        return;
    SSL *ssl = coap_session_get_tls(coap, NULL);
    struct handshake *handshake = ssl != NULL ? handshake_of(ssl) : NULL;
    if (handshake != NULL)
        handshake->session = NULL;
    coap_session_set_app_data(coap, NULL);
    /* Sends close_notify and drops what waits for an ACK: either would keep the session alive, and 4.3.1 would
     * even connect it again to retransmit. */
    coap_session_disconnected(coap, COAP_NACK_NOT_DELIVERABLE);
    coap_session_release(coap);
    driver_refresh(session->endpoint);
}

static void finish(struct dots_session *session)
{
    struct dots_endpoint *endpoint = session->endpoint;
    leave(session);
    session_unlink(session, LIST_ALL);
    session_unlink(session, LIST_WATCHED);
    session_unlink(session, LIST_BUFFERED);
    endpoint->sessions_count--;
    if (session->server)
        endpoint->server_sessions--;
    if (endpoint->reading == session)
        endpoint->reading = NULL;
    exchange_forget_held(session);
    tokens_free(session->tokens);
    session->tokens = NULL;
    blockwise_free(session->blocks);
    session->blocks = NULL;
    free(session->notified);
    session->notified = NULL;
    session->endpoint = NULL;
    if (!session->server || session->announced)
        endpoint->handlers->down(endpoint->arg, session, session->reason, session->why != NULL ? session->why : "");
    dots_session_unref(session);
}

void session_announce(struct dots_session *session)
{
    if (session->announced || session->ending)
        return;
    session->announced = true;
    session_unlink(session, LIST_WATCHED);
    dots_session_set_mtu(session, COAP_PATH_MTU);
    session->endpoint->handlers->up(session->endpoint->arg, session);
}

/* Only those that are due now: what callbacks add waits for the next turn. */
void session_settle(struct dots_endpoint *endpoint)
{
    struct dots_session *now = endpoint->due;
    endpoint->due = NULL;
    if (now != NULL)
        now->links[LIST_DUE].back = &now;
    while (now != NULL) {
        struct dots_session *session = now;
        session_unlink(session, LIST_DUE);
        if (session->ending)
            finish(session);
        else if (session->up)
            session_announce(session);
    }
    buffers_release(endpoint);
}

/* A message came. It may be the first, in the same turn as the end of the handshake: the user hears of the session
 * before. False when nobody wants to hear of it. */
bool session_heard(struct dots_session *session)
{
    if (!session_alive(session))
        return false;
    session->heard = uv_now(session->endpoint->loop);
    session_announce(session);
    return session_alive(session);
}

bool session_alive(const struct dots_session *session)
{
    return session->endpoint != NULL && session->coap != NULL && session->up && !session->ending;
}

struct dots_session *dots_session_ref(struct dots_session *session)
{
    session->references++;
    return session;
}

void dots_session_unref(struct dots_session *session)
{
    if (session == NULL || --session->references > 0)
        return;
    identity_free(session->identity);
    free(session->server_name);
    free(session->text);
    free(session->why);
    free(session);
}

void dots_session_close(struct dots_session *session)
{
    session_end(session, DOTS_DOWN_CLOSED, "closed by us");
}

void dots_session_set_user(struct dots_session *session, void *user)
{
    session->user = user;
}

void *dots_session_user(const struct dots_session *session)
{
    return session->user;
}

const struct dots_identity *dots_session_identity(struct dots_session *session)
{
    return session->identity;
}

enum dots_transport dots_session_transport(const struct dots_session *session)
{
    return session->tcp ? DOTS_TCP : DOTS_UDP;
}

bool dots_session_is_server(const struct dots_session *session)
{
    return session->server;
}

bool dots_session_is_up(const struct dots_session *session)
{
    return session_alive(session);
}

const struct sockaddr *dots_session_peer(const struct dots_session *session)
{
    return (const struct sockaddr *)&session->peer;
}

uint64_t dots_session_heard(const struct dots_session *session)
{
    return session->heard;
}

const char *dots_session_text(const struct dots_session *session)
{
    if (session->text != NULL)
        return session->text;
    char address[INET6_ADDRSTRLEN];
    char text[INET6_ADDRSTRLEN + sizeof "[]:65535/udp"];
    const struct sockaddr_in6 *peer6 = &session->peer;
    const struct sockaddr_in *peer4 = (const struct sockaddr_in *)(const void *)peer6;
    bool v6 = peer6->sin6_family == AF_INET6;
    inet_ntop(peer6->sin6_family, v6 ? (const void *)&peer6->sin6_addr : (const void *)&peer4->sin_addr, address,
              sizeof address);
    snprintf(text, sizeof text, v6 ? "[%s]:%u/%s" : "%s:%u/%s", address, ntohs(peer4->sin_port),
             session->tcp ? "tcp" : "udp");
    ((struct dots_session *)session)->text = strdup(text);
    return session->text != NULL ? session->text : "a session";
}

/* RFC 9132 section 7.3, with the IP and UDP headers that share the datagram with it. */
void dots_session_set_mtu(struct dots_session *session, unsigned mtu)
{
    if (session->coap == NULL || session->tcp)
        return;
    unsigned headers = session->peer.sin6_family == AF_INET6 ? 48 : 28;
    size_t payload = mtu > headers + 64 ? mtu - headers : 64;
    if (payload > COAP_DATAGRAM_MAX)
        payload = COAP_DATAGRAM_MAX;
    size_t overhead = COAP_DATAGRAM_MAX - COAP_HEADER_SIZE - coap_session_max_pdu_size(session->coap);
    session->message_max = (uint16_t)(payload > overhead + 32 ? payload - overhead : 32);
}

size_t dots_session_message_max(const struct dots_session *session)
{
    if (!session->tcp)
        return session->message_max;
    return session_alive(session) ? coap_session_max_pdu_size(session->coap) : 0;
}

static coap_fixed_point_t hundredths(uint32_t value)
{
    return (coap_fixed_point_t){(uint16_t)(value / 100 > UINT16_MAX ? UINT16_MAX : value / 100),
                                (uint16_t)(value % 100 * 10)};
}

void dots_session_set_transmission(struct dots_session *session, const struct dots_transmission *transmission)
{
    if (session->coap == NULL || session->tcp)
        return;
    coap_session_set_ack_timeout(session->coap, hundredths(transmission->ack_timeout));
    coap_session_set_ack_random_factor(session->coap, hundredths(transmission->ack_random_factor));
    coap_session_set_max_retransmit(session->coap, (uint16_t)transmission->max_retransmit);
    coap_session_set_probing_rate(session->coap, transmission->probing_rate);
}
