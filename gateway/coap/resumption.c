/* resumption: the client's side of tickets, one per transport, kept by the caller over sessions. */
#include "gateway/coap/private.h"

#include <stdlib.h>

struct dots_resumption {
    SSL_SESSION *kept[2]; /* DTLS, TLS */
};

struct dots_resumption *dots_resumption_new(void)
{
    return calloc(1, sizeof(struct dots_resumption));
}

void dots_resumption_free(struct dots_resumption *resumption)
{
    if (resumption == NULL)
        return;
    SSL_SESSION_free(resumption->kept[0]);
    SSL_SESSION_free(resumption->kept[1]);
    free(resumption);
}

/* Copies go in and out: OpenSSL marks a session whose connection ends without close_notify as not resumable, and
 * that is just when it is needed. */
void resumption_use(struct dots_resumption *resumption, bool tcp, SSL *ssl)
{
    SSL_SESSION *earlier =
        resumption != NULL && resumption->kept[tcp] != NULL ? SSL_SESSION_dup(resumption->kept[tcp]) : NULL;
    if (earlier != NULL)
        SSL_set_session(ssl, earlier);
    SSL_SESSION_free(earlier);
}

/* SSL_CTX_sess_set_new_cb; 0: the session is not taken. With TLS 1.3 tickets come after the handshake, one by
 * one; the last is kept. */
int resumption_keep(SSL *ssl, SSL_SESSION *session)
{
    const struct handshake *handshake = handshake_of(ssl);
    if (handshake == NULL || handshake->server || handshake->session == NULL ||
        handshake->session->resumption == NULL || !SSL_SESSION_is_resumable(session))
        return 0;
    SSL_SESSION **kept = &handshake->session->resumption->kept[handshake->session->tcp];
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    if (copy == NULL)
        return 0;
    SSL_SESSION_free(*kept);
    *kept = copy;
    return 0;
}
