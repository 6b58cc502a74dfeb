/*
 * reply: responses as RFC 9132 section 3 wants them: 2.xx with a body of application/dots+cbor or
 * none, 4.xx and 5.xx with a diagnostic payload unless the RFC names a body.
 */

#include <stdlib.h>
#include <string.h>

#include "southbound/signal/signal.h"

#define BODY_FIRST 8192u
#define BODY_MAX (4u << 20)

static struct dots_response response_of(uint8_t code, int64_t max_age)
{
    return (struct dots_response){.code = code, .content_format = -1, .max_age = max_age, .observe = -1};
}

int south_reply_text(struct dots_exchange *exchange, uint8_t code, int64_t max_age, const char *text)
{
    struct dots_response response = response_of(code, max_age);

    response.body = (const uint8_t *)text;
    response.body_length = strlen(text);
    return south_answer(exchange, &response);
}

int south_reply_empty(struct dots_exchange *exchange, uint8_t code)
{
    struct dots_response response = response_of(code, DOTS_NO_MAX_AGE);

    return south_answer(exchange, &response);
}

const uint8_t *south_encode(struct southbound *southbound, const struct wire_message *message, size_t *length)
{
    for (;;) {
        size_t size = southbound->body_size ? southbound->body_size * 2 : BODY_FIRST;
        uint8_t *body;

        *length = southbound->body ? wire_encode_cbor(message, southbound->body, southbound->body_size) : 0;
        if (*length)
            return southbound->body;
        if (size > BODY_MAX)
            return NULL;
        body = realloc(southbound->body, size);
        if (!body)
            return NULL;
        southbound->body = body;
        southbound->body_size = size;
    }
}

int south_reply_message(struct southbound *southbound, struct dots_exchange *exchange, uint8_t code, int64_t max_age,
                        int32_t observe, const struct wire_message *message)
{
    struct dots_response response = response_of(code, max_age);

    response.body = south_encode(southbound, message, &response.body_length);
    if (!response.body)
        return south_reply_text(exchange, DOTS_CODE(5, 0), DOTS_NO_MAX_AGE,
                                "the response is larger than this server sends; ask for one mid at a time");
    response.content_format = DOTS_CONTENT_FORMAT;
    response.observe = observe;
    return south_answer(exchange, &response);
}

int south_reply_answer(struct southbound *southbound, struct dots_exchange *exchange, const struct relay_answer *answer)
{
    uint8_t code = DOTS_CODE(answer->code / 100, answer->code % 100);

    if (answer->body)
        return south_reply_message(southbound, exchange, code, answer->max_age, -1, answer->body);
    if (answer->diagnostic)
        return south_reply_text(exchange, code, answer->max_age, answer->diagnostic);
    if (answer->code >= 400)
        return south_reply_text(exchange, code, answer->max_age, "the request could not be served");
    return south_reply_empty(exchange, code);
}
