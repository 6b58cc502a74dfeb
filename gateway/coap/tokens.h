/* tokens: our requests of one session that may still get a response, by their token. Private. */
#pragma once

#include "gateway/coap/coap.h"

struct tokens;

/* A body that comes in blocks. */
struct collected {
    struct dots_response first; /* options of the first block; its body is `bytes` */
    uint8_t *bytes;
    size_t length, capacity;
    uint8_t restarts;         /* because the ETag changed midway */
    struct dots_token asking; /* of the request for the next block */
};

struct outgoing {
    struct outgoing *next; /* of the same bucket */
    struct dots_token token;
    uint64_t sent; /* uv_now */
    bool observing, confirmable;
    bool asking; /* for a block of the body that `parent` collects */
    struct dots_token parent;
    struct collected *collected;
    struct target *target; /* of a GET, for the blocks that follow */
};

int tokens_read(struct dots_token *token, const uint8_t *bytes, size_t length); /* -1: longer than 8 bytes */
struct outgoing *tokens_add(struct dots_session *session, const struct dots_token *token,
                            const struct dots_request *request);
struct outgoing *tokens_find(struct dots_session *session, const struct dots_token *token);
void tokens_remove(struct dots_session *session, const struct dots_token *token);
void tokens_failed(struct dots_session *session, const struct dots_token *token, enum dots_nack reason);
void tokens_free(struct tokens *tokens);

/* collect.c: takes one block of a response; true when the body is whole and in *response. */
/* Path and query, in one piece of memory: there may be a hundred thousand of them. */
struct target {
    uint8_t path_count, query_count;
    int32_t accept, hop_limit;
    uint8_t text[]; /* of each: its length, and the bytes */
};
void target_read(const struct target *target, struct dots_request *request);

enum collect { COLLECT_WHOLE, COLLECT_MORE, COLLECT_FAILED };
enum collect collect_block(struct dots_session *session, struct outgoing *outgoing, struct dots_response *response,
                           const struct dots_block *block);
void collected_free(struct collected *collected);
