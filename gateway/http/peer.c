/* peer: who is at the other end, for as long as an exchange wants to know. */
#include "gateway/http/private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A peer on a dual-stack listener is told as the IPv4 one it is. */
static void unmap(struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    if (address->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        return;
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six->sin6_port};
    memcpy(&four.sin_addr, six->sin6_addr.s6_addr + 12, 4);
    memset(address, 0, sizeof *address);
    memcpy(address, &four, sizeof four);
}

static int read_inet(struct peer *peer, const uv_tcp_t *tcp)
{
    int size = sizeof peer->address;
    char text[INET6_ADDRSTRLEN] = "";
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&peer->address, &size) != 0)
        return -1;
    unmap(&peer->address);
    if (peer->address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&peer->address;
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        snprintf(peer->text, sizeof peer->text, "[%s]:%u", text, ntohs(six->sin6_port));
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&peer->address;
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        snprintf(peer->text, sizeof peer->text, "%s:%u", text, ntohs(four->sin_port));
    }
    return 0;
}

static int read_local(struct peer *peer, const uv_handle_t *handle)
{
    uv_os_fd_t descriptor;
    struct ucred who;
    socklen_t size = sizeof who;
    if (uv_fileno(handle, &descriptor) != 0 || getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        return -1;
    peer->address.ss_family = AF_UNIX;
    peer->public.uid = who.uid;
    snprintf(peer->text, sizeof peer->text, "uid %u", (unsigned)who.uid);
    return 0;
}

struct peer *peer_new(uv_stream_t *stream, bool secure)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->references = 1;
    peer->public = (struct http_peer){
        .address = (const struct sockaddr *)&peer->address, .text = peer->text, .secure = secure, .uid = (uid_t)-1};
    int done = stream->type == UV_TCP ? read_inet(peer, (const uv_tcp_t *)stream)
                                      : read_local(peer, (const uv_handle_t *)stream);
    if (done != 0) {
        free(peer);
        return NULL;
    }
    return peer;
}

void peer_unref(struct peer *peer)
{
    if (peer == NULL || --peer->references > 0)
        return;
    X509_free(peer->public.certificate);
    free(peer);
}
