/*
 * blockwise: bodies in blocks on the server side, bounded for each session (RFC 7959).
 *
 * libcoap's own block mode is off: it tells transfers apart by resource, and every path is the unknown
 * resource here; and it takes as much memory as a client announces.
 */
#include "gateway/coap/blockwise.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/coap/private.h"

#define UPLOADS 2
#define SNAPSHOTS 4
#define LIFETIME 60000 /* ms */
#define SZX_BERT 7     /* RFC 8323 section 6: TCP, several blocks of 1024 bytes in one message */

struct upload {
    bool used;
    uint8_t key[REQUEST_KEY_SIZE];
    uint8_t *bytes;
    size_t length, capacity;
    uint64_t expires;
};

struct kept {
    bool used;
    uint8_t key[REQUEST_KEY_SIZE];
    struct snapshot snapshot;
};

struct blockwise {
    struct upload uploads[UPLOADS];
    struct upload *whole; /* whose body the request handler looks at */
    struct kept kept[SNAPSHOTS];
};

/*
 * Method, path and query, each with its length, so that no two requests look alike: as they are, which is what all of
 * DOTS need, or else their digest. The digest alone costs as much as the decryption of the request.
 */
void blockwise_key(uint8_t key[REQUEST_KEY_SIZE], uint8_t method, const struct dots_request *request)
{
    uint8_t text[1 + (DOTS_PATH_MAX + DOTS_QUERY_MAX) * 256 + 1];
    size_t length = 0;
    text[length++] = method;
    for (size_t i = 0; i < request->path_count + request->query_count; i++) {
        bool path = i < request->path_count;
        const struct dots_option *option = path ? &request->path[i] : &request->query[i - request->path_count];
        size_t taken = option->length < 255 ? option->length : 255;
        if (i == request->path_count)
            text[0] |= 0x80; /* queries follow */
        text[length++] = (uint8_t)taken;
        if (taken > 0)
            memcpy(text + length, option->at, taken);
        length += taken;
    }
    text[length++] = (uint8_t)request->path_count;
    memset(key, 0, REQUEST_KEY_SIZE);
    if (length < REQUEST_KEY_SIZE) {
        key[0] = (uint8_t)length; /* at least 2 */
        memcpy(key + 1, text, length);
    } else if (EVP_Digest(text, length, key + 1, NULL, EVP_sha256(), NULL) != 1) {
        memset(key, 0, REQUEST_KEY_SIZE);
    }
}

static struct blockwise *blocks_of(struct dots_session *session)
{
    if (session->blocks == NULL)
        session->blocks = calloc(1, sizeof *session->blocks);
    if (session->blocks != NULL)
        session_link(session, LIST_WATCHED);
    return session->blocks;
}

static void drop_upload(struct upload *upload)
{
    free(upload->bytes);
    memset(upload, 0, sizeof *upload);
}

static void drop_kept(struct kept *kept)
{
    free((void *)kept->snapshot.response.body);
    memset(kept, 0, sizeof *kept);
}

static struct upload *find_upload(struct blockwise *blocks, const uint8_t key[REQUEST_KEY_SIZE])
{
    for (size_t i = 0; i < UPLOADS; i++)
        if (blocks->uploads[i].used && memcmp(blocks->uploads[i].key, key, REQUEST_KEY_SIZE) == 0)
            return &blocks->uploads[i];
    return NULL;
}

/* A free place, or that of the transfer that stands still for longest. */
static struct upload *start_upload(struct blockwise *blocks, const uint8_t key[REQUEST_KEY_SIZE])
{
    struct upload *upload = find_upload(blocks, key);
    for (size_t i = 0; i < UPLOADS && (upload == NULL || upload->used); i++) {
        struct upload *other = &blocks->uploads[i];
        if (upload != NULL && memcmp(upload->key, key, REQUEST_KEY_SIZE) == 0)
            break;
        if (upload == NULL || !other->used || other->expires < upload->expires)
            upload = other;
    }
    drop_upload(upload);
    upload->used = true;
    memcpy(upload->key, key, REQUEST_KEY_SIZE);
    return upload;
}

static int append(struct upload *upload, const uint8_t *bytes, size_t length, size_t max)
{
    if (upload->length + length > upload->capacity) {
        size_t capacity =
            upload->capacity * 2 > upload->length + length ? upload->capacity * 2 : upload->length + length;
        if (capacity > max)
            capacity = max;
        uint8_t *larger = realloc(upload->bytes, capacity);
        if (larger == NULL)
            return -1;
        upload->bytes = larger;
        upload->capacity = capacity;
    }
    if (length > 0)
        memcpy(upload->bytes + upload->length, bytes, length);
    upload->length += length;
    return 0;
}

static bool fits_block(const struct dots_session *session, const struct dots_block *block, size_t length)
{
    size_t size = block->szx == SZX_BERT ? 1024 : (size_t)1 << (block->szx + 4);
    if (block->szx == SZX_BERT)
        return session->tcp && (!block->more || (length > 0 && length % size == 0));
    return block->more ? length == size : length <= size;
}

uint8_t blockwise_take(struct dots_session *session, struct dots_request *request, const struct dots_block *block1)
{
    uint64_t now = uv_now(session->endpoint->loop);
    size_t max = session->endpoint->body_max;
    uint8_t key[REQUEST_KEY_SIZE];
    if (!fits_block(session, block1, request->body_length))
        return DOTS_CODE(4, 0);
    struct blockwise *blocks = blocks_of(session);
    if (blocks == NULL)
        return DOTS_CODE(5, 3);
    blockwise_expire(session, now);
    blockwise_key(key, (uint8_t)request->method, request);
    uint64_t offset = (uint64_t)block1->number << (block1->szx == SZX_BERT ? 10 : block1->szx + 4);
    struct upload *upload = block1->number == 0 ? start_upload(blocks, key) : find_upload(blocks, key);
    if (upload == NULL || offset > upload->length)
        return DOTS_CODE(4, 8);
    if (offset + request->body_length > max) {
        drop_upload(upload);
        return DOTS_CODE(4, 13);
    }
    upload->length = (size_t)offset; /* a repeated block takes its place again */
    upload->expires = now + LIFETIME;
    if (append(upload, request->body, request->body_length, max) != 0) {
        drop_upload(upload);
        return DOTS_CODE(5, 3);
    }
    if (block1->more)
        return DOTS_CODE(2, 31);
    request->body = upload->bytes;
    request->body_length = upload->length;
    blocks->whole = upload;
    return 0;
}

void blockwise_taken(struct dots_session *session)
{
    struct blockwise *blocks = session->blocks;
    if (blocks == NULL || blocks->whole == NULL)
        return;
    drop_upload(blocks->whole);
    blocks->whole = NULL;
}

const struct snapshot *blockwise_keep(struct dots_session *session, const uint8_t key[REQUEST_KEY_SIZE],
                                      const struct dots_response *response)
{
    struct blockwise *blocks = blocks_of(session);
    uint8_t *body = malloc(response->body_length > 0 ? response->body_length : 1);
    if (blocks == NULL || body == NULL) {
        free(body);
        return NULL;
    }
    struct kept *place = &blocks->kept[0];
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        struct kept *other = &blocks->kept[i];
        if (other->used && memcmp(other->key, key, REQUEST_KEY_SIZE) == 0) {
            place = other;
            break;
        }
        if (place->used && (!other->used || other->snapshot.expires < place->snapshot.expires))
            place = other;
    }
    if (response->body_length > 0)
        memcpy(body, response->body, response->body_length);
    drop_kept(place);
    place->used = true;
    memcpy(place->key, key, REQUEST_KEY_SIZE);
    place->snapshot.response = *response;
    place->snapshot.response.body = body;
    place->snapshot.expires = uv_now(session->endpoint->loop) + LIFETIME;
    return &place->snapshot;
}

const struct snapshot *blockwise_find(struct dots_session *session, const uint8_t key[REQUEST_KEY_SIZE])
{
    struct blockwise *blocks = session->blocks;
    uint64_t now = uv_now(session->endpoint->loop);
    for (size_t i = 0; blocks != NULL && i < SNAPSHOTS; i++) {
        struct kept *kept = &blocks->kept[i];
        if (kept->used && now < kept->snapshot.expires && memcmp(kept->key, key, REQUEST_KEY_SIZE) == 0)
            return &kept->snapshot;
    }
    return NULL;
}

/* Frees what is too old, and all of it when nothing is left. */
void blockwise_expire(struct dots_session *session, uint64_t now)
{
    struct blockwise *blocks = session->blocks;
    bool left = false;
    for (size_t i = 0; blocks != NULL && i < UPLOADS; i++) {
        if (blocks->uploads[i].used && now >= blocks->uploads[i].expires && &blocks->uploads[i] != blocks->whole)
            drop_upload(&blocks->uploads[i]);
        left = left || blocks->uploads[i].used;
    }
    for (size_t i = 0; blocks != NULL && i < SNAPSHOTS; i++) {
        if (blocks->kept[i].used && now >= blocks->kept[i].snapshot.expires)
            drop_kept(&blocks->kept[i]);
        left = left || blocks->kept[i].used;
    }
    if (!left)
        session_unlink(session, LIST_WATCHED);
}

void blockwise_free(struct blockwise *blocks)
{
    if (blocks == NULL)
        return;
    for (size_t i = 0; i < UPLOADS; i++)
        drop_upload(&blocks->uploads[i]);
    for (size_t i = 0; i < SNAPSHOTS; i++)
        drop_kept(&blocks->kept[i]);
    free(blocks);
}
