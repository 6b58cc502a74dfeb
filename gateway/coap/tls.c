/*
 * tls: the (D)TLS profile of RFC 9132 section 7.1 on libcoap's two OpenSSL contexts.
 *
 * libcoap would read the PEM files again in each handshake, send no chain, and hands out the SSL
 * only on the server side. So its contexts are taken when it makes them, through OpenSSL's own
 * hook for new objects (CRYPTO_get_ex_new_index), and configured here once; what differs between
 * sessions is set at the start of each handshake (handshake.c).
 */
#include "gateway/coap/private.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* TLS 1.2: AEAD with ephemeral keys only; TLS 1.3 has nothing else. */
#define CIPHERS_CERTIFICATE                                                                      \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384"
#define CIPHERS_PSK "ECDHE-PSK-CHACHA20-POLY1305"
/* SHA-256 first: OpenSSL ties a PSK from the callback to it, and a server with a certificate, too, would
 * otherwise prefer SHA-384, drop the PSK, and ask for a certificate. */
#define CIPHERS_TLS13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
#define SESSION_CONTEXT "dotsgw"
#define TICKET_LIFETIME 86400 /* s */

static const unsigned char alpn_coap[] = {4, 'c', 'o', 'a', 'p'}; /* RFC 8323 section 8.2 */

static int context_index = -1; /* SSL_CTX -> dots_endpoint */
static _Thread_local struct {
    SSL_CTX *contexts[2];
    size_t count;
    bool watching;
} taken;

/* CRYPTO_EX_new: OpenSSL calls this for each new SSL_CTX. */
static void on_new_context(void *parent, void *value, CRYPTO_EX_DATA *data, int index, long number, void *argument)
{
    (void)value, (void)data, (void)index, (void)number, (void)argument;
    if (!taken.watching)
        return;
    if (taken.count < 2)
        taken.contexts[taken.count] = parent;
    taken.count++;
}

struct dots_endpoint *tls_endpoint(const SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
}

/* Makes libcoap's context and remembers the two SSL_CTX in it. */
int tls_create(struct dots_endpoint *endpoint, char *error, size_t error_size)
{
    if (context_index < 0)
        context_index = SSL_CTX_get_ex_new_index(0, NULL, on_new_context, NULL, NULL);
    if (context_index < 0 || handshake_register() != 0) {
        snprintf(error, error_size, "OpenSSL is out of memory");
        return -1;
    }
    coap_startup();
    taken.count = 0;
    taken.watching = true;
    endpoint->context = coap_new_context(NULL);
    taken.watching = false;
    if (endpoint->context == NULL) {
        snprintf(error, error_size, "libcoap cannot start: out of memory or file descriptors");
        return -1;
    }
    if (taken.count != 2 || SSL_CTX_get_ssl_method(taken.contexts[0]) != DTLS_method() ||
        SSL_CTX_get_ssl_method(taken.contexts[1]) != TLS_method()) {
        snprintf(error, error_size, "this libcoap is not built with OpenSSL, DTLS and TLS as Debian's is");
        return -1;
    }
    memcpy(endpoint->contexts, taken.contexts, sizeof endpoint->contexts);
    return 0;
}

/* RFC 8323 section 8.2: "coap" when the client asks; clients without ALPN are served as well. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                       unsigned in_length, void *arg)
{
    (void)ssl, (void)arg;
    unsigned char *selected;
    if (SSL_select_next_proto(&selected, out_length, alpn_coap, sizeof alpn_coap, in, in_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

static void set_protocol(SSL_CTX *context, bool tcp)
{
    SSL_CTX_set_min_proto_version(context, tcp ? TLS1_2_VERSION : DTLS1_2_VERSION);
    SSL_CTX_clear_options(context,
                          SSL_OP_NO_TICKET | SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT | SSL_VERIFY_CLIENT_ONCE, NULL);
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context),
                                X509_V_FLAG_PARTIAL_CHAIN); /* any anchor, not only roots */
    if (tcp)
        SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
}

/* Tickets only: no server-side state (RFC 9132 section 7.1); clients keep theirs with dots_resumption. */
static int set_resumption(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, resumption_keep);
    SSL_CTX_set_timeout(context, TICKET_LIFETIME);
    if (SSL_CTX_set_session_id_context(context, (const unsigned char *)SESSION_CONTEXT, sizeof SESSION_CONTEXT - 1) !=
        1)
        return -1;
    return tickets_install(context);
}

static int configure(struct dots_endpoint *endpoint, SSL_CTX *context, const struct dots_material *material,
                     char *error, size_t error_size)
{
    bool tcp = context == endpoint->contexts[1];
    set_protocol(context, tcp);
    if (SSL_CTX_set_ex_data(context, context_index, endpoint) != 1 || set_resumption(context) != 0 ||
        SSL_CTX_set_cipher_list(context, CIPHERS_CERTIFICATE ":" CIPHERS_PSK) != 1 ||
        SSL_CTX_set_ciphersuites(context, CIPHERS_TLS13) != 1 || material_apply(context, material) != 0) {
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        snprintf(error, error_size, "OpenSSL refuses the DOTS profile: %s", reason != NULL ? reason : "out of memory");
        return -1;
    }
    endpoint->libcoap_info = SSL_CTX_get_info_callback(context);
    SSL_CTX_set_info_callback(context, handshake_info);
    SSL_CTX_set_client_hello_cb(context, handshake_hello, NULL);
    return 0;
}

/* libcoap listens only after one of its own credential functions was called; this one changes nothing
 * in the contexts but the PSK callback, which is set again for each handshake. */
static int open_server_side(struct dots_endpoint *endpoint)
{
    coap_dtls_spsk_t setup = {.version = COAP_DTLS_SPSK_SETUP_VERSION};
    return coap_context_set_psk2(endpoint->context, &setup) != 0 ? 0 : -1;
}

int tls_configure(struct dots_endpoint *endpoint, const struct dots_material *material, bool client_only, char *error,
                  size_t error_size)
{
    ERR_clear_error();
    endpoint->gate = gate_new(endpoint->contexts[0]);
    if (endpoint->gate == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < 2; i++)
        if (configure(endpoint, endpoint->contexts[i], material, error, error_size) != 0)
            return -1;
    if (!client_only && open_server_side(endpoint) != 0) {
        snprintf(error, error_size, "libcoap cannot set up its (D)TLS server side");
        return -1;
    }
    return 0;
}

/* RFC 9132 section 7.1: SNI, and the DNS-ID checked as RFC 6125 says: no common name, no partial wildcard. */
static int expect_server(SSL *ssl, const char *name)
{
    unsigned char address[16];
    bool literal = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    if (literal)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 ? 0 : -1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : -1;
}

/* Before the ClientHello is built. A failure leaves no usable cipher: the handshake then fails by itself. */
void tls_client(SSL *ssl, struct dots_session *session)
{
    const struct dots_endpoint *endpoint = session->endpoint;
    tls_show(ssl, endpoint);
    bool psk = endpoint->psk_identity != NULL;
    bool ready = SSL_set_cipher_list(ssl, psk ? CIPHERS_PSK : CIPHERS_CERTIFICATE) == 1;
    SSL_set_psk_client_callback(ssl, psk ? psk_for_server : NULL);
    if (psk && SSL_set0_verify_cert_store(ssl, X509_STORE_new()) != 1) /* no certificate instead of the PSK */
        ready = false;
    if (session->tcp && SSL_set_alpn_protos(ssl, alpn_coap, sizeof alpn_coap) != 0)
        ready = false;
    if (session->server_name != NULL && !psk && expect_server(ssl, session->server_name) != 0)
        ready = false;
    if (session->server_name == NULL && !psk)
        ready = false; /* any certificate of the CA would do */
    /* OpenSSL makes the session of an external PSK without a context, and compares. */
    if (SSL_set_session_id_context(ssl, (const unsigned char *)"", 0) != 1)
        ready = false;
    resumption_use(session->resumption, session->tcp, ssl);
    if (!ready) {
        SSL_set_min_proto_version(ssl, session->tcp ? TLS1_3_VERSION : DTLS1_2_VERSION);
        SSL_set_max_proto_version(ssl, session->tcp ? TLS1_2_VERSION : DTLS1_VERSION);
    }
}
