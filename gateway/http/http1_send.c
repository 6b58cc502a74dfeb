/* http1_send: HTTP/1.1, the sending half: the response of the one exchange there is, piece by piece. */
#include "gateway/http/http1.h"

#include <stdio.h>
#include <string.h>

#define CHUNK_FRAME 16 /* size, CRLF before and behind */

static const uint8_t line_end[] = {'\r', '\n'};
static const uint8_t last_chunk[] = {'0', '\r', '\n', '\r', '\n'};

static int put_framing(struct connection *connection, struct buffer *to)
{
    struct http1 *http1 = connection->state;
    const struct http_exchange *exchange = http1->exchange;
    const struct outgoing *outgoing = &exchange->outgoing;
    char line[64];
    bool bodiless = exchange->status == 204 || exchange->status == 304;
    if (connection->server->closing)
        http1->close = true;
    http1->in_chunks = !bodiless && !exchange->head && !outgoing_has_length(outgoing) && exchange->draft.version > 10;
    if (http1->in_chunks) {
        snprintf(line, sizeof line, "transfer-encoding: chunked\r\n");
    } else if (!bodiless && outgoing_has_length(outgoing) && !(exchange->head && outgoing->kind == OUTGOING_NONE)) {
        snprintf(line, sizeof line, "content-length: %zu\r\n", outgoing->length);
    } else {
        line[0] = '\0';
        if (!bodiless && !exchange->head) /* RFC 9112 section 6.3 rule 8: the end of the connection ends it */
            http1->close = true;
    }
    if (buffer_append_text(to, line) != 0)
        return -1;
    return buffer_append_text(to, http1->close ? "connection: close\r\n\r\n" : "\r\n");
}

static int put_head(struct connection *connection, struct buffer *to)
{
    const struct http_exchange *exchange = ((struct http1 *)connection->state)->exchange;
    char line[128];
    snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\ndate: %s\r\n", exchange->status, http_status_text(exchange->status),
             server_date(connection->server));
    int failed = buffer_append_text(to, line);
    for (size_t i = 0; i < exchange->response.count && failed == 0; i++)
        failed = buffer_append_text(to, fields_name(&exchange->response, i)) != 0 || buffer_append(to, ": ", 2) != 0 ||
                 buffer_append_text(to, fields_value(&exchange->response, i)) != 0 || buffer_append(to, "\r\n", 2) != 0;
    return failed != 0 ? -1 : put_framing(connection, to);
}

/* RFC 9112 section 7.1: the size goes in front once it is known, always with four digits. */
static ssize_t put_chunk(struct outgoing *outgoing, struct buffer *to)
{
    uint8_t *room = buffer_room(to, PIECE + CHUNK_FRAME);
    if (room == NULL)
        return OUTGOING_FAILED;
    ssize_t got = outgoing_read(outgoing, room + 6, PIECE);
    if (got > 0) {
        char size[24];
        snprintf(size, sizeof size, "%04zx\r\n", (size_t)got);
        memcpy(room, size, 6);
        memcpy(room + 6 + got, line_end, sizeof line_end);
        buffer_added(to, (size_t)got + 8);
    } else if (got == 0) {
        memcpy(room, last_chunk, sizeof last_chunk);
        buffer_added(to, sizeof last_chunk);
    }
    return got;
}

static ssize_t put_plain(struct outgoing *outgoing, struct buffer *to)
{
    uint8_t *room = buffer_room(to, PIECE);
    if (room == NULL)
        return OUTGOING_FAILED;
    ssize_t got = outgoing_read(outgoing, room, PIECE);
    if (got > 0)
        buffer_added(to, (size_t)got);
    return got;
}

int http1_produce(struct connection *connection, struct buffer *to)
{
    struct http1 *http1 = connection->state;
    struct http_exchange *exchange = http1->exchange;
    if (exchange == NULL)
        return 0;
    if (exchange->reset)
        return -1;
    if (!exchange->answered) {
        bool interim = exchange->interim;
        exchange->interim = false;
        return interim ? buffer_append_text(to, "HTTP/1.1 100 Continue\r\n\r\n") : 0;
    }
    if (!http1->announced && put_head(connection, to) != 0)
        return -1;
    http1->announced = true;
    if (exchange->head || exchange->outgoing.kind == OUTGOING_NONE) {
        http1_next(connection);
        return 0;
    }
    ssize_t got = http1->in_chunks ? put_chunk(&exchange->outgoing, to) : put_plain(&exchange->outgoing, to);
    if (got == OUTGOING_FAILED)
        return -1;
    if (got == 0 || (!http1->in_chunks && outgoing_is_done(&exchange->outgoing)))
        http1_next(connection);
    return 0;
}
