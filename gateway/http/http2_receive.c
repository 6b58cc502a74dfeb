/* http2_receive: what nghttp2 tells of the client's frames. Messaging rules (RFC 9113 section 8) are checked by it. */
#include "gateway/http/http2.h"

#include <string.h>

static struct http_exchange *exchange_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *frame, void *arg)
{
    (void)session;
    flood_count(arg, frame);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct connection *connection = arg;
    struct http2 *http2 = connection->state;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct http_exchange *exchange = http2->calmed ? NULL : exchange_new(connection);
    if (exchange == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    exchange->stream = frame->hd.stream_id;
    request_start(exchange, 20);
    http2->head = frame->hd.stream_id;
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int take_field(struct http_exchange *exchange, const char *name, size_t name_length, const char *value,
                      size_t value_length)
{
    if (name_length == 0 || name[0] != ':')
        return request_field(exchange, name, name_length, value, value_length);
    if (name_length == 7 && memcmp(name, ":method", 7) == 0)
        return request_method(exchange, value, value_length);
    if (name_length == 5 && memcmp(name, ":path", 5) == 0) {
        if (value_length > exchange->server->limits.header_bytes)
            return 414;
        exchange->draft.bytes += value_length;
        /* Absolute-form is of HTTP/1.1 only. */
        return value_length > 0 && (value[0] == '/' || value[0] == '*') ? request_target(exchange, value, value_length)
                                                                        : 400;
    }
    if (name_length == 10 && memcmp(name, ":authority", 10) == 0)
        return request_authority(exchange, value, value_length);
    return 0; /* :scheme */
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *arg)
{
    (void)flags, (void)arg;
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == NULL || exchange->in_body || exchange->refused != 0)
        return 0; /* trailers, and what follows a field that was too much: decompressed and forgotten */
    exchange->refused = take_field(exchange, (const char *)name, name_length, (const char *)value, value_length);
    return 0;
}

static void refuse(struct http_exchange *exchange, int status)
{
    exchange->refused = status;
    if (!exchange->answered)
        exchange_refuse(exchange, (unsigned)status);
}

static void head_done(struct connection *connection, struct http_exchange *exchange, bool last)
{
    struct http2 *http2 = connection->state;
    http2->head = 0;
    exchange->in_body = true;
    exchange->since = uv_now(connection->server->loop);
    exchange->received = last; /* whether a body follows */
    int status = exchange->refused != 0 ? exchange->refused : request_head_done(exchange);
    exchange->received = false;
    if (status != 0) {
        exchange->received = last;
        refuse(exchange, status);
    } else if (exchange->draft.expects && !last) {
        exchange->interim = true;
        exchange_wake(exchange);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct connection *connection = arg;
    struct http_exchange *exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        head_done(connection, exchange, last);
    if (!last)
        return 0;
    if (exchange->refused == 0 && !exchange->answered)
        exchange_received(exchange);
    exchange->received = true;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t length,
                   void *arg)
{
    (void)flags, (void)arg;
    struct http_exchange *exchange = exchange_of(session, stream);
    if (exchange == NULL || exchange->refused != 0 || exchange->answered)
        return 0;
    int status = request_body(exchange, data, length);
    if (status != 0)
        refuse(exchange, status);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
    struct connection *connection = arg;
    struct http2 *http2 = connection->state;
    struct http_exchange *exchange = exchange_of(session, stream);
    if (http2->head == stream)
        http2->head = 0;
    if (exchange == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(session, stream, NULL);
    http2->since = uv_now(connection->server->loop);
    if (error == NGHTTP2_NO_ERROR && exchange->sent_all)
        flood_complete(connection);
    exchange_detach(exchange);
    return 0;
}

void http2_set_receivers(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
