/* events: what libcoap reports of a session, in the order of either version, told apart. */
#include "gateway/coap/private.h"

#include <openssl/err.h>
#include <stdio.h>

#include "gateway/coap/tokens.h"

/* A DTLS handshake that libcoap gives up has been silent for 16 s, twice its last interval; an ICMP error
 * follows what caused it at once. 4.3.1 tells no other difference. */
#define REFUSED_WITHIN 10000 /* ms */

static struct dots_endpoint *endpoint_of(const coap_session_t *coap)
{
    return coap_get_app_data(coap_session_get_context(coap));
}

static bool is_tcp(const coap_session_t *coap)
{
    return coap_session_get_proto(coap) == COAP_PROTO_TLS;
}

/* 4.3.1: DTLS_CONNECTED comes before libcoap calls the session established, so the user is told later. */
static void on_up(coap_session_t *coap)
{
    struct dots_endpoint *endpoint = endpoint_of(coap);
    struct dots_session *session = coap_session_get_app_data(coap);
    SSL *ssl = coap_session_get_tls(coap, NULL);
    struct handshake *handshake = ssl != NULL ? handshake_of(ssl) : NULL;
    if (handshake == NULL || (session != NULL && session->up))
        return;
    if (session == NULL) {
        session = session_new(endpoint, true, is_tcp(coap), &coap_session_get_addr_remote(coap)->addr.sa);
        if (session == NULL)
            return; /* unreferenced: libcoap drops it when it is idle */
        coap_session_reference(coap);
    }
    session_adopt(session, coap);
    handshake->session = session;
    session->identity = identity_new(ssl, handshake);
    if (session->identity == NULL) {
        session_end(session, DOTS_DOWN_HANDSHAKE, "the peer proved no identity");
        return;
    }
    session->up = true;
    session->heard = uv_now(endpoint->loop);
    session_link(session, LIST_DUE);
    driver_wake(endpoint);
}

/* An object of ours for a session that has to go, as it can be left only after the turn. */
void events_dismiss(coap_session_t *coap, const char *why)
{
    struct dots_session *session = coap_session_get_app_data(coap);
    if (session == NULL) {
        session = session_new(endpoint_of(coap), true, is_tcp(coap), &coap_session_get_addr_remote(coap)->addr.sa);
        if (session == NULL)
            return;
        session->coap = coap_session_reference(coap);
        coap_session_set_app_data(coap, session);
    }
    session_end(session, DOTS_DOWN_HANDSHAKE, why);
}

/* libcoap bounds DTLS handshakes itself, but not what is merely connected over TCP. */
static void on_accepted(coap_session_t *coap)
{
    struct dots_endpoint *endpoint = endpoint_of(coap);
    if (is_tcp(coap) && endpoint->handshakes > endpoint->handshakes_max)
        events_dismiss(coap, "the limit of handshakes under way is reached");
}

/*
 * When application data comes right behind the end of the handshake, in one datagram or out of order, libcoap takes
 * the data and never calls the session established: nothing can be sent on it. The peer does better to come again.
 */
void events_missed(coap_session_t *coap)
{
    events_dismiss(coap, "libcoap missed the end of the handshake");
}

static void on_error(coap_session_t *coap)
{
    struct dots_session *session = coap_session_get_app_data(coap);
    SSL *ssl = coap_session_get_tls(coap, NULL);
    struct handshake *handshake = ssl != NULL ? handshake_of(ssl) : NULL;
    if (session != NULL && handshake != NULL) {
        char why[160];
        handshake_why(handshake, why, sizeof why);
        session_end(session, session->up ? DOTS_DOWN_LOST : DOTS_DOWN_HANDSHAKE, why);
    }
    ERR_clear_error();
}

static void end_handshake(struct dots_session *session, coap_session_t *coap)
{
    SSL *ssl = coap_session_get_tls(coap, NULL);
    struct handshake *handshake = ssl != NULL ? handshake_of(ssl) : NULL;
    if (handshake != NULL && handshake->cause != NULL) {
        char why[160];
        handshake_why(handshake, why, sizeof why);
        session_end(session, DOTS_DOWN_HANDSHAKE, why);
    } else if (session->goodbye) {
        session_end(session, DOTS_DOWN_HANDSHAKE, "the peer closed during the handshake");
    } else if (!session->tcp && uv_now(session->endpoint->loop) - session->sent < REFUSED_WITHIN) {
        session_end(session, DOTS_DOWN_REFUSED, "port unreachable");
    } else {
        session_end(session, DOTS_DOWN_HANDSHAKE,
                    session->tcp ? "the peer closed the connection during the handshake" : "no answer");
    }
}

static void on_closed(coap_session_t *coap)
{
    struct dots_session *session = coap_session_get_app_data(coap);
    ERR_clear_error();
    if (session == NULL || session->ending)
        return;
    if (!session->up)
        end_handshake(session, coap);
    else if (session->goodbye)
        session_end(session, DOTS_DOWN_CLOSED, "closed by the peer");
    else if (session->tcp || session->server)
        session_end(session, DOTS_DOWN_LOST, "the connection broke");
    else
        session_end(session, DOTS_DOWN_REFUSED, "port unreachable");
}

int events_handle(coap_session_t *coap, coap_event_t event)
{
    struct dots_session *session = coap_session_get_app_data(coap);
    switch (event) {
    case COAP_EVENT_DTLS_CONNECTED:
        if (!is_tcp(coap))
            on_up(coap);
        break;
    case COAP_EVENT_SESSION_CONNECTED: /* TLS: the peer's CSM is here, so it has accepted our certificate, too */
        on_up(coap);
        break;
    case COAP_EVENT_SERVER_SESSION_NEW:
        on_accepted(coap);
        break;
    case COAP_EVENT_DTLS_ERROR:
        on_error(coap);
        break;
    case COAP_EVENT_TCP_FAILED:
        if (session != NULL)
            session_end(session, DOTS_DOWN_REFUSED, "connection refused, or no way there");
        break;
    case COAP_EVENT_DTLS_CLOSED:
    case COAP_EVENT_TCP_CLOSED:
    case COAP_EVENT_SESSION_CLOSED:
    case COAP_EVENT_SESSION_FAILED:
        on_closed(coap);
        break;
    default:
        break;
    }
    return 0;
}

static void tell_nack(struct dots_session *session, const coap_pdu_t *sent, enum dots_nack reason)
{
    struct dots_token token;
    if (sent == NULL || coap_pdu_get_code(sent) == 0 || DOTS_CODE_CLASS((unsigned)coap_pdu_get_code(sent)) != 0)
        return; /* a separate response that nobody acknowledged */
    coap_bin_const_t bytes = coap_pdu_get_token(sent);
    if (tokens_read(&token, bytes.s, bytes.length) == 0)
        tokens_failed(session, &token, reason);
}

/* When the session dies, what it had under way is not nacked: `down` says it all. */
void events_nack(coap_session_t *coap, const coap_pdu_t *sent, coap_nack_reason_t reason, coap_mid_t mid)
{
    struct dots_session *session = coap_session_get_app_data(coap);
    if (session == NULL || session->ending)
        return;
    switch (reason) {
    case COAP_NACK_TOO_MANY_RETRIES:
        tell_nack(session, sent, DOTS_NACK_TIMEOUT);
        break;
    case COAP_NACK_RST:
        if (session->tcp)
            break; /* Release or Abort: the session ends */
        session->heard = uv_now(session->endpoint->loop);
        if (sent != NULL)
            tell_nack(session, sent, DOTS_NACK_RESET);
        else
            resets_received(session, (uint16_t)mid);
        break;
    case COAP_NACK_ICMP_ISSUE: /* 4.3.4 goes on; an established session is for the heartbeat to judge */
        if (!session->up)
            session_end(session, DOTS_DOWN_REFUSED, "port unreachable");
        break;
    default:
        break;
    }
}

void events_ping(coap_session_t *coap, const coap_pdu_t *received, coap_mid_t mid)
{
    (void)received, (void)mid;
    struct dots_session *session = coap_session_get_app_data(coap);
    if (session != NULL && session->endpoint != NULL)
        session->heard = uv_now(session->endpoint->loop);
}
