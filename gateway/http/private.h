/*
 * private: what the files of the http module share. Nobody else includes it but its tests.
 *
 * Words: a *visit* is one bounded piece of work for one connection; connections with work are *ready*. A *piece* is how
 * much a visit reads, decrypts, makes or writes at most. A connection is *doomed* when the next visit closes it. The
 * *head* of a request is its request line and header fields. An exchange is *told* once handlers->request knows it,
 * *ended* once its owner has let go, *detached* once its connection has.
 */
#pragma once

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include "gateway/http/buffer.h"
#include "gateway/http/fields.h"
#include "gateway/http/http.h"
#include "gateway/log/log.h"

#define PIECE ((size_t)16384)
#define RAW_MAX (2 * PIECE)  /* received and not yet looked at: then reading stops */
#define WIRE_MAX (4 * PIECE) /* to be sent: then nothing more is read that might ask for more */
#define LINGER_MS 2000       /* for a peer to read what was sent last, before its rest is refused by a reset */
#define BACKLOG 128

struct connection;
struct listener;
struct source;

#define LINES_MOST 5u /* of the log in ten seconds, of each kind of event that strangers bring about */

struct http_server {
    uv_loop_t *loop;
    const struct http_handlers *handlers;
    void *arg;
    char *name;
    struct http_limits limits;
    struct http_counters counters;
    SSL_CTX *tls; /* NULL: plain */
    struct listener *listeners;
    struct connection *connections;         /* head of a list */
    struct connection *ready, **ready_tail; /* queue */
    struct source *sources;                 /* hash */
    uv_idle_t turn;                         /* runs while the queue has something */
    uv_timer_t tick;                        /* runs while there are connections */
    unsigned handles;                       /* of the server itself, not closed yet */
    unsigned references;                    /* itself until closed, and each exchange */
    struct log_repeat failed, ended;        /* handshakes; connections that we end: strangers bring both about */
    uint64_t complained;                    /* uv_now when turned_away was last logged */
    bool closing, told_closed;
    uint64_t cut; /* uv_now at which what is left is cut */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    uint64_t dated; /* second of date */
    char date[32];
};

/* Counted by its connection and exchanges. */
struct peer {
    struct http_peer public;
    unsigned references;
    struct sockaddr_storage address;
    char text[80];
};

/* HTTP/1.1 or HTTP/2 on a connection. Functions that return -1 have it doomed by the caller. */
struct protocol {
    bool multiplexed;
    int (*open)(struct connection *connection);
    bool (*wants)(const struct connection *connection);   /* more input now */
    bool (*pending)(const struct connection *connection); /* something to do with input it has */
    int (*receive)(struct connection *connection, const uint8_t *data, size_t length);
    int (*proceed)(struct connection *connection);
    int (*produce)(struct connection *connection, struct buffer *to); /* at most about a piece */
    bool (*finished)(const struct connection *connection);            /* will neither send nor take anything more */
    int (*ended)(struct connection *connection);                      /* the peer sends nothing more */
    int (*tick)(struct connection *connection, uint64_t now);         /* deadlines */
    void (*shutdown)(struct connection *connection);                  /* end in order, soon; nothing new */
    void (*close)(struct connection *connection);                     /* frees its state */
};
extern const struct protocol protocol_http1, protocol_http2;

struct connection {
    struct http_server *server;
    struct connection *next, **back; /* the server's */
    struct connection *ready_next;   /* in the server's queue */
    bool ready;                      /* is in it */
    bool reading, writing, ended;    /* ended: the peer sends nothing more */
    bool end_told;                   /* to the protocol */
    bool doomed, closed, lingering;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct peer *peer;
    struct source *source;
    SSL *ssl;
    struct buffer raw;                               /* as received */
    struct buffer wire, sending;                     /* to be sent; sending belongs to libuv while writing */
    size_t discarded;                                /* while lingering */
    const struct protocol *protocol;                 /* NULL until the handshake is done */
    void *state;                                     /* the protocol's */
    struct http_exchange *exchanges;                 /* attached ones */
    struct http_exchange *complete, **complete_tail; /* to be told */
    uint64_t since;                                  /* uv_now of accept, of the start of lingering */
    uint64_t window;                                 /* uv_now since which taken counts */
    size_t taken;                                    /* bytes that the socket took */
};

/* The body of a response. */
enum outgoing_kind { OUTGOING_NONE, OUTGOING_MEMORY, OUTGOING_SOURCE, OUTGOING_STREAM };
struct outgoing {
    enum outgoing_kind kind;
    const uint8_t *data; /* memory */
    size_t length, offset;
    void (*release)(void *owner);
    void *owner;
    struct http_source source;
    struct buffer queue; /* stream */
    size_t charged;      /* of it */
    bool ended, failed;
};
#define OUTGOING_WAIT ((ssize_t)-2)
#define OUTGOING_FAILED ((ssize_t)-1)
/* How many bytes were put; 0 at the end; or one of these. */
ssize_t outgoing_read(struct outgoing *outgoing, uint8_t *to, size_t size);
bool outgoing_has_length(const struct outgoing *outgoing);
bool outgoing_is_done(const struct outgoing *outgoing); /* known without reading */
void outgoing_release(struct outgoing *outgoing);

/* What the head said before it is a struct http_request; offsets into the text of the fields. */
#define NOT_THERE SIZE_MAX
struct draft {
    struct fields fields;
    size_t method, path, query, authority, target_authority;
    uint64_t content_length;
    bool has_length, chunked, close, expects, expects_other;
    unsigned version;
    size_t bytes, count; /* of fields, against the limits */
};

struct http_exchange {
    struct http_request request;
    struct draft draft;
    struct http_header *headers;
    struct buffer body;
    size_t body_max;
    struct peer *peer;
    struct http_server *server;    /* referenced */
    struct connection *connection; /* NULL once detached */
    struct http_exchange *next, **back;
    struct http_exchange *complete_next;
    bool queued; /* in connection->complete */
    void *user;
    bool head;                  /* HEAD: no body */
    bool received;              /* the request is complete */
    bool told, ended, answered; /* answered: status is set */
    bool reset;                 /* end it without an answer */
    bool woken;                 /* HTTP/2: has news for nghttp2 */
    bool submitted, deferred, interim;
    bool sent_all; /* HTTP/2: the response is out, the request not complete */
    int refused;   /* HTTP/2: status to refuse with once the head is over */
    int32_t stream;
    unsigned status;
    struct fields response;
    struct outgoing outgoing;
    size_t memory;  /* charged */
    uint64_t since; /* uv_now: of its start; of the end of its head; window of progress once answered */
    bool in_body;   /* HTTP/2: the head is over */
    size_t sent;    /* in that window */
};

/* server.c */
void server_unref(struct http_server *server);
void server_try_closed(struct http_server *server);
const char *server_date(struct http_server *server);

/* listen.c */
void listen_close_all(struct http_server *server);

/* turn.c */
int turn_open(struct http_server *server);
void turn_close(struct http_server *server);
void turn_start_tick(struct http_server *server);
void connection_ready(struct connection *connection);
void connection_unready(struct connection *connection);

/* source.c: connections of one address */
int source_enter(struct http_server *server, struct connection *connection, const struct sockaddr *address);
void source_leave(struct http_server *server, struct connection *connection);

/* peer.c */
struct peer *peer_new(uv_stream_t *stream, bool secure);
void peer_unref(struct peer *peer);

/* connection.c */
/* -1: out of memory, and nobody was accepted. */
int connection_accept(struct http_server *server, uv_stream_t *listener, bool local);
void connection_doom(struct connection *connection);
void connection_visit(struct connection *connection);
void connection_tick(struct connection *connection, uint64_t now);
void connection_shutdown(struct connection *connection);

/* channel.c: bytes of a connection, to and from the socket, through TLS where there is */
void channel_read(struct connection *connection, bool on);
bool channel_has_input(const struct connection *connection);
/* Reads up to a piece: how many bytes, 0 nothing now, -1 the end, -2 an error. */
ssize_t channel_take(struct connection *connection, uint8_t *to);
int channel_put(struct connection *connection, const struct buffer *plain); /* 0, -1 */
int channel_flush(struct connection *connection);
void channel_goodbye(struct connection *connection);

/* tls.c */
SSL_CTX *tls_new(const struct http_tls *tls, char *error, size_t error_size);
SSL *tls_accept(SSL_CTX *context, struct connection *connection);
void tls_failure(char *text, size_t size);
const struct protocol *tls_protocol(const SSL *ssl);

/* request.c: the head, field by field. 0, or the status to refuse the request with. */
void request_start(struct http_exchange *exchange, unsigned version);
int request_method(struct http_exchange *exchange, const char *method, size_t length);
int request_target(struct http_exchange *exchange, const char *target, size_t length);
int request_authority(struct http_exchange *exchange, const char *authority, size_t length);
int request_field(struct http_exchange *exchange, const char *name, size_t name_length, const char *value,
                  size_t value_length);
int request_head_done(struct http_exchange *exchange);
int request_body(struct http_exchange *exchange, const uint8_t *data, size_t length);

/* target.c */
bool target_is_path(const char *text, size_t length); /* of a path or query */
bool target_is_authority(const char *text, size_t length);

/* exchange.c */
struct http_exchange *exchange_new(struct connection *connection);
bool exchange_charge(struct http_exchange *exchange, size_t size); /* against limits.memory */
void exchange_count(struct http_exchange *exchange, size_t size);  /* what is taken whatever the limit says */
void exchange_received(struct http_exchange *exchange);            /* to be told */
void exchange_tell(struct connection *connection);
void exchange_refuse(struct http_exchange *exchange, unsigned status); /* answered by us */
void exchange_detach(struct http_exchange *exchange);                  /* may free it */
void exchange_wake(struct http_exchange *exchange);
void exchange_break(struct http_exchange *exchange);
void exchange_forget_request(struct http_exchange *exchange);
void exchange_end(struct http_exchange *exchange);

/* respond.c */
