/*
 * link: a DOTS signal channel session with one group of servers, and everything that keeps it up and
 * usable (RFC 9132 sections 4.3 to 4.7), for a DOTS client of any kind.
 *
 * Words: a *link* is what is kept with a server group: the session in use, the one being made,
 * heartbeats, negotiated configuration, redirect; an *exchange* is one request that is repeated until
 * answered, or an observation; a *link endpoint* is what links to the same group with the same
 * credentials share: sockets, tickets, resolved names, outcomes of connection attempts.
 * Called by northbound and by dots-client, on the loop thread. It must not know what a mitigation is
 * for, nor the relay, the configuration file or the store. Handlers and responses are called from the
 * loop only, never from inside a function below.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/coap/coap.h"
#include "gateway/wire/wire.h"

#define LINK_SERVERS_MAX 16u
#define LINK_PATH_MAX DOTS_PATH_MAX

/* ---- What links share ---- */

struct link_server {
    const char *host; /* what its certificate must be for; resolved when there are no addresses */
    uint16_t port;
    const char *const *addresses; /* numeric */
    size_t address_count;
};

struct link_endpoint_settings {
    const char *name;                  /* identifier in 5.08 payloads */
    const struct link_server *servers; /* most preferred first, 1..LINK_SERVERS_MAX; copied */
    size_t server_count;
    unsigned transports; /* bits of enum dots_transport */
    struct dots_credentials credentials;
    struct dots_material *material; /* instead of credentials; borrowed */
    unsigned mtu;                   /* of the path; 0: 1280 */
};

struct link_endpoint;

/* NULL with a sentence in error. Blocks on the files of the credentials. */
struct link_endpoint *link_endpoint_open(uv_loop_t *loop, const struct link_endpoint_settings *settings, char *error,
                                         size_t error_size);
/*
 * Other servers, transports, credentials or MTU (settings->material, not credentials; the name stays). Links that have
 * a session go on with it until one of the new kind is up; where that cannot be had they stay, unless their server is
 * not among the servers any more. 0, or -1 out of memory: nothing has changed.
 */
int link_endpoint_renew(struct link_endpoint *endpoint, const struct link_endpoint_settings *settings);
/* Closes its links as well, in order; on_closed when the loop has let go of everything. */
void link_endpoint_close(struct link_endpoint *endpoint, void (*on_closed)(void *arg), void *arg);

struct link_counters {
    size_t unanswered; /* requests that wait to be sent, or for their answer, now */
    uint64_t heartbeats_missed;
    uint64_t attempts_failed[4]; /* by enum dots_down */
};
const struct link_counters *link_endpoint_counters(const struct link_endpoint *endpoint);

/* ---- A link ---- */

struct link;

struct link_handlers {
    /* A session new to the server carries requests from now on: nothing is observed there. Requests
     * that were not answered are sent again by themselves after this call. */
    void (*up)(void *arg);
    /* No session can be had: once for each outage. text: what happened and what to do. */
    void (*down)(void *arg, const char *text);
    /* A 'sid' above all earlier ones is needed: hand it in by link_set_sid, now or later. */
    void (*sid_wanted)(void *arg);
    /* For the operators: "session-lost", "redirected", "redirect-loop", "redirect-failed", "redirect-over",
     * "config-refused". */
    void (*alert)(void *arg, const char *event, const char *text);
    /* In an attack a session without answers to missing-hb-allowed heartbeats goes on (section 4.7): that it is
     * silent, and that something was heard over it again. Either may be NULL. */
    void (*silent)(void *arg);
    void (*heard)(void *arg);
};

/* Session parameters in the units of enum wire_config_parameter. */
struct link_parameters {
    uint32_t mitigating[WIRE_CONFIG_PARAMETERS], idle[WIRE_CONFIG_PARAMETERS];
};

struct link_settings {
    const struct link_handlers *handlers;
    void *arg;
    bool mitigating; /* at first */
    bool negotiate;  /* false: RFC 9132's recommended parameters, no request for config by itself */
    struct link_parameters wanted;
};

/* Begins to connect on the next turn of the loop. NULL: out of memory. */
struct link *link_open(struct link_endpoint *endpoint, const struct link_settings *settings);
/* Closes the session (close_notify), drops every exchange without a word. May be called in up, down and in
 * responses. */
void link_close(struct link *link);

bool link_is_up(const struct link *link);
/* Is an attack on: chooses the parameter set, how eagerly to connect, and what a silent peer means. */
void link_set_mitigating(struct link *link, bool mitigating);
void link_set_sid(struct link *link, uint32_t sid);
/* Negotiated anew as soon as no attack is on (section 4.5.3). */
void link_set_wanted(struct link *link, const struct link_parameters *wanted);
/* "dots1.example.net 192.0.2.10:4646/udp", for logs; "" without a session. Valid until the loop runs. */
const char *link_text(const struct link *link);
/* Smoothed round-trip time in microseconds; 0: no estimate. */
uint32_t link_rtt(const struct link *link);
/* The parameters in force, negotiated or recommended. */
const uint32_t *link_parameters(const struct link *link);
/* Largest message that fits a datagram of the session in use; 0: no session, or TCP. */
size_t link_message_max(const struct link *link);

/* ---- Requests ---- */

struct exchange;

enum link_priority {
    LINK_MITIGATION, /* mitigation requests and withdrawals: first, and a reason to hurry a connection */
    LINK_SESSION,    /* configuration, listing */
    LINK_STATUS,     /* observations */
    LINK_PRIORITIES,
};

struct link_request {
    enum dots_method method;
    const char *const *path; /* whole Uri-Path: ".well-known", "dots", ... */
    size_t path_count;
    const char *const *query;
    size_t query_count;
    const uint8_t *body; /* application/dots+cbor; NULL: none */
    size_t body_length;
    bool confirmable;  /* libcoap repeats it, or it is repeated here until answered */
    bool observe;      /* registers; answers come until link_cancel */
    bool if_match;     /* with an empty value, section 4.4.3 */
    uint8_t hop_limit; /* 0: no option */
    enum link_priority priority;
    uint32_t give_up_ms; /* after the first transmission: LINK_TIMEOUT; 0: never */
};

enum link_result {
    LINK_ANSWERED,  /* response is set; with observe also each notification fresher than the last */
    LINK_TOO_LARGE, /* does not fit a datagram (section 7.3) */
    LINK_TIMEOUT,   /* give_up_ms is over, or libcoap gave up a confirmable request */
};

/* Without observe the exchange is gone when this is called. With observe it stays, until link_cancel:
 * after an error response or LINK_TIMEOUT nothing comes until link_repeat. */
typedef void(link_response_h)(void *arg, enum link_result result, const struct dots_response *response);

/* Sends as soon as there is a session and the pace allows; everything is copied. NULL: out of memory. */
struct exchange *link_request(struct link *link, const struct link_request *request, link_response_h *handler,
                              void *arg);
/* Registers an observation anew, with the same token (RFC 7641 section 3.3.1). A notification of the old
 * registration that comes meanwhile counts as well: it is alive. */
void link_repeat(struct exchange *exchange);
/* The server has it registered in this session, and nothing is under way about it. */
bool link_observes(const struct exchange *exchange);
/* May it have arrived more than once? Then an answer says nothing of what became of the other ones. */
bool link_repeated(const struct exchange *exchange);
/* The handler is not called any more. deregister: an observation is also ended at the server (RFC 7641
 * section 3.6), with one request that is not repeated. */
void link_cancel(struct exchange *exchange, bool deregister);
