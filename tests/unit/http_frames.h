/* http_frames: HTTP/2 frames by hand, well-formed or not, over the client of http_fixture. */
#pragma once

#include "tests/unit/http_fixture.h"

#include <nghttp2/nghttp2.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define ALPN_H2 "\x02h2"

struct frames {
    struct client client;
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    size_t seen; /* bytes of client.in that were looked at */
    bool acknowledged;
};

static UNUSED void send_frame(struct frames *frames, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                              size_t length)
{
    uint8_t frame[9 + 32768];
    assert_true(length <= 32768);
    const uint8_t head[9] = {
        (uint8_t)(length >> 16), (uint8_t)(length >> 8),  (uint8_t)length,        type,           flags,
        (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(frame, head, 9);
    if (length > 0)
        memcpy(frame + 9, payload, length);
    client_send(&frames->client, frame, 9 + length);
}

static UNUSED void frames_open(struct frames *frames)
{
    *frames = (struct frames){0};
    client_open(&frames->client);
    assert_true(client_secure(&frames->client, &pki_client, ALPN_H2, NULL));
    assert_int_equal(nghttp2_hd_deflate_new(&frames->deflater, 4096), 0);
    assert_int_equal(nghttp2_hd_inflate_new(&frames->inflater), 0);
    client_say(&frames->client, PREFACE);
    send_frame(frames, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static UNUSED void frames_close(struct frames *frames)
{
    nghttp2_hd_deflate_del(frames->deflater);
    nghttp2_hd_inflate_del(frames->inflater);
    client_close(&frames->client);
}

/* "name: value\n" lines, as they are. */
static UNUSED size_t encode(struct frames *frames, const char *lines, uint8_t *to, size_t size)
{
    nghttp2_nv fields[400];
    size_t count = 0;
    while (*lines != '\0') {
        const char *colon = strchr(lines + 1, ':'), *end = strchr(lines, '\n');
        assert_true(colon != NULL && end != NULL && count < 400);
        fields[count++] = (nghttp2_nv){(uint8_t *)lines, (uint8_t *)colon + 2, (size_t)(colon - lines),
                                       (size_t)(end - colon - 2), NGHTTP2_NV_FLAG_NONE};
        lines = end + 1;
    }
    ssize_t length = nghttp2_hd_deflate_hd(frames->deflater, to, size, fields, count);
    assert_true(length >= 0);
    return (size_t)length;
}

#define REQUEST_TO(path) ":method: GET\n:scheme: https\n:authority: a\n:path: " path "\n"

static UNUSED void send_headers(struct frames *frames, uint32_t stream, bool last, const char *lines)
{
    uint8_t block[32768];
    size_t length = encode(frames, lines, block, sizeof block);
    uint8_t flags = (uint8_t)(NGHTTP2_FLAG_END_HEADERS | (last ? NGHTTP2_FLAG_END_STREAM : 0));
    send_frame(frames, NGHTTP2_HEADERS, flags, stream, block, length);
}

struct seen {
    uint8_t type, flags;
    uint32_t stream, error; /* of RST_STREAM, GOAWAY */
    const uint8_t *payload;
    size_t length;
    char status[4]; /* of HEADERS */
};

static UNUSED void read_status(struct frames *frames, struct seen *seen)
{
    const uint8_t *in = seen->payload;
    size_t left = seen->length;
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(frames->inflater, &field, &flags, in, left, 1);
        assert_true(used >= 0);
        in += used;
        left -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT && field.namelen == 7 && memcmp(field.name, ":status", 7) == 0)
            snprintf(seen->status, sizeof seen->status, "%.*s", (int)field.valuelen, (const char *)field.value);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_end_headers(frames->inflater);
}

/* The next frame that came, if any. */
static UNUSED bool next_frame(struct frames *frames, struct seen *seen)
{
    client_read(&frames->client);
    const uint8_t *at = (const uint8_t *)frames->client.in + frames->seen;
    size_t there = frames->client.got - frames->seen;
    if (there < 9)
        return false;
    size_t length = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
    if (there < 9 + length)
        return false;
    *seen = (struct seen){.type = at[3],
                          .flags = at[4],
                          .stream = ((uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8]),
                          .payload = at + 9,
                          .length = length};
    const uint8_t *error = at + 9 + (seen->type == NGHTTP2_GOAWAY ? 4 : 0);
    if (seen->type == NGHTTP2_GOAWAY || seen->type == NGHTTP2_RST_STREAM)
        seen->error = (uint32_t)error[0] << 24 | (uint32_t)error[1] << 16 | (uint32_t)error[2] << 8 | error[3];
    if (seen->type == NGHTTP2_HEADERS)
        read_status(frames, seen);
    frames->seen += 9 + length;
    return true;
}

/* The next frame of this type, and stream unless that is 0; others are skipped. Fails when the connection ends first.
 */
static UNUSED struct seen wait_frame(struct frames *frames, uint8_t type, uint32_t stream)
{
    struct seen seen;
    uint64_t until = now_ms() + WAIT_MS;
    for (;;) {
        while (next_frame(frames, &seen))
            if (seen.type == type && (stream == 0 || seen.stream == stream))
                return seen;
        if (frames->client.ended || now_ms() > until)
            fail_msg("no frame of type %u on stream %u: %s", type, stream, frames->client.ended ? "ended" : "silence");
        uv_run(&loop, UV_RUN_NOWAIT);
    }
}

static UNUSED void expect_status(struct frames *frames, uint32_t stream, const char *status)
{
    struct seen seen = wait_frame(frames, NGHTTP2_HEADERS, stream);
    assert_string_equal(seen.status, status);
}

static UNUSED void expect_reset(struct frames *frames, uint32_t stream, uint32_t error)
{
    struct seen seen = wait_frame(frames, NGHTTP2_RST_STREAM, stream);
    assert_int_equal(seen.error, error);
}

static UNUSED void expect_goaway(struct frames *frames, uint32_t error)
{
    struct seen seen = wait_frame(frames, NGHTTP2_GOAWAY, 0);
    assert_int_equal(seen.error, error);
}
