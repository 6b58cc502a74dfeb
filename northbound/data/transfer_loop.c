/* transfer_loop: libcurl says which sockets and which time matter, libuv says when they are there. */
#include "northbound/data/transfer_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 4L /* to one server; HTTP/2 needs one */
#define STREAMS_MAX 100L

static void handle_closed(struct transfer_channel *channel)
{
    if (--channel->handles > 0)
        return;
    curl_slist_free_all(channel->addresses);
    credentials_free(channel->credentials);
    if (channel->on_closed)
        channel->on_closed(channel->arg);
    free(channel);
}

/* The only place where transfers end: never from inside a call of ours into this part. */
static void tell_ended(struct transfer_channel *channel)
{
    CURLMsg *message;
    int left;

    while (!channel->closing && (message = curl_multi_info_read(channel->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            transfer_ended(message->easy_handle, message->data.result);
}

static void act(struct transfer_channel *channel, curl_socket_t descriptor, int events)
{
    int running;

    curl_multi_socket_action(channel->multi, descriptor, events, &running);
    tell_ended(channel);
}

static void timed_out(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
    struct transfer_channel *channel = arg;

    (void)multi;
    if (channel->closing)
        return 0;
    if (timeout_ms < 0)
        uv_timer_stop(&channel->timer);
    else
        uv_timer_start(&channel->timer, timed_out, (uint64_t)timeout_ms, 0);
    return 0;
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct transfer_socket *socket = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;

    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(socket->channel, socket->descriptor, flags);
}

static void socket_closed(uv_handle_t *handle)
{
    struct transfer_socket *socket = handle->data;
    struct transfer_channel *channel = socket->channel;

    free(socket);
    handle_closed(channel);
}

static struct transfer_socket *socket_new(struct transfer_channel *channel, curl_socket_t descriptor)
{
    struct transfer_socket *socket = calloc(1, sizeof(*socket));

    if (!socket)
        return NULL;
    socket->channel = channel;
    socket->descriptor = descriptor;
    if (uv_poll_init_socket(channel->loop, &socket->poll, descriptor) != 0) {
        free(socket);
        return NULL;
    }
    socket->poll.data = socket;
    channel->handles++;
    curl_multi_assign(channel->multi, descriptor, socket);
    return socket;
}

static int socket_wanted(CURL *easy, curl_socket_t descriptor, int what, void *arg, void *known)
{
    struct transfer_channel *channel = arg;
    struct transfer_socket *socket = known;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (socket) { /* its descriptor is closed next: libuv must have let go of it by then */
            curl_multi_assign(channel->multi, descriptor, NULL);
            uv_close((uv_handle_t *)&socket->poll, socket_closed);
        }
        return 0;
    }
    if (!socket)
        socket = socket_new(channel, descriptor);
    if (!socket)
        return -1;
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    return uv_poll_start(&socket->poll, events, socket_ready) == 0 ? 0 : -1;
}

/* With addresses of its own, a host is never looked up: the name server may be under the same attack. */
static int list_addresses(struct transfer_channel *channel)
{
    const struct config_upstream_data *data = &channel->config->data;
    char text[64 * 48 + 300];
    size_t at;

    if (data->addresses.count == 0)
        return 0;
    at = (size_t)snprintf(text, sizeof(text), "%s:%u:", data->host, (unsigned)data->port);
    for (size_t i = 0; i < data->addresses.count && at < sizeof(text); i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, strchr(data->addresses.at[i], ':') ? "%s[%s]" : "%s%s",
                               i > 0 ? "," : "", data->addresses.at[i]);
    channel->addresses = at < sizeof(text) ? curl_slist_append(NULL, text) : NULL;
    return channel->addresses ? 0 : -1;
}

static int multi_open(struct transfer_channel *channel)
{
    channel->multi = curl_multi_init();
    return channel->multi && curl_multi_setopt(channel->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted) == CURLM_OK &&
                   curl_multi_setopt(channel->multi, CURLMOPT_SOCKETDATA, channel) == CURLM_OK &&
                   curl_multi_setopt(channel->multi, CURLMOPT_TIMERFUNCTION, timer_wanted) == CURLM_OK &&
                   curl_multi_setopt(channel->multi, CURLMOPT_TIMERDATA, channel) == CURLM_OK &&
                   curl_multi_setopt(channel->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) == CURLM_OK &&
                   curl_multi_setopt(channel->multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_MAX) == CURLM_OK &&
                   curl_multi_setopt(channel->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX) == CURLM_OK &&
                   curl_multi_setopt(channel->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, STREAMS_MAX) == CURLM_OK
               ? 0
               : -1;
}

/* A libcurl that resolves names on the loop would stop everything while a name server is silent. */
static const char *library_unfit(void)
{
    const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);

    if (!(version->features & CURL_VERSION_ASYNCHDNS))
        return "libcurl here resolves names synchronously; one with a threaded resolver or c-ares is needed";
    if (!version->ssl_version || strncmp(version->ssl_version, "OpenSSL/", 8) != 0)
        return "libcurl here is not built with OpenSSL; libcurl4 of Debian is needed";
    return NULL;
}

struct transfer_channel *transfer_open(uv_loop_t *loop, const struct config_upstream *config, char *error,
                                       size_t error_size)
{
    static bool initialized;
    struct transfer_channel *channel;
    const char *unfit;

    if (!initialized && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(error, error_size, "libcurl cannot be initialized");
        return NULL;
    }
    initialized = true;
    unfit = library_unfit();
    if (unfit) {
        snprintf(error, error_size, "%s", unfit);
        return NULL;
    }
    channel = calloc(1, sizeof(*channel));
    snprintf(error, error_size, "out of memory");
    if (!channel)
        return NULL;
    channel->loop = loop;
    channel->config = config;
    channel->credentials = credentials_read(&config->credentials, error, error_size);
    if (!channel->credentials || list_addresses(channel) != 0 || multi_open(channel) != 0) {
        if (channel->multi)
            curl_multi_cleanup(channel->multi);
        curl_slist_free_all(channel->addresses);
        credentials_free(channel->credentials);
        free(channel);
        return NULL;
    }
    uv_timer_init(loop, &channel->timer);
    channel->timer.data = channel;
    channel->handles = 1;
    return channel;
}

void transfer_renew(struct transfer_channel *channel, const struct config_upstream *config,
                    struct credentials **credentials)
{
    struct credentials *before = channel->credentials;

    channel->config = config;
    channel->credentials = *credentials;
    *credentials = before;
}

static void timer_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

void transfer_close(struct transfer_channel *channel, void (*on_closed)(void *arg), void *arg)
{
    channel->closing = true;
    channel->on_closed = on_closed;
    channel->arg = arg;
    transfer_cancel_all(channel);
    curl_multi_cleanup(channel->multi); /* says CURL_POLL_REMOVE of every socket */
    uv_close((uv_handle_t *)&channel->timer, timer_closed);
}

const char *transfer_versions(void)
{
    static char text[128];
    const curl_version_info_data *version = curl_version_info(CURLVERSION_NOW);

    snprintf(text, sizeof(text), "%s %s nghttp2/%s", version->version,
             version->ssl_version ? version->ssl_version : "-",
             version->nghttp2_version ? version->nghttp2_version : "-");
    return text;
}
