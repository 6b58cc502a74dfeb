/*
 * collect: response bodies that come in blocks (RFC 7959 section 2.4), and notifications (section 2.6).
 *
 * The blocks that follow the first are asked for one by one, confirmable, with a token of their own, so
 * that they are not taken for notifications. A body that changes midway is started again.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/coap/private.h"
#include "gateway/coap/tokens.h"

#define RESTARTS_MAX 2

void collected_free(struct collected *collected)
{
    if (collected == NULL)
        return;
    free(collected->bytes);
    free(collected);
}

static int append(struct collected *collected, const uint8_t *bytes, size_t length)
{
    if (collected->length + length > COAP_COLLECTED_MAX)
        return -1;
    if (collected->length + length > collected->capacity) {
        size_t capacity = collected->capacity > 0 ? collected->capacity * 2 : 4096;
        while (capacity < collected->length + length)
            capacity *= 2;
        uint8_t *larger = realloc(collected->bytes, capacity);
        if (larger == NULL)
            return -1;
        collected->bytes = larger;
        collected->capacity = capacity;
    }
    if (length > 0)
        memcpy(collected->bytes + collected->length, bytes, length);
    collected->length += length;
    return 0;
}

/* The entry of `outgoing` may move with the table, but not in memory. */
static int ask(struct dots_session *session, struct outgoing *outgoing, uint32_t number, uint8_t szx)
{
    struct dots_request next;
    struct dots_token token;
    target_read(outgoing->target, &next);
    next.block2 = (struct dots_block){.present = true, .number = number, .szx = szx};
    dots_token_new(&token);
    tokens_remove(session, &outgoing->collected->asking);
    if (dots_send(session, &token, &next) != 0)
        return -1;
    struct outgoing *asking = tokens_find(session, &token);
    if (asking == NULL)
        return -1;
    asking->asking = true;
    asking->parent = outgoing->token;
    outgoing->collected->asking = token;
    return 0;
}

static enum collect start(struct dots_session *session, struct outgoing *outgoing, const struct dots_response *response)
{
    uint8_t restarts = outgoing->collected != NULL ? outgoing->collected->restarts : 0;
    int32_t observe = outgoing->collected != NULL ? outgoing->collected->first.observe : -1;
    if (outgoing->collected != NULL)
        tokens_remove(session, &outgoing->collected->asking);
    collected_free(outgoing->collected);
    outgoing->collected = calloc(1, sizeof *outgoing->collected);
    if (outgoing->collected == NULL)
        return COLLECT_FAILED;
    outgoing->collected->first = *response;
    outgoing->collected->first.body = NULL;
    if (response->observe >= 0) {
        outgoing->collected->restarts = 0;
    } else {
        outgoing->collected->restarts = restarts;
        outgoing->collected->first.observe = observe; /* a restart belongs to the same notification */
    }
    return COLLECT_MORE;
}

static bool same_etag(const struct dots_etag *a, const struct dots_etag *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static enum collect restart(struct dots_session *session, struct outgoing *outgoing, uint8_t szx)
{
    if (outgoing->collected->restarts++ >= RESTARTS_MAX)
        return COLLECT_FAILED;
    outgoing->collected->length = 0;
    return ask(session, outgoing, 0, szx) == 0 ? COLLECT_MORE : COLLECT_FAILED;
}

static enum collect fail(struct outgoing *outgoing, struct dots_response *response)
{
    if (DOTS_CODE_CLASS(response->code) == 2) /* a part is worse than nothing */
        *response = (struct dots_response){
            .code = DOTS_CODE(5, 2), .content_format = -1, .max_age = DOTS_NO_MAX_AGE, .observe = -1};
    collected_free(outgoing->collected);
    outgoing->collected = NULL;
    return COLLECT_FAILED;
}

/* The last block's response becomes the whole one. A failure becomes an error response: that of the server, or 5.02. */
enum collect collect_block(struct dots_session *session, struct outgoing *outgoing, struct dots_response *response,
                           const struct dots_block *block)
{
    uint8_t szx = block->present && block->szx < 7 ? block->szx : 6;
    size_t size = (size_t)1 << (szx + 4);
    if (outgoing->target == NULL)
        return fail(outgoing, response);
    if (outgoing->collected != NULL && response->observe < 0 && DOTS_CODE_CLASS(response->code) != 2)
        return restart(session, outgoing, szx) == COLLECT_MORE ? COLLECT_MORE : fail(outgoing, response);
    if ((!block->present || block->number == 0) && start(session, outgoing, response) != COLLECT_MORE)
        return fail(outgoing, response);
    struct collected *collected = outgoing->collected;
    if (collected == NULL)
        return fail(outgoing, response);
    bool fits = (uint64_t)block->number << (szx + 4) == collected->length &&
                (!block->more || (response->body_length > 0 && response->body_length % size == 0));
    if (!fits || !same_etag(&collected->first.etag, &response->etag))
        return restart(session, outgoing, szx) == COLLECT_MORE ? COLLECT_MORE : fail(outgoing, response);
    if (append(collected, response->body, response->body_length) != 0)
        return fail(outgoing, response);
    if (block->more) {
        uint32_t next = (uint32_t)(collected->length >> (szx + 4));
        return ask(session, outgoing, next, szx) == 0 ? COLLECT_MORE : fail(outgoing, response);
    }
    *response = collected->first;
    response->body = collected->bytes;
    response->body_length = collected->length;
    return COLLECT_WHOLE;
}
