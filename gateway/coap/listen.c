/* listen: libcoap's listening sockets, and the socket options it does not set. */
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
#define DESCRIPTORS_SEARCHED 4096

/* The socket that epoll names lies in libcoap's endpoint object, near its start; no two objects overlap, so
 * an address so close to it is that one. */
#define NEAR 64

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

static bool is_ours(int descriptor, int family, int type, uint16_t port)
{
    struct sockaddr_in6 address;
    socklen_t length = sizeof address;
    int actual = 0;
    socklen_t size = sizeof actual;
    if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &actual, &size) != 0 || actual != type)
        return false;
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0 || address.sin6_family != family)
        return false;
    struct sockaddr_in6 peer;
    socklen_t peer_length = sizeof peer;
    /* sin_port and sin6_port lie at the same place */
    return ntohs(address.sin6_port) == port && getpeername(descriptor, (struct sockaddr *)&peer, &peer_length) != 0;
}

/* libcoap gives no access to its descriptor: it is found by what it is bound to. */
static int find_descriptor(int family, int type, uint16_t port)
{
    struct rlimit limit;
    rlim_t most = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : DESCRIPTORS_SEARCHED;
    for (int descriptor = 0; (rlim_t)descriptor < most && descriptor < DESCRIPTORS_SEARCHED; descriptor++)
        if (is_ours(descriptor, family, type, port))
            return descriptor;
    return -1;
}

/* What fails here costs performance, not service. */
static void tune(int family, uint16_t port, bool tcp)
{
    int descriptor = find_descriptor(family, tcp ? SOCK_STREAM : SOCK_DGRAM, port);
    if (descriptor < 0)
        return;
    if (tcp) {
        int flags = fcntl(descriptor, F_GETFL);
        if (flags >= 0)
            fcntl(descriptor, F_SETFL, flags | O_NONBLOCK); /* a connection may be gone before it is accepted */
        listen(descriptor, BACKLOG);
        return;
    }
    int size = RECEIVE_BUFFER;
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
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
    errno = 0;
    coap_endpoint_t *listener = coap_new_endpoint(endpoint->context, &local, tcp ? COAP_PROTO_TLS : COAP_PROTO_DTLS);
    if (listener == NULL) {
        snprintf(error, error_size, "%s port %u/%s: %s", address, port, name,
                 errno != 0 ? strerror(errno) : "cannot listen without server credentials");
        return -1;
    }
    endpoint->listeners++;
    if (!tcp)
        endpoint->datagram[endpoint->datagram_count++] = listener;
    int bound = bound_port(listener);
    if (bound > 0)
        tune(local.addr.sa.sa_family, (uint16_t)bound, tcp);
    return bound;
}
