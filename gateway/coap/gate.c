/*
 * gate: what an unknown source must do before libcoap hears of it.
 *
 * libcoap walks over every session for each datagram of a new source, keeps a session for each ClientHello, forged
 * or not, drops one of those for each new one, and refuses all beyond its limit: a thousand forged datagrams shut
 * out new clients for hours, and a few thousand a second take the whole processor. Here a datagram passes when its
 * source has a handshake or session already, or answers a cookie (RFC 6347 section 4.2.1), which needs no memory.
 *
 * libcoap reads its listeners with recvmsg() through its PLT (a JUMP_SLOT in 4.3.1 and 4.3.4), so the definition
 * here comes first in the symbol lookup, as with coap_print_addr in hop_limit.c. Outside of a turn of an endpoint,
 * and for everybody else in the process, it is the C library's.
 */
#include "gateway/coap/private.h"

#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64
#define TURNED_AWAY_MAX 1024 /* datagrams in one turn; more wait for the next, behind the timers */

struct gate {
    struct cookie_secrets secrets;
    uint64_t secret[2];
    struct handshake **buckets; /* by peer: everybody who has an SSL */
    size_t size, count;         /* size is a power of two */
    unsigned turned_away;
};

static _Thread_local struct dots_endpoint *turning;
static _Thread_local bool proven; /* of the datagram that libcoap reads just now */

typedef ssize_t (*recvmsg_h)(int, struct msghdr *, int);

static ssize_t receive(int descriptor, struct msghdr *message, int flags)
{
    static _Atomic(void *) known;
    void *symbol = interpose_next("recvmsg", &known);
    recvmsg_h call;
    memcpy(&call, &symbol, sizeof call);
    if (call == NULL) {
        errno = ENOSYS;
        return -1;
    }
    return call(descriptor, message, flags);
}

/* ---- who is known ---- */

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 33) * 0xff51afd7ed558ccdULL;
    return (value ^ value >> 33) * 0xc4ceb9fe1a85ec53ULL;
}

static size_t bucket_of(const struct gate *gate, const struct sockaddr_in6 *peer)
{
    uint64_t words[sizeof *peer / 8 + 1] = {0};
    uint64_t hash = gate->secret[0];
    memcpy(words, peer, sizeof *peer);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        hash = mix(hash ^ words[i]) + gate->secret[1];
    return (size_t)(hash ^ hash >> 32) & (gate->size - 1);
}

static bool is_known(const struct gate *gate, const struct sockaddr_in6 *peer)
{
    for (const struct handshake *other = gate->buckets[bucket_of(gate, peer)]; other != NULL; other = other->next)
        if (memcmp(&other->peer, peer, sizeof *peer) == 0)
            return true;
    return false;
}

static void put(struct gate *gate, struct handshake *handshake)
{
    struct handshake **bucket = &gate->buckets[bucket_of(gate, &handshake->peer)];
    handshake->next = *bucket;
    *bucket = handshake;
}

static void grow(struct gate *gate)
{
    size_t size = gate->size;
    struct handshake **old = gate->buckets;
    struct handshake **larger = calloc(size * 2, sizeof(struct handshake *));
    if (larger == NULL)
        return; /* longer chains */
    gate->buckets = larger;
    gate->size = size * 2;
    for (size_t i = 0; i < size; i++) {
        struct handshake *next;
        for (struct handshake *handshake = old[i]; handshake != NULL; handshake = next) {
            next = handshake->next;
            put(gate, handshake);
        }
    }
    free(old);
}

void gate_know(struct handshake *handshake)
{
    struct gate *gate = handshake->endpoint->gate;
    if (gate->count >= gate->size)
        grow(gate);
    put(gate, handshake);
    gate->count++;
}

void gate_forget(const struct handshake *handshake)
{
    struct gate *gate = handshake->endpoint->gate;
    struct handshake **place = &gate->buckets[bucket_of(gate, &handshake->peer)];
    while (*place != NULL && *place != handshake)
        place = &(*place)->next;
    if (*place == NULL)
        return;
    *place = handshake->next;
    gate->count--;
}

/* ---- the gate ---- */

/* The answer leaves from the address that the question came to. */
static void answer(int descriptor, const struct msghdr *question, uint8_t *bytes, size_t size)
{
    struct iovec part = {bytes, size};
    struct msghdr message = *question;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_flags = 0;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(&message); control != NULL; control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            info.ipi_spec_dst = info.ipi_addr;
            info.ipi_ifindex = 0;
            memcpy(CMSG_DATA(control), &info, sizeof info);
        }
    }
    sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* True: libcoap may have it. */
static bool admit(struct dots_endpoint *endpoint, int descriptor, const struct msghdr *message, size_t size)
{
    struct gate *gate = endpoint->gate;
    struct sockaddr_in6 peer;
    const uint8_t *datagram = message->msg_iov[0].iov_base;
    session_copy_peer(&peer, message->msg_name);
    proven = false;
    if (is_known(gate, &peer)) {
        proven = true; /* it came through here before */
        return true;
    }
    switch (cookie_judge(&gate->secrets, &peer, datagram, size, uv_now(endpoint->loop))) {
    case HELLO_PROVEN:
        proven = true;
        return true;
    case HELLO_UNPROVEN: {
        uint8_t request[COOKIE_REQUEST_SIZE];
        size_t length = cookie_request(&gate->secrets, &peer, datagram, request);
        if (length > 0)
            answer(descriptor, message, request, length);
        return false;
    }
    case HELLO_NONE:
        break;
    }
    return false;
}

/* Interposes the C library's. In a turn libcoap reads nothing with it but its UDP listeners. */
ssize_t recvmsg(int descriptor, struct msghdr *message, int flags)
{
    struct dots_endpoint *endpoint = turning;
    if (endpoint == NULL || message->msg_name == NULL || message->msg_iovlen != 1 || flags != 0)
        return receive(descriptor, message, flags);
    const struct msghdr asked = *message;
    while (endpoint->gate->turned_away < TURNED_AWAY_MAX) {
        *message = asked;
        ssize_t size = receive(descriptor, message, flags);
        if (size < 0 || admit(endpoint, descriptor, message, (size_t)size))
            return size;
        endpoint->gate->turned_away++;
    }
    errno = EAGAIN;
    return -1;
}

void gate_enter(struct dots_endpoint *endpoint)
{
    turning = endpoint;
    endpoint->gate->turned_away = 0;
}

void gate_leave(void)
{
    turning = NULL;
}

/* SSL_CTX_set_cookie_verify_cb: the datagram under libcoap's hands passed the gate a moment ago. */
static int on_verify(SSL *ssl, const unsigned char *cookie, unsigned length)
{
    (void)ssl, (void)cookie, (void)length;
    return turning != NULL && proven;
}

/* False where libcoap's calls do not come here: its own cookies then do what they can. */
static bool is_interposed(void)
{
    void *found = dlsym(RTLD_DEFAULT, "recvmsg");
    recvmsg_h first;
    memcpy(&first, &found, sizeof first);
    return first == recvmsg;
}

struct gate *gate_new(SSL_CTX *dtls)
{
    struct gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL || RAND_bytes((unsigned char *)gate->secret, sizeof gate->secret) != 1) {
        free(gate);
        return NULL;
    }
    gate->size = BUCKETS_FIRST;
    gate->buckets = calloc(gate->size, sizeof(struct handshake *));
    if (gate->buckets == NULL) {
        free(gate);
        return NULL;
    }
    if (is_interposed())
        SSL_CTX_set_cookie_verify_cb(dtls, on_verify);
    return gate;
}

void gate_free(struct gate *gate)
{
    if (gate == NULL)
        return;
    free(gate->buckets);
    free(gate);
}
