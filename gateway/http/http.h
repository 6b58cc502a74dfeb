/*
 * http: an HTTP server on libuv: HTTP/1.1 (RFC 9112) over TCP or a Unix socket, HTTP/1.1 and HTTP/2 (RFC 9113) over
 * TLS.
 *
 * Words: a *server* has listeners that share settings, credentials and limits; a *connection* is one accepted peer; an
 * *exchange* is one request and its response; a *stream* is a response whose body is written in pieces over time; a
 * *turn* is one iteration of the loop. Nothing is parsed, decrypted or written in the callbacks of libuv: connections
 * with work queue up, and each turn works on that queue for at most turn_us, so that whatever else lives on the loop
 * waits no longer than that (and one call of handlers->request).
 * Called by southbound/data and gateway/admin on the loop thread. It knows no RESTCONF and no operator's command, and
 * does not decide who may do what: it says who the peer is.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

struct http_server;

/* One request and its answer. Whoever gets it in handlers->request owns it and ends it exactly once, at once or later,
 * by http_respond (or a sister of it) or http_stream_end or http_drop; also after handlers->gone and after http_close,
 * when these only release it. */
struct http_exchange;

/* In a request: name in lower case, value without white space around it; neither has a NUL inside. */
struct http_header {
    const char *name, *value;
};

struct http_peer {
    const struct sockaddr *address; /* AF_UNIX on a Unix socket */
    const char *text;               /* "203.0.113.7:40112", "uid 0": for logs */
    X509 *certificate;              /* leaf, chain verified up to a trust anchor; NULL when none was sent */
    bool secure;                    /* TLS */
    uid_t uid;                      /* Unix socket only: who connected; else (uid_t)-1 */
};

/* Valid until the exchange is ended or its stream begun. Texts end with a NUL. */
struct http_request {
    const char *method;    /* "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH" or "DELETE": others are answered 501 */
    const char *path;      /* as sent: absolute, RFC 3986 characters only, escapes are well-formed and not decoded;
                              "*" with OPTIONS */
    const char *query;     /* behind the "?", as sent and checked as the path; NULL without "?" */
    const char *authority; /* Host or :authority, as sent; "" with HTTP/1.0 without Host */
    const struct http_header *headers; /* in order; without Host and what only frames the message */
    size_t header_count;
    const uint8_t *body; /* whole; NULL when empty; a NUL follows it */
    size_t body_length;
    unsigned version; /* 10, 11, 20 */
    const struct http_peer *peer;
};

struct http_handlers {
    /* A request is complete. Never from inside a function of this header. */
    void (*request)(void *arg, struct http_exchange *exchange, const struct http_request *request);
    /* The peer of an exchange that was told and not ended is gone, or its stream was dropped for being too slow. It
     * still has to be ended. Never from inside a function of this header. NULL: not interested. */
    void (*gone)(void *arg, struct http_exchange *exchange);
    /* The header is complete, a body follows (body NULL so far): how many bytes of it are taken, at most what
     * limits.body_bytes says. More: 413. Do not keep the request. NULL: limits.body_bytes. */
    size_t (*body_max)(void *arg, const struct http_request *request);
    /* This library refuses a request with this status (4xx, 5xx; text: "Content Too Large"): writes the body of the
     * answer, at most size bytes, returns its length and sets type, a constant. NULL or 0: text/plain. */
    size_t (*refusal)(void *arg, unsigned status, const char *text, char *body, size_t size, const char **type);
};

enum http_client_certificate {
    HTTP_CLIENT_CERTIFICATE_NONE,     /* not asked for */
    HTTP_CLIENT_CERTIFICATE_OPTIONAL, /* asked for; one that does not verify ends the handshake */
    HTTP_CLIENT_CERTIFICATE_REQUIRED,
};

/* PEM files, read once by http_open and http_reload_tls. */
struct http_tls {
    const char *certificate; /* with its chain; NULL: no TLS at all */
    const char *private_key;
    const char *trust_anchors; /* NULL only with HTTP_CLIENT_CERTIFICATE_NONE */
    enum http_client_certificate client_certificate;
    const uint8_t *ticket_keys; /* shared with others (gateway/tls/tickets.h); length 0: made here */
    size_t ticket_keys_length;
};

/* 0 takes the default, which is given behind each. */
struct http_limits {
    unsigned connections;            /* 1024; more are closed as they come */
    unsigned connections_per_source; /* 64; IPv4 address or IPv6 /64; not on Unix sockets */
    unsigned streams;                /* 32; concurrent ones of one HTTP/2 connection */
    unsigned header_count;           /* 100; more: 431 */
    size_t header_bytes; /* 16384; request line and header, decoded (RFC 9113 section 10.5.1); more: 414, 431 */
    size_t body_bytes;   /* 1 MiB; more: 413 */
    size_t memory; /* 256 MiB; of requests and responses under way, besides 128 KiB a busy connection; above it new
                      requests get 503 */
    size_t stream_queue; /* 256 KiB; what is written to a stream and not yet sent; above it it is dropped */
    unsigned header_ms;  /* 10000; from accept to the end of the handshake, and for a header; 408 */
    unsigned body_ms;    /* 60000; 408 */
    unsigned idle_ms;    /* 60000; without a request */
    unsigned write_ms;   /* 30000; in which a reader takes at least 16 KiB of what waits for it, or is dropped */
    unsigned turn_us;    /* 1000; of work in one turn of the loop, all connections together */
};

struct http_settings {
    const char *name; /* "data channel": starts what is logged; NULL: "http" */
    struct http_tls tls;
    struct http_limits limits;
};

/* handlers stay borrowed. NULL with a sentence in error (file, what is wrong with it). Blocks on files. */
struct http_server *http_open(uv_loop_t *loop, const struct http_settings *settings,
                              const struct http_handlers *handlers, void *arg, char *error, size_t error_size);

/* address: numeric; "::" takes IPv4 too. Port 0 picks one. Returns the port, or -1 with error. */
int http_listen_tcp(struct http_server *server, const char *address, uint16_t port, char *error, size_t error_size);

/* A socket that nobody listens on is replaced; any other file is not. The file gets this mode before anybody can
 * connect, and is removed by http_close. 0, or -1 with error. */
int http_listen_unix(struct http_server *server, const char *path, mode_t mode, char *error, size_t error_size);

/* Reads credentials anew for the connections to come; those that are up stay, tickets of before do not count any more,
 * unless their keys are shared and the trust anchors the same. 0, or -1 with error and nothing changed. Blocks on
 * files. A server without TLS cannot get any. */
int http_reload_tls(struct http_server *server, const struct http_tls *tls, char *error, size_t error_size);

/* The same in two steps: http_material_load blocks on files and runs on any thread; http_renew, on the loop, never
 * fails, and leaves in material what was in force before. NULL with error. Only for a server that has TLS. */
struct http_material;
struct http_material *http_material_load(const struct http_tls *tls, char *error, size_t error_size);
void http_renew(struct http_server *server, struct http_material *material);
void http_material_free(struct http_material *material); /* any thread; NULL is fine */

/* Takes no more connections and requests (GOAWAY, Connection: close), lets exchanges that are under way end within
 * grace_ms, then cuts the rest (handlers->gone). on_closed when the loop has let go; exchanges that are not ended yet
 * may be ended after it. */
void http_close(struct http_server *server, unsigned grace_ms, void (*on_closed)(void *arg), void *arg);

struct http_counters {
    unsigned connections; /* now */
    size_t memory;        /* now, bytes that limits.memory bounds */
    uint64_t accepted;    /* connections */
    uint64_t turned_away; /* connections, over a limit */
    uint64_t handshakes_failed;
    uint64_t requests; /* told to handlers->request */
    uint64_t refused;  /* requests answered by this library: 4xx, 5xx */
    uint64_t floods;   /* connections ended for their behaviour (ENHANCE_YOUR_CALM) */
    uint64_t too_slow; /* connections and streams dropped: time for a header, a body or reading was over */
};
const struct http_counters *http_counters(const struct http_server *server);

/* Ends the exchange with a response; the body is copied. Content-Length, Date and what frames the message are added
 * here; HEAD, 204 and 304 get no body. A header with a character that is not allowed (RFC 9110 section 5.5) makes it a
 * 500. */
void http_respond(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                  size_t header_count, const void *body, size_t body_length);

/* The same with a body that is not copied: release(owner) when it is no longer needed. release NULL: constant. */
void http_respond_with(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                       size_t header_count, const void *body, size_t body_length, void (*release)(void *owner),
                       void *owner);

/* A body that is made while it is sent: a long list takes no memory and no long turn. */
struct http_source {
    /* Fills up to size bytes, at most 16 KiB are asked for; returns how many, 0 at the end, -1 to break it off (the
     * peer sees that it is incomplete). Never from inside a function of this header. */
    ssize_t (*read)(void *arg, uint8_t *to, size_t size);
    void (*release)(void *arg); /* exactly once; may come from inside http_respond_source */
    void *arg;
};
void http_respond_source(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                         size_t header_count, const struct http_source *source);

/* A response in pieces, for as long as both sides want; the request is no longer valid. Idle and write limits do not
 * end it, but see limits.stream_queue. */
void http_stream_begin(struct http_exchange *exchange, unsigned status, const struct http_header *headers,
                       size_t header_count);
/* 0; -1 when the peer is gone or was dropped because it does not keep up (handlers->gone follows, unless it was told).
 */
int http_stream_write(struct http_exchange *exchange, const void *data, size_t length);
void http_stream_end(struct http_exchange *exchange);

/* Ends the exchange without an answer: the connection (HTTP/1.1) or stream (HTTP/2) is reset. */
void http_drop(struct http_exchange *exchange);

void http_exchange_set_user(struct http_exchange *exchange, void *user);
void *http_exchange_user(const struct http_exchange *exchange);

/* Value of the only field with this lower-case name; NULL when there is none, or more than one. */
const char *http_header_find(const struct http_request *request, const char *name);

/* Takes the escapes out of a segment of a path or a value of a query, in place (RFC 3986 section 2.1). 0, or -1: one is
 * malformed, or stands for NUL; text is undefined then. */
int http_unescape(char *text);

/* Status codes as the labels of a counter: a bounded set, whatever a peer answers. */
#define HTTP_STATUSES 39u
size_t http_status_place(unsigned status);     /* below HTTP_STATUSES */
const char *http_status_name(size_t place);    /* "201"; "other" */
const char *http_status_text(unsigned status); /* "Created"; "": not known */

/* "nghttp2 1.52.0", "llhttp 9.2.1": for -V. */
const char *http_versions(void);
