/* listen: libcoap's listening sockets, and the socket options it does not set. */
#include "gateway/coap/private.h"

#include <arpa/inet.h>
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

/* libcoap gives no access to its descriptor: it is found by what it is bound to. */
static int find_descriptor(const coap_address_t *local, uint16_t port, int type)
{
    struct rlimit limit;
    rlim_t most = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : DESCRIPTORS_SEARCHED;
    for (int descriptor = 0; (rlim_t)descriptor < most && descriptor < DESCRIPTORS_SEARCHED; descriptor++)
        if (is_listener(descriptor, local, port, type))
            return descriptor;
    return -1;
}

/* What fails here costs performance, not service. */
static void tune(const coap_address_t *local, uint16_t port, bool tcp)
{
    int descriptor = find_descriptor(local, port, tcp ? SOCK_STREAM : SOCK_DGRAM);
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
    char warning[160];
    driver_keep_warning(warning, sizeof warning);
    coap_endpoint_t *listener = coap_new_endpoint(endpoint->context, &local, tcp ? COAP_PROTO_TLS : COAP_PROTO_DTLS);
    driver_keep_warning(NULL, 0);
    if (listener == NULL) {
        const char *colon = strrchr(warning, ':'); /* "coap_socket_bind_udp: bind: Address already in use" */
        snprintf(error, error_size, "%s port %u/%s: %s", address, port, name,
                 colon != NULL && colon[1] == ' ' ? colon + 2
                                                  : "cannot listen: no server credentials, or out of file descriptors");
        return -1;
    }
    endpoint->listening[endpoint->listeners++] = listener;
    if (!tcp)
        endpoint->datagram[endpoint->datagram_count++] = listener;
    int bound = bound_port(listener);
    if (bound > 0)
        tune(&local, (uint16_t)bound, tcp);
    return bound;
}

void dots_endpoint_listen_undo(struct dots_endpoint *endpoint)
{
    if (endpoint->listeners == 0)
        return;
    coap_endpoint_t *listener = endpoint->listening[--endpoint->listeners];
    if (endpoint->datagram_count > 0 && endpoint->datagram[endpoint->datagram_count - 1] == listener)
        endpoint->datagram_count--;
    coap_free_endpoint(listener); /* nobody can have come yet */
}
