/* send: our own requests, and the responses and notifications to them. */
#include "gateway/coap/private.h"

#include <string.h>

#include "gateway/coap/tokens.h"

/* Types mean nothing over TCP, and libcoap takes everything there for confirmable. */
coap_pdu_t *send_new_pdu(struct dots_session *session, bool confirmable, uint8_t code, const struct dots_token *token)
{
    coap_pdu_type_t type = confirmable || session->tcp ? COAP_MESSAGE_CON : COAP_MESSAGE_NON;
    coap_pdu_t *pdu = coap_pdu_init(type, (coap_pdu_code_t)code, coap_new_message_id(session->coap),
                                    coap_session_max_pdu_size(session->coap));
    if (pdu != NULL && coap_add_token(pdu, token->length, token->bytes) == 0) {
        coap_delete_pdu(pdu);
        return NULL;
    }
    return pdu;
}

/* Takes the PDU. libcoap arms its own timer for what is confirmable. */
int send_pdu(struct dots_session *session, coap_pdu_t *pdu)
{
    const char *outer = hop_limit_enter(session->endpoint->name);
    coap_mid_t mid = coap_send(session->coap, pdu);
    hop_limit_leave(outer);
    return mid == COAP_INVALID_MID ? -1 : 0;
}

/* RFC 7252 section 5.10: no Uri-Path or Uri-Query is longer. */
static bool options_fit(const struct dots_request *request)
{
    if (request->path_count > DOTS_PATH_MAX || request->query_count > DOTS_QUERY_MAX)
        return false;
    for (size_t i = 0; i < request->path_count; i++)
        if (request->path[i].length > 255)
            return false;
    for (size_t i = 0; i < request->query_count; i++)
        if (request->query[i].length > 255)
            return false;
    return true;
}

/* Room of the message without its body, as encoded: longer options need at most two bytes more each. */
static size_t encoded_size(const struct dots_request *request, const struct dots_token *token)
{
    size_t size = COAP_HEADER_SIZE + token->length + 40 + (request->body_length > 0 ? 1 : 0) + request->body_length;
    for (size_t i = 0; i < request->path_count; i++)
        size += request->path[i].length + (request->path[i].length < 13 ? 1 : 2);
    for (size_t i = 0; i < request->query_count; i++)
        size += request->query[i].length + (request->query[i].length < 13 ? 1 : 2);
    return size;
}

int dots_send(struct dots_session *session, const struct dots_token *token, const struct dots_request *request)
{
    if (!session_alive(session))
        return -1;
    if (!options_fit(request) || encoded_size(request, token) > dots_session_message_max(session))
        return -2;
    coap_pdu_t *pdu = send_new_pdu(session, request->confirmable, (uint8_t)request->method, token);
    if (pdu == NULL)
        return -1;
    if (options_write_request(pdu, request) != 0 ||
        (request->body_length > 0 && coap_add_data(pdu, request->body_length, request->body) == 0)) {
        coap_delete_pdu(pdu);
        return -2;
    }
    if (tokens_add(session, token, request) == NULL) {
        coap_delete_pdu(pdu);
        return -1;
    }
    return send_pdu(session, pdu);
}

void dots_forget(struct dots_session *session, const struct dots_token *token)
{
    tokens_remove(session, token);
}

/* The request goes on as long as it is observed. */
static bool deliver(struct dots_session *session, struct outgoing *outgoing, const struct dots_response *response)
{
    struct dots_endpoint *endpoint = session->endpoint;
    struct dots_token token = outgoing->token;
    struct collected *body = outgoing->collected;
    outgoing->collected = NULL;
    if (!outgoing->observing || response->observe < 0)
        tokens_remove(session, &token);
    bool wanted = endpoint->handlers->response(endpoint->arg, session, &token, response);
    collected_free(body);
    if (!wanted)
        tokens_remove(session, &token);
    return wanted;
}

static bool take(struct dots_session *session, const struct dots_token *token, struct dots_response *response,
                 const struct dots_block *block2)
{
    struct outgoing *outgoing = tokens_find(session, token);
    if (outgoing == NULL)
        return false;
    bool part = block2->present && (block2->more || block2->number > 0);
    if (outgoing->asking) {
        struct dots_token parent = outgoing->parent;
        tokens_remove(session, token);
        outgoing = tokens_find(session, &parent);
        if (outgoing == NULL || outgoing->collected == NULL)
            return true; /* nobody waits for it any more */
        part = true;
    }
    if (!part) {
        collected_free(outgoing->collected); /* of an older notification */
        outgoing->collected = NULL;
        return deliver(session, outgoing, response);
    }
    if (collect_block(session, outgoing, response, block2) == COLLECT_MORE)
        return true;
    return deliver(session, outgoing, response);
}

/* coap_response_handler_t: FAIL has libcoap send a Reset. */
coap_response_t send_on_response(coap_session_t *coap, const coap_pdu_t *sent, const coap_pdu_t *received,
                                 coap_mid_t mid)
{
    (void)sent, (void)mid;
    struct dots_session *session = coap_session_get_app_data(coap);
    if (session == NULL || !session_heard(session))
        return COAP_RESPONSE_OK;
    struct dots_token token;
    struct dots_response response = {.code = (uint8_t)coap_pdu_get_code(received)};
    struct dots_block block2 = {0};
    coap_bin_const_t bytes = coap_pdu_get_token(received);
    dots_session_ref(session);
    options_read_response(received, &response, &block2);
    coap_get_data(received, &response.body_length, &response.body);
    bool wanted = tokens_read(&token, bytes.s, bytes.length) == 0 && take(session, &token, &response, &block2);
    bool resettable = !session->tcp && coap_pdu_get_type(received) != COAP_MESSAGE_ACK;
    dots_session_unref(session);
    return wanted || !resettable ? COAP_RESPONSE_OK : COAP_RESPONSE_FAIL;
}
