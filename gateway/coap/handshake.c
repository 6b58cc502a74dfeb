/*
 * handshake: what is known of one (D)TLS handshake, from its first message to the end of its SSL.
 *
 * The record hangs on the SSL and is freed with it, so a server handshake that never became a session
 * is reported exactly once, whatever it died of.
 */
#include "gateway/coap/private.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define HANDSHAKE_REPEATS 20 /* more than fit into COAP_HANDSHAKE_TIMEOUT */

static int ssl_index = -1;

static void report(const struct handshake *handshake)
{
    const struct dots_endpoint *endpoint = handshake->endpoint;
    if (endpoint->closing || endpoint->handlers->handshake_failed == NULL)
        return;
    char why[160];
    handshake_why(handshake, why, sizeof why);
    /* TLS 1.3 goes on with a certificate, which is what such a client refuses. */
    bool stranger = handshake->psk_unknown && handshake->failure == DOTS_HANDSHAKE_REFUSED;
    endpoint->handlers->handshake_failed(endpoint->arg, (const struct sockaddr *)&handshake->peer,
                                         stranger ? DOTS_HANDSHAKE_PSK_IDENTITY : handshake->failure, why);
}

/* A peer that answers at once is refused within the first SSL_connect(): libcoap frees the SSL before it says so. */
static void report_client(const struct handshake *handshake)
{
    char why[160];
    if (handshake->session == NULL || handshake->cause == NULL)
        return;
    handshake_why(handshake, why, sizeof why);
    session_end(handshake->session, DOTS_DOWN_HANDSHAKE, why);
}

static void uncount(struct handshake *handshake)
{
    if (!handshake->counted)
        return;
    handshake->endpoint->handshakes--;
    handshake->counted = false;
    handshake->coap = NULL;
    DL_DELETE2(handshake->endpoint->underway, handshake, before, newer);
}

static void count(struct handshake *handshake, coap_session_t *coap)
{
    handshake->counted = true;
    handshake->coap = coap;
    handshake->started = uv_now(handshake->endpoint->loop);
    handshake->endpoint->handshakes++;
    DL_APPEND2(handshake->endpoint->underway, handshake, before, newer);
    driver_watch(handshake->endpoint);
}

/* libcoap waits for the rest of a flight as long as for the next request of an idle session, which is minutes. */
void handshake_expire(struct dots_endpoint *endpoint, uint64_t now)
{
    for (struct handshake *oldest = endpoint->underway; oldest != NULL; oldest = oldest->newer) {
        if (now - oldest->started <= COAP_HANDSHAKE_TIMEOUT)
            return;
        events_dismiss(oldest->coap, "the handshake took too long");
    }
}

/* CRYPTO_EX_free: runs in SSL_free. */
static void on_free(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long number, void *argument)
{
    (void)parent, (void)data, (void)index, (void)number, (void)argument;
    struct handshake *handshake = value;
    if (handshake == NULL)
        return;
    uncount(handshake);
    buffers_end(handshake);
    gate_forget(handshake);
    if (handshake->server && !handshake->done)
        report(handshake);
    else if (!handshake->done)
        report_client(handshake);
    free(handshake->psk_identity);
    free(handshake);
}

int handshake_register(void)
{
    if (ssl_index < 0)
        ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_free);
    return ssl_index < 0 ? -1 : 0;
}

struct handshake *handshake_of(const SSL *ssl)
{
    return ssl_index >= 0 ? SSL_get_ex_data(ssl, ssl_index) : NULL;
}

void handshake_why(const struct handshake *handshake, char *text, size_t size)
{
    if (handshake->cause != NULL)
        snprintf(text, size, "%s%s", handshake->doing, handshake->cause);
    else
        snprintf(text, size, "the peer went silent or away before the handshake was complete");
}

static void note(struct handshake *handshake, enum dots_handshake_failure failure, const char *doing, const char *cause)
{
    if (handshake->cause != NULL || cause == NULL)
        return;
    handshake->failure = failure;
    handshake->doing = doing;
    handshake->cause = cause;
}

/*
 * Application data that overtakes the end of the handshake, or comes again and again because only that was lost:
 * OpenSSL would keep it and hand it out in the same breath as the end, and events_missed says what becomes of that.
 */
static bool is_early(const struct handshake *handshake, const char *datagram)
{
    return handshake->datagrams && !handshake->done && datagram[0] == SSL3_RT_APPLICATION_DATA;
}

static int on_read(BIO *bio, struct handshake *handshake, const char *bytes, size_t *length)
{
    if (is_early(handshake, bytes)) {
        *length = 0;
        BIO_set_retry_read(bio);
        return -1; /* dropped */
    }
    if (handshake->datagrams && !buffers_restore(handshake, bytes, *length)) {
        *length = 0;
        BIO_set_retry_read(bio);
        return -1; /* dropped */
    }
    if (handshake->session != NULL)
        anew_datagram(handshake->session, bytes, *length);
    return 1;
}

/*
 * Called around each read and write of the SSL. libcoap never clears OpenSSL's error queue, and SSL_get_error()
 * takes anything left in it, by whatever session, for a fatal error of this one.
 */
static long on_transfer(BIO *bio, int operation, const char *bytes, size_t length, int argument, long number,
                        int result, size_t *processed)
{
    (void)length, (void)argument, (void)number;
    struct handshake *handshake = (struct handshake *)(void *)BIO_get_callback_arg(bio);
    if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0 && *processed > 0)
        return on_read(bio, handshake, bytes, processed);
    if (operation != BIO_CB_READ && operation != BIO_CB_WRITE)
        return result;
    /* What is written last in a handshake may be the alert for it. A look is cheaper than a clearing of nothing. */
    if ((operation == BIO_CB_READ || handshake->done) && ERR_peek_error() != 0)
        ERR_clear_error();
    if (handshake->done)
        buffers_used(handshake);
    if (operation == BIO_CB_READ)
        handshake->endpoint->reading = handshake->session;
    else if (!handshake->done && handshake->session != NULL)
        handshake->session->sent = uv_now(handshake->endpoint->loop);
    return result;
}

static void start(SSL *ssl, coap_session_t *coap)
{
    struct handshake *handshake = calloc(1, sizeof *handshake);
    if (handshake == NULL || SSL_set_ex_data(ssl, ssl_index, handshake) != 1) {
        free(handshake); /* handshake_hello and session_up refuse an SSL without a record */
        return;
    }
    struct dots_endpoint *endpoint = tls_endpoint(ssl);
    handshake->endpoint = endpoint;
    handshake->server = SSL_is_server(ssl);
    handshake->datagrams = SSL_is_dtls(ssl);
    session_copy_peer(&handshake->peer, &coap_session_get_addr_remote(coap)->addr.sa);
    buffers_begin(handshake);
    BIO_set_callback_ex(SSL_get_rbio(ssl), on_transfer);
    BIO_set_callback_arg(SSL_get_rbio(ssl), (char *)handshake);
    if (handshake->server) {
        memcpy(handshake->anchors, endpoint->anchors, sizeof handshake->anchors);
        tls_show(ssl, endpoint);
        gate_know(handshake);
        SSL_set_psk_server_callback(ssl, endpoint->psk_lookup != NULL ? psk_for_client : NULL);
        count(handshake, coap);
        return;
    }
    /* libcoap counts the repetitions of all flights together; driver.c bounds the time instead. */
    coap_session_set_max_retransmit(coap, HANDSHAKE_REPEATS);
    handshake->session = endpoint->connecting != NULL ? endpoint->connecting : coap_session_get_app_data(coap);
    if (handshake->session != NULL)
        tls_client(ssl, handshake->session);
}

const char *dots_handshake_failure_name(enum dots_handshake_failure failure)
{
    static const char *const names[DOTS_HANDSHAKE_FAILURES] = {
        [DOTS_HANDSHAKE_TIMEOUT] = "timeout",
        [DOTS_HANDSHAKE_PSK_IDENTITY] = "psk-identity",
        [DOTS_HANDSHAKE_PSK_KEY] = "psk-key",
        [DOTS_HANDSHAKE_NO_CERTIFICATE] = "no-certificate",
        [DOTS_HANDSHAKE_CERTIFICATE] = "certificate",
        [DOTS_HANDSHAKE_CERTIFICATE_EXPIRED] = "certificate-expired",
        [DOTS_HANDSHAKE_PARAMETERS] = "parameters",
        [DOTS_HANDSHAKE_REFUSED] = "refused-by-peer",
        [DOTS_HANDSHAKE_LIMIT] = "limit",
        [DOTS_HANDSHAKE_OTHER] = "other",
    };
    return names[failure];
}

static enum dots_handshake_failure of_verification(long result)
{
    return result == X509_V_ERR_CERT_HAS_EXPIRED || result == X509_V_ERR_CERT_NOT_YET_VALID
               ? DOTS_HANDSHAKE_CERTIFICATE_EXPIRED
               : DOTS_HANDSHAKE_CERTIFICATE;
}

static enum dots_handshake_failure of_error(const struct handshake *handshake, unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_PSK_IDENTITY_NOT_FOUND:
        return DOTS_HANDSHAKE_PSK_IDENTITY;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return DOTS_HANDSHAKE_NO_CERTIFICATE;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
        return DOTS_HANDSHAKE_PARAMETERS;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_DIGEST_CHECK_FAILED:
    case SSL_R_BINDER_DOES_NOT_VERIFY:
        return handshake->psk ? DOTS_HANDSHAKE_PSK_KEY : DOTS_HANDSHAKE_OTHER;
    default:
        return DOTS_HANDSHAKE_OTHER;
    }
}

static void note_alert(const SSL *ssl, struct handshake *handshake, int where, int alert)
{
    const char *text = SSL_alert_desc_string_long(alert);
    if (where & SSL_CB_READ) {
        if ((alert & 0xff) != SSL_AD_CLOSE_NOTIFY)
            note(handshake, DOTS_HANDSHAKE_REFUSED, "the peer says: ", text);
        else if (handshake->session != NULL)
            handshake->session->goodbye = true;
        return;
    }
    if ((alert >> 8) != SSL3_AL_FATAL)
        return;
    long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK)
        note(handshake, of_verification(verified), "the peer's certificate: ", X509_verify_cert_error_string(verified));
    unsigned long error = ERR_peek_last_error();
    note(handshake, of_error(handshake, error), "", ERR_reason_error_string(error));
    note(handshake, DOTS_HANDSHAKE_OTHER, "we refused: ", text);
}

static void finish(const SSL *ssl, struct handshake *handshake)
{
    if (handshake->done)
        return; /* again, with each ticket of TLS 1.3 */
    handshake->done = true;
    buffers_end(handshake);
    uncount(handshake);
    /* An external PSK counts as a reused session in TLS 1.3, but has no ticket. */
    handshake->resumed = SSL_session_reused(ssl) &&
                         (handshake->server ? !handshake->psk : SSL_SESSION_has_ticket(SSL_get0_session(ssl)));
}

/* SSL_CTX_set_info_callback. libcoap learns of alerts from its own, which is called last. */
void handshake_info(const SSL *ssl, int where, int result)
{
    coap_session_t *coap = SSL_get_app_data(ssl);
    if (coap == NULL)
        return; /* the SSL that answers ClientHellos with cookies; libcoap's callback would crash */
    if (where & SSL_CB_HANDSHAKE_START && handshake_of(ssl) == NULL)
        start((SSL *)ssl, coap);
    struct handshake *handshake = handshake_of(ssl);
    if (handshake != NULL && where & SSL_CB_ALERT)
        note_alert(ssl, handshake, where, result);
    if (handshake != NULL && where & SSL_CB_HANDSHAKE_DONE)
        finish(ssl, handshake);
    struct dots_endpoint *endpoint = tls_endpoint(ssl);
    if (endpoint->libcoap_info != NULL)
        endpoint->libcoap_info(ssl, where, result);
}

/* SSL_CTX_set_client_hello_cb: after the cookie exchange, before any expensive cryptography. */
int handshake_hello(SSL *ssl, int *alert, void *arg)
{
    (void)arg;
    struct handshake *handshake = handshake_of(ssl);
    *alert = SSL_AD_INTERNAL_ERROR;
    if (handshake == NULL)
        return SSL_CLIENT_HELLO_ERROR;
    struct dots_endpoint *endpoint = handshake->endpoint;
    if (endpoint->server_sessions >= endpoint->sessions_max)
        note(handshake, DOTS_HANDSHAKE_LIMIT, "", "the limit of sessions is reached");
    else if (endpoint->handshakes > endpoint->handshakes_max)
        note(handshake, DOTS_HANDSHAKE_LIMIT, "", "the limit of handshakes under way is reached");
    else if (!source_limit_allows(endpoint->sources, (const struct sockaddr *)&handshake->peer, uv_now(endpoint->loop)))
        note(handshake, DOTS_HANDSHAKE_LIMIT, "", "too many handshakes per second from this address");
    else
        return SSL_CLIENT_HELLO_SUCCESS;
    return SSL_CLIENT_HELLO_ERROR;
}
