/* options: CoAP options of libcoap's PDUs to and from our structs (RFC 7252 section 5.10). */
#include "gateway/coap/private.h"

#include <string.h>

/* Written as numbers: libcoap 4.3.1 does not name all of them. */
enum {
    OPTION_IF_MATCH = 1,
    OPTION_URI_HOST = 3,
    OPTION_ETAG = 4,
    OPTION_OBSERVE = 6,
    OPTION_URI_PORT = 7,
    OPTION_URI_PATH = 11,
    OPTION_CONTENT_FORMAT = 12,
    OPTION_MAX_AGE = 14,
    OPTION_URI_QUERY = 15,
    OPTION_HOP_LIMIT = 16,
    OPTION_ACCEPT = 17,
    OPTION_BLOCK2 = 23,
    OPTION_BLOCK1 = 27,
    OPTION_SIZE1 = 60,
};

#define CODE_BAD_REQUEST DOTS_CODE(4, 0)
#define CODE_BAD_OPTION DOTS_CODE(4, 2)

/* At most eight bytes; more than that is a number too large for any option here. */
static uint64_t read_uint(const coap_opt_t *option)
{
    const uint8_t *bytes = coap_opt_value(option);
    size_t length = coap_opt_length(option);
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++)
        value = value > UINT64_MAX >> 8 ? UINT64_MAX : value << 8 | bytes[i];
    return value;
}

static int32_t read_int32(const coap_opt_t *option)
{
    uint64_t value = read_uint(option);
    return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

/* RFC 7959 section 2.2; size exponent 7 is only for TCP (RFC 8323 section 6). */
static int read_block(const coap_opt_t *option, struct dots_block *block)
{
    if (coap_opt_length(option) > 3)
        return -1;
    uint64_t value = read_uint(option);
    block->present = true;
    block->number = (uint32_t)(value >> 4);
    block->more = (value & 8) != 0;
    block->szx = value & 7;
    return 0;
}

static struct dots_option read_bytes(const coap_opt_t *option)
{
    return (struct dots_option){(const char *)coap_opt_value(option), coap_opt_length(option)};
}

static void read_etag(const coap_opt_t *option, struct dots_etag *etag)
{
    if (etag->length == 0 && coap_opt_length(option) >= 1 && coap_opt_length(option) <= sizeof etag->bytes) {
        etag->length = (uint8_t)coap_opt_length(option);
        memcpy(etag->bytes, coap_opt_value(option), etag->length);
    }
}

static int append(struct dots_option *list, size_t *count, size_t max, const coap_opt_t *option)
{
    if (*count == max || coap_opt_length(option) > 255)
        return CODE_BAD_REQUEST;
    list[(*count)++] = read_bytes(option);
    return 0;
}

static int read_request_option(uint16_t number, const coap_opt_t *option, struct dots_request *request,
                               struct dots_block *block1)
{
    switch (number) {
    case OPTION_IF_MATCH:
        request->if_match = true;
        request->if_match_empty = coap_opt_length(option) == 0;
        if (!request->if_match_empty)
            read_etag(option, &request->etag);
        return 0;
    case OPTION_ETAG:
        read_etag(option, &request->etag);
        return 0;
    case OPTION_OBSERVE:
        request->observe = read_int32(option);
        return 0;
    case OPTION_URI_PATH:
        return append(request->path, &request->path_count, DOTS_PATH_MAX, option);
    case OPTION_URI_QUERY:
        return append(request->query, &request->query_count, DOTS_QUERY_MAX, option);
    case OPTION_CONTENT_FORMAT:
        request->content_format = read_int32(option);
        return 0;
    case OPTION_ACCEPT:
        request->accept = read_int32(option);
        return 0;
    case OPTION_HOP_LIMIT: /* the first counts, as it is the one that libcoap decrements: RFC 7252 section 5.4.5 */
        if (request->hop_limit < 0)
            request->hop_limit = read_int32(option);
        return 0;
    case OPTION_BLOCK2:
        return read_block(option, &request->block2) == 0 ? 0 : CODE_BAD_OPTION;
    case OPTION_BLOCK1:
        return read_block(option, block1) == 0 ? 0 : CODE_BAD_OPTION;
    case OPTION_URI_HOST: /* one host is served, under whatever name it was asked for */
    case OPTION_URI_PORT:
        return 0;
    default: /* odd numbers are critical (RFC 7252 section 5.4.1) */
        return number & 1 ? CODE_BAD_OPTION : 0;
    }
}

/* 0, or the code of the error response. Borrows from the PDU. */
int options_read_request(const coap_pdu_t *pdu, struct dots_request *request, struct dots_block *block1)
{
    coap_opt_iterator_t iterator;
    coap_opt_t *option;
    request->observe = request->content_format = request->accept = request->hop_limit = -1;
    coap_option_iterator_init(pdu, &iterator, COAP_OPT_ALL);
    while ((option = coap_option_next(&iterator)) != NULL) {
        int code = read_request_option(iterator.number, option, request, block1);
        if (code != 0)
            return code;
    }
    return 0;
}

void options_read_response(const coap_pdu_t *pdu, struct dots_response *response, struct dots_block *block2)
{
    coap_opt_iterator_t iterator;
    coap_opt_t *option;
    response->content_format = response->observe = -1;
    response->max_age = DOTS_NO_MAX_AGE;
    coap_option_iterator_init(pdu, &iterator, COAP_OPT_ALL);
    while ((option = coap_option_next(&iterator)) != NULL) {
        switch (iterator.number) {
        case OPTION_ETAG:
            read_etag(option, &response->etag);
            break;
        case OPTION_OBSERVE:
            response->observe = (int32_t)(read_uint(option) & 0xffffff);
            break;
        case OPTION_CONTENT_FORMAT:
            response->content_format = read_int32(option);
            break;
        case OPTION_MAX_AGE: {
            uint64_t seconds = read_uint(option);
            response->max_age = seconds > UINT32_MAX ? UINT32_MAX : (int64_t)seconds;
            break;
        }
        case OPTION_BLOCK2:
            read_block(option, block2);
            break;
        default:
            break;
        }
    }
}

int option_add(coap_pdu_t *pdu, uint16_t number, uint64_t value)
{
    uint8_t bytes[8];
    size_t length = 0;
    for (int shift = 56; shift >= 0; shift -= 8)
        if (length > 0 || (value >> shift & 0xff) != 0)
            bytes[length++] = (uint8_t)(value >> shift);
    return coap_add_option(pdu, number, length, bytes) != 0 ? 0 : -1;
}

int option_add_block(coap_pdu_t *pdu, uint16_t number, const struct dots_block *block)
{
    return option_add(pdu, number, (uint64_t)block->number << 4 | (uint64_t)(block->more ? 8 : 0) | block->szx);
}

static int add_list(coap_pdu_t *pdu, uint16_t number, const struct dots_option *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (coap_add_option(pdu, number, list[i].length, (const uint8_t *)list[i].at) == 0)
            return -1;
    return 0;
}

/* In ascending order, as the PDU is built front to back. */
int options_write_request(coap_pdu_t *pdu, const struct dots_request *request)
{
    bool etag = request->etag.length > 0;
    if (request->if_match && coap_add_option(pdu, OPTION_IF_MATCH, request->if_match_empty ? 0 : request->etag.length,
                                             request->etag.bytes) == 0)
        return -1;
    if (etag && !request->if_match && coap_add_option(pdu, OPTION_ETAG, request->etag.length, request->etag.bytes) == 0)
        return -1;
    if (request->observe >= 0 && option_add(pdu, OPTION_OBSERVE, (uint64_t)request->observe) != 0)
        return -1;
    if (add_list(pdu, OPTION_URI_PATH, request->path, request->path_count) != 0)
        return -1;
    if (request->content_format >= 0 && option_add(pdu, OPTION_CONTENT_FORMAT, (uint64_t)request->content_format) != 0)
        return -1;
    if (add_list(pdu, OPTION_URI_QUERY, request->query, request->query_count) != 0)
        return -1;
    if (request->hop_limit >= 0 && option_add(pdu, OPTION_HOP_LIMIT, (uint64_t)request->hop_limit) != 0)
        return -1;
    if (request->accept >= 0 && option_add(pdu, OPTION_ACCEPT, (uint64_t)request->accept) != 0)
        return -1;
    if (request->block2.present && option_add_block(pdu, OPTION_BLOCK2, &request->block2) != 0)
        return -1;
    return 0;
}

int options_write_response(coap_pdu_t *pdu, const struct dots_response *response, const struct dots_block *block2,
                           const struct dots_block *block1, uint32_t size1)
{
    if (response->etag.length > 0 &&
        coap_add_option(pdu, OPTION_ETAG, response->etag.length, response->etag.bytes) == 0)
        return -1;
    if (response->observe >= 0 && option_add(pdu, OPTION_OBSERVE, (uint64_t)response->observe) != 0)
        return -1;
    if (response->content_format >= 0 &&
        option_add(pdu, OPTION_CONTENT_FORMAT, (uint64_t)response->content_format) != 0)
        return -1;
    if (response->max_age >= 0 && option_add(pdu, OPTION_MAX_AGE, (uint64_t)response->max_age) != 0)
        return -1;
    if (block2 != NULL && block2->present && option_add_block(pdu, OPTION_BLOCK2, block2) != 0)
        return -1;
    if (block1 != NULL && block1->present && option_add_block(pdu, OPTION_BLOCK1, block1) != 0)
        return -1;
    if (size1 > 0 && option_add(pdu, OPTION_SIZE1, size1) != 0)
        return -1;
    return 0;
}
