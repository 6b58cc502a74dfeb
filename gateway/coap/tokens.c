/* tokens: a hash table, as one upstream session may observe a hundred thousand requests. */
#include "gateway/coap/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/coap/private.h"

#define BUCKETS_FIRST 16
#define TOKENS_MAX (1U << 20)
#define LIFETIME 300000 /* ms: no response comes after EXCHANGE_LIFETIME (RFC 7252 section 4.8.2) */

struct tokens {
    struct outgoing **buckets;
    size_t size, count; /* size is a power of two */
};

int tokens_read(struct dots_token *token, const uint8_t *bytes, size_t length)
{
    memset(token, 0, sizeof *token);
    if (length > sizeof token->bytes)
        return -1;
    token->length = (uint8_t)length;
    if (length > 0)
        memcpy(token->bytes, bytes, length);
    return 0;
}

static bool same(const struct dots_token *a, const struct dots_token *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* We chose them at random ourselves: no better hash is needed. */
static struct outgoing **bucket_of(const struct tokens *tokens, const struct dots_token *token)
{
    uint64_t value = token->length;
    for (size_t i = 0; i < token->length; i++)
        value = value * 31 + token->bytes[i];
    return &tokens->buckets[value & (tokens->size - 1)];
}

static struct outgoing **place_of(const struct tokens *tokens, const struct dots_token *token)
{
    struct outgoing **place = bucket_of(tokens, token);
    while (*place != NULL && !same(&(*place)->token, token))
        place = &(*place)->next;
    return place;
}

static void outgoing_free(struct outgoing *outgoing)
{
    collected_free(outgoing->collected);
    free(outgoing->target);
    free(outgoing);
}

static void purge(struct tokens *tokens, uint64_t now)
{
    for (size_t i = 0; i < tokens->size; i++) {
        struct outgoing **place = &tokens->buckets[i];
        while (*place != NULL) {
            struct outgoing *outgoing = *place;
            if (outgoing->observing || now - outgoing->sent < LIFETIME) {
                place = &outgoing->next;
                continue;
            }
            *place = outgoing->next;
            outgoing_free(outgoing);
            tokens->count--;
        }
    }
}

static int grow(struct tokens *tokens)
{
    struct tokens larger = {.size = tokens->size * 2, .count = tokens->count};
    if (larger.size <= tokens->size)
        return -1;
    larger.buckets = calloc(larger.size, sizeof(struct outgoing *));
    if (larger.buckets == NULL)
        return -1;
    for (size_t i = 0; i < tokens->size; i++) {
        struct outgoing *next;
        for (struct outgoing *outgoing = tokens->buckets[i]; outgoing != NULL; outgoing = next) {
            next = outgoing->next;
            struct outgoing **bucket = bucket_of(&larger, &outgoing->token);
            outgoing->next = *bucket;
            *bucket = outgoing;
        }
    }
    free(tokens->buckets);
    *tokens = larger;
    return 0;
}

static struct tokens *tokens_new(void)
{
    struct tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL)
        return NULL;
    tokens->size = BUCKETS_FIRST;
    tokens->buckets = calloc(tokens->size, sizeof(struct outgoing *));
    if (tokens->buckets == NULL) {
        free(tokens);
        return NULL;
    }
    return tokens;
}

static size_t text_size(const struct dots_option *list, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += 1 + list[i].length;
    return size;
}

static uint8_t *write_list(uint8_t *to, const struct dots_option *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *to++ = (uint8_t)list[i].length;
        if (list[i].length > 0)
            memcpy(to, list[i].at, list[i].length);
        to += list[i].length;
    }
    return to;
}

static const uint8_t *read_list(const uint8_t *from, struct dots_option *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct dots_option){(const char *)from + 1, *from};
        from += 1 + *from;
    }
    return from;
}

/* dots_send has checked the counts, and libcoap the lengths. */
static struct target *target_new(const struct dots_request *request)
{
    size_t texts = text_size(request->path, request->path_count) + text_size(request->query, request->query_count);
    struct target *target = malloc(sizeof *target + texts);
    if (target == NULL)
        return NULL;
    target->path_count = (uint8_t)request->path_count;
    target->query_count = (uint8_t)request->query_count;
    target->accept = request->accept;
    target->hop_limit = request->hop_limit;
    write_list(write_list(target->text, request->path, request->path_count), request->query, request->query_count);
    return target;
}

/* A confirmable GET; borrows from the target. */
void target_read(const struct target *target, struct dots_request *request)
{
    *request = (struct dots_request){.method = DOTS_GET,
                                     .confirmable = true,
                                     .path_count = target->path_count,
                                     .query_count = target->query_count,
                                     .observe = -1,
                                     .content_format = -1,
                                     .accept = target->accept,
                                     .hop_limit = target->hop_limit};
    const uint8_t *queries = read_list(target->text, request->path, target->path_count);
    read_list(queries, request->query, target->query_count);
}

static struct outgoing *insert(struct tokens *tokens, const struct dots_token *token,
                               const struct dots_request *request, uint64_t now)
{
    if (tokens->count >= tokens->size) {
        purge(tokens, now);
        if (tokens->count >= TOKENS_MAX || (tokens->count >= tokens->size && grow(tokens) != 0))
            return NULL;
    }
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    if (outgoing == NULL)
        return NULL;
    if (request->method == DOTS_GET && (outgoing->target = target_new(request)) == NULL) {
        free(outgoing);
        return NULL;
    }
    struct outgoing **bucket = bucket_of(tokens, token);
    outgoing->token = *token;
    outgoing->next = *bucket;
    *bucket = outgoing;
    tokens->count++;
    return outgoing;
}

/* A repeated request keeps its entry. */
struct outgoing *tokens_add(struct dots_session *session, const struct dots_token *token,
                            const struct dots_request *request)
{
    uint64_t now = uv_now(session->endpoint->loop);
    if (session->tokens == NULL && (session->tokens = tokens_new()) == NULL)
        return NULL;
    struct outgoing *outgoing = *place_of(session->tokens, token);
    if (outgoing == NULL)
        outgoing = insert(session->tokens, token, request, now);
    if (outgoing == NULL)
        return NULL;
    outgoing->sent = now;
    outgoing->observing = request->observe == 0;
    outgoing->confirmable = request->confirmable;
    return outgoing;
}

struct outgoing *tokens_find(struct dots_session *session, const struct dots_token *token)
{
    return session->tokens != NULL ? *place_of(session->tokens, token) : NULL;
}

void tokens_remove(struct dots_session *session, const struct dots_token *token)
{
    if (session->tokens == NULL)
        return;
    struct outgoing **place = place_of(session->tokens, token);
    struct outgoing *outgoing = *place;
    if (outgoing == NULL)
        return;
    *place = outgoing->next;
    session->tokens->count--;
    outgoing_free(outgoing);
}

/* A confirmable request failed. One for a later block fails the request whose body it was. */
void tokens_failed(struct dots_session *session, const struct dots_token *token, enum dots_nack reason)
{
    struct dots_token failed = *token;
    struct outgoing *outgoing = tokens_find(session, &failed);
    if (outgoing != NULL && outgoing->asking) {
        struct dots_token parent = outgoing->parent;
        tokens_remove(session, &failed);
        failed = parent;
        outgoing = tokens_find(session, &failed);
        if (outgoing != NULL) {
            collected_free(outgoing->collected);
            outgoing->collected = NULL;
        }
        if (outgoing == NULL || outgoing->observing)
            return; /* the next notification brings the state again */
    }
    if (outgoing == NULL)
        return;
    tokens_remove(session, &failed);
    session->endpoint->handlers->nack(session->endpoint->arg, session, &failed, reason);
}

void tokens_free(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    for (size_t i = 0; i < tokens->size; i++)
        while (tokens->buckets[i] != NULL) {
            struct outgoing *outgoing = tokens->buckets[i];
            tokens->buckets[i] = outgoing->next;
            outgoing_free(outgoing);
        }
    free(tokens->buckets);
    free(tokens);
}
