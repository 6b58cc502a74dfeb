/*
 * coap: libcoap on libuv, sessions over UDP/DTLS and TCP/TLS, for both sides of the gateway.
 *
 * Words: an *endpoint* is one libcoap context on the loop, with its credentials; it *listens*
 * (south) or *connects* (north), or both; a *session* is one (D)TLS association with a peer; its
 * *identity* is what the peer proved in the handshake; *resumption* is a ticket kept for the next
 * handshake. Requests go both ways over one session (RFC 9132 section 4.7).
 * Called by southbound, northbound and dots-client on the loop thread. It must not know what a
 * mitigation is, nor who is allowed what. Only libcoap's public API is used.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include "gateway/coap/message.h"

struct dots_endpoint;
struct dots_session; /* counted: valid in callbacks; keep one with dots_session_ref */

enum dots_transport { DOTS_UDP = 1, DOTS_TCP = 2 };

enum dots_down {
    DOTS_DOWN_CLOSED,    /* orderly: close_notify or our own dots_session_close */
    DOTS_DOWN_LOST,      /* TCP reset or end without close_notify, send error */
    DOTS_DOWN_HANDSHAKE, /* the handshake failed or timed out; reason in text */
    DOTS_DOWN_REFUSED,   /* nobody there: ICMP unreachable, TCP refused */
};

/* Why a peer did not get through the handshake with us as server. */
enum dots_handshake_failure {
    DOTS_HANDSHAKE_TIMEOUT,      /* it went silent or away; so does one with a wrong PSK over DTLS, which drops what it
                                    cannot      decrypt */
    DOTS_HANDSHAKE_PSK_IDENTITY, /* nobody has this PSK identity */
    DOTS_HANDSHAKE_PSK_KEY,      /* its key is another one */
    DOTS_HANDSHAKE_NO_CERTIFICATE,      /* it sent none */
    DOTS_HANDSHAKE_CERTIFICATE,         /* it does not verify */
    DOTS_HANDSHAKE_CERTIFICATE_EXPIRED, /* or is not valid yet */
    DOTS_HANDSHAKE_PARAMETERS,          /* no version, cipher or group in common */
    DOTS_HANDSHAKE_REFUSED,             /* it refused us: an alert */
    DOTS_HANDSHAKE_LIMIT,               /* of sessions, of handshakes, or of its address */
    DOTS_HANDSHAKE_OTHER,
    DOTS_HANDSHAKE_FAILURES,
};
/* "timeout", "psk-identity", ...: for metrics. */
const char *dots_handshake_failure_name(enum dots_handshake_failure failure);

enum dots_nack { DOTS_NACK_TIMEOUT, DOTS_NACK_RESET, DOTS_NACK_NOT_DELIVERABLE };

struct dots_handlers {
    /* Handshake complete, peer authenticated (certificate chain or PSK). */
    void (*up)(void *arg, struct dots_session *session);
    /* Comes exactly once for every session that was up, and for every dots_connect that failed;
     * not from inside dots_connect or dots_session_close. text: why, for the log. */
    void (*down)(void *arg, struct dots_session *session, enum dots_down reason, const char *text);
    /* Answer with dots_reply now, or dots_hold the exchange and answer later, or dots_drop it. */
    void (*request)(void *arg, struct dots_session *session, const struct dots_request *request);
    /* A response or notification. Returning false sends a Reset (a notification nobody wants). */
    bool (*response)(void *arg, struct dots_session *session, const struct dots_token *token,
                     const struct dots_response *response);
    /* A confirmable request failed, or our notification was answered with a Reset (token of it). */
    void (*nack)(void *arg, struct dots_session *session, const struct dots_token *token, enum dots_nack reason);
    /* A peer did not get through the handshake with us as server (for counting, logging). */
    void (*handshake_failed)(void *arg, const struct sockaddr *peer, enum dots_handshake_failure failure,
                             const char *text);
};

/* PEM files, read once in dots_endpoint_open; or PSK (client side). NULL where not used. */
struct dots_credentials {
    const char *certificate, *private_key, *trust_anchors;
    const char *psk_identity;
    const uint8_t *psk_key;
    size_t psk_key_length;
    /* Server side: keys of tickets that are shared with others (gateway/tls/tickets.h); length 0: made here. */
    const uint8_t *ticket_keys;
    size_t ticket_keys_length;
};

/* Credentials, read and checked: what a running endpoint takes over without touching a file. */
struct dots_material;
/* From any thread; blocks on files. NULL with a sentence in error (file, what is wrong with it). */
struct dots_material *dots_material_load(const struct dots_credentials *credentials, char *error, size_t error_size);
void dots_material_free(struct dots_material *material);

struct dots_endpoint_settings {
    const struct dots_handlers *handlers;
    void *arg;
    const char *name; /* identifier in 5.08 payloads (RFC 8768 section 4) */
    struct dots_credentials credentials;
    struct dots_material *material; /* instead of credentials, which are not looked at then; borrowed */
    /* Server side: key for a PSK identity, NULL when unknown; borrowed until the next call. */
    const uint8_t *(*psk_lookup)(void *arg, const char *identity, size_t length, size_t *key_length);
    size_t body_max;                /* larger request bodies: 4.13 */
    unsigned sessions_max;          /* hard bound of server sessions; 0: 1000000 */
    unsigned handshakes_max;        /* under way at once; 0: 1000 */
    unsigned handshakes_per_source; /* per second and address (/64 for IPv6); 0: unbounded */
    bool client_only;               /* no server credentials are set up */
};

/* Returns NULL with a sentence in error (file, what is wrong with it). Blocks on files. */
struct dots_endpoint *dots_endpoint_open(uv_loop_t *loop, const struct dots_endpoint_settings *settings, char *error,
                                         size_t error_size);

/* address: numeric; "::" takes IPv4 too. Port 0 picks one. Returns the port, or -1 with error. */
int dots_endpoint_listen(struct dots_endpoint *endpoint, const char *address, uint16_t port,
                         enum dots_transport transport, char *error, size_t error_size);

/* Takes the newest listener back, in the same turn of the loop as its dots_endpoint_listen. */
void dots_endpoint_listen_undo(struct dots_endpoint *endpoint);

/* Handshakes from now on use these; sessions that are up go on. Tickets that were given out are good no more when
 * anything but ticket keys has changed: true. With shared ticket keys those are good no more whose PSK has another
 * key, or whose certificate was verified by other trust anchors. material is only borrowed. */
bool dots_endpoint_renew(struct dots_endpoint *endpoint, const struct dots_material *material);
/* Tickets that were given out as a server are good no more: the next handshake of each client is a full one. Nothing
 * happens with shared ticket keys: what a ticket was given for is compared when it comes back. */
void dots_endpoint_forget_tickets(struct dots_endpoint *endpoint);
/* As in the settings, for what comes from now on. */
void dots_endpoint_set_limits(struct dots_endpoint *endpoint, size_t body_max, unsigned sessions_max,
                              unsigned handshakes_max, unsigned handshakes_per_source);

/* Closes every session in order, then the sockets; on_closed when the loop has let go. */
void dots_endpoint_close(struct dots_endpoint *endpoint, void (*on_closed)(void *arg), void *arg);

unsigned dots_endpoint_sessions(const struct dots_endpoint *endpoint);

/* A ticket of an earlier handshake with one server; kept by the caller over sessions. */
struct dots_resumption;
struct dots_resumption *dots_resumption_new(void);
void dots_resumption_free(struct dots_resumption *resumption);

struct dots_connect {
    const struct sockaddr *address; /* with port */
    socklen_t address_length;
    enum dots_transport transport;
    const char *server_name;            /* SNI and DNS-ID (RFC 6125); required with certificates */
    struct dots_resumption *resumption; /* used and refreshed; NULL: none; outlives the session */
    void *user;
};

/* Starts a session with the endpoint's credentials; up or down follows. The returned session is the
 * caller's reference. NULL: could not even start (out of memory or descriptors). */
struct dots_session *dots_connect(struct dots_endpoint *endpoint, const struct dots_connect *connect);

/* Releases of the last reference free it; a session that is not closed stays alive without any. */
struct dots_session *dots_session_ref(struct dots_session *session);
void dots_session_unref(struct dots_session *session);
/* Sends close_notify and forgets the peer; down follows on a later turn of the loop. */
void dots_session_close(struct dots_session *session);

void dots_session_set_user(struct dots_session *session, void *user);
void *dots_session_user(const struct dots_session *session);

struct dots_identity {
    bool psk;
    const char *psk_identity; /* NULL with a certificate */
    uint8_t spki_sha256[32];  /* certificate only */
    const char *const *sans;  /* DNS, IP and URI names as text */
    size_t san_count;
    char hash[23]; /* RFC 9132 section 4.4.1.1: first 16 bytes of SHA-256 of SPKI or PSK
                      identity, base64url: the cuid a client derives, and the cdid */
    bool resumed;
};
/* What the peer proved; valid as long as the session. NULL before it is up. */
const struct dots_identity *dots_session_identity(struct dots_session *session);

/* Of a certificate that was verified elsewhere (the data channel); NULL: out of memory. struct x509_st is X509. */
struct x509_st;
struct dots_identity *dots_identity_of_certificate(struct x509_st *certificate);
void dots_identity_free(struct dots_identity *identity); /* NULL is fine */

/* The hash above for our own credentials: the gateway's cuid. */
int dots_credentials_hash(const struct dots_credentials *credentials, char hash[23]);

enum dots_transport dots_session_transport(const struct dots_session *session);
bool dots_session_is_server(const struct dots_session *session); /* the peer connected to us */
bool dots_session_is_up(const struct dots_session *session);
const struct sockaddr *dots_session_peer(const struct dots_session *session);
/* "203.0.113.7:40112/udp": for logs. Valid as long as the session. */
const char *dots_session_text(const struct dots_session *session);
/* Loop time (uv_now) when the peer was last heard: any authenticated message. */
uint64_t dots_session_heard(const struct dots_session *session);
/* Largest CoAP message for one datagram at a path MTU (default 1280): RFC 9132 section 7.3. */
void dots_session_set_mtu(struct dots_session *session, unsigned mtu);
size_t dots_session_message_max(const struct dots_session *session);

/* Message transmission parameters, RFC 7252 section 4.8; hundredths; byte/s. UDP only. */
struct dots_transmission {
    uint32_t ack_timeout, ack_random_factor, max_retransmit, probing_rate;
};
void dots_session_set_transmission(struct dots_session *session, const struct dots_transmission *transmission);

/* A fresh random token (8 bytes). */
void dots_token_new(struct dots_token *token);

/* Sends a request with this token; responses come to handlers->response. A non-confirmable request
 * is sent once: repeating it (same token) is the caller's. 0; -1 session gone; -2 does not fit a
 * datagram (UDP). Response bodies in blocks are fetched and arrive whole. */
int dots_send(struct dots_session *session, const struct dots_token *token, const struct dots_request *request);

/* Forgets a token: later responses to it get a Reset. */
void dots_forget(struct dots_session *session, const struct dots_token *token);

/* Answers, at once (piggybacked on the ACK of a confirmable request) or after dots_hold (separate).
 * The exchange is gone after it. Error codes get no content format unless given. Bodies larger
 * than the message go out by Block2 with an ETag made by the endpoint; the rest is kept for the
 * client to fetch for 60 s at most (bounded per session). */
int dots_reply(struct dots_exchange *exchange, const struct dots_response *response);
/* Inside the request callback only; what it returns is what is answered later. NULL: out of memory, or already
 * answered. A retransmission of a held request is acknowledged by the endpoint and not told. */
struct dots_exchange *dots_hold(struct dots_exchange *exchange);
void dots_drop(struct dots_exchange *exchange); /* no answer (RFC 9132 section 4.4.3: silently ignored) */
const struct dots_token *dots_exchange_token(const struct dots_exchange *exchange);
struct dots_session *dots_exchange_session(const struct dots_exchange *exchange);
enum dots_method dots_exchange_method(const struct dots_exchange *exchange); /* of the request */
uint64_t dots_exchange_number(const struct dots_exchange *exchange); /* of the request, for its lines in the log */

/* A notification (RFC 7641), always non-confirmable (RFC 9132 section 4.4.2.1). path and query are
 * those of the observed request, for the blocks that follow the first. response->observe is set by
 * the caller. 0, or -1 when the session is gone. */
int dots_notify(struct dots_session *session, const struct dots_token *token, const struct dots_request *observed,
                const struct dots_response *response);

/* What the libcoap that is linked can do. */
struct dots_features {
    const char *library; /* "libcoap 4.3.1" */
    bool sees_reset;     /* a Reset of a notification reaches us (RFC 7641 section 3.6): from 4.3.1 on */
    bool q_block;        /* RFC 9177 */
};
void dots_features(struct dots_features *features);
