/*
 * buffers: what OpenSSL keeps for a DTLS session that is idle, and does not for TLS, there only while it is used.
 *
 * The two record buffers, 17 KB each: SSL_MODE_RELEASE_BUFFERS is for TLS only. OpenSSL makes them anew when it reads,
 * but not when it writes, and libcoap writes when it likes: answers, retransmissions, pings, close_notify. It calls
 * SSL_write() and SSL_shutdown() through its PLT (a JUMP_SLOT in 4.3.1 and 4.3.4), so the definitions here come first
 * in the symbol lookup, as with recvmsg in gate.c, and make the buffers before.
 *
 * The buffer of handshake messages, 21 KB: OpenSSL frees it after a TLS handshake, but keeps it for DTLS, where the
 * peer may repeat its Finished. It is a BUF_MEM, which libssl makes with BUF_MEM_grow() at the start of the handshake;
 * that call, too, comes here. Its memory is given back after the handshake and made again before OpenSSL is handed a
 * datagram with anything but application data in it: nothing else uses it.
 *
 * For everybody else's SSL and BUF_MEM (libcurl's, our HTTP server's) the functions here are OpenSSL's own, and with a
 * release of OpenSSL that the tests do not know the buffer of messages stays: tests/unit/coap_buffers_test.c.
 */
#include "gateway/coap/private.h"

#include <dlfcn.h>
#include <openssl/buffer.h>
#include <openssl/crypto.h>
#include <string.h>

#define BUFFERED_MAX 8 /* sessions with record buffers in one turn: the same few stay in the processor's caches */
#define MINOR_KNOWN 5  /* OpenSSL 3.0 is in Debian 12, 3.5 in Debian 13 */
#define MESSAGES_SIZE SSL3_RT_MAX_PLAIN_LENGTH /* of the buffer of handshake messages, as OpenSSL asks for it */

static _Thread_local struct handshake *beginning; /* its buffer of messages is made next */

typedef size_t (*grow_h)(BUF_MEM *, size_t);
typedef int (*write_h)(SSL *, const void *, int);
typedef int (*shutdown_h)(SSL *);

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
    void *symbol = interpose_next("SSL_write", &known);
    write_h call;
    memcpy(&call, &symbol, sizeof call);
    return call != NULL && ready(ssl) ? call(ssl, bytes, length) : -1;
}

/* Interposes OpenSSL's. */
int SSL_shutdown(SSL *ssl)
{
    static _Atomic(void *) known;
    void *symbol = interpose_next("SSL_shutdown", &known);
    shutdown_h call;
    memcpy(&call, &symbol, sizeof call);
    return call != NULL && ready(ssl) ? call(ssl) : -1;
}

/* Interposes OpenSSL's. */
size_t BUF_MEM_grow(BUF_MEM *buffer, size_t size)
{
    static _Atomic(void *) known;
    void *symbol = interpose_next("BUF_MEM_grow", &known);
    grow_h call;
    memcpy(&call, &symbol, sizeof call);
    if (beginning != NULL && size == MESSAGES_SIZE && buffer->data == NULL) {
        beginning->messages = buffer;
        beginning = NULL;
    }
    return call != NULL ? call(buffer, size) : 0;
}

/* What is known of the buffer of messages holds for the releases that the tests have seen. */
static bool is_known_release(void)
{
    return OPENSSL_version_major() == 3 && OPENSSL_version_minor() <= MINOR_KNOWN;
}

/* From the start of a handshake of DTLS. */
void buffers_begin(struct handshake *handshake)
{
    beginning = handshake->datagrams && is_known_release() ? handshake : NULL;
}

void buffers_end(const struct handshake *handshake)
{
    if (beginning == handshake)
        beginning = NULL;
}

static bool only_application_data(const uint8_t *datagram, size_t length)
{
    while (length >= DTLS1_RT_HEADER_LENGTH && datagram[0] == SSL3_RT_APPLICATION_DATA) {
        size_t record = DTLS1_RT_HEADER_LENGTH + ((size_t)datagram[11] << 8 | datagram[12]);
        if (record >= length)
            return true;
        datagram += record;
        length -= record;
    }
    return false;
}

/* Before OpenSSL looks into a datagram. False: out of memory. */
bool buffers_restore(const struct handshake *handshake, const void *datagram, size_t length)
{
    if (handshake->messages == NULL || handshake->messages->data != NULL || only_application_data(datagram, length))
        return true;
    return BUF_MEM_grow(handshake->messages, MESSAGES_SIZE) == MESSAGES_SIZE;
}

static void release_messages(const struct handshake *handshake)
{
    BUF_MEM *messages = handshake->messages;
    if (messages == NULL || messages->data == NULL)
        return;
    OPENSSL_clear_free(messages->data, messages->max);
    messages->data = NULL;
    messages->length = messages->max = 0;
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
    struct dots_endpoint *endpoint = session->endpoint;
    if (session->links[LIST_BUFFERED].back == NULL && endpoint->buffered_count++ == BUFFERED_MAX)
        buffers_release(endpoint);
    session_link(session, LIST_BUFFERED);
    if (!endpoint->turning)
        driver_wake(endpoint);
}

/*
 * After a turn, or when a further session begins to use its own: none of the others is inside of OpenSSL then. What is
 * half read or written keeps its buffers (CVE-2024-4741 is of those).
 */
void buffers_release(struct dots_endpoint *endpoint)
{
    endpoint->buffered_count = 0;
    while (endpoint->buffered != NULL) {
        struct dots_session *session = endpoint->buffered;
        session_unlink(session, LIST_BUFFERED);
        SSL *ssl = session->coap != NULL ? coap_session_get_tls(session->coap, NULL) : NULL;
        struct handshake *handshake = ssl != NULL ? handshake_of(ssl) : NULL;
        if (handshake == NULL || SSL_is_init_finished(ssl) == 0 || SSL_has_pending(ssl) != 0)
            continue;
        SSL_free_buffers(ssl);
        release_messages(handshake);
    }
}
