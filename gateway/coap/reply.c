/* reply: responses and notifications, whole or by Block2 (RFC 7959 section 2.4). */
#include "gateway/coap/private.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/coap/blockwise.h"

#define OPTIONS_ROOM 48 /* ETag, Observe, Content-Format, Max-Age, Block2, Block1, Size1 and the payload marker */
#define NAMES_MAX 512   /* payload of a 5.08 */
#define SZX_MAX 6

static size_t block_size(uint8_t szx)
{
    return (size_t)1 << (szx + 4);
}

/* Bytes of body that fit into one message. */
static size_t room(const struct dots_session *session)
{
    size_t message = dots_session_message_max(session);
    size_t taken = COAP_HEADER_SIZE + sizeof((struct dots_token *)0)->bytes + OPTIONS_ROOM;
    return message > taken ? message - taken : 0;
}

static int write_pdu(coap_pdu_t *pdu, const struct dots_response *response, const struct dots_block *block2,
                     const struct reply_frame *frame)
{
    coap_pdu_set_code(pdu, (coap_pdu_code_t)response->code);
    if (options_write_response(pdu, response, block2, frame->block1, frame->size1) != 0)
        return -1;
    if (response->body_length > 0 && coap_add_data(pdu, response->body_length, response->body) == 0)
        return -1;
    return 0;
}

/* One block of a body. The asked size is made smaller where it does not fit, which is for block 0 only, as
 * later requests name the size that block 0 had. */
static int write_block(struct dots_session *session, coap_pdu_t *pdu, const struct dots_response *whole,
                       const struct dots_block *asked, const struct reply_frame *frame)
{
    struct dots_block block = {.present = true, .szx = SZX_MAX};
    if (asked != NULL && asked->present) {
        block.number = asked->number;
        block.szx = asked->szx < SZX_MAX ? asked->szx : SZX_MAX;
    }
    while (block.szx > 0 && block_size(block.szx) > room(session)) {
        block.szx--;
        block.number *= 2;
    }
    struct dots_response part = *whole;
    uint64_t offset = (uint64_t)block.number << (block.szx + 4);
    if (offset >= whole->body_length) {
        static const char reason[] = "Block2: the body has no such block";
        const struct dots_response beyond = {.code = DOTS_CODE(4, 0),
                                             .content_format = -1,
                                             .max_age = DOTS_NO_MAX_AGE,
                                             .observe = -1,
                                             .body = (const uint8_t *)reason,
                                             .body_length = sizeof reason - 1};
        return write_pdu(pdu, &beyond, NULL, frame);
    }
    size_t left = whole->body_length - (size_t)offset;
    block.more = left > block_size(block.szx);
    part.body = whole->body + offset;
    part.body_length = block.more ? block_size(block.szx) : left;
    return write_pdu(pdu, &part, &block, frame);
}

static void make_etag(struct dots_response *response)
{
    uint8_t digest[32];
    if (response->etag.length > 0 ||
        EVP_Digest(response->body, response->body_length, digest, NULL, EVP_sha256(), NULL) != 1)
        return;
    response->etag.length = sizeof response->etag.bytes;
    memcpy(response->etag.bytes, digest, sizeof response->etag.bytes);
}

static int write_508(const struct dots_session *session, coap_pdu_t *pdu, const struct dots_response *response,
                     const struct reply_frame *frame)
{
    uint8_t names[NAMES_MAX];
    struct dots_response named = *response;
    size_t max = room(session) < sizeof names ? room(session) : sizeof names;
    if (max == 0 || hop_limit_payload(session->endpoint->name, response, names, max, &named.body_length) != 0)
        return -1;
    named.body = names;
    int done = write_pdu(pdu, &named, NULL, frame);
    hop_limit_own();
    return done;
}

/* -1: the PDU must not be sent. */
int reply_fill(struct dots_session *session, coap_pdu_t *pdu, const struct dots_response *response,
               const struct reply_frame *frame)
{
    if (response->code == DOTS_CODE(5, 8))
        return write_508(session, pdu, response, frame);
    const struct dots_block *asked = frame->block2;
    bool small = asked != NULL && asked->present &&
                 (asked->number > 0 || (asked->szx <= SZX_MAX && response->body_length > block_size(asked->szx)));
    if (!small && response->body_length <= room(session))
        return write_pdu(pdu, response, NULL, frame);
    if (frame->key == NULL)
        return -1;
    struct dots_response tagged = *response;
    make_etag(&tagged);
    const struct snapshot *kept = blockwise_keep(session, frame->key, &tagged);
    return kept != NULL ? write_block(session, pdu, &tagged, asked, frame) : -1;
}

int reply_with_snapshot(struct dots_exchange *exchange, const struct dots_response *whole)
{
    struct dots_response later = *whole;
    later.observe = -1; /* only the first block is the notification (RFC 7959 section 2.6) */
    const struct reply_frame frame = {.block1 = &exchange->block1};
    return write_block(exchange->session, exchange->pdu, &later, &exchange->block2, &frame);
}

static void unlink_held(struct dots_exchange *exchange)
{
    if (exchange->back == NULL)
        return;
    *exchange->back = exchange->next;
    if (exchange->next != NULL)
        exchange->next->back = exchange->back;
    exchange->back = NULL;
}

void exchange_forget_held(struct dots_session *session)
{
    while (session->held != NULL)
        unlink_held(session->held);
}

/* A retransmission of a request that waits for its answer: libcoap acknowledges it, nobody else hears of it. */
bool exchange_is_held(const struct dots_session *session, const struct dots_exchange *exchange)
{
    if (!exchange->confirmable)
        return false;
    for (const struct dots_exchange *held = session->held; held != NULL; held = held->next)
        if (held->confirmable && held->mid == exchange->mid)
            return true;
    return false;
}

struct dots_exchange *dots_hold(struct dots_exchange *exchange)
{
    if (exchange->gone || exchange->pdu == NULL)
        return NULL;
    struct dots_exchange *held = malloc(sizeof *held);
    if (held == NULL)
        return NULL;
    *held = *exchange;
    exchange->gone = true;
    held->pdu = NULL;
    held->request = NULL;
    blockwise_key(held->key, held->method, exchange->request);
    struct dots_session *session = dots_session_ref(held->session);
    held->next = session->held;
    held->back = &session->held;
    if (held->next != NULL)
        held->next->back = &held->next;
    session->held = held;
    return held;
}

static void release(struct dots_exchange *exchange)
{
    exchange->gone = true;
    if (exchange->pdu != NULL)
        return; /* inside the callback: it lives on the stack */
    struct dots_session *session = exchange->session;
    unlink_held(exchange);
    free(exchange);
    dots_session_unref(session);
}

void dots_drop(struct dots_exchange *exchange)
{
    if (!exchange->gone)
        release(exchange);
}

/* Separate response, RFC 7252 section 5.2.2. */
static int reply_later(const struct dots_exchange *exchange, const struct dots_response *response,
                       const struct reply_frame *frame)
{
    struct dots_session *session = exchange->session;
    if (!session_alive(session))
        return -1;
    coap_pdu_t *pdu = send_new_pdu(session, exchange->confirmable, 0, &exchange->token);
    if (pdu == NULL)
        return -1;
    if (reply_fill(session, pdu, response, frame) != 0) {
        coap_delete_pdu(pdu);
        return -1;
    }
    return send_pdu(session, pdu);
}

int dots_reply(struct dots_exchange *exchange, const struct dots_response *response)
{
    if (exchange->gone)
        return -1;
    struct reply_frame frame = {.block2 = &exchange->block2, .block1 = &exchange->block1, .key = exchange->key};
    int done = -1;
    if (exchange->pdu != NULL) {
        blockwise_key(exchange->key, exchange->method, exchange->request);
        if (session_alive(exchange->session))
            done = reply_fill(exchange->session, exchange->pdu, response, &frame);
        if (done != 0)
            coap_pdu_set_code(exchange->pdu, (coap_pdu_code_t)0);
    } else {
        done = reply_later(exchange, response, &frame);
    }
    release(exchange);
    return done;
}

const struct dots_token *dots_exchange_token(const struct dots_exchange *exchange)
{
    return &exchange->token;
}

uint64_t dots_exchange_number(const struct dots_exchange *exchange)
{
    return exchange->number;
}

struct dots_session *dots_exchange_session(const struct dots_exchange *exchange)
{
    return exchange->session;
}

enum dots_method dots_exchange_method(const struct dots_exchange *exchange)
{
    return (enum dots_method)exchange->method;
}

int dots_notify(struct dots_session *session, const struct dots_token *token, const struct dots_request *observed,
                const struct dots_response *response)
{
    if (!session_alive(session))
        return -1;
    coap_pdu_t *pdu = send_new_pdu(session, false, 0, token);
    if (pdu == NULL)
        return -1;
    uint8_t key[REQUEST_KEY_SIZE];
    blockwise_key(key, observed->method, observed);
    const struct reply_frame frame = {.key = key};
    if (reply_fill(session, pdu, response, &frame) != 0) {
        coap_delete_pdu(pdu);
        return -1;
    }
    resets_remember(session, (uint16_t)coap_pdu_get_mid(pdu), token);
    return send_pdu(session, pdu);
}
