/*
 * signal: what the files of southbound/signal share; nobody else includes it.
 *
 * Words: a *peer* is one proven identity of a client (client, key hash): session configuration,
 * heartbeats and signal loss belong to it; a *session* is one of its (D)TLS associations; a
 * *watch* is a resource that somebody observes; a *put* is a mitigation request on its way to the
 * relay; an exchange is *held* until the relay or the store has answered.
 *
 * Who owns whom: southbound owns peers and sessions; a session its observers; a peer the requesters
 * that its identity used last. Sending may end a session: what goes on after it holds a reference.
 * Everything that calls the relay starts from a request or from the timer, never from an effect.
 */
#pragma once

#include <stddef.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "aggregation/deadline.h"
#include "gateway/coap/coap.h"
#include "southbound/signal/alias.h"
#include "southbound/signal/client.h"
#include "southbound/signal/limits.h"
#include "southbound/signal/parameters.h"
#include "southbound/signal/path.h"
#include "southbound/signal/refusal.h"
#include "southbound/signal/resolve.h"
#include "southbound/signal/southbound.h"
#include "southbound/signal/target.h"

#define SOUTH_NEVER INT64_MAX
#define SOUTH_NOTIFY_MS 3000    /* between notifications without an RTT estimate, RFC 9132 section 4.4.2.1 */
#define SOUTH_BUSY_MAX_AGE 1    /* s, with 5.03 over a rate */
#define SOUTH_FULL_MAX_AGE 60   /* s, with 5.03 for want of room */
#define SOUTH_STORE_MAX_AGE 10  /* s, with 5.03 when the store cannot write */
#define SOUTH_STANDING_MS 30000 /* a session that is not served is closed after this */
#define SOUTH_PARTING_MS 4000   /* one that is sent away has this long to hear why: longer than SOUTH_NOTIFY_MS */
#define SOUTH_PEER_STORED 64    /* configurations on disk of one client */
#define SOUTH_OBSERVERS_EXTRA 4 /* per session, besides two for each mitigation */
#define SOUTH_PUTS_MAX 1024     /* requests that wait for DNS; more are taken by name */
#define SOUTH_DNS_MS 1000       /* a request waits for DNS no longer */

struct south_session;
struct south_peer;
struct south_requester;

enum south_timer_kind {
    SOUTH_TIMER_SESSION,  /* heartbeat and liveness */
    SOUTH_TIMER_PUMP,     /* the next notification of a session */
    SOUTH_TIMER_OBSERVER, /* an observer has something to be told */
    SOUTH_TIMER_PEER,     /* its signal is lost */
    SOUTH_TIMER_PUT,      /* DNS took too long */
    SOUTH_TIMER_FOLLOW,   /* requesters whose activity may have changed */
    SOUTH_TIMER_REVIEW,   /* peers that a reload or a drain may concern */
};

struct south_timer {
    struct deadline deadline; /* first: a deadline is its timer */
    enum south_timer_kind kind;
};

/* ---- Peers and requesters ---- */

struct south_peer_key {
    const struct south_client *client;
    char hash[24]; /* zero-filled */
};

struct south_peer {
    struct south_peer_key key;
    struct south_client *client;
    struct south_negotiated *negotiated; /* NULL: defaults */
    struct south_session *sessions;
    struct south_requester *requesters;
    size_t active_requesters; /* of those, with a mitigation under way */
    size_t held;              /* exchanges that wait for the relay or the store */
    uint32_t loss;            /* counts losses of the signal */
    bool closed;              /* the last session was closed in order */
    bool losing;              /* requesters are being told */
    struct south_timer timer;
    struct south_peer *stored_prev, *stored_next; /* of the client, oldest configuration first */
    UT_hash_handle hh;
};

/* Southbound's side of a requester: its 'user'. */
struct south_requester {
    struct requester *requester;
    struct south_peer *peer;
    struct south_watch *watches;
    bool active, following;
    uint32_t loss;                                     /* the peer's loss it was told of */
    struct south_requester *prev, *next;               /* of the peer */
    struct south_requester *follow_prev, *follow_next; /* of southbound */
};

/* ---- Sessions ---- */

/* PARTING: no longer allowed, told so, closed in a moment. */
enum south_standing { SOUTH_SERVED, SOUTH_SURPLUS, SOUTH_UNKNOWN, SOUTH_PARTING, SOUTH_STANDINGS };

struct south_session {
    struct southbound *southbound;
    struct dots_session *session; /* a reference */
    struct south_client *client;  /* NULL: unknown */
    struct south_peer *peer;      /* NULL unless served */
    enum south_standing standing;
    unsigned references; /* one while it is up, one for each function that may see it go down */
    bool down, began, awaiting, lost, deaf;
    uint32_t generation; /* of the configuration that it was judged by */
    int64_t up_ms;
    int64_t closes_ms; /* when it is not served */
    /* heartbeats */
    struct south_timer timer;
    int64_t next_heartbeat_ms, sent_heartbeat_ms, peer_heartbeat_ms; /* 0: never */
    int64_t free_heartbeat_ms;                                       /* the last request that no limit counted */
    struct dots_token heartbeat_token;
    uint32_t rtt_ms; /* 0: no estimate */
    /* notifications */
    struct south_timer pump;
    int64_t notify_after_ms;
    bool was_urgent; /* the last one */
    struct south_observer *observers, *urgent, *ordinary;
    size_t observer_count;
    struct south_session *prev, *next; /* of the peer */
    struct south_session *all_prev, *all_next;
};

/* ---- Observers ---- */

struct south_watch_key {
    const void *owner; /* south_requester, or south_peer for its configuration */
    uint64_t what;     /* mid, or one of the below */
};
#define SOUTH_WATCH_ALL (UINT64_C(1) << 32)
#define SOUTH_WATCH_CONFIG (UINT64_C(1) << 33)

struct south_watch {
    struct south_watch_key key;
    struct south_observer *observers;
    struct south_requester *requester; /* the owner, NULL for a configuration */
    struct south_watch *prev, *next;   /* of the requester */
    UT_hash_handle hh;
};

struct south_token_key {
    const struct south_session *session;
    struct dots_token token;
    uint8_t zero[7];
};

struct south_observer {
    struct south_token_key key;
    struct south_session *session;
    struct south_watch *watch; /* NULL: the resource is gone, this is told next */
    enum mitigation_content content;
    bool has_sid; /* a configuration, asked for by its sid */
    uint32_t sid;
    uint32_t sequence;
    int64_t sent_ms;        /* the last notification; 0: none yet */
    enum wire_status shown; /* the last status told */
    bool queued, urgent;
    uint8_t *last; /* body of the last representation, told before 4.04; NULL: none */
    size_t last_length;
    struct south_timer timer;
    struct south_observer *prev, *next;             /* of the session */
    struct south_observer *watch_prev, *watch_next; /* of the watch */
    struct south_observer *queue_prev, *queue_next; /* of the session's queue */
    UT_hash_handle hh;
    uint8_t path_count, query_count;
    uint16_t lengths[DOTS_PATH_MAX + DOTS_QUERY_MAX];
    char bytes[]; /* of path and query, as the client sent them */
};

/* ---- Exchanges that wait ---- */

/* For the relay, or the store: what relay_put takes as exchange. */
struct south_held {
    struct dots_exchange *exchange; /* NULL: dropped when closing */
    uint64_t arrived_ns;            /* uv_hrtime */
    struct south_peer *peer;
    struct south_held *prev, *next;
    char cdid[RELAY_CUID_MAX + 1], cuid[RELAY_CUID_MAX + 1];
    uint32_t mid;      /* of a mitigation request */
    bool news;         /* neither a refresh nor a repeated datagram: the log has it */
    uint64_t sequence; /* of the store, for a configuration */
    uint8_t code;      /* to answer then */
};

/* A mitigation request whose names are being resolved. */
struct south_put {
    struct southbound *southbound;
    struct south_held *held;
    struct wire_message *message;
    struct south_control control;
    struct scope *expanded; /* what the target of the message points into; NULL: itself */
    uint32_t mid;
    bool if_match;
    uint8_t hop_limit;
    size_t next_name;
    struct south_waiter waiter;
    struct south_timer timer; /* the end of our patience with DNS */
    struct south_put *prev, *next;
};

struct southbound {
    uv_loop_t *loop;
    const struct config *config;
    struct relay *relay;
    struct store *store;
    int64_t (*now)(void);
    struct dots_endpoint *endpoint;
    struct south_clients *clients;
    struct south_sources *sources;
    struct south_resolver *resolver;
    struct south_refusals refusals;
    struct log_repeat unknown; /* sessions of nobody known */
    struct south_aliases aliases;
    struct south_peer *peers;
    size_t served;
    struct south_watch *watches;
    struct south_observer *tokens;
    struct south_held *held;    /* by the relay */
    struct south_held *storing; /* by the store, in order of their sequence */
    struct south_put *puts;     /* wait for DNS */
    size_t put_count;
    struct south_requester *following;
    struct deadline_heap *timers;
    struct south_timer follow, review;
    struct south_peer *review_next; /* the next to be reviewed */
    bool reviewing, review_config;  /* config: session parameters have changed */
    bool draining;
    bool redirecting;    /* operators send all clients elsewhere, but this goes on */
    uint32_t generation; /* counts reloads */
    uv_timer_t timer;
    int64_t armed_ms; /* when it goes off */
    uint64_t random;
    uint8_t *body; /* scratch of the encoder */
    size_t body_size;
    struct south_session *sessions; /* all of them */
    size_t session_count;
    struct southbound_walk *walks;
    struct southbound_counters counters;
    size_t held_count; /* exchanges that wait for the relay or the store */
    bool closing;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    unsigned handles; /* that the loop has to let go */
};

/* southbound.c */
void south_timer_set(struct southbound *southbound, struct south_timer *timer, int64_t at_ms);
void south_timer_cancel(struct southbound *southbound, struct south_timer *timer);
/* Up to a tenth more, so that many do not act at once. */
int64_t south_jitter(struct southbound *southbound, int64_t period_ms);

/* request.c */
void south_request(void *arg, struct dots_session *dots_session, const struct dots_request *request);
/* At most every ten seconds for one client and code; client NULL: unknown. */
void south_log_refusal(struct southbound *southbound, const struct south_client *client,
                       const struct dots_exchange *exchange, uint8_t code, const char *reason);
/* Tells the client and the log. */
void south_refuse(struct south_session *session, struct dots_exchange *exchange, uint8_t code, int64_t max_age,
                  const char *reason);
/* Not application/dots+cbor: answered, false. */
bool south_format_allowed(struct south_session *session, const struct dots_request *request);
/* Decodes the body as one type of message; NULL when it was answered instead. Freed with wire_free. */
struct wire_message *south_decode(struct south_session *session, const struct dots_request *request,
                                  enum wire_type type, const char *name);

/* session.c */
void south_session_up(void *arg, struct dots_session *dots_session);
void south_session_down(void *arg, struct dots_session *dots_session, enum dots_down reason, const char *text);
/* Serves a session that was one too many, when there is room by now. */
void south_session_admit(struct south_session *session);
struct south_session *south_session_ref(struct south_session *session);
void south_session_unref(struct south_session *session);

/* peer.c */
struct south_peer *south_peer_get(struct southbound *southbound, struct south_client *client, const char *hash);
void south_peer_release(struct southbound *southbound, struct south_peer *peer); /* frees one without use */
void south_peer_joined(struct southbound *southbound, struct south_peer *peer, struct south_session *session);
void south_peer_left(struct southbound *southbound, struct south_peer *peer, struct south_session *session,
                     enum dots_down reason);
void south_peer_due(struct southbound *southbound, struct south_peer *peer);
/* The requester is used by this peer from now on. */
void south_peer_uses(struct southbound *southbound, struct south_peer *peer, struct requester *requester);
void south_peer_follow(struct southbound *southbound, struct south_requester *requester);
void south_peer_follow_due(struct southbound *southbound);
uint32_t south_peer_parameter(const struct southbound *southbound, const struct south_peer *peer,
                              enum wire_config_parameter parameter);
/* Its parameters or its set changed: transmission and heartbeats of its sessions follow. */
void south_peer_apply(struct southbound *southbound, struct south_peer *peer);

/* heartbeat.c */
void south_heartbeat_begin(struct south_session *session);   /* it is served from now on */
void south_heartbeat_arm(struct south_session *session);     /* after anything that moves its deadlines */
void south_heartbeat_changed(struct south_session *session); /* interval or set */
void south_heartbeat_due(struct south_session *session);
void south_heartbeat_put(struct south_session *session, const struct dots_request *request);
bool south_heartbeat_answered(struct south_session *session, const struct dots_token *token);

/* mitigate.c */
void south_mitigate(struct south_session *session, const struct dots_request *request, const struct south_path *path);
struct relay_requester south_relay_requester(const struct south_peer *peer, const char *cdid, const char *cuid);

/* put.c: a mitigation request, from its body to the relay */
void south_put(struct south_session *session, const struct dots_request *request, const struct south_path *path);
void south_put_due(struct southbound *southbound, struct south_put *put);
/* Requests for this mid that wait for DNS are withdrawn. */
void south_puts_withdraw(struct southbound *southbound, const struct south_path *path);
void south_puts_drop(struct southbound *southbound); /* all, unanswered */

/* held.c */
struct south_held *south_hold(struct south_session *session, struct dots_exchange *exchange,
                              const struct south_path *path);
/* Is this mid of its cuid there, neither withdrawn nor ended? */
bool south_held_live(const struct southbound *southbound, const struct south_held *held);
void south_held_free(struct southbound *southbound, struct south_held *held);
void south_held_close(struct southbound *southbound); /* all are dropped, unanswered */

/* mitigate_get.c */
void south_mitigate_get(struct south_session *session, const struct dots_request *request,
                        const struct south_path *path);
/* One mid or (SOUTH_WATCH_ALL) all: 0 and *message, freed with free(); 4.04 nothing there; 5.03 out of memory. */
uint8_t south_represent(const struct southbound *southbound, const struct requester *requester, uint64_t what,
                        enum mitigation_content content, struct wire_message **message);
/* The status of one mid (0: not there), or of all 0. *active: is a mitigation of it under way? */
enum wire_status south_represent_status(const struct southbound *southbound, const struct requester *requester,
                                        uint64_t what, bool *active);
/* s a representation counts as fresh (RFC 7641 section 4.3.1). */
int64_t south_represent_max_age(const struct southbound *southbound, bool active);

/* config.c */
/* After a reload: values that were negotiated and are out of range now go; all of them with their client. */
void south_config_review(struct southbound *southbound, struct south_peer *peer);
void south_config(struct south_session *session, const struct dots_request *request, const struct south_path *path);

/* observe.c: who observes what */
/* For a GET with Observe 0, before its answer; NULL: answer as a plain GET. */
struct south_observer *south_observe(struct south_session *session, const struct dots_request *request,
                                     const struct south_path *path, const void *owner, uint64_t what);
void south_observe_end(struct south_session *session, const struct dots_token *token); /* deregister, or Reset */
void south_observer_free(struct south_observer *observer);
void south_observer_detach(struct south_observer *observer);
struct south_watch *south_watch_find(struct southbound *southbound, const void *owner, uint64_t what);
void south_watches_end(struct southbound *southbound, struct south_requester *requester);

/* notify.c: when they are told */
uint32_t south_notify_first(const struct southbound *southbound); /* sequence number of a new observer */
uint32_t south_observer_next(struct south_observer *observer);    /* value of the Observe option */
int64_t south_notify_pace(bool gateway, uint32_t rtt_ms);         /* ms between notifications of a session */
void south_notify_unqueue(struct south_observer *observer);
/* It was told with the response to its GET. */
void south_notify_answered(struct south_observer *observer, enum wire_status status, bool active);
void south_notify_watch(struct southbound *southbound, const void *owner, uint64_t what, enum wire_status status);
/* The resource goes when the caller returns: what was not told yet is kept, then comes 4.04. */
void south_notify_gone(struct southbound *southbound, struct south_watch *watch, const struct mitigation *mitigation);
void south_notify_observer_due(struct south_observer *observer);
void south_notify_pump(struct south_session *session);

/* reply.c */
int south_reply_text(struct dots_exchange *exchange, uint8_t code, int64_t max_age, const char *text);
int south_reply_empty(struct dots_exchange *exchange, uint8_t code);
int south_reply_message(struct southbound *southbound, struct dots_exchange *exchange, uint8_t code, int64_t max_age,
                        int32_t observe, const struct wire_message *message);
/* In southbound's scratch: valid until the next call. NULL: out of memory, or larger than anything allowed. */
const uint8_t *south_encode(struct southbound *southbound, const struct wire_message *message, size_t *length);
int south_reply_answer(struct southbound *southbound, struct dots_exchange *exchange,
                       const struct relay_answer *answer);

/* The observation ends with this: format -1 and a text, or a body. False: the session went down meanwhile. */
bool south_notify_end(struct south_observer *observer, uint8_t code, int32_t format, int64_t max_age,
                      const uint8_t *body, size_t length);

/* inspect.c */
void south_inspect_up(struct south_session *session);
void south_inspect_down(struct south_session *session);
void south_inspect_stand(struct south_session *session, enum south_standing standing); /* from now on */
void south_inspect_close(struct southbound *southbound);
int south_answer(struct dots_exchange *exchange, const struct dots_response *response); /* dots_reply, counted */

/* redirect.c */
void south_redirect(struct south_session *session, struct dots_exchange *exchange);
/* Who observes something of it is sent elsewhere. */
void south_redirect_observers(struct south_session *session);
/* Is everybody, or this client, to go to the server of redirect? */
bool south_sent_away(const struct southbound *southbound, const struct south_client *client);
/* Is this one sent elsewhere while we drain? */
bool south_redirects(const struct south_session *session, const struct dots_request *request,
                     const struct south_path *path);

/* listen.c */
bool south_listens(const struct config *config);
struct dots_credentials south_credentials(const struct config *config);
unsigned south_sessions_max(const struct config *config);
/* What is in config and not in before (NULL: nothing is). How many, or -1 with a sentence: then nothing listens anew.
 */
int south_listen(struct southbound *southbound, const struct config *before, const struct config *config, char *error,
                 size_t error_size);

/* review.c: what a reload or a drain means for those who are connected */
void south_review_begin(struct southbound *southbound);
void south_review_due(struct southbound *southbound);
void south_review_session(struct south_session *session); /* before its turn: it asks for something */
void south_review_close(struct south_session *session);   /* one that is not served, at the end of its time */
const char *south_review_reason(const struct south_session *session); /* of one that is parting */
