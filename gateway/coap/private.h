/*
 * private: what the files of the coap module share. Nobody else includes it.
 *
 * Words: a *turn* is one call of coap_io_do_epoll; what users are told is *settled* after it, so
 * that no callback runs while libcoap walks its own lists. *Due* sessions wait for that. *Watched*
 * sessions have deadlines and are visited each second. *Buffered* ones have used OpenSSL's record buffers.
 */
#pragma once

#include <coap3/coap.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <uv.h>

#include "gateway/coap/blockwise.h"
#include "gateway/coap/coap.h"
#include "gateway/tls/tickets.h"

#define COAP_LISTENERS_MAX 16
#define COAP_SHARES 16               /* sockets of one UDP listener: see listen.c */
#define COAP_HEADER_SIZE 4           /* RFC 7252 section 3 */
#define COAP_DATAGRAM_MAX 1472       /* what libcoap's receive buffer takes */
#define COAP_PATH_MTU 1280           /* RFC 9132 section 7.3 */
#define COAP_HANDSHAKE_TIMEOUT 32000 /* ms; as long as libcoap's DTLS server waits for the answer to one flight */
#define COAP_PSK_IDENTITY_MAX 256
#define COAP_COLLECTED_MAX (1U << 20) /* bytes of response bodies under way in one session */

struct source_limit;
struct tokens;
struct blockwise;
struct gate;
struct dots_material;

struct listener {
    coap_endpoint_t *sockets[COAP_SHARES];
    size_t count;
    bool datagrams;
};

struct dots_endpoint {
    uv_loop_t *loop;
    const struct dots_handlers *handlers;
    void *arg;
    coap_context_t *context;
    SSL_CTX *contexts[2]; /* of DTLS and TLS, made and owned by libcoap */
    SSL_CTX *shown;       /* holds the certificate that each handshake shows; NULL: that of its context */
    uint8_t material[32]; /* digest of the credentials in use */
    void (*libcoap_info)(const SSL *, int, int);
    uint8_t anchors[32]; /* digest of the trust anchors alone */
    struct tls_tickets tickets;
    char *name;
    const uint8_t *(*psk_lookup)(void *arg, const char *identity, size_t length, size_t *key_length);
    char *psk_identity; /* client's */
    uint8_t *psk_key;
    size_t psk_key_length;
    bool certificate;
    size_t body_max;
    unsigned sessions_max, handshakes_max;
    unsigned server_sessions, sessions_count, handshakes;
    struct source_limit *sources;
    struct gate *gate;

    uv_poll_t ready;
    uv_idle_t later;
    uv_timer_t tick, walk;
    unsigned handles;                                       /* of these, not closed yet */
    uint64_t walked;                                        /* uv_hrtime of the last walk */
    bool turning;                                           /* inside coap_io_do_epoll */
    bool stale;                                             /* libcoap's timers need a look: a walk is due */
    unsigned batch;                                         /* times that a ready UDP listener is read in one turn */
    const void *datagram[COAP_LISTENERS_MAX * COAP_SHARES]; /* libcoap's UDP listeners */
    size_t datagram_count;
    struct listener listening[COAP_LISTENERS_MAX]; /* all of them */
    size_t listeners;

    struct dots_session *sessions, *due, *watched, *buffered; /* heads of lists */
    unsigned buffered_count;
    struct handshake *underway;      /* of clients, the oldest first */
    struct dots_session *connecting; /* inside coap_new_client_session: it has no application data yet */
    struct dots_session *reading;    /* whose record is being read: see resets.c */

    bool closing;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

enum list { LIST_ALL, LIST_DUE, LIST_WATCHED, LIST_BUFFERED, LIST_COUNT };

struct links {
    struct dots_session *next, **back; /* back: NULL when in no list */
};

struct dots_session {
    struct dots_endpoint *endpoint; /* NULL once its end has been told */
    coap_session_t *coap;           /* referenced; NULL once left */
    unsigned references;
    bool server : 1, tcp : 1;
    bool up : 1;        /* libcoap says so */
    bool announced : 1; /* and the user was told */
    bool goodbye : 1;   /* close_notify received */
    bool ending : 1;    /* the end is known, and not told yet */
    uint8_t reason;     /* enum dots_down, while ending */
    char *why;          /* may be NULL */
    uint16_t message_max;
    struct links links[LIST_COUNT];
    uint64_t heard, started, sent; /* uv_now; sent: the last handshake message */
    uint64_t doubted;              /* uv_now when its peer seemed to begin anew; 0: no doubt */
    void *user;
    char *text;
    struct dots_identity *identity;
    struct dots_resumption *resumption; /* client */
    char *server_name;
    struct tokens *tokens; /* our requests that may still be answered */
    struct blockwise *blocks;
    struct dots_exchange *held;
    struct notified *notified; /* message ids of the last notifications */
    struct sockaddr_in6 peer;  /* or sockaddr_in */
};

/* One (D)TLS handshake, kept with its SSL; freed with it. */
struct handshake {
    struct handshake *next;           /* in the gate */
    struct handshake *newer, *before; /* among those under way */
    coap_session_t *coap;             /* server; as long as it is under way */
    uint64_t started;                 /* uv_now */
    struct dots_endpoint *endpoint;
    struct dots_session *session; /* client: from the start; server: once it is up */
    bool server, datagrams, done, counted;
    bool resumed, psk; /* psk: the callback gave a key just now */
    bool psk_unknown;  /* it had none for a name that was no ticket */
    char *psk_identity;
    uint8_t anchors[32], psk_proof[32]; /* server: what a ticket of it will stand on; psk_proof zero: no PSK */
    const char *doing, *cause;          /* static texts: what failed first */
    enum dots_handshake_failure failure;
    struct buf_mem_st *messages; /* OpenSSL's, DTLS: lives as long as the SSL */
    struct sockaddr_in6 peer;
};

/* endpoint.c */
void endpoint_free(struct dots_endpoint *endpoint);

/* driver.c */
void driver_keep_warning(char *text, size_t size);
void driver_watch(struct dots_endpoint *endpoint);
int driver_open(struct dots_endpoint *endpoint);
void driver_close(struct dots_endpoint *endpoint);
void driver_wake(struct dots_endpoint *endpoint);
void driver_refresh(struct dots_endpoint *endpoint); /* and let libcoap arm its timers */

/* interpose.c: the next definition of this name, or NULL; kept in *known. From any thread. */
void *interpose_next(const char *name, _Atomic(void *) *known);

/* walk.c */
void walk_enter(struct dots_endpoint *endpoint);
void walk_leave(void);
void walk_soon(struct dots_endpoint *endpoint);

/* buffers.c */
void buffers_begin(struct handshake *handshake);
void buffers_end(const struct handshake *handshake);
bool buffers_restore(const struct handshake *handshake, const void *datagram, size_t length);
void buffers_used(struct handshake *handshake);
void buffers_release(struct dots_endpoint *endpoint);

/* listen.c */
bool listen_is_datagram(const struct dots_endpoint *endpoint, const void *socket);

/* session.c */
struct dots_session *session_new(struct dots_endpoint *endpoint, bool server, bool tcp, const struct sockaddr *peer);
void session_link(struct dots_session *session, enum list list);
void session_unlink(struct dots_session *session, enum list list);
void session_adopt(struct dots_session *session, coap_session_t *coap);
void session_end(struct dots_session *session, enum dots_down reason, const char *why);
void session_announce(struct dots_session *session);
void session_settle(struct dots_endpoint *endpoint);
bool session_heard(struct dots_session *session);
bool session_alive(const struct dots_session *session); /* up, and nothing known against it */
void session_copy_peer(struct sockaddr_in6 *to, const struct sockaddr *from);

/* events.c */
int events_handle(coap_session_t *coap, coap_event_t event);
void events_nack(coap_session_t *coap, const coap_pdu_t *sent, coap_nack_reason_t reason, coap_mid_t mid);
void events_missed(coap_session_t *coap);
void events_dismiss(coap_session_t *coap, const char *why);
void events_ping(coap_session_t *coap, const coap_pdu_t *received, coap_mid_t mid);

/* tls.c, handshake.c, psk.c, tickets.c, resumption.c, identity.c */
int tls_create(struct dots_endpoint *endpoint, char *error, size_t error_size);
int tls_configure(struct dots_endpoint *endpoint, const struct dots_material *material, bool client_only, char *error,
                  size_t error_size);
void tls_show(SSL *ssl, const struct dots_endpoint *endpoint); /* the certificate of now; before it is chosen */
struct dots_endpoint *tls_endpoint(const SSL *ssl);
void tls_client(SSL *ssl, struct dots_session *session);
int handshake_register(void);
struct handshake *handshake_of(const SSL *ssl);
void handshake_info(const SSL *ssl, int where, int result);
int handshake_hello(SSL *ssl, int *alert, void *arg);
void handshake_why(const struct handshake *handshake, char *text, size_t size);
void handshake_expire(struct dots_endpoint *endpoint, uint64_t now);
unsigned psk_for_client(SSL *ssl, const char *identity, unsigned char *key, unsigned size);
unsigned psk_for_server(SSL *ssl, const char *hint, char *identity, unsigned identity_size, unsigned char *key,
                        unsigned size);
void tickets_renew(struct dots_endpoint *endpoint, const struct tls_tickets *given); /* count 0: none are given */
int tickets_psk_proof(const char *identity, const uint8_t *key, size_t key_length, uint8_t proof[32]);
int tickets_install(SSL_CTX *context);

/* material.c */
int material_apply(SSL_CTX *context, const struct dots_material *material);
int material_psk(struct dots_endpoint *endpoint, const struct dots_material *material); /* copies it */
void material_tickets(struct dots_endpoint *endpoint, const struct dots_material *material);
void resumption_use(struct dots_resumption *resumption, bool tcp, SSL *ssl);
int resumption_keep(SSL *ssl, SSL_SESSION *session);
struct dots_identity *identity_new(SSL *ssl, const struct handshake *handshake);
void identity_free(struct dots_identity *identity);

/* source_limit.c */
struct source_limit *source_limit_new(unsigned per_second);
void source_limit_free(struct source_limit *limit);
bool source_limit_allows(struct source_limit *limit, const struct sockaddr *source, uint64_t now);

/* cookie.c, gate.c */
#define COOKIE_SIZE 16
#define COOKIE_REQUEST_SIZE (28 + COOKIE_SIZE)
struct cookie_secrets {
    uint8_t current[32], previous[32];
    uint64_t made; /* uv_now */
    bool known;
};
enum hello {
    HELLO_NONE,     /* something else */
    HELLO_UNPROVEN, /* a ClientHello without a cookie of ours for this peer */
    HELLO_PROVEN,
};
enum hello cookie_judge(struct cookie_secrets *secrets, const struct sockaddr_in6 *peer, const uint8_t *datagram,
                        size_t size, uint64_t now);
size_t cookie_request(const struct cookie_secrets *secrets, const struct sockaddr_in6 *peer, const uint8_t *hello,
                      uint8_t request[COOKIE_REQUEST_SIZE]);
struct gate *gate_new(SSL_CTX *dtls);
void gate_free(struct gate *gate);
void gate_know(struct handshake *handshake);
void gate_forget(const struct handshake *handshake);
void gate_enter(struct dots_endpoint *endpoint);
void gate_leave(void);

/* hop_limit.c */
const char *hop_limit_enter(const char *name);
void hop_limit_leave(const char *outer);
void hop_limit_own(void);
int hop_limit_payload(const char *name, const struct dots_response *response, uint8_t *to, size_t size, size_t *length);

/* options.c */
int option_add(coap_pdu_t *pdu, uint16_t number, uint64_t value);
int option_add_block(coap_pdu_t *pdu, uint16_t number, const struct dots_block *block);
int options_read_request(const coap_pdu_t *pdu, struct dots_request *request, struct dots_block *block1);
void options_read_response(const coap_pdu_t *pdu, struct dots_response *response, struct dots_block *block2);
int options_write_request(coap_pdu_t *pdu, const struct dots_request *request);
int options_write_response(coap_pdu_t *pdu, const struct dots_response *response, const struct dots_block *block2,
                           const struct dots_block *block1, uint32_t size1);

/* request.c */
void request_handle(coap_resource_t *resource, coap_session_t *coap, const coap_pdu_t *pdu, const coap_string_t *query,
                    coap_pdu_t *response);

/* reply.c */
struct dots_exchange {
    struct dots_session *session;       /* referenced while held */
    struct dots_exchange *next, **back; /* the session's held ones */
    coap_pdu_t *pdu;                    /* libcoap's response, inside the callback only */
    const struct dots_request *request; /* inside the callback only */
    uint64_t number;                    /* in the log */
    bool gone;                          /* answered, held or dropped */
    bool confirmable;
    uint8_t method;
    uint16_t mid;
    struct dots_token token;
    struct dots_block block2;      /* as asked for */
    struct dots_block block1;      /* of the last piece, to be echoed */
    uint8_t key[REQUEST_KEY_SIZE]; /* once held */
};

/* What a response goes out with, besides itself. */
struct reply_frame {
    const struct dots_block *block2, *block1; /* asked for; to be echoed. Either may be NULL */
    const uint8_t *key;                       /* under which its blocks are kept */
    uint32_t size1;                           /* with 4.13; 0: none */
};
int reply_fill(struct dots_session *session, coap_pdu_t *pdu, const struct dots_response *response,
               const struct reply_frame *frame);
int reply_with_snapshot(struct dots_exchange *exchange, const struct dots_response *whole);
bool exchange_is_held(const struct dots_session *session, const struct dots_exchange *exchange);
void exchange_forget_held(struct dots_session *session); /* the session is gone; the holders free theirs */

/* send.c */
coap_response_t send_on_response(coap_session_t *coap, const coap_pdu_t *sent, const coap_pdu_t *received,
                                 coap_mid_t mid);
coap_pdu_t *send_new_pdu(struct dots_session *session, bool confirmable, uint8_t code, const struct dots_token *token);
int send_pdu(struct dots_session *session, coap_pdu_t *pdu);

/* anew.c */
void anew_datagram(struct dots_session *session, const void *datagram, size_t length); /* as it came */
void anew_ask(struct dots_session *session, uint64_t now);                             /* each second */

/* resets.c */
void resets_remember(struct dots_session *session, uint16_t mid, const struct dots_token *token);
void resets_received(struct dots_session *session, uint16_t mid);
void resets_reading(struct dots_endpoint *endpoint);
void resets_log(const char *message);
