/* endpoint: one libcoap context with its credentials, opened and closed; sessions started from it. */
#include "gateway/coap/private.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX 1000000
#define HANDSHAKES_MAX 1000
#define MESSAGE_SLACK 1024 /* for the options around a body */
#define IDLE_HANDSHAKE 30  /* s; sessions that are up are referenced, so only handshakes time out */
#define CSM_TIMEOUT 30     /* s */

static const uint8_t well_known_core[] = ".well-known/core";

static struct dots_endpoint *endpoint_new(uv_loop_t *loop, const struct dots_endpoint_settings *settings)
{
    struct dots_endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL)
        return NULL;
    endpoint->loop = loop;
    endpoint->handlers = settings->handlers;
    endpoint->arg = settings->arg;
    endpoint->psk_lookup = settings->psk_lookup;
    endpoint->body_max = settings->body_max;
    endpoint->sessions_max = settings->sessions_max > 0 ? settings->sessions_max : SESSIONS_MAX;
    endpoint->handshakes_max = settings->handshakes_max > 0 ? settings->handshakes_max : HANDSHAKES_MAX;
    endpoint->name = strdup(settings->name != NULL ? settings->name : "");
    bool limited = settings->handshakes_per_source > 0;
    if (limited)
        endpoint->sources = source_limit_new(settings->handshakes_per_source);
    if (endpoint->name == NULL || tls_tickets_make(&endpoint->tickets) != 0 || (limited && endpoint->sources == NULL)) {
        endpoint_free(endpoint);
        return NULL;
    }
    return endpoint;
}

/* Frees what is ours; libcoap's context and the handles are gone, or never were. */
void endpoint_free(struct dots_endpoint *endpoint)
{
    void (*on_closed)(void *) = endpoint->on_closed;
    void *arg = endpoint->on_closed_arg;
    if (endpoint->psk_key != NULL)
        OPENSSL_cleanse(endpoint->psk_key, endpoint->psk_key_length);
    free(endpoint->psk_key);
    free(endpoint->psk_identity);
    free(endpoint->name);
    tls_tickets_wipe(&endpoint->tickets);
    source_limit_free(endpoint->sources);
    gate_free(endpoint->gate);
    SSL_CTX_free(endpoint->shown);
    free(endpoint);
    if (on_closed != NULL)
        on_closed(arg);
}

static int add_handlers(coap_resource_t *resource)
{
    if (resource == NULL)
        return -1;
    for (int method = COAP_REQUEST_GET; method <= COAP_REQUEST_IPATCH; method++)
        coap_register_request_handler(resource, (coap_request_t)method, request_handle);
    return 0;
}

/* Every path and method comes to one handler; /.well-known/core needs a resource of its own, or libcoap answers. */
static int set_up_requests(struct dots_endpoint *endpoint)
{
    coap_str_const_t core = {sizeof well_known_core - 1, well_known_core};
    coap_resource_t *unknown = coap_resource_unknown_init(request_handle);
    coap_resource_t *known = coap_resource_init(&core, 0);
    if (add_handlers(unknown) != 0 || add_handlers(known) != 0)
        return -1;
    coap_add_resource(endpoint->context, unknown);
    coap_add_resource(endpoint->context, known);
    return 0;
}

static void set_up_context(struct dots_endpoint *endpoint)
{
    coap_context_t *context = endpoint->context;
    size_t message = endpoint->body_max + MESSAGE_SLACK;
    coap_set_app_data(context, endpoint);
    coap_context_set_max_handshake_sessions(context, endpoint->handshakes_max);
    coap_context_set_max_idle_sessions(context, 0);
    coap_context_set_session_timeout(context, IDLE_HANDSHAKE);
    coap_context_set_csm_timeout(context, CSM_TIMEOUT);
    coap_context_set_csm_max_message_size(context, message > UINT32_MAX ? UINT32_MAX : (uint32_t)message);
    coap_context_set_block_mode(context, 0);
    coap_register_event_handler(context, events_handle);
    coap_register_nack_handler(context, events_nack);
    coap_register_ping_handler(context, events_ping);
    coap_register_pong_handler(context, events_ping);
    coap_register_response_handler(context, send_on_response);
}

static struct dots_endpoint *open_with(uv_loop_t *loop, const struct dots_endpoint_settings *settings,
                                       const struct dots_material *material, char *error, size_t error_size)
{
    struct dots_endpoint *endpoint = endpoint_new(loop, settings);
    if (endpoint == NULL || material_psk(endpoint, material) != 0) {
        snprintf(error, error_size, "out of memory");
        if (endpoint != NULL)
            endpoint_free(endpoint);
        return NULL;
    }
    material_tickets(endpoint, material);
    if (tls_create(endpoint, error, error_size) != 0 ||
        tls_configure(endpoint, material, settings->client_only, error, error_size) != 0) {
        coap_free_context(endpoint->context);
        endpoint_free(endpoint);
        return NULL;
    }
    set_up_context(endpoint);
    if (set_up_requests(endpoint) != 0 || driver_open(endpoint) != 0) {
        snprintf(error, error_size, "out of memory or file descriptors");
        endpoint->closing = true;
        driver_close(endpoint);
        return NULL;
    }
    return endpoint;
}

struct dots_endpoint *dots_endpoint_open(uv_loop_t *loop, const struct dots_endpoint_settings *settings, char *error,
                                         size_t error_size)
{
    if (settings->material != NULL)
        return open_with(loop, settings, settings->material, error, error_size);
    struct dots_material *material = dots_material_load(&settings->credentials, error, error_size);
    struct dots_endpoint *endpoint = material != NULL ? open_with(loop, settings, material, error, error_size) : NULL;
    dots_material_free(material);
    return endpoint;
}

void dots_endpoint_set_limits(struct dots_endpoint *endpoint, size_t body_max, unsigned sessions_max,
                              unsigned handshakes_max, unsigned handshakes_per_source)
{
    struct source_limit *sources = handshakes_per_source > 0 ? source_limit_new(handshakes_per_source) : NULL;
    size_t message = body_max + MESSAGE_SLACK;
    endpoint->body_max = body_max;
    endpoint->sessions_max = sessions_max > 0 ? sessions_max : SESSIONS_MAX;
    endpoint->handshakes_max = handshakes_max > 0 ? handshakes_max : HANDSHAKES_MAX;
    if (sources != NULL || handshakes_per_source == 0) { /* else the old rate stays */
        source_limit_free(endpoint->sources);
        endpoint->sources = sources;
    }
    coap_context_set_max_handshake_sessions(endpoint->context, endpoint->handshakes_max);
    coap_context_set_csm_max_message_size(endpoint->context, message > UINT32_MAX ? UINT32_MAX : (uint32_t)message);
}

void dots_endpoint_close(struct dots_endpoint *endpoint, void (*on_closed)(void *arg), void *arg)
{
    if (endpoint->closing)
        return;
    endpoint->closing = true;
    endpoint->on_closed = on_closed;
    endpoint->on_closed_arg = arg;
    for (struct dots_session *session = endpoint->sessions; session != NULL; session = session->links[LIST_ALL].next)
        session_end(session, DOTS_DOWN_CLOSED, "closed by us");
    driver_wake(endpoint);
}

unsigned dots_endpoint_sessions(const struct dots_endpoint *endpoint)
{
    return endpoint->sessions_count;
}

/* DTLS sends its ClientHello inside this call already, so the handshake finds the session in `connecting`. */
static void start(struct dots_session *session, const struct dots_connect *connect)
{
    struct dots_endpoint *endpoint = session->endpoint;
    coap_address_t server;
    coap_address_init(&server);
    memcpy(&server.addr, connect->address, connect->address_length);
    server.size = connect->address_length;
    endpoint->connecting = session;
    const char *outer = hop_limit_enter(endpoint->name);
    coap_session_t *coap =
        coap_new_client_session(endpoint->context, NULL, &server, session->tcp ? COAP_PROTO_TLS : COAP_PROTO_DTLS);
    hop_limit_leave(outer);
    endpoint->connecting = NULL;
    if (coap == NULL) {
        session_end(session, DOTS_DOWN_REFUSED, "no way there, or out of file descriptors");
        return;
    }
    session->coap = coap;
    coap_session_set_app_data(coap, session);
    if (!session->tcp && coap_session_get_tls(coap, NULL) == NULL) /* 4.3.4 says nothing of it */
        session_end(session, DOTS_DOWN_HANDSHAKE, "the handshake cannot be started with these credentials");
    driver_refresh(endpoint);
}

struct dots_session *dots_connect(struct dots_endpoint *endpoint, const struct dots_connect *connect)
{
    coap_address_t server;
    if (endpoint->closing || connect->address_length > sizeof server.addr)
        return NULL;
    struct dots_session *session = session_new(endpoint, false, connect->transport == DOTS_TCP, connect->address);
    if (session == NULL)
        return NULL;
    session->user = connect->user;
    session->resumption = connect->resumption;
    if (connect->server_name != NULL)
        session->server_name = strdup(connect->server_name);
    dots_session_ref(session); /* the caller's */
    session_link(session, LIST_WATCHED);
    start(session, connect);
    return session;
}

/* Many at a time: a call of OpenSSL's generator costs 7,000 instructions, however little it is asked for. */
void dots_token_new(struct dots_token *token)
{
    static _Thread_local uint8_t random[32 * sizeof token->bytes];
    static _Thread_local size_t left;
    token->length = sizeof token->bytes;
    if (left == 0 && RAND_bytes(random, sizeof random) != 1) {
        coap_prng(token->bytes, sizeof token->bytes);
        return;
    }
    left = (left == 0 ? sizeof random : left) - sizeof token->bytes;
    memcpy(token->bytes, random + left, sizeof token->bytes);
    OPENSSL_cleanse(random + left, sizeof token->bytes);
}
