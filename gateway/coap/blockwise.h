/* blockwise: RFC 7959 for a server, without libcoap's block mode. Private. */
#pragma once

#include "gateway/coap/coap.h"

#define REQUEST_KEY_SIZE 128

struct blockwise;

/* What a client may fetch block by block: a body as it was when the first block went out. */
struct snapshot {
    struct dots_response response; /* with body and ETag */
    uint64_t expires;              /* uv_now */
};

void blockwise_key(uint8_t key[REQUEST_KEY_SIZE], uint8_t method, const struct dots_request *request);

/* Adds one piece of a Block1 transfer. 0: the body is whole, in request->body until the next call;
 * otherwise the code of the response, 2.31 or an error. */
uint8_t blockwise_take(struct dots_session *session, struct dots_request *request, const struct dots_block *block1);
void blockwise_taken(struct dots_session *session); /* the request was handled: frees the body */

/* Keeps a copy of the response's body; NULL when out of memory. */
const struct snapshot *blockwise_keep(struct dots_session *session, const uint8_t key[REQUEST_KEY_SIZE],
                                      const struct dots_response *response);
const struct snapshot *blockwise_find(struct dots_session *session, const uint8_t key[REQUEST_KEY_SIZE]);

void blockwise_expire(struct dots_session *session, uint64_t now);
void blockwise_free(struct blockwise *blocks);
