/*
 * coap_message_fuzz: datagrams of one session, each with its length in two bytes, through libcoap's parser into
 * the options and the block transfers, as far as they go without a socket.
 */
/* links: coap log */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/coap/blockwise.h"
#include "gateway/coap/private.h"

#define BODY_MAX 4096
#define DATAGRAM_MAX 1472

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dots_endpoint endpoint;

static void open_endpoint(void)
{
    if (endpoint.loop != NULL)
        return;
    coap_startup();
    coap_set_log_level((coap_log_t)0);
    endpoint.loop = uv_default_loop();
    endpoint.body_max = BODY_MAX;
    uv_timer_init(endpoint.loop, &endpoint.tick);
    uv_idle_init(endpoint.loop, &endpoint.later);
    endpoint.tick.data = endpoint.later.data = &endpoint;
}

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void take_request(struct dots_session *session, const coap_pdu_t *pdu)
{
    struct dots_request request = {.method = (enum dots_method)coap_pdu_get_code(pdu)};
    struct dots_block block1 = {0};
    uint8_t key[REQUEST_KEY_SIZE];
    coap_get_data(pdu, &request.body_length, &request.body);
    if (options_read_request(pdu, &request, &block1) != 0)
        return;
    check(request.path_count <= DOTS_PATH_MAX && request.query_count <= DOTS_QUERY_MAX);
    if (request.body_length > BODY_MAX)
        return;
    if (block1.present && blockwise_take(session, &request, &block1) != 0)
        return;
    check(request.body_length <= BODY_MAX);
    blockwise_key(key, (uint8_t)request.method, &request);
    const struct snapshot *kept = blockwise_find(session, key);
    check(kept == NULL || kept->response.body_length <= BODY_MAX);
    struct dots_response response = {.body = request.body, .body_length = request.body_length};
    if (request.block2.present)
        blockwise_keep(session, key, &response);
    blockwise_taken(session);
}

static void take_response(const coap_pdu_t *pdu)
{
    struct dots_response response = {.code = (uint8_t)coap_pdu_get_code(pdu)};
    struct dots_block block2 = {0};
    uint8_t names[512];
    size_t length = 0;
    coap_get_data(pdu, &response.body_length, &response.body);
    options_read_response(pdu, &response, &block2);
    check(response.etag.length <= sizeof response.etag.bytes);
    if (hop_limit_payload("gw1.example", &response, names, sizeof names, &length) == 0)
        check(length >= 11 && length <= sizeof names);
}

static void take(struct dots_session *session, const uint8_t *data, size_t size)
{
    coap_pdu_t *pdu = coap_pdu_init((coap_pdu_type_t)0, (coap_pdu_code_t)0, 0, DATAGRAM_MAX);
    check(pdu != NULL);
    if (size >= 4 && coap_pdu_parse(COAP_PROTO_DTLS, data, size, pdu) != 0) {
        unsigned code = (unsigned)coap_pdu_get_code(pdu);
        if (code > 0 && code < 32)
            take_request(session, pdu);
        else if (code >= 64)
            take_response(pdu);
    }
    coap_delete_pdu(pdu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_endpoint();
    struct dots_session session = {.endpoint = &endpoint};
    while (size >= 2) {
        size_t length = (size_t)(data[0] << 8 | data[1]);
        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        if (length <= DATAGRAM_MAX)
            take(&session, data, length);
        data += length;
        size -= length;
    }
    session_unlink(&session, LIST_WATCHED);
    blockwise_free(session.blocks);
    return 0;
}
