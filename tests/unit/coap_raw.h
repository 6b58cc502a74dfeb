/* coap_raw: a client made of OpenSSL and handwritten CoAP bytes, for what a well-behaved one does not do. */
#pragma once

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "tests/unit/coap_fixture.h"

struct raw_message {
    uint8_t bytes[8192];
    size_t length;
};

struct raw {
    SSL_CTX *context;
    SSL *ssl;
    int descriptor;
    uv_poll_t poll;
    bool tcp, connected, failed, open;
    char why[200];
    unsigned received;
    struct raw_message last;
    uint16_t mid;
};

static struct raw raw;

/* RFC 8323 section 3.2: the header of TCP to that of UDP, which the rest of this file knows. */
static UNUSED void raw_from_tcp(struct raw_message *message)
{
    uint8_t first = message->bytes[0];
    size_t extended = first >> 4 == 13 ? 1 : first >> 4 == 14 ? 2 : first >> 4 == 15 ? 4 : 0;
    uint8_t code = message->bytes[1 + extended];
    size_t header = 2 + extended;
    memmove(message->bytes + 4, message->bytes + header, message->length - header);
    message->length += 4 - header;
    message->bytes[0] = 0x40 | (first & 15);
    message->bytes[1] = code;
    message->bytes[2] = message->bytes[3] = 0;
}

static UNUSED void raw_step(void)
{
    if (raw.failed)
        return;
    if (!raw.connected) {
        int done = SSL_do_handshake(raw.ssl);
        if (done == 1) {
            raw.connected = true;
        } else {
            int error = SSL_get_error(raw.ssl, done);
            raw.failed = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
            if (raw.failed)
                snprintf(raw.why, sizeof raw.why, "%s", ERR_reason_error_string(ERR_peek_error()));
            ERR_clear_error();
            return;
        }
    }
    for (;;) {
        struct raw_message message;
        int length = SSL_read(raw.ssl, message.bytes, sizeof message.bytes);
        if (length <= 0) {
            int error = SSL_get_error(raw.ssl, length);
            raw.failed = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
            if (raw.failed)
                snprintf(raw.why, sizeof raw.why, "%s", ERR_reason_error_string(ERR_peek_error()));
            ERR_clear_error();
            return;
        }
        message.length = (size_t)length;
        if (raw.tcp)
            raw_from_tcp(&message);
        raw.last = message;
        raw.received++;
    }
}

static void raw_ready(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events;
    raw_step();
    if (raw.failed)
        uv_poll_stop(&raw.poll);
}

static UNUSED unsigned raw_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_size, unsigned char *key,
                               unsigned size)
{
    (void)ssl, (void)hint, (void)size;
    snprintf(identity, identity_size, "web1");
    memcpy(key, psk_key, sizeof psk_key - 1);
    return sizeof psk_key - 1;
}

/* The socket, and an SSL without credentials; the caller sets these and calls raw_start. */
static UNUSED void raw_open(enum dots_transport transport, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t length = fill_address(&address, "127.0.0.1", port);
    memset(&raw, 0, sizeof raw);
    raw.tcp = transport == DOTS_TCP;
    raw.descriptor = socket(AF_INET, raw.tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    assert_true(raw.descriptor >= 0);
    assert_int_equal(connect(raw.descriptor, (struct sockaddr *)&address, length), 0);
    assert_int_equal(fcntl(raw.descriptor, F_SETFL, O_NONBLOCK), 0);
    raw.context = SSL_CTX_new(raw.tcp ? TLS_client_method() : DTLS_client_method());
    raw.ssl = SSL_new(raw.context);
    BIO *bio = raw.tcp ? BIO_new_socket(raw.descriptor, BIO_NOCLOSE) : BIO_new_dgram(raw.descriptor, BIO_NOCLOSE);
    if (!raw.tcp)
        BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &address);
    SSL_set_bio(raw.ssl, bio, bio);
    SSL_set_security_level(raw.ssl, 0);
    raw.open = true;
}

static UNUSED void raw_use_certificate(const struct certificate *certificate)
{
    assert_int_equal(SSL_use_certificate_file(raw.ssl, certificate->certificate, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_use_PrivateKey_file(raw.ssl, certificate->key, SSL_FILETYPE_PEM), 1);
}

static UNUSED void raw_start(void)
{
    SSL_set_connect_state(raw.ssl);
    uv_poll_init(&loop, &raw.poll, raw.descriptor);
    uv_poll_start(&raw.poll, UV_READABLE, raw_ready);
    raw_step();
}

static UNUSED void raw_close(void)
{
    if (!raw.open)
        return;
    raw.open = false;
    uv_close((uv_handle_t *)&raw.poll, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    SSL_free(raw.ssl);
    SSL_CTX_free(raw.context);
    close(raw.descriptor);
}

static UNUSED bool raw_connected(void)
{
    return raw.connected;
}

static UNUSED bool raw_failed(void)
{
    return raw.failed;
}

static unsigned raw_expected;

static UNUSED bool raw_has_received(void)
{
    return raw.received >= raw_expected;
}

/* ---- CoAP over UDP, by hand ---- */

struct raw_builder {
    uint8_t bytes[8192];
    size_t length;
    unsigned number;
};

enum { RAW_CON = 0, RAW_NON = 1, RAW_ACK = 2, RAW_RST = 3 };

static UNUSED void raw_begin(struct raw_builder *builder, unsigned type, uint8_t code, const char *token)
{
    size_t length = strlen(token);
    memset(builder, 0, sizeof *builder);
    raw.mid++;
    builder->bytes[0] = (uint8_t)(0x40 | type << 4 | length);
    builder->bytes[1] = code;
    builder->bytes[2] = (uint8_t)(raw.mid >> 8);
    builder->bytes[3] = (uint8_t)raw.mid;
    memcpy(builder->bytes + 4, token, length);
    builder->length = 4 + length;
}

static void raw_extended(struct raw_builder *builder, unsigned value)
{
    if (value >= 269) {
        builder->bytes[builder->length++] = (uint8_t)((value - 269) >> 8);
        builder->bytes[builder->length++] = (uint8_t)(value - 269);
    } else if (value >= 13) {
        builder->bytes[builder->length++] = (uint8_t)(value - 13);
    }
}

static UNUSED void raw_option(struct raw_builder *builder, unsigned number, const void *value, size_t length)
{
    unsigned delta = number - builder->number;
    unsigned high = delta >= 269 ? 14 : delta >= 13 ? 13 : delta;
    unsigned low = length >= 269 ? 14 : length >= 13 ? 13 : (unsigned)length;
    builder->number = number;
    builder->bytes[builder->length++] = (uint8_t)(high << 4 | low);
    raw_extended(builder, delta);
    raw_extended(builder, (unsigned)length);
    memcpy(builder->bytes + builder->length, value, length);
    builder->length += length;
}

static UNUSED void raw_path(struct raw_builder *builder, const char *path)
{
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        raw_option(builder, 11, path, length);
        path += length + (path[length] == '/');
    }
}

static UNUSED void raw_number(struct raw_builder *builder, unsigned number, uint32_t value)
{
    uint8_t bytes[4];
    size_t length = 0;
    for (int shift = 24; shift >= 0; shift -= 8)
        if (length > 0 || value >> shift)
            bytes[length++] = (uint8_t)(value >> shift);
    raw_option(builder, number, bytes, length);
}

static UNUSED void raw_payload(struct raw_builder *builder, const void *bytes, size_t length)
{
    builder->bytes[builder->length++] = 0xff;
    memcpy(builder->bytes + builder->length, bytes, length);
    builder->length += length;
}

static UNUSED void raw_send_tcp(const struct raw_builder *builder)
{
    uint8_t bytes[sizeof builder->bytes + 4];
    size_t token = builder->bytes[0] & 15, rest = builder->length - 4 - token, header = 0;
    unsigned nibble = rest < 13 ? (unsigned)rest : rest < 269 ? 13 : 14;
    bytes[header++] = (uint8_t)(nibble << 4 | token);
    if (nibble == 13) {
        bytes[header++] = (uint8_t)(rest - 13);
    } else if (nibble == 14) {
        bytes[header++] = (uint8_t)((rest - 269) >> 8);
        bytes[header++] = (uint8_t)(rest - 269);
    }
    bytes[header++] = builder->bytes[1];
    memcpy(bytes + header, builder->bytes + 4, builder->length - 4);
    int length = (int)(header + builder->length - 4);
    assert_int_equal(SSL_write(raw.ssl, bytes, length), length);
}

static UNUSED void raw_send(const struct raw_builder *builder)
{
    if (raw.tcp) {
        raw_send_tcp(builder);
        return;
    }
    assert_int_equal(SSL_write(raw.ssl, builder->bytes, (int)builder->length), (int)builder->length);
}

/* Sends and waits for one message. */
static UNUSED void raw_exchange(const struct raw_builder *builder)
{
    raw_expected = raw.received + 1;
    raw_send(builder);
    run_until(raw_has_received);
}

/* Over TCP the first message is the peer's capabilities and settings. */
static UNUSED bool raw_has_csm(void)
{
    return raw.received > 0 && raw.last.bytes[1] == DOTS_CODE(7, 1);
}

static UNUSED uint8_t raw_code(void)
{
    return raw.last.bytes[1];
}

static UNUSED unsigned raw_type(void)
{
    return raw.last.bytes[0] >> 4 & 3;
}

static UNUSED uint16_t raw_mid(void)
{
    return (uint16_t)(raw.last.bytes[2] << 8 | raw.last.bytes[3]);
}

/* The first option of this number in the last message, or its payload with number 0xffff; NULL: none. */
static UNUSED const uint8_t *raw_find(unsigned wanted, size_t *length)
{
    size_t at = 4 + (raw.last.bytes[0] & 15);
    unsigned number = 0;
    while (at < raw.last.length && raw.last.bytes[at] != 0xff) {
        unsigned delta = raw.last.bytes[at] >> 4, size = raw.last.bytes[at] & 15;
        at++;
        if (delta == 13)
            delta = raw.last.bytes[at++] + 13U;
        else if (delta == 14)
            delta = (raw.last.bytes[at] << 8 | raw.last.bytes[at + 1]) + 269U, at += 2;
        if (size == 13)
            size = raw.last.bytes[at++] + 13U;
        else if (size == 14)
            size = (raw.last.bytes[at] << 8 | raw.last.bytes[at + 1]) + 269U, at += 2;
        number += delta;
        if (number == wanted) {
            *length = size;
            return raw.last.bytes + at;
        }
        at += size;
    }
    *length = at < raw.last.length ? raw.last.length - at - 1 : 0;
    return wanted == 0xffff && *length > 0 ? raw.last.bytes + at + 1 : NULL;
}

static UNUSED int64_t raw_find_number(unsigned wanted)
{
    size_t length;
    const uint8_t *bytes = raw_find(wanted, &length);
    int64_t value = 0;
    if (bytes == NULL)
        return -1;
    for (size_t i = 0; i < length; i++)
        value = value << 8 | bytes[i];
    return value;
}

static UNUSED void assert_raw_payload(const char *text)
{
    size_t length;
    const uint8_t *bytes = raw_find(0xffff, &length);
    assert_non_null(bytes);
    assert_int_equal(length, strlen(text));
    assert_memory_equal(bytes, text, length);
}

/* south listens for DTLS and a raw client with a certificate is connected to it. */
static UNUSED void start_raw(void)
{
    struct dots_endpoint_settings settings = south_settings();
    south.endpoint = open_endpoint(&settings);
    raw_open(DOTS_UDP, listen_on(south.endpoint, "127.0.0.1", DOTS_UDP));
    raw_use_certificate(&pki_client);
    raw_start();
    run_until(raw_connected);
}

static UNUSED int end_raw(void **state)
{
    raw_close();
    return end(state);
}
