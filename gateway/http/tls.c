/* tls: credentials, ALPN and resumption of the HTTPS listeners (RFC 9113 section 9.2, RFC 8783 section 3.1). */
#include "gateway/http/private.h"
#include "gateway/tls/tickets.h"
#include "gateway/tls/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* TLS 1.2: AEAD with ephemeral keys only, which HTTP/2 demands; TLS 1.3 has nothing else. */
#define CIPHERS                                                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384"
#define SESSION_CONTEXT "dotsgw-http"
#define TICKET_LIFETIME 43200L /* s */
#define CERTIFICATE_LIST_MAX 65536

static const unsigned char protocols[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

/* Ours in our order of preference; clients without ALPN speak HTTP/1.1. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                       unsigned in_length, void *arg)
{
    (void)ssl, (void)arg;
    unsigned char *selected;
    if (SSL_select_next_proto(&selected, out_length, protocols, sizeof protocols, in, in_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

const struct protocol *tls_protocol(const SSL *ssl)
{
    const unsigned char *selected;
    unsigned length;
    SSL_get0_alpn_selected(ssl, &selected, &length);
    return length == 2 ? &protocol_http2 : &protocol_http1;
}

void tls_failure(char *text, size_t size)
{
    snprintf(text, size, "%s", ERR_peek_error() != 0 ? tls_reason() : "the connection ended");
    ERR_clear_error();
}

static int set_clients(SSL_CTX *context, const struct http_tls *tls, char *error, size_t error_size)
{
    if (tls->client_certificate == HTTP_CLIENT_CERTIFICATE_NONE)
        return 0;
    if (tls->trust_anchors == NULL) {
        snprintf(error, error_size, "%s: client certificates cannot be verified without trust anchors",
                 tls->certificate);
        return -1;
    }
    int mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
    if (tls->client_certificate == HTTP_CLIENT_CERTIFICATE_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, NULL);
    SSL_CTX_set_max_cert_list(context, CERTIFICATE_LIST_MAX);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context),
                                X509_V_FLAG_PARTIAL_CHAIN); /* any anchor, not only roots */
    return tls_load_anchors(context, tls->trust_anchors, error, error_size);
}

/* ---- Tickets ---- */

/* Of a context, and freed with it. Made keys are its own: tickets of before a reload, with what was trusted then, do
 * not count. With keys that were given they do, if the same is trusted. */
struct sealing {
    struct tls_tickets tickets;
    uint8_t anchors[32];
};

static int sealing_index = -1;

/* CRYPTO_EX_free: runs in SSL_CTX_free. */
static void on_context_free(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long number, void *argument)
{
    (void)parent, (void)data, (void)index, (void)number, (void)argument;
    struct sealing *sealing = value;
    if (sealing == NULL)
        return;
    tls_tickets_wipe(&sealing->tickets);
    free(sealing);
}

static struct sealing *sealing_of(const SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sealing_index);
}

static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                         int encrypt)
{
    const struct connection *connection = BIO_get_data(SSL_get_rbio(ssl));
    return tls_tickets_key(&sealing_of(ssl)->tickets, uv_now(connection->server->loop), name, iv, cipher, mac, encrypt);
}

/* A certificate may run out while its ticket is good. */
static bool still_valid(const SSL *ssl, SSL_SESSION *session)
{
    const X509 *certificate = SSL_SESSION_get0_peer(session);
    const struct sealing *sealing = sealing_of(ssl);
    void *anchors = NULL;
    size_t length = 0;
    return SSL_SESSION_get0_ticket_appdata(session, &anchors, &length) == 1 && length == sizeof sealing->anchors &&
           memcmp(anchors, sealing->anchors, length) == 0 &&
           (certificate == NULL || X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0);
}

static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_length,
                                   SSL_TICKET_STATUS status, void *arg)
{
    (void)name, (void)name_length, (void)arg;
    if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) || !still_valid(ssl, session))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    /* RFC 8446 appendix C.4: a ticket of TLS 1.3 is for one use, so there is always a next one. */
    bool renew = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION;
    return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

static int on_new_ticket(SSL *ssl, void *arg)
{
    (void)arg;
    const struct sealing *sealing = sealing_of(ssl);
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), sealing->anchors, sizeof sealing->anchors);
}

/* After the trust anchors are there. */
static int set_tickets(SSL_CTX *context, const struct http_tls *tls)
{
    struct sealing *sealing = calloc(1, sizeof *sealing);
    if (sealing_index < 0)
        sealing_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_free);
    if (sealing == NULL || sealing_index < 0 || SSL_CTX_set_ex_data(context, sealing_index, sealing) != 1) {
        free(sealing);
        return -1;
    }
    if (tls->ticket_keys_length > 0)
        tls_tickets_give(&sealing->tickets, tls->ticket_keys, tls->ticket_keys_length);
    else if (tls_tickets_make(&sealing->tickets) != 0)
        return -1;
    return tls_anchors_digest(context, sealing->anchors) == 0 &&
                   SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key) == 1 &&
                   SSL_CTX_set_session_ticket_cb(context, on_new_ticket, on_ticket, NULL) == 1
               ? 0
               : -1;
}

/* ---- The context ---- */

static int set_profile(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, TICKET_LIFETIME);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                   SSL_CTX_set_cipher_list(context, CIPHERS) == 1 &&
                   SSL_CTX_set_session_id_context(context, (const unsigned char *)SESSION_CONTEXT,
                                                  sizeof SESSION_CONTEXT - 1) == 1
               ? 0
               : -1;
}

SSL_CTX *tls_new(const struct http_tls *tls, char *error, size_t error_size)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || set_profile(context) != 0) {
        snprintf(error, error_size, "OpenSSL refuses the profile of the HTTP server: %s", tls_reason());
        ERR_clear_error();
    } else if (tls_load_certificate(context, tls->certificate, tls->private_key, error, error_size) == 0 &&
               set_clients(context, tls, error, error_size) == 0) {
        if (set_tickets(context, tls) == 0)
            return context;
        snprintf(error, error_size, "out of memory");
    }
    SSL_CTX_free(context);
    return NULL;
}

/* An SSL reads and writes the buffers of its connection. */
static int bio_read(BIO *bio, char *to, int size)
{
    struct connection *connection = BIO_get_data(bio);
    size_t there = buffer_length(&connection->raw);
    BIO_clear_retry_flags(bio);
    if (size <= 0)
        return 0;
    if (there == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t taken = there < (size_t)size ? there : (size_t)size;
    memcpy(to, buffer_bytes(&connection->raw), taken);
    buffer_consume(&connection->raw, taken);
    return (int)taken;
}

static int bio_write(BIO *bio, const char *from, int size)
{
    struct connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0)
        return 0;
    return buffer_append(&connection->wire, from, (size_t)size) == 0 ? size : -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method;
    if (method == NULL) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
        if (method != NULL) {
            BIO_meth_set_read(method, bio_read);
            BIO_meth_set_write(method, bio_write);
            BIO_meth_set_ctrl(method, bio_control);
        }
    }
    return method;
}

SSL *tls_accept(SSL_CTX *context, struct connection *connection)
{
    BIO_METHOD *method = bio_method();
    SSL *ssl = SSL_new(context);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        return NULL;
    }
    BIO_set_data(bio, connection);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return ssl;
}
