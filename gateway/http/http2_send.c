/* http2_send: responses become frames when the connection has room for them, and not before. */
#include "gateway/http/http2.h"

#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 72 /* those of the response, and ours */

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
                       nghttp2_data_source *source, void *arg)
{
    (void)session, (void)stream;
    struct http_exchange *exchange = source->ptr;
    struct http2 *http2 = ((struct connection *)arg)->state;
    ssize_t got = outgoing_read(&exchange->outgoing, to, size < PIECE ? size : PIECE);
    if (got == OUTGOING_WAIT) {
        exchange->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (got == OUTGOING_FAILED)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
    exchange->sent += (size_t)got;
    http2->sent += (size_t)got;
    if (got == 0 || outgoing_is_done(&exchange->outgoing))
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return got;
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)name,
                        .value = (uint8_t *)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NONE};
}

static int submit(struct connection *connection, struct http_exchange *exchange)
{
    struct http2 *http2 = connection->state;
    nghttp2_nv fields[FIELDS_MAX];
    size_t count = 0;
    char status[12], length[24];
    bool bodiless = exchange->status == 204 || exchange->status == 304;
    snprintf(status, sizeof status, "%u", exchange->status);
    snprintf(length, sizeof length, "%zu", exchange->outgoing.length);
    fields[count++] = pair(":status", status);
    fields[count++] = pair("date", server_date(connection->server));
    for (size_t i = 0; i < exchange->response.count; i++)
        fields[count++] = pair(fields_name(&exchange->response, i), fields_value(&exchange->response, i));
    bool known = outgoing_has_length(&exchange->outgoing);
    if (!bodiless && known && !(exchange->head && exchange->outgoing.kind == OUTGOING_NONE))
        fields[count++] = pair("content-length", length);
    const nghttp2_data_provider body = {.source = {.ptr = exchange}, .read_callback = on_read};
    bool empty = exchange->head || exchange->outgoing.kind == OUTGOING_NONE ||
                 (exchange->outgoing.kind == OUTGOING_MEMORY && exchange->outgoing.length == 0);
    exchange->submitted = true;
    return nghttp2_submit_response(http2->session, exchange->stream, fields, count, empty ? NULL : &body);
}

/* RFC 9110 section 10.1.1 */
static int submit_interim(nghttp2_session *session, struct http_exchange *exchange)
{
    const nghttp2_nv fields[] = {pair(":status", "100")};
    exchange->interim = false;
    int done = nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, exchange->stream, NULL, fields, 1, NULL);
    return nghttp2_is_fatal(done) ? -1 : 0;
}

/* What happened to an exchange since the last time, in frames. */
static int submit_news(struct connection *connection, struct http_exchange *exchange)
{
    nghttp2_session *session = ((struct http2 *)connection->state)->session;
    int done = 0;
    exchange->woken = false;
    if (exchange->reset || exchange->outgoing.failed) {
        done = nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream,
                                         exchange->sent_all ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    } else if (exchange->answered && !exchange->submitted) {
        done = submit(connection, exchange);
    } else if (exchange->submitted && exchange->deferred) {
        exchange->deferred = false;
        exchange->since = uv_now(connection->server->loop);
        exchange->sent = 0;
        done = nghttp2_session_resume_data(session, exchange->stream);
    } else if (exchange->interim) {
        done = submit_interim(session, exchange);
    }
    return nghttp2_is_fatal(done) ? -1 : 0;
}

int http2_produce(struct connection *connection, struct buffer *to)
{
    struct http2 *http2 = connection->state;
    for (struct http_exchange *exchange = connection->exchanges; exchange != NULL; exchange = exchange->next)
        if (exchange->woken && submit_news(connection, exchange) != 0)
            return -1;
    while (buffer_length(to) < PIECE) {
        const uint8_t *frames;
        ssize_t length = nghttp2_session_mem_send(http2->session, &frames);
        if (length < 0 || (length > 0 && buffer_append(to, frames, (size_t)length) != 0))
            return -1;
        if (length == 0)
            break;
    }
    return 0;
}

/* RFC 9113 section 8.1: an answer before the end of the request. Clients in use take a reset that comes at once for a
 * failure of the whole, so the rest of the request is read and dropped for a while (http2_tick ends that). */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    const struct connection *connection = arg;
    bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!last || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    struct http_exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (exchange == NULL)
        return 0;
    exchange->sent_all = true;
    exchange->since = uv_now(connection->server->loop);
    return 0;
}

void http2_set_senders(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
}
