/* listen: listeners over TCP and on Unix sockets. */
#include "gateway/http/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

union socket {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct listener {
    struct http_server *server;
    struct listener *next;
    bool local, closing, closed;
    bool turning_away, again; /* again: somebody waits for that to be over */
    union socket uv;
    union socket turned_away; /* to be accepted and closed when there is no memory: libuv waits for an accept */
};

static int socket_init(const struct listener *listener, union socket *to)
{
    uv_loop_t *loop = listener->server->loop;
    return listener->local ? uv_pipe_init(loop, &to->pipe, 0) : uv_tcp_init(loop, &to->tcp);
}

static void on_connection(uv_stream_t *stream, int status);

static void try_free(struct listener *listener)
{
    struct http_server *server = listener->server;
    if (!listener->closed || listener->turning_away)
        return;
    free(listener);
    server->handles--;
    server_try_closed(server);
}

static void on_turned_away(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    listener->turning_away = false;
    if (listener->again && !listener->closing) {
        listener->again = false;
        on_connection(&listener->uv.stream, 0);
    }
    try_free(listener);
}

static void turn_away(struct listener *listener)
{
    if (listener->turning_away) {
        listener->again = true;
        return;
    }
    if (socket_init(listener, &listener->turned_away) != 0)
        return;
    listener->turning_away = true;
    listener->turned_away.handle.data = listener;
    if (uv_accept(&listener->uv.stream, &listener->turned_away.stream) == 0)
        listener->server->counters.turned_away++;
    uv_close(&listener->turned_away.handle, on_turned_away);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    if (status == 0 && connection_accept(listener->server, stream, listener->local) != 0)
        turn_away(listener);
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    listener->closed = true;
    try_free(listener);
}

static void listener_close(struct listener *listener)
{
    listener->closing = true;
    uv_close(&listener->uv.handle, on_closed);
}

void listen_close_all(struct http_server *server)
{
    while (server->listeners != NULL) {
        struct listener *listener = server->listeners;
        server->listeners = listener->next;
        listener_close(listener);
    }
}

static struct listener *listener_new(struct http_server *server, bool local)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->server = server;
    listener->local = local;
    if (socket_init(listener, &listener->uv) != 0) {
        free(listener);
        return NULL;
    }
    listener->uv.handle.data = listener;
    server->handles++;
    return listener;
}

static int start(struct listener *listener)
{
    struct http_server *server = listener->server;
    int status = uv_listen(&listener->uv.stream, BACKLOG, on_connection);
    if (status != 0)
        return status;
    listener->next = server->listeners;
    server->listeners = listener;
    return 0;
}

static int parse_address(const char *text, uint16_t port, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof *address);
    if (uv_ip4_addr(text, port, (struct sockaddr_in *)address) == 0)
        return 0;
    return uv_ip6_addr(text, port, (struct sockaddr_in6 *)address);
}

static int bound_port(const struct listener *listener)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    if (uv_tcp_getsockname(&listener->uv.tcp, (struct sockaddr *)&address, &size) != 0)
        return -1;
    return ntohs(address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&address)->sin6_port
                                               : ((const struct sockaddr_in *)&address)->sin_port);
}

int http_listen_tcp(struct http_server *server, const char *address, uint16_t port, char *error, size_t error_size)
{
    struct sockaddr_storage where;
    if (parse_address(address, port, &where) != 0) {
        snprintf(error, error_size, "%s: not a numeric IPv4 or IPv6 address", address);
        return -1;
    }
    struct listener *listener = listener_new(server, false);
    if (listener == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    int status = uv_tcp_bind(&listener->uv.tcp, (const struct sockaddr *)&where, 0);
    if (status == 0)
        status = start(listener);
    if (status != 0) {
        snprintf(error, error_size, "cannot listen on %s port %u (TCP): %s", address, port, uv_strerror(status));
        listener_close(listener);
        return -1;
    }
    return bound_port(listener);
}

/* 0: nothing is in the way any more. */
static int clear_path(const char *path, char *error, size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    if (lstat(path, &status) != 0) {
        if (errno == ENOENT)
            return 0;
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (!S_ISSOCK(status.st_mode)) {
        snprintf(error, error_size, "%s: exists and is not a socket; move it away or configure another path", path);
        return -1;
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale =
        probe >= 0 && connect(probe, (const struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED;
    if (probe >= 0)
        close(probe);
    if (!stale) {
        snprintf(error, error_size, "%s: another process listens on it; stop that one or configure another path", path);
        return -1;
    }
    if (unlink(path) != 0) {
        snprintf(error, error_size, "%s: cannot replace the stale socket: %s", path, strerror(errno));
        return -1;
    }
    return 0;
}

int http_listen_unix(struct http_server *server, const char *path, mode_t mode, char *error, size_t error_size)
{
    if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
        snprintf(error, error_size, "%s: the path of a Unix socket has at most 107 bytes", path);
        return -1;
    }
    if (clear_path(path, error, error_size) != 0)
        return -1;
    struct listener *listener = listener_new(server, true);
    if (listener == NULL) {
        snprintf(error, error_size, "out of memory");
        return -1;
    }
    int status = uv_pipe_bind(&listener->uv.pipe, path);
    if (status == 0 && chmod(path, mode) != 0) /* before listen: nobody can have connected */
        status = uv_translate_sys_error(errno);
    if (status == 0)
        status = start(listener);
    if (status != 0) {
        snprintf(error, error_size, "%s: cannot listen on the socket: %s", path, uv_strerror(status));
        listener_close(listener);
        return -1;
    }
    return 0;
}
