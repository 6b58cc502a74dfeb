/*
 * flood: frames that cost us and bring no request (RFC 9113 section 10.5): resets (CVE-2023-44487), PING, SETTINGS,
 * PRIORITY, empty DATA, CONTINUATION, and window updates far beyond what was sent. A bucket of them is borne, then
 * ENHANCE_YOUR_CALM.
 *
 * nghttp2 bounds some of these itself, each release others; here the bounds are the same with all.
 */
#include "gateway/http/http2.h"

#include "gateway/log/log.h"

#define TOKENS_MAX 200
#define TOKENS_PER_SECOND 20
#define UPDATES_FREE 1000
#define UPDATE_BYTES 1024 /* sent, for which one more window update is borne */

void flood_open(struct http2 *http2, uint64_t now)
{
    http2->tokens = TOKENS_MAX;
    http2->refilled = now;
}

static bool take_token(struct http2 *http2, uint64_t now)
{
    uint64_t fresh = (now - http2->refilled) * TOKENS_PER_SECOND / 1000;
    if (fresh > 0) {
        http2->tokens = fresh < TOKENS_MAX - http2->tokens ? http2->tokens + (unsigned)fresh : TOKENS_MAX;
        http2->refilled = now;
    }
    if (http2->tokens == 0)
        return false;
    http2->tokens--;
    return true;
}

void flood_calm(struct connection *connection, const char *why)
{
    struct http2 *http2 = connection->state;
    if (http2->calmed)
        return;
    http2->calmed = http2->terminated = true;
    connection->server->counters.floods++;
    char note[LOG_NOTE];
    struct http_server *server = connection->server;
    if (log_burst(&server->ended, LINES_MOST, (int64_t)uv_now(server->loop), note))
        log_info("http-flood", "%s: %s: connection ended: %s%s", server->name, connection->peer->text, why, note);
    nghttp2_session_terminate_session(http2->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* The reset of a stream whose response is out takes nothing back: there are clients (libcurl 7.88) that end nearly each
 * stream so. No more of them are free than streams have ended. */
static bool is_late_reset(struct http2 *http2, int32_t stream)
{
    const struct http_exchange *exchange = nghttp2_session_get_stream_user_data(http2->session, stream);
    if (exchange != NULL)
        return exchange->sent_all;
    if (http2->complete == 0)
        return false;
    http2->complete--;
    return true;
}

void flood_complete(struct connection *connection)
{
    struct http2 *http2 = connection->state;
    if (http2->complete < connection->server->limits.streams)
        http2->complete++;
}

static bool is_useless(const nghttp2_frame_hd *frame)
{
    switch (frame->type) {
    case NGHTTP2_DATA:
        return frame->length == 0 && (frame->flags & NGHTTP2_FLAG_END_STREAM) == 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_WINDOW_UPDATE:
        return false;
    default:
        return true;
    }
}

void flood_count(struct connection *connection, const nghttp2_frame_hd *frame)
{
    struct http2 *http2 = connection->state;
    bool borne = true;
    if (frame->type == NGHTTP2_WINDOW_UPDATE)
        borne = ++http2->updates <= UPDATES_FREE + http2->sent / UPDATE_BYTES;
    else if (is_useless(frame) && !(frame->type == NGHTTP2_RST_STREAM && is_late_reset(http2, frame->stream_id)))
        borne = take_token(http2, uv_now(connection->server->loop));
    if (!borne)
        flood_calm(connection, "a flood of HTTP/2 control frames");
}
