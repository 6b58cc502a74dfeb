/*
 * buffers: the two record buffers of a DTLS session (17 KB each), there only while they are used.
 *
 * SSL_MODE_RELEASE_BUFFERS does that for TLS only. OpenSSL makes them anew when it reads, but not when it writes, and
 * libcoap writes when it likes: answers, retransmissions, pings, close_notify. It calls SSL_write() and SSL_shutdown()
 * through its PLT (a JUMP_SLOT in 4.3.1 and 4.3.4), so the definitions here come first in the symbol lookup, as with
 * recvmsg in gate.c, and make the buffers before. For everybody else's SSL they are OpenSSL's own.
 */
#include "gateway/coap/private.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

typedef int (*write_h)(SSL *, const void *, int);
typedef int (*shutdown_h)(SSL *);

/* From any thread. */
static void *library(const char *name, _Atomic(void *) *known)
{
    void *symbol = atomic_load_explicit(known, memory_order_relaxed);
    if (symbol == NULL) {
        symbol = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(known, symbol, memory_order_relaxed);
    }
    return symbol;
}

/* False: out of memory. */
static bool ready(SSL *ssl)
{
    struct handshake *handshake = handshake_of(ssl);
    if (handshake == NULL || !handshake->datagrams || !handshake->done)
        return true;
    buffers_used(handshake);
    return SSL_alloc_buffers(ssl) == 1;
}

/* Interposes OpenSSL's. */
int SSL_write(SSL *ssl, const void *bytes, int length)
{
    static _Atomic(void *) known;
    void *symbol = library("SSL_write", &known);
    write_h call;
    memcpy(&call, &symbol, sizeof call);
    return call != NULL && ready(ssl) ? call(ssl, bytes, length) : -1;
}

/* Interposes OpenSSL's. */
int SSL_shutdown(SSL *ssl)
{
    static _Atomic(void *) known;
    void *symbol = library("SSL_shutdown", &known);
    shutdown_h call;
    memcpy(&call, &symbol, sizeof call);
    return call != NULL && ready(ssl) ? call(ssl) : -1;
}

/* Where libcoap's calls do not come here the buffers stay. */
static bool is_interposed(void)
{
    static int known = -1;
    if (known < 0) {
        void *first[] = {dlsym(RTLD_DEFAULT, "SSL_write"), dlsym(RTLD_DEFAULT, "SSL_shutdown")};
        write_h write_first;
        shutdown_h shutdown_first;
        memcpy(&write_first, &first[0], sizeof write_first);
        memcpy(&shutdown_first, &first[1], sizeof shutdown_first);
        known = write_first == SSL_write && shutdown_first == SSL_shutdown;
    }
    return known == 1;
}

void buffers_used(struct handshake *handshake)
{
    struct dots_session *session = handshake->session;
    if (!handshake->datagrams || session == NULL || session->endpoint == NULL || !is_interposed())
        return;
    session_link(session, LIST_BUFFERED);
    if (!session->endpoint->turning)
        driver_wake(session->endpoint);
}

/* After a turn. What is half read or written keeps them (CVE-2024-4741 is of those). */
void buffers_release(struct dots_endpoint *endpoint)
{
    while (endpoint->buffered != NULL) {
        struct dots_session *session = endpoint->buffered;
        session_unlink(session, LIST_BUFFERED);
        SSL *ssl = session->coap != NULL ? coap_session_get_tls(session->coap, NULL) : NULL;
        if (ssl != NULL && SSL_is_init_finished(ssl) && SSL_has_pending(ssl) == 0)
            SSL_free_buffers(ssl);
    }
}
