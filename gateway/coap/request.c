/* request: an incoming request, from libcoap's PDU to the handler. */
#include "gateway/coap/private.h"

#include <stdio.h>
#include <string.h>

#include "gateway/coap/blockwise.h"
#include "gateway/coap/tokens.h"
#include "gateway/log/log.h"

/* Answers on the spot, without the handler. */
static void answer(struct dots_exchange *exchange, uint8_t code, const char *text, uint32_t size1)
{
    const struct dots_response response = {
        .code = code,
        .content_format = -1,
        .max_age = DOTS_NO_MAX_AGE,
        .observe = -1,
        .body = (const uint8_t *)text,
        .body_length = text != NULL ? strlen(text) : 0,
    };
    const struct reply_frame frame = {.block1 = &exchange->block1, .size1 = size1};
    reply_fill(exchange->session, exchange->pdu, &response, &frame);
    exchange->gone = true;
}

static const char *explain(uint8_t code)
{
    switch (code) {
    case DOTS_CODE(4, 0):
        return "too many or too long Uri-Path or Uri-Query options";
    case DOTS_CODE(4, 2):
        return "a critical option is unknown or malformed";
    case DOTS_CODE(4, 8):
        return "a block is missing: start again with block 0";
    case DOTS_CODE(4, 13):
        return "the body is too large";
    default:
        return NULL;
    }
}

static void refuse(struct dots_exchange *exchange, uint8_t code)
{
    size_t max = exchange->session->endpoint->body_max;
    bool large = code == DOTS_CODE(4, 13);
    answer(exchange, code, explain(code), large ? (uint32_t)(max < UINT32_MAX ? max : UINT32_MAX) : 0);
}

/* A later block of a body that is kept. For one that is not, a GET is answered afresh, and the client compares
 * ETags; for anything else it has to start again. True when done. */
static bool serve_block(struct dots_exchange *exchange, const struct dots_request *request)
{
    if (!request->block2.present || request->block2.number == 0)
        return false;
    uint8_t key[REQUEST_KEY_SIZE];
    blockwise_key(key, request->method, request);
    const struct snapshot *kept = blockwise_find(exchange->session, key);
    if (kept != NULL) {
        exchange->gone = true;
        reply_with_snapshot(exchange, &kept->response);
        return true;
    }
    if (request->method == DOTS_GET || request->method == DOTS_FETCH)
        return false;
    refuse(exchange, DOTS_CODE(4, 8));
    return true;
}

static void handle(struct dots_exchange *exchange, struct dots_request *request, const struct dots_block *block1)
{
    struct dots_session *session = exchange->session;
    struct dots_endpoint *endpoint = session->endpoint;
    if (request->body_length > endpoint->body_max) {
        refuse(exchange, DOTS_CODE(4, 13));
        return;
    }
    if (block1->present) {
        exchange->block1 = *block1;
        uint8_t code = blockwise_take(session, request, block1);
        if (code == DOTS_CODE(2, 31))
            answer(exchange, code, NULL, 0);
        else if (code != 0)
            refuse(exchange, code);
        if (code != 0)
            return;
    }
    if (!serve_block(exchange, request))
        endpoint->handlers->request(endpoint->arg, session, request);
    if (block1->present)
        blockwise_taken(session);
}

/* coap_method_handler_t: what is in `response` afterwards goes out; with code 0 libcoap sends an empty ACK to a
 * confirmable request, and otherwise nothing. */
void request_handle(coap_resource_t *resource, coap_session_t *coap, const coap_pdu_t *pdu, const coap_string_t *query,
                    coap_pdu_t *response)
{
    (void)resource, (void)query;
    struct dots_session *session = coap_session_get_app_data(coap);
    if (session == NULL || !session->up)
        events_missed(coap);
    if (session == NULL || !session_heard(session))
        return;
    dots_session_ref(session);
    struct dots_exchange exchange = {.session = session, .pdu = response, .number = log_request()};
    struct dots_request request = {.exchange = &exchange};
    struct dots_block block1 = {0};
    coap_bin_const_t token = coap_pdu_get_token(pdu);
    exchange.mid = (uint16_t)coap_pdu_get_mid(pdu);
    exchange.confirmable = request.confirmable = !session->tcp && coap_pdu_get_type(pdu) == COAP_MESSAGE_CON;
    exchange.method = (uint8_t)coap_pdu_get_code(pdu);
    request.method = (enum dots_method)exchange.method;
    exchange.request = &request;
    coap_get_data(pdu, &request.body_length, &request.body);
    if (tokens_read(&exchange.token, token.s, token.length) == 0 && !exchange_is_held(session, &exchange)) {
        int code = options_read_request(pdu, &request, &block1);
        exchange.block2 = request.block2;
        if (code != 0)
            refuse(&exchange, (uint8_t)code);
        else
            handle(&exchange, &request, &block1);
    }
    dots_session_unref(session);
}
