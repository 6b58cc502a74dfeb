/*
 * listen: libcoap's listening sockets, and the socket options it does not set.
 *
 * libcoap visits every session of a UDP listener for each new one: with 10,000 of them a handshake took twice as long.
 * So a UDP listener that may have many is several sockets, among which the kernel divides the peers (SO_REUSEPORT).
 * That option must be set before bind(), which libcoap calls; it sets SO_REUSEADDR before, through its PLT (4.3.1 and
 * 4.3.4), so the definition of setsockopt() here comes first in the symbol lookup, as with recvmsg in gate.c. The first
 * socket is bound without it, so whether an address is free is found out as if there were no others.
 */
#include "gateway/coap/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BACKLOG 1024             /* libcoap's is 5 */
#define RECEIVE_BUFFER (4 << 20) /* bytes; the kernel cuts it to net.core.rmem_max */
#define SHARED_BUFFER (1 << 20)  /* of each of several sockets */
#define SHARED_FROM 1000         /* sessions that there may be */
#define DESCRIPTORS_SEARCHED 4096

/* The socket that epoll names lies in libcoap's endpoint object, near its start; no two objects overlap, so
 * an address so close to it is that one. */
#define NEAR 64

static _Thread_local bool sharing; /* what is bound next joins those that are there */

/* Interposes the C library's. From any thread. */
int setsockopt(int descriptor, int level, int name, const void *value, socklen_t length)
{
    static _Atomic(void *) known;
    void *symbol = interpose_next("setsockopt", &known);
    int (*call)(int, int, int, const void *, socklen_t);
    memcpy(&call, &symbol, sizeof call);
    if (call == NULL) {
        errno = ENOSYS;
        return -1;
    }
    if (sharing && level == SOL_SOCKET && name == SO_REUSEADDR)
        call(descriptor, level, SO_REUSEPORT, value, length);
    return call(descriptor, level, name, value, length);
}

bool listen_is_datagram(const struct dots_endpoint *endpoint, const void *socket)
{
    for (size_t i = 0; i < endpoint->datagram_count; i++) {
        uintptr_t from = (uintptr_t)endpoint->datagram[i];
        if ((uintptr_t)socket >= from && (uintptr_t)socket < from + NEAR)
            return true;
    }
    return false;
}

static int parse(const char *text, uint16_t port, coap_address_t *address)
{
    coap_address_init(address);
    if (inet_pton(AF_INET6, text, &address->addr.sin6.sin6_addr) == 1) {
        address->addr.sin6.sin6_family = AF_INET6;
        address->addr.sin6.sin6_port = htons(port);
        address->size = sizeof address->addr.sin6;
        return 0;
    }
    if (inet_pton(AF_INET, text, &address->addr.sin.sin_addr) == 1) {
        address->addr.sin.sin_family = AF_INET;
        address->addr.sin.sin_port = htons(port);
        address->size = sizeof address->addr.sin;
        return 0;
    }
    return -1;
}

/* "[::]:4646 DTLS": libcoap says the bound address only so. */
static int bound_port(const coap_endpoint_t *listener)
{
    const char *colon = strrchr(coap_endpoint_str(listener), ':');
    long port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
    return port > 0 && port <= UINT16_MAX ? (int)port : -1;
}

static bool same_address(const struct sockaddr_in6 *a, const coap_address_t *b, uint16_t port)
{
    const struct sockaddr_in *a4 = (const struct sockaddr_in *)(const void *)a;
    if (a->sin6_family != b->addr.sa.sa_family)
        return false;
    if (a->sin6_family == AF_INET)
        return ntohs(a4->sin_port) == port && a4->sin_addr.s_addr == b->addr.sin.sin_addr.s_addr;
    return ntohs(a->sin6_port) == port && IN6_ARE_ADDR_EQUAL(&a->sin6_addr, &b->addr.sin6.sin6_addr);
}

static bool is_listener(int descriptor, const coap_address_t *local, uint16_t port, int type)
{
    struct sockaddr_in6 address = {0}, peer;
    socklen_t length = sizeof address, peer_length = sizeof peer;
    int actual = 0;
    socklen_t size = sizeof actual;
    return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &actual, &size) == 0 && actual == type &&
           getsockname(descriptor, (struct sockaddr *)&address, &length) == 0 && same_address(&address, local, port) &&
           getpeername(descriptor, (struct sockaddr *)&peer, &peer_length) != 0;
}

/* What fails here costs performance, not service. */
static void tune_descriptor(int descriptor, bool tcp, bool shared)
{
    if (tcp) {
        int flags = fcntl(descriptor, F_GETFL);
        if (flags >= 0)
            fcntl(descriptor, F_SETFL, flags | O_NONBLOCK); /* a connection may be gone before it is accepted */
        listen(descriptor, BACKLOG);
        return;
    }
    int size = shared ? SHARED_BUFFER : RECEIVE_BUFFER, on = shared;
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

/* libcoap gives no access to its descriptors: they are found by what they are bound to. */
static void tune(const coap_address_t *local, uint16_t port, bool tcp, bool shared)
{
    struct rlimit limit;
    rlim_t most = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : DESCRIPTORS_SEARCHED;
    for (int descriptor = 0; (rlim_t)descriptor < most && descriptor < DESCRIPTORS_SEARCHED; descriptor++)
        if (is_listener(descriptor, local, port, tcp ? SOCK_STREAM : SOCK_DGRAM))
            tune_descriptor(descriptor, tcp, shared);
}

static void add_socket(struct dots_endpoint *endpoint, struct listener *listener, coap_endpoint_t *socket)
{
    listener->sockets[listener->count++] = socket;
    if (listener->datagrams)
        endpoint->datagram[endpoint->datagram_count++] = socket;
}

/* The further sockets of a UDP listener. Without them it is slower, no more. */
static void share(struct dots_endpoint *endpoint, struct listener *listener, coap_address_t *local, uint16_t port)
{
    if (local->addr.sa.sa_family == AF_INET6)
        local->addr.sin6.sin6_port = htons(port);
    else
        local->addr.sin.sin_port = htons(port);
    sharing = true;
    while (listener->count < COAP_SHARES) {
        coap_endpoint_t *socket = coap_new_endpoint(endpoint->context, local, COAP_PROTO_DTLS);
        if (socket == NULL)
            break;
        add_socket(endpoint, listener, socket);
    }
    sharing = false;
}

int dots_endpoint_listen(struct dots_endpoint *endpoint, const char *address, uint16_t port,
                         enum dots_transport transport, char *error, size_t error_size)
{
    coap_address_t local;
    bool tcp = transport == DOTS_TCP;
    const char *name = tcp ? "tcp" : "udp";
    if (parse(address, port, &local) != 0) {
        snprintf(error, error_size, "%s: not an IPv4 or IPv6 address", address);
        return -1;
    }
    if (endpoint->listeners == COAP_LISTENERS_MAX) {
        snprintf(error, error_size, "%s: more than %d listeners", address, COAP_LISTENERS_MAX);
        return -1;
    }
    char warning[160];
    driver_keep_warning(warning, sizeof warning);
    coap_endpoint_t *socket = coap_new_endpoint(endpoint->context, &local, tcp ? COAP_PROTO_TLS : COAP_PROTO_DTLS);
    driver_keep_warning(NULL, 0);
    if (socket == NULL) {
        const char *colon = strrchr(warning, ':'); /* "coap_socket_bind_udp: bind: Address already in use" */
        snprintf(error, error_size, "%s port %u/%s: %s", address, port, name,
                 colon != NULL && colon[1] == ' ' ? colon + 2
                                                  : "cannot listen: no server credentials, or out of file descriptors");
        return -1;
    }
    struct listener *listener = &endpoint->listening[endpoint->listeners++];
    *listener = (struct listener){.datagrams = !tcp};
    add_socket(endpoint, listener, socket);
    int bound = bound_port(socket);
    if (bound <= 0)
        return bound;
    bool shared = !tcp && (endpoint->sessions_max == 0 || endpoint->sessions_max >= SHARED_FROM);
    tune(&local, (uint16_t)bound, tcp, shared);
    if (shared) {
        share(endpoint, listener, &local, (uint16_t)bound);
        tune(&local, (uint16_t)bound, tcp, shared);
    }
    return bound;
}

void dots_endpoint_listen_undo(struct dots_endpoint *endpoint)
{
    if (endpoint->listeners == 0)
        return;
    struct listener *listener = &endpoint->listening[--endpoint->listeners];
    if (listener->datagrams)
        endpoint->datagram_count -= listener->count;
    while (listener->count > 0)
        coap_free_endpoint(listener->sockets[--listener->count]); /* nobody can have come yet */
}
