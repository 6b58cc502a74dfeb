/*
 * hop_limit: the gateway's name, not its address, in 5.08 payloads (RFC 8768 section 4).
 *
 * libcoap answers a request with Hop-Limit 1 before any handler sees it, and prepends to every 5.08
 * what coap_print_addr() says of the session's local address. That function is public and libcoap
 * calls it through its PLT (a JUMP_SLOT in 4.3.1 and 4.3.4), so a definition in the program comes
 * first in the symbol lookup: this one. It answers with the name where libcoap asks for an
 * identifier, which is told from its log lines by the size of the buffer, and with the address
 * elsewhere. 5.08 responses of our own are complete when libcoap gets them (hop_limit_own).
 */
#include "gateway/coap/private.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* coap_send_internal() passes INET6_ADDRSTRLEN + 8, log lines pass more than 70 bytes. */
#define IDENTIFIER_BUFFER (INET6_ADDRSTRLEN + 8)
/* An error response of libcoap's own has room for INET6_ADDRSTRLEN bytes: of these the payload
 * marker takes one and the Hop-Limit option, which libcoap adds, three. */
#define IDENTIFIER_MAX (INET6_ADDRSTRLEN - 4)

static _Thread_local const char *identifier;
static _Thread_local bool complete;

/* Around each call into libcoap; calls nest, as callbacks call back. */
const char *hop_limit_enter(const char *name)
{
    const char *outer = identifier;
    identifier = name;
    return outer;
}

void hop_limit_leave(const char *outer)
{
    identifier = outer;
}

/* The 5.08 that libcoap sends next has its payload already. */
void hop_limit_own(void)
{
    complete = true;
}

static size_t print_address(const coap_address_t *address, unsigned char *to, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    int length;
    if (address->addr.sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->addr.sin6.sin6_addr, text, sizeof text);
        length = snprintf((char *)to, size, "[%s]:%u", text, ntohs(address->addr.sin6.sin6_port));
    } else if (address->addr.sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->addr.sin.sin_addr, text, sizeof text);
        length = snprintf((char *)to, size, "%s:%u", text, ntohs(address->addr.sin.sin_port));
    } else {
        length = snprintf((char *)to, size, "(unknown address type)");
    }
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

/* Interposes libcoap's function of this name. libcoap cuts "[...]" down to what is inside. */
size_t coap_print_addr(const coap_address_t *address, unsigned char *buffer, size_t size)
{
    if (size == 0)
        return 0;
    if (size > IDENTIFIER_BUFFER || identifier == NULL)
        return print_address(address, buffer, size);
    if (complete) {
        complete = false;
        return 0; /* libcoap then leaves the payload alone */
    }
    int length = snprintf((char *)buffer, size, "[%.*s]", IDENTIFIER_MAX, identifier);
    return length < 0 || (size_t)length >= size ? 0 : (size_t)length;
}

/* True when the payload, a list of names separated by spaces, has this one. */
static bool contains(const uint8_t *names, size_t length, const char *name)
{
    size_t wanted = strlen(name);
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && names[i] != ' ')
            continue;
        if (i - start == wanted && memcmp(names + start, name, wanted) == 0)
            return true;
        start = i + 1;
    }
    return false;
}

/* Writes "name others" for a 5.08 response. -1 when it must not be sent: the name is there already, so the
 * response is in a loop (RFC 8768 section 4). Names that do not fit are left off at the end. */
int hop_limit_payload(const char *name, const struct dots_response *response, uint8_t *to, size_t size, size_t *length)
{
    if (contains(response->body, response->body_length, name))
        return -1;
    int own = snprintf((char *)to, size, "%s", name);
    *length = own < 0 ? 0 : (size_t)own < size ? (size_t)own : size - 1;
    size_t room = size - *length;
    if (response->body_length > 0 && response->body_length < room) {
        to[*length] = ' ';
        memcpy(to + *length + 1, response->body, response->body_length);
        *length += response->body_length + 1;
    }
    return 0;
}
